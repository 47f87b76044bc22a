//! Mail that is to be sent later, as its header says.

use std::time::{Duration, SystemTime};

use gatepost::clock::Timestamp;
use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";

fn open(more: &str) -> (Sink, Relay, User) {
    let sink = Sink::start(Script::reading()).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()).with(more));
    let user = relay.add_shop_user(&[]);
    (sink, relay, user)
}

fn scheduled(id: &str, value: &str) -> String {
    let fields = format!("From: {FROM}\r\nTo: {TO}\r\nX-Gatepost-Schedule: {value}\r\n");
    message::with_fields(&fields, id)
}

fn in_seconds(seconds: u64) -> String {
    (Timestamp::now() + Duration::from_secs(seconds)).to_string()
}

#[test]
fn a_message_waits_for_its_time_and_leaves_without_the_field() {
    let (sink, relay, user) = open("");
    let id = message::id("later", 0);
    // Read as it is written: with a fraction, in UTC.
    let at = in_seconds(3);
    let accepted = SystemTime::now();
    let mut client = relay.login(&user);
    let reply = client.submit(FROM, &[TO], &scheduled(&id, &at), "250 2.0.0 queued as ");
    let queue_id = reply.queue_id().expect("a queue id").to_owned();
    let shown = relay.json(&["queue", "show", &queue_id]);
    assert_eq!(shown["status"], "scheduled", "{shown}");
    assert_eq!(shown["held_until"], at, "{shown}");
    let listed = relay.cli(&["queue", "list"]).succeeded().stdout;
    let due = format!("[due {}Z] a test", &at[..at.len() - ".000Z".len()]);
    assert!(
        listed.contains("scheduled") && listed.contains(&due),
        "{listed}"
    );
    let delivery = sink.delivery(&id);
    let waited = accepted.elapsed().expect("time passes");
    assert!(waited >= Duration::from_millis(2900), "{waited:?}");
    assert_eq!(delivery.fields("X-Gatepost-Schedule"), [""; 0]);
}

#[test]
fn a_time_that_is_over_means_at_once() {
    let (sink, relay, user) = open("");
    let id = message::id("past", 0);
    let content = scheduled(&id, "Thu, 1 Jan 2026 08:00:00 +0100");
    relay.login(&user).submit(FROM, &[TO], &content, "250");
    sink.delivery(&id);
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let (sink, relay, user) = open("\n[smtp]\nmax-hold-s = 3600\n");
    let mut client = relay.login(&user);
    let id = message::id("never", 0);
    let soon = in_seconds(600);
    let twice = scheduled(&id, &format!("{soon}\r\nX-Gatepost-Schedule: {soon}"));
    for (content, expected) in [
        (
            scheduled(&id, "next tuesday"),
            "550 5.6.0 X-Gatepost-Schedule is no date and time with a zone: `next tuesday`",
        ),
        (
            scheduled(&id, &in_seconds(7200)),
            "550 5.7.1 X-Gatepost-Schedule is too far ahead: at most 3600 seconds",
        ),
        (twice, "550 5.6.0 X-Gatepost-Schedule is given twice"),
    ] {
        client.submit(FROM, &[TO], &content, expected);
    }
    client.say(&format!("MAIL FROM:<{FROM}> HOLDFOR=60"), "250");
    client.say(&format!("RCPT TO:<{TO}>"), "250");
    client.say("DATA", "354");
    let content = scheduled(&id, &soon);
    let expected = "550 5.6.0 X-Gatepost-Schedule and HOLDFOR or HOLDUNTIL exclude each other";
    client.send(format!("{content}.\r\n").as_bytes(), expected);
    assert_eq!(sink.count(), 0);
}

#[test]
fn where_nothing_may_be_sent_later_the_field_is_refused() {
    let (_sink, relay, user) = open("\n[smtp]\nmax-hold-s = 0\n");
    let content = scheduled(&message::id("no", 0), &in_seconds(60));
    let expected = "550 5.7.1 X-Gatepost-Schedule: this relay sends no message later";
    relay.login(&user).submit(FROM, &[TO], &content, expected);
}

#[test]
fn when_its_time_comes_it_waits_for_urgent_mail_as_any_other() {
    let paused = Script {
        paused: true,
        ..Script::reading()
    };
    let sink = Sink::start(paused).expect("a port");
    let setup = Setup::smarthost(sink.port()).delivering("per-destination = 1\n");
    let relay = Relay::start(&setup.with("\n[scheduler]\nurgent-reserve = 0\n"));
    let user = relay.add_shop_user(&[]);
    let mut client = relay.login(&user);
    let first = message::short(FROM, TO, &message::id("first", 0));
    client.submit(FROM, &[TO], &first, "250");
    let later = message::id("later", 0);
    client.submit(FROM, &[TO], &scheduled(&later, &in_seconds(1)), "250");
    wait::until("it is due", wait::PATIENCE, || {
        let listed = relay.cli(&["queue", "list"]).succeeded().stdout;
        !listed.contains("scheduled")
    });
    let urgent = message::id("urgent", 0);
    let fields = format!("From: {FROM}\r\nX-Priority: 1\r\n");
    client.submit(FROM, &[TO], &message::with_fields(&fields, &urgent), "250");
    sink.set(Script::reading());
    sink.wait_for(3, wait::PATIENCE);
    let order: Vec<_> = sink.deliveries().into_iter().map(|it| it.id).collect();
    assert_eq!(order[1..], [urgent, later]);
}
