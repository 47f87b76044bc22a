//! What a notification says, and when there is none.

use super::*;
use crate::queue::{Deadline, RemoteReply};
use crate::smtp::{DeliverByMode, Ret};

fn meta(reverse_path: Option<&str>) -> MessageMeta {
    MessageMeta {
        list_id: Some(7),
        username: "s1_2".to_owned(),
        reverse_path: reverse_path.map(|path| Mailbox::parse_utf8(path).expect("a mailbox")),
        priority: Priority::Highest,
        body: BodyType::SevenBit,
        parameters: MessageParameters::default(),
        subject: "Hello".to_owned(),
        message_id: "<1@a.example>".to_owned(),
        session_id: "session".to_owned(),
        rule: String::new(),
        received_at: Timestamp::from_millis(0),
        expires_at: Timestamp::from_millis(1000),
        way: crate::queue::Way::default(),
        origin: crate::queue::Origin::default(),
    }
}

fn told(code: u16, text: &str, action: Action) -> Told {
    Told {
        mailbox: "bob@b.example".parse().expect("a mailbox"),
        orcpt: None,
        action,
        next_hop: "mx.b.example:25".to_owned(),
        reply: RemoteReply {
            code,
            text: text.to_owned(),
        },
    }
}

const HEAD: &[u8] = b"From: anna@a.example\r\nSubject: Hello\r\n\r\nsecret body\r\n";

fn notice(meta: &MessageMeta, told: &[Told]) -> Option<NewMessage> {
    Notice {
        id: QueueId::from_i64(2),
        original_id: QueueId::from_i64(1),
        kind: match told[0].action {
            Action::Failed | Action::Expired => Kind::Failure,
            Action::Delayed => Kind::Delay,
            Action::Relayed | Action::Delivered => Kind::Success,
        },
        original: meta,
        original_size: HEAD.len() as u64,
        head: HEAD,
        told,
        hostname: "relay.example",
        now: Timestamp::from_millis(7_200_000),
        expire_after: Duration::from_secs(60),
    }
    .message()
}

#[test]
fn a_null_reverse_path_gets_no_notification() {
    let failed = told(550, "5.1.1 no such user", Action::Failed);
    assert!(notice(&meta(None), &[failed]).is_none());
}

