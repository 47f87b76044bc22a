//! Memory and time are bounded, whatever clients do at once.

use std::io;
use std::time::Duration;

use gatepost_tests::client::Client;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";
/// Uploads at the same time.
const UPLOADS: usize = 100;
/// Octets of each of them.
const SIZE: usize = 25_000_000;
/// What the relay may have resident at most, in KiB.
const MAX_RESIDENT_KIB: u64 = 400 * 1024;
/// Octets of one write; small, so that all uploads advance together.
const BLOCK: usize = 64 * 1024;
/// The next hop must have them all within this time.
const DRAIN_LIMIT: Duration = Duration::from_secs(120);

#[test]
#[ignore = "writes 2.5 GB and takes about a minute; tests/run runs it"]
fn a_hundred_uploads_of_25_mb_stay_under_400_mb_resident() {
    let sink = Sink::start(Script::default()).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()));
    let user = relay.add_shop_user(&[]);
    let accepted = std::thread::scope(|scope| {
        let uploads: Vec<_> = (0..UPLOADS)
            .map(|_| scope.spawn(|| upload(relay.port(), &user)))
            .collect();
        let results = uploads.into_iter().map(|it| it.join().expect("no panic"));
        results
            .map(|result| result.expect("a reply"))
            .filter(|&code| code == 250)
            .count()
    });
    let uploaded_kib = relay.peak_memory_kib();
    println!(
        "{accepted} of {UPLOADS} accepted, peak {} MiB",
        uploaded_kib / 1024
    );
    assert!(accepted > 0, "none was accepted");
    sink.wait_for(accepted, DRAIN_LIMIT);
    let delivered_kib = relay.peak_memory_kib();
    println!("all delivered, peak {} MiB", delivered_kib / 1024);
    assert!(
        delivered_kib < MAX_RESIDENT_KIB,
        "{delivered_kib} KiB resident"
    );
    assert_eq!(accepted, UPLOADS, "some were refused");
}

/// Uploads one message: the code of the reply to the final dot.
fn upload(port: u16, user: &User) -> io::Result<u16> {
    let mut client = Client::try_connect(port)?;
    client.try_login(&user.username, &user.password)?;
    client.try_send(format!("MAIL FROM:<{FROM}> SIZE={SIZE}\r\n").as_bytes())?;
    client.try_reply()?;
    client.try_send(format!("RCPT TO:<{TO}>\r\n").as_bytes())?;
    client.try_reply()?;
    client.try_send(b"DATA\r\n")?;
    client.try_reply()?;
    client.try_send(format!("From: {FROM}\r\nSubject: large\r\n\r\n").as_bytes())?;
    let block: Vec<u8> = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n"
        .iter()
        .copied()
        .cycle()
        .take(BLOCK)
        .collect();
    for _ in 0..SIZE / BLOCK {
        client.try_send(&block)?;
    }
    client.try_send(b".\r\n")?;
    Ok(client.try_reply()?.code)
}

#[test]
fn a_message_over_the_size_limit_is_refused_before_and_after_the_upload() {
    let sink = Sink::start(Script::default()).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()));
    let user = relay.add_shop_user(&[]);
    let mut client = relay.connect();
    let offers = client.ehlo();
    let size = offers.iter().find_map(|it| it.strip_prefix("SIZE "));
    let limit: u64 = size.and_then(|text| text.parse().ok()).expect("SIZE n");
    assert!(limit >= 25_000_000, "{limit}");
    client.login(&user.username, &user.password);
    client.say(
        &format!("MAIL FROM:<{FROM}> SIZE={}", limit + 1),
        "552 5.3.4",
    );
    client.say(&format!("MAIL FROM:<{FROM}>"), "250");
}

#[test]
fn a_line_without_an_end_is_refused_and_does_not_fill_the_memory() {
    let sink = Sink::start(Script::default()).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()));
    let mut client = relay.connect();
    client.ehlo();
    let block = vec![b'x'; 1024 * 1024];
    for _ in 0..64 {
        // The relay may hang up while this is being sent.
        if client.try_send(&block).is_err() {
            break;
        }
    }
    assert!(relay.peak_memory_kib() < MAX_RESIDENT_KIB);
    relay.connect().ehlo();
}

#[test]
fn recipients_beyond_the_limit_are_refused_one_by_one() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()));
    let user = relay.add_shop_user(&[]);
    let mut client = relay.login(&user);
    client.say(&format!("MAIL FROM:<{FROM}>"), "250");
    let mut refused = 0;
    for number in 0..120 {
        let line = format!("RCPT TO:<r{number}@example.net>\r\n");
        client.try_send(line.as_bytes()).expect("it goes on");
        let reply = client.try_reply().expect("a reply");
        if !reply.is_positive() {
            assert_eq!(reply.code, 452, "{reply}");
            refused += 1;
        }
    }
    // RFC 5321 §4.5.3.1.8: a hundred are taken.
    assert_eq!(refused, 20);
    client.say("RSET", "250");
}
