//! What an administrator does to the queue of a running relay, and what the timeline tells of it.

use std::time::Duration;

use gatepost_tests::client::Client;
use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Log, Script, Sink};
use gatepost_tests::wait;
use serde_json::Value;

const FROM: &str = "orders@example.com";

/// A relay whose next hop takes nothing until it is resumed.
struct Shop {
    sink: Sink,
    relay: Relay,
    user: User,
}

impl Shop {
    fn open(script: Script) -> Self {
        let sink = Sink::start(script).expect("a port");
        let setup = Setup::smarthost(sink.port())
            .delivering("per-destination = 1\n")
            .with("\n[scheduler]\nurgent-reserve = 0\nretry = \"1h\"\n");
        let relay = Relay::start(&setup);
        let user = relay.add_shop_user(&[]);
        Self { sink, relay, user }
    }

    fn client(&self) -> Client {
        self.relay.login(&self.user)
    }

    /// Submits a message: its id for the sink and its queue id.
    fn submit(&self, client: &mut Client, to: &str, number: u64) -> (String, String) {
        let id = message::id("queue", number);
        let fields = format!("From: {FROM}\r\nTo: {to}\r\n");
        let content = message::with_fields(&fields, &id);
        let reply = client.submit(FROM, &[to], &content, "250 2.0.0 queued as ");
        (id, reply.queue_id().expect("a queue id").to_owned())
    }

    fn show(&self, queue_id: &str) -> Value {
        self.relay.json(&["queue", "show", queue_id])
    }

    fn wait_for_status(&self, queue_id: &str, status: &str) {
        wait::until(&format!("{queue_id} is {status}"), wait::PATIENCE, || {
            self.show(queue_id)["status"] == status
        });
    }

    /// Runs a command and returns how many messages it concerned.
    fn change(&self, arguments: &[&str]) -> u64 {
        let arguments = [&["queue"], arguments].concat();
        let done = self.relay.json(&arguments);
        done["messages"].as_u64().expect("a number")
    }
}

fn paused() -> Script {
    Script {
        paused: true,
        ..Script::reading()
    }
}

