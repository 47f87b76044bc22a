//! Octets leave strictly by priority where the line is limited: a large transfer stops in the middle and goes on.

use std::fmt::Write as _;
use std::time::Duration;

use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";
/// Bytes a second.
const BANDWIDTH: usize = 200_000;
/// What of a transfer may still be on its way between the two when it has stopped.
const IN_FLIGHT: usize = 16 * 1024;

fn limited(sink: &Sink, more: &str) -> (Relay, User) {
    let setup = Setup::smarthost(sink.port());
    let setup = setup.delivering(&format!("bandwidth = {BANDWIDTH}\n{more}"));
    let relay = Relay::start(&setup);
    let user = relay.add_shop_user(&["--priority", "5"]);
    (relay, user)
}

fn keeping_all() -> Sink {
    Sink::start(Script {
        keep: 16 * 1024 * 1024,
        ..Script::default()
    })
    .expect("a port")
}

/// Lines that are all different.
fn body(octets: usize) -> String {
    let mut body = String::with_capacity(octets + 80);
    while body.len() < octets {
        write!(body, "{:>70}\r\n", body.len()).expect("a string takes everything");
    }
    body
}

fn submit(relay: &Relay, user: &User, id: &str, priority: u8, body: &str) {
    let fields = format!("From: {FROM}\r\nTo: {TO}\r\nX-Priority: {priority}\r\n");
    let content = message::with_fields(&fields, id).replace("Hello.\r\n", body);
    relay.login(user).submit(FROM, &[TO], &content, "250");
}

/// Octets that have come of the first and of the second message on their way, at one moment.
fn arriving(sink: &Sink) -> [usize; 2] {
    sink.log(|log| {
        let mut octets = log.arriving().values().copied();
        [octets.next(), octets.next()].map(Option::unwrap_or_default)
    })
}

#[test]
fn a_large_transfer_stops_in_the_middle_of_its_content_and_goes_on_afterwards() {
    let sink = keeping_all();
    let (relay, user) = limited(&sink, "");
    let (large, urgent) = (message::id("large", 0), message::id("urgent", 0));
    let (large_body, urgent_body) = (body(8 * BANDWIDTH), body(3 * BANDWIDTH));
    submit(&relay, &user, &large, 5, &large_body);
    wait::until("the large one is on its way", wait::PATIENCE, || {
        arriving(&sink)[0] > BANDWIDTH / 4
    });
    submit(&relay, &user, &urgent, 1, &urgent_body);
    let first = wait::until_some("the urgent one flows", wait::PATIENCE, || {
        Some(arriving(&sink)).filter(|[_, urgent]| *urgent > BANDWIDTH / 4)
    });
    let last = wait::until_some("it still does", wait::PATIENCE, || {
        Some(arriving(&sink)).filter(|[_, urgent]| *urgent > first[1] + BANDWIDTH)
    });
    assert!(
        last[0] - first[0] <= IN_FLIGHT,
        "it goes on meanwhile: {first:?}, {last:?}"
    );
    let order: Vec<_> = [&urgent, &large]
        .map(|id| sink.delivery(id))
        .into_iter()
        .collect();
    assert!(order[0].at < order[1].at);
    for (delivery, sent) in order.iter().zip([urgent_body, large_body]) {
        let text = delivery.text();
        let (_, came) = text.split_once("\r\n\r\n").expect("a header");
        assert!(came == sent, "{} is not what was sent", delivery.id);
    }
    assert_eq!(sink.log(|log| log.duplicates()), 0);
}

#[test]
fn who_pauses_for_long_sends_a_little_so_that_its_peer_does_not_give_it_up() {
    let sink = keeping_all();
    let (relay, user) = limited(&sink, "max-pause-s = 1\n");
    let (large, urgent) = (message::id("large", 0), message::id("urgent", 0));
    submit(&relay, &user, &large, 5, &body(2 * BANDWIDTH));
    wait::until("the large one is on its way", wait::PATIENCE, || {
        arriving(&sink)[0] > BANDWIDTH / 4
    });
    submit(&relay, &user, &urgent, 1, &body(5 * BANDWIDTH));
    let first = wait::until_some("the urgent one flows", wait::PATIENCE, || {
        Some(arriving(&sink)).filter(|[_, urgent]| *urgent > BANDWIDTH / 4)
    });
    let last = wait::until_some("three seconds of it have come", wait::PATIENCE, || {
        Some(arriving(&sink)).filter(|[_, urgent]| *urgent > first[1] + 3 * BANDWIDTH)
    });
    let trickled = last[0] - first[0];
    assert!(
        (1024..=IN_FLIGHT).contains(&trickled),
        "{first:?}, {last:?}"
    );
    let urgent = sink.delivery(&urgent);
    assert!(urgent.at < sink.delivery(&large).at);
}

#[test]
fn no_more_leaves_than_the_line_may_carry() {
    let sink = keeping_all();
    let (relay, user) = limited(&sink, "");
    let started = std::time::Instant::now();
    for number in 0..20 {
        submit(&relay, &user, &message::id("one", number), 3, &body(20_000));
    }
    sink.wait_for(20, wait::PATIENCE);
    let least =
        Duration::from_secs_f64(20.0 * 20_000.0 / BANDWIDTH as f64) - Duration::from_millis(200);
    assert!(started.elapsed() >= least, "{:?}", started.elapsed());
}

#[test]
fn a_bandwidth_that_nothing_fits_through_is_refused_with_what_to_write() {
    let sink = Sink::start(Script::default()).expect("a port");
    let setup = Setup::smarthost(sink.port()).delivering("bandwidth = 8\n");
    let relay = Relay::prepare(&setup);
    let checked = relay.cli(&["config", "check"]);
    assert_eq!(checked.code, Some(1));
    for part in [
        "delivery.bandwidth is 8",
        "hint: it counts bytes per second",
    ] {
        assert!(checked.stderr.contains(part), "{}", checked.stderr);
    }
}
