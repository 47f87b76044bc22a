//! One set follows another, and whoever holds one keeps it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

/// A chain of two policies that both do the same.
fn twins(behaviour: &str) -> Config {
    let named = |name: &str| PolicyConfig {
        name: name.to_owned(),
        ..hostile(behaviour)
    };
    chain(vec![named("a"), named("b")])
}

async fn successor(set: &PolicySet, config: &Config) -> Option<(PolicySet, Vec<Change>)> {
    set.successor(config, &root()).await.expect("loads")
}

/// Where the code of each policy lies.
fn code_of(set: &PolicySet) -> Vec<std::ops::Range<*const u8>> {
    let policies = set.chain.iter();
    policies
        .map(|policy| policy.asked.pre.component().image_range())
        .collect()
}

#[tokio::test]
async fn what_is_the_same_has_no_successor() {
    let set = load(&twins("accept")).await;
    assert!(successor(&set, &twins("accept")).await.is_none());
}

#[tokio::test]
async fn a_successor_says_what_changed_by_policy() {
    let set = load(&twins("accept")).await;
    let mut config = twins("accept");
    config.chain[0].module = "builtin:sender-rules".to_owned();
    config.chain[0].settings = toml::Table::new();
    config.chain[1].name = "c".to_owned();
    let (next, changes) = successor(&set, &config).await.expect("it differs");
    assert_eq!(next.generation(), 2);
    let (old, new) = (&set.chain[0].info.sha256, &next.chain[0].info.sha256);
    let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
    let version = env!("CARGO_PKG_VERSION");
    let expected = [
        format!("policy b: removed, version {version} sha256 {}", &old[..12]),
        format!(
            "policy a: version {version} sha256 {} -> version {version} sha256 {}",
            &old[..12],
            &new[..12]
        ),
        "policy a: module, settings changed".to_owned(),
        format!("policy c: added, version {version} sha256 {}", &old[..12]),
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn another_order_or_default_is_a_change() {
    let set = load(&twins("accept")).await;
    let mut reordered = twins("accept");
    reordered.chain.reverse();
    let reject = Config {
        default: DefaultDecision::Reject,
        ..twins("accept")
    };
    for config in [reordered, reject] {
        let (_, changes) = successor(&set, &config).await.expect("it differs");
        assert_eq!(changes, [Change::Chain]);
    }
}

#[tokio::test]
async fn the_same_bytes_are_not_compiled_again_in_the_same_engine() {
    let set = load(&twins("accept")).await;
    let code = code_of(&set);
    assert_eq!(code[0], code[1], "one module, compiled once");
    let (next, _) = successor(&set, &twins("pass")).await.expect("it differs");
    assert!(Arc::ptr_eq(&set.runtime, &next.runtime));
    assert_eq!(code_of(&next), code);
}

#[tokio::test]
async fn another_concurrency_or_memory_is_another_engine() {
    let set = load(&twins("accept")).await;
    let concurrency = Config {
        concurrency: 9,
        ..twins("accept")
    };
    let mut memory = twins("accept");
    memory.chain[1].limits.memory_mib = 65;
    for config in [concurrency, memory] {
        let (next, _) = successor(&set, &config).await.expect("it differs");
        assert!(!Arc::ptr_eq(&set.runtime, &next.runtime));
        assert_eq!(code(&evaluate(&next, "x").await), None);
    }
    assert_eq!(code(&evaluate(&set, "x").await), None);
}

#[tokio::test]
async fn a_policy_is_loaded_while_every_turn_is_taken() {
    let config = Config {
        concurrency: 1,
        queue_wait_ms: 1,
        ..twins("accept")
    };
    let set = load(&config).await;
    let turn = set.runtime.turn(Duration::ZERO).await;
    assert!(turn.is_some());
    let next = Config {
        concurrency: 1,
        ..twins("pass")
    };
    assert!(successor(&set, &next).await.is_some());
}

#[tokio::test]
async fn a_step_that_fails_is_named() {
    let set = load(&twins("accept")).await;
    let mut config = twins("accept");
    config.chain[1].sha256 = Some("00".repeat(32));
    let error = set.successor(&config, &root()).await.expect_err("pinned");
    let text = error.to_string();
    assert!(text.contains("policy \"b\""), "{text}");
    assert!(text.contains(": pin: "), "{text}");
}

/// Swaps of the test below.
const SWAPS: usize = 1_000;
/// Sessions that ask without a pause meanwhile.
const SESSIONS: usize = 8;

/// One transaction as a session makes it: the set is taken once, and every stage asks it. Returns
/// the rule that both policies decided by at all stages.
async fn transaction(policies: &Policies) -> String {
    let set = policies.current();
    let sender = address("a@example.com");
    let envelope = || envelope("a@example.com");
    let rulings = [
        set.on_sender(session(), envelope(), Some(sender.clone()))
            .await,
        set.on_recipient(session(), envelope(), sender).await,
        evaluate(&set, "x").await,
    ];
    let steps = rulings.iter().flat_map(|ruling| &ruling.steps);
    let words: Vec<&str> = steps
        .filter_map(|step| step.rule.split_once('/'))
        .map(|(_, rule)| rule)
        .collect();
    assert_eq!(words.len(), 6, "{rulings:?}");
    // At the envelope stage the guests pass whatever the settings are, so only the last two tell.
    assert_eq!(words[4], words[5], "one message, two sets: {rulings:?}");
    let expected = behaviour_of(set.generation());
    assert_eq!(words[4], expected, "generation {}", set.generation());
    words[4].to_owned()
}

/// Generations alternate between two behaviours, the first one with odd numbers.
fn behaviour_of(generation: u64) -> &'static str {
    if generation % 2 == 1 {
        "accept"
    } else {
        "pass"
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_swaps_under_load_mix_no_sets_and_drop_no_question() {
    let policies = Policies::new(load(&twins(behaviour_of(1))).await);
    let done = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicUsize::new(0));
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|_| {
            let (policies, done, asked) = (policies.clone(), Arc::clone(&done), Arc::clone(&asked));
            tokio::spawn(async move {
                let mut met = std::collections::HashSet::new();
                while !done.load(Ordering::Relaxed) {
                    met.insert(transaction(&policies).await);
                    asked.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
                met.len()
            })
        })
        .collect();
    for generation in 2..=1 + SWAPS as u64 {
        let config = twins(behaviour_of(generation));
        let next = policies.current().successor(&config, &root()).await;
        let (next, _) = next.expect("loads").expect("it differs");
        policies.replace(next);
    }
    done.store(true, Ordering::Relaxed);
    for session in sessions {
        assert_eq!(
            session.await.expect("no panic"),
            2,
            "it met both behaviours"
        );
    }
    assert_eq!(policies.current().generation(), 1 + SWAPS as u64);
    assert!(asked.load(Ordering::Relaxed) >= SESSIONS);
}
