//! What a notification says, and when there is none.

use super::*;
use crate::queue::Priority;

fn meta(reverse_path: Option<&str>) -> MessageMeta {
    MessageMeta {
        list_id: Some(7),
        username: "s1_2".to_owned(),
        reverse_path: reverse_path.map(|path| path.parse().expect("a mailbox")),
        priority: Priority::Highest,
        body: BodyType::SevenBit,
        subject: "Hello".to_owned(),
        message_id: "<1@a.example>".to_owned(),
        session_id: "session".to_owned(),
        rule: String::new(),
        received_at: Timestamp::from_millis(0),
        expires_at: Timestamp::from_millis(1000),
    }
}

fn failure(code: u16, text: &str, status: RecipientStatus) -> Failure {
    Failure {
        mailbox: "bob@b.example".parse().expect("a mailbox"),
        status,
        next_hop: "mx.b.example:25".to_owned(),
        reply: RemoteReply {
            code,
            text: text.to_owned(),
        },
    }
}

fn notice(meta: &MessageMeta, failures: &[Failure]) -> Option<NewMessage> {
    Notice {
        id: QueueId::from_i64(2),
        original_id: QueueId::from_i64(1),
        original: meta,
        head: b"From: anna@a.example\r\nSubject: Hello\r\n\r\nsecret body\r\n",
        failures,
        hostname: "relay.example",
        now: Timestamp::from_millis(7_200_000),
        expire_after: Duration::from_secs(60),
    }
    .message()
}

#[test]
fn a_null_reverse_path_gets_no_notification() {
    let failed = failure(550, "5.1.1 no such user", RecipientStatus::Failed);
    assert!(notice(&meta(None), &[failed]).is_none());
}

#[test]
fn a_notification_is_a_report_from_the_null_reverse_path() {
    let failed = failure(550, "5.1.1 no such user", RecipientStatus::Failed);
    let message = notice(&meta(Some("anna@a.example")), &[failed]).expect("there is a sender");
    assert_eq!(message.meta.reverse_path, None);
    assert_eq!(message.recipients[0].as_str(), "anna@a.example");
    assert_eq!(message.content.size, message.content.head.len() as u64);
    let text = String::from_utf8(message.content.head.to_vec()).expect("it is UTF-8");
    for part in [
        "To: <anna@a.example>\r\n",
        "Auto-Submitted: auto-replied\r\n",
        "report-type=delivery-status;",
        "mx.b.example:25 said: 550 5.1.1 no such user",
        "Reporting-MTA: dns; relay.example\r\n",
        "Final-Recipient: rfc822; bob@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n",
        "Remote-MTA: dns; mx.b.example\r\n",
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n",
        "text/rfc822-headers",
        "\r\nSubject: Hello\r\n--=_",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    assert!(!text.contains("secret body"));
    assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
}

#[test]
fn mail_readers_can_take_it_apart() {
    let failed = failure(0, "connection refused", RecipientStatus::Expired);
    let message = notice(&meta(Some("anna@a.example")), &[failed]).expect("there is a sender");
    let parsed = mail_parser::MessageParser::default()
        .parse(&message.content.head[..])
        .expect("it is a message");
    assert_eq!(parsed.parts.len(), 4, "the multipart and its three parts");
}

#[test]
fn the_status_is_the_peers_or_a_general_one() {
    let cases = [
        (550, "5.1.1 no", RecipientStatus::Failed, "5.1.1"),
        (550, "no", RecipientStatus::Failed, "5.0.0"),
        (550, "5.1.1.1 no", RecipientStatus::Failed, "5.0.0"),
        (550, "2.0.0 odd", RecipientStatus::Failed, "5.0.0"),
        (0, "refused", RecipientStatus::Expired, "4.4.7"),
        (450, "4.2.2 full", RecipientStatus::Expired, "4.2.2"),
    ];
    for (code, text, status, expected) in cases {
        assert_eq!(
            failure(code, text, status).enhanced_status(),
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
        let failed = failure(550, text, RecipientStatus::Failed);
        assert!(advice::for_failure(&failed).contains(word), "{text}");
    }
}
