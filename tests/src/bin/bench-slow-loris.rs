//! Measures what a busy session waits for its replies with and without a crowd of slow clients hanging.
//!
//! `bench-slow-loris [CLIENTS] [ROUNDS] [MESSAGES]`, 2,000, 5 and 1,000 by default; the rounds alternate. The clients
//! hang in a command before and after the login, in content, and in a TLS handshake, with an octet every three
//! seconds. Ends by itself, with 1 when the median of p99 is more than doubled.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use gatepost_tests::load::{Load, Lorises, median};
use gatepost_tests::relay::{Relay, Setup};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

/// What p99 with the slow clients may be of p99 without them.
const BAR: f64 = 2.0;
/// Time for all of them to hang.
const GATHERING: Duration = Duration::from_secs(120);
/// The slow clients come from one address, as one user, and must not be refused for that.
const LIMITS: &str = "\n[submission]\nmax-connections = 20000\nmax-connections-per-address = 20000\n\
     max-connections-per-user = 20000\n";

struct Plan {
    clients: usize,
    rounds: usize,
    messages: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let plan = plan()?;
    let sink = Sink::start(Script::default())?;
    let relay = Relay::start(&Setup::smarthost(sink.port()).with(LIMITS));
    let user = relay.add_shop_user(&[]);
    let load = Load {
        connections: 1,
        per_session: 500,
        count: plan.messages,
        ..Load::on(relay.port(), &user)
    };
    load.run_as("warm-up")?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        without.push(load.run_as(&format!("{round}: alone"))?.p99);
        let lorises = Lorises::start(&load, plan.clients)?;
        wait::until("the slow clients hang", GATHERING, || {
            lorises.hanging() >= plan.clients
        });
        with.push(
            load.run_as(&format!("{round}: {} hanging", lorises.hanging()))?
                .p99,
        );
        println!("   {} still hanging", lorises.hanging());
    }
    let (without, with) = (median(without), median(with));
    let ratio = with.as_secs_f64() / without.as_secs_f64();
    println!(
        "p99 of a busy session: {:.2} ms alone, {:.2} ms with {} slow clients, {ratio:.2} times (medians of {} rounds); \
         {} MiB resident",
        without.as_secs_f64() * 1e3,
        with.as_secs_f64() * 1e3,
        plan.clients,
        plan.rounds,
        relay.resident_memory_kib() / 1024,
    );
    if ratio > BAR {
        eprintln!("error: more than doubled");
    }
    Ok(ExitCode::from(u8::from(ratio > BAR)))
}

fn plan() -> anyhow::Result<Plan> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| {
        arguments
            .next()
            .map_or(Ok(default), |text| text.parse())
            .context("usage: bench-slow-loris [CLIENTS] [ROUNDS] [MESSAGES]")
    };
    Ok(Plan {
        clients: number(2000)?,
        rounds: number(5)?.max(1),
        messages: number(1000)? as u64,
    })
}
