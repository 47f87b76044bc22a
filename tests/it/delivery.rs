//! From the queue to the next hop: it may be down, slow or choosy.

use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Point, Script, Sink};
use gatepost_tests::wait;
use serde_json::Value;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";

fn open(script: Script) -> (Sink, Relay, User) {
    let sink = Sink::start(script).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()).retrying_soon());
    let user = relay.add_shop_user(&[]);
    (sink, relay, user)
}

/// Submits one message: its id for the sink and its queue id.
fn submit(relay: &Relay, user: &User, to: &[&str]) -> (String, String) {
    let id = message::id("delivery", 0);
    let content = message::short(FROM, TO, &id);
    let reply = relay
        .login(user)
        .submit(FROM, to, &content, "250 2.0.0 queued as ");
    (id, reply.queue_id().expect("a queue id").to_owned())
}

/// Waits until what `queue show` prints fulfils the condition.
fn wait_shown(relay: &Relay, queue_id: &str, what: &str, condition: impl Fn(&Value) -> bool) {
    wait::until(what, wait::PATIENCE, || {
        condition(&relay.json(&["queue", "show", queue_id]))
    });
}

#[test]
fn a_next_hop_that_is_down_gets_everything_when_it_is_back() {
    let (sink, relay, user) = open(Script::reading());
    sink.stop();
    let mut client = relay.login(&user);
    let mut queue_id = String::new();
    for number in 0..20 {
        let content = message::short(FROM, TO, &message::id("down", number));
        let reply = client.submit(FROM, &[TO], &content, "250 2.0.0 queued as ");
        reply
            .queue_id()
            .expect("a queue id")
            .clone_into(&mut queue_id);
    }
    wait_shown(&relay, &queue_id, "an attempt has failed", |shown| {
        shown.to_string().contains("deferred")
    });
    assert_eq!(sink.count(), 0);
    sink.restart();
    sink.wait_for(20, wait::PATIENCE);
    wait_shown(&relay, &queue_id, "the delivery is known", |shown| {
        shown["status"] == "delivered"
    });
    assert_eq!(sink.log(|log| log.duplicates()), 0);
}

#[test]
fn each_recipient_has_its_own_outcome() {
    let refused = "550 5.1.1 no such user";
    let deferred = "452 4.2.2 mailbox full";
    let both = vec![
        ("nobody@".to_owned(), refused.to_owned()),
        ("full@".to_owned(), deferred.to_owned()),
    ];
    let (sink, relay, user) = open(Script {
        recipients: both,
        ..Script::reading()
    });
    let to = [TO, "nobody@example.net", "full@example.net"];
    let (id, queue_id) = submit(&relay, &user, &to);
    assert_eq!(sink.delivery(&id).to.len(), 1, "only who was accepted");
    wait_shown(&relay, &queue_id, "three outcomes", |shown| {
        let text = shown.to_string();
        ["delivered", "failed", "deferred", "5.1.1"]
            .iter()
            .all(|word| text.contains(word))
    });
    // When there is room, the third gets its copy, and the first no second one.
    sink.set(Script::reading());
    wait::until("the third has its copy", wait::PATIENCE, || {
        sink.deliveries()
            .iter()
            .any(|it| it.to.iter().any(|to| to.contains("full@")))
    });
    let copies = sink.deliveries();
    let firsts = copies
        .iter()
        .filter(|it| it.to.iter().any(|to| to.contains("customer@")));
    assert_eq!(firsts.count(), 1);
}

#[test]
fn a_next_hop_that_hangs_up_is_tried_again() {
    for point in [Point::Greeting, Point::Mail, Point::Recipient, Point::Data] {
        let (sink, relay, user) = open(Script {
            hang_up: Some(point),
            ..Script::reading()
        });
        let (id, queue_id) = submit(&relay, &user, &[TO]);
        wait_shown(&relay, &queue_id, "an attempt has failed", |shown| {
            shown.to_string().contains("deferred")
        });
        sink.set(Script::reading());
        sink.delivery(&id);
        assert_eq!(sink.count(), 1, "{point:?}");
    }
}

#[test]
fn a_content_refused_for_now_is_tried_again_and_one_refused_for_good_is_not() {
    let refusing = |reply: &str| Script {
        content: Some(reply.to_owned()),
        ..Script::reading()
    };
    let (sink, relay, user) = open(refusing("451 4.3.0 try later"));
    let (id, queue_id) = submit(&relay, &user, &[TO]);
    wait_shown(&relay, &queue_id, "an attempt has failed", |shown| {
        shown.to_string().contains("deferred")
    });
    sink.set(Script::reading());
    sink.delivery(&id);
    sink.set(refusing("554 5.6.0 not here"));
    let (_, queue_id) = submit(&relay, &user, &[TO]);
    wait_shown(&relay, &queue_id, "it has failed", |shown| {
        shown["status"] == "failed"
    });
}

#[test]
fn connections_to_the_next_hop_are_used_again() {
    let (sink, relay, user) = open(Script::reading());
    let mut client = relay.login(&user);
    for number in 0..200 {
        let content = message::short(FROM, TO, &message::id("many", number));
        client.submit(FROM, &[TO], &content, "250");
    }
    sink.wait_for(200, wait::PATIENCE);
    let connections = sink.log(|log| log.connections());
    assert!(
        connections < 60,
        "{connections} connections for 200 messages"
    );
}

#[test]
fn mail_for_the_maildir_lies_there() {
    let relay = Relay::start(&Setup::maildir());
    let user = relay.add_shop_user(&[]);
    submit(&relay, &user, &[TO]);
    let folder = relay.folder().join("mail/example.net/customer/new");
    wait::until("the file is there", wait::PATIENCE, || {
        std::fs::read_dir(&folder).is_ok_and(|entries| entries.count() == 1)
    });
}

#[test]
fn a_message_of_25_mb_arrives_whole() {
    let (sink, relay, user) = open(Script::reading());
    let id = message::id("large", 0);
    let line = "0123456789abcdef".repeat(4) + "\r\n";
    let body = line.repeat(24 * 1024 * 1024 / line.len());
    let content = format!("{}{body}", message::short(FROM, TO, &id));
    relay
        .login(&user)
        .submit(FROM, &[TO], &content, "250 2.0.0 queued as ");
    let delivery = sink.delivery(&id);
    assert!(
        delivery.size >= content.len() && delivery.size < content.len() + 4096,
        "{} octets of {}",
        delivery.size,
        content.len()
    );
}
