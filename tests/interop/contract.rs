//! What every client must manage with the relay, and what its user must see when it cannot.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::client::{Client, Login, Mail, Shown};
use crate::desk::{AUTHORIZED, Desk, Security, UNAUTHORIZED};

/// Letters of two, three and four octets.
const SUBJECT: &str = "Grüße aus Köln – 你好 🎉";
const TEXT: &str = "Thank you, Jürgen: 12 €";

/// One test for each promise, for the client in this constant.
macro_rules! contract {
    ($client:expr) => {
        #[test]
        fn a_message_arrives_as_it_was_written() {
            crate::contract::a_message_arrives_as_it_was_written(&$client);
        }

        #[test]
        fn an_attachment_arrives_octet_by_octet() {
            crate::contract::an_attachment_arrives_octet_by_octet(&$client);
        }

        #[test]
        fn an_urgent_message_is_queued_as_urgent() {
            crate::contract::an_urgent_message_is_queued_as_urgent(&$client);
        }

        #[test]
        fn the_user_sees_why_a_sender_is_refused() {
            crate::contract::the_user_sees_why_a_sender_is_refused(&$client);
        }

        #[test]
        fn the_user_sees_that_the_password_is_wrong() {
            crate::contract::the_user_sees_that_the_password_is_wrong(&$client);
        }
    };
}

fn mail() -> Mail {
    Mail {
        from: AUTHORIZED,
        subject: SUBJECT,
        text: TEXT,
        attachment: None,
        is_urgent: false,
    }
}

/// Over STARTTLS, by PLAIN.
pub fn a_message_arrives_as_it_was_written(client: &Client) {
    let Some(desk) = desk(client) else { return };
    let login = login(&desk, Security::Starttls, "plain");
    succeeds(&client.send(&desk, login, &mail()));
    let received = desk.received();
    assert_eq!(received.text("subject").as_bytes(), SUBJECT.as_bytes());
    assert_eq!(received.text("text").trim_end(), TEXT);
    assert!(received.text("from").contains(AUTHORIZED), "{received:?}");
    assert_eq!(received.text("return-path"), format!("<{AUTHORIZED}>"));
    assert!(received.text("received").contains("ESMTPSA"));
    assert!(received.defects().is_empty(), "{received:?}");
    assert_eq!(desk.queued(&received)["priority"], 3);
}

/// By a mechanism that shows no password.
pub fn it_logs_in_without_showing_the_password(client: &Client, mechanism: &str) {
    let Some(desk) = desk(client) else { return };
    let login = login(&desk, Security::Starttls, mechanism);
    succeeds(&client.send(&desk, login, &mail()));
    assert_eq!(desk.received().text("subject"), SUBJECT);
}

/// Over implicit TLS, by LOGIN.
pub fn an_attachment_arrives_octet_by_octet(client: &Client) {
    let Some(desk) = desk(client) else { return };
    let login = login(&desk, Security::Implicit, "login");
    let file = desk.attachment();
    let octets = std::fs::read(&file).expect("the attachment is there");
    let attached = Mail {
        attachment: Some(file),
        ..mail()
    };
    succeeds(&client.send(&desk, login, &attached));
    let received = desk.received();
    let expected = [("invoice.pdf", STANDARD.encode(octets))];
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, it)| (*name, it.as_str()))
        .collect();
    assert_eq!(received.attachments(), expected);
    assert_eq!(received.text("text").trim_end(), TEXT);
    assert_eq!(received.text("subject"), SUBJECT);
}

/// By the mechanism that the client prefers.
pub fn an_urgent_message_is_queued_as_urgent(client: &Client) {
    let Some(desk) = desk(client) else { return };
    let login = login(&desk, Security::Starttls, "");
    let urgent = Mail {
        is_urgent: true,
        ..mail()
    };
    succeeds(&client.send(&desk, login, &urgent));
    let received = desk.received();
    assert_eq!(desk.queued(&received)["priority"], 1);
    assert!(received.text("x-priority").starts_with('1'), "{received:?}");
}

pub fn the_user_sees_why_a_sender_is_refused(client: &Client) {
    let Some(desk) = desk(client) else { return };
    let login = login(&desk, Security::Starttls, "");
    let foreign = Mail {
        from: UNAUTHORIZED,
        ..mail()
    };
    let shown = client.send(&desk, login, &foreign);
    // Which address, whose, what would be allowed, what to do.
    let reason = format!(
        "the sender address {UNAUTHORIZED} (envelope sender: your From address, or the Return-Path \
         where set) is not authorized for user {}; allowed: example.com; change it to one of these \
         in your program's settings",
        desk.user.username
    );
    fails_with(&shown, &[&[reason.as_str()], client.refused].concat());
    assert!(desk.is_empty());
}

pub fn the_user_sees_that_the_password_is_wrong(client: &Client) {
    let Some(desk) = desk(client) else { return };
    let login = Login {
        password: "wrong",
        ..login(&desk, Security::Starttls, "")
    };
    let shown = client.send(&desk, login, &mail());
    fails_with(&shown, client.wrong_password);
    assert!(desk.is_empty());
}

/// A desk for a client that is installed.
fn desk(client: &Client) -> Option<Desk> {
    client.is_installed().then(Desk::open)
}

fn login<'a>(desk: &'a Desk, security: Security, mechanism: &'a str) -> Login<'a> {
    Login {
        security,
        mechanism,
        password: &desk.user.password,
    }
}

#[track_caller]
fn succeeds(shown: &Shown) {
    assert_eq!(shown.code, Some(0), "{}", shown.text);
}

/// A failure that the client reports in one line or several; breaks of lines do not count.
#[track_caller]
fn fails_with(shown: &Shown, parts: &[&str]) {
    assert_ne!(shown.code, Some(0), "{}", shown.text);
    assert!(!timed_out(shown), "it did not end by itself");
    let text = shown.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {}", shown.text);
    }
}

/// What `timeout` answers for a program that it had to end.
fn timed_out(shown: &Shown) -> bool {
    matches!(shown.code, Some(124 | 137) | None)
}
