//! Measures what a long queue costs: the time to start, memory, and the rate of delivery.
//!
//! `bench-million [MESSAGES]`, 1,000,000 by default; first with 10,000, to compare. It fills a store by the store's own
//! code, starts the relay on it and delivers to a sink on loopback. Ends by itself, with 1 when a bar is missed.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use gatepost::clock::Timestamp;
use gatepost::id::QueueIds;
use gatepost::queue::{
    Content, MessageFilter, MessageMeta, MessageParameters, NewMessage, Priority,
};
use gatepost::smtp::{BodyType, Mailbox};
use gatepost::store::{Config, Store};
use gatepost_tests::relay::{Relay, Setup};
use gatepost_tests::sink::{Delivery, Script, Sink};
use gatepost_tests::wait;
use tokio::task::JoinSet;

/// Messages when no number is given.
const MESSAGES: usize = 1_000_000;
/// Messages of the short queue that the long one is compared with.
const SHORT: usize = 10_000;
/// Until clients are let in, and until the first message is delivered.
const BAR_START: Duration = Duration::from_secs(10);
/// What the relay may ever have resident, in KiB.
const BAR_KIB: u64 = 500 * 1024;
/// The rate of delivery, as a part of that with a short queue.
const BAR_RATE: f64 = 0.8;
/// What a page of a listing may take.
const BAR_PAGE: Duration = Duration::from_secs(1);
/// Octets of a message.
const OCTETS: usize = 1024;
/// Messages on their way into the store at a time.
const CALLERS: usize = 256;
/// How long the whole queue may take to be read.
const READ_LIMIT: Duration = Duration::from_secs(300);
/// Messages delivered before the rate is measured, and by which it is measured at most.
const WARM_UP: usize = 1000;
const SAMPLE: usize = 20_000;

fn main() -> anyhow::Result<ExitCode> {
    let count = std::env::args().nth(1).map_or(Ok(MESSAGES), |text| {
        text.parse()
            .with_context(|| format!("`{text}` is no number of messages"))
    })?;
    let short = measure(SHORT)?;
    let long = measure(count)?;
    let missed = missed(&short, &long);
    for bar in &missed {
        eprintln!("error: {bar}");
    }
    Ok(ExitCode::from(u8::from(!missed.is_empty())))
}

/// What a queue of so many messages costs.
struct Measured {
    ready: Duration,
    first: Duration,
    peak_kib: u64,
    per_second: f64,
    page: Duration,
}

fn missed(short: &Measured, long: &Measured) -> Vec<String> {
    let mut missed = Vec::new();
    for (what, took, bar) in [
        ("ready for clients", long.ready, BAR_START),
        ("the first delivery", long.first, BAR_START),
        ("a page of the listing", long.page, BAR_PAGE),
    ] {
        if took > bar {
            missed.push(format!("{what} took {took:.1?}, more than {bar:.1?}"));
        }
    }
    if long.peak_kib > BAR_KIB {
        missed.push(format!("more than {} MiB were resident", BAR_KIB / 1024));
    }
    if long.per_second < BAR_RATE * short.per_second {
        missed.push(format!(
            "{:.0} messages/s are less than {:.0} % of the {:.0} of a short queue",
            long.per_second,
            BAR_RATE * 100.0,
            short.per_second
        ));
    }
    missed
}

