//! Measures how long small urgent messages take while one large transfer fills a line of limited bandwidth.
//!
//! `bench-preempt [BYTES_PER_SECOND] [OCTETS] [TRIES]`, 1,000,000, 20,000,000 and 20 by default: priority 5 for the large
//! one, 1 for the small ones. Ends by itself, with 1 when a small one takes longer than 300 ms from its `250`
//! to the next hop, or the large one does not arrive as it was sent.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;
use sha2::{Digest as _, Sha256};

/// From the `250` to the next hop.
const BAR: Duration = Duration::from_millis(300);
/// How much longer than the line allows everything may take.
const SLACK: Duration = Duration::from_secs(60);
const FROM: &str = "shop@example.com";
const TO: &str = "customer@example.net";

struct Plan {
    bytes_per_second: u32,
    octets: usize,
    tries: usize,
}

fn main() -> anyhow::Result<ExitCode> {
    let plan = plan()?;
    let limit = Duration::from_secs_f64(plan.octets as f64 / f64::from(plan.bytes_per_second));
    let sink = Sink::start(Script {
        keep: 2 * plan.octets,
        ..Script::default()
    })?;
    let setup = Setup::smarthost(sink.port());
    let relay =
        Relay::start(&setup.delivering(&format!("bandwidth = {}\n", plan.bytes_per_second)));
    let user = relay.add_shop_user(&["--priority", "5"]);
    let large = message::id("large", 0);
    let body = body(plan.octets);
    submit(&relay, &user, &large, 5, &body);
    let started = Instant::now();
    let slowest = small_ones(&plan, &relay, &user, &sink);

    wait::until("the large one has arrived", limit + SLACK, || {
        sink.log(|log| log.copies(&large)) > 0
    });
    let took = started.elapsed();
    let arrived = sink.delivery(&large).content;
    let at = memchr::memmem::find(&arrived, b"\r\n\r\n").context("a header")? + 4;
    let (sent, came) = (digest(body.as_bytes()), digest(&arrived[at..]));
    println!(
        "{} small messages of priority 1, at most {:.1} ms from the 250 to the next hop, while {} octets of priority 5 \
         took {:.1} s at {} bytes a second ({:.1} s without anything else)",
        plan.tries,
        slowest.as_secs_f64() * 1e3,
        plan.octets,
        took.as_secs_f64(),
        plan.bytes_per_second,
        limit.as_secs_f64(),
    );
    println!("sent    {sent}\narrived {came}");
    ensure!(sent == came, "the large message is not what was sent");
    ensure!(
        took + Duration::from_secs(1) > limit,
        "the line was wider than its limit"
    );
    if slowest > BAR {
        eprintln!("error: above {} ms", BAR.as_millis());
    }
    Ok(ExitCode::from(u8::from(slowest > BAR)))
}

fn plan() -> anyhow::Result<Plan> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u32| {
        arguments
            .next()
            .map_or(Ok(default), |text| text.parse())
            .context("usage: bench-preempt [BYTES_PER_SECOND] [OCTETS] [TRIES]")
    };
    Ok(Plan {
        bytes_per_second: number(1_000_000)?,
        octets: number(20_000_000)? as usize,
        tries: number(20)?.max(1) as usize,
    })
}

/// Lines that are all different, none of which begins with a dot.
fn body(octets: usize) -> String {
    let mut body = String::with_capacity(octets + 80);
    while body.len() < octets {
        let _ = write!(body, "{:>70}\r\n", body.len());
    }
    body
}

fn submit(relay: &Relay, user: &User, id: &str, priority: u8, body: &str) -> Instant {
    let fields = format!("From: {FROM}\r\nTo: {TO}\r\nX-Priority: {priority}\r\n");
    let content = message::with_fields(&fields, id).replace("Hello.\r\n", body);
    relay.login(user).submit(FROM, &[TO], &content, "250");
    Instant::now()
}

/// Submits the small ones while the large one is on its way: the longest that one took.
fn small_ones(plan: &Plan, relay: &Relay, user: &User, sink: &Sink) -> Duration {
    let each = |number: usize| {
        // Evenly over the first half of the transfer.
        let part = plan.octets * (number + 1) / (plan.tries * 2 + 2);
        wait::until("the large one has come so far", SLACK, || {
            sink.log(|log| log.arriving().values().sum::<usize>()) >= part
        });
        let id = message::id("small", number as u64);
        let accepted = submit(relay, user, &id, 1, "Hello.\r\n");
        let arrived = sink.delivery(&id).at;
        arrived.saturating_duration_since(accepted)
    };
    (0..plan.tries).map(each).max().unwrap_or_default()
}

fn digest(octets: &[u8]) -> String {
    let digest = Sha256::digest(octets);
    digest.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}
