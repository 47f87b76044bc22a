//! What the address-list parser makes of good, old, odd and hostile fields.

use super::*;

fn read(value: &[u8]) -> Result<Vec<String>, Unreadable> {
    let mut found = Vec::new();
    read_mailboxes(value, 1000, &mut found)?;
    Ok(found.iter().map(Address::full).collect())
}

#[test]
fn what_can_be_read_in_one_way_is_read() {
    let cases: [(&str, &[&str]); 74] = [
        // RFC 5322 §3.4.1: addr-spec.
        ("a@b.example", &["a@b.example"]),
        (" a@b.example ", &["a@b.example"]),
        ("a@B.Example", &["a@b.example"]),
        ("A.B@b.example", &["A.B@b.example"]),
        ("a@b.example.", &["a@b.example"]),
        ("a@localhost", &["a@localhost"]),
        (
            "!#$%&'*+-/=?^_`{|}~@b.example",
            &["!#$%&'*+-/=?^_`{|}~@b.example"],
        ),
        ("\"a\"@b.example", &["a@b.example"]),
        ("\"a b\"@b.example", &["\"a b\"@b.example"]),
        ("\"a\\\"b\"@b.example", &["\"a\\\"b\"@b.example"]),
        ("\"a\\b\"@b.example", &["ab@b.example"]),
        ("\"x@y.example\"@b.example", &["\"x@y.example\"@b.example"]),
        (
            "\"x@y.example>,\"@b.example",
            &["\"x@y.example>,\"@b.example"],
        ),
        ("\"\"@b.example", &["\"\"@b.example"]),
        ("\"a\r\n b\"@b.example", &["\"a b\"@b.example"]),
        ("a@[192.0.2.1]", &["a@[192.0.2.1]"]),
        ("a@[IPv6:2001:DB8::1]", &["a@[ipv6:2001:db8::1]"]),
        // RFC 5322 §3.4: name-addr and display names.
        ("<a@b.example>", &["a@b.example"]),
        ("Boss <a@b.example>", &["a@b.example"]),
        ("Boss<a@b.example>", &["a@b.example"]),
        ("The Big Boss <a@b.example>", &["a@b.example"]),
        ("\"Boss, The\" <a@b.example>", &["a@b.example"]),
        ("\"Boss\" The \"Big\" <a@b.example>", &["a@b.example"]),
        ("John Q. Public <a@b.example>", &["a@b.example"]),
        ("J.Q.Public <a@b.example>", &["a@b.example"]),
        ("\"boss@corp.example\" <a@b.example>", &["a@b.example"]),
        ("\"<boss@corp.example>\" <a@b.example>", &["a@b.example"]),
        (
            "\"boss@corp.example>, \\\"\" <a@b.example>",
            &["a@b.example"],
        ),
        (
            "=?utf-8?q?boss=40corp.example?= <a@b.example>",
            &["a@b.example"],
        ),
        (
            "=?utf-8?B?Ym9zc0Bjb3JwLmV4YW1wbGU+?= <a@b.example>",
            &["a@b.example"],
        ),
        (
            "=?utf-8?q?a?=\r\n =?utf-8?q?b?= <a@b.example>",
            &["a@b.example"],
        ),
        ("J\u{fc}rgen <a@b.example>", &["a@b.example"]),
        ("Boss\r\n <a@b.example>", &["a@b.example"]),
        ("Boss\r\n\t<a@b.example>\r\n ", &["a@b.example"]),
        ("\"\" <a@b.example>", &["a@b.example"]),
        // Comments.
        ("a@b.example (Boss)", &["a@b.example"]),
        ("(boss@corp.example) a@b.example", &["a@b.example"]),
        ("a(x)@(y)b.example", &["a@b.example"]),
        (
            "a@b.example (Boss (really) \\) <boss@corp.example>)",
            &["a@b.example"],
        ),
        ("Boss (x) <(y)a@b.example(z)> (w)", &["a@b.example"]),
        ("(\"unbalanced) a@b.example", &["a@b.example"]),
        ("(\r\n ) a@b.example", &["a@b.example"]),
        // Several mailboxes.
        ("a@b.example, c@d.example", &["a@b.example", "c@d.example"]),
        ("a@b.example,c@d.example", &["a@b.example", "c@d.example"]),
        (
            "A <a@b.example>,\r\n C <c@d.example>",
            &["a@b.example", "c@d.example"],
        ),
        ("a@b.example, a@b.example", &["a@b.example", "a@b.example"]),
        // RFC 5322 §4.4: empty elements, blanks around dots, routes.
        ("", &[]),
        ("   ", &[]),
        ("(nobody)", &[]),
        (",", &[]),
        (",,a@b.example,,", &["a@b.example"]),
        (" , (x) , a@b.example", &["a@b.example"]),
        ("a . b @ c . example", &["a.b@c.example"]),
        ("a(x).\r\n b@c(y).example", &["a.b@c.example"]),
        (
            "a@ok.example (x).evil.example",
            &["a@ok.example.evil.example"],
        ),
        ("\"a\".b@c.example", &["a.b@c.example"]),
        ("\"a b\".c@d.example", &["\"a b.c\"@d.example"]),
        ("\"\".a@d.example", &["\".a\"@d.example"]),
        ("<@x.example:a@b.example>", &["a@b.example"]),
        ("<@x.example,@y.example:a@b.example>", &["a@b.example"]),
        (
            "B <,@x.example,, @y.example,:a@b.example>",
            &["a@b.example"],
        ),
        ("<@[192.0.2.1]:a@b.example>", &["a@b.example"]),
        // Groups.
        (
            "Team: a@b.example, C <c@d.example>;",
            &["a@b.example", "c@d.example"],
        ),
        ("Team:a@b.example;", &["a@b.example"]),
        ("The \"Big\" Team: a@b.example;", &["a@b.example"]),
        ("undisclosed-recipients:;", &[]),
        ("Team: (nobody) ;", &[]),
        ("Team: ,, ;", &[]),
        (
            "a@b.example, Team: c@d.example;, e@f.example",
            &["a@b.example", "c@d.example", "e@f.example"],
        ),
        (
            "A:a@b.example;,B:c@d.example;(x)",
            &["a@b.example", "c@d.example"],
        ),
        // RFC 6532.
        (
            "\u{fc}ser@b\u{fc}cher.example",
            &["\u{fc}ser@xn--bcher-kva.example"],
        ),
        ("u\u{308}ser@b.example", &["\u{fc}ser@b.example"]),
        ("a@b\u{3002}example", &["a@b.example"]),
        ("\"\u{fc} b\"@b.example", &["\"\u{fc} b\"@b.example"]),
    ];
    for (value, expected) in cases {
        let expected: Vec<String> = expected.iter().map(|&text| text.to_owned()).collect();
        assert_eq!(read(value.as_bytes()), Ok(expected), "{value:?}");
    }
}