fn measure(count: usize) -> anyhow::Result<Measured> {
    let sink = Sink::start(Script::default())?;
    let mut relay = Relay::prepare(&Setup::smarthost(sink.port()));
    let config = Config {
        url: format!("sqlite://{}", relay.folder().join("gatepost.db").display()).into(),
        ..Config::default()
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let began = Instant::now();
    runtime.block_on(fill(&config, count))?;
    println!("{count} messages: filled within {:.1?}", began.elapsed());
    let began = Instant::now();
    relay.restart();
    let ready = began.elapsed();
    wait::until("a message is delivered", READ_LIMIT, || sink.count() > 0);
    let first = began.elapsed();
    let page = runtime.block_on(page(&config))?;
    wait::until("the queue is read", READ_LIMIT, || {
        relay.log().contains("the queue is read")
    });
    let read = began.elapsed();
    let resident_kib = relay.resident_memory_kib();
    let per_second = rate(&sink, count);
    let measured = Measured {
        ready,
        first,
        peak_kib: relay.peak_memory_kib(),
        per_second,
        page,
    };
    println!(
        "{count} messages: ready after {ready:.1?}, first delivery after {first:.1?}, queue read after {read:.1?}, \
         {} MiB resident then and {} at most, {per_second:.0} messages/s, a page of the listing in {page:.1?}",
        resident_kib / 1024,
        measured.peak_kib / 1024,
    );
    Ok(measured)
}

/// Messages delivered in a second, over a sample that the queue outlasts.
fn rate(sink: &Sink, count: usize) -> f64 {
    let before = sink.count();
    let left = count.saturating_sub(before + WARM_UP);
    let sample = left.min(SAMPLE);
    if sample < SAMPLE.min(SHORT / 2) {
        // A short queue is delivered while it is read: it is measured from the first message to the last.
        wait::until("all are delivered", READ_LIMIT, || sink.count() >= count);
        return sink.log(|log| rate_of(log.deliveries()));
    }
    let began = Instant::now();
    wait::until("a sample is delivered", READ_LIMIT, || {
        sink.count() >= before + sample
    });
    (sink.count() - before) as f64 / began.elapsed().as_secs_f64()
}

fn rate_of(deliveries: &[Delivery]) -> f64 {
    match deliveries {
        [first, .., last] => {
            (deliveries.len() - 1) as f64 / last.at.duration_since(first.at).as_secs_f64()
        }
        _ => 0.0,
    }
}

/// How long the first page of the listing takes.
async fn page(config: &Config) -> anyhow::Result<Duration> {
    let store = Store::open(config).await?;
    let began = Instant::now();
    store.messages(MessageFilter::default()).await?;
    let took = began.elapsed();
    store.close().await;
    Ok(took)
}

async fn fill(config: &Config, count: usize) -> anyhow::Result<()> {
    let store = Store::open(config).await?;
    let ids = Arc::new(QueueIds::new());
    let next = Arc::new(AtomicUsize::new(0));
    let head = Bytes::from(format!(
        "Subject: backlog\r\n\r\n{}\r\n",
        "x".repeat(OCTETS)
    ));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (store, ids, next, head) = (store.clone(), ids.clone(), next.clone(), head.clone());
        callers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(());
                }
                let message = message(&ids, &head, number)?;
                store.accept(Arc::new(message), Vec::new()).await?;
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    store.close().await;
    Ok(())
}

fn message(ids: &QueueIds, head: &Bytes, number: usize) -> anyhow::Result<NewMessage> {
    let now = Timestamp::now();
    let to: Mailbox = format!("customer{number}@domain{}.example", number % 1000).parse()?;
    Ok(NewMessage {
        id: ids.next(),
        meta: MessageMeta {
            list_id: Some(1),
            username: "s1_1".to_owned(),
            reverse_path: Some("orders@example.com".parse()?),
            priority: Priority::from_number(3 + (number % 3) as i64).unwrap_or_default(),
            body: BodyType::SevenBit,
            parameters: MessageParameters::default(),
            subject: format!("Your order {number}"),
            message_id: format!("<{number}@example.com>"),
            session_id: "bench".to_owned(),
            rule: "sender-rules/authorized-domain".to_owned(),
            received_at: now,
            expires_at: now + Duration::from_secs(86_400),
            way: gatepost::queue::Way::default(),
            origin: gatepost::queue::Origin::default(),
        },
        recipients: vec![to.into()],
        content: Content {
            size: head.len() as u64,
            head: head.clone(),
            staged_chunks: 0,
        },
    })
}
