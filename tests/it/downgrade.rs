//! Next hops that take less than a message is: it arrives encoded down and says what it said, or is returned.

use gatepost_tests::client::Client;
use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup};
use gatepost_tests::sink::{Delivery, Script, Sink};
use gatepost_tests::wait;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";

/// Submits the content to a relay whose next hop offers and withholds these: what that got first.
fn sent(mail: &str, content: &str, offers: &[&'static str]) -> Delivery {
    let script = Script {
        keep: 8 * 1024 * 1024,
        ..Script::reading()
            .withholding(&["8BITMIME"])
            .offering(offers)
    };
    let sink = Sink::start(script).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()).retrying_soon());
    let mut client = relay.login(&relay.add_shop_user(&[]));
    submit(&mut client, mail, content);
    wait::until_some("something has arrived", wait::PATIENCE, || {
        sink.deliveries().into_iter().next()
    })
}

/// By BDAT, so that content of any kind passes.
fn submit(client: &mut Client, mail: &str, content: &str) {
    client.say(&format!("MAIL FROM:<{FROM}>{mail}"), "250");
    client.say(&format!("RCPT TO:<{TO}>"), "250");
    let chunk = format!("BDAT {} LAST\r\n{content}", content.len());
    client.send(chunk.as_bytes(), "250 2.0.0 queued as ");
}

fn with(fields: &str, body: &str) -> String {
    let id = message::id("down", 0);
    let content = message::with_fields(&format!("From: {FROM}\r\nTo: {TO}\r\n{fields}"), &id);
    content.replace("Hello.\r\n", body)
}

#[test]
fn eight_bit_text_arrives_as_quoted_printable_also_when_its_client_said_nothing_of_it() {
    for mail in [" BODY=8BITMIME", "", " BODY=7BIT"] {
        let fields = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
                      Content-Transfer-Encoding: 8bit\r\n";
        let delivery = sent(
            mail,
            &with(fields, "Viele Gr\u{fc}\u{df}e an alle\r\n"),
            &[],
        );
        assert!(delivery.content.is_ascii(), "{}", delivery.text());
        assert!(!delivery.from.contains("BODY="), "{}", delivery.from);
        assert_eq!(
            delivery.fields("content-transfer-encoding"),
            ["quoted-printable"]
        );
        assert!(
            delivery
                .text()
                .ends_with("\r\n\r\nViele Gr=C3=BC=C3=9Fe an alle\r\n")
        );
    }
}

#[test]
fn undeclared_eight_bit_text_is_declared_to_who_takes_it() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()));
    let mut client = relay.login(&relay.add_shop_user(&[]));
    submit(&mut client, "", &with("", "Gr\u{fc}\u{df}e\r\n"));
    let delivery = sink.delivery(&message::id("down", 0));
    assert!(
        delivery.from.contains(" BODY=8BITMIME"),
        "{}",
        delivery.from
    );
    assert!(delivery.text().ends_with("\r\n\r\nGr\u{fc}\u{df}e\r\n"));
}

#[test]
fn a_large_message_is_encoded_down_as_it_streams() {
    let fields = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n";
    let line = "A line of text with an \u{fc} in it, and a good many more words.\r\n";
    let body = format!(
        "--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{}--x\r\n\r\nplain\r\n--x--\r\n",
        line.repeat(50_000)
    );
    let delivery = sent(" BODY=8BITMIME", &with(fields, &body), &[]);
    let text = delivery.text();
    assert!(text.is_ascii());
    let decoded = text.replace("=\r\n", "").replace("=C3=BC", "\u{fc}");
    assert_eq!(decoded.matches(line.trim_end()).count(), 50_000);
    assert!(
        text.ends_with("--x\r\n\r\nplain\r\n--x--\r\n"),
        "the rest is as it was"
    );
    // MAIL told the size of what came.
    assert!(
        delivery
            .from
            .ends_with(&format!(" SIZE={}", delivery.octets().len()))
    );
}

#[test]
fn what_is_signed_is_returned_with_the_reason_where_it_would_have_to_change() {
    let fields =
        "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=x; protocol=\"a/b\"\r\n";
    let signed = |text: &str| format!("--x\r\n\r\n{text}\r\n--x\r\n\r\nsignature\r\n--x--\r\n");
    let notice = sent(
        " BODY=8BITMIME",
        &with(fields, &signed("Gr\u{fc}\u{df}e")),
        &[],
    );
    assert!(notice.from.starts_with("<>"), "{}", notice.from);
    for part in [
        "Status: 5.6.3\r\n",
        "signed or encrypted",
        "What you can do: ",
    ] {
        assert!(notice.text().contains(part), "{part}: {}", notice.text());
    }
    let delivery = sent(" BODY=8BITMIME", &with(fields, &signed("plain")), &[]);
    assert!(
        delivery.text().ends_with(&signed("plain")),
        "{}",
        delivery.text()
    );
}

#[test]
fn binary_content_arrives_as_it_is_or_as_base64() {
    let fields = "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n\
                  Content-Transfer-Encoding: binary\r\n";
    let content = with(fields, "\0bare \n and \r\r\n.\r\n");
    let as_it_is = sent(" BODY=BINARYMIME", &content, &["CHUNKING", "BINARYMIME"]);
    assert!(as_it_is.text().ends_with("\0bare \n and \r\r\n.\r\n"));
    assert!(as_it_is.from.contains(" BODY=BINARYMIME"));
    for offers in [&[][..], &["CHUNKING"], &["SMTPUTF8"]] {
        let encoded = sent(" BODY=BINARYMIME", &content, offers);
        assert!(
            encoded
                .text()
                .ends_with("\r\n\r\nAGJhcmUgCiBhbmQgDQ0KLg0K\r\n"),
            "{}",
            encoded.text()
        );
        assert_eq!(encoded.fields("content-transfer-encoding"), ["base64"]);
    }
}

#[test]
fn a_header_beyond_ascii_is_encoded_where_it_is_not_known() {
    let fields = "Cc: Gr\u{fc}\u{df}e <k@b\u{fc}cher.example>\r\nX-Note: \u{fc}\r\n";
    let delivery = sent(" SMTPUTF8", &with(fields, "x\r\n"), &[]);
    assert!(!delivery.from.contains("SMTPUTF8"), "{}", delivery.from);
    assert_eq!(
        delivery.fields("cc"),
        ["=?utf-8?B?R3LDvMOfZQ==?= <k@xn--bcher-kva.example>"]
    );
    assert_eq!(delivery.fields("x-note"), ["=?utf-8?B?w7w=?="]);
    let delivery = sent(" SMTPUTF8", &with(fields, "x\r\n"), &["SMTPUTF8"]);
    assert_eq!(delivery.fields("x-note"), ["\u{fc}"]);
}

#[test]
fn an_address_without_a_form_in_ascii_returns_the_message_with_the_reason() {
    let fields = "Cc: m\u{fc}ller@b.example\r\n";
    let notice = sent(" SMTPUTF8", &with(fields, "x\r\n"), &[]);
    assert!(notice.from.starts_with("<>"), "{}", notice.from);
    assert!(
        notice.content.is_ascii(),
        "the notification is encoded down too"
    );
    assert!(
        notice.text().contains("Status: 5.6.7\r\n"),
        "{}",
        notice.text()
    );
    assert!(
        notice.text().contains("message/global-headers"),
        "{}",
        notice.text()
    );
}
