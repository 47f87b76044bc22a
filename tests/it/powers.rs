//! What policies can do beyond deciding, where they are granted it: seen by the client, the administrator
//! and the next hop.

use gatepost_tests::guests;
use gatepost_tests::message::{self, ID_FIELD};
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;
use serde_json::Value;

const FROM: &str = "orders@shop.example";
const TO: &str = "customer@example.net";
const ALL: &str = "[\"counters\", \"effects\", \"content\"]";

/// An entry of the chain for the guest that does what its script says.
fn entry(script: &str, grants: &str) -> String {
    let module = guests::root().join("tests/guests/built/powers.wasm");
    format!(
        "[[policy.chain]]\nname = \"powers\"\nmodule = {:?}\ngrants = {grants}\n\
         limits = {{ fuel = 1000000000, time-ms = 10000 }}\nsettings = {{ script = {script:?} }}\n",
        module.display().to_string()
    )
}

/// A relay whose chain begins with that guest, before the sender rules.
fn open_with(setup: &Setup, script: &str) -> (Relay, User) {
    let mut relay = Relay::prepare(setup);
    let begin = format!("[policy]\n{}", entry(script, ALL));
    relay.configure(&setup.to_toml(relay.port()).replace("[policy]\n", &begin));
    relay.restart();
    let user = relay.add_shop_user(&["--authorized-domains", "shop.example"]);
    (relay, user)
}

fn open(script: &str) -> (Sink, Relay, User) {
    let sink = Sink::start(Script::reading()).expect("a port");
    let (relay, user) = open_with(&Setup::smarthost(sink.port()).retrying_soon(), script);
    (sink, relay, user)
}

/// A message with this subject, and the id it has for the sink.
fn message(from: &str, subject: &str, number: u64, body: &str) -> (String, String) {
    let id = message::id("powers", number);
    let text = format!(
        "From: {from}\r\nTo: {TO}\r\nSubject: {subject}\r\n{ID_FIELD}{id}\r\n\r\n{body}\r\n"
    );
    (id, text)
}

/// Submits a message whose subject is the script: its id for the sink and its queue id.
fn submit(relay: &Relay, user: &User, script: &str, number: u64) -> (String, String) {
    let (id, content) = message(FROM, script, number, "Hello.");
    let reply = relay
        .login(user)
        .submit(FROM, &[TO], &content, "250 2.0.0 queued as ");
    (id, reply.queue_id().expect("a queue id").to_owned())
}

fn show(relay: &Relay, queue_id: &str) -> Value {
    relay.json(&["queue", "show", queue_id])
}

fn wait_for_status(relay: &Relay, queue_id: &str, status: &str) {
    wait::until(&format!("{queue_id} is {status}"), wait::PATIENCE, || {
        show(relay, queue_id)["status"] == status
    });
}

#[test]
fn a_rewritten_message_is_judged_and_leaves_as_the_users_own() {
    let script = "sender: replace-reverse-path web@shop.example \
                  | replace-reverse-path web@shop.example | replace-from web@shop.example";
    let (sink, relay, user) = open(script);
    let visitor = "visitor@example.org";
    let from = format!("\"Visitor, A.\" <{visitor}>");
    let (id, content) = message(&from, "a question", 0, "Hello.");
    let mut client = relay.login(&user);
    client.submit(visitor, &[TO], &content, "250 2.0.0 queued as ");

    let delivered = sink.delivery(&id);
    assert!(
        delivered.from.contains("web@shop.example"),
        "{}",
        delivered.from
    );
    assert_eq!(
        delivered.fields("From"),
        ["\"Visitor, A.\" <web@shop.example>"]
    );
    assert_eq!(
        delivered.fields("Reply-To"),
        [format!("\"Visitor, A.\" <{visitor}>")]
    );
}

#[test]
fn what_a_later_policy_refuses_is_neither_held_nor_queued() {
    let (sink, relay, user) = open("hold for a look | add-header X-A b");
    let (_, content) = message("boss@example.org", "a test", 0, "Hello.");
    relay
        .login(&user)
        .submit(FROM, &[TO], &content, "550 5.7.1 ");
    let queue = relay.json(&["queue", "list", "--all"]);
    assert_eq!(queue.as_array().map(Vec::len), Some(0), "{queue}");
    assert_eq!(sink.count(), 0);
}

