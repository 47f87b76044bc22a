//! Alerts reach people: once, merged, at their time, and never about themselves.

use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User, free_port};
use gatepost_tests::sink::{Delivery, Script, Sink};
use gatepost_tests::wait;
use serde_json::Value;

const FROM: &str = "orders@example.com";
const FOREIGN: &str = "ceo@example.org";
const ADMIN: &str = "admin@example.net";

fn user(relay: &Relay) -> User {
    relay.add_shop_user(&["--authorized-domains", "example.com"])
}

fn set(relay: &Relay, options: &[&str]) -> Value {
    let command = ["alert", "settings", "--list", "shop"];
    relay.json(&[&command, options].concat())
}

/// The mails about alerts that have arrived.
fn mails(sink: &Sink) -> Vec<Delivery> {
    let mut all = sink.deliveries();
    all.retain(|one| one.header().contains("Auto-Submitted: auto-generated"));
    all
}

/// What a mail says, its lines joined where quoted-printable broke them.
fn text(mail: &Delivery) -> String {
    mail.text().replace("=\r\n", "").replace("=3D", "=")
}

fn wait_for_mails(sink: &Sink, count: usize) -> Vec<Delivery> {
    wait::until_some("mails about alerts arrive", wait::PATIENCE, || {
        Some(mails(sink)).filter(|mails| mails.len() >= count)
    })
}

/// Tries to send as somebody else `count` times over one connection, many commands at a time.
fn try_foreign_senders(relay: &Relay, user: &User, count: usize) {
    let mut client = relay.login(user);
    let line = format!("MAIL FROM:<{FOREIGN}>\r\n");
    let mut left = count;
    while left > 0 {
        let now = left.min(50);
        let sent = client.try_send(line.repeat(now).as_bytes());
        sent.expect("the relay reads");
        for _ in 0..now {
            client.expect("550 5.7.1");
        }
        left -= now;
    }
}

fn count(relay: &Relay, kind: &str) -> i64 {
    let of_kind = alerts(relay)
        .into_iter()
        .filter(|alert| alert["kind"] == kind);
    of_kind
        .map(|alert| alert["count"].as_i64().unwrap_or_default())
        .sum()
}

/// Those of all lists and of the relay.
fn alerts(relay: &Relay) -> Vec<Value> {
    let alerts = relay.json(&["alert", "list"]);
    alerts.as_array().expect("an array").clone()
}

#[test]
fn ten_thousand_blocked_messages_are_one_alert_and_few_mails() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let limits = "\n[notify]\npause-s = 2\nmax-mails-per-hour = 3\n";
    let relay = Relay::start(&Setup::smarthost(sink.port()).with(limits));
    let user = user(&relay);
    set(&relay, &["--recipients", ADMIN]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            // A connection may give a thousand commands without a message.
            scope.spawn(|| (0..5).for_each(|_| try_foreign_senders(&relay, &user, 500)));
        }
    });
    wait::until("all are counted", wait::PATIENCE, || {
        count(&relay, "sender-not-authorized") == 10_000
    });
    let told = relay.alerts("shop");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["group"], "unauthorized-sender");
    assert_eq!(told[0]["sender"], FOREIGN);
    let mails = wait_for_mails(&sink, 1);
    assert!(mails.len() <= 3, "{} mails", mails.len());
    let first = text(&mails[0]);
    assert!(first.contains("Unauthorized sender"), "{first}");
}

#[test]
fn a_mail_names_user_sender_message_and_rule_and_answers_nobody() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()));
    let user = user(&relay);
    set(
        &relay,
        &["--recipients", "admin@example.net; ops@example.net"],
    );
    try_foreign_senders(&relay, &user, 1);
    let mail = wait_for_mails(&sink, 1).remove(0);
    assert!(mail.from.starts_with("<>"), "{}", mail.from);
    assert_eq!(mail.to.len(), 2, "{:?}", mail.to);
    let id = relay.alerts("shop")[0]["message"].clone();
    let id = id.as_str().expect("the message has an id").to_owned();
    let text = text(&mail);
    for part in [
        "From: \"Gatepost alerts\" <postmaster@relay.example.com>",
        "Subject: [Gatepost] shop: Unauthorized sender",
        "multipart/alternative",
        &user.username,
        FOREIGN,
        &id,
        "sender-rules/unauthorized-block",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    relay.cli(&["policy", "explain", &id]).succeeded();
}

