//! What a policy can do beyond deciding: only what it is granted, and only as far as it may.

use bytes::Bytes;

use super::*;
use crate::message::Edit;

/// The guest that does what its script says.
fn powers(name: &str, script: &str) -> PolicyConfig {
    let mut policy = PolicyConfig::new(name, "tests/guests/built/powers.wasm");
    policy.settings.insert("script".to_owned(), script.into());
    policy.grants = Grant::ALL.to_vec();
    // It is not the clock that is under test, but where a test says so.
    policy.limits.time_ms = 10_000;
    policy
}

async fn set(policies: Vec<PolicyConfig>) -> PolicySet {
    let resources = Resources {
        routes: Arc::from(["archive".to_owned()]),
        ..Resources::default()
    };
    PolicySet::load_with(&chain(policies), &root(), &resources)
        .await
        .expect("loads")
}

/// A script's ruling on a message of a visitor, and what its commands came to.
async fn ruling(policies: Vec<PolicyConfig>, content: &[u8]) -> Ruling {
    let content: Arc<dyn Content> = Arc::new(Bytes::copy_from_slice(content));
    let mut session = session();
    Arc::make_mut(&mut session).received_at_ms = 1_764_000_000_000;
    let (envelope, message) = (envelope("v@example.org"), message("v@example.org", "hello"));
    set(policies)
        .await
        .evaluate_with(session, envelope, message, holding(content))
        .await
}

fn holding(content: Arc<dyn Content>) -> AtHand<'static> {
    AtHand {
        content: Some(content),
        memory: None,
    }
}

fn facts(ruling: &Ruling, step: usize) -> Vec<&str> {
    let facts = ruling.steps[step].facts.iter();
    facts.map(|(_, value)| value.as_str()).collect()
}

#[tokio::test]
async fn what_is_not_granted_is_not_loaded_and_the_hint_names_it() {
    let mut policy = powers("p", "pass");
    for (grants, missing) in [
        (vec![], "\"counters\", \"effects\", \"content\""),
        (vec![Grant::Effects], "\"counters\", \"content\""),
        (vec![Grant::Counters, Grant::Content], "\"effects\""),
    ] {
        policy.grants = grants;
        let config = chain(vec![policy.clone()]);
        let error = PolicySet::load(&config, &root())
            .await
            .expect_err("refused");
        let names = missing.replace('"', "");
        let imports = names
            .split(", ")
            .map(|name| format!("gatepost:policy/{name}"))
            .collect::<Vec<_>>()
            .join(", ");
        assert_eq!(
            error.to_string(),
            format!(
                "cannot load policy \"p\" from tests/guests/built/powers.wasm: imports: the component \
                 imports {imports}, which its entry does not grant"
            )
        );
        let hint = error.hint().expect("there is something to do");
        assert!(hint.contains(&format!("grants = [{missing}]")), "{hint}");
    }
}

#[tokio::test]
async fn a_grant_that_is_not_used_is_known() {
    let mut policy = PolicyConfig::new("sender-rules", "builtin:sender-rules");
    policy.grants = vec![Grant::Counters, Grant::Effects];
    let set = load(&chain(vec![policy, powers("p", "pass")])).await;
    let unused: Vec<Vec<_>> = set
        .policies()
        .map(|one| one.unused_grants().collect())
        .collect();
    assert_eq!(unused, [vec![Grant::Counters, Grant::Effects], vec![]]);
    let powers: Vec<Vec<_>> = set.policies().map(|one| one.powers().collect()).collect();
    assert!(powers[0].is_empty());
    assert_eq!(powers[1].len(), 3);
}

#[tokio::test]
async fn nothing_is_done_while_a_policy_is_loaded() {
    let config = chain(vec![powers("p", "early")]);
    let error = PolicySet::load(&config, &root())
        .await
        .expect_err("refused");
    let text = error.to_string();
    assert!(
        text.contains("wrong-stage wrong-stage unavailable"),
        "{text}"
    );
}

