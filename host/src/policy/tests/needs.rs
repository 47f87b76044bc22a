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
