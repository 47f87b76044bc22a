//! What asking the default policy costs: `evaluate` of a message with 20 header fields, a fresh
//! instance included, as `intake` does it for every message.
//!
//! `cargo run --release -p gatepost-tests --bin bench-policy [ROUNDS]`

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use gatepost::policy::types::{
    Address, Envelope, Header, Identity, Message, Originators, Priority, Session,
};
use gatepost::policy::{Config, PolicySet, Ruling};

/// Evaluations that are measured, unless the first argument says otherwise.
const ROUNDS: usize = 20_000;
/// Evaluations before that, to warm the pool.
const WARM_UP: usize = 1_000;
/// Header fields of the message.
const HEADERS: usize = 20;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let rounds = match std::env::args().nth(1) {
        Some(text) => text.parse().context("ROUNDS is a number")?,
        None => ROUNDS,
    };
    let started = Instant::now();
    let set = Arc::new(PolicySet::load(&Config::default(), Path::new(".")).await?);
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
            let (session, envelope, message) = request();
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
    let (session, envelope, message) = request();
    set.evaluate(session, envelope, message).await
}

fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let index = (sorted.len() as f64 * share) as usize;
    sorted.get(index).copied().unwrap_or_default()
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn address(local_part: &str, domain: &str) -> Address {
    Address {
        full: format!("{local_part}@{domain}"),
        local_part: local_part.to_owned(),
        domain: domain.to_owned(),
    }
}

/// A user restricted to a few domains and senders, and a message of an allowed one.
fn request() -> (Arc<Session>, Envelope, Message) {
    let sender = address("newsletter", "marketing.example.com");
    let session = Session {
        id: "0123456789abcdef".to_owned(),
        identity: Identity {
            username: "s1_2".to_owned(),
            authorized_domains: vec!["example.com".to_owned(), "marketing.example.com".to_owned()],
            authorized_senders: vec!["ceo@example.org".to_owned()],
            default_priority: Priority::Normal,
            facts: Vec::new(),
        },
        client_ip: "192.0.2.1".to_owned(),
        helo: "client.example.com".to_owned(),
        tls: None,
        received_at_ms: 1_795_449_599_999,
        facts: Vec::new(),
    };
    let envelope = Envelope {
        mail_from: Some(sender.clone()),
        recipients: vec![address("someone", "example.net")],
    };
    (Arc::new(session), envelope, message(sender))
}

fn message(sender: Address) -> Message {
    let header = |number: usize| Header {
        name: format!("X-Header-{number}"),
        value: format!("value {number}, of the usual length of a header field's value"),
    };
    Message {
        size_bytes: 4096,
        header_from: vec![sender],
        header_sender: Vec::new(),
        originators: Originators::Complete,
        subject: "The weekly newsletter, number 42".to_owned(),
        requested_priority: Some(Priority::High),
        headers: (0..HEADERS).map(header).collect(),
        truncated: false,
        facts: Vec::new(),
    }
}
