//! What asking a policy costs: `evaluate` of a message with 20 header fields, a fresh instance included, as
//! `intake` does it for every message.
//!
//! `cargo run --release -p gatepost-tests --bin bench-policy [ROUNDS [MODULE]]`
//!
//! MODULE is `builtin:sender-rules` unless it is given: another one that comes with Gatepost, or a file.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use gatepost::policy::{Config, PolicyConfig, PolicySet, Ruling};
use gatepost_tests::question;

/// Evaluations that are measured, unless the first argument says otherwise.
const ROUNDS: usize = 20_000;
/// Evaluations before that, to warm the pool.
const WARM_UP: usize = 1_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let rounds = match std::env::args().nth(1) {
        Some(text) => text.parse().context("ROUNDS is a number")?,
        None => ROUNDS,
    };
    let module = std::env::args().nth(2);
    let module = module.unwrap_or_else(|| "builtin:sender-rules".to_owned());
    let mut policy = PolicyConfig::new("policy", module);
    // A machine that is busy with something else is no failure of the policy.
    policy.limits.time_ms = 10_000;
    let config = Config {
        chain: vec![policy],
        ..Config::default()
    };
    let started = Instant::now();
    let set = Arc::new(PolicySet::load(&config, Path::new(".")).await?);
    println!(
        "load       {:>9.1} ms",
        started.elapsed().as_secs_f64() * 1e3
    );

    let fuel = evaluate(&set).await.steps.first().map_or(0, |s| s.fuel);
    measure(&set, WARM_UP).await?;
    let mut times = measure(&set, rounds).await?;
    times.sort_unstable();
    for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
        println!("{name:<10} {:>9.1} us", micros(quantile(&times, share)));
    }
    println!("fuel       {fuel:>9}");
    println!(
        "two tasks  {:>9.0} evaluations/s",
        throughput(&set, rounds).await?
    );
    Ok(())
}

/// One after the other, on a worker of the runtime, where sessions run.
async fn measure(set: &Arc<PolicySet>, rounds: usize) -> anyhow::Result<Vec<Duration>> {
    let set = Arc::clone(set);
    let task = tokio::spawn(async move {
        let mut times = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let (session, envelope, message) = question::allowed();
            let started = Instant::now();
            let ruling = set.evaluate(session, envelope, message).await;
            times.push(started.elapsed());
            ensure!(ruling.refusal.is_none(), "refused: {ruling:?}");
        }
        Ok(times)
    });
    task.await?
}

/// Evaluations a second of two tasks together.
async fn throughput(set: &Arc<PolicySet>, rounds: usize) -> anyhow::Result<f64> {
    let started = Instant::now();
    let (first, second) = tokio::join!(measure(set, rounds), measure(set, rounds));
    let done = first?.len() + second?.len();
    Ok(done as f64 / started.elapsed().as_secs_f64())
}

async fn evaluate(set: &PolicySet) -> Ruling {
    let (session, envelope, message) = question::allowed();
    set.evaluate(session, envelope, message).await
}

fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let index = (sorted.len() as f64 * share) as usize;
    sorted.get(index).copied().unwrap_or_default()
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
