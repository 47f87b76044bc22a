//! What comes of text that would like to be more than a value.

use super::*;
use crate::message::HeaderSection;

/// The only field that the octets are, its name and its value.
fn only_field(raw: &[u8]) -> (String, String) {
    let text = [raw, b"\r\nbody\r\n"].concat();
    let section = HeaderSection::parse(&text).expect("within the limits");
    assert_eq!(
        section.body_offset(),
        raw.len() + 2,
        "{}",
        raw.escape_ascii()
    );
    let fields: Vec<_> = section.fields().collect();
    assert_eq!(fields.len(), 1, "{}", raw.escape_ascii());
    let field = fields[0];
    (field.name().to_owned(), field.decoded().into_owned())
}

#[test]
fn names_and_values_that_are_none_are_refused() {
    use ComposeError::{Control, Length, Name, NotAscii, Word};
    let long = "x".repeat(MAX_NAME_OCTETS + 1);
    let (word, value) = ("x".repeat(901), "x ".repeat(1001));
    let cases = [
        ("", "v", Name),
        ("X Y", "v", Name),
        ("X:", "v", Name),
        ("X\r\nBcc", "v", Name),
        ("Bücher", "v", Name),
        (&long, "v", Name),
        ("X", "", Length),
        ("X", "  ", Length),
        ("X", &value, Length),
        ("X", "a\r\nBcc: b@example.net", Control),
        ("X", "a\nb", Control),
        ("X", "a\rb", Control),
        ("X", "a\u{85}b", Control),
        ("X", "a\0b", Control),
        ("X", "a\tb", Control),
        ("X", &word, Word),
        ("reply-to", "J\u{fc}rgen <j@example.com>", NotAscii),
    ];
    for (name, value, expected) in cases {
        assert_eq!(
            NewField::text(name, value),
            Err(expected),
            "{name:?} {value:?}"
        );
    }
}

#[test]
fn what_is_written_is_read_back() {
    let long = "word ".repeat(300);
    let words = "gr\u{fc}\u{df}e ".repeat(50);
    let cases = [
        ("X-Tag", "one"),
        ("Subject", "caf\u{e9} \u{1f4ee}"),
        ("Subject", &long),
        ("Subject", &words),
        ("X-Double", "a  b"),
        ("X-Colon", "Bcc: b@example.net"),
        ("To", "undisclosed-recipients:;"),
    ];
    for (name, value) in cases {
        let field = NewField::text(name, value).expect("a field");
        let (read_name, read_value) = only_field(field.raw());
        assert_eq!(
            (read_name.as_str(), read_value.as_str()),
            (name, value.trim())
        );
        assert_eq!(field.value(), value.trim());
        assert!(field.raw().is_ascii());
        let lines = field.raw().split(|&octet| octet == b'\n');
        assert!(lines.clone().all(|line| line.len() <= 80), "{field:?}");
    }
}

#[test]
fn mailboxes_keep_their_names_whatever_is_in_them() {
    let cases = [
        (None, "To: a@example.com\r\n"),
        (Some(""), "To: a@example.com\r\n"),
        (Some("Jane Doe"), "To: Jane Doe <a@example.com>\r\n"),
        (Some("Doe, Jane"), "To: \"Doe, Jane\" <a@example.com>\r\n"),
        (
            Some("a \"b\" \\"),
            "To: \"a \\\"b\\\" \\\\\" <a@example.com>\r\n",
        ),
        (Some("x>, <b@c.d"), "To: \"x>, <b@c.d\" <a@example.com>\r\n"),
        (
            Some("J\u{fc}rgen"),
            "To: =?utf-8?B?SsO8cmdlbg==?= <a@example.com>\r\n",
        ),
        (
            Some("a\r\nBcc: b@c.d"),
            "To: \"a  Bcc: b@c.d\" <a@example.com>\r\n",
        ),
        (
            Some("=?utf-8?q?x?="),
            "To: =?utf-8?B?PT91dGYtOD9xP3g/PQ==?= <a@example.com>\r\n",
        ),
    ];
    for (name, expected) in cases {
        let field = NewField::mailboxes("To", [(name, "a@example.com")]).expect("a field");
        assert_eq!(String::from_utf8_lossy(field.raw()), expected);
    }
}

#[test]
fn an_address_that_is_none_is_left_out() {
    let addresses = [
        "a@example.com",
        "b@example.com\r\nBcc: x@y.z",
        "c@example.com>, <d@example.com",
        "e f@example.com",
        "g@exam ple.com",
        "h@Example.com",
        "\"i\n\"@example.com",
    ];
    let field = NewField::mailboxes("To", addresses.map(|full| (None, full)));
    let field = field.expect("a field");
    assert_eq!(field.value(), "a@example.com");
    assert_eq!(NewField::mailboxes("To", [(Some("x"), "y")]), None);
}

#[test]
fn random_text_never_becomes_more_than_one_field() {
    // A linear congruential generator: the same texts in every run.
    let mut state: u64 = 1;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let alphabet: Vec<char> = "ab:,;<>@\"\\ \t\r\n\0()=?_.\u{e9}\u{2028}\u{85}\u{1f4ee}B"
        .chars()
        .collect();
    for _ in 0..20_000 {
        let mut text = |length: usize| -> String {
            (0..random(length))
                .map(|_| alphabet[random(alphabet.len())])
                .collect()
        };
        let (name, value, display, address) = (text(6), text(120), text(90), text(12));
        if let Ok(field) = NewField::text(&name, &value) {
            assert_eq!(only_field(field.raw()).0, name);
            assert_eq!(only_field(field.raw()).1, field.value());
        }
        let address = format!("{address}@example.com");
        let two = [
            (Some(display.as_str()), address.as_str()),
            (None, "z@example.com"),
        ];
        let field = NewField::mailboxes("From", two).expect("the second one can be written");
        only_field(field.raw());
        let text = [field.raw(), b"\r\n"].concat();
        let section = HeaderSection::parse(&text).expect("within the limits");
        let originators = section.originators();
        assert_eq!(
            originators.state,
            crate::message::OriginatorState::Complete,
            "{field:?}"
        );
        let from: Vec<_> = originators.from.iter().map(Address::full).collect();
        let expected: Vec<_> = [address.as_str()]
            .into_iter()
            .filter(|full| is_writable(full))
            .chain(["z@example.com"])
            .collect();
        assert_eq!(from, expected, "{field:?}");
    }
}
