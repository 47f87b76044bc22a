//! Whatever is encoded down says what it said, in octets that the next hop takes, wherever it is cut.

mod messages;

use mail_parser::{Message, MessageParser, MimeHeaders, PartType};

use self::messages::{MESSAGES, message};
use super::*;

const SEVEN: Channel = Channel {
    eight_bit: false,
    utf8_header: false,
};
const EIGHT: Channel = Channel {
    eight_bit: true,
    utf8_header: false,
};

/// Encoded down, handed over in pieces of so many octets; none when it can go as it is.
fn down(content: &[u8], channel: Channel, piece: usize) -> Result<Option<Vec<u8>>, Obstacle> {
    let mut survey = Survey::new(channel);
    for part in content.chunks(piece) {
        survey.read(part)?;
    }
    let plan = survey.finish()?;
    if plan.is_nothing() {
        return Ok(None);
    }
    let mut downgrade = Downgrade::new(channel, Arc::new(plan));
    let mut out = Vec::new();
    for part in content.chunks(piece) {
        downgrade.write(part, &mut out)?;
    }
    downgrade.finish(&mut out)?;
    Ok(Some(out))
}

fn text(content: &str, channel: Channel) -> String {
    let out = down(content.as_bytes(), channel, 1 << 20).expect("no obstacle");
    String::from_utf8(out.unwrap_or_else(|| content.as_bytes().to_vec())).expect("text")
}

/// What a reader sees: addresses, subject, names of attachments, and every body decoded.
fn read(content: &[u8]) -> Vec<String> {
    let message = MessageParser::default().parse(content).expect("a message");
    let mut seen = Vec::new();
    see(&message, &mut seen);
    seen
}

fn see(message: &Message<'_>, seen: &mut Vec<String>) {
    seen.push(format!("{:?} {:?}", message.subject(), message.date()));
    for list in [message.from(), message.to(), message.cc()] {
        let addresses = list.into_iter().flat_map(|list| list.iter());
        let domain = |address: &str| idna::domain_to_ascii(address).unwrap_or_default();
        for one in addresses {
            let address = one.address().unwrap_or_default();
            let address = address
                .rsplit_once('@')
                .map(|(l, d)| (l.to_owned(), domain(d)));
            seen.push(format!("{:?} {address:?}", one.name()));
        }
    }
    for part in &message.parts {
        seen.push(format!("{:?}", part.attachment_name()));
        match &part.body {
            PartType::Text(text) | PartType::Html(text) => {
                seen.push(text.trim_end_matches("\r\n").to_owned());
            }
            PartType::Binary(octets) | PartType::InlineBinary(octets) => {
                seen.push(octets.escape_ascii().to_string());
            }
            PartType::Message(inner) => see(inner, seen),
            PartType::Multipart(parts) => seen.push(format!("{} parts", parts.len())),
        }
    }
}

/// Lines that any next hop takes.
fn assert_fits(out: &[u8], channel: Channel) {
    let shown = String::from_utf8_lossy(out);
    assert!(channel.eight_bit || out.is_ascii(), "{shown}");
    assert!(!out.contains(&0), "{shown}");
    assert!(out.ends_with(b"\r\n"), "{shown}");
    for line in out.split(|&octet| octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(!line.contains(&b'\r') && line.len() <= 998, "{shown}");
    }
    assert_eq!(
        out.iter().filter(|&&octet| octet == b'\n').count(),
        memchr::memmem::find_iter(out, b"\r\n").count(),
        "{shown}"
    );
}

#[test]
fn whatever_is_encoded_down_says_what_it_said() {
    for (name, content) in MESSAGES {
        let content = message(content);
        for channel in [SEVEN, EIGHT] {
            let out = down(&content, channel, 1 << 20).expect(name);
            let out = out.unwrap_or_else(|| content.clone());
            assert_fits(&out, channel);
            assert_eq!(
                read(&out),
                read(&content),
                "{name}\n{}",
                String::from_utf8_lossy(&out)
            );
            let again = down(&out, channel, 1 << 20).expect(name);
            assert_eq!(again, None, "{name}: once is enough");
        }
    }
}

#[test]
fn it_does_not_matter_where_content_is_cut() {
    for (name, content) in MESSAGES {
        let content = message(content);
        let whole = down(&content, SEVEN, 1 << 20).expect(name);
        for piece in [1, 2, 3, 7, 64, 999] {
            assert_eq!(
                down(&content, SEVEN, piece).expect(name),
                whole,
                "{name} {piece}"
            );
        }
    }
}