#[tokio::test]
async fn later_policies_judge_the_message_as_earlier_effects_left_it() {
    let rewrite = "replace-from web@example.com | replace-reverse-path web@example.com \
                   | remove-header Subject | add-header Subject new | from | path";
    let mut rules = PolicyConfig::new("sender-rules", "builtin:sender-rules");
    rules
        .settings
        .insert("unauthorized".to_owned(), "block".into());
    let look = powers(
        "look",
        "from | path | subject | header Reply-To | header From",
    );

    let refused = ruling(vec![rules.clone()], b"").await;
    assert_eq!(code(&refused), REJECTED);

    let chain = vec![powers("rewrite", rewrite), rules, look];
    let passed = ruling(chain, b"").await;
    assert_eq!(code(&passed), None, "{passed:?}");
    // Its own request does not change.
    let own = facts(&passed, 0);
    assert_eq!(own[4..], ["v@example.org", "v@example.org"]);
    assert_eq!(
        facts(&passed, 2),
        [
            "web@example.com",
            "web@example.com",
            "new",
            "v@example.org",
            "web@example.com"
        ]
    );
    let effects = &passed.effects;
    assert_eq!(effects.edits.len(), 5);
    assert_eq!(effects.edits[0], Edit::Remove("From".to_owned()));
    assert_eq!(effects.subject.as_deref(), Some("new"));
    assert_eq!(effects.reverse_path, "web@example.com".parse().ok());
}

#[tokio::test]
async fn effects_of_a_refused_message_are_dropped() {
    let hold = || powers("hold", "hold for a look | add-header X-A b");
    let held = ruling(vec![hold()], b"").await;
    assert_eq!(held.effects.hold.as_deref(), Some("hold: for a look"));
    for last in ["reject", "fail cannot decide", "trap"] {
        let refused = ruling(vec![hold(), powers("last", last)], b"").await;
        assert!(refused.refusal.is_some(), "{last}");
        assert!(refused.effects.is_empty(), "{last}");
    }
}

#[tokio::test]
async fn effects_of_a_policy_that_failed_are_dropped_alone() {
    let mut failing = powers(
        "failing",
        "hold why | add-header X-A b | set-route archive | trap",
    );
    failing.on_failure = OnFailure::Accept;
    let look = powers("look", "header X-A | add-header X-B c");
    let passed = ruling(vec![failing, look], b"").await;
    assert_eq!(code(&passed), None);
    assert_eq!(facts(&passed, 1), ["none", "ok"]);
    assert_eq!(passed.effects.lines(), ["add header X-B: c"]);
}

#[tokio::test]
async fn a_guest_cannot_inject_a_header() {
    let script = "add-header X-A a{CRLF}Bcc: b@c.example | add-header X{CRLF}Bcc b \
                  | replace-from web@example.com a{CRLF}b | hold a{CRLF}b | flood";
    let ruling = ruling(vec![powers("p", script)], b"").await;
    assert_eq!(
        facts(&ruling, 0),
        ["bad-value", "bad-name", "bad-value", "ok", "28"]
    );
    assert_eq!(ruling.effects.hold.as_deref(), Some("p: a  b"));
    for edit in &ruling.effects.edits {
        let Edit::Add(field) = edit else {
            panic!("{edit:?}")
        };
        assert_eq!(field.raw(), b"X-Flood: x\r\n");
    }
}

#[tokio::test]
async fn at_the_envelope_stage_a_reverse_path_is_replaced_for_those_who_follow() {
    let mut rules = PolicyConfig::new("sender-rules", "builtin:sender-rules");
    rules
        .settings
        .insert("unauthorized".to_owned(), "block".into());
    let rewrite = powers(
        "rewrite",
        "sender: replace-reverse-path web@example.com | sender: hold why \
         | recipient: replace-reverse-path web@example.com | recipient: add-header X-A b",
    );
    let look = powers("look", "sender: path | recipient: path");
    let set = set(vec![rewrite, rules, look]).await;
    let nothing = types::Envelope {
        mail_from: None,
        recipients: vec![],
    };
    let visitor = || Some(address("v@example.org"));
    let ruling = set.on_sender(session(), nothing.clone(), visitor()).await;
    assert_eq!(code(&ruling), None, "{ruling:?}");
    assert_eq!(facts(&ruling, 0), ["ok", "wrong-stage"]);
    assert_eq!(facts(&ruling, 2), ["web@example.com"]);
    assert!(ruling.effects.is_empty());

    let null = set.on_sender(session(), nothing, None).await;
    assert_eq!(facts(&null, 0)[0], "null-reverse-path");

    let ruling = set
        .on_recipient(
            session(),
            envelope("v@example.org"),
            address("r@example.net"),
        )
        .await;
    assert_eq!(facts(&ruling, 0), ["ok", "wrong-stage"]);
    // The rules are not asked about recipients.
    assert_eq!(facts(&ruling, 1), ["web@example.com"]);
}

