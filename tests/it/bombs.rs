//! Content and commands that are made to hurt: a clear answer, in bounded time and bounded memory.

use std::time::{Duration, Instant};

use gatepost_tests::client::{Client, Reply};
use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";
/// Each of these messages is answered within this time, far below any client's patience, also by a
/// build for tests on a busy machine.
const SOON: Duration = Duration::from_secs(20);
/// What one of them may add to the memory of the relay, in KiB: the largest has 10 MB.
const MAX_GROWTH_KIB: u64 = 64 * 1024;

/// A relay in block mode, its next hop, and a user.
struct Target {
    sink: Sink,
    relay: Relay,
    user: User,
}

impl Target {
    fn open() -> Self {
        let script = Script {
            keep: 4 * 1024 * 1024,
            ..Script::reading()
        };
        let sink = Sink::start(script).expect("a port");
        let relay = Relay::start(&Setup::smarthost(sink.port()));
        let user = relay.add_shop_user(&[]);
        let target = Self { sink, relay, user };
        // The first message brings into memory what every message needs.
        let content = message::short(FROM, TO, &message::id("first", 0));
        target.submit(&content);
        target.sink.wait_for(1, wait::PATIENCE);
        target
    }

    /// Submits this content; the answer comes soon, costs no more than it may, and ends no session.
    #[track_caller]
    fn submit(&self, content: &str) -> Reply {
        let mut client = self.relay.login(&self.user);
        let before = self.relay.peak_memory_kib();
        let began = Instant::now();
        let reply = client.try_submit(FROM, TO, content);
        let took = began.elapsed();
        assert!(took < SOON, "{took:?}");
        // The kernel sums up what threads have noted for themselves: it may tell a little less than before.
        let grown = self.relay.peak_memory_kib().saturating_sub(before);
        assert!(grown < MAX_GROWTH_KIB, "{grown} KiB more");
        client.say("NOOP", "250");
        reply.unwrap_or_else(|error| panic!("{error}\n{}", client.dialogue()))
    }

    #[track_caller]
    fn refuses(&self, content: &str, expected: &str) {
        let reply = self.submit(content).to_string();
        assert!(reply.starts_with(expected), "{reply}");
        assert_eq!(self.sink.count(), 1, "the first message alone");
    }
}

fn with_from(from: &str) -> String {
    message::with_fields(
        &format!("From: {from}\r\nTo: {TO}\r\n"),
        &message::id("bomb", 0),
    )
}

/// A value of this many words, folded so that no line is too long.
fn folded(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join("\r\n ")
}

#[test]
fn header_fields_without_end_are_refused() {
    let target = Target::open();
    let fields = |count| format!("From: {FROM}\r\n{}", "X: y\r\n".repeat(count));
    let id = message::id("fields", 0);
    target.refuses(
        &message::with_fields(&fields(10_000), &id),
        "550 5.6.0 the header section has more than 1000 fields",
    );
    // So many that they are too large together.
    target.refuses(
        &message::with_fields(&fields(1_000_000), &id),
        "552 5.3.4 Message refused: its header is larger than 262144 octets",
    );
}

#[test]
fn a_header_field_of_ten_megabytes_is_refused() {
    let target = Target::open();
    let value = folded((0..10_000).map(|_| "x".repeat(990)));
    let fields = format!("From: {FROM}\r\nX-Bomb: {value}\r\n");
    let content = message::with_fields(&fields, &message::id("field", 0));
    assert!(content.len() > 9_900_000);
    target.refuses(&content, "552 5.3.4 ");
    // One line of that size is too long before it is too large.
    let fields = format!("From: {FROM}\r\nX-Bomb: {}\r\n", "x".repeat(10_000_000));
    let content = message::with_fields(&fields, &message::id("field", 0));
    target.refuses(&content, "550 5.6.0 Message refused: line 2 is longer");
}