#[test]
fn what_fits_is_not_touched() {
    for content in [
        "From: a@b.example\r\n\r\nHello\r\n",
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\na\r\n--x--\r\n",
        "",
        "\r\n",
        "From: a@b.example\r\n",
    ] {
        assert_eq!(down(content.as_bytes(), SEVEN, 5), Ok(None), "{content:?}");
    }
    let eight = "Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\u{fc}\u{df}e\r\n";
    assert_eq!(down(eight.as_bytes(), EIGHT, 5), Ok(None));
}

#[test]
fn text_stays_readable_and_says_what_it_is() {
    let content =
        "From: a@b.example\r\nSubject: x\r\n\r\nViele Gr\u{fc}\u{df}e aus dem S\u{fc}den \r\n";
    let out = text(content, SEVEN);
    assert_eq!(
        out,
        "From: a@b.example\r\nSubject: x\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\
         \r\nViele Gr=C3=BC=C3=9Fe aus dem S=C3=BCden=20\r\n"
    );
    let latin = [b"From: a@b.example\r\n\r\nGr".as_slice(), b"\xfc\xdfe\r\n"].concat();
    let out = down(&latin, SEVEN, 100)
        .expect("no obstacle")
        .expect("encoded");
    assert!(String::from_utf8_lossy(&out).contains("charset=unknown-8bit"));
    let russian = format!(
        "From: a@b.example\r\n\r\n{}\r\n",
        "\u{434}\u{430} ".repeat(50)
    );
    assert!(text(&russian, SEVEN).contains("Content-Transfer-Encoding: base64\r\n"));
}

#[test]
fn one_part_is_encoded_and_its_neighbours_are_not() {
    let content = "Content-Type: multipart/mixed; boundary=\"b b\"\r\n\
        Content-Transfer-Encoding: 8bit\r\n\r\npreamble \u{fc}\r\n\
        --b b\r\nContent-Type: text/plain; charset=utf-8\r\ncontent-transfer-encoding: 8bit\r\n\r\nso \u{fc}ber = \r\n\
        --b b \r\nContent-Type: text/plain\r\n\r\n--b bb\r\n--c\r\n\r\n\
        --b b--\r\nepilogue\r\n";
    let out = text(content, SEVEN);
    assert_eq!(
        out,
        "Content-Type: multipart/mixed; boundary=\"b b\"\r\n\
         Content-Transfer-Encoding: 7bit\r\nMIME-Version: 1.0\r\n\r\npreamble ??\r\n\
         --b b\r\nContent-Type: text/plain; charset=utf-8\r\ncontent-transfer-encoding: quoted-printable\r\n\r\nso =C3=BCber =3D=20\r\n\
         --b b \r\nContent-Type: text/plain\r\n\r\n--b bb\r\n--c\r\n\r\n\
         --b b--\r\nepilogue\r\n"
    );
}

#[test]
fn what_is_signed_stays_or_is_an_obstacle() {
    let signed = |kind: &str, body: &str| {
        format!(
            "Subject: Gr\u{fc}\u{df}e\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\
             Content-Type: multipart/{kind}; boundary=i\r\n\r\n--i\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
             {body}\r\n--i\r\n\r\nsignature\r\n--i--\r\n--o\r\n\r\n\u{fc}\r\n--o--\r\n"
        )
    };
    for kind in ["signed", "encrypted"] {
        let sealed = signed(kind, "\u{fc}");
        assert_eq!(down(sealed.as_bytes(), SEVEN, 10), Err(Obstacle::Sealed));
        let out = text(&sealed, EIGHT);
        assert!(out.contains("8bit\r\n\r\n\u{fc}\r\n--i"), "{out}");
        let out = text(&signed(kind, "plain"), SEVEN);
        assert!(out.contains("--i\r\nContent-Transfer-Encoding: 8bit\r\n\r\nplain\r\n--i\r\n"));
        assert!(out.contains("=C3=BC") || out.contains("w7w="), "{out}");
        let binary = signed(kind, "a\nb");
        assert_eq!(down(binary.as_bytes(), EIGHT, 10), Err(Obstacle::Sealed));
    }
}

#[test]
fn what_may_not_be_encoded_is_an_obstacle() {
    for header in [
        "Content-Type: message/partial; id=x; number=1",
        "Content-Type: multipart/mixed",
        "Content-Transfer-Encoding: x-uuencode",
    ] {
        let content = format!("{header}\r\n\r\n\u{fc}\r\n");
        assert_eq!(
            down(content.as_bytes(), SEVEN, 9),
            Err(Obstacle::Part),
            "{header}"
        );
        assert_eq!(down(content.as_bytes(), EIGHT, 9), Ok(None), "{header}");
    }
}

