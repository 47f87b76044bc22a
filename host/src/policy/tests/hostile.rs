//! No module can end, stall or mislead the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Every way to fail, with the failure it is.
const FAILURES: [(&str, FailureKind); 9] = [
    ("trap", FailureKind::Trap),
    ("err", FailureKind::GuestError),
    ("loop", FailureKind::Fuel),
    // Its frames overflow the stack it keeps in its own memory, before the engine's is used up.
    ("recurse", FailureKind::Trap),
    ("memory", FailureKind::Memory),
    ("huge", FailureKind::HostCall),
    ("huge-log", FailureKind::HostCall),
    ("err-huge", FailureKind::HostCall),
    ("flood-alerts", FailureKind::HostCall),
];

/// With less memory than filling it takes fuel, and time enough for both on a busy machine.
fn small() -> PolicyConfig {
    PolicyConfig {
        limits: Limits {
            memory_mib: 24,
            time_ms: 10_000,
            ..Limits::default()
        },
        ..hostile("subject")
    }
}

/// With fuel for less than the long lane allows: in the last one a busy machine might not let it use up more.
fn frugal() -> PolicyConfig {
    let mut policy = small();
    policy.limits.fuel = 5_000_000;
    policy
}

#[tokio::test]
async fn every_failure_has_its_name_and_defers_the_message() {
    let (small, frugal) = (chain(vec![small()]), chain(vec![frugal()]));
    for (behaviour, kind) in FAILURES {
        let set = load(if kind == FailureKind::Fuel {
            &frugal
        } else {
            &small
        })
        .await;
        let ruling = evaluate(&set, behaviour).await;
        assert_eq!(
            ruling.steps[0].failure,
            Some(kind),
            "{behaviour}: {ruling:?}"
        );
        assert_eq!(code(&ruling), DEFERRED, "{behaviour}");
        assert_eq!(ruling.alerts[0].code, "policy-failure", "{behaviour}");
        // A guest that failed leaves nothing behind for the next message.
        assert_eq!(code(&evaluate(&set, "accept").await), None, "{behaviour}");
    }
}

#[tokio::test]
async fn on_failure_decides_what_a_failure_means() {
    for (on_failure, expected) in [
        (OnFailure::Defer, DEFERRED),
        (OnFailure::Reject, REJECTED),
        (OnFailure::Accept, None),
    ] {
        let policy = PolicyConfig {
            on_failure,
            ..hostile("trap")
        };
        let config = Config {
            default: DefaultDecision::Reject,
            ..chain(vec![policy])
        };
        let ruling = evaluate(&load(&config).await, "x").await;
        assert_eq!(code(&ruling), expected);
        assert_eq!(ruling.alerts.len(), 1);
    }
}

#[tokio::test]
async fn bad_answers_are_made_harmless() {
    let set = load(&chain(vec![hostile("subject")])).await;
    for behaviour in ["bad-code", "bad-enhanced", "bad-verdict"] {
        let ruling = evaluate(&set, behaviour).await;
        assert_eq!(code(&ruling), DEFERRED, "{behaviour}");
        assert_eq!(ruling.steps[0].failure, Some(FailureKind::BadVerdict));
        let text = ruling.refusal.expect("refused").text;
        assert!(!text.contains("250"), "{text}");
    }
    let ruling = evaluate(&set, "bad-rule").await;
    assert_eq!(ruling.steps[0].rule, "hostile/invalid");
    let ruling = evaluate(&set, "bad-alerts").await;
    assert_eq!(ruling.alerts[0].code, "policy-alert");
    assert!(!ruling.alerts[0].summary.contains(['\r', '\n', '\u{1b}']));
    let ruling = evaluate(&set, "many-alerts").await;
    assert_eq!((code(&ruling), ruling.alerts.len()), (None, 8));
}