#[test]
fn a_backlog_is_held_counted_reprioritized_and_released_by_its_properties() {
    let shop = Shop::open(paused());
    let mut client = shop.client();
    let (first, _) = shop.submit(&mut client, "first@busy.example", 0);
    wait::until("the next hop is busy", wait::PATIENCE, || {
        shop.sink.log(Log::waiting) == 1
    });
    let (_, held) = shop.submit(&mut client, "a@held.example", 1);
    let (normal, _) = shop.submit(&mut client, "b@example.net", 2);
    let (urgent, urgent_id) = shop.submit(&mut client, "c@urgent.example", 3);

    let all = shop.relay.cli(&["queue", "delete"]);
    assert_eq!(all.code, Some(1), "nothing is selected");
    assert!(all.stderr.contains("hint:"), "{}", all.stderr);
    let dry = ["hold", "--recipient-domain", "HELD.example", "--dry-run"];
    assert_eq!(shop.change(&dry), 1);
    assert_eq!(
        shop.show(&held)["status"],
        "queued",
        "a dry run changes nothing"
    );
    assert_eq!(
        shop.change(&["hold", "--recipient-domain", "held.example"]),
        1
    );
    assert_eq!(shop.change(&["hold", &urgent_id]), 1);
    assert_eq!(shop.change(&["release", &urgent_id]), 1);
    let raise = [
        "reprioritize",
        "--to",
        "1",
        "--recipient-domain",
        "urgent.example",
    ];
    assert_eq!(shop.change(&raise), 1);
    assert_eq!(shop.show(&urgent_id)["priority"], 1);
    wait::until("the relay has noticed", wait::PATIENCE, || {
        shop.relay
            .log()
            .contains("message reprioritized by an administrator")
    });

    shop.sink.set(Script::reading());
    shop.sink.wait_for(3, wait::PATIENCE);
    let order: Vec<String> = shop.sink.deliveries().into_iter().map(|it| it.id).collect();
    assert_eq!(order, [first, urgent, normal]);
    let listed = shop.relay.json(&["queue", "list", "--status", "held"]);
    assert_eq!(listed[0]["id"], held.as_str(), "{listed}");
    assert_eq!(shop.change(&["release", "--all"]), 1);
    shop.wait_for_status(&held, "delivered");

    let text = shop
        .relay
        .cli(&["queue", "show", &urgent_id])
        .succeeded()
        .stdout;
    for words in [
        "accepted",
        "held by ",
        "released by ",
        "from 3 to 1",
        "delivered",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_stopped_destination_waits_over_a_restart_and_what_is_urgent_elsewhere_does_not() {
    let mut shop = Shop::open(Script::reading());
    let stop = [
        "queue",
        "stop",
        "--destination",
        "stopped.example",
        "--reason",
        "they moved",
    ];
    shop.relay.cli(&stop).succeeded();
    wait::until("the relay has noticed", wait::PATIENCE, || {
        shop.relay.log().contains("stopped or started")
    });
    let mut client = shop.client();
    let (waiting, waiting_id) = shop.submit(&mut client, "a@stopped.example", 0);
    let (free, _) = shop.submit(&mut client, "b@example.net", 1);
    shop.sink.delivery(&free);
    shop.relay.terminate();
    shop.relay.restart();
    let listed = shop.relay.cli(&["queue", "list"]).succeeded().stdout;
    assert!(
        listed.starts_with("stopped: mail to stopped.example"),
        "{listed}"
    );
    assert!(
        listed.contains("they moved") && listed.contains(&waiting_id),
        "{listed}"
    );
    let shown = shop.show(&waiting_id);
    assert_eq!(shown["stopped"][0]["scope"], "stopped.example", "{shown}");
    let (later, _) = shop.submit(&mut shop.client(), "b@example.net", 2);
    shop.sink.delivery(&later);
    assert_eq!(shop.sink.count(), 2, "it waits");
    let stops = shop.relay.json(&["queue", "stops"]);
    assert_eq!(stops[0]["reason"], "they moved");
    shop.relay
        .cli(&["queue", "start", "--destination", "stopped.example"])
        .succeeded();
    shop.sink.delivery(&waiting);
    let again = shop
        .relay
        .cli(&["queue", "start", "--destination", "stopped.example"]);
    assert!(again.stderr.contains("is not stopped"), "{}", again.stderr);
}

#[test]
fn deferred_mail_is_tried_at_once_when_it_is_told_to() {
    let script = Script {
        recipients: vec![("later@".to_owned(), "450 4.2.0 come again".to_owned())],
        ..Script::reading()
    };
    let shop = Shop::open(script);
    let mut client = shop.client();
    let (id, queue_id) = shop.submit(&mut client, "later@example.net", 0);
    shop.wait_for_status(&queue_id, "deferred");
    shop.sink.set(Script::reading());
    assert_eq!(shop.change(&["retry", "--status", "deferred"]), 1);
    shop.sink.delivery(&id);
    shop.wait_for_status(&queue_id, "delivered");
    let shown = shop.show(&queue_id);
    let events: Vec<&str> = shown["timeline"]
        .as_array()
        .expect("an array")
        .iter()
        .filter_map(|event| event["event"].as_str())
        .collect();
    assert_eq!(
        events,
        ["accepted", "decision", "attempt", "order", "attempt"],
        "{shown}"
    );
}

#[test]
fn a_bounce_stands_in_the_timeline_and_a_refused_message_has_one_too() {
    let script = Script {
        recipients: vec![("nobody@".to_owned(), "550 5.1.1 no such user".to_owned())],
        ..Script::reading()
    };
    let shop = Shop::open(script);
    let mut client = shop.client();
    let (_, queue_id) = shop.submit(&mut client, "nobody@example.net", 0);
    shop.wait_for_status(&queue_id, "failed");
    let shown = shop.show(&queue_id);
    let notice = &shown["notices"][0];
    assert_eq!(notice["to"][0], FROM, "{shown}");
    let text = shop
        .relay
        .cli(&["queue", "show", &queue_id])
        .succeeded()
        .stdout;
    assert!(
        text.contains("Undelivered mail returned to sender"),
        "{text}"
    );

    let id = message::id("queue", 9);
    let content = message::with_fields("From: other@evil.example\r\nTo: a@example.net\r\n", &id);
    let restricted = shop
        .relay
        .add_user("shop", &["--authorized-domains", "example.com"]);
    let mut client = shop.relay.login(&restricted);
    client.submit(FROM, &["a@example.net"], &content, "550 5.7.1 ");
    let refused = shop
        .relay
        .json(&["policy", "decisions", "--outcome", "rejected"]);
    let refused_id = refused[0]["id"].as_str().expect("an id");
    let shown = shop.show(refused_id);
    assert_eq!(shown["status"], "rejected", "{shown}");
    assert_eq!(shown["priority"], 3, "{shown}");
    let text = shop
        .relay
        .cli(&["queue", "show", refused_id])
        .succeeded()
        .stdout;
    assert!(
        text.contains("550 5.7.1") && text.contains("sender-rules"),
        "{text}"
    );
}

#[test]
fn a_recipient_that_bounced_is_not_tried_again_where_the_list_says_so() {
    let script = Script {
        recipients: vec![("nobody@".to_owned(), "550 5.1.1 no such user".to_owned())],
        ..Script::reading()
    };
    let shop = Shop::open(script);
    shop.relay
        .cli(&["list", "edit", "shop", "--suppress-bounces", "on"])
        .succeeded();
    wait::until("the relay has noticed", Duration::from_secs(20), || {
        shop.relay
            .log()
            .contains("remembers recipients that do not exist")
    });
    let mut client = shop.client();
    let (_, first) = shop.submit(&mut client, "nobody@example.net", 0);
    shop.wait_for_status(&first, "failed");
    let listed = shop.relay.json(&["list", "suppressions", "shop"]);
    assert_eq!(listed[0]["address"], "nobody@example.net", "{listed}");
    // It exists now, but the relay does not ask.
    shop.sink.set(Script::reading());
    let (_, second) = shop.submit(&mut client, "Nobody@Example.net", 1);
    shop.wait_for_status(&second, "failed");
    let shown = shop.show(&second);
    let reply = shown["recipients"][0]["attempts"][0]["reply"]
        .as_str()
        .expect("a reply");
    assert!(
        reply.contains("suppression list") && reply.contains("no such user"),
        "{reply}"
    );
    let remove = [
        "list",
        "suppressions",
        "shop",
        "--remove",
        "nobody@example.net",
    ];
    shop.relay.cli(&remove).succeeded();
    let (id, third) = shop.submit(&mut client, "nobody@example.net", 2);
    shop.sink.delivery(&id);
    shop.wait_for_status(&third, "delivered");
}
