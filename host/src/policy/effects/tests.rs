//! What a policy may ask for, and what the next one sees of it.

use super::*;
use crate::message::{HeaderSection, Stamp, stamp};

fn address(full: &str) -> Address {
    let (local, domain) = full.rsplit_once('@').expect("an address");
    Address {
        full: full.to_owned(),
        local_part: local.to_owned(),
        domain: domain.to_owned(),
    }
}

fn session(domains: &[&str], senders: &[&str]) -> Arc<types::Session> {
    let texts = |entries: &[&str]| entries.iter().map(ToString::to_string).collect();
    Arc::new(types::Session {
        id: "s".to_owned(),
        identity: Identity {
            username: "s1_1".to_owned(),
            authorized_domains: texts(domains),
            authorized_senders: texts(senders),
            default_priority: types::Priority::Normal,
            facts: vec![],
        },
        client_ip: "192.0.2.1".to_owned(),
        helo: "client".to_owned(),
        tls: None,
        received_at_ms: 0,
        facts: vec![],
    })
}

fn envelope(sender: Option<&str>) -> Arc<types::Envelope> {
    Arc::new(types::Envelope {
        mail_from: sender.map(address),
        recipients: vec![address("rcpt@example.net")],
    })
}

/// The message that a header section makes, as intake hands it over.
fn message(header: &str) -> types::Message {
    let section = HeaderSection::parse(header.as_bytes()).expect("within the limits");
    let originators = section.originators();
    let addresses =
        |list: &[message::Address]| list.iter().map(|one| address(&one.full())).collect();
    types::Message {
        size_bytes: header.len() as u64,
        header_from: addresses(&originators.from),
        header_sender: addresses(&originators.sender),
        originators: match originators.state {
            message::OriginatorState::Complete => Originators::Complete,
            message::OriginatorState::Missing => Originators::Missing,
            message::OriginatorState::Unreadable => Originators::Unreadable,
        },
        subject: section.subject(),
        requested_priority: None,
        headers: section
            .fields()
            .map(|field| types::Header {
                name: field.name().to_owned(),
                value: field.decoded().into_owned(),
            })
            .collect(),
        truncated: false,
        facts: vec![],
    }
}

fn draft(header: &str) -> Draft {
    let matter = Matter::Message(Arc::new(message(header)));
    let session = session(&["shop.example"], &["web@other.example"]);
    Draft::new(session, envelope(Some("visitor@example.org")), matter)
}

fn shown(draft: &Draft) -> &types::Message {
    match &draft.matter {
        Matter::Message(message) => message,
        _ => panic!("it is about a message"),
    }
}

fn code(result: Result<(), Error>) -> String {
    result
        .err()
        .map_or_else(|| "ok".to_owned(), |error| error.code)
}

/// The header section as it leaves, without the fields the server adds.
fn sent(header: &str, draft: &Draft) -> String {
    let original = format!("{header}Date: d\r\nMessage-ID: <m@x>\r\n\r\nbody\r\n");
    let section = HeaderSection::parse(original.as_bytes()).expect("within the limits");
    let stamped = stamp(
        &section,
        original.as_bytes(),
        &Stamp {
            hostname: "relay.example",
            helo: "client",
            client: None,
            protocol: "ESMTPSA",
            id: "1",
            recipient: None,
            received_at: crate::clock::Timestamp::from_millis(0),
            message_id_domain: "relay.example",
            mark_important: false,
            priority: None,
            tls: None,
            edits: &draft.effects.edits,
        },
    );
    let text = String::from_utf8(stamped).expect("text");
    let (_, rest) = text.split_once("+0000\r\n").expect("a Received field");
    let header = rest.strip_suffix("\r\nbody\r\n").expect("the body follows");
    header.replace("Date: d\r\nMessage-ID: <m@x>\r\n", "")
}

