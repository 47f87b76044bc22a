//! Replies: a code, an enhanced status code and text that can do no harm on the wire.

use std::borrow::Cow;
use std::fmt;

/// RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets, CRLF included.
const MAX_LINE_OCTETS: usize = 512;
/// What precedes the text at most: `550-5.123.456 `.
const MAX_PREFIX_OCTETS: usize = 14;
const MAX_TEXT_OCTETS: usize = MAX_LINE_OCTETS - MAX_PREFIX_OCTETS - 2;
const ELLIPSIS: &str = "...";

/// A reply to a command. Its text is printable US-ASCII, and every line fits into 512 octets,
/// whatever it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    enhanced: Option<(u8, u16, u16)>,
    lines: Vec<Cow<'static, str>>,
}

impl Reply {
    /// A reply of one line with an enhanced status code (RFC 3463).
    ///
    /// Control characters become spaces, what is not US-ASCII becomes `?`, and text that is too
    /// long is cut. The class is that of the code (RFC 2034 §4), whatever the tuple says. A code
    /// that is no reply code (200 to 559) becomes 451.
    pub fn new(code: u16, enhanced: (u8, u16, u16), text: impl Into<Cow<'static, str>>) -> Self {
        let code = valid_code(code);
        let (_, subject, detail) = enhanced;
        let class = u8::try_from(code / 100).unwrap_or(4);
        Self {
            code,
            // RFC 2034 §4: a 3yz reply has none. RFC 3463 §2: one to three digits each.
            enhanced: (class != 3).then(|| (class, subject.min(999), detail.min(999))),
            lines: vec![printable(text.into())],
        }
    }

    /// A reply without an enhanced status code: greetings, challenges and the like.
    pub fn bare(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: valid_code(code),
            enhanced: None,
            lines: vec![printable(text.into())],
        }
    }

    /// The same reply with one line more.
    #[must_use]
    pub fn and(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.lines.push(printable(text.into()));
        self
    }

    /// The reply code, from 200 to 559.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Class, subject and detail of the enhanced status code.
    pub fn enhanced(&self) -> Option<(u8, u16, u16)> {
        self.enhanced
    }

    /// The text of the first line, without codes.
    pub fn text(&self) -> &str {
        &self.lines[0]
    }

    /// Whether the command succeeded or goes on (2yz and 3yz).
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// Whether trying again later may help (4yz).
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// Appends the reply as it goes over the wire (RFC 5321 §4.2.1).
    pub fn encode(&self, wire: &mut Vec<u8>) {
        let octets = self
            .lines
            .iter()
            .map(|line| MAX_PREFIX_OCTETS + line.len() + 2);
        wire.reserve(octets.sum());
        for (index, text) in self.lines.iter().enumerate() {
            self.prefix(index, &mut |octets| wire.extend_from_slice(octets));
            wire.extend_from_slice(text.as_bytes());
            wire.extend_from_slice(b"\r\n");
        }
    }

    /// What precedes the text of a line. Every session has it written several times for each message, which formatting
    /// would take more time for than everything else of a reply.
    fn prefix(&self, index: usize, out: &mut impl FnMut(&[u8])) {
        let is_last = index + 1 == self.lines.len();
        digits(self.code, out);
        out(if is_last { b" " } else { b"-" });
        if let Some((class, subject, detail)) = self.enhanced {
            digits(class.into(), out);
            out(b".");
            digits(subject, out);
            out(b".");
            digits(detail, out);
            out(b" ");
        }
    }
}

/// The lines as on the wire, joined by ` / `.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for index in 0..self.lines.len() {
            if index > 0 {
                f.write_str(" / ")?;
            }
            let mut prefix = Vec::with_capacity(MAX_PREFIX_OCTETS);
            self.prefix(index, &mut |octets| prefix.extend_from_slice(octets));
            f.write_str(&String::from_utf8_lossy(&prefix))?;
            f.write_str(&self.lines[index])?;
        }
        Ok(())
    }
}

/// A number below 1,000, in decimal.
fn digits(number: u16, out: &mut impl FnMut(&[u8])) {
    let digit = |of: u16| b'0' + u8::try_from(number / of % 10).unwrap_or(0);
    let all = [digit(100), digit(10), digit(1)];
    let leading = match number {
        100.. => 0,
        10.. => 1,
        _ => 2,
    };
    out(&all[leading..]);
}

/// RFC 5321 §4.2: the first digit is 2 to 5, the second 0 to 5.
fn valid_code(code: u16) -> u16 {
    if (200..=559).contains(&code) && code / 10 % 10 <= 5 {
        code
    } else {
        451
    }
}

fn printable(text: Cow<'static, str>) -> Cow<'static, str> {
    let is_harmless = |octet: u8| matches!(octet, b' '..=b'~');
    if text.len() <= MAX_TEXT_OCTETS && text.bytes().all(is_harmless) {
        return text;
    }
    let mut harmless: String = text
        .chars()
        .take(MAX_TEXT_OCTETS + 1)
        .map(|character| match character {
            ' '..='~' => character,
            _ if character.is_control() => ' ',
            _ => '?',
        })
        .collect();
    if harmless.len() > MAX_TEXT_OCTETS {
        harmless.truncate(MAX_TEXT_OCTETS - ELLIPSIS.len());
        harmless.push_str(ELLIPSIS);
    }
    harmless.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(reply: &Reply) -> String {
        let mut wire = Vec::new();
        reply.encode(&mut wire);
        String::from_utf8(wire).expect("replies are US-ASCII")
    }

    #[test]
    fn a_reply_is_written_with_its_codes() {
        let cases = [
            (Reply::new(250, (2, 1, 0), "Ok"), "250 2.1.0 Ok\r\n"),
            (Reply::new(550, (2, 7, 1), "No"), "550 5.7.1 No\r\n"),
            (Reply::new(354, (2, 0, 0), "Go"), "354 Go\r\n"),
            (Reply::bare(334, ""), "334 \r\n"),
            (
                Reply::bare(250, "a").and("b").and("c"),
                "250-a\r\n250-b\r\n250 c\r\n",
            ),
            (
                Reply::new(214, (2, 0, 0), "a").and("b"),
                "214-2.0.0 a\r\n214 2.0.0 b\r\n",
            ),
            (Reply::new(550, (5, 7000, 1), "x"), "550 5.999.1 x\r\n"),
        ];
        for (reply, expected) in cases {
            assert_eq!(wire(&reply), expected);
        }
    }

    #[test]
    fn a_code_that_is_none_becomes_a_local_error() {
        for code in [0, 99, 199, 299, 560, 600, 999, u16::MAX] {
            assert_eq!(Reply::new(code, (5, 0, 0), "x").to_string(), "451 4.0.0 x");
        }
    }

    #[test]
    fn text_cannot_leave_its_line() {
        let reply = Reply::new(550, (5, 7, 1), "a\r\n250 b\0\u{7f}\u{85}\u{e9}\u{2028}c\t");
        assert_eq!(wire(&reply), "550 5.7.1 a  250 b   ??c \r\n");
    }

    #[test]
    fn a_line_fits_into_512_octets() {
        for text in ["x".repeat(10_000), "\u{e9}".repeat(10_000), "x".repeat(497)] {
            let line = wire(&Reply::new(550, (5, 123, 456), text));
            assert_eq!(line.len(), MAX_LINE_OCTETS);
            assert!(line.ends_with("...\r\n"));
        }
        let fits = wire(&Reply::new(550, (5, 123, 456), "x".repeat(496)));
        assert!(fits.len() == MAX_LINE_OCTETS && fits.ends_with("xx\r\n"));
    }
}
