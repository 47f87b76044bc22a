//! A user sends as much as it may and no more; whoever floods is stopped, and somebody is told.

use gatepost_tests::client::{Client, auth_plain};
use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;
use serde_json::Value;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";

/// A relay with this `[limits]` table, a user of it, and its next hop.
fn relay(limits: &str) -> (Sink, Relay, User) {
    let sink = Sink::start(Script::reading()).expect("a port");
    let relay = Relay::start(&setup(sink.port(), limits));
    let user = relay.add_shop_user(&[]);
    (sink, relay, user)
}

fn setup(port: u16, limits: &str) -> Setup {
    Setup::smarthost(port).with(&format!("\n[limits]\n{limits}\n"))
}

fn mail() -> String {
    format!("MAIL FROM:<{FROM}>")
}

fn content(name: &str) -> String {
    message::short(FROM, TO, &message::id(name, 0))
}

/// Sends so many messages that are accepted.
fn send(client: &mut Client, name: &str, count: u64) {
    for number in 0..count {
        let content = message::short(FROM, TO, &message::id(name, number));
        client.submit(FROM, &[TO], &content, "250");
    }
}

/// The alerts of one kind.
fn alerts(relay: &Relay, kind: &str) -> Vec<Value> {
    let mut alerts = relay.alerts("shop");
    alerts.retain(|alert| alert["kind"] == kind);
    alerts
}

#[test]
fn beyond_the_hourly_limit_mail_is_deferred_before_its_upload_and_one_alert_tells() {
    let (sink, relay, user) = relay("messages-per-hour = 4");
    let other = relay.add_user("shop", &[]);
    let mut client = relay.login(&user);
    send(&mut client, "shop", 3);
    assert_eq!(relay.alerts("shop"), Vec::<Value>::new());
    send(&mut client, "last", 1);
    let near = alerts(&relay, "sending-limit-near");
    assert_eq!(near.len(), 1, "{near:?}");
    for _ in 0..5 {
        let reply = client.say(&mail(), "451 4.7.1");
        let text = reply.text();
        assert!(text.contains("is reached, 4 messages an hour"), "{text}");
        assert!(text.contains("; try again in 1 h"), "{text}");
    }
    client.say("NOOP", "250");
    send(&mut relay.login(&other), "other", 1);
    sink.wait_for(5, wait::PATIENCE);
    let reached = alerts(&relay, "sending-limit-reached");
    assert_eq!(reached.len(), 1, "{reached:?}");
    assert_eq!(reached[0]["count"], 1, "refusals within a minute are one");
    assert_eq!(reached[0]["user"], user.username.as_str());
    let summary = reached[0]["summary"].as_str().unwrap_or_default();
    assert!(summary.contains("from 127.0.0.1"), "{summary}");
    let shown = relay.json(&["user", "show", &user.username]);
    assert_eq!(
        (&shown["sent_1h"], &shown["sent_24h"]),
        (&4.into(), &4.into())
    );
    assert_eq!(shown["active"], true);
}

#[test]
fn a_limit_of_a_day_counts_beside_that_of_an_hour() {
    let (_sink, relay, user) = relay("messages-per-hour = 10\nmessages-per-day = 2");
    let mut client = relay.login(&user);
    send(&mut client, "day", 2);
    let reply = client.say(&mail(), "451 4.7.1");
    let text = reply.text();
    assert!(text.contains("is reached, 2 messages a day"), "{text}");
    assert!(text.contains("; try again in 24 h"), "{text}");
}

#[test]
fn a_restart_forgets_nothing() {
    let (_sink, mut relay, user) = relay("messages-per-hour = 2");
    send(&mut relay.login(&user), "before", 2);
    relay.restart();
    relay.login(&user).say(&mail(), "451 4.7.1");
}

#[test]
fn the_last_place_is_given_to_one_of_two_sessions() {
    let (sink, relay, user) = relay("messages-per-hour = 1");
    let mut sessions = [relay.login(&user), relay.login(&user)];
    for client in &mut sessions {
        client.say(&mail(), "250");
        client.say(&format!("RCPT TO:<{TO}>"), "250");
        client.say("DATA", "354");
    }
    let [first, second] = &mut sessions;
    first.send(format!("{}.\r\n", content("first")).as_bytes(), "250");
    second.send(
        format!("{}.\r\n", content("second")).as_bytes(),
        "451 4.7.1",
    );
    second.say("NOOP", "250");
    sink.wait_for(1, wait::PATIENCE);
    assert_eq!(sink.count(), 1);
    let shown = relay.json(&["user", "show", &user.username]);
    assert_eq!(shown["sent_1h"], 1);
}

