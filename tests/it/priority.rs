//! Urgent mail leaves before any other, and never holds the others back.

use gatepost_tests::client::Client;
use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Log, Script, Sink};
use gatepost_tests::wait;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";
/// Messages that wait when the urgent one comes.
const BACKLOG: u64 = 300;
/// Transactions to one next hop at a time. One where their order is looked at: of several connections none waits for a
/// thread of another that a busy machine has put aside.
const ONE: usize = 1;
const SEVERAL: usize = 4;

/// A relay with few connections to a next hop that takes nothing until it is resumed.
struct Jam {
    sink: Sink,
    relay: Relay,
    user: User,
    connections: usize,
}

impl Jam {
    /// Fills the queue; the first messages are with the next hop, which does not answer.
    ///
    /// `urgent_reserve` more connections are there for urgent mail alone.
    fn build(connections: usize, urgent_reserve: usize) -> Self {
        let sink = Sink::start(paused()).expect("a port");
        let setup = Setup::smarthost(sink.port())
            .delivering(&format!("per-destination = {connections}\n"))
            .with(&format!(
                "\n[scheduler]\nurgent-reserve = {urgent_reserve}\n"
            ));
        let relay = Relay::start(&setup);
        let user = relay.add_shop_user(&[]);
        let jam = Self {
            sink,
            relay,
            user,
            connections,
        };
        let mut client = jam.relay.login(&jam.user);
        for number in 0..BACKLOG {
            jam.submit(&mut client, "", &message::id("backlog", number));
        }
        wait::until("the next hop is busy", wait::PATIENCE, || {
            jam.sink.log(Log::waiting) == connections
        });
        jam
    }

    /// Submits a message with these header fields: its queue id.
    fn submit(&self, client: &mut Client, fields: &str, id: &str) -> String {
        let fields = format!("From: {FROM}\r\nTo: {TO}\r\n{fields}");
        let content = message::with_fields(&fields, id);
        let reply = client.submit(FROM, &[TO], &content, "250 2.0.0 queued as ");
        reply.queue_id().expect("a queue id").to_owned()
    }

    /// Lets everything flow: the places at which these ids arrived.
    fn resume(&self, ids: &[&str]) -> Vec<usize> {
        self.sink.set(Script::reading());
        let all = usize::try_from(BACKLOG).expect("a small number") + ids.len();
        self.sink.wait_for(all, wait::PATIENCE);
        let deliveries = self.sink.deliveries();
        let place = |id: &&str| deliveries.iter().position(|it| it.id == **id);
        ids.iter()
            .map(|id| place(id).expect("it was delivered"))
            .collect()
    }
}

fn paused() -> Script {
    Script {
        paused: true,
        ..Script::reading()
    }
}

#[test]
fn an_urgent_message_leaves_while_every_other_connection_hangs() {
    let jam = Jam::build(SEVERAL, 1);
    let mut client = jam.relay.login(&jam.user);
    jam.submit(&mut client, "X-Priority: 1\r\n", &message::id("urgent", 0));
    wait::until("it is with the next hop", wait::PATIENCE, || {
        jam.sink.log(Log::waiting) == SEVERAL + 1
    });
    assert_eq!(jam.sink.count(), 0, "nothing else has moved");
}

#[test]
fn an_urgent_message_overtakes_a_backlog() {
    let jam = Jam::build(ONE, 0);
    let urgent = message::id("urgent", 0);
    let low = message::id("low", 0);
    let mut client = jam.relay.login(&jam.user);
    jam.submit(&mut client, "X-Priority: 5\r\n", &low);
    let queue_id = jam.submit(&mut client, "X-Priority: 1 (Highest)\r\n", &urgent);
    let shown = jam.relay.json(&["queue", "show", &queue_id]);
    assert_eq!(shown["priority"], 1, "{shown}");
    let places = jam.resume(&[&urgent, &low]);
    // Those that are with the next hop already, and at most one more on each connection.
    assert!(places[0] <= 2 * jam.connections, "urgent at {}", places[0]);
}

#[test]
fn a_user_of_low_priority_waits_for_the_others_and_the_more_urgent_of_two_counts() {
    let jam = Jam::build(ONE, 0);
    let late = jam.relay.add_user("shop", &["--priority", "5"]);
    let low = message::id("low", 0);
    let mut client = jam.relay.login(&late);
    jam.submit(&mut client, "", &low);
    let urgent = jam.relay.add_user("shop", &["--priority", "1"]);
    let high = message::id("high", 0);
    let mut client = jam.relay.login(&urgent);
    jam.submit(&mut client, "X-Priority: 5\r\n", &high);
    let places = jam.resume(&[&low, &high]);
    let last = usize::try_from(BACKLOG).expect("a small number") + 1;
    assert!(
        places[0] + 2 * jam.connections >= last,
        "low at {}",
        places[0]
    );
    assert!(places[1] <= 2 * jam.connections, "high at {}", places[1]);
}

