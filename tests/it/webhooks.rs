//! Webhooks: real posts to a real receiver, signed, at least once, and never to where they must not lead.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use gatepost_tests::authority::Authority;
use gatepost_tests::message;
use gatepost_tests::receiver::{Post, Receiver};
use gatepost_tests::relay::{Relay, Setup, User, free_port};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;
use serde_json::Value;

const FROM: &str = "orders@example.com";
const ALLOWED: &str = "\n[notify]\nallow-private = [\"127.0.0.1\"]\n";

/// A next hop that refuses `nobody@` for good and `full@` for now.
fn sink() -> Sink {
    let script = Script {
        recipients: vec![
            ("nobody@".into(), "550 5.1.1 nobody".into()),
            ("full@".into(), "452 4.2.2 full".into()),
        ],
        ..Script::reading()
    };
    Sink::start(script).expect("a port")
}

fn user(relay: &Relay) -> User {
    relay.add_shop_user(&["--authorized-domains", "example.com"])
}

/// Sets the webhook of the list `shop`; returns its secret.
fn hook(relay: &Relay, url: &str, events: &str) -> String {
    let set = [
        "alert",
        "settings",
        "--list",
        "shop",
        "--webhook",
        url,
        "--events",
        events,
    ];
    let shown = relay.json(&set);
    let secret = shown["webhook"]["secret"].as_str();
    secret.expect("it is shown once").to_owned()
}

fn settings(relay: &Relay) -> Value {
    relay.json(&["alert", "settings", "--list", "shop"])
}

fn submit(relay: &Relay, user: &User, to: &[&str], name: &str) {
    let content = message::short(FROM, to[0], &message::id(name, 0));
    relay.login(user).submit(FROM, to, &content, "250");
}

fn types(posts: &[Post]) -> Vec<String> {
    let types = posts
        .iter()
        .map(|post| post.json()["type"].as_str().unwrap_or_default().to_owned());
    let mut types: Vec<String> = types.collect();
    types.sort();
    types
}

#[test]
fn every_event_of_a_message_is_posted_over_https_with_a_signature() {
    let authority = Authority::new();
    let server = authority.issue(&["localhost"]).server();
    let receiver = Receiver::start(Some(server)).expect("a port");
    let sink = sink();
    let ca_file = authority.file();
    let notify = format!("{ALLOWED}ca-file = {:?}\n", ca_file.display().to_string());
    let relay = Relay::start(&Setup::smarthost(sink.port()).with(&notify));
    let user = user(&relay);
    let url = format!("https://localhost:{}/hook?a=b", receiver.port());
    let secret = hook(&relay, &url, "all");
    wait_until_known(&relay);
    let to = ["ann@example.net", "nobody@example.net", "full@example.net"];
    submit(&relay, &user, &to, "hooked");
    let mut client = relay.login(&user);
    client.say("MAIL FROM:<ceo@example.org>", "550");

    // Alerts: the test, the bounce, the blocked sender.
    let expected = [
        "accepted",
        "alert",
        "alert",
        "alert",
        "blocked",
        "bounced",
        "deferred",
        "delivered",
    ];
    let posts = receiver.wait_for("all events arrive", |posts| types(posts) == expected);
    for post in &posts {
        assert!(post.is_signed_by(&secret), "{post:?}");
        assert!(!post.is_signed_by("another"), "{post:?}");
        assert_eq!(post.path, "/hook?a=b");
        let body = post.json();
        assert_eq!(body["id"], post.event.as_str());
        assert_eq!(body["list"], "shop");
    }
    let of = |kind: &str| {
        let mut bodies = posts.iter().map(Post::json);
        bodies
            .find(|body| body["type"] == kind)
            .expect("it arrived")
    };
    let id = &of("accepted")["message"]["id"];
    assert_eq!(&of("delivered")["message"]["id"], id);
    assert_eq!(of("delivered")["recipient"], "ann@example.net");
    assert_eq!(of("bounced")["recipient"], "nobody@example.net");
    assert_eq!(of("bounced")["reply"], "550 5.1.1 nobody");
    assert_eq!(of("deferred")["recipient"], "full@example.net");
    assert_eq!(of("blocked")["message"]["sender"], "ceo@example.org");
    assert!(of("blocked")["rule"].to_string().contains("unauthorized"));
    verified_by_the_example(&secret, &posts[0]);
}

