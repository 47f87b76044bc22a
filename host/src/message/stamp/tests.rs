//! What a stamped message looks like, octet by octet.

use super::*;
use crate::message::compose::NewField;
use crate::message::edit::Edit;

const DATE: &str = "Date: Tue, 29 Feb 2000 00:00:00 +0000\r\n";
const MESSAGE_ID: &str = "Message-ID: <0f3k@relay.example>\r\n";
const COMPLETE: &str = "Date: x\r\nMessage-ID: <m@x>\r\n";
const RECEIVED: &str = "Received: from client.example ([192.0.2.7])\r\n\tby relay.example with ESMTPSA id 0f3k\r\n\tfor <to@example.net>;\r\n\tTue, 29 Feb 2000 00:00:00 +0000\r\n";

fn sample() -> Stamp<'static> {
    Stamp {
        hostname: "relay.example",
        helo: "client.example",
        client: Some(IpAddr::from([192, 0, 2, 7])),
        protocol: "ESMTPSA",
        id: "0f3k",
        recipient: Some("to@example.net"),
        received_at: Timestamp::from_millis(951_782_400_000),
        message_id_domain: "relay.example",
        mark_important: false,
        priority: None,
        tls: None,
        edits: &[],
    }
}

fn stamped(original: &str, with: &Stamp<'_>) -> String {
    let section = HeaderSection::parse(original.as_bytes()).expect("it is within the limits");
    String::from_utf8(stamp(&section, original.as_bytes(), with)).expect("it was text before")
}

/// The message after its Received field.
fn after_received(original: &str, with: &Stamp<'_>) -> String {
    let text = stamped(original, with);
    let received = with.received();
    text.strip_prefix(&received)
        .expect("Received comes first")
        .to_owned()
}

#[test]
fn received_tells_what_is_known() {
    let client_v6 = Some("2001:db8::1".parse().expect("it is an address"));
    let mapped = Some("::ffff:192.0.2.7".parse().expect("it is an address"));
    let cases = [
        (sample(), RECEIVED.to_owned()),
        (
            Stamp {
                client: mapped,
                ..sample()
            },
            RECEIVED.to_owned(),
        ),
        (
            Stamp {
                client: None,
                ..sample()
            },
            RECEIVED.replace(" ([192.0.2.7])", ""),
        ),
        (
            Stamp {
                client: client_v6,
                ..sample()
            },
            RECEIVED.replace("[192.0.2.7]", "[IPv6:2001:db8::1]"),
        ),
        (
            Stamp {
                recipient: None,
                ..sample()
            },
            RECEIVED.replace("\r\n\tfor <to@example.net>", ""),
        ),
        (
            Stamp {
                tls: Some("TLS_AES_128_GCM_SHA256"),
                ..sample()
            },
            RECEIVED.replace("net>;", "net>\r\n\ttls TLS_AES_128_GCM_SHA256;"),
        ),
        (
            Stamp {
                priority: Some(-3),
                ..sample()
            },
            RECEIVED.replace("net>;", "net>\r\n\tpriority -3;"),
        ),
        (
            Stamp {
                recipient: Some("a\r\nb@example.net"),
                ..sample()
            },
            RECEIVED.replace("to@", "ab@"),
        ),
    ];
    for (with, expected) in cases {
        assert_eq!(with.received(), expected);
    }
}

#[test]
fn a_helo_that_could_be_misread_is_not_repeated() {
    for helo in [
        "",
        "a b",
        "a)",
        "x\r\ny",
        "(",
        "caf\u{e9}",
        ";",
        &"a".repeat(256),
    ] {
        let with = Stamp { helo, ..sample() };
        assert!(
            with.received().starts_with("Received: from unknown ([192"),
            "{helo:?}"
        );
    }
    let with = Stamp {
        helo: "[192.0.2.9]",
        ..sample()
    };
    assert!(
        with.received()
            .starts_with("Received: from [192.0.2.9] ([192")
    );
}