#[test]
fn fields_that_others_answer_for_are_forbidden() {
    let mut draft = draft("From: a@shop.example\r\n");
    for name in [
        "From",
        "sender",
        "Date",
        "message-id",
        "Received",
        "Return-Path",
        "Bcc",
        "MIME-Version",
        "Content-Type",
        "content-transfer-encoding",
        "Resent-From",
        "Delivered-To",
    ] {
        assert_eq!(code(draft.add_header(name, "x")), "forbidden", "{name}");
    }
    for name in ["FROM", "Received", "Content-Type", "Bcc"] {
        assert_eq!(code(draft.remove_header(name)), "forbidden", "{name}");
    }
    assert!(draft.effects.is_empty());
}

#[test]
fn no_value_and_no_name_becomes_a_second_field() {
    let header = "From: a@shop.example\r\n";
    let cases = [
        ("X-A", "a\r\nBcc: b@example.net", "bad-value"),
        ("X-A", "a\nBcc: b@example.net", "bad-value"),
        ("X-A", "a\rb", "bad-value"),
        ("X-A", "", "bad-value"),
        ("X-A: b\r\nBcc", "c", "bad-name"),
        ("X A", "c", "bad-name"),
        ("", "c", "bad-name"),
        ("Reply-To", "J\u{fc}rgen <j@example.com>", "bad-value"),
    ];
    for (name, value, expected) in cases {
        let mut draft = draft(header);
        assert_eq!(
            code(draft.add_header(name, value)),
            expected,
            "{name:?}: {value:?}"
        );
        assert_eq!(sent(header, &draft), header);
    }
    let mut draft = draft(header);
    assert_eq!(code(draft.remove_header("X\r\nY")), "bad-name");
    let long = "x".repeat(300);
    for name in ["a\r\nBcc: b@c.d", "a\0", &long] {
        let replaced = draft.replace_from("web@shop.example", Some(name.to_owned()));
        assert_eq!(code(replaced), "bad-value", "{name:?}");
    }
    assert!(draft.effects.is_empty());
}

#[test]
fn a_field_that_may_be_there_once_must_go_before_it_comes() {
    let header = "From: a@shop.example\r\nSubject: old\r\n";
    let mut draft = draft(header);
    assert_eq!(code(draft.add_header("SUBJECT", "new")), "exists");
    draft.remove_header("subject").expect("it may go");
    assert_eq!(shown(&draft).subject, "");
    draft.add_header("Subject", "n\u{e9}w").expect("it is gone");
    assert_eq!(code(draft.add_header("Subject", "newer")), "exists");
    assert_eq!(shown(&draft).subject, "n\u{e9}w");
    assert_eq!(draft.effects.subject.as_deref(), Some("n\u{e9}w"));
    draft.add_header("X-Tag", "one").expect("it may repeat");
    draft.add_header("X-Tag", "two").expect("it may repeat");
    assert_eq!(
        sent(header, &draft),
        "From: a@shop.example\r\nSubject: =?utf-8?B?bsOpdw==?=\r\nX-Tag: one\r\nX-Tag: two\r\n"
    );
}

#[test]
fn a_rewritten_message_is_from_the_user_and_answers_go_to_its_authors() {
    let from = "From: web@shop.example\r\nReply-To: ";
    let cases = [
        (
            "From: v@example.org\r\n",
            None,
            format!("{from}v@example.org\r\n"),
        ),
        (
            "From: \"Doe, Jane\" <v@example.org>\r\n",
            None,
            "From: \"Doe, Jane\" <web@shop.example>\r\nReply-To: \"Doe, Jane\" <v@example.org>\r\n"
                .to_owned(),
        ),
        (
            "From: =?utf-8?q?J=C3=BCrgen?= <v@example.org>\r\n",
            Some("J\u{fc}rgen via Shop"),
            "From: =?utf-8?B?SsO8cmdlbiB2aWEgU2hvcA==?= <web@shop.example>\r\n\
             Reply-To: =?utf-8?B?SsO8cmdlbg==?= <v@example.org>\r\n"
                .to_owned(),
        ),
        (
            "From: Jane <v@example.org>\r\n",
            Some(""),
            "From: web@shop.example\r\nReply-To: Jane <v@example.org>\r\n".to_owned(),
        ),
        (
            "From: A <a@example.org>, B <b@example.org>\r\n",
            None,
            format!("{from}a@example.org, b@example.org\r\n"),
        ),
        (
            "From: v@example.org\r\nReply-To: r@example.org\r\n",
            None,
            "Reply-To: r@example.org\r\nFrom: web@shop.example\r\n".to_owned(),
        ),
        ("", None, "From: web@shop.example\r\n".to_owned()),
        (
            "From: not an address\r\n",
            None,
            "From: web@shop.example\r\n".to_owned(),
        ),
    ];
    for (header, name, expected) in cases {
        let mut draft = draft(header);
        let name = name.map(str::to_owned);
        draft
            .replace_from("web@shop.example", name)
            .expect("it may");
        assert_eq!(sent(header, &draft), expected, "{header}");
        assert_eq!(
            shown(&draft),
            &with_size(message(&expected), header),
            "{header}"
        );
    }
}