#[tokio::test]
async fn line_ends_get_into_no_text() {
    let ruling = evaluate(&load(&chain(vec![hostile("crlf")])).await, "x").await;
    let refusal = ruling.refusal.as_ref().expect("refused");
    assert_eq!(refusal.code, 550);
    let mut texts = vec![refusal.text.clone()];
    for alert in &ruling.alerts {
        texts.extend([alert.code.clone(), alert.summary.clone()]);
    }
    for step in &ruling.steps {
        texts.push(step.rule.clone());
        for (name, value) in &step.facts {
            texts.extend([name.clone(), value.clone()]);
        }
    }
    assert!(texts.len() >= 6, "{ruling:?}");
    for text in texts {
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}

#[tokio::test]
async fn what_is_not_a_number_decides_the_same_on_every_machine() {
    let set = load(&chain(vec![hostile("nan")])).await;
    for _ in 0..20 {
        let ruling = evaluate(&set, "x").await;
        assert_eq!(ruling.steps[0].rule, "hostile/nan-7ff8000000000000");
    }
}

#[tokio::test]
async fn a_guest_that_fails_every_second_time_costs_those_messages_alone() {
    let set = load(&chain(vec![hostile("subject")])).await;
    for round in 0..20 {
        let (subject, expected) = match round % 2 {
            0 => ("trap", DEFERRED),
            _ => ("accept", None),
        };
        assert_eq!(code(&evaluate(&set, subject).await), expected, "{round}");
    }
}

#[tokio::test]
async fn a_flood_of_log_lines_is_neither_kept_nor_a_failure() {
    let set = load(&chain(vec![endless(10_000)])).await;
    assert_eq!(code(&evaluate(&set, "flood-log").await), None);
}

#[tokio::test]
async fn failures_at_the_envelope_stage_count_as_well() {
    let set = load(&chain(vec![hostile("subject")])).await;
    for (recipient, expected) in [
        ("early-trap@example.net", DEFERRED),
        ("early-reject@example.net", REJECTED),
        ("early-accept@example.net", None),
    ] {
        let ruling = set
            .on_recipient(session(), envelope("a@example.com"), address(recipient))
            .await;
        assert_eq!(code(&ruling), expected, "{recipient}");
    }
}

/// Loops that only the clock ends.
fn endless(time_ms: u64) -> PolicyConfig {
    PolicyConfig {
        limits: Limits {
            fuel: u64::MAX,
            time_ms,
            ..Limits::default()
        },
        ..hostile("subject")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_guest_that_loops_delays_nobody_else() {
    let set = Arc::new(load(&chain(vec![endless(2000)])).await);
    let ended = Arc::new(AtomicUsize::new(0));
    let loops: Vec<_> = (0..4)
        .map(|_| {
            let (set, ended) = (Arc::clone(&set), Arc::clone(&ended));
            tokio::spawn(async move {
                let ruling = evaluate(&set, "loop").await;
                ended.fetch_add(1, Ordering::SeqCst);
                ruling
            })
        })
        .collect();
    let others = Arc::clone(&set);
    let others = tokio::spawn(async move {
        for _ in 0..100 {
            assert_eq!(code(&evaluate(&others, "accept").await), None);
        }
    });
    others.await.expect("no panic");
    assert_eq!(ended.load(Ordering::SeqCst), 0, "a loop was waited for");
    for ruling in loops {
        let ruling = ruling.await.expect("no panic");
        assert_eq!(ruling.steps[0].failure, Some(FailureKind::Deadline));
        assert_eq!(code(&ruling), DEFERRED);
    }
}

#[tokio::test]
async fn work_that_outlasts_a_tick_still_gives_its_verdict() {
    let set = load(&chain(vec![endless(5000)])).await;
    for _ in 0..5 {
        let ruling = evaluate(&set, "slow").await;
        assert_eq!(code(&ruling), None, "{ruling:?}");
    }
}

#[tokio::test]
async fn a_message_that_finds_no_turn_is_deferred() {
    let config = Config {
        concurrency: 1,
        queue_wait_ms: 1,
        ..chain(vec![PolicyConfig {
            on_failure: OnFailure::Accept,
            ..endless(300)
        }])
    };
    let set = load(&config).await;
    let (first, second) = tokio::join!(evaluate(&set, "loop"), evaluate(&set, "accept"));
    assert_eq!(first.steps[0].failure, Some(FailureKind::Deadline));
    assert_eq!(second.steps[0].failure, Some(FailureKind::Saturated));
    assert_eq!(code(&second), Some((451, (4, 3, 2))));
    assert_eq!(code(&evaluate(&set, "accept").await), None);
}

#[tokio::test]
async fn an_abandoned_evaluation_gives_its_turn_back() {
    let config = Config {
        concurrency: 1,
        queue_wait_ms: 5000,
        ..chain(vec![endless(50)])
    };
    let set = Arc::new(load(&config).await);
    let looping = Arc::clone(&set);
    let task = tokio::spawn(async move { evaluate(&looping, "loop").await });
    tokio::task::yield_now().await;
    task.abort();
    assert_eq!(code(&evaluate(&set, "accept").await), None);
}

#[tokio::test]
async fn without_a_pool_the_same_holds() {
    let set = without_pool(&chain(vec![small()])).await;
    for (behaviour, kind) in FAILURES {
        let ruling = evaluate(&set, behaviour).await;
        assert_eq!(ruling.steps[0].failure, Some(kind), "{behaviour}");
        assert_eq!(code(&evaluate(&set, "accept").await), None, "{behaviour}");
    }
}

/// A set whose engine asks for more address space than there is, which [`PolicySet::load`] never
/// does on a machine that has enough of it.
async fn without_pool(config: &Config) -> PolicySet {
    let greedy = Config {
        concurrency: 1 << 20,
        ..config.clone()
    };
    let runtime = Runtime::new(&greedy, None).expect("the engine runs here");
    assert!(runtime.engine.pooling_allocator_metrics().is_none());
    let (compiled, resources) = (HashMap::new(), Resources::default());
    let chain = load::chain(&runtime, config, &root(), compiled, &resources).await;
    PolicySet {
        generation: 1,
        config: config.clone(),
        chain: chain.expect("loads"),
        resources,
        record: OnceLock::new(),
        cache: None,
        runtime: Arc::new(runtime),
    }
}
