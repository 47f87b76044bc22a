//! What a client asks for by ESMTP parameters, on its way through the queue to next hops that offer
//! to hear of it and to others that do not.

use std::path::Path;

use gatepost_tests::client::Client;
use gatepost_tests::message;
use gatepost_tests::postfix::Postfix;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Delivery, Script, Sink};
use gatepost_tests::wait;
use serde_json::Value;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";

fn open(offers: &[&'static str]) -> (Sink, Relay, User) {
    let sink = Sink::start(Script::reading().offering(offers)).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()).retrying_soon());
    let user = relay.add_shop_user(&[]);
    (sink, relay, user)
}

/// One transaction with these parameters of MAIL and RCPT: the queue id.
fn submit(client: &mut Client, mail: &str, to: &str, rcpt: &str, content: &str) -> String {
    client.say(&format!("MAIL FROM:<{FROM}>{mail}"), "250");
    client.say(&format!("RCPT TO:<{to}>{rcpt}"), "250");
    client.say("DATA", "354");
    let reply = client.send(format!("{content}.\r\n").as_bytes(), "250 2.0.0 queued as ");
    reply.queue_id().expect("a queue id").to_owned()
}

fn short(name: &str) -> (String, String) {
    let id = message::id(name, 0);
    let content = message::short(FROM, TO, &id);
    (id, content)
}

/// What `queue show` prints once the condition is fulfilled.
fn shown(relay: &Relay, queue_id: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait::until_some(what, wait::PATIENCE, || {
        let shown = relay.json(&["queue", "show", queue_id]);
        is_so(&shown).then_some(shown)
    })
}

/// The notification that the sink has taken.
fn notification(sink: &Sink) -> Delivery {
    wait::until_some("the notification has arrived", wait::PATIENCE, || {
        let all = sink.deliveries();
        all.into_iter().find(|one| one.from.starts_with("<>"))
    })
}

#[test]
fn a_next_hop_that_offers_it_is_told_what_the_client_said() {
    let (sink, relay, user) = open(&["DSN", "DELIVERBY", "MT-PRIORITY"]);
    let (id, content) = short("told");
    let queue_id = submit(
        &mut relay.login(&user),
        " RET=HDRS ENVID=QQ+2B1 BY=3600;N MT-PRIORITY=4",
        TO,
        " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Customer@example.net",
        &content,
    );
    let delivery = sink.delivery(&id);
    for part in [
        " RET=HDRS",
        " ENVID=QQ+2B1",
        ";N",
        " BY=3",
        " MT-PRIORITY=4",
    ] {
        assert!(delivery.from.contains(part), "{part}: {}", delivery.from);
    }
    assert_eq!(
        delivery.to,
        [format!(
            "<{TO}> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Customer@example.net"
        )]
    );
    let received = delivery.fields("received").remove(0);
    assert!(received.contains(" priority 4;"), "{received}");
    let shown = shown(&relay, &queue_id, "it is delivered", |shown| {
        shown["status"] == "delivered"
    });
    assert_eq!(shown["priority"], 1);
    assert_eq!(shown["parameters"]["ENVID"], "QQ+2B1");
    assert_eq!(shown["parameters"]["MT-PRIORITY"], "4");
    assert_eq!(
        shown["recipients"][0]["parameters"]["NOTIFY"],
        "SUCCESS,DELAY"
    );
    assert_eq!(sink.count(), 1, "the next hop tells the rest");
}

#[test]
fn a_next_hop_that_offers_nothing_is_told_nothing_and_the_sender_is() {
    let (sink, relay, user) = open(&[]);
    let (id, content) = short("plain");
    submit(
        &mut relay.login(&user),
        " ENVID=QQ+2B1 MT-PRIORITY=-1",
        TO,
        " NOTIFY=SUCCESS ORCPT=rfc822;Customer@example.net",
        &content,
    );
    let delivery = sink.delivery(&id);
    assert_eq!(delivery.to, [format!("<{TO}>")]);
    assert!(!delivery.from.contains("ENVID"), "{}", delivery.from);
    let notice = notification(&sink);
    assert_eq!(notice.to, [format!("<{FROM}>")]);
    for part in [
        "Original-Envelope-Id: QQ+1\r\n",
        "Original-Recipient: rfc822; Customer@example.net\r\n",
        "Action: relayed\r\n",
    ] {
        assert!(notice.text().contains(part), "{part}: {}", notice.text());
    }
}

