//! What a policy says its early answers depend on, and what is not asked for it.

use super::*;

fn rules() -> PolicyConfig {
    PolicyConfig::new("rules", "builtin:sender-rules")
}

#[tokio::test]
async fn the_shipped_rules_are_asked_about_senders_and_never_about_recipients() {
    let set = load(&chain(vec![rules()])).await;
    assert!(set.checks_senders() && set.remembers_senders());
    assert!(!set.checks_recipients() && !set.needs_headers());
    let other = address("other@example.org");
    let asked = set.on_sender(session(), envelope("a@example.com"), Some(other.clone()));
    assert_eq!(asked.await.steps.len(), 1);
    let unasked = set.on_recipient(session(), envelope("a@example.com"), other);
    assert_eq!(unasked.await.steps.len(), 0);
}

#[tokio::test]
async fn a_policy_that_does_not_say_is_asked_every_time() {
    let set = load(&chain(vec![rules(), hostile("pass")])).await;
    assert!(set.checks_senders() && set.checks_recipients());
    assert!(!set.remembers_senders() && set.needs_headers());
    let sender = address("a@example.com");
    let asked = set.on_recipient(session(), envelope("a@example.com"), sender);
    let steps = asked.await.steps;
    let policies: Vec<_> = steps.iter().map(|step| step.policy.as_str()).collect();
    assert_eq!(policies, ["hostile"]);
}

#[tokio::test]
async fn a_policy_in_shadow_is_asked_every_time() {
    let mut shadow = rules();
    shadow.mode = Mode::Shadow;
    assert!(!load(&chain(vec![shadow])).await.remembers_senders());
}

#[tokio::test]
async fn where_nobody_is_asked_about_senders_there_is_nothing_to_ask_again() {
    let set = load(&chain(vec![])).await;
    assert!(set.remembers_senders() && !set.checks_senders());
}

/// What the policies say of a message, with what they remember of its user.
async fn ask(set: &PolicySet, known: &KnownVerdicts, message: types::Message) -> Ruling {
    let at_hand = AtHand {
        content: None,
        memory: Some(known),
    };
    set.evaluate_with(session(), envelope("a@example.com"), message, at_hand)
        .await
}

fn remembered(ruling: &Ruling) -> Vec<bool> {
    let steps = ruling.steps.iter();
    steps.map(|step| step.is_remembered()).collect()
}

#[tokio::test]
async fn a_verdict_is_remembered_for_the_same_originators_and_priority() {
    let (set, known) = (load(&chain(vec![rules()])).await, KnownVerdicts::default());
    let first = ask(&set, &known, message("a@example.com", "one")).await;
    assert_eq!(remembered(&first), [false]);
    let again = ask(&set, &known, message("a@example.com", "another subject")).await;
    assert_eq!(remembered(&again), [true]);
    assert_eq!(again.steps[0].rule, first.steps[0].rule);
    assert_eq!(again.steps[0].decision, first.steps[0].decision);
    assert_eq!((again.priority, again.refusal), (first.priority, None));
    let mut others = vec![message("b@example.com", "one"); 3];
    others[1].header_sender = vec![address("a@example.com")];
    others[2].requested_priority = Some(types::Priority::Highest);
    for other in others {
        let asked = ask(&set, &known, other.clone()).await;
        assert_eq!(remembered(&asked), [false], "{other:?}");
        assert_eq!(asked.steps[0].decision, StepDecision::Accept);
    }
}

#[tokio::test]
async fn who_sends_as_many_is_remembered_by_the_last() {
    let (set, known) = (load(&chain(vec![rules()])).await, KnownVerdicts::default());
    let from = |number: usize| message(&format!("a{number}@example.com"), "one");
    for number in 0..9 {
        assert_eq!(remembered(&ask(&set, &known, from(number)).await), [false]);
    }
    assert_eq!(remembered(&ask(&set, &known, from(8)).await), [true]);
    assert_eq!(remembered(&ask(&set, &known, from(0)).await), [false]);
}

#[tokio::test]
async fn refusals_and_alerts_are_asked_for_each_time() {
    for unauthorized in ["block", "alert"] {
        let mut rules = rules();
        let settings = &mut rules.settings;
        settings.insert("unauthorized".to_owned(), unauthorized.into());
        let (set, known) = (load(&chain(vec![rules])).await, KnownVerdicts::default());
        for _ in 0..2 {
            let ruling = ask(&set, &known, message("a@example.org", "one")).await;
            assert_eq!(remembered(&ruling), [false]);
            assert_eq!(ruling.alerts.len(), 1);
        }
    }
}

#[tokio::test]
async fn other_policies_are_asked_themselves() {
    let (set, known) = (load(&chain(vec![rules()])).await, KnownVerdicts::default());
    ask(&set, &known, message("a@example.com", "one")).await;
    let other = chain(vec![rules(), hostile("pass")]);
    let next = set.successor(&other, &root()).await.expect("loads");
    let (next, _) = next.expect("another chain");
    let rulings = [
        ask(&next, &known, message("a@example.com", "one")).await,
        ask(&next, &known, message("a@example.com", "one")).await,
    ];
    // The other one does not say what it decides from.
    let rulings = rulings.each_ref().map(remembered);
    assert_eq!(rulings, [[false, false], [true, false]]);
}

#[tokio::test]
async fn what_a_policy_before_decides_is_part_of_the_question() {
    let first = PolicyConfig::new("first", "builtin:sender-rules");
    let (set, known) = (
        load(&chain(vec![first, rules()])).await,
        KnownVerdicts::default(),
    );
    let mut urgent = message("a@example.com", "one");
    urgent.requested_priority = Some(types::Priority::Highest);
    for (message, expected) in [
        (urgent.clone(), [false, false]),
        (message("a@example.com", "one"), [false, false]),
        (urgent, [true, true]),
    ] {
        let ruling = ask(&set, &known, message).await;
        assert_eq!(remembered(&ruling), expected);
    }
}

#[tokio::test]
async fn a_ruling_is_recalled_when_every_policy_has_said_its_part_and_nobody_else_is_told() {
    let (envelope, message) = (envelope("a@example.com"), message("a@example.com", "one"));
    let mut shadow = PolicyConfig::new("shadow", "builtin:sender-rules");
    shadow.mode = Mode::Shadow;
    let mut recorded = chain(vec![rules()]);
    recorded.record.enabled = true;
    let cases = [
        (chain(vec![rules()]), true),
        (chain(vec![rules(), hostile("pass")]), false),
        (chain(vec![rules(), shadow]), false),
        (recorded, false),
    ];
    for (config, is_recalled) in cases {
        let (set, known) = (load(&config).await, KnownVerdicts::default());
        assert!(set.recall(&envelope, &message, &known).is_none());
        let asked = ask(&set, &known, message.clone()).await;
        let recalled = set.recall(&envelope, &message, &known);
        assert_eq!(recalled.is_some(), is_recalled, "{config:?}");
        if let Some(recalled) = recalled {
            assert_eq!(remembered(&recalled), [true]);
            assert_eq!(recalled.steps[0].rule, asked.steps[0].rule);
            assert_eq!(recalled.priority, asked.priority);
        }
    }
    let (nobody, known) = (load(&chain(vec![])).await, KnownVerdicts::default());
    assert!(nobody.recall(&envelope, &message, &known).is_some());
}