#[test]
fn more_authors_than_anybody_has_are_refused() {
    let target = Target::open();
    let authors = |count: usize| folded((0..count).map(|number| format!("a{number}@b.example,")));
    target.refuses(&with_from(&authors(100_000)), "552 5.3.4 ");
    target.refuses(&with_from(&authors(10_000)), "550 5.6.0 ");
    let group = format!("g: {};", authors(10_000));
    target.refuses(&with_from(&group), "550 5.6.0 ");
}

#[test]
fn deep_nesting_in_a_header_field_is_refused() {
    const DEEP: usize = 100_000;
    let target = Target::open();
    let nested = |open: &str, close: &str| {
        let half = |part: &str| folded((0..DEEP / 500).map(|_| part.repeat(500)));
        format!("{}\r\n {}", half(open), half(close))
    };
    let values = [
        format!("{} {FROM}", nested("(", ")")),
        format!("{} {FROM}", nested("(", "")),
        format!("{FROM} {}", nested("(a", "")),
        nested("g:", ";"),
        format!("{}{FROM}{}", nested("<", ""), nested("", ">")),
        nested("@a,", ":"),
        format!("\"{}\" <{FROM}", nested("\\\"", "")),
    ];
    for value in values {
        let content = with_from(&value);
        let reply = target.submit(&content).to_string();
        assert!(reply.starts_with('5'), "{reply}: {}", &value[..80]);
    }
    assert_eq!(target.sink.count(), 1, "the first message alone");
}

#[test]
fn encoded_words_without_end_are_read_in_bounded_time_and_arrive_as_they_were() {
    let target = Target::open();
    let words = folded((0..2500).map(|_| "=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3F=3D?=".to_owned()));
    let broken = folded((0..120).map(|_| "=?utf-8?q?=?utf-8?b?".repeat(40)));
    for (number, value) in [(1, words), (2, broken)] {
        let id = message::id("words", number);
        let fields = format!("From: {FROM}\r\nSubject: {value}\r\nX-Priority: {value}\r\n");
        let content = message::with_fields(&fields, &id);
        let reply = target.submit(&content.replace("Subject: a test\r\n", ""));
        assert!(reply.is_positive(), "{reply}");
        let text = target.sink.delivery(&id).text();
        assert!(text.contains(&value), "the subject is as it was");
    }
}

#[test]
fn a_message_of_ten_thousand_parts_arrives_whole() {
    let target = Target::open();
    let side_by_side =
        "--b\r\nContent-Type: text/plain\r\n\r\npart\r\n".repeat(10_000) + "--b--\r\n";
    let inside_each_other: String = (0..10_000)
        .map(|depth| {
            format!(
                "--b{depth}\r\nContent-Type: multipart/mixed; boundary=b{}\r\n\r\n",
                depth + 1
            )
        })
        .collect();
    for (number, (boundary, body)) in [("b", side_by_side), ("b0", inside_each_other)]
        .into_iter()
        .enumerate()
    {
        let id = message::id("parts", number as u64);
        let fields = format!(
            "From: {FROM}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary={boundary}\r\n"
        );
        let content = message::with_fields(&fields, &id) + &body;
        let reply = target.submit(&content);
        assert!(reply.is_positive(), "{reply}");
        let delivery = target.sink.delivery(&id);
        assert!(delivery.text().ends_with(&format!("Hello.\r\n{body}")));
    }
}