#[test]
fn urgent_mail_that_cannot_be_delivered_holds_nobody_back() {
    let script = Script {
        recipients: vec![("down@".into(), "450 4.2.1 try later".into())],
        ..Script::reading()
    };
    let sink = Sink::start(script).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()).retrying_soon());
    let user = relay.add_shop_user(&[]);
    let mut client = relay.login(&user);
    for number in 0..50 {
        let fields = format!("From: {FROM}\r\nX-Priority: 1\r\n");
        let content = message::with_fields(&fields, &message::id("stuck", number));
        client.submit(FROM, &["down@example.net"], &content, "250");
    }
    for number in 0..50 {
        let content = message::short(FROM, TO, &message::id("normal", number));
        client.submit(FROM, &[TO], &content, "250");
    }
    sink.wait_for(50, wait::PATIENCE);
}

#[test]
fn only_the_most_urgent_is_shown_as_important_to_its_reader() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()));
    relay.add_list("shop");
    for (priority, shown) in [("1", true), ("2", false), ("3", false)] {
        let user = relay.add_user("shop", &["--priority", priority]);
        let id = message::id(priority, 0);
        let content = message::short(FROM, TO, &id);
        relay.login(&user).submit(FROM, &[TO], &content, "250");
        let delivery = sink.delivery(&id);
        let marked = !delivery.fields("X-Priority").is_empty();
        assert_eq!(marked, shown, "priority {priority}:\n{}", delivery.text());
        assert_eq!(!delivery.fields("Importance").is_empty(), shown);
    }
}

#[test]
fn a_list_can_leave_it_unmarked_and_what_the_client_wrote_stays() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()));
    relay.add_list("shop");
    let user = relay.add_user("shop", &["--priority", "1"]);
    let marked = |name: &str, fields: &str| {
        let id = message::id(name, 0);
        let content = message::with_fields(&format!("From: {FROM}\r\n{fields}"), &id);
        relay.login(&user).submit(FROM, &[TO], &content, "250");
        let delivery = sink.delivery(&id);
        ["X-Priority", "Importance"].map(|name| delivery.fields(name).join(","))
    };
    assert_eq!(marked("on", ""), ["1", "high"]);
    assert_eq!(marked("own", "X-Priority: 4 (Low)\r\n"), ["4 (Low)", ""]);
    relay
        .cli(&["list", "edit", "shop", "--display-importance", "false"])
        .succeeded();
    assert_eq!(marked("off", ""), ["", ""]);
    assert_eq!(marked("off-own", "Importance: High\r\n"), ["", "High"]);
}

#[test]
fn the_surplus_of_a_users_urgent_mail_is_sent_with_priority_2_and_an_alert() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let limits = "\n[limits]\nurgent-per-hour = 2\n";
    let mut relay = Relay::start(&Setup::smarthost(sink.port()).with(limits));
    let user = relay.add_shop_user(&["--priority", "1"]);
    let free = relay.add_user(
        "shop",
        &["--priority", "1", "--urgent-per-hour", "unlimited"],
    );
    let submit = |relay: &Relay, user: &User, number: u64| {
        let id = message::id(&user.username, number);
        let content = message::short(FROM, TO, &id);
        let reply = relay.login(user).submit(FROM, &[TO], &content, "250");
        let queue_id = reply.queue_id().expect("a queue id").to_owned();
        let shown = relay.json(&["queue", "show", &queue_id]);
        let is_marked = !sink.delivery(&id).fields("X-Priority").is_empty();
        (shown["priority"].as_u64(), is_marked)
    };
    for (number, expected) in [
        (0, (Some(1), true)),
        (1, (Some(1), true)),
        (2, (Some(2), false)),
    ] {
        assert_eq!(submit(&relay, &user, number), expected, "{number}");
        assert_eq!(submit(&relay, &free, number), (Some(1), true));
    }
    relay.restart();
    assert_eq!(
        submit(&relay, &user, 3),
        (Some(2), false),
        "it is remembered"
    );
    let alerts = relay.json(&["alert", "list", "--list", "shop"]);
    let alerts = alerts.as_array().expect("an array");
    let of_kind = |it: &&serde_json::Value| it["kind"] == "urgent-budget-used-up";
    assert_eq!(alerts.iter().filter(of_kind).count(), 1, "{alerts:?}");
    let shown = relay.json(&["user", "show", &user.username]);
    assert_eq!(
        (&shown["urgent_1h"], &shown["sent_1h"]),
        (&2.into(), &4.into())
    );
    let edit = ["user", "edit", &user.username, "--urgent-per-hour", "3"];
    assert_eq!(relay.json(&edit)["urgent_per_hour"], 3);
    assert_eq!(submit(&relay, &user, 4), (Some(1), true), "at once");
}
