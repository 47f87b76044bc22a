//! Behind a proxy the client is who the proxy says; nobody else is believed.

use std::cell::Cell;
use std::io;

use gatepost_tests::client::Client;
use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";
const V1: &[u8] = b"PROXY TCP4 203.0.113.9 127.0.0.1 12345 25\r\n";
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A relay that believes `upstream`, with a user and the next hop.
struct Behind {
    sink: Sink,
    relay: Relay,
    user: User,
    /// Messages so far.
    messages: Cell<u64>,
}

impl Behind {
    fn start(upstream: &str, change: impl FnOnce(Setup) -> Setup) -> Self {
        let sink = Sink::start(Script::reading()).expect("a port");
        let setup = Setup::smarthost(sink.port())
            .listening(&format!("proxy-protocol = [\"{upstream}\"]\n"))
            .with("\n[intake]\nshow-client-address = true\n");
        let relay = Relay::start(&change(setup));
        let user = relay.add_shop_user(&[]);
        Self {
            sink,
            relay,
            user,
            messages: Cell::new(0),
        }
    }

    fn connect(&self, pieces: &[&[u8]]) -> io::Result<Client> {
        Client::try_connect_behind(self.relay.port(), pieces)
    }

    /// Submits one message: the Received field that the next hop sees.
    fn received(&self, mut client: Client) -> String {
        let number = self.messages.get();
        self.messages.set(number + 1);
        let id = message::id("behind", number);
        client.login(&self.user.username, &self.user.password);
        client.submit(FROM, &[TO], &message::short(FROM, TO, &id), "250");
        self.sink.delivery(&id).fields("Received").concat()
    }

    /// These pieces make the client be seen under this address.
    #[track_caller]
    fn assert_seen(&self, pieces: &[&[u8]], address: &str) {
        let client = self.connect(pieces).expect("a greeting");
        let received = self.received(client);
        assert!(received.contains(address), "{address} in {received}");
    }
}

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("a short header");
    let fixed = [command, family];
    [V2_SIGNATURE, &fixed, &length.to_be_bytes(), rest].concat()
}

fn v2_tcp4() -> Vec<u8> {
    let addresses = [198, 51, 100, 7, 127, 0, 0, 1, 0x30, 0x39, 0, 25];
    v2(0x21, 0x11, &addresses)
}

fn v2_tcp6() -> Vec<u8> {
    let source: std::net::Ipv6Addr = "2001:db8::9".parse().expect("an address");
    let rest = [&source.octets()[..], &[0; 16], &[0x30, 0x39, 0, 25]].concat();
    v2(0x21, 0x21, &rest)
}

#[test]
fn the_client_is_who_the_upstream_says() {
    let behind = Behind::start("127.0.0.0/8", |setup| setup);
    behind.assert_seen(&[V1], "203.0.113.9");
    let v1_tcp6 = b"PROXY TCP6 2001:db8::9 ::1 12345 25\r\n";
    behind.assert_seen(&[v1_tcp6], "2001:db8::9");
    behind.assert_seen(&[&v2_tcp4()], "198.51.100.7");
    behind.assert_seen(&[&v2_tcp6()], "2001:db8::9");
    behind.assert_seen(&V1.chunks(1).collect::<Vec<_>>(), "203.0.113.9");
    behind.assert_seen(&v2_tcp4().chunks(1).collect::<Vec<_>>(), "198.51.100.7");
    for told_nothing in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2 and more\r\n".to_vec(),
        v2(0x20, 0x00, &[]),
        v2(0x21, 0x31, &[b'/'; 216]),
    ] {
        behind.assert_seen(&[&told_nothing], "127.0.0.1");
    }
}

#[test]
fn an_upstream_without_a_valid_header_gets_no_session() {
    let behind = Behind::start("127.0.0.1", |setup| {
        setup.with("\n[submission]\nhandshake-timeout-s = 1\n")
    });
    let too_long = [b"PROXY UNKNOWN ".as_slice(), &[b'f'; 200], b"\r\n"].concat();
    for (octets, logged) in [
        (
            b"EHLO client.example.com\r\n".to_vec(),
            "does not begin with",
        ),
        (too_long, "longer than 107 octets"),
        (v2(0x21, 0x11, &[0; 600]), "longer than 552 octets"),
        (b"PROXY TCP4 203.0.113.9\r\n".to_vec(), "is malformed"),
        // Neither one that says nothing nor one that stops may wait for longer.
        (Vec::new(), "did not come in time"),
        (V1[..V1.len() - 1].to_vec(), "did not come in time"),
    ] {
        let before = behind.relay.log().len();
        let error = behind.connect(&[&octets]).err().expect("no greeting");
        let closed = [
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::BrokenPipe,
        ];
        assert!(closed.contains(&error.kind()), "{error}");
        let log = behind.relay.log().split_off(before);
        assert!(log.contains(logged), "`{logged}` in {log}");
        assert!(log.contains("127.0.0.1"), "{log}");
    }
    behind.assert_seen(&[V1], "203.0.113.9");
}

#[test]
fn nobody_but_the_named_upstreams_is_believed() {
    let behind = Behind::start("192.0.2.1", |setup| setup);
    let mut client = behind.connect(&[]).expect("a greeting without a header");
    client.send(V1, "500");
    let received = behind.received(client);
    assert!(received.contains("127.0.0.1"), "{received}");
    assert!(!received.contains("203.0.113.9"), "{received}");
}

#[test]
fn limits_of_an_address_count_the_told_address() {
    let behind = Behind::start("127.0.0.1", |setup| {
        setup.with("\n[submission]\nmax-connections-per-address = 1\n")
    });
    let _first = behind.connect(&[V1]).expect("the first of its address");
    let _other = behind.connect(&[&v2_tcp4()]).expect("another address");
    let error = behind.connect(&[V1]).err().expect("the second is refused");
    let told = error.to_string();
    assert!(
        told.contains("421 4.7.0 too many connections from 203.0.113.9"),
        "{told}"
    );
}

#[test]
fn implicit_tls_begins_behind_the_header() {
    let behind = Behind::start("127.0.0.1", |mut setup| {
        setup.tls = "implicit";
        setup
    });
    let client = Client::try_connect_tls_behind(behind.relay.port(), V1).expect("a greeting");
    let received = behind.received(client);
    assert!(received.contains("203.0.113.9"), "{received}");
}
