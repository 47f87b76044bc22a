//! The room as a whole, against the shipped policy and one that misbehaves on demand.

mod hostile;
mod inert;
mod live;
mod loading;
mod needs;
mod offline;
mod powers;
mod shadow;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::*;

/// The root of the repository, where the built guests are.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The guest that does what its settings say, or what the subject says.
fn hostile(behaviour: &str) -> PolicyConfig {
    let mut policy = PolicyConfig::new("hostile", "tests/guests/built/hostile.wasm");
    policy
        .settings
        .insert("behaviour".to_owned(), behaviour.into());
    policy
}

fn chain(chain: Vec<PolicyConfig>) -> Config {
    Config {
        chain,
        concurrency: 8,
        ..Config::default()
    }
}

async fn load(config: &Config) -> PolicySet {
    PolicySet::load(config, &root()).await.expect("loads")
}

fn address(full: &str) -> types::Address {
    let (local, domain) = full.rsplit_once('@').expect("an address");
    types::Address {
        full: full.to_owned(),
        local_part: local.to_owned(),
        domain: domain.to_owned(),
    }
}

/// A session of a user who may send as anyone at example.com, by default with priority 2.
pub(super) fn session() -> Arc<types::Session> {
    Arc::new(types::Session {
        id: "session-1".to_owned(),
        identity: types::Identity {
            username: "s1_1".to_owned(),
            authorized_domains: vec!["example.com".to_owned()],
            authorized_senders: vec![],
            default_priority: types::Priority::High,
            facts: vec![],
        },
        client_ip: "192.0.2.1".to_owned(),
        helo: "client.example.com".to_owned(),
        tls: None,
        received_at_ms: 0,
        facts: vec![],
    })
}

pub(super) fn envelope(sender: &str) -> types::Envelope {
    types::Envelope {
        mail_from: Some(address(sender)),
        recipients: vec![address("rcpt@example.net")],
    }
}

pub(super) fn message(sender: &str, subject: &str) -> types::Message {
    types::Message {
        size_bytes: 100,
        header_from: vec![address(sender)],
        header_sender: vec![],
        originators: types::Originators::Complete,
        subject: subject.to_owned(),
        requested_priority: None,
        headers: vec![types::Header {
            name: "Subject".to_owned(),
            value: subject.to_owned(),
        }],
        truncated: false,
        facts: vec![],
    }
}

/// Evaluates a message whose subject is `subject`.
async fn evaluate(set: &PolicySet, subject: &str) -> Ruling {
    let sender = "news@example.com";
    set.evaluate(session(), envelope(sender), message(sender, subject))
        .await
}

fn code(ruling: &Ruling) -> Option<(u16, (u8, u16, u16))> {
    ruling.refusal.as_ref().map(|r| (r.code, r.enhanced))
}

const DEFERRED: Option<(u16, (u8, u16, u16))> = Some((451, (4, 7, 1)));
const REJECTED: Option<(u16, (u8, u16, u16))> = Some((550, (5, 7, 1)));

#[tokio::test]
async fn the_shipped_policy_decides_at_every_stage() {
    let mut policy = PolicyConfig::new("sender-rules", "builtin:sender-rules");
    policy
        .settings
        .insert("unauthorized".to_owned(), "block".into());
    let set = load(&chain(vec![policy])).await;
    // Recipients are nothing to it, as it says itself, so it is not asked about them.
    assert!(set.checks_senders() && !set.checks_recipients());
    for (sender, expected) in [
        ("news@example.com", None),
        ("news@example.com.evil.net", REJECTED),
    ] {
        let (envelope, message) = (envelope(sender), message(sender, "hello"));
        let ruling = set.evaluate(session(), envelope.clone(), message).await;
        assert_eq!(code(&ruling), expected, "{sender}: {ruling:?}");
        let early = set
            .on_sender(session(), envelope.clone(), Some(address(sender)))
            .await;
        assert_eq!(code(&early), expected, "{sender}: {early:?}");
        let recipient = address("rcpt@example.net");
        let later = set.on_recipient(session(), envelope, recipient).await;
        assert_eq!(code(&later), None, "{sender}: {later:?}");
    }
}

#[tokio::test]
async fn the_same_question_takes_the_same_fuel() {
    let set = load(&chain(vec![PolicyConfig::new(
        "sender-rules",
        "builtin:sender-rules",
    )]))
    .await;
    let first = evaluate(&set, "hello").await;
    let second = evaluate(&set, "hello").await;
    assert!(first.steps[0].fuel > 0);
    assert_eq!(first.steps[0].fuel, second.steps[0].fuel);
}

#[tokio::test]
async fn a_chain_hands_on_priority_and_ends_at_the_first_refusal() {
    let mut urgent = hostile("priority-1");
    urgent.name = "urgent".to_owned();
    let mut subject = hostile("subject");
    subject.name = "subject".to_owned();
    let mut last = hostile("accept-alert");
    last.name = "last".to_owned();
    let set = load(&chain(vec![urgent, subject, last])).await;

    let passed = evaluate(&set, "pass").await;
    assert_eq!(code(&passed), None);
    assert_eq!(passed.priority, crate::queue::Priority::Highest);
    let rules: Vec<_> = passed.steps.iter().map(|s| s.rule.as_str()).collect();
    assert_eq!(rules, ["urgent/priority", "subject/pass", "last/alerts"]);
    assert_eq!(passed.alerts[0].policy, "last");

    let refused = evaluate(&set, "reject").await;
    assert_eq!(code(&refused), REJECTED);
    assert_eq!(refused.steps.len(), 2);
    assert!(refused.alerts.is_empty());
}

#[tokio::test]
async fn silence_means_the_default_at_the_message_stage_alone() {
    let config = Config {
        default: DefaultDecision::Reject,
        ..chain(vec![hostile("subject")])
    };
    let set = load(&config).await;
    assert_eq!(code(&evaluate(&set, "pass").await), REJECTED);
    assert_eq!(code(&evaluate(&set, "accept").await), None);
    let sender = address("a@example.com");
    let early = set
        .on_sender(session(), envelope("a@example.com"), Some(sender))
        .await;
    assert_eq!(code(&early), None);
}

#[tokio::test]
async fn an_empty_chain_is_the_default() {
    let mut off = hostile("accept");
    off.mode = Mode::Off;
    for (default, expected) in [
        (DefaultDecision::Accept, None),
        (DefaultDecision::Reject, REJECTED),
    ] {
        let config = Config {
            default,
            ..chain(vec![off.clone()])
        };
        let set = load(&config).await;
        assert_eq!(set.policies().count(), 0);
        assert!(!set.checks_senders());
        assert_eq!(code(&evaluate(&set, "x").await), expected);
    }
}