#[test]
fn content_that_is_cut_off_is_no_message() {
    let target = Target::open();
    let id = message::id("cut", 0);
    let content = message::short(FROM, TO, &id) + &"a line\r\n".repeat(100_000);
    for beginning in [
        "DATA\r\n".to_owned(),
        format!("BDAT {} LAST\r\n", content.len() + 1),
    ] {
        let mut client = target.relay.login(&target.user);
        client.say(&format!("MAIL FROM:<{FROM}>"), "250");
        client.say(&format!("RCPT TO:<{TO}>"), "250");
        let octets = [beginning.as_bytes(), content.as_bytes()].concat();
        client.try_send(&octets).expect("it is taken");
        drop(client);
    }
    let honest = message::id("honest", 0);
    let reply = target.submit(&message::short(FROM, TO, &honest));
    target.sink.delivery(&honest);
    let queue_id = reply.queue_id().expect("a queue id");
    wait::until(
        "the queue has the honest ones alone",
        wait::PATIENCE,
        || {
            let shown = target.relay.json(&["queue", "show", queue_id]);
            shown["status"] == "delivered"
        },
    );
    assert_eq!(target.sink.count(), 2);
    let listed = target.relay.json(&["queue", "list"]);
    assert!(!listed.to_string().contains(&id), "{listed}");
}

#[test]
fn lines_that_are_too_long_are_refused_in_commands_and_content() {
    let target = Target::open();
    let long = message::short(FROM, TO, &message::id("long", 0)) + &"x".repeat(1000) + "\r\n";
    target.refuses(
        &long,
        "550 5.6.0 Message refused: line 7 is longer than 1000 octets",
    );
    let mut client = target.relay.login(&target.user);
    client.say(&format!("NOOP {}", "x".repeat(12_288)), "500 5.5.2");
    client.say(
        &format!("MAIL FROM:<{}@example.com>", "x".repeat(5_000)),
        "5",
    );
    client.say("NOOP", "250");
}

#[test]
fn commands_nobody_knows_end_the_session() {
    let target = Target::open();
    let mut client = target.relay.login(&target.user);
    let began = Instant::now();
    // The relay hangs up before it has read them all.
    let _ = client.try_send("XYZZY plugh\r\n".repeat(10_000).as_bytes());
    let replies = replies_to_the_end(&mut client);
    assert!(began.elapsed() < SOON);
    let (last, unknown) = replies.split_last().expect("replies");
    assert!(unknown.iter().all(|code| *code == 500), "{unknown:?}");
    assert_eq!((unknown.len(), *last), (20, 421));
}

fn replies_to_the_end(client: &mut Client) -> Vec<u16> {
    std::iter::from_fn(|| client.try_reply().ok())
        .map(|reply| reply.code)
        .collect()
}

#[test]
fn commands_out_of_order_are_told_so() {
    let target = Target::open();
    let mut client = target.relay.connect();
    for command in [
        "MAIL FROM:<orders@example.com>",
        "RCPT TO:<customer@example.net>",
        "DATA",
        "AUTH PLAIN",
    ] {
        client.say(command, "503 5.5.1");
    }
    client.login(&target.user.username, &target.user.password);
    for command in ["RCPT TO:<customer@example.net>", "DATA", "STARTTLS x"] {
        client.say(command, "50");
    }
    client.say("MAIL FROM:<orders@example.com>", "250");
    client.say("DATA", "554 5.5.1");
    client.say("MAIL FROM:<orders@example.com>", "503 5.5.1");
    client.say("EHLO again.example.com", "250");
    client.say("RCPT TO:<customer@example.net>", "503 5.5.1");
}

#[test]
fn octets_beyond_ascii_are_refused_in_commands_and_told_onward_in_content() {
    let target = Target::open();
    let mut client = target.relay.login(&target.user);
    client.say("MAIL FROM:<bestellung@bücher.example>", "553 5.6.7");
    client.say("MAIL FROM:<orders@example.com>", "250");
    client.say("RCPT TO:<kundin@bücher.example>", "553 5.6.7");
    client.say("RSET", "250");
    let id = message::id("eight", 0);
    let content = message::short(FROM, TO, &id) + "Grüße\r\n";
    let reply = target.submit(&content);
    assert!(reply.is_positive(), "{reply}");
    let delivery = target.sink.delivery(&id);
    assert!(delivery.from.contains("BODY=8BITMIME"), "{}", delivery.from);
    assert!(delivery.text().ends_with("Grüße\r\n"));
}
