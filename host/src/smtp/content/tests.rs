//! Every sequence that could be taken for the end of the content, and every limit, at every cut.

use super::*;

/// What the scanner makes of `octets` cut into pieces, chunks joined, and what it left.
#[derive(Debug, PartialEq, Eq)]
struct Scanned {
    content: Vec<u8>,
    refusal: Option<Refusal>,
    last: ContentEvent,
    rest: Vec<u8>,
}

fn limits() -> SessionConfig {
    SessionConfig {
        max_message_octets: 60,
        max_header_octets: 40,
        max_text_line_octets: 20,
        ..SessionConfig::default()
    }
}

fn scan(octets: &[u8], piece: usize) -> Scanned {
    let mut scanner = ContentScanner::new(&limits());
    let (mut input, mut content) = (BytesMut::new(), Vec::new());
    let mut last = ContentEvent::NeedInput;
    for piece in octets.chunks(piece) {
        input.extend_from_slice(piece);
        while !matches!(last, ContentEvent::End | ContentEvent::Endless) {
            last = match scanner.next(&mut input) {
                ContentEvent::Chunk(chunk) => {
                    content.extend_from_slice(&chunk);
                    continue;
                }
                ContentEvent::NeedInput => break,
                event => event,
            };
        }
    }
    if last == ContentEvent::Endless {
        input.clear();
    }
    Scanned {
        content,
        refusal: scanner.refusal(),
        last,
        rest: input.to_vec(),
    }
}

fn scan_every_way(octets: &[u8]) -> Scanned {
    let whole = scan(octets, octets.len().max(1));
    for piece in 1..octets.len() {
        assert_eq!(
            scan(octets, piece),
            whole,
            "{} by {piece}",
            octets.escape_ascii()
        );
    }
    whole
}

#[test]
fn content_ends_at_crlf_dot_crlf_and_loses_its_stuffing() {
    let cases: [(&[u8], &[u8], &[u8]); 10] = [
        (b".\r\n", b"", b""),
        (b"a\r\n.\r\n", b"a\r\n", b""),
        (b"a\r\n.\r\nQUIT\r\n", b"a\r\n", b"QUIT\r\n"),
        (b"\r\n.\r\n", b"\r\n", b""),
        (b"..\r\n.\r\n", b".\r\n", b""),
        (b"...\r\n.\r\n", b"..\r\n", b""),
        (
            b".a\r\n.b\r\nc\r\n..d.\r\n.\r\n",
            b"a\r\nb\r\nc\r\n.d.\r\n",
            b"",
        ),
        (b"a.\r\n .\r\n.\r\n", b"a.\r\n .\r\n", b""),
        (b". \r\n.\r\n", b" \r\n", b""),
        (b"\xff\r\n.\r\n.\r\n", b"\xff\r\n", b".\r\n"),
    ];
    for (octets, content, rest) in cases {
        let expected = Scanned {
            content: content.to_vec(),
            refusal: None,
            last: ContentEvent::End,
            rest: rest.to_vec(),
        };
        assert_eq!(
            scan_every_way(octets),
            expected,
            "{}",
            octets.escape_ascii()
        );
    }
}

#[test]
fn what_another_server_may_take_for_the_end_refuses_the_message() {
    let (lf, cr, nul) = (
        Refusal::BareLf { line: 2 },
        Refusal::BareCr { line: 2 },
        Refusal::Nul { line: 2 },
    );
    let cases: [(&[u8], Refusal); 17] = [
        (b"\n.\n", lf),
        (b"\n.\r\n", lf),
        (b"x\n.\r", lf),
        (b"\n\n.\n", lf),
        (b"\r.\r", cr),
        (b"\r.\r\n", cr),
        (b"\r.\n", cr),
        (b"\r\r\n.", cr),
        (b"\r\r\n", cr),
        (b".\n", lf),
        (b".\r", cr),
        (b".\rx", cr),
        (b".\r\r\n", cr),
        (b"\0.\r\n", nul),
        (b".\0\r\n", nul),
        (b"x\0\n", nul),
        (b"\n\r\n", lf),
    ];
    for (middle, refusal) in cases {
        let octets = [b"a\r\n", middle, b"RSET\r\n.\r\nQUIT\r\n"].concat();
        let scanned = scan_every_way(&octets);
        assert_eq!(scanned.refusal, Some(refusal), "{}", octets.escape_ascii());
        assert_eq!(
            (scanned.last, scanned.rest.as_slice()),
            (ContentEvent::End, &b"QUIT\r\n"[..])
        );
        assert!(scanned.content.starts_with(b"a\r\n"));
    }
    // CRLF . LF: the dot is stuffing in front of a bare LF, and what follows is still content.
    let scanned = scan_every_way(b"a\r\n\r\n.\nRSET\r\n.\r\n");
    assert_eq!(scanned.refusal, Some(Refusal::BareLf { line: 3 }));
    assert_eq!(scanned.last, ContentEvent::End);
}