#[test]
fn a_refusal_returns_the_whole_message_to_who_asked_for_it_and_nothing_to_who_did_not() {
    let (sink, relay, user) = open(&[]);
    sink.set(Script {
        recipients: vec![("nobody@".into(), "550 5.1.1 no such user".into())],
        ..Script::reading()
    });
    let mut client = relay.login(&user);
    let (_, content) = short("full");
    let silent = submit(
        &mut client,
        "",
        "nobody@example.net",
        " NOTIFY=NEVER",
        &content,
    );
    shown(&relay, &silent, "it has failed", |shown| {
        shown["status"] == "failed"
    });
    assert_eq!(sink.count(), 0);
    submit(&mut client, " RET=FULL", "nobody@example.net", "", &content);
    let notice = notification(&sink);
    assert!(
        notice.text().contains("message/rfc822"),
        "{}",
        notice.text()
    );
    assert!(notice.text().contains("Hello.\r\n"), "{}", notice.text());
}

#[test]
fn what_requires_tls_does_not_leave_without() {
    let (sink, relay, user) = open(&["REQUIRETLS"]);
    let mut client = relay.connect();
    client.ehlo();
    client.starttls();
    client.login(&user.username, &user.password);
    let (_, content) = short("tls");
    let queue_id = submit(&mut client, " REQUIRETLS", TO, "", &content);
    let shown = shown(&relay, &queue_id, "it has failed", |shown| {
        shown["status"] == "failed"
    });
    assert!(shown.to_string().contains("5.7.30"), "{shown}");
    assert!(notification(&sink).text().contains("Status: 5.7.30\r\n"));
    assert_eq!(sink.count(), 1, "the notification alone");
}

#[test]
fn mail_beyond_ascii_goes_where_it_is_known() {
    let to = "kundin@bücher.example";
    for (offers, expected) in [
        (&["SMTPUTF8"][..], "<kundin@bücher.example>"),
        (&[], "<kundin@xn--bcher-kva.example>"),
    ] {
        let (sink, relay, user) = open(offers);
        let (id, content) = short("utf8");
        submit(&mut relay.login(&user), " SMTPUTF8", to, "", &content);
        let delivery = sink.delivery(&id);
        assert_eq!(delivery.to, [expected]);
        assert_eq!(delivery.from.contains(" SMTPUTF8"), !offers.is_empty());
        let received = delivery.fields("received").remove(0);
        assert!(received.contains(" with UTF8SMTPA "), "{received}");
    }
}

#[test]
fn an_original_recipient_beyond_ascii_is_passed_on_and_told() {
    let orcpt = " NOTIFY=SUCCESS,FAILURE ORCPT=utf-8;kundin\\x{2B}neu@bücher.example";
    for (offers, passed_on) in [
        (&["SMTPUTF8", "DSN"][..], "bücher"),
        (&["DSN"], "b\\x{FC}cher"),
    ] {
        let (sink, relay, user) = open(offers);
        let (id, content) = short("orcpt");
        submit(&mut relay.login(&user), " SMTPUTF8", TO, orcpt, &content);
        let delivery = sink.delivery(&id);
        let expected = format!(" ORCPT=utf-8;kundin\\x{{2B}}neu@{passed_on}.example");
        assert!(delivery.to[0].ends_with(&expected), "{:?}", delivery.to);
    }
    let (sink, relay, user) = open(&["SMTPUTF8"]);
    let (_, content) = short("told");
    submit(&mut relay.login(&user), " SMTPUTF8", TO, orcpt, &content);
    let notice = notification(&sink);
    assert!(notice.text().contains("message/global-delivery-status"));
    let told = "Original-Recipient: utf-8; kundin+neu@bücher.example\r\n";
    assert!(notice.text().contains(told), "{}", notice.text());
}