#[test]
fn missing_fields_are_added_and_private_ones_removed() {
    let cases = [
        // (before, after the Received field)
        (
            format!("{COMPLETE}A: 1\r\n\r\nbody\r\n"),
            format!("{COMPLETE}A: 1\r\n\r\nbody\r\n"),
        ),
        (
            "A: 1\r\n\r\nbody".to_owned(),
            format!("{DATE}{MESSAGE_ID}A: 1\r\n\r\nbody"),
        ),
        (
            "date : x\r\n\r\n".to_owned(),
            format!("{MESSAGE_ID}date : x\r\n\r\n"),
        ),
        (
            "MESSAGE-ID: <m@x>\r\n\r\n".to_owned(),
            format!("{DATE}MESSAGE-ID: <m@x>\r\n\r\n"),
        ),
        (
            "Date:\r\nMessage-ID: \r\n \r\n\r\n".to_owned(),
            format!("{DATE}{MESSAGE_ID}\r\n"),
        ),
        (
            format!("Bcc: a@b\r\n{COMPLETE}\r\n"),
            format!("{COMPLETE}\r\n"),
        ),
        (
            format!("{COMPLETE}bcc : a@b,\r\n\tc@d\r\n \r\nA: 1\r\n\r\nx"),
            format!("{COMPLETE}A: 1\r\n\r\nx"),
        ),
        (
            format!("{COMPLETE}BCC:\r\nBcc: a@b\r\n\r\nBcc: c@d\r\n"),
            format!("{COMPLETE}\r\nBcc: c@d\r\n"),
        ),
        (
            format!("{COMPLETE}Resent-Bcc: a@b\r\n\r\n"),
            format!("{COMPLETE}\r\n"),
        ),
        (
            format!("Return-Path: <a@b>\r\n{COMPLETE}\r\n"),
            format!("{COMPLETE}\r\n"),
        ),
        (
            format!("{COMPLETE}X-Bcc: a@b\r\n\r\n"),
            format!("{COMPLETE}X-Bcc: a@b\r\n\r\n"),
        ),
        (format!("{COMPLETE}Bcc: a@b"), format!("{COMPLETE}\r\n")),
        // Headers that end in other ways than by a blank line.
        (COMPLETE.to_owned(), format!("{COMPLETE}\r\n")),
        (format!("{COMPLETE}A: 1"), format!("{COMPLETE}A: 1\r\n\r\n")),
        (
            format!("{COMPLETE}text\r\nBcc: a@b\r\n"),
            format!("{COMPLETE}\r\ntext\r\nBcc: a@b\r\n"),
        ),
        (
            "text\r\n".to_owned(),
            format!("{DATE}{MESSAGE_ID}\r\ntext\r\n"),
        ),
        (
            "\r\ntext\r\n".to_owned(),
            format!("{DATE}{MESSAGE_ID}\r\ntext\r\n"),
        ),
        (String::new(), format!("{DATE}{MESSAGE_ID}\r\n")),
        (
            format!("From a@b now\r\n{COMPLETE}\r\nx"),
            format!("{COMPLETE}\r\nx"),
        ),
        // What is not UTF-8 or not ours stays.
        (
            format!("{COMPLETE}Received: x\r\n\r\n"),
            format!("{COMPLETE}Received: x\r\n\r\n"),
        ),
        (
            format!("{COMPLETE}Subject: =?x?=\r\n\t y \r\n\r\n"),
            format!("{COMPLETE}Subject: =?x?=\r\n\t y \r\n\r\n"),
        ),
    ];
    for (before, after) in cases {
        assert_eq!(after_received(&before, &sample()), after, "{before:?}");
    }
}

#[test]
fn importance_is_marked_unless_the_client_said_something() {
    let with = Stamp {
        mark_important: true,
        ..sample()
    };
    let marked = format!("X-Priority: 1\r\nImportance: high\r\n{COMPLETE}\r\nx");
    assert_eq!(after_received(&format!("{COMPLETE}\r\nx"), &with), marked);
    for own in [
        "X-Priority: 3",
        "Importance: low",
        "Priority: urgent",
        "x-msmail-priority : High",
    ] {
        let text = format!("{COMPLETE}{own}\r\n\r\nx");
        assert_eq!(after_received(&text, &with), text, "{own}");
    }
    let text = format!("{COMPLETE}\r\nx");
    assert_eq!(after_received(&text, &sample()), text);
}

