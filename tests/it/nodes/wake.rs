//! A node that has nothing to do hears at once of mail that another one has no room for.

use std::time::{Duration, Instant};

use gatepost_tests::message;
use gatepost_tests::postgres::Cluster;
use gatepost_tests::relay::Relay;
use gatepost_tests::sink::{Log, Script, Sink};
use gatepost_tests::wait;

use super::{FROM, PATIENCE, TO, alive, node, setup};

/// Whoever looks each second and hears nothing needs half a second for a message on average.
const AT_ONCE: Duration = Duration::from_millis(250);
/// Messages that fill a node, and more.
const FILLS: u64 = 12;
/// Messages whose way is timed.
const TIMED: u64 = 20;
/// Messages that wait when the urgent one comes.
const BACKLOG: u64 = 200;
/// How long the next hop thinks about each message.
const THINKS: Duration = Duration::from_millis(200);
/// Transactions to the next hop from all nodes at a time.
const CONNECTIONS: usize = 4;
/// An urgent message has left by then, on a machine that is busy with other tests: without any claims the backlog
/// takes five times as long.
const URGENT: Duration = Duration::from_secs(2);

fn paused() -> Script {
    Script {
        paused: true,
        ..Script::default()
    }
}

#[test]
fn what_a_full_node_leaves_is_sent_by_an_idle_one_at_once() {
    let url = Cluster::shared().database();
    let silent = Sink::start(paused()).expect("a port");
    let quick = Sink::start(Script::default()).expect("a port");
    // It holds four messages or so, and its next hop answers none.
    let full = Relay::start(&setup("full", &url, &silent, "claim-batch = 1"));
    let user = full.add_shop_user(&[]);
    let mut client = full.login(&user);
    let mut submit = |number| {
        let id = message::id("left", number);
        let content = message::short(FROM, TO, &id);
        client.submit(FROM, &[TO], &content, "250");
        id
    };
    for number in 0..FILLS {
        submit(number);
    }
    wait::until("it is full", PATIENCE, || silent.log(Log::waiting) >= 4);
    let idle = node("idle", &url, &quick);
    wait::until("both are seen", PATIENCE, || alive(&idle).len() == 2);
    wait::until("the rest has left", PATIENCE, || {
        quick.count() + silent.log(Log::waiting) >= FILLS as usize
    });
    let times = (100..100 + TIMED).map(|number| {
        let began = Instant::now();
        let id = submit(number);
        wait::until("it has left", PATIENCE, || {
            quick.log(|log| log.copies(&id) > 0)
        });
        began.elapsed()
    });
    let times: Vec<Duration> = times.collect();
    let quick_ones = times.iter().filter(|time| **time < AT_ONCE).count();
    assert!(quick_ones * 4 >= times.len() * 3, "{times:?}");
}

#[test]
fn urgent_mail_leaves_one_node_while_another_drains_a_backlog() {
    let url = Cluster::shared().database();
    let sink = Sink::start(Script {
        delay: THINKS,
        ..Script::default()
    });
    let sink = sink.expect("a port");
    let limited = |name| {
        let keys = format!("per-destination = {CONNECTIONS}\n");
        Relay::start(&setup(name, &url, &sink, "").delivering(&keys))
    };
    let draining = limited("draining");
    let user = draining.add_shop_user(&[]);
    let other = limited("other");
    wait::until("both are seen", PATIENCE, || alive(&other).len() == 2);
    draining.cli(&["queue", "stop", "--all"]).succeeded();
    super::submit(&draining, &user, 0, BACKLOG);
    draining.cli(&["queue", "start", "--all"]).succeeded();
    wait::until("the backlog is being drained", PATIENCE, || {
        sink.count() > 10
    });

    let fields = format!("From: {FROM}\r\nTo: {TO}\r\nX-Priority: 1\r\n");
    let id = message::id("urgent", 0);
    let mut client = other.login(&user);
    let began = Instant::now();
    client.submit(FROM, &[TO], &message::with_fields(&fields, &id), "250");
    wait::until("it has left", PATIENCE, || {
        sink.log(|log| log.copies(&id) > 0)
    });
    let took = began.elapsed();
    let left = BACKLOG.saturating_sub(sink.count() as u64);
    assert!(left > 0, "there was nothing to overtake");
    assert!(took < URGENT, "{took:?}, before {left} others");
}
