//! What runs in shadow is seen and does not count.

use std::sync::Arc;

use super::document::{Request, Stage};
use super::*;

fn named(name: &str, mode: Mode, behaviour: &str) -> PolicyConfig {
    PolicyConfig {
        name: name.to_owned(),
        mode,
        ..hostile(behaviour)
    }
}

fn request(subject: &str) -> Request {
    Request {
        settings: "{}".into(),
        session: session(),
        envelope: envelope("news@example.com").into(),
        stage: Stage::Message {
            message: message("news@example.com", subject).into(),
            effective_priority: types::Priority::Normal,
        },
    }
}

async fn shadowed(set: &Arc<PolicySet>, request: &Request) -> (Ruling, Vec<Shadowed>) {
    let ruling = set.answer(request).await;
    let shadow = set.shadow(request, &ruling).expect("there is one");
    (ruling, shadow.run().await)
}

#[tokio::test]
async fn a_refusal_in_shadow_refuses_nothing_and_alerts_nobody() {
    for behaviour in ["reject", "defer", "trap", "accept-alert"] {
        let set = chain(vec![
            named("new", Mode::Shadow, behaviour),
            named("old", Mode::Enforce, "accept"),
        ]);
        let set = Arc::new(load(&set).await);
        let (ruling, shadows) = shadowed(&set, &request("x")).await;
        assert_eq!(code(&ruling), None, "{behaviour}");
        assert_eq!(ruling.steps.len(), 1);
        assert!(ruling.alerts.is_empty(), "{behaviour}");
        assert_eq!(shadows.len(), 1);
        let shadow = &shadows[0].ruling;
        assert_eq!(shadow.refusal.is_some(), behaviour != "accept-alert");
        assert!(shadow.steps[0].rule.starts_with("new/"), "{shadow:?}");
        assert!(shadow.alerts.is_empty());
    }
}

#[tokio::test]
async fn a_shadow_is_asked_at_its_place_also_behind_a_refusal() {
    let set = chain(vec![
        named("first", Mode::Shadow, "subject"),
        named("urgent", Mode::Enforce, "priority-1"),
        named("second", Mode::Shadow, "subject"),
        named("refusing", Mode::Enforce, "reject"),
        named("third", Mode::Shadow, "priority-5"),
    ]);
    let set = Arc::new(load(&set).await);
    let (ruling, shadows) = shadowed(&set, &request("pass")).await;
    assert_eq!(code(&ruling), REJECTED);
    use crate::queue::Priority;
    let priorities: Vec<_> = shadows.iter().map(|one| one.ruling.priority).collect();
    assert_eq!(
        priorities,
        [Priority::Normal, Priority::Highest, Priority::Lowest]
    );
}

#[tokio::test]
async fn a_chain_of_shadows_alone_is_silent() {
    let config = Config {
        default: DefaultDecision::Reject,
        ..chain(vec![named("new", Mode::Shadow, "accept")])
    };
    let set = Arc::new(load(&config).await);
    let (ruling, shadows) = shadowed(&set, &request("x")).await;
    assert_eq!(code(&ruling), REJECTED);
    assert_eq!(code(&shadows[0].ruling), None);
}

#[tokio::test]
async fn without_a_shadow_or_a_share_nothing_is_asked_later() {
    let mut unsampled = named("new", Mode::Shadow, "reject");
    unsampled.shadow_sample = 0.0;
    for config in [chain(vec![hostile("accept")]), chain(vec![unsampled])] {
        let set = Arc::new(load(&config).await);
        let request = request("x");
        let ruling = set.answer(&request).await;
        assert!(set.shadow(&request, &ruling).is_none());
    }
    let mut impossible = named("new", Mode::Shadow, "reject");
    impossible.shadow_sample = 1.5;
    let error = PolicySet::load(&chain(vec![impossible]), &root()).await;
    let error = error.expect_err("no share").to_string();
    assert!(error.contains("shadow-sample"), "{error}");
}

#[tokio::test]
async fn a_shadow_takes_no_turn_of_those_that_count() {
    let config = Config {
        concurrency: 1,
        queue_wait_ms: 1,
        ..chain(vec![
            named("new", Mode::Shadow, "reject"),
            named("old", Mode::Enforce, "accept"),
        ])
    };
    let set = Arc::new(load(&config).await);
    let request = request("x");
    let ruling = set.answer(&request).await;
    let turn = set.runtime.turn(Duration::ZERO).await;
    assert!(turn.is_some());
    let shadow = set.shadow(&request, &ruling).expect("there is one");
    assert_eq!(code(&shadow.run().await[0].ruling), REJECTED);
}
