//! Where headers end, which fields they have and what they say.

use super::*;

fn parse(octets: &[u8]) -> HeaderSection<'_> {
    HeaderSection::parse(octets).expect("it is within the limits")
}

fn names<'a>(section: &HeaderSection<'a>) -> Vec<&'a str> {
    section.fields().map(Field::name).collect()
}

#[test]
fn a_header_ends_where_its_last_field_does() {
    use HeaderEnd::{BlankLine, BodyLine, EndOfInput};
    let cases: [(&str, &[&str], HeaderEnd, &str); 20] = [
        ("A: 1\r\nB: 2\r\n\r\nbody", &["A", "B"], BlankLine, "body"),
        ("A: 1\r\n\r\n", &["A"], BlankLine, ""),
        ("A: 1\r\n", &["A"], EndOfInput, ""),
        ("A: 1", &["A"], EndOfInput, ""),
        ("", &[], EndOfInput, ""),
        ("\r\nbody", &[], BlankLine, "body"),
        (
            "A: 1\r\n 2\r\n\t3\r\nB:\r\n\r\n",
            &["A", "B"],
            BlankLine,
            "",
        ),
        ("A: 1\r\n \r\nB: 2\r\n\r\nx", &["A", "B"], BlankLine, "x"),
        ("A : 1\r\nB\t: 2\r\n\r\n", &["A", "B"], BlankLine, ""),
        ("A:1\r\nB::\r\n\r\n", &["A", "B"], BlankLine, ""),
        (
            "text\r\nA: 1\r\n\r\n",
            &[],
            BodyLine,
            "text\r\nA: 1\r\n\r\n",
        ),
        (" A: 1\r\n\r\n", &[], BodyLine, " A: 1\r\n\r\n"),
        (
            "A: 1\r\ntext\r\nB: 2\r\n\r\n",
            &["A"],
            BodyLine,
            "text\r\nB: 2\r\n\r\n",
        ),
        ("A: 1\r\n: 2\r\n\r\n", &["A"], BodyLine, ": 2\r\n\r\n"),
        ("A: 1\r\nB c: 2\r\n\r\n", &["A"], BodyLine, "B c: 2\r\n\r\n"),
        (
            "A: 1\r\nFrom\r\n : x\r\n\r\n",
            &["A"],
            BodyLine,
            "From\r\n : x\r\n\r\n",
        ),
        (
            "From a@b Thu Jan  1 00:00:00 2026\r\nA: 1\r\n\r\nx",
            &["A"],
            BlankLine,
            "x",
        ),
        (
            ">From a@b Thu Jan  1 00:00:00 2026\r\nA: 1\r\n\r\nx",
            &["A"],
            BlankLine,
            "x",
        ),
        (
            "From the desk of\r\ntext",
            &[],
            BodyLine,
            "From the desk of\r\ntext",
        ),
        ("From : a@b\r\n\r\n", &["From"], BlankLine, ""),
    ];
    for (text, fields, end, body) in cases {
        let section = parse(text.as_bytes());
        assert_eq!(names(&section), fields, "{text:?}");
        assert_eq!(section.end(), end, "{text:?}");
        assert_eq!(&text[section.body_offset()..], body, "{text:?}");
    }
}

#[test]
fn a_header_has_a_limit_of_fields() {
    let limits = Limits {
        max_fields: 2,
        ..Limits::default()
    };
    assert!(HeaderSection::parse_within(b"A:\r\nB:\r\n\r\nC:\r\n", &limits).is_ok());
    let refused = HeaderSection::parse_within(b"A:\r\nB:\r\nC:\r\n\r\n", &limits);
    assert_eq!(
        refused.expect_err("it has three fields"),
        HeaderError::TooManyFields { limit: 2 }
    );
}