#[test]
fn nobody_is_told_until_somebody_is_named_and_then_of_what_happens_from_then_on() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()));
    let user = user(&relay);
    try_foreign_senders(&relay, &user, 1);
    assert_eq!(count(&relay, "sender-not-authorized"), 1);
    set(
        &relay,
        &["--recipients", ADMIN, "--groups", "bounce,policy-failure"],
    );
    try_foreign_senders(&relay, &user, 1);
    relay.cli(&["alert", "test", "--list", "shop"]).succeeded();
    let mails = wait_for_mails(&sink, 1);
    assert!(
        text(&mails[0]).contains("this is a test"),
        "{}",
        text(&mails[0])
    );
    // What was not told with the first is not told with the second.
    relay.cli(&["alert", "test", "--list", "shop"]).succeeded();
    let mails = wait_for_mails(&sink, 2);
    assert!(!mails.iter().any(|mail| text(mail).contains(FOREIGN)));
    assert_eq!(mails.len(), 2);
}

#[test]
fn no_alert_is_told_twice_or_forgotten_after_kill_9() {
    let port = free_port();
    let limits = "\n[notify]\nmax-mails-per-hour = 20\n";
    let setup = Setup::smarthost(port).retrying_soon().with(limits);
    let mut relay = Relay::start(&setup);
    let user = user(&relay);
    set(&relay, &["--recipients", ADMIN]);
    for number in 0..5 {
        // Each is told for itself: a refused one, and what was raised by hand at different moments of a kill.
        try_foreign_senders(&relay, &user, 1);
        relay.cli(&["alert", "test", "--list", "shop"]).succeeded();
        if number % 2 == 0 {
            wait::until("a mail is queued", wait::PATIENCE, || {
                queued(&relay) > number / 2
            });
        }
        relay.restart();
    }
    let sink = Sink::start_on(([127, 0, 0, 1], port).into(), Script::reading()).expect("the port");
    wait::until("the tests are told", wait::PATIENCE, || {
        told(&sink, "this is a test") >= 5
    });
    wait::until("nothing waits", wait::PATIENCE, || queued(&relay) == 0);
    assert_eq!(told(&sink, "this is a test"), 5, "once each");
    assert_eq!(count(&relay, "sender-not-authorized"), 5);
}

/// Messages that are still to be sent.
fn queued(relay: &Relay) -> usize {
    let listed = relay.json(&["queue", "list", "--status", "queued"]);
    let deferred = relay.json(&["queue", "list", "--status", "deferred"]);
    let count = |value: &Value| value.as_array().map_or(0, Vec::len);
    count(&listed) + count(&deferred)
}

/// How often a summary stands in the texts of mails, not counting their HTML.
fn told(sink: &Sink, summary: &str) -> usize {
    let texts = mails(sink).into_iter().map(|mail| {
        let text = text(&mail);
        let plain = text
            .split("text/html")
            .next()
            .unwrap_or_default()
            .to_owned();
        plain.matches(summary).count()
    });
    texts.sum()
}

#[test]
fn a_mail_about_alerts_that_bounces_raises_no_alert_and_no_notice() {
    let script = Script {
        recipients: vec![("admin@".into(), "550 5.1.1 nobody".into())],
        ..Script::reading()
    };
    let sink = Sink::start(script).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()));
    user(&relay);
    set(&relay, &["--recipients", ADMIN]);
    relay.cli(&["alert", "test", "--list", "shop"]).succeeded();
    let bounced = |relay: &Relay| {
        let listed = relay.json(&["queue", "list", "--status", "failed"]);
        listed.as_array().map_or(0, Vec::len)
    };
    wait::until("it bounced", wait::PATIENCE, || bounced(&relay) == 1);
    relay.cli(&["alert", "test", "--list", "shop"]).succeeded();
    wait::until("the next bounced", wait::PATIENCE, || bounced(&relay) == 2);
    let raised = alerts(&relay);
    let of_test = raised.iter().filter(|alert| alert["kind"] == "test");
    assert_eq!((raised.len(), of_test.count()), (2, 2), "{raised:?}");
    assert_eq!(sink.count(), 0);
}