#[test]
fn what_has_no_or_more_than_one_reading_is_unreadable() {
    let cases = [
        // Not an address.
        "a",
        "a b",
        "a@",
        "@b.example",
        "@",
        "a@b.example@c.example",
        "a@@b.example",
        ".",
        "a@.",
        "Boss",
        ".a@b.example",
        "a.@b.example",
        "a..b@c.example",
        "a@b..example",
        "a@.b.example",
        "a@b.example..",
        "a b@c.example",
        "\"a\"b@c.example",
        "a@\"b\".example",
        "a@b example",
        "a@b.example c",
        // Angle brackets.
        "<>",
        "Boss <>",
        "Boss <a>",
        "Boss <a@b.example",
        "Boss a@b.example>",
        "<<a@b.example>>",
        "<a@b.example> x",
        "<a@b.example> <c@d.example>",
        "a@b.example <c@d.example>",
        "<a@b.example, c@d.example>",
        "boss@corp.example <a@b.example>",
        "boss @ corp.example <a@b.example>",
        "<a@b.example> (x) y",
        ". Boss <a@b.example>",
        "<Boss a@b.example>",
        "=?utf-8?Q?x@y.example?= <a@b.example>",
        "=?utf-8?Q?Boss,_The?= <a@b.example>",
        // Routes.
        "<@x.example a@b.example>",
        "<@x.example:>",
        "<@:a@b.example>",
        "<,:a@b.example>",
        "<:a@b.example>",
        "<x.example:a@b.example>",
        "<@x.example;a@b.example>",
        "@x.example:a@b.example",
        // Lists and groups.
        "a@b.example; c@d.example",
        "a@b.example;",
        ";",
        ":;",
        ": a@b.example;",
        "Team: a@b.example",
        "Team: a@b.example; c@d.example",
        "Team: a@b.example;;",
        "Team: Inner: a@b.example;;",
        "Team <a@b.example>;",
        "a@b.example: c@d.example;",
        "Team: a; ",
        "a@b.example c@d.example",
        "a@b.example Team: c@d.example;",
        // Quotes, comments, literals.
        "\"a@b.example",
        "a\"@b.example",
        "(a@b.example",
        "a@b.example)",
        "a@b.example (x\\)",
        "\"x\\\" <a@b.example>",
        "a@[192.0.2.1",
        "a@192.0.2.1]",
        "a@[]",
        "a@[192.0.2.1].example",
        "a@[192 .0.2.1]",
        "a@[x@y]",
        "a\\@b.example",
        // Domains that do not survive.
        "a@exa!mple.com",
        "a@b\u{a0}.example",
        "a@xn--zzzzzz-99999999.example",
        "a@\u{ff20}b.example",
        "a@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example",
        // Control characters, also where nothing else would matter.
        "a\0@b.example",
        "Boss\x07 <a@b.example>",
        "\"Boss\x1b\" <a@b.example>",
        "(\0) a@b.example",
        "a@b.example\r",
        "a@b.example\n",
        "a@b.example\r\nc@d.example",
        "a@b\0.example",
        "a\x7f@b.example",
        "\"a\\\0\"@b.example",
        "\"a\tb\"@b.example",
        "us\u{85}er@b.example",
        "a@b.example\x0b",
    ];
    for value in cases {
        assert_eq!(read(value.as_bytes()), Err(Unreadable), "{value:?}");
    }
}