#[test]
fn a_held_message_waits_until_somebody_releases_or_deletes_it() {
    let (sink, mut relay, user) = open("subject");
    let (id, held) = submit(&relay, &user, "hold for a{CRLF}look", 0);
    let (_, refused) = submit(&relay, &user, "hold for another look", 1);
    let (free, _) = submit(&relay, &user, "pass", 2);
    sink.delivery(&free);

    let shown = show(&relay, &held);
    assert_eq!(shown["status"], "held");
    assert_eq!(shown["hold"], "powers: for a  look");
    let text = relay.cli(&["queue", "show", &held]).succeeded().stdout;
    assert!(text.contains("held        powers: for a  look"), "{text}");
    let listed = relay.cli(&["queue", "list"]).succeeded().stdout;
    assert!(listed.contains("[powers: for another look]"), "{listed}");

    relay.terminate();
    relay.restart();
    assert_eq!(show(&relay, &held)["status"], "held");
    assert_eq!(sink.count(), 1, "a restart releases nothing");

    relay.cli(&["queue", "delete", &refused]).succeeded();
    relay.cli(&["queue", "release", &held]).succeeded();
    sink.delivery(&id);
    wait_for_status(&relay, &held, "delivered");
    assert_eq!(show(&relay, &refused)["status"], "cancelled");
    assert_eq!(sink.count(), 2, "what was deleted never arrives");

    for (command, id, words) in [
        ("release", &held, "is not held: it is delivered"),
        ("delete", &refused, "is finished: it is cancelled"),
    ] {
        let again = relay.cli(&["queue", command, id]);
        assert_eq!(again.code, Some(1));
        assert!(again.stderr.contains(words), "{}", again.stderr);
        assert!(again.stderr.contains("hint:"), "{}", again.stderr);
    }
}

#[test]
fn a_message_that_waits_for_its_next_hop_can_be_deleted() {
    let (sink, relay, user) = open("subject");
    sink.stop();
    let (_, queue_id) = submit(&relay, &user, "pass", 0);
    wait_for_status(&relay, &queue_id, "deferred");
    relay.cli(&["queue", "delete", &queue_id]).succeeded();
    assert_eq!(show(&relay, &queue_id)["status"], "cancelled");
    wait::until("the relay has noticed", wait::PATIENCE, || {
        relay.log().contains("message deleted by an administrator")
    });
    sink.restart();
    let (id, _) = submit(&relay, &user, "pass", 1);
    sink.delivery(&id);
    assert_eq!(sink.count(), 1);
}

#[test]
fn counters_survive_a_restart() {
    let (sink, mut relay, user) = open("subject");
    for number in 1..=3 {
        let (id, _) = submit(&relay, &user, "add k 1 86400 | report", number);
        let delivered = sink.delivery(&id);
        assert_eq!(delivered.fields("X-Report"), [format!("add={number}")]);
        relay.terminate();
        relay.restart();
    }
}

#[test]
fn a_route_leads_to_another_next_hop() {
    let (sink, archive) = (
        Sink::start(Script::reading()).expect("a port"),
        Sink::start(Script::reading()).expect("a port"),
    );
    let route = format!(
        "\n[[delivery.route]]\nname = \"archive\"\n\
         smarthost = {{ host = \"127.0.0.1\", port = {}, tls = \"none\" }}\n",
        archive.port()
    );
    let setup = Setup::smarthost(sink.port()).delivering(&route);
    let (relay, user) = open_with(&setup, "subject");
    let (there, queue_id) = submit(&relay, &user, "set-route archive", 0);
    let (here, _) = submit(&relay, &user, "set-route nowhere | report", 1);
    archive.delivery(&there);
    assert_eq!(
        sink.delivery(&here).fields("X-Report"),
        ["set-route=unknown-route"]
    );
    assert_eq!(show(&relay, &queue_id)["route"], "archive");
    assert_eq!((sink.count(), archive.count()), (1, 1));
}

#[test]
fn a_large_message_is_read_and_changed_as_any_other() {
    let (sink, relay, user) = open("subject");
    let line = "Thank you for your order, and for the next one.\r\n";
    let body = line.repeat(5_000_000 / line.len());
    let script = "size | read | remove-header To | report";
    let (id, content) = message(FROM, script, 0, &body);
    let sum: u64 = content.bytes().map(u64::from).sum();
    relay
        .login(&user)
        .submit(FROM, &[TO], &content, "250 2.0.0 queued as ");
    let delivered = sink.delivery(&id);
    let size = content.len();
    assert_eq!(
        delivered.fields("X-Report"),
        [format!("size={size} read={size},{sum} remove-header=ok")]
    );
    assert!(delivered.fields("To").is_empty());
}

#[test]
fn a_policy_without_its_grants_is_not_loaded_and_a_grant_without_use_is_told() {
    let setup = Setup::maildir();
    let relay = Relay::prepare(&setup);
    let check = |grants: &str| {
        let more = format!("{}\n{}", setup.to_toml(relay.port()), entry("pass", grants));
        relay.configure(&more);
        relay.cli(&["config", "check"])
    };
    let refused = check("[\"content\"]");
    assert_eq!(refused.code, Some(1));
    for words in [
        "imports gatepost:policy/counters, gatepost:policy/effects, which its entry does not grant",
        "grants = [\"counters\", \"effects\"]",
    ] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    check(ALL).succeeded();

    let text = setup.to_toml(relay.port());
    let granted = text.replace(
        "name = \"sender-rules\"\n",
        "name = \"sender-rules\"\ngrants = [\"effects\"]\n",
    );
    relay.configure(&granted);
    let told = relay.json(&["config", "check"]);
    let warnings = told["warnings"].to_string();
    assert!(
        warnings.contains("sender-rules is granted effects and does not import it"),
        "{warnings}"
    );
}