/// What was submitted does not change its size.
fn with_size(mut message: types::Message, header: &str) -> types::Message {
    message.size_bytes = header.len() as u64;
    message
}

#[test]
fn an_unreadable_sender_stays_so_until_it_is_removed() {
    let header = "From: v@example.org\r\nSender: <<\r\n";
    let mut draft = draft(header);
    draft
        .replace_from("web@shop.example", None)
        .expect("it may");
    assert_eq!(shown(&draft).originators, Originators::Unreadable);
    let mut later = draft.next();
    later.remove_header("Sender").expect("it may go");
    assert_eq!(shown(&later).originators, Originators::Complete);
}

#[test]
fn nobody_becomes_somebody_else() {
    let lists: [(&[&str], &[&str]); 4] = [
        (&[], &[]),
        (&["shop.example"], &["web@other.example"]),
        (&["*.shop.example"], &[]),
        (&["https://shop.example"], &[]),
    ];
    let cases = [
        ("web@shop.example", [true, true, false, false]),
        ("Web@SHOP.example", [true, true, false, false]),
        ("WEB@other.example", [true, true, false, false]),
        ("web@sub.shop.example", [true, false, true, false]),
        ("web@evilshop.example", [true, false, false, false]),
        ("ceo@other.example", [true, false, false, false]),
    ];
    for (number, (domains, senders)) in lists.into_iter().enumerate() {
        for (sender, expected) in cases {
            let matter = Matter::Message(Arc::new(message("From: v@example.org\r\n")));
            let path = envelope(Some("v@example.org"));
            let mut draft = Draft::new(session(domains, senders), path, matter);
            let expected = if expected[number] {
                "ok"
            } else {
                "not-authorized"
            };
            assert_eq!(code(draft.replace_from(sender, None)), expected, "{sender}");
            assert_eq!(
                code(draft.replace_reverse_path(sender)),
                expected,
                "{sender}"
            );
        }
    }
    let mut draft = draft("");
    for sender in [
        "",
        "web",
        "web@shop.example\r\nX: y",
        "<web@shop.example>",
        "w\u{e9}b@shop.example",
    ] {
        assert_eq!(
            code(draft.replace_from(sender, None)),
            "bad-value",
            "{sender:?}"
        );
        assert_eq!(
            code(draft.replace_reverse_path(sender)),
            "bad-value",
            "{sender:?}"
        );
    }
}

#[test]
fn a_reverse_path_is_replaced_at_every_stage_but_the_null_one_never() {
    let own = "web@shop.example";
    let session = || session(&["shop.example"], &[]);
    let argument = || Matter::Sender(Some(address("v@example.org")));
    let mut sender = Draft::new(session(), envelope(None), argument());
    sender.replace_reverse_path(own).expect("it may");
    assert!(matches!(&sender.matter, Matter::Sender(Some(it)) if it.full == own));
    assert_eq!(sender.effects.reverse_path, None);

    let mut recipient = Draft::new(
        session(),
        envelope(Some("v@example.org")),
        Matter::Recipient,
    );
    recipient.replace_reverse_path(own).expect("it may");
    assert_eq!(recipient.envelope.mail_from, Some(address(own)));

    let mut message = draft("");
    message.replace_reverse_path(own).expect("it may");
    assert_eq!(message.envelope.mail_from, Some(address(own)));
    assert_eq!(message.effects.reverse_path, own.parse().ok());

    for matter in [Matter::Sender(None), Matter::Recipient] {
        let mut null = Draft::new(session(), envelope(None), matter);
        assert_eq!(code(null.replace_reverse_path(own)), "null-reverse-path");
    }
}