#[tokio::test]
async fn counters_belong_to_their_policy_and_outlive_a_set() {
    let resources = Resources::default();
    let count = |name| {
        powers(
            name,
            "add k 2 60 | take k 1 4 60 | take k 2 4 60 | peek k 60 | peek k 0 | add  1 60",
        )
    };
    let config = chain(vec![count("a"), count("b")]);
    for expected in [
        ["2", "true,3,0", "false,3,61", "3", "bad-window", "bad-key"],
        [
            "5",
            "false,5,61",
            "false,5,61",
            "5",
            "bad-window",
            "bad-key",
        ],
    ] {
        let set = PolicySet::load_with(&config, &root(), &resources)
            .await
            .expect("loads");
        let ruling = evaluate(&set, "hello").await;
        assert_eq!(facts(&ruling, 0), expected);
        assert_eq!(facts(&ruling, 1), expected);
    }
    let pending = resources.counters.take_pending();
    assert_eq!(pending.len(), 2);
    assert!(
        pending
            .iter()
            .all(|count| count.amount == 5 && count.window_s == 60)
    );
}

#[tokio::test]
async fn the_whole_content_can_be_read_but_not_over_and_over() {
    let octets: Vec<u8> = (0..300_000_u32)
        .map(|number| number.to_le_bytes()[0])
        .collect();
    let sum: u64 = octets.iter().map(|&octet| u64::from(octet)).sum();
    let script = "size | read | read-again";
    let read = ruling(vec![powers("p", script)], &octets).await;
    let expected = format!("300000,{sum}");
    assert_eq!(
        facts(&read, 0),
        ["300000", &expected, "never refused"],
        "one part is fetched once"
    );
    let none = set(vec![powers("p", script)]).await;
    let ruling = evaluate(&none, "hello").await;
    assert_eq!(facts(&ruling, 0), ["unavailable"; 3]);
}

/// A message in two parts, as if the second were in a store that answers late.
struct Slow(Duration);

impl Content for Slow {
    fn size(&self) -> u64 {
        2 << 20
    }

    fn part(&self, offset: u64) -> PartFuture<'_> {
        Box::pin(async move {
            tokio::time::sleep(self.0).await;
            let octets = Bytes::from(vec![b'x'; 1 << 20]);
            Some((offset & !((1 << 20) - 1), octets))
        })
    }
}

async fn read_slowly(script: &str, wait: Duration, time_ms: u64) -> Ruling {
    let mut policy = powers("p", script);
    policy.limits.time_ms = time_ms;
    let set = set(vec![policy]).await;
    let (envelope, message) = (envelope("v@example.org"), message("v@example.org", "hello"));
    set.evaluate_with(session(), envelope, message, holding(Arc::new(Slow(wait))))
        .await
}

#[tokio::test]
async fn a_policy_waits_for_the_store_no_longer_than_its_deadline() {
    let read = read_slowly("read", Duration::from_millis(1), 10_000).await;
    assert_eq!(
        facts(&read, 0),
        [format!("{},{}", 2 << 20, (2 << 20) * 120)]
    );
    let late = read_slowly("read", Duration::from_secs(3600), 100).await;
    assert_eq!(late.steps[0].failure, Some(FailureKind::Deadline));
    let endless = read_slowly("read-forever", Duration::ZERO, 100).await;
    assert_eq!(code(&endless), DEFERRED);
    let again = read_slowly("read-again", Duration::ZERO, 10_000).await;
    assert_eq!(facts(&again, 0), ["too-many"]);
}
