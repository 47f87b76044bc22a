//! Measures how long after its `250` an urgent message is at the next hop while a backlog leaves at full rate.
//!
//! `bench-urgent [BACKLOG] [TRIES]`, 100,000 messages of priority 3 and 200 of priority 1 by default. The next hop takes
//! nothing until the backlog is queued, then everything. Ends by itself, with 1 when p99 of the tries is
//! above 100 ms, or the backlog was over before the last of them.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use gatepost_tests::client::Client;
use gatepost_tests::load::Load;
use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup};
use gatepost_tests::sink::{Log, Script, Sink};
use gatepost_tests::wait;

/// From the `250` to the next hop, p99.
const BAR: Duration = Duration::from_millis(100);
/// Time for the backlog to be queued, and for one message to arrive.
const PATIENCE: Duration = Duration::from_secs(600);
/// Messages that are to be delivered before the first try: the rate is that of a relay at work.
const RUN_UP: usize = 1000;
const FROM: &str = "alerts@example.com";
const TO: &str = "operator@example.net";

fn main() -> anyhow::Result<ExitCode> {
    let (backlog, tries) = arguments()?;
    let sink = Sink::start(Script {
        paused: true,
        ..Script::default()
    })?;
    let relay = Relay::start(&Setup::smarthost(sink.port()));
    let user = relay.add_shop_user(&[]);
    fill(&Load::on(relay.port(), &user), backlog)?;

    let mut client = relay.login(&user);
    let resumed = Instant::now();
    sink.set(Script::default());
    wait::until("the backlog flows", PATIENCE, || sink.count() >= RUN_UP);
    let accepted = urgent(&mut client, &sink, tries);
    let (elapsed, sent) = (resumed.elapsed(), sink.count());
    let rest = (backlog + tries).saturating_sub(sent);
    println!(
        "{tries} urgent messages while {sent} of {backlog} left at {:.0} a second; {rest} still waited",
        sent as f64 / elapsed.as_secs_f64()
    );

    let mut times = times(&sink, &accepted);
    ensure!(times.len() == tries, "urgent messages were lost");
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    println!(
        "from the 250 to the next hop: median {:.1} ms, p99 {:.1} ms, at most {:.1} ms; {} MiB resident",
        millis(at(0.5)),
        millis(at(0.99)),
        millis(at(1.0)),
        relay.resident_memory_kib() / 1024,
    );
    let is_missed = at(0.99) > BAR;
    if is_missed {
        eprintln!("error: p99 is above {} ms", BAR.as_millis());
    }
    if rest == 0 {
        eprintln!("error: the backlog was over before the last try; give a larger one");
    }
    Ok(ExitCode::from(u8::from(is_missed || rest == 0)))
}

fn arguments() -> anyhow::Result<(usize, usize)> {
    const USAGE: &str = "usage: bench-urgent [BACKLOG] [TRIES]";
    let mut arguments = std::env::args().skip(1);
    let backlog = arguments.next().map_or(Ok(100_000), |text| text.parse());
    let tries = arguments.next().map_or(Ok(200), |text| text.parse());
    Ok((backlog.context(USAGE)?, tries.context(USAGE)?))
}

fn fill(load: &Load, backlog: usize) -> anyhow::Result<()> {
    let load = Load {
        connections: 16,
        per_session: 500,
        count: backlog as u64,
        time: PATIENCE,
        run: "backlog".into(),
        ..load.clone()
    };
    let report = load.run()?;
    println!("backlog: {report}");
    ensure!(report.accepted == backlog, "not all of it was accepted");
    Ok(())
}

/// Submits one after the other, each when the one before has arrived: their ids, and when each had its `250`.
fn urgent(client: &mut Client, sink: &Sink, tries: usize) -> Vec<(String, Instant)> {
    let submit = |number: usize| {
        let id = message::id("urgent", number as u64);
        let fields = format!("From: {FROM}\r\nTo: {TO}\r\nX-Priority: 1\r\n");
        client.submit(FROM, &[TO], &message::with_fields(&fields, &id), "250");
        let accepted = Instant::now();
        wait::until("an urgent message has arrived", PATIENCE, || {
            sink.log(|log| log.copies(&id)) > 0
        });
        (id, accepted)
    };
    (0..tries).map(submit).collect()
}

fn times(sink: &Sink, accepted: &[(String, Instant)]) -> Vec<Duration> {
    let arrived = |log: &Log, id: &str| {
        let mut all = log.deliveries().iter();
        all.find(|it| it.id == id).map(|it| it.at)
    };
    sink.log(|log| {
        let times = accepted.iter().filter_map(|(id, at)| {
            let arrived = arrived(log, id)?;
            // It may be there before its client has read the reply.
            Some(arrived.saturating_duration_since(*at))
        });
        times.collect()
    })
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
