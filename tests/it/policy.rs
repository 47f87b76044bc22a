//! Modules in the running relay: one that misbehaves costs its own message, never the others.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";
/// A policy that does what its settings or the subject says.
const BY_SUBJECT: &str = "{ behaviour = \"subject\" }";
/// The same, and what it fails on goes on.
const BY_SUBJECT_OR_PASS: &str = "{ behaviour = \"subject\" }\non-failure = \"accept\"";
/// Three seconds between a failure of a policy and the reply.
const LONG_PAUSE: &str = "\n[submission]\npolicy-failure-pause-ms = 3000\n";
/// Far above a good evaluation, far below a minute: no session may wait longer for another's policy.
const UNDELAYED: Duration = Duration::from_secs(5);

fn hostile() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/built/hostile.wasm")
}

fn open() -> (Sink, Relay, User) {
    open_with(BY_SUBJECT, "")
}

/// With these settings of the hostile policy, and more configuration as it stands.
fn open_with(settings: &'static str, more: &str) -> (Sink, Relay, User) {
    let sink = Sink::start(Script::reading()).expect("a port");
    let setup = Setup::smarthost(sink.port())
        .with_module(&hostile(), settings)
        .with(more);
    let relay = Relay::start(&setup);
    let user = relay.add_shop_user(&[]);
    (sink, relay, user)
}

fn with_subject(subject: &str, id: &str) -> String {
    format!(
        "From: {FROM}\r\nTo: {TO}\r\nSubject: {subject}\r\n{}{id}\r\n\r\nHello.\r\n",
        message::ID_FIELD
    )
}

#[test]
fn a_policy_that_never_ends_delays_no_other_session() {
    let (sink, relay, user) = open();
    std::thread::scope(|scope| {
        let looping: Vec<_> = (0..8)
            .map(|number| {
                let (relay, user) = (&relay, &user);
                scope.spawn(move || {
                    let content = with_subject("loop", &message::id("loop", number));
                    let mut client = relay.login(user);
                    client.submit(FROM, &[TO], &content, "451 4.7.1")
                })
            })
            .collect();
        let mut client = relay.login(&user);
        for number in 0..20 {
            let id = message::id("good", number);
            let begun = Instant::now();
            client.submit(FROM, &[TO], &with_subject("pass", &id), "250");
            assert!(begun.elapsed() < UNDELAYED, "{:?}", begun.elapsed());
        }
        for it in looping {
            it.join().expect("a 451");
        }
    });
    sink.wait_for(20, wait::PATIENCE);
    assert_eq!(sink.count(), 20);
}

#[test]
fn a_failure_is_that_messages_451_and_an_alert() {
    let (sink, relay, user) = open();
    let mut client = relay.login(&user);
    for failure in ["trap", "memory", "recurse", "err", "huge", "flood-alerts"] {
        let content = with_subject(failure, &message::id(failure, 0));
        let reply = client.submit(FROM, &[TO], &content, "451 4.7.1");
        assert_eq!(reply.lines.len(), 1, "{failure}: {reply}");
        let id = message::id("after", failure.len() as u64);
        client.submit(FROM, &[TO], &with_subject("pass", &id), "250");
    }
    sink.wait_for(5, wait::PATIENCE);
    let alerts = relay.alerts("shop");
    let failed = |alert: &&serde_json::Value| {
        let kind = alert["kind"].as_str().unwrap_or_default();
        kind.contains("policy")
    };
    assert!(alerts.iter().any(|alert| failed(&alert)), "{alerts:?}");
}

#[test]
fn who_has_a_policy_fail_waits_for_the_refusal_and_who_is_refused_by_a_verdict_does_not() {
    let (_sink, relay, user) = open_with(BY_SUBJECT, LONG_PAUSE);
    let pause = Duration::from_secs(3);
    let mut client = relay.login(&user);
    let begun = Instant::now();
    let refused = with_subject("reject", &message::id("reject", 0));
    client.submit(FROM, &[TO], &refused, "550 5.7.1");
    assert!(begun.elapsed() < pause);
    let failed = with_subject("trap", &message::id("trap", 0));
    client.submit(FROM, &[TO], &failed, "451 4.7.1");
    assert!(begun.elapsed() >= pause);
}

#[test]
fn who_has_a_policy_fail_that_may_waits_for_the_acceptance() {
    let (_sink, relay, user) = open_with(BY_SUBJECT_OR_PASS, LONG_PAUSE);
    let pause = Duration::from_secs(3);
    let mut client = relay.login(&user);
    let begun = Instant::now();
    let failed = with_subject("trap", &message::id("trap", 0));
    client.submit(FROM, &[TO], &failed, "250 2.0.0 queued");
    assert!(begun.elapsed() >= pause);
}

#[test]
fn a_verdict_that_contradicts_itself_is_a_451_of_one_line() {
    let (sink, relay, user) = open();
    let mut client = relay.login(&user);
    for malformed in ["bad-verdict", "bad-code", "bad-enhanced"] {
        let content = with_subject(malformed, &message::id(malformed, 0));
        let reply = client.submit(FROM, &[TO], &content, "451 4.7.1");
        assert_eq!(reply.lines.len(), 1, "{malformed}: {reply}");
        // Nothing was injected after it: the next reply is that of the next command.
        client.say("NOOP", "250");
    }
    assert_eq!(sink.count(), 0);
}

#[test]
fn another_module_in_the_chain_decides_too() {
    let (sink, relay, user) = open();
    let mut client = relay.login(&user);
    let refused = with_subject("reject", &message::id("reject", 0));
    client.submit(FROM, &[TO], &refused, "550 5.7.1");
    let deferred = with_subject("defer", &message::id("defer", 0));
    client.submit(FROM, &[TO], &deferred, "4");
    let id = message::id("priority", 0);
    let urgent = with_subject("priority-1", &id);
    let reply = client.submit(FROM, &[TO], &urgent, "250 2.0.0 queued as ");
    sink.delivery(&id);
    let queue_id = reply.queue_id().expect("a queue id");
    let shown = relay.json(&["queue", "show", queue_id]);
    assert_eq!(shown["priority"], 1, "{shown}");
    assert_eq!(sink.count(), 1);
}

#[test]
fn a_reverse_path_that_passed_is_asked_about_again_after_an_edit() {
    let sink = Sink::start(Script::default()).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()));
    let user = relay.add_shop_user(&["--authorized-domains", "example.com"]);
    let mail = format!("MAIL FROM:<{FROM}>");
    let mut client = relay.login(&user);
    for _ in 0..3 {
        client.say(&mail, "250");
        client.say("RSET", "250");
    }
    client.say("MAIL FROM:<orders@example.org>", "550 5.7.1");
    let domains = |domains: &str| {
        let edit = [
            "user",
            "edit",
            &user.username,
            "--authorized-domains",
            domains,
        ];
        relay.cli(&edit).succeeded();
    };
    domains("example.org");
    client.say(&mail, "550 5.7.1");
    domains("example.com");
    client.say(&mail, "250");
}