#[test]
fn without_a_message_nothing_else_is_done() {
    for matter in [Matter::Sender(None), Matter::Recipient] {
        let mut draft = Draft::new(session(&[], &[]), envelope(None), matter);
        assert_eq!(code(draft.add_header("X-A", "b")), "wrong-stage");
        assert_eq!(code(draft.remove_header("X-A")), "wrong-stage");
        assert_eq!(code(draft.replace_from("a@b.example", None)), "wrong-stage");
        assert_eq!(code(draft.set_route("x", &["x".to_owned()])), "wrong-stage");
        assert_eq!(code(draft.hold("p", "why")), "wrong-stage");
    }
}

#[test]
fn routes_are_known_and_reasons_are_one_line() {
    let mut draft = draft("");
    let routes = ["archive".to_owned()];
    assert_eq!(
        code(draft.set_route("nowhere\r\n", &routes)),
        "unknown-route"
    );
    draft.set_route("archive", &routes).expect("it is there");
    assert_eq!(code(draft.hold("p", " \r\n ")), "bad-value");
    draft.hold("p", "too\r\nmany").expect("a reason");
    let mut effects = draft.effects.clone();
    let mut later = draft.next();
    assert!(later.effects.is_empty());
    later.hold("q", "again").expect("a reason");
    effects.extend(later.effects);
    assert_eq!(effects.hold.as_deref(), Some("p: too  many; q: again"));
    assert_eq!(effects.route.as_deref(), Some("archive"));
}

#[test]
fn effects_are_counted_and_weighed() {
    let mut many = draft("");
    for _ in 0..MAX_EFFECTS {
        many.add_header("X-A", "b").expect("within the limit");
    }
    assert_eq!(code(many.add_header("X-A", "b")), "too-many");
    let mut again = many.next();
    again
        .add_header("X-A", "b")
        .expect("each policy has its own allowance");

    let mut heavy = draft("");
    let value = "x ".repeat(1000);
    let added = (0..MAX_EFFECTS).take_while(|_| heavy.add_header("X-A", &value).is_ok());
    assert_eq!(added.count(), 8);
}

#[test]
fn what_later_policies_see_is_what_leaves_the_relay() {
    // A linear congruential generator: the same changes in every run.
    let mut state: u64 = 7;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let names = [
        "Subject", "X-A", "x-a", "Reply-To", "To", "X-B", "Sender", "From",
    ];
    let values = [
        "a",
        "two words",
        "caf\u{e9}",
        "a@b.example",
        "=?utf-8?q?x?=",
        "x\r\ny",
        "",
        "one line that is so long that it is folded somewhere, because it has more than 78 octets",
    ];
    let headers = [
        "From: v@example.org\r\nSubject: =?utf-8?q?h=C3=A9?=\r\nX-A: 1\r\nx-A: 2\r\n",
        "From: \"V, W\" <v@example.org>\r\nSender: s@example.org\r\nReply-To: r@example.org\r\n",
        "X-B: folded\r\n here\r\nFrom: a@example.org, b@example.org\r\nSubject: x\r\n",
    ];
    for _ in 0..2000 {
        let header = headers[random(headers.len())];
        let mut draft = draft(header);
        for _ in 0..random(8) {
            let (name, value) = (names[random(names.len())], values[random(values.len())]);
            // What is refused must not change anything either.
            let _outcome = match random(4) {
                0 => draft.replace_from("web@shop.example", None),
                1 => draft.replace_from("web@shop.example", Some(value.to_owned())),
                2 => draft.remove_header(name),
                _ => draft.add_header(name, value),
            };
        }
        let left = sent(header, &draft);
        let expected = with_size(message(&left), header);
        assert_eq!(
            shown(&draft),
            &expected,
            "{header}{:?}",
            draft.effects.edits
        );
        let subject = draft.effects.subject.clone();
        assert!(subject.is_none_or(|subject| subject == expected.subject));
    }
}
