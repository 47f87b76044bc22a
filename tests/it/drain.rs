//! A relay that is told to end lets messages arrive that are on their way, and keeps nobody waiting.

use std::io::Read;
use std::net::TcpStream;

use gatepost_tests::client::Client;
use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User, free_port};
use gatepost_tests::sink::{Script, Sink};

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";

/// A relay with these tables in its config, a user of it, and its next hop, which is down.
fn relay(tables: &str) -> (Sink, Relay, User) {
    let sink = Sink::start(Script::reading()).expect("a port");
    sink.stop();
    let setup = Setup::smarthost(sink.port()).retrying_soon().with(tables);
    let relay = Relay::start(&setup);
    let user = relay.add_shop_user(&[]);
    (sink, relay, user)
}

/// A session in the middle of this content.
fn in_content(relay: &Relay, user: &User, first_half: &str) -> Client {
    let mut client = relay.login(user);
    client.say(&format!("MAIL FROM:<{FROM}>"), "250");
    client.say(&format!("RCPT TO:<{TO}>"), "250");
    client.say("DATA", "354");
    let sent = client.try_send(first_half.as_bytes());
    sent.expect("the relay reads");
    client
}

#[test]
fn idle_sessions_end_at_once_and_a_message_on_its_way_arrives() {
    let (sink, mut relay, user) = relay("");
    let id = message::id("drain", 0);
    let content = message::short(FROM, TO, &id);
    let (first, second) = content.split_at(content.len() / 2);
    let mut stranger = relay.connect();
    let mut idle = relay.login(&user);
    let mut busy = in_content(&relay, &user, first);
    relay.ask_to_end();
    for client in [&mut stranger, &mut idle] {
        client.expect("421 4.3.2");
        client.expect_end();
    }
    assert!(relay.is_running(), "a message is on its way");
    busy.send(format!("{second}\r\n.\r\n").as_bytes(), "250 2.0.0 queued");
    busy.expect("421 4.3.2");
    busy.expect_end();
    assert_eq!(relay.wait_for_end().code(), Some(0));
    relay.restart();
    sink.restart();
    sink.delivery(&id);
}

#[test]
fn a_handshake_that_does_not_end_keeps_nobody_waiting() {
    const PATIENT: &str = "\n[submission]\ndrain-s = 600\nhandshake-timeout-s = 600\n";
    let port = free_port();
    let implicit = format!(
        "\n[[listener]]\naddress = \"127.0.0.1\"\nports = [\"{port}\"]\ntls = \"implicit\"\n"
    );
    let (_sink, mut relay, user) = relay(&format!("{PATIENT}{implicit}"));
    let mut upgrading = relay.connect();
    upgrading.ehlo();
    upgrading.say("STARTTLS", "220");
    let mut silent = TcpStream::connect(("127.0.0.1", port)).expect("the relay listens");
    // Connections to the port are served in their order: the silent one is in its handshake by now.
    let mut encrypted = Client::try_connect_tls(port).expect("a greeting under TLS");
    encrypted.login(&user.username, &user.password);
    relay.ask_to_end();
    assert_eq!(relay.wait_for_end().code(), Some(0));
    upgrading.expect_end();
    assert_eq!(
        silent.read(&mut [0]).ok().filter(|octets| *octets > 0),
        None
    );
    let log = relay.log();
    assert!(!log.contains("some sessions did not end in time"), "{log}");
}

#[test]
fn a_message_that_does_not_end_is_cut_when_the_time_is_over() {
    let (_sink, mut relay, user) = relay("\n[submission]\ndrain-s = 1\n");
    let mut busy = in_content(&relay, &user, "Subject: endless\r\n");
    relay.ask_to_end();
    busy.expect_end();
    assert_eq!(relay.wait_for_end().code(), Some(0));
    let log = relay.log();
    assert!(log.contains("some sessions did not end in time"), "{log}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (_sink, mut relay, user) = relay("\n[submission]\ndrain-s = 600\n");
    let mut idle = relay.login(&user);
    let mut busy = in_content(&relay, &user, "Subject: endless\r\n");
    relay.ask_to_end();
    idle.expect("421 4.3.2");
    assert!(relay.is_running(), "a message is on its way");
    relay.ask_to_end();
    assert_eq!(relay.wait_for_end().code(), Some(1));
    busy.expect_end();
}