#[test]
fn many_sessions_at_once_do_not_pass_a_limit_together() {
    const SESSIONS: u64 = 8;
    const LIMIT: usize = 20;
    let (sink, relay, user) = relay(&format!("messages-per-hour = {LIMIT}"));
    let accepted: usize = std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|number| {
                let (relay, user) = (&relay, &user);
                scope.spawn(move || flood(&mut relay.login(user), number))
            })
            .collect();
        let counts = sessions.into_iter().map(|it| it.join().expect("no panic"));
        counts.sum()
    });
    assert_eq!(accepted, LIMIT);
    sink.wait_for(LIMIT, wait::PATIENCE);
    assert_eq!(sink.count(), LIMIT);
}

/// Sends until it is refused: how many were accepted.
fn flood(client: &mut Client, session: u64) -> usize {
    for number in 0..100 {
        let id = message::id("flood", session * 100 + number);
        let content = message::short(FROM, TO, &id);
        client
            .try_send(format!("{}\r\n", mail()).as_bytes())
            .expect("connected");
        if !client.try_reply().expect("a reply").is_positive() {
            return usize::try_from(number).expect("below 100");
        }
        client.say(&format!("RCPT TO:<{TO}>"), "250");
        client.say("DATA", "354");
        client
            .try_send(format!("{content}.\r\n").as_bytes())
            .expect("connected");
        if !client.try_reply().expect("a reply").is_positive() {
            return usize::try_from(number).expect("below 100");
        }
    }
    panic!("nothing stopped it");
}

#[test]
fn what_is_refused_is_not_counted() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let relay = Relay::start(&setup(sink.port(), "messages-per-hour = 1"));
    let user = relay.add_shop_user(&["--authorized-domains", "example.com"]);
    let mut client = relay.login(&user);
    for number in 0..3 {
        let content = message::short("boss@example.org", TO, &message::id("refused", number));
        client.submit(FROM, &[TO], &content, "550 5.7.1");
    }
    send(&mut client, "good", 1);
    client.say(&mail(), "451 4.7.1");
}

#[test]
fn who_floods_is_suspended_until_an_administrator_has_looked() {
    let (_sink, relay, user) = relay("messages-per-hour = 2\non-exceeded = \"suspend\"");
    let mut other_session = relay.login(&user);
    let mut client = relay.login(&user);
    send(&mut client, "flood", 2);
    client.say(&mail(), "421 4.7.0");
    client.expect_end();
    other_session.say(&mail(), "421 4.7.0");
    other_session.expect_end();

    let shown = relay.json(&["user", "show", &user.username]);
    assert_eq!(shown["active"], false);
    let because = shown["suspended_because"].as_str().unwrap_or_default();
    assert!(
        because.contains("more than 2 messages in an hour"),
        "{shown}"
    );
    assert!(shown["suspended_at"].is_string(), "{shown}");
    let list = relay.cli(&["user", "list"]).succeeded().stdout;
    assert!(list.contains("suspended"), "{list}");
    let told = alerts(&relay, "user-suspended");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["severity"], &told[0]["count"]),
        (&"critical".into(), &1.into())
    );
    let summary = told[0]["summary"].as_str().unwrap_or_default();
    let undo = format!("gatepost user edit {} --active true", user.username);
    for part in [
        &user.username,
        "of list shop",
        "more than 2",
        "from 127.0.0.1",
        &undo,
    ] {
        assert!(summary.contains(part), "no {part} in: {summary}");
    }

    let edit = ["user", "edit", &user.username, "--active", "true"];
    let lifted = relay.json(&edit);
    assert_eq!(
        (&lifted["active"], &lifted["suspended_at"]),
        (&true.into(), &Value::Null)
    );
    send(&mut relay.login(&user), "again", 2);
    relay.login(&user).say(&mail(), "421 4.7.0");
    assert_eq!(
        relay.json(&["user", "show", &user.username])["active"],
        false
    );
}