#[test]
fn octets_of_other_charsets_pass_unchanged() {
    let original = b"Date: x\r\nMessage-ID: y\r\nSubject: caf\xe9\r\n\r\n\xff\x00\r\n";
    let section = HeaderSection::parse(original).expect("it is within the limits");
    let stamped = stamp(&section, original, &sample());
    assert!(stamped.ends_with(original));
}

#[test]
fn a_stamped_message_reads_as_the_original_did() {
    let originals = [
        "From: a@b\r\nBcc: c@d\r\n\r\nFrom: e@f\r\n",
        "From: a@b\r\ntext\r\nFrom: e@f\r\n\r\n",
        "text\r\nFrom: e@f\r\n\r\n",
        "From: a@b",
        "From x\r\nFrom: a@b\r\n \r\nSender: c@d\r\n\r\n",
    ];
    for original in originals {
        let before = HeaderSection::parse(original.as_bytes()).expect("it is within the limits");
        let text = stamped(original, &sample());
        let after = HeaderSection::parse(text.as_bytes()).expect("it is within the limits");
        assert_eq!(after.originators(), before.originators(), "{original:?}");
        assert_eq!(
            &text[after.body_offset()..],
            &original[before.body_offset()..],
            "{original:?}"
        );
    }
}

/// Every sequence of six pieces that headers are made of.
#[test]
fn no_original_reads_differently_after_it_is_stamped() {
    const PIECES: [&str; 8] = ["From", "Bcc", ":", " ", "\r\n", "a@b", "From ", "\t"];
    for number in 0..8_usize.pow(6) {
        let original: String = (0..6)
            .map(|place| PIECES[number >> (3 * place) & 7])
            .collect();
        let before = HeaderSection::parse(original.as_bytes()).expect("it is within the limits");
        let octets = stamp(&before, original.as_bytes(), &sample());
        let after = HeaderSection::parse(&octets).expect("it is within the limits");
        assert_eq!(after.originators(), before.originators(), "{original:?}");
        assert!(!after.has("Bcc") && after.has("Date"), "{original:?}");
        let body = &octets[after.body_offset()..];
        assert_eq!(
            body,
            &original.as_bytes()[before.body_offset()..],
            "{original:?}"
        );
    }
}

#[test]
fn edits_are_made_in_order_and_by_the_names_of_fields() {
    let field = |name, value| NewField::text(name, value).expect("a field");
    let original = "X-A: 1\r\nSubject: old\r\nx-a: 2\r\n folded\r\nDate: x\r\nMessage-ID: <m@x>\r\n\r\nbody\r\n";
    let edits = [
        Edit::Remove("x-A".to_owned()),
        Edit::AddMissing(field("Subject", "not added")),
        Edit::Remove("Subject".to_owned()),
        Edit::AddMissing(field("Subject", "new")),
        Edit::Add(field("X-B", "1")),
        Edit::Remove("X-B".to_owned()),
        Edit::Add(field("X-B", "2")),
    ];
    let with = Stamp {
        edits: &edits,
        ..sample()
    };
    assert_eq!(
        after_received(original, &with),
        "Date: x\r\nMessage-ID: <m@x>\r\nSubject: new\r\nX-B: 2\r\n\r\nbody\r\n"
    );
}

#[test]
fn a_priority_that_came_by_an_edit_is_the_only_one() {
    let edits = [Edit::Add(
        NewField::text("Importance", "low").expect("a field"),
    )];
    let with = Stamp {
        edits: &edits,
        mark_important: true,
        ..sample()
    };
    let text = stamped("Date: x\r\n\r\n", &with);
    assert!(
        text.contains("Importance: low\r\n") && !text.contains("high"),
        "{text}"
    );
}