/// The relay looks for changes of other processes every other second.
fn wait_until_known(relay: &Relay) {
    relay.cli(&["alert", "test", "--list", "shop"]).succeeded();
    wait::until("the test is posted", wait::PATIENCE, || {
        let posts = &settings(relay)["webhook"]["posts"];
        posts.as_array().is_some_and(|posts| !posts.is_empty())
    });
}

fn verified_by_the_example(secret: &str, post: &Post) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/webhooks/verify.py");
    let verify = |body: &str| {
        let mut child = Command::new("python3")
            .arg(&script)
            .arg(&post.signature)
            .env("GATEPOST_SECRET", secret)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed by tests/needs");
        let mut stdin = child.stdin.take().expect("it was piped");
        stdin.write_all(body.as_bytes()).expect("it reads");
        drop(stdin);
        child.wait().expect("it ends").success()
    };
    assert!(verify(&post.body));
    assert!(!verify(&format!("{} ", post.body)));
}

#[test]
fn events_come_at_least_once_over_failures_and_kill_9() {
    let port = free_port();
    let sink = sink();
    let mut relay = Relay::start(&Setup::smarthost(sink.port()).with(ALLOWED));
    let user = user(&relay);
    hook(
        &relay,
        &format!("http://127.0.0.1:{port}/"),
        "accepted,delivered",
    );
    relay.restart();
    for number in 0..3 {
        submit(
            &relay,
            &user,
            &["ann@example.net"],
            &format!("kept-{number}"),
        );
    }
    sink.wait_for(3, wait::PATIENCE);
    wait::until("nobody answers", wait::PATIENCE, || {
        settings(&relay)["webhook"]["posts"][0]["status"] == 0
    });
    relay.kill();
    let receiver = Receiver::start_on(port, None).expect("the port");
    receiver.answer(&[503, 404]);
    relay.restart();
    let taken = |posts: &[Post]| {
        let mut taken: Vec<String> = posts
            .iter()
            .filter(|post| post.status == 204)
            .map(|post| post.event.clone())
            .collect();
        taken.sort();
        taken.dedup();
        taken.len()
    };
    // One event waits for itself after its 404, half a minute.
    let posts = receiver.wait_for("the others are taken", |posts| taken(posts) >= 5);
    let refused: Vec<&Post> = posts.iter().filter(|post| post.status != 204).collect();
    assert_eq!(refused.len(), 2);
    let is_again = |post: &Post| post.event == refused[0].event && post.status == 204;
    assert!(
        posts.iter().any(is_again),
        "what got a 503 is posted again with its id"
    );
    let shown = settings(&relay);
    assert_eq!(shown["webhook"]["waiting"], 1, "{shown}");
}

#[test]
fn nothing_inside_is_posted_to_and_no_redirect_is_followed() {
    let (inside, outside) = (Receiver::start(None), Receiver::start(None));
    let (inside, outside) = (inside.expect("a port"), outside.expect("a port"));
    let sink = sink();
    let relay = Relay::start(&Setup::smarthost(sink.port()));
    user(&relay);
    let failed = |part: &str| {
        relay.cli(&["alert", "test", "--list", "shop"]).succeeded();
        wait::until(part, wait::PATIENCE, || {
            let answer = settings(&relay)["webhook"]["posts"][0]["answer"].clone();
            answer.as_str().is_some_and(|answer| answer.contains(part))
        });
    };
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let url = format!("https://{host}:{}/", inside.port());
        relay.json(&["alert", "settings", "--list", "shop", "--webhook", ""]);
        hook(&relay, &url, "alert");
        failed("notify.allow-private can allow it");
    }
    let wrong = relay.cli(&[
        "alert",
        "settings",
        "--list",
        "shop",
        "--webhook",
        "ftp://example.com/",
    ]);
    assert_eq!(wrong.code, Some(1));
    assert!(
        wrong.stderr.contains("does not begin with https://"),
        "{}",
        wrong.stderr
    );
    assert_eq!(inside.posts().len(), 0);

    let relay = Relay::start(&Setup::smarthost(sink.port()).with(ALLOWED));
    user(&relay);
    outside.redirect(&format!("http://127.0.0.1:{}/", inside.port()));
    outside.answer(&[302]);
    hook(
        &relay,
        &format!("http://127.0.0.1:{}/", outside.port()),
        "alert",
    );
    relay.cli(&["alert", "test", "--list", "shop"]).succeeded();
    outside.wait_for("the post arrives", |posts| posts.len() == 1);
    wait::until("it counts as refused", wait::PATIENCE, || {
        settings(&relay)["webhook"]["posts"][0]["status"] == 302
    });
    assert_eq!(inside.posts().len(), 0);
}