#[test]
fn the_messages_own_addresses_must_have_a_form_in_ascii() {
    let content =
        "From: J\u{fc}rgen <j@b\u{fc}cher.example>\r\nTo: m\u{fc}ller@b.example\r\n\r\nx\r\n";
    let obstacle = Obstacle::Address("m\u{fc}ller@b.example".to_owned());
    assert_eq!(down(content.as_bytes(), EIGHT, 50), Err(obstacle));
    let forwarded = format!("Content-Type: message/rfc822\r\n\r\n{content}");
    let out = text(&forwarded, EIGHT);
    assert!(
        out.contains("\r\nFrom: =?utf-8?B?SsO8cmdlbg==?= <j@xn--bcher-kva.example>\r\n"),
        "{out}"
    );
    assert!(out.contains("\r\nDowngraded-To: =?utf-8?B?"), "{out}");
}

#[test]
fn fields_take_the_forms_that_their_grammar_allows() {
    let cases = [
        (
            "Subject: Gr\u{fc}\u{df}e =?utf-8?q?an_=C3=BC?=",
            "Subject: =?utf-8?B?R3LDvMOfZSBhbiDDvA==?=",
        ),
        (
            "To: \"M\u{fc}ller, A\" <m@b.example> (Gr\u{fc}n), a very long name <x@b.example>",
            "To: =?utf-8?B?TcO8bGxlciwgQQ==?= <m@b.example> (=?utf-8?B?R3LDvG4=?=),\r\n a very long name <x@b.example>",
        ),
        (
            "Cc: K\u{f6}nige: a@k\u{f6}ln.example, \"b c\"@b.example;",
            "Cc: =?utf-8?B?S8O2bmlnZQ==?=: a@xn--kln-sna.example, \"b c\"@b.example;",
        ),
        (
            "Content-Disposition: attachment; size=5; filename=\"Gr\u{fc}\u{df}e 1.txt\"",
            "Content-Disposition: attachment; size=5;\r\n filename*=utf-8''Gr%C3%BC%C3%9Fe%201.txt",
        ),
        (
            "Received: from x by b\u{fc}cher.example with UTF8SMTPA id 1\r\n\tfor <k@b\u{fc}cher.example>; Thu, 1 Jan 1970 00:00:00 +0000",
            "Received: from x by xn--bcher-kva.example with UTF8SMTPA id 1 for\r\n <k@xn--bcher-kva.example>; Thu, 1 Jan 1970 00:00:00 +0000",
        ),
        (
            "Received: from x by y id 1 for <m\u{fc}ller@b.example>; Thu",
            "Received: from x by y id 1; Thu",
        ),
        (
            "Message-ID: <\u{fc}@b.example>",
            "Downgraded-Message-ID: =?utf-8?B?PMO8QGIuZXhhbXBsZT4=?=",
        ),
    ];
    for (field, expected) in cases {
        let out = text(&format!("{field}\r\n\r\nx\r\n"), EIGHT);
        assert_eq!(out, format!("{expected}\r\n\r\nx\r\n"), "{field}");
    }
}

#[test]
fn a_long_name_of_a_file_is_read_back_as_it_was() {
    let name = "\u{4e2d}\u{6587} 'quoted' 100%".repeat(12);
    let content = format!(
        "Content-Type: image/png; name=\"{name}\"\r\n\
         Content-Disposition: attachment; filename=\"{name}\"; x=y\r\n\r\nx\r\n"
    );
    let out = text(&content, SEVEN);
    assert!(
        out.contains("filename*0*=utf-8''") && out.contains("; x=y"),
        "{out}"
    );
    let message = MessageParser::default()
        .parse(out.as_bytes())
        .expect("a message");
    assert_eq!(message.parts[0].attachment_name(), Some(name.as_str()));
}

#[test]
fn limits_are_kept() {
    let deep: String = (0..=MAX_DEPTH)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
        .collect();
    assert_eq!(
        down(deep.as_bytes(), SEVEN, 4096),
        Err(Obstacle::TooComplex)
    );
    let many = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        "--b\r\n\r\n\r\n".repeat(MAX_PARTS + 1)
    );
    assert_eq!(
        down(many.as_bytes(), SEVEN, 4096),
        Err(Obstacle::TooComplex)
    );
    let large = format!("X: {}\r\n\r\n", "y".repeat(MAX_HEADER_OCTETS));
    assert_eq!(
        down(large.as_bytes(), SEVEN, 4096),
        Err(Obstacle::TooComplex)
    );
}

#[test]
fn parts_are_told_apart_by_the_header_that_leaves() {
    let content =
        "Content-Type: multipart/digest; boundary=x\u{f}\n\r\n\r\n--x\r\nno field \u{9e}\0\n";
    for channel in [SEVEN, EIGHT] {
        let out = down(content.as_bytes(), channel, 7).expect("no obstacle");
        let out = out.expect("something to clean");
        assert_eq!(down(&out, channel, 7), Ok(None), "once is enough");
    }
}