#[test]
fn limits_refuse_the_message_at_the_same_octet_however_it_is_cut() {
    let x = |octets: usize| "x".repeat(octets);
    let (line, header, message) = (
        Refusal::LineTooLong {
            line: 1,
            max_octets: 20,
        },
        Refusal::HeaderTooLarge { max_octets: 40 },
        Refusal::MessageTooLarge { max_octets: 60 },
    );
    let cases = [
        (x(18) + "\r\n", None),
        (format!(".{}\r\n", x(18)), None),
        (x(19) + "\r\n", Some(line)),
        (x(40) + "\r\n", Some(line)),
        (x(18) + "\n\r\n", Some(Refusal::BareLf { line: 1 })),
        (x(19) + "\n\r\n", Some(line)),
        ((x(18) + "\r\n").repeat(2), None),
        ((x(18) + "\r\n").repeat(2) + "\r\n", Some(header)),
        (
            (x(18) + "\r\n").repeat(2) + "\0\r\n",
            Some(Refusal::Nul { line: 3 }),
        ),
        ((x(18) + "\r\n").repeat(2) + "a\r\n", Some(header)),
        (x(16) + "\r\n\r\n" + &(x(18) + "\r\n").repeat(2), None),
        (
            x(16) + "\r\n\r\n" + &(x(18) + "\r\n").repeat(2) + "\r\n",
            Some(message),
        ),
        (
            x(16) + "\r\n\r\n" + &(x(18) + "\r\n").repeat(2) + "a\r\n",
            Some(message),
        ),
        (
            x(16) + "\r\n\r\n" + &(x(18) + "\r\n").repeat(3),
            Some(message),
        ),
        (
            "\r\n".to_owned() + &(x(17) + "\r\n").repeat(3) + "a\r\n",
            Some(message),
        ),
    ];
    for (text, refusal) in cases {
        let scanned = scan_every_way((text.clone() + ".\r\n").as_bytes());
        assert_eq!(
            (scanned.refusal, scanned.last),
            (refusal, ContentEvent::End),
            "{text:?}"
        );
    }
}

#[test]
fn refused_content_that_does_not_end_ends_the_session() {
    for (octets, last) in [
        (119, ContentEvent::End),
        (120, ContentEvent::Endless),
        (500, ContentEvent::Endless),
    ] {
        let text = format!("\n{}\r\n.\r\n", "x".repeat(octets - 2));
        assert_eq!(scan_every_way(text.as_bytes()).last, last, "{octets}");
    }
}

#[test]
fn eight_bit_octets_are_noticed() {
    for (octets, expected) in [
        (&b"a\r\n.\r\n"[..], false),
        (b"\xc3\xa9\r\n.\r\n", true),
        (b"a\r\n\x80\r\n.\r\n", true),
    ] {
        let mut scanner = ContentScanner::new(&limits());
        let mut input = BytesMut::from(octets);
        while scanner.next(&mut input) != ContentEvent::End {}
        assert_eq!(scanner.is_eight_bit(), expected);
        assert_eq!(scanner.size() + 3, octets.len() as u64);
    }
}

#[test]
fn whole_lines_of_a_body_mean_what_their_octets_do() {
    let tokens: [&[u8]; 8] = [
        b"a",
        b".",
        b"\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b"\0",
        "é".as_bytes(),
    ];
    for number in 0..8_usize.pow(5) {
        let places = (0..5).map(|place| (number >> (3 * place)) & 7);
        let body: Vec<u8> = places.flat_map(|place| tokens[place]).copied().collect();
        // Lines of 18 octets fit and those of 19 do not, and the message is full after some.
        for before in [
            "\r\n",
            "\r\nx\r\nxxxxxxxxxxxxxxxx",
            "\r\n...........\r\n...........\r\n...........\r\n........\r\n",
        ] {
            let octets = [before.as_bytes(), &body, b"\r\n.\r\nrest"].concat();
            let one_by_one = scan(&octets, 1);
            assert_eq!(
                scan(&octets, octets.len()),
                one_by_one,
                "{}",
                octets.escape_ascii()
            );
        }
    }
}