#[test]
fn a_message_is_held_until_its_release_and_shown_so() {
    let (sink, relay, user) = open(&[]);
    let (id, content) = short("held");
    let mut client = relay.login(&user);
    let queue_id = submit(&mut client, " HOLDFOR=3", TO, "", &content);
    let shown = relay.json(&["queue", "show", &queue_id]);
    assert_eq!(shown["status"], "scheduled", "{shown}");
    assert!(shown["held_until"].is_string(), "{shown}");
    assert_eq!(sink.count(), 0);
    sink.delivery(&id);
    let (id, content) = short("past");
    let past = " HOLDUNTIL=2001-01-01T00:00:00Z";
    submit(&mut client, past, TO, "", &content);
    sink.delivery(&id);
}

#[test]
fn a_next_hop_that_keeps_no_deadlines_gets_nothing_with_one_of_mode_r() {
    let (sink, relay, user) = open(&[]);
    let (_, content) = short("deadline");
    let queue_id = submit(&mut relay.login(&user), " BY=600;R", TO, "", &content);
    let shown = shown(&relay, &queue_id, "it has failed", |shown| {
        shown["status"] == "failed"
    });
    assert!(shown.to_string().contains("5.4.7"), "{shown}");
    assert!(notification(&sink).text().contains("Deliver-By-Date: "));
    assert_eq!(sink.count(), 1, "the notification alone");
}

#[test]
fn what_is_not_delivered_in_time_is_given_up_in_mode_r() {
    let (sink, relay, user) = open(&["DELIVERBY"]);
    sink.set(Script {
        content: Some("451 4.3.0 come again".into()),
        ..Script::reading().offering(&["DELIVERBY"])
    });
    let (_, content) = short("deadline");
    let queue_id = submit(&mut relay.login(&user), " BY=3;R", TO, "", &content);
    shown(&relay, &queue_id, "its time is over", |shown| {
        shown["status"] == "expired"
    });
    sink.set(Script::reading());
    let notice = notification(&sink);
    assert!(
        notice.text().contains("Status: 5.4.7\r\n"),
        "{}",
        notice.text()
    );
}

#[test]
fn a_delivery_into_a_maildir_is_told_as_such() {
    let relay = Relay::start(&Setup::maildir());
    let user = relay.add_shop_user(&[]);
    let (_, content) = short("maildir");
    submit(&mut relay.login(&user), "", TO, " NOTIFY=SUCCESS", &content);
    let told = relay.folder().join("mail/example.com/orders/new");
    let text = wait::until_some("the sender is told", wait::PATIENCE, || first_file(&told));
    assert!(text.contains("Action: delivered\r\n"), "{text}");
}

fn first_file(folder: &Path) -> Option<String> {
    let mut entries = std::fs::read_dir(folder).ok()?;
    std::fs::read_to_string(entries.next()?.ok()?.path()).ok()
}

#[test]
fn postfix_takes_what_it_offers() {
    let sink = Sink::start(Script::reading().offering(&["DSN", "SMTPUTF8"])).expect("a port");
    let postfix = match Postfix::start(sink.port()) {
        Ok(postfix) => postfix,
        Err(error) if std::env::var_os("CI").is_none() => {
            return eprintln!("not run: {error:#}");
        }
        Err(error) => panic!("{error:#}"),
    };
    let login = Postfix::user();
    let setup = Setup::smarthost(postfix.port());
    let relay = Relay::prepare(&setup);
    let (name, password) = (&login.username, &login.password);
    let with_login = format!("tls = \"none\", username = {name:?}, password = {password:?} }}");
    let text = setup.to_toml(relay.port());
    relay.configure(&text.replace("tls = \"none\" }", &with_login));
    let mut relay = relay;
    relay.restart();
    let user = relay.add_shop_user(&[]);
    let (id, content) = short("postfix");
    submit(
        &mut relay.login(&user),
        " SMTPUTF8 RET=HDRS ENVID=QQ+2B1",
        "kundin@bücher.example",
        " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;k@example.net",
        &content,
    );
    let delivery = sink.delivery(&id);
    assert!(delivery.from.contains(" RET=HDRS"), "{}", delivery.from);
    assert!(delivery.from.contains(" ENVID=QQ+2B1"), "{}", delivery.from);
    let to = delivery.to.join(" ");
    assert!(to.contains(" NOTIFY=SUCCESS,FAILURE"), "{to}");
    assert!(to.contains(" ORCPT=rfc822;k@example.net"), "{to}");
}