#[test]
fn all_from_and_sender_fields_count() {
    use OriginatorState::{Complete, Missing, Unreadable};
    let cases: [(&str, &[&str], &[&str], OriginatorState); 24] = [
        ("From: a@b\r\n", &["a@b"], &[], Complete),
        ("FROM: a@b\r\n", &["a@b"], &[], Complete),
        (
            "From: a@b\r\nfrom : c@d\r\n",
            &["a@b", "c@d"],
            &[],
            Complete,
        ),
        (
            "From: a@b\r\nFrom\t: c@d\r\n",
            &["a@b", "c@d"],
            &[],
            Complete,
        ),
        ("From: a@b\r\nSender: c@d\r\n", &["a@b"], &["c@d"], Complete),
        (
            "From: a@b\r\nSender: c@d\r\nSENDER: e@f\r\n",
            &["a@b"],
            &["c@d", "e@f"],
            Complete,
        ),
        ("From: a@b\r\nSender: \r\n", &["a@b"], &[], Complete),
        ("From: a@b\r\nFrom:\r\n", &["a@b"], &[], Complete),
        (
            "From: a@b\r\nReply-To: x\r\nResent-From: y\r\n",
            &["a@b"],
            &[],
            Complete,
        ),
        ("From:\r\n a@b\r\n", &["a@b"], &[], Complete),
        (
            "From: Boss\r\n\t<a@b>\r\nTo: c@d\r\n",
            &["a@b"],
            &[],
            Complete,
        ),
        ("From: a@b", &["a@b"], &[], Complete),
        ("To: a@b\r\n", &[], &[], Missing),
        ("", &[], &[], Missing),
        ("From:\r\n", &[], &[], Missing),
        ("From: Team:;\r\n", &[], &[], Missing),
        ("From: (x)\r\n", &[], &[], Missing),
        ("Sender: a@b\r\n", &[], &["a@b"], Missing),
        ("text\r\nFrom: a@b\r\n", &[], &[], Missing),
        ("From: a\r\n", &[], &[], Unreadable),
        ("From: a\r\nFrom: a@b\r\n", &["a@b"], &[], Unreadable),
        ("From: a@b\r\nFrom: x, c@d\r\n", &["a@b"], &[], Unreadable),
        ("From: a@b\r\nSender: c\r\n", &["a@b"], &[], Unreadable),
        ("Sender: c\r\n", &[], &[], Unreadable),
    ];
    for (header, from, sender, state) in cases {
        let originators = parse(header.as_bytes()).originators();
        let full = |list: &[super::super::Address]| -> Vec<String> {
            list.iter().map(|address| address.full()).collect()
        };
        assert_eq!(full(&originators.from), from, "{header:?}");
        assert_eq!(full(&originators.sender), sender, "{header:?}");
        assert_eq!(originators.state, state, "{header:?}");
    }
}

#[test]
fn too_many_originators_are_unreadable() {
    let header = ["From: ", &"a@b,".repeat(1001), "\r\n"].concat();
    let originators = parse(header.as_bytes()).originators();
    assert_eq!(originators.state, OriginatorState::Unreadable);
}

#[test]
fn the_most_urgent_valid_priority_counts() {
    let cases = [
        ("Subject: x\r\n", None),
        ("X-Priority: 1\r\n", Some(1)),
        ("x-priority : 1\r\n", Some(1)),
        ("X-Priority: 5\r\nImportance: high\r\n", Some(2)),
        (
            "X-Priority: 3 (Normal)\r\nX-MSMail-Priority: Low\r\nImportance: Normal\r\n",
            Some(3),
        ),
        ("X-Priority: 9\r\nPriority: non-urgent\r\n", Some(4)),
        ("X-Priority: 4\r\nX-Priority: 2\r\n", Some(2)),
        ("X-Priority: 9\r\n", None),
        ("X-Priority:\r\n 1\r\n", Some(1)),
        ("Priority: urgent\r\n", Some(2)),
        ("Importance: =?utf-8?q?high?=\r\n", Some(2)),
        ("text\r\nX-Priority: 1\r\n", None),
    ];
    for (header, expected) in cases {
        let found = parse(header.as_bytes()).requested_priority();
        assert_eq!(found, expected, "{header:?}");
    }
}

#[test]
fn subject_and_message_id_are_read_for_people() {
    let section = parse(b"SUBJECT: =?utf-8?q?caf=C3=A9?=\r\nMessage-Id:\r\n <a@b>\r\n");
    assert_eq!(section.subject(), "caf\u{e9}");
    assert_eq!(section.message_id().as_deref(), Some("<a@b>"));
    assert!(section.has("message-id") && section.has("Subject") && !section.has("Date"));
    let bare = parse(b"Message-ID:\r\n");
    assert_eq!((bare.subject().as_str(), bare.message_id()), ("", None));
}

#[test]
fn a_long_subject_is_cut() {
    let header = ["Subject: ", &"\u{e9}".repeat(2000), "\r\n"].concat();
    assert_eq!(parse(header.as_bytes()).subject().chars().count(), 998);
}
