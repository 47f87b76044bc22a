//! Measures how long after its `250` an urgent message is at the next hop while a backlog leaves at full rate.
//!
//! `bench-urgent [BACKLOG] [TRIES] [nodes]`, 100,000 messages of priority 3 and 200 of priority 1 by default. The next hop
//! takes nothing until the backlog is queued, then everything. With `nodes` there are two relays over one PostgreSQL: one
//! is given the backlog, the other what is urgent. Ends by itself, with 1 when p99 of the tries is above 100 ms (300 ms
//! with two relays), or the backlog was over before the last of them.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use gatepost_tests::client::Client;
use gatepost_tests::load::Load;
use gatepost_tests::message;
use gatepost_tests::postgres::Cluster;
use gatepost_tests::relay::{Relay, Setup};
use gatepost_tests::sink::{Log, Script, Sink};
use gatepost_tests::wait;

/// From the `250` to the next hop, p99.
const BAR: Duration = Duration::from_millis(100);
/// The same when another relay sends the backlog.
const BAR_OF_NODES: Duration = Duration::from_millis(300);
/// A commit of the database is on the disk before its answer.
const SETTINGS: [&str; 1] = ["fsync = on"];
/// Time for the backlog to be queued, and for one message to arrive.
const PATIENCE: Duration = Duration::from_secs(600);
/// Messages that are to be delivered before the first try: the rate is that of a relay at work.
const RUN_UP: usize = 1000;
const FROM: &str = "alerts@example.com";
const TO: &str = "operator@example.net";

fn main() -> anyhow::Result<ExitCode> {
    let (backlog, tries, has_nodes) = arguments()?;
    let sink = Sink::start(Script {
        paused: true,
        ..Script::default()
    })?;
    let setup = Setup::smarthost(sink.port());
    let cluster = has_nodes.then(|| Cluster::start(&SETTINGS)).transpose();
    let cluster = cluster.map_err(anyhow::Error::msg)?;
    let setup = match &cluster {
        Some(cluster) => setup.on_server(&cluster.database()),
        None => setup,
    };
    let relay = Relay::start(&setup);
    let other = has_nodes.then(|| Relay::start(&setup));
    let user = relay.add_shop_user(&[]);
    let loaded = other.as_ref().unwrap_or(&relay);
    fill(&Load::on(loaded.port(), &user), backlog)?;

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
    let bar = if has_nodes { BAR_OF_NODES } else { BAR };
    let is_missed = at(0.99) > bar;
    if is_missed {
        eprintln!("error: p99 is above {} ms", bar.as_millis());
    }
    if rest == 0 {
        eprintln!("error: the backlog was over before the last try; give a larger one");
    }
    Ok(ExitCode::from(u8::from(is_missed || rest == 0)))
}

fn arguments() -> anyhow::Result<(usize, usize, bool)> {
    const USAGE: &str = "usage: bench-urgent [BACKLOG] [TRIES] [nodes]";
    let mut arguments = std::env::args().skip(1);
    let backlog = arguments.next().map_or(Ok(100_000), |text| text.parse());
    let tries = arguments.next().map_or(Ok(200), |text| text.parse());
    let nodes = arguments.next();
    let has_nodes = nodes.is_some();
    ensure!(nodes.is_none_or(|word| word == "nodes"), USAGE);
    Ok((backlog.context(USAGE)?, tries.context(USAGE)?, has_nodes))
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