#[test]
fn a_suspended_user_is_told_what_any_inactive_user_is_told() {
    let (_sink, relay, user) = relay("messages-per-hour = 1\non-exceeded = \"suspend\"");
    let inactive = relay.add_user("shop", &[]);
    let mut ended = relay.login(&inactive);
    let mut suspended = relay.login(&user);
    send(&mut suspended, "flood", 1);
    relay
        .cli(&["user", "edit", &inactive.username, "--active", "false"])
        .succeeded();
    let anonymous = |text: String| {
        text.replace(&user.username, "U")
            .replace(&inactive.username, "U")
    };
    let replies = [
        suspended.say(&mail(), "421").to_string(),
        ended.say(&mail(), "421").to_string(),
    ];
    let [one, other] = replies.map(anonymous);
    assert_eq!(one, other);
    let login = |user: &User, password: &str| {
        let mut client = relay.connect();
        client.ehlo();
        let reply = client.say(&auth_plain(&user.username, password), "535 5.7.8");
        anonymous(reply.to_string())
    };
    assert_eq!(
        login(&user, &user.password),
        login(&inactive, &inactive.password)
    );
    assert_eq!(login(&user, "wrong"), login(&inactive, "wrong"));
}

#[test]
fn a_users_own_limit_comes_before_that_of_all() {
    let (_sink, relay, user) = relay("messages-per-hour = 1");
    let free = relay.add_user("shop", &["--messages-per-hour", "unlimited"]);
    send(&mut relay.login(&free), "free", 3);
    let mut client = relay.login(&user);
    send(&mut client, "one", 1);
    client.say(&mail(), "451");
    let edit =
        |limit: &str| relay.json(&["user", "edit", &user.username, "--messages-per-hour", limit]);
    assert_eq!(edit("2")["messages_per_hour"], 2);
    send(&mut client, "two", 1);
    client.say(&mail(), "451");
    assert_eq!(edit("unlimited")["messages_per_hour"], "unlimited");
    send(&mut client, "three", 1);
    assert_eq!(edit("default")["messages_per_hour"], "default");
    client.say(&mail(), "451");
    let wrong = relay.cli(&["user", "edit", &user.username, "--messages-per-hour", "0"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("unlimited"), "{}", wrong.stderr);
}

#[test]
fn many_messages_without_a_limit_are_sent_and_told() {
    let (sink, relay, user) = relay("alert-messages-per-hour = 3");
    let mut client = relay.login(&user);
    send(&mut client, "many", 2);
    assert_eq!(relay.alerts("shop"), Vec::<Value>::new());
    send(&mut client, "more", 4);
    sink.wait_for(6, wait::PATIENCE);
    let told = relay.alerts("shop");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["kind"], &told[0]["count"]),
        (&"many-messages".into(), &1.into())
    );
}

#[test]
fn a_changed_limit_holds_at_once() {
    let (sink, relay, user) = relay("messages-per-hour = 1");
    let mut client = relay.login(&user);
    send(&mut client, "one", 1);
    client.say(&mail(), "451");
    let changed = setup(sink.port(), "messages-per-hour = 2");
    relay.configure(&changed.to_toml(relay.port()));
    relay.hangup();
    wait::until("it is reloaded", wait::PATIENCE, || {
        relay.log().contains("reloaded for new sessions: limits")
    });
    send(&mut client, "two", 1);
    client.say(&mail(), "451");
}

#[test]
fn a_limit_of_nothing_is_a_mistake() {
    for (limits, named) in [
        ("messages-per-hour = 0", "number from 1"),
        ("messages-per-day = \"many\"", "number from 1"),
        ("alert-percent = 0", "limits.alert-percent"),
        ("on-exceeded = \"explode\"", "defer"),
    ] {
        let relay = Relay::prepare(&setup(1, limits));
        let checked = relay.cli(&["config", "check"]);
        assert_eq!(checked.code, Some(1), "{limits}");
        assert!(
            checked.stderr.contains(named),
            "{limits}: {}",
            checked.stderr
        );
    }
}

#[test]
fn policies_are_told_what_was_sent_before() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let limits = "messages-per-day = 7\n[policy.record]\nenabled = true";
    let relay = Relay::start(&setup(sink.port(), limits));
    let user = relay.add_shop_user(&["--messages-per-hour", "5"]);
    send(&mut relay.login(&user), "told", 2);
    let exported = relay.cli(&["policy", "records", "export"]).succeeded();
    let last = exported.stdout.lines().last().expect("two requests");
    for (name, value) in [
        ("account.sent-1h", "1"),
        ("account.sent-24h", "1"),
        ("account.limit-1h", "5"),
        ("account.limit-24h", "7"),
    ] {
        let told = format!("{{\"name\":\"{name}\",\"value\":\"{value}\"}}");
        assert!(last.contains(&told), "no {told} in {last}");
    }
}
