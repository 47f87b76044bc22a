//! What each peer is told, by what it offers.

use std::time::Duration;

use super::*;
use crate::queue::{Deadline, MessageParameters};
use crate::smtp::{Notify, RcptParameters, Ret};

const NOT_EAGER: Chunking = Chunking {
    preferred: true,
    eager_octets: 0,
};
const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn meta(parameters: MessageParameters) -> MessageMeta {
    MessageMeta {
        list_id: None,
        username: String::new(),
        reverse_path: Some("anna@a.example".parse().expect("a mailbox")),
        priority: Priority::High,
        body: BodyType::SevenBit,
        parameters,
        subject: String::new(),
        message_id: String::new(),
        session_id: String::new(),
        rule: String::new(),
        received_at: NOW,
        expires_at: NOW + Duration::from_secs(3600),
        way: crate::queue::Way::default(),
        origin: crate::queue::Origin::default(),
    }
}

fn recipient(mailbox: &str, parameters: RcptParameters) -> OpenRecipient {
    OpenRecipient {
        index: 0,
        mailbox: Mailbox::parse_utf8(mailbox).expect("a mailbox"),
        parameters,
        attempts: 0,
        due_at: NOW,
        delay_told_at: None,
    }
}

fn offering(lines: &[&'static str]) -> Extensions {
    Extensions::parse(lines.iter().copied())
}

/// MAIL and the RCPTs without their line ends, or the words of an outcome.
fn said(meta: &MessageMeta, recipients: &[OpenRecipient], lines: &[&'static str]) -> Vec<String> {
    said_under(meta, recipients, lines, true)
}

fn said_under(
    meta: &MessageMeta,
    recipients: &[OpenRecipient],
    lines: &[&'static str],
    is_verified: bool,
) -> Vec<String> {
    let extensions = offering(lines);
    let peer = Peer {
        name: "mx:25",
        extensions: &extensions,
        is_verified,
        chunking: NOT_EAGER,
    };
    let transaction = Transaction {
        meta,
        recipients,
        size: 7,
        priority: Priority::Normal,
        channel: channel(meta, peer),
    };
    let envelope = Envelope::may_go(meta, peer, NOW);
    match envelope.and_then(|()| Envelope::new(&transaction, peer, NOW)) {
        Err(outcome) => vec![told(&outcome)],
        Ok(envelope) => {
            let rcpt = envelope.rcpt.iter().map(|line| match line {
                Ok(line) => line.trim_end().to_owned(),
                Err(outcome) => told(outcome),
            });
            let mail = envelope.mail.trim_end().to_owned();
            std::iter::once(mail).chain(rcpt).collect()
        }
    }
}

fn told(outcome: &Outcome) -> String {
    let kind = match outcome {
        Outcome::Failed(_) => "failed",
        Outcome::Deferred(_) => "deferred",
        Outcome::Delivered(_) => "delivered",
    };
    format!("{kind} {}", outcome.reply())
}

fn plain(mailbox: &str) -> OpenRecipient {
    recipient(mailbox, RcptParameters::default())
}

fn deadline(seconds: i64, mode: DeliverByMode) -> MessageParameters {
    MessageParameters {
        deliver_by: Some(Deadline {
            at: Timestamp::from_millis(NOW.as_millis() + seconds * 1000),
            mode,
            trace: true,
        }),
        ..MessageParameters::default()
    }
}

#[test]
fn what_is_offered_is_passed_on_and_the_rest_is_not() {
    let asked = MessageParameters {
        ret: Some(Ret::Headers),
        envid: Some("QQ+2B1".parse().expect("xtext")),
        mt_priority: MtPriority::new(2),
        ..deadline(90, DeliverByMode::Notify)
    };
    let to = recipient(
        "b@b.example",
        RcptParameters {
            notify: Some(Notify {
                success: true,
                failure: true,
                delay: false,
            }),
            orcpt: Some("rfc822;b+2Bx@b.example".parse().expect("xtext")),
        },
    );
    let meta = meta(asked);
    let to = std::slice::from_ref(&to);
    assert_eq!(
        said(
            &meta,
            to,
            &["SIZE", "DSN", "DELIVERBY", "MT-PRIORITY MIXER"]
        ),
        [
            "MAIL FROM:<anna@a.example> SIZE=7 RET=HDRS ENVID=QQ+2B1 BY=90;NT MT-PRIORITY=2",
            "RCPT TO:<b@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b+2Bx@b.example",
        ]
    );
    assert_eq!(
        said(&meta, to, &["SMTPUTF8", "REQUIRETLS"]),
        ["MAIL FROM:<anna@a.example>", "RCPT TO:<b@b.example>"]
    );
}

#[test]
fn nothing_is_added_that_was_not_asked_for() {
    let all = ["DSN", "DELIVERBY", "MT-PRIORITY", "SMTPUTF8", "REQUIRETLS"];
    assert_eq!(
        said(
            &meta(MessageParameters::default()),
            &[plain("b@b.example")],
            &all
        ),
        ["MAIL FROM:<anna@a.example>", "RCPT TO:<b@b.example>"]
    );
}

#[test]
fn a_priority_is_never_more_urgent_than_the_policies_granted() {
    let cases = [
        (9, Priority::Highest, 9),
        (9, Priority::High, 3),
        (9, Priority::Normal, 0),
        (-2, Priority::Normal, -2),
        (0, Priority::Lowest, -4),
        (-9, Priority::Highest, -9),
    ];
    for (asked, effective, expected) in cases {
        let asked = MtPriority::new(asked).expect("in range");
        assert_eq!(granted(asked, effective).value(), expected, "{asked:?}");
    }
}

#[test]
fn a_deadline_of_mode_r_goes_only_to_who_keeps_it() {
    let cases: [(i64, &[&str], &str); 5] = [
        (60, &["DELIVERBY"], "MAIL FROM:<anna@a.example> BY=60;RT"),
        (60, &["DELIVERBY 60"], "MAIL FROM:<anna@a.example> BY=60;RT"),
        (60, &["DELIVERBY 61"], "failed 5.4.7 "),
        (60, &[], "failed 5.4.7 "),
        (0, &["DELIVERBY"], "deferred 4.4.7 "),
    ];
    for (seconds, lines, expected) in cases {
        let meta = meta(deadline(seconds, DeliverByMode::Return));
        let said = said(&meta, &[plain("b@b.example")], lines);
        assert!(said[0].starts_with(expected), "{said:?}");
    }
}

#[test]
fn a_deadline_of_mode_n_goes_to_anybody_also_when_it_is_over() {
    let meta = meta(deadline(-5, DeliverByMode::Notify));
    let to = [plain("b@b.example")];
    assert_eq!(
        said(&meta, &to, &["DELIVERBY 60"])[0],
        "MAIL FROM:<anna@a.example> BY=-5;NT"
    );
    assert_eq!(said(&meta, &to, &[])[0], "MAIL FROM:<anna@a.example>");
}

#[test]
fn required_tls_is_verified_and_promised_or_nothing_is_said() {
    let meta = meta(MessageParameters {
        require_tls: true,
        ..MessageParameters::default()
    });
    let to = [plain("b@b.example")];
    let cases: [(&[&str], bool, &str); 3] = [
        (
            &["REQUIRETLS"],
            true,
            "MAIL FROM:<anna@a.example> REQUIRETLS",
        ),
        (&["REQUIRETLS"], false, "failed 5.7.30 "),
        (&[], true, "failed 5.7.30 "),
    ];
    for (lines, is_verified, expected) in cases {
        let said = said_under(&meta, &to, lines, is_verified);
        assert!(said[0].starts_with(expected), "{said:?}");
    }
}

#[test]
fn an_original_recipient_goes_on_as_it_came_where_smtputf8_is_said_and_in_ascii_elsewhere() {
    let asked = RcptParameters {
        orcpt: Some("utf-8;用户@b.example".parse().expect("unitext")),
        ..RcptParameters::default()
    };
    let to = [recipient("b@b.example", asked)];
    let meta = meta(MessageParameters {
        smtputf8: Some(SmtpUtf8::AsciiHeader),
        ..MessageParameters::default()
    });
    assert_eq!(
        said(&meta, &to, &["DSN", "SMTPUTF8"])[1],
        "RCPT TO:<b@b.example> ORCPT=utf-8;用户@b.example"
    );
    assert_eq!(
        said(&meta, &to, &["DSN"])[1],
        "RCPT TO:<b@b.example> ORCPT=utf-8;\\x{7528}\\x{6237}@b.example"
    );
    assert_eq!(said(&meta, &to, &["SMTPUTF8"])[1], "RCPT TO:<b@b.example>");
}

#[test]
fn addresses_beyond_ascii_need_smtputf8_or_a_domain_in_a_labels() {
    let meta = meta(MessageParameters::default());
    let to = [
        plain("müller@b.example"),
        plain("b@bücher.example"),
        plain("c@b.example"),
    ];
    assert_eq!(
        said(&meta, &to, &["SMTPUTF8"]),
        [
            "MAIL FROM:<anna@a.example> SMTPUTF8",
            "RCPT TO:<müller@b.example>",
            "RCPT TO:<b@bücher.example>",
            "RCPT TO:<c@b.example>",
        ]
    );
    let without = said(&meta, &to, &[]);
    assert!(without[1].starts_with("failed 5.6.7 "), "{without:?}");
    assert_eq!(
        without[2..],
        ["RCPT TO:<b@xn--bcher-kva.example>", "RCPT TO:<c@b.example>"]
    );
}

#[test]
fn a_header_beyond_ascii_is_encoded_down_without_smtputf8_and_an_ascii_one_is_not() {
    let of = |smtputf8| {
        meta(MessageParameters {
            smtputf8: Some(smtputf8),
            ..MessageParameters::default()
        })
    };
    let to = [plain("b@bücher.example")];
    let (utf8, ascii) = (of(SmtpUtf8::Utf8Header), of(SmtpUtf8::AsciiHeader));
    let takes = |eight_bit| {
        Some(Channel {
            eight_bit,
            utf8_header: false,
        })
    };
    assert_eq!(taken(&utf8, &[]), takes(false));
    assert_eq!(taken(&utf8, &["8BITMIME"]), takes(true));
    assert_eq!(taken(&ascii, &[]), None);
    for meta in [utf8, ascii] {
        assert_eq!(taken(&meta, &["SMTPUTF8"]), None);
        let said_with = said(&meta, &to, &["SMTPUTF8"]);
        assert_eq!(said_with[0], "MAIL FROM:<anna@a.example> SMTPUTF8");
        assert_eq!(said(&meta, &to, &[])[0], "MAIL FROM:<anna@a.example>");
    }
}

#[test]
fn content_goes_as_it_is_where_it_is_taken_and_is_encoded_down_elsewhere() {
    use BodyType::{BinaryMime, EightBitMime, SevenBit};
    let all = &["CHUNKING", "BINARYMIME", "8BITMIME"][..];
    let cases: [(BodyType, &[&'static str], Option<bool>, &str); 9] = [
        (SevenBit, &[], None, ""),
        (SevenBit, all, None, ""),
        (EightBitMime, all, None, " BODY=8BITMIME"),
        (EightBitMime, &["SMTPUTF8"], None, ""),
        (EightBitMime, &["CHUNKING"], Some(false), ""),
        (BinaryMime, all, None, " BODY=BINARYMIME"),
        (
            BinaryMime,
            &["BINARYMIME", "8BITMIME"],
            Some(true),
            " BODY=8BITMIME",
        ),
        (
            BinaryMime,
            &["CHUNKING", "8BITMIME"],
            Some(true),
            " BODY=8BITMIME",
        ),
        (BinaryMime, &["CHUNKING"], Some(false), ""),
    ];
    for (body, lines, eight_bit, parameter) in cases {
        let mut meta = meta(MessageParameters::default());
        meta.body = body;
        let found = taken(&meta, lines).map(|channel| channel.eight_bit);
        assert_eq!(found, eight_bit, "{body:?} {lines:?}");
        assert_eq!(
            said(&meta, &[plain("b@b.example")], lines)[0],
            format!("MAIL FROM:<anna@a.example>{parameter}")
        );
    }
}

/// What the peer takes, where the message must be encoded down.
fn taken(meta: &MessageMeta, lines: &[&'static str]) -> Option<Channel> {
    let extensions = offering(lines);
    let peer = Peer {
        name: "mx:25",
        extensions: &extensions,
        is_verified: true,
        chunking: NOT_EAGER,
    };
    channel(meta, peer)
}
