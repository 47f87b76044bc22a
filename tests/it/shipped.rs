//! The policies that come with Gatepost beside the sender rules, in a running relay.

use std::time::{SystemTime, UNIX_EPOCH};

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

const DAY_S: u64 = 24 * 60 * 60;
/// Days of the week from that of 1970-01-01.
const DAYS: [&str; 7] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];

/// The day that is `days` from now, by the name it has in settings.
fn weekday(days: u64) -> &'static str {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let today = now.expect("after 1970").as_secs() / DAY_S;
    DAYS[usize::try_from((today + days) % 7).expect("a day of seven")]
}

#[test]
fn working_hours_defers_bulk_mail_by_the_clock_of_the_request() {
    // Open for all of one day that is neither today nor tomorrow.
    let day = weekday(3);
    let settings = format!(r#"{{"days":["{day}"],"opens":"00:00","closes":"24:00"}}"#);
    let toml = format!(r#"{{ days = ["{day}"], opens = "00:00", closes = "24:00" }}"#);
    let entry = format!(
        "name = \"working-hours\"\nmodule = \"builtin:working-hours\"\nsettings = {toml}\n\
         [policy.record]\nenabled = true\n"
    );
    let (sink, relay, user) = open(&entry);
    let submit = |number: u64, more: &str, reply: &str| {
        let id = message::id("hours", number);
        let content = format!("{more}{}", content(SHOP, &id));
        relay
            .login(&user)
            .submit(SHOP, &[TO], &content, reply)
            .to_string()
    };
    let refused = submit(
        0,
        "List-Unsubscribe: <mailto:no@shop.example>\r\n",
        "451 4.7.1",
    );
    assert!(
        refused.contains("Bulk mail (with List-Unsubscribe)"),
        "{refused}"
    );
    submit(1, "", "250");
    sink.wait_for(1, wait::PATIENCE);
    assert_eq!(sink.count(), 1);

    // Three days later the same request is answered otherwise: no other clock is looked at.
    let records = relay
        .cli(&["policy", "records", "export"])
        .succeeded()
        .stdout;
    let bulk = records
        .lines()
        .find(|line| line.contains("List-Unsubscribe"));
    let record: serde_json::Value = serde_json::from_str(bulk.expect("recorded")).expect("JSON");
    let mut request = record["request"].clone();
    let received_at_ms = request["session"]["received-at-ms"]
        .as_u64()
        .expect("a time");
    let file = relay.folder().join("request.json");
    for (days, decision) in [(0, "defer"), (3, "pass")] {
        request["session"]["received-at-ms"] = (received_at_ms + days * DAY_S * 1000).into();
        std::fs::write(&file, request.to_string()).expect("the folder is writable");
        let file = file.to_str().expect("UTF-8");
        let run = [
            "policy",
            "run",
            "builtin:working-hours",
            "--settings",
            &settings,
        ];
        let outcome = relay.json(&[&run[..], &["--request", file]].concat());
        assert_eq!(
            outcome["outcome"]["decision"], decision,
            "{days}: {outcome}"
        );
    }
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
