//! What a sender gets of a failure, as a program that is not ours reads it: Python's email package.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup};
use gatepost_tests::sink::{Delivery, Script, Sink};
use gatepost_tests::wait;
use serde_json::Value;

const FROM: &str = "orders@example.com";

/// Sends to recipients of whom `nobody@` is refused; the notification, and how Python reads it.
fn notified(mail: &str, to: &[&str], offers: &[&'static str]) -> (Delivery, Value) {
    let script = Script {
        recipients: vec![(
            "nobody@".into(),
            "550 5.1.1 there is nobody of that name".into(),
        )],
        ..Script::reading().offering(offers)
    };
    let sink = Sink::start(script).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()).retrying_soon());
    let mut client = relay.login(&relay.add_shop_user(&[]));
    client.say(&format!("MAIL FROM:<{FROM}>{mail}"), "250");
    for one in to {
        client.say(&format!("RCPT TO:{one}"), "250");
    }
    client.say("DATA", "354");
    let content = message::short(FROM, "nobody@example.net", &message::id("notice", 0));
    client.send(format!("{content}.\r\n").as_bytes(), "250 2.0.0 queued as ");
    let notice = wait::until_some("the sender is told", wait::PATIENCE, || {
        let all = sink.deliveries();
        all.into_iter().find(|one| one.from.starts_with("<>"))
    });
    let read = read(&notice.octets());
    (notice, read)
}

fn read(octets: &[u8]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/read-notice.py");
    let mut child = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed by tests/needs");
    let mut stdin = child.stdin.take().expect("it was piped");
    stdin.write_all(octets).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_failure_is_a_report_that_others_can_read() {
    let to = [
        "<nobody@example.net> NOTIFY=FAILURE ORCPT=rfc822;No+2Bbody@example.net",
        "<nobody@example.org>",
        "<somebody@example.net>",
    ];
    let (notice, read) = notified(" RET=FULL ENVID=QQ+2B1", &to, &[]);
    assert_eq!(read["defects"].as_array().map(Vec::len), Some(0), "{read}");
    let expected = [
        ("type", "multipart/report"),
        ("report", "delivery-status"),
        ("to", "orders@example.com"),
        ("auto", "auto-replied"),
        ("status", "message/delivery-status"),
        ("returned", "message/rfc822"),
    ];
    for (key, value) in expected {
        assert_eq!(read[key], value, "{read}");
    }
    assert_eq!(read["message"]["reporting-mta"], "dns; relay.example.com");
    assert_eq!(read["message"]["original-envelope-id"], "QQ+1");
    let recipients = read["recipients"].as_array().expect("a list");
    assert_eq!(recipients.len(), 2, "{read}");
    assert_eq!(
        recipients[0]["original-recipient"],
        "rfc822; No+body@example.net"
    );
    for (one, address) in recipients
        .iter()
        .zip(["nobody@example.net", "nobody@example.org"])
    {
        let expected = [
            ("final-recipient", format!("rfc822; {address}")),
            ("action", "failed".to_owned()),
            ("status", "5.1.1".to_owned()),
            ("remote-mta", "dns; 127.0.0.1".to_owned()),
            (
                "diagnostic-code",
                "smtp; 550 5.1.1 there is nobody of that name".to_owned(),
            ),
        ];
        for (key, value) in expected {
            assert_eq!(one[key], value, "{read}");
        }
    }
    let explanation = read["explanation"].as_str().expect("a text");
    for part in [
        "I am sorry",
        "nobody@example.net",
        "127.0.0.1 refused it and said: 550 5.1.1 there is nobody",
        "What you can do: check the address",
    ] {
        assert!(
            explanation.contains(part),
            "{part:?} is missing in\n{explanation}"
        );
    }
    assert!(!explanation.contains("somebody@"), "{explanation}");
    assert!(notice.from.starts_with("<>"));
    assert!(!notice.from.contains("RET=") && !notice.from.contains("ENVID="));
}

#[test]
fn an_international_failure_is_read_as_one() {
    let to = ["<nobody@b\u{fc}cher.example> NOTIFY=FAILURE"];
    for offers in [&["SMTPUTF8"][..], &[]] {
        let (notice, read) = notified(" SMTPUTF8", &to, offers);
        assert_eq!(read["status"], "message/global-delivery-status", "{read}");
        let recipient = &read["recipients"][0];
        assert_eq!(
            recipient["final-recipient"],
            "utf-8; nobody@b\u{fc}cher.example",
            "{}",
            notice.text()
        );
        assert_eq!(notice.from.contains(" SMTPUTF8"), !offers.is_empty());
    }
}
