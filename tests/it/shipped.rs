//! The policies that come with Gatepost beside the sender rules, in a running relay.

use gatepost_tests::message::{self, ID_FIELD};
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

const SHOP: &str = "orders@shop.example";
const VISITOR: &str = "visitor@example.org";
const TO: &str = "customer@example.net";

/// An entry before the sender rules.
fn before(entry: &str) -> String {
    format!("[policy]\n[[policy.chain]]\n{entry}")
}

/// A relay of a user who may send as the shop alone, with another policy before the sender rules.
fn open(entry: &str) -> (Sink, Relay, User) {
    let sink = Sink::start(Script::reading()).expect("a port");
    let setup = Setup::smarthost(sink.port());
    let mut relay = Relay::prepare(&setup);
    relay.configure(
        &setup
            .to_toml(relay.port())
            .replace("[policy]\n", &before(entry)),
    );
    relay.restart();
    let user = relay.add_shop_user(&["--authorized-senders", SHOP]);
    (sink, relay, user)
}

fn content(from: &str, id: &str) -> String {
    format!("From: {from}\r\nTo: {TO}\r\nSubject: Hello\r\n{ID_FIELD}{id}\r\n\r\nHello.\r\n")
}

#[test]
fn rewrite_from_makes_a_visitors_message_the_shops_own() {
    let entry =
        "name = \"rewrite-from\"\nmodule = \"builtin:rewrite-from\"\ngrants = [\"effects\"]\n";
    let (sink, relay, user) = open(entry);
    let id = message::id("rewrite-from", 0);
    let from = format!("A Visitor <{VISITOR}>");
    let mut client = relay.login(&user);
    client.submit(VISITOR, &[TO], &content(&from, &id), "250 2.0.0 queued as ");
    let delivered = sink.delivery(&id);
    assert!(delivered.from.contains(SHOP), "{}", delivered.from);
    assert_eq!(delivered.fields("From"), [format!("A Visitor <{SHOP}>")]);
    assert_eq!(
        delivered.fields("Reply-To"),
        [format!("A Visitor <{VISITOR}>")]
    );
}

#[test]
fn rate_guard_defers_beyond_its_limit_and_tells_the_list() {
    let entry = "name = \"rate-guard\"\nmodule = \"builtin:rate-guard\"\ngrants = [\"counters\"]\n\
                 settings = { messages-per-day = 2 }\n";
    let (sink, relay, user) = open(entry);
    let send = |relay: &Relay, number: u64, reply: &str| {
        let content = content(SHOP, &message::id("rate-guard", number));
        relay
            .login(&user)
            .submit(SHOP, &[TO], &content, reply)
            .to_string()
    };
    send(&relay, 0, "250");
    send(&relay, 1, "250");
    let refused = send(&relay, 2, "451 4.7.1");
    assert!(
        refused.contains("limit of 2 messages in a day"),
        "{refused}"
    );
    send(&relay, 3, "451 4.7.1");
    let alerts = relay.alerts("shop");
    let is_told = |alert: &&serde_json::Value| alert.to_string().contains("rate-exceeded");
    assert!(alerts.iter().any(|alert| is_told(&alert)), "{alerts:?}");
    sink.wait_for(2, wait::PATIENCE);
    assert_eq!(sink.count(), 2);
}