#[test]
fn octets_that_are_not_utf_8_are_read_through_in_names_alone() {
    let cases: [(&[u8], Result<&str, Unreadable>); 8] = [
        (b"J\xfcrgen <a@b.example>", Ok("a@b.example")),
        (b"\"J\xfcrgen\" <a@b.example>", Ok("a@b.example")),
        (b"a@b.example (J\xfcrgen)", Ok("a@b.example")),
        (b"J\xfcrgen: a@b.example;", Ok("a@b.example")),
        (b"a@b\xfccher.example", Err(Unreadable)),
        (b"J <a@b\xfccher.example>", Err(Unreadable)),
        (b"j\xfcrgen@b.example", Err(Unreadable)),
        (b"\"j\xfcrgen\"@b.example", Err(Unreadable)),
    ];
    for (value, expected) in cases {
        let expected = expected.map(|address| vec![address.to_owned()]);
        assert_eq!(read(value), expected, "{}", value.escape_ascii());
    }
}

#[test]
fn more_mailboxes_than_the_limit_are_unreadable() {
    let mut found = Vec::new();
    assert_eq!(read_mailboxes(b"a@b, c@d", 2, &mut found), Ok(()));
    assert_eq!(read_mailboxes(b"e@f", 2, &mut found), Err(Unreadable));
    assert_eq!(found.len(), 2);
}

#[test]
fn long_hostile_values_do_not_take_long() {
    let units = [
        "a ", "a.", "\"", "(", "(a)", "<", "a@b,", ",", "x:;,", "<@a,", "\r\n ", "\\", "[", "a@",
        "\"a\".", "=?a?q?", "\u{fc}", "a@b.", "<@a:", "\u{300}",
    ];
    for unit in units {
        let value = unit.repeat(256 * 1024 / unit.len());
        let _ = read(value.as_bytes());
        let _ = read(["<a@", &value, ">"].concat().as_bytes());
    }
}

/// Every string over a small alphabet of special octets, and what it never is.
#[test]
fn no_short_value_panics_or_yields_an_unusable_address() {
    const OCTETS: &[u8; 16] = b"ab@.<>,;:\"\\() \xfc[";
    let mut value = [0; 5];
    for number in 0..16_usize.pow(5) {
        for (place, octet) in value.iter_mut().enumerate() {
            *octet = OCTETS[number >> (4 * place) & 15];
        }
        let mut found = Vec::new();
        let _ = read_mailboxes(&value, 1000, &mut found);
        for address in found {
            let again = Address::parse(&address.full());
            assert_eq!(again.as_ref(), Some(&address), "{}", value.escape_ascii());
        }
    }
}
