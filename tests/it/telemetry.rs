//! Traces of messages, as an OpenTelemetry collector receives them; and mail that goes on when none does.

use std::collections::BTreeSet;

use gatepost_tests::message;
use gatepost_tests::receiver::{Post, Receiver};
use gatepost_tests::relay::{Relay, Setup, User, free_port};
use gatepost_tests::wait;
use serde_json::Value;

const FROM: &str = "orders@example.com";
const TO: &str = "ann@example.net";

fn relay(port: u16, more: &str) -> (Relay, User) {
    let table = format!("\n[telemetry]\nendpoint = \"http://127.0.0.1:{port}\"\n{more}\n");
    let relay = Relay::start(&Setup::maildir().with(&table));
    let user = relay.add_shop_user(&["--authorized-domains", "example.com"]);
    (relay, user)
}

/// The spans of all posts.
fn spans(posts: &[Post]) -> Vec<Value> {
    let mut all = Vec::new();
    for post in posts.iter().filter(|post| post.status < 300) {
        let document = post.json();
        let scopes = &document["resourceSpans"][0]["scopeSpans"];
        all.extend(scopes[0]["spans"].as_array().expect("spans").clone());
    }
    all
}

fn named<'a>(spans: &'a [Value], name: &str) -> Vec<&'a Value> {
    spans.iter().filter(|span| span["name"] == name).collect()
}

fn attribute(span: &Value, name: &str) -> String {
    let all = span["attributes"].as_array().expect("attributes");
    let found = all.iter().find(|one| one["key"] == name);
    let value = &found.unwrap_or_else(|| panic!("no {name} in {span}"))["value"];
    let text = value["stringValue"].as_str().or(value["intValue"].as_str());
    text.expect("a value").to_owned()
}

fn nanos(span: &Value, name: &str) -> u64 {
    let text = span[name].as_str().expect("a number of 64 bits is a text");
    text.parse().expect("a number")
}

#[test]
fn a_message_is_one_trace_from_its_policies_to_its_attempt() {
    let collector = Receiver::start(None).expect("a port");
    let (relay, user) = relay(
        collector.port(),
        "headers = [\"authorization: Bearer secret-of-the-collector\"]",
    );
    let content = message::short(FROM, TO, &message::id("telemetry", 0));
    relay.login(&user).submit(FROM, &[TO], &content, "250");
    let has_all = |posts: &[Post]| !named(&spans(posts), "delivery attempt").is_empty();
    let posts = collector.wait_for("the attempt is told", has_all);
    assert!(posts.iter().all(|post| post.path == "/v1/traces"));
    let spans = spans(&posts);
    let traces: BTreeSet<_> = spans
        .iter()
        .map(|span| span["traceId"].to_string())
        .collect();
    assert_eq!(traces.len(), 1, "{spans:#?}");
    let root = named(&spans, "message accepted")[0];
    assert_eq!(attribute(root, "gatepost.user"), user.username);
    assert!(root.get("parentSpanId").is_none());
    for name in ["policy sender-rules", "commit", "delivery attempt"] {
        let found = named(&spans, name);
        let span = found
            .first()
            .unwrap_or_else(|| panic!("no {name} in {spans:#?}"));
        assert_eq!(span["parentSpanId"], root["spanId"], "{name}");
        let (from, until) = (
            nanos(span, "startTimeUnixNano"),
            nanos(span, "endTimeUnixNano"),
        );
        assert!(from <= until && until > 1_700_000_000_000_000_000, "{span}");
    }
    let ids: BTreeSet<_> = spans
        .iter()
        .map(|span| span["spanId"].to_string())
        .collect();
    assert_eq!(ids.len(), spans.len(), "each has its own id");
    let attempt = named(&spans, "delivery attempt")[0];
    assert_eq!(attribute(attempt, "gatepost.outcome"), "delivered");
    let told: String = posts.iter().map(|post| post.body.as_str()).collect();
    for secret in [
        FROM,
        "ann",
        "example.net",
        "Subject",
        "secret-of-the-collector",
        &user.password,
    ] {
        assert!(!told.contains(secret), "{secret} is told in {told}");
    }
}

#[test]
fn a_refused_message_is_a_trace_that_failed() {
    let collector = Receiver::start(None).expect("a port");
    let (relay, user) = relay(collector.port(), "");
    let content = message::short("x@elsewhere.example", TO, &message::id("telemetry", 1));
    relay.login(&user).submit(FROM, &[TO], &content, "550");
    let has_it = |posts: &[Post]| !named(&spans(posts), "message refused").is_empty();
    let spans = spans(&collector.wait_for("it is told", has_it));
    let root = named(&spans, "message refused")[0];
    assert_eq!(root["status"]["code"], 2);
    let policy = named(&spans, "policy sender-rules")[0];
    assert_eq!(attribute(policy, "gatepost.decision"), "reject");
}

#[test]
fn mail_goes_on_without_a_collector_and_traces_come_when_it_is_there() {
    let port = free_port();
    let (relay, user) = relay(port, "max-waiting = 4");
    let submit = |number| {
        let content = message::short(FROM, TO, &message::id("telemetry", number));
        relay.login(&user).submit(FROM, &[TO], &content, "250");
    };
    submit(0);
    wait::until("it is missed", wait::PATIENCE, || {
        relay
            .log()
            .contains("the collector of traces cannot be reached")
    });
    (1..=30).for_each(submit);
    wait::until("all is delivered", wait::PATIENCE, || {
        let folder = relay.folder().join("mail/example.net/ann/new");
        std::fs::read_dir(folder).is_ok_and(|files| files.count() == 31)
    });
    let collector = Receiver::start_on(port, None).expect("the port");
    collector.answer(&[503]);
    let posts = collector.wait_for("what fits is told", |posts| {
        posts.iter().filter(|post| post.status < 300).count() == 2
    });
    assert_eq!(
        posts[0].body, posts[1].body,
        "what was not taken comes again"
    );
    let found = named(&spans(&posts), "message accepted").len();
    assert!((1..=5).contains(&found), "{found} of 31 in bounds for 4");
    assert!(relay.log().contains("takes them again"), "{}", relay.log());
}
