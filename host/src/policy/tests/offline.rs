//! A module by itself gives what it gives in a relay, and tells more about it.

use super::*;
use crate::policy::document::{Request, Stage};
use crate::policy::types::{Decision, Priority};

fn asking(stage: Stage, settings: &str) -> Request {
    Request {
        settings: settings.into(),
        session: session(),
        envelope: Arc::new(envelope("news@example.com")),
        stage,
    }
}

fn message_with(subject: &str) -> Stage {
    Stage::Message {
        message: Arc::new(message("news@example.com", subject)),
        effective_priority: Priority::Low,
    }
}

async fn workbench(behaviour: &str) -> Workbench {
    let policy = hostile(behaviour);
    Workbench::load(&policy, &root()).await.expect("it loads")
}

async fn answer(subject: &str) -> Trial {
    let bench = workbench("subject").await;
    let settings = bench.settings();
    let asked = bench.ask(&asking(message_with(subject), &settings)).await;
    asked.expect("every policy has a message stage")
}

#[tokio::test]
async fn a_verdict_comes_with_its_price_and_what_the_relay_makes_of_it() {
    let trial = answer("reject").await;
    let verdict = trial.verdict.as_ref().expect("a verdict");
    assert!(
        matches!(verdict.decision, Decision::Reject(_)),
        "{verdict:?}"
    );
    assert_eq!(code(&trial.ruling), REJECTED);
    assert_eq!(trial.ruling.priority, crate::queue::Priority::Low);
    assert!(trial.fuel > 0 && trial.duration > std::time::Duration::ZERO);
    assert!((1..=64 << 20).contains(&trial.memory_bytes), "{trial:?}");
    assert!(code(&answer("pass").await.ruling).is_none());
}

#[tokio::test]
async fn a_failure_is_told_with_its_kind() {
    let trial = answer("trap").await;
    let (kind, detail) = trial.verdict.expect_err("it traps");
    assert_eq!(kind, FailureKind::Trap);
    assert!(!detail.is_empty());
    assert_eq!(code(&trial.ruling), DEFERRED);
}

#[tokio::test]
async fn log_lines_are_kept() {
    let trial = answer("flood-log").await;
    assert_eq!(trial.log.len(), 32, "{:?}", trial.log.first());
}

#[tokio::test]
async fn the_same_module_takes_other_settings_when_it_finds_them_usable() {
    let policy = PolicyConfig::new("rules", "builtin:sender-rules");
    let bench = Workbench::load(&policy, &root()).await.expect("it loads");
    assert!(bench.has_envelope_stage());
    assert_eq!(bench.info().imports, Vec::<String>::new());
    assert!(bench.info().settings_schema.contains("unauthorized"));
    let mut settings = toml::Table::new();
    settings.insert("unauthorized".to_owned(), "alert".into());
    let text = bench.check_settings(&settings).await.expect("usable");
    assert_eq!(&*text, r#"{"unauthorized":"alert"}"#);
    settings.insert("unauthorized".to_owned(), "maybe".into());
    let problem = bench.check_settings(&settings).await;
    assert!(problem.is_err_and(|problem| problem.to_string().contains("/unauthorized")));
}

#[tokio::test]
async fn a_stage_that_a_module_lacks_is_not_asked() {
    let bench = workbench("accept").await;
    let sender = asking(Stage::Sender(None), &bench.settings());
    assert_eq!(
        bench.ask(&sender).await.is_some(),
        bench.has_envelope_stage()
    );
}