#[test]
fn a_notification_is_a_report_from_the_null_reverse_path() {
    let failed = told(550, "5.1.1 no such user", Action::Failed);
    let message = notice(&meta(Some("anna@a.example")), &[failed]).expect("there is a sender");
    assert_eq!(message.meta.reverse_path, None);
    assert_eq!(message.recipients[0].mailbox.as_str(), "anna@a.example");
    assert_eq!(message.recipients[0].parameters.notify, Some(Notify::NEVER));
    assert_eq!(message.content.size, message.content.head.len() as u64);
    let text = String::from_utf8(message.content.head.to_vec()).expect("it is UTF-8");
    for part in [
        "To: <anna@a.example>\r\n",
        "Auto-Submitted: auto-replied\r\n",
        "report-type=delivery-status;",
        "mx.b.example refused it and said: 550 5.1.1 no such user",
        "Reporting-MTA: dns; relay.example\r\n",
        "Final-Recipient: rfc822; bob@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n",
        "Remote-MTA: dns; mx.b.example\r\n",
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n",
        "text/rfc822-headers",
        "Final-Log-ID: ",
        "\r\nSubject: Hello\r\n--=_",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    assert!(!text.contains("secret body"));
    assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
}

#[test]
fn mail_readers_can_take_it_apart() {
    let failed = told(0, "connection refused", Action::Expired);
    let message = notice(&meta(Some("anna@a.example")), &[failed]).expect("there is a sender");
    let parsed = mail_parser::MessageParser::default()
        .parse(&message.content.head[..])
        .expect("it is a message");
    assert_eq!(parsed.parts.len(), 4, "the multipart and its three parts");
}

#[test]
fn the_status_is_the_peers_or_a_general_one() {
    let cases = [
        (550, "5.1.1 no", Action::Failed, "5.1.1"),
        (550, "no", Action::Failed, "5.0.0"),
        (550, "5.1.1.1 no", Action::Failed, "5.0.0"),
        (550, "2.0.0 odd", Action::Failed, "5.0.0"),
        (0, "refused", Action::Expired, "4.4.7"),
        (450, "4.2.2 full", Action::Expired, "4.2.2"),
        (450, "4.2.2 full", Action::Delayed, "4.2.2"),
        (0, "refused", Action::Delayed, "4.4.7"),
        (250, "2.1.5 ok", Action::Relayed, "2.1.5"),
        (250, "ok", Action::Relayed, "2.0.0"),
        (0, "written to x", Action::Delivered, "2.0.0"),
    ];
    for (code, text, action, expected) in cases {
        assert_eq!(
            told(code, text, action).enhanced_status(),
            expected,
            "{text}"
        );
    }
}

#[test]
fn the_advice_fits_the_failure() {
    let cases = [
        ("5.1.1 x", "typing"),
        ("5.2.2 x", "full"),
        ("5.3.4 x", "smaller"),
        ("x", "administrator"),
    ];
    for (text, word) in cases {
        let failed = told(550, text, Action::Failed);
        assert!(advice::for_failure(&failed).contains(word), "{text}");
    }
}

fn text(message: &NewMessage) -> String {
    String::from_utf8_lossy(&message.content.head).into_owned()
}

fn asking(parameters: MessageParameters) -> MessageMeta {
    MessageMeta {
        parameters,
        ..meta(Some("anna@a.example"))
    }
}

#[test]
fn what_the_sender_called_it_is_told_decoded() {
    let meta = asking(MessageParameters {
        envid: "QQ+2B1".parse().ok(),
        ..MessageParameters::default()
    });
    let mut failed = told(550, "5.1.1 no", Action::Failed);
    failed.orcpt = Some("rfc822;Bob+2Bx@b.example".parse().expect("xtext"));
    let text = text(&notice(&meta, &[failed]).expect("there is a sender"));
    assert!(
        text.contains("Original-Envelope-Id: QQ+1\r\nReporting-MTA"),
        "{text}"
    );
    let group = "\r\n\r\nOriginal-Recipient: rfc822; Bob+x@b.example\r\nFinal-Recipient: ";
    assert!(text.contains(group), "{text}");
}

#[test]
fn every_kind_has_its_action_and_words() {
    let cases = [
        (Action::Delayed, "delayed", "Delayed mail"),
        (Action::Relayed, "relayed", "Mail delivery report"),
        (Action::Delivered, "delivered", "Mail delivery report"),
    ];
    for (action, name, subject) in cases {
        let one = told(0, "as it is", action);
        let text = text(&notice(&meta(Some("a@a.example")), &[one]).expect("a sender"));
        assert!(text.contains(&format!("\r\nAction: {name}\r\n")), "{text}");
        assert!(text.contains(&format!("Subject: {subject}")), "{text}");
        assert!(!text.contains("What you can do"), "{text}");
        assert_eq!(
            text.contains("Will-Retry-Until:"),
            action == Action::Delayed
        );
    }
}

#[test]
fn a_failure_returns_the_whole_message_where_that_was_asked_for() {
    let full = |require_tls| {
        asking(MessageParameters {
            ret: Some(Ret::Full),
            require_tls,
            ..MessageParameters::default()
        })
    };
    let mut binary = full(false);
    binary.body = BodyType::BinaryMime;
    let headers = asking(MessageParameters {
        ret: Some(Ret::Headers),
        ..MessageParameters::default()
    });
    let cases = [
        (full(false), Action::Failed, true),
        (full(false), Action::Expired, true),
        (full(false), Action::Delayed, false),
        (full(false), Action::Relayed, false),
        (full(true), Action::Failed, false),
        (binary, Action::Failed, false),
        (headers, Action::Failed, false),
    ];
    for (meta, action, is_whole) in cases {
        let one = told(550, "x", action);
        let text = text(&notice(&meta, &[one]).expect("there is a sender"));
        assert_eq!(text.contains("secret body"), is_whole, "{action:?}\n{text}");
        let kind = "Content-Type: message/rfc822\r\n";
        assert_eq!(text.contains(kind), is_whole, "{action:?}");
    }
}

#[test]
fn a_message_that_is_not_at_hand_whole_returns_its_header_and_says_so() {
    let meta = asking(MessageParameters {
        ret: Some(Ret::Full),
        ..MessageParameters::default()
    });
    let failed = [told(550, "x", Action::Failed)];
    let large = Notice {
        original_size: HEAD.len() as u64 + 1,
        id: QueueId::from_i64(2),
        kind: Kind::Failure,
        original_id: QueueId::from_i64(1),
        original: &meta,
        head: HEAD,
        told: &failed,
        hostname: "relay.example",
        now: Timestamp::from_millis(0),
        expire_after: Duration::from_secs(60),
    };
    let text = text(&large.message().expect("there is a sender"));
    assert!(!text.contains("secret body"));
    assert!(text.contains("as a whole it is too"), "{text}");
}

#[test]
fn addresses_beyond_ascii_stand_in_a_report_of_their_own_type() {
    let mut failed = told(0, "5.6.7 x", Action::Failed);
    failed.mailbox = Mailbox::parse_utf8("müller@b.example").expect("a mailbox");
    let message = notice(&meta(Some("anna@bücher.example")), &[failed]).expect("a sender");
    let text = text(&message);
    for part in [
        "Content-Type: message/global-delivery-status\r\n",
        "Final-Recipient: utf-8; müller@b.example\r\n",
        "To: <anna@xn--bcher-kva.example>\r\n",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    assert_eq!(
        message.meta.parameters.smtputf8,
        Some(SmtpUtf8::AsciiHeader)
    );
    assert_eq!(message.meta.body, BodyType::EightBitMime);
    let failed = told(0, "5.6.7 x", Action::Failed);
    let message = notice(&meta(Some("jürgen@a.example")), &[failed]).expect("a sender");
    assert_eq!(message.meta.parameters.smtputf8, Some(SmtpUtf8::Utf8Header));
}

#[test]
fn who_does_not_know_addresses_beyond_ascii_is_told_of_them_in_ascii() {
    let mut failed = told(550, "5.1.1 x", Action::Failed);
    failed.orcpt = Some("utf-8;us\\x{FC}r@b.example".parse().expect("a recipient"));
    let ascii = text(&notice(&meta(Some("anna@a.example")), &[failed.clone()]).expect("a sender"));
    for part in [
        "Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: 7bit\r\n",
        "Original-Recipient: utf-8; us\\x{FC}r@b.example\r\n",
    ] {
        assert!(ascii.contains(part), "{part:?} is missing in\n{ascii}");
    }
    let knowing = asking(MessageParameters {
        smtputf8: Some(SmtpUtf8::AsciiHeader),
        ..MessageParameters::default()
    });
    let global = text(&notice(&knowing, &[failed]).expect("a sender"));
    assert!(
        global.contains("Original-Recipient: utf-8; us\u{fc}r@b.example\r\n"),
        "{global}"
    );
}

#[test]
fn what_happened_is_told_in_words_for_people() {
    let cases = [
        (
            told(0, "5.6.7 mx takes no header", Action::Failed),
            "What happened: mx takes no header\r\n",
        ),
        (
            told(0, "connection refused", Action::Expired),
            "tried for 2 hours without success. The last time:\r\n  connection refused\r\n",
        ),
        (
            told(450, "4.2.0 later", Action::Delayed),
            "mx.b.example put it off and said: 450 4.2.0 later\r\n",
        ),
        (
            told(250, "ok", Action::Relayed),
            "it was passed on to mx.b.example, which may tell",
        ),
        (
            told(0, "written to /var/mail/b", Action::Delivered),
            "What happened: it lies in the mailbox.\r\n",
        ),
    ];
    for (one, expected) in cases {
        let text = text(&notice(&meta(Some("a@a.example")), &[one]).expect("a sender"));
        assert!(
            text.contains(expected),
            "{expected:?} is missing in\n{text}"
        );
        assert!(!text.contains("/var/mail"), "{text}");
    }
}

#[test]
fn a_header_beyond_ascii_is_returned_as_one() {
    let meta = asking(MessageParameters {
        smtputf8: Some(SmtpUtf8::Utf8Header),
        ..MessageParameters::default()
    });
    let failed = told(550, "x", Action::Failed);
    let text = text(&notice(&meta, &[failed]).expect("a sender"));
    assert!(
        text.contains("Content-Type: message/global-headers\r\n"),
        "{text}"
    );
}

#[test]
fn a_deadline_that_has_passed_has_a_status_of_its_own() {
    let mut meta = asking(MessageParameters {
        deliver_by: Some(Deadline {
            at: Timestamp::from_millis(1000),
            mode: DeliverByMode::Return,
            trace: false,
        }),
        ..MessageParameters::default()
    });
    meta.expires_at = Timestamp::from_millis(1000);
    let expired = told(450, "4.2.0 later", Action::Expired);
    let text = text(&notice(&meta, &[expired]).expect("a sender"));
    assert!(
        text.contains("Action: failed\r\nStatus: 5.4.7\r\n"),
        "{text}"
    );
    assert!(text.contains("Deliver-By-Date: Thu, 1 Jan 1970"), "{text}");
}
