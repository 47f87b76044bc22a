//! Measures how long the relay takes from its start until every one of its ports accepts connections.
//!
//! `bench-ports [PORTS] [ROUNDS]`, 4,000 and 5 by default. Ends by itself, with 1 when the median misses the bar.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use gatepost_tests::relay::{Relay, Setup};
use gatepost_tests::wait;

/// Ports when no number is given.
const PORTS: u16 = 4000;
/// What the median may take.
const BAR: Duration = Duration::from_secs(1);
/// Where free ports are looked for: below those that systems give to outgoing connections.
const FIRST: u16 = 10_000;
const LAST: u16 = 32_000;
/// Each port is connected to.
const LIMITS: &str =
    "\n[submission]\nmax-connections = 20000\nmax-connections-per-address = 20000\n";

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u16| {
        arguments
            .next()
            .map_or(Ok(default), |text| text.parse())
            .context("usage: bench-ports [PORTS] [ROUNDS]")
    };
    let (count, rounds) = (number(PORTS)?.max(1), number(5)?.max(1));
    let ports = free_ports(count).with_context(|| format!("{count} free ports in a row"))?;
    let setup = Setup::maildir().with(LIMITS);
    let mut relay = Relay::prepare(&setup);
    let own = relay.port();
    let range = format!("ports = [\"{own}\", \"{}-{}\"]", ports.start(), ports.end());
    relay.configure(
        &setup
            .to_toml(own)
            .replace(&format!("ports = [\"{own}\"]"), &range),
    );
    // The first start makes a certificate and the tables of the store.
    println!(
        "first start: {} ms",
        start(&mut relay, ports.clone())?.as_millis()
    );
    let mut times = (0..rounds)
        .map(|_| start(&mut relay, ports.clone()))
        .collect::<std::io::Result<Vec<_>>>()?;
    times.sort_unstable();
    let median = times[times.len() / 2];
    let shown: Vec<_> = times
        .iter()
        .map(|time| time.as_millis().to_string())
        .collect();
    println!(
        "{} ports accept {} ms after the start (median of {} ms); {} MiB resident",
        u32::from(count) + 1,
        median.as_millis(),
        shown.join(", "),
        relay.resident_memory_kib() / 1024,
    );
    if median > BAR {
        eprintln!("error: more than {} ms", BAR.as_millis());
    }
    Ok(ExitCode::from(u8::from(median > BAR)))
}

/// The time from the start of the process until each port has accepted a connection.
fn start(relay: &mut Relay, ports: std::ops::RangeInclusive<u16>) -> std::io::Result<Duration> {
    relay.kill();
    let began = Instant::now();
    relay.restart();
    for port in ports {
        connect(port, began + wait::PATIENCE)?;
    }
    Ok(began.elapsed())
}

/// Ports open one after the other, and this program may be faster than the relay: refused is not open yet.
fn connect(port: u16, deadline: Instant) -> std::io::Result<()> {
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Err(error)
                if error.kind() == ErrorKind::ConnectionRefused && Instant::now() < deadline =>
            {
                std::thread::yield_now();
            }
            connected => return connected.map(drop),
        }
    }
}

/// So many ports in a row that nobody uses.
fn free_ports(count: u16) -> Option<std::ops::RangeInclusive<u16>> {
    let mut first = FIRST;
    while first <= LAST.saturating_sub(count) {
        let last = first + count - 1;
        let is_used = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_err();
        match (first..=last).rev().find(is_used) {
            None => return Some(first..=last),
            Some(used) => first = used + 1,
        }
    }
    None
}