#[test]
fn a_bounce_is_told_with_its_message() {
    let script = Script {
        recipients: vec![("nobody@".into(), "550 5.1.1 nobody".into())],
        ..Script::reading()
    };
    let sink = Sink::start(script).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()));
    let user = user(&relay);
    set(&relay, &["--recipients", ADMIN]);
    let to = "nobody@example.net";
    let content = message::short(FROM, to, &message::id("bounce", 0));
    let reply = relay.login(&user).submit(FROM, &[to], &content, "250");
    let id = reply.queue_id().expect("an id").to_owned();
    let mail = text(&wait_for_mails(&sink, 1).remove(0));
    for part in ["Bounce", &id, "550 5.1.1 nobody", &user.username] {
        assert!(mail.contains(part), "{part:?} is missing in\n{mail}");
    }
}

#[test]
fn a_dead_destination_and_a_stalled_queue_are_told() {
    let limits = "\n[notify]\ndelivery-problem-after-s = 1\nurgent-stalled-after-s = 1\n";
    let setup = Setup::smarthost(free_port()).retrying_soon().with(limits);
    let relay = Relay::start(&setup);
    let user = relay.add_shop_user(&["--priority", "1"]);
    let mut client = relay.login(&user);
    for number in 0..3 {
        let content = message::short(FROM, ADMIN, &message::id("stalled", number));
        client.submit(FROM, &[ADMIN], &content, "250");
    }
    wait::until("the dead destination is told", wait::PATIENCE, || {
        count(&relay, "delivery-problem") == 1
    });
    wait::until("the stalled queue is told", wait::PATIENCE, || {
        count(&relay, "queue-stalled") == 1
    });
    let raised = alerts(&relay);
    let of_relay = raised
        .iter()
        .find(|alert| alert["kind"] == "queue-stalled")
        .expect("it is there");
    assert_eq!(
        (&of_relay["list"], &of_relay["severity"]),
        (&Value::Null, &"critical".into())
    );
}

#[test]
fn a_certificate_that_expires_soon_is_told() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let limits = "\n[notify]\ncertificate-days = 100000\nurgent-stalled-after-s = 1\n";
    let relay = Relay::start(&Setup::smarthost(sink.port()).with(limits));
    relay.json(&["alert", "settings", "--recipients", ADMIN]);
    wait::until("it is raised", wait::PATIENCE, || {
        count(&relay, "certificate-expiring") == 1
    });
    let mail = text(&wait_for_mails(&sink, 1).remove(0));
    assert!(
        mail.contains("Certificate expiring") && mail.contains("relay.example.com"),
        "{mail}"
    );
}

#[test]
fn settings_are_shown_as_they_were_set_and_wrong_ones_change_nothing() {
    let relay = Relay::prepare(&Setup::maildir());
    relay.add_list("shop");
    let shown = set(
        &relay,
        &[
            "--recipients",
            "a@example.com;b@example.com",
            "--pace",
            "daily",
            "--daily-at",
            "08:30",
            "--quiet",
            "22:00-06:00",
            "--offset",
            "-05:00",
            "--critical-passes",
            "off",
            "--groups",
            "bounce",
        ],
    );
    assert_eq!(shown, set(&relay, &[]));
    let settings = &shown["settings"];
    assert_eq!(
        settings["recipients"],
        serde_json::json!(["a@example.com", "b@example.com"])
    );
    assert_eq!(
        (&settings["pace"], &settings["daily-at"]),
        (&"daily".into(), &"08:30".into())
    );
    assert_eq!(
        (&settings["quiet"][0], &settings["offset"]),
        (&"22:00-06:00".into(), &"-05:00".into())
    );
    assert_eq!(
        (&settings["critical-passes"], &settings["groups"][0]),
        (&false.into(), &"bounce".into())
    );
    for (option, value, part) in [
        ("--recipients", "nobody", "is not an address"),
        ("--quiet", "tonight", "22:00-06:00"),
        ("--groups", "everything", "there are unauthorized-sender"),
        ("--offset", "CET", "+01:00"),
    ] {
        let refused = relay.cli(&["alert", "settings", "--list", "shop", option, value]);
        assert_ne!(refused.code, Some(0));
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
    assert_eq!(shown, set(&relay, &[]));
    let text = relay.cli(&["alert", "settings"]).succeeded().stdout;
    assert!(text.contains("nobody: alerts are kept and shown"), "{text}");
}
