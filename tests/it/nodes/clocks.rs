//! Clocks that are minutes apart: nobody loses a lease by it, and mail leaves when it should.

use std::time::{Duration, Instant};

use gatepost::clock::Timestamp;
use gatepost_tests::message;
use gatepost_tests::postgres::Cluster;
use gatepost_tests::relay::{Relay, User};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

use super::{FROM, PATIENCE, TO, alive, arrived, node, setup, submit};

/// How wrong the clocks are.
const MINUTES: u64 = 5;
/// A lease, and more: whoever reckons with the wrong clock has lost or taken one by then.
const LATER: Duration = Duration::from_secs(20);
/// A busy machine is late by that, and no clock of these is wrong by less.
const SLACK: Duration = Duration::from_secs(15);

/// Submits a message that is to leave at a time of the node's own clock.
fn schedule(relay: &Relay, user: &User, number: u64, at: Timestamp) -> String {
    let id = message::id("scheduled", number);
    let fields = format!("From: {FROM}\r\nTo: {TO}\r\nX-Gatepost-Schedule: {at}\r\n");
    let content = message::with_fields(&fields, &id);
    relay.login(user).submit(FROM, &[TO], &content, "250");
    id
}

fn numbers(relay: &Relay) -> Vec<i64> {
    let nodes = relay.json(&["nodes"]);
    let nodes = nodes.as_array().expect("an array").iter();
    nodes.filter_map(|node| node["id"].as_i64()).collect()
}

#[test]
fn clocks_that_are_minutes_apart_end_no_lease_and_delay_no_mail() {
    let url = Cluster::shared().database();
    let sink = Sink::start(Script::default()).expect("a port");
    let off = Duration::from_secs(MINUTES * 60);
    let ahead = Relay::start(&setup("ahead", &url, &sink, "").with_clock("+5m"));
    let behind = Relay::start(&setup("behind", &url, &sink, "").with_clock("-5m"));
    let right = node("right", &url, &sink);
    let all = [&ahead, &behind, &right];
    let user = right.add_shop_user(&[]);
    wait::until("all are seen", PATIENCE, || alive(&right).len() == 3);
    let before = numbers(&right);

    // What is for now leaves now, whoever takes it in.
    for (relay, number) in all.iter().zip([0, 100, 200]) {
        arrived(&sink, &submit(relay, &user, number, 10), SLACK);
    }
    // By the clock of whoever takes it in, as times that clients set are.
    let (began, now) = (Instant::now(), Timestamp::now());
    let clocks = [now + off, now - off, now];
    let scheduled: Vec<String> = all
        .iter()
        .zip(clocks)
        .zip(0..)
        .map(|((relay, clock), number)| schedule(relay, &user, number, clock + LATER))
        .collect();

    // An order holds on all within a second, whoever's clock says when it was given.
    right.cli(&["queue", "stop", "--all"]).succeeded();
    std::thread::sleep(Duration::from_secs(1));
    let count = sink.count();
    let stopped: Vec<_> = all
        .iter()
        .zip([300, 400, 500])
        .map(|(relay, number)| submit(relay, &user, number, 5))
        .collect();
    assert_eq!(sink.count(), count, "mail is stopped on all");
    right.cli(&["queue", "start", "--all"]).succeeded();
    for some in &stopped {
        arrived(&sink, some, SLACK);
    }

    for id in &scheduled {
        wait::until("it leaves at its time", PATIENCE, || {
            sink.log(|log| log.copies(id) > 0)
        });
        let waited = began.elapsed();
        assert!(
            waited + Duration::from_secs(1) > LATER,
            "{id} was early: {waited:?}"
        );
        assert!(waited < LATER + SLACK, "{id} was late: {waited:?}");
    }
    assert_eq!(numbers(&right), before, "nobody had to join again");
    assert_eq!(alive(&right).len(), 3);
    assert_eq!(sink.log(|log| log.duplicates()), 0);
    for relay in [&ahead, &behind] {
        assert!(relay.log().contains("set it by NTP"), "{}", relay.log());
    }
}
