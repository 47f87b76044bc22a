//! The WASI with nothing in it: what it gives, and that it gives nothing else.

use super::document::{Request, Stage};
use super::*;

fn inert(wasi: Wasi) -> PolicyConfig {
    PolicyConfig {
        wasi,
        ..PolicyConfig::new("inert", "tests/guests/built/inert.wasm")
    }
}

async fn set() -> PolicySet {
    load(&chain(vec![inert(Wasi::Inert)])).await
}

/// What the guest found, for a request of this session at this time.
async fn look(set: &PolicySet, id: &str, received_at_ms: u64) -> Vec<(String, String)> {
    let session = types::Session {
        id: id.to_owned(),
        received_at_ms,
        ..(*session()).clone()
    };
    let request = Request {
        settings: "{}".into(),
        session: session.into(),
        envelope: envelope("a@example.com").into(),
        stage: Stage::Message {
            message: message("a@example.com", "look").into(),
            effective_priority: types::Priority::Normal,
        },
    };
    let ruling = set.answer(&request).await;
    assert_eq!(code(&ruling), None, "{ruling:?}");
    ruling.steps[0].facts.clone()
}

fn value<'a>(facts: &'a [(String, String)], name: &str) -> &'a str {
    let found = facts.iter().find(|(known, _)| known == name);
    &found.unwrap_or_else(|| panic!("no {name} in {facts:?}")).1
}

#[tokio::test]
async fn there_is_nothing_in_it_and_its_clocks_are_not_of_this_world() {
    let facts = look(&set().await, "s", 1_795_449_600_123).await;
    assert_eq!(value(&facts, "x.wall"), "1795449600.123000000");
    assert_eq!(value(&facts, "x.monotonic"), "0 1000");
    assert_eq!(value(&facts, "x.environment"), "0");
    assert_eq!(value(&facts, "x.arguments"), "0");
}

#[tokio::test]
async fn the_same_request_meets_the_same_randomness() {
    let set = set().await;
    let first = look(&set, "s", 1).await;
    assert_eq!(look(&set, "s", 1).await, first);
    let random = |facts: &[(String, String)]| value(facts, "x.random").to_owned();
    assert_ne!(random(&look(&set, "t", 1).await), random(&first));
    assert_ne!(random(&look(&set, "s", 2).await), random(&first));
}

#[tokio::test]
async fn whoever_sleeps_is_ended_by_the_deadline() {
    let mut policy = inert(Wasi::Inert);
    policy.limits.time_ms = 20;
    let set = load(&chain(vec![policy])).await;
    let ruling = evaluate(&set, "sleep").await;
    assert_eq!(ruling.steps[0].failure, Some(FailureKind::Deadline));
    assert_eq!(code(&ruling), DEFERRED);
    assert_eq!(code(&evaluate(&set, "x").await), None);
}

#[tokio::test]
async fn what_is_printed_is_cut_and_no_failure() {
    let set = set().await;
    assert_eq!(code(&evaluate(&set, "print").await), None);
}

#[tokio::test]
async fn to_exit_or_to_hoard_handles_is_a_failure() {
    let set = set().await;
    for subject in ["exit", "hoard"] {
        let ruling = evaluate(&set, subject).await;
        assert!(ruling.steps[0].failure.is_some(), "{subject}: {ruling:?}");
        assert_eq!(code(&ruling), DEFERRED, "{subject}");
        assert_eq!(code(&evaluate(&set, "x").await), None, "{subject}");
    }
}

/// Rust's own standard library for `wasm32-wasip2`, in a guest that uses it as any program would.
#[tokio::test]
async fn a_program_on_a_standard_library_runs_and_decides_the_same_again() {
    let mut config = chain(vec![PolicyConfig {
        wasi: Wasi::Inert,
        ..PolicyConfig::new("wasip2", "tests/guests/built/wasip2.wasm")
    }]);
    let set = load(&config).await;
    let facts = look(&set, "s", 1_795_449_600_123).await;
    assert_eq!(value(&facts, "x.now-ms"), "1795449600123");
    assert_eq!(value(&facts, "x.environment"), "0");
    assert!(value(&facts, "x.file").starts_with("Err("), "{facts:?}");
    // The order of a map is random, and the request's.
    assert_eq!(look(&set, "s", 1_795_449_600_123).await, facts);
    let other = look(&set, "t", 1_795_449_600_123).await;
    assert_ne!(value(&other, "x.order"), value(&facts, "x.order"));

    config.chain[0].wasi = Wasi::None;
    let error = PolicySet::load(&config, &root()).await.expect_err("none");
    let hint = error.hint().expect("there is a way out");
    assert!(hint.contains("wasi = \"inert\""), "{hint}");
}

#[tokio::test]
async fn without_the_tier_the_imports_are_named_with_a_way_out() {
    let config = chain(vec![inert(Wasi::None)]);
    let error = PolicySet::load(&config, &root()).await.expect_err("none");
    let text = error.to_string();
    assert!(text.contains(": imports: "), "{text}");
    assert!(text.contains("wasi:clocks/monotonic-clock@0.2.6"), "{text}");
    let hint = error.hint().expect("there is a way out");
    for word in [
        "--stub-wasi",
        "disableFeatures",
        "wasm32-unknown-unknown",
        "wasi = \"inert\"",
    ] {
        assert!(hint.contains(word), "{hint}");
    }
}

#[test]
fn sockets_and_http_are_in_no_tier() {
    for import in [
        "wasi:sockets/tcp@0.2.6",
        "wasi:http/outgoing-handler@0.2.6",
        "wasi:nn/graph",
    ] {
        assert!(!crate::policy::inert::is_linked(import), "{import}");
    }
    assert!(crate::policy::inert::is_linked(
        "wasi:cli/environment@0.2.6"
    ));
}
