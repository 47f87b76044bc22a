//! Writes the body of a part in a transfer encoding (RFC 2045 §6), a piece at a time.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Octets that make a line of base64 of 76 characters (RFC 2045 §6.8).
const BASE64_LINE: usize = 57;
/// Characters of a line of quoted-printable before the `=` of a soft break (RFC 2045 §6.7).
const QUOTED_LINE: usize = 75;

/// What is done to the body of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Nothing: it fits as it is.
    Keep,
    /// It becomes quoted-printable.
    Quoted,
    /// It becomes base64.
    Base64,
    /// It is quoted-printable already; octets that have no place in it are quoted.
    MendQuoted,
    /// It is base64 already; octets that have no place in it, and that no decoder reads, go.
    MendBase64,
}

impl Coding {
    /// The value of Content-Transfer-Encoding that it brings.
    pub const fn label(self) -> Option<&'static str> {
        match self {
            Self::Quoted => Some("quoted-printable"),
            Self::Base64 => Some("base64"),
            Self::Keep | Self::MendQuoted | Self::MendBase64 => None,
        }
    }
}

/// Writes one body.
#[derive(Debug)]
pub(super) enum Body {
    Keep,
    Quoted(Quoted),
    Base64(Base64),
    MendQuoted,
    MendBase64,
}

impl Body {
    pub const fn new(coding: Coding) -> Self {
        match coding {
            Coding::Keep => Self::Keep,
            Coding::Quoted => Self::Quoted(Quoted {
                column: 0,
                blank: None,
            }),
            Coding::Base64 => Self::Base64(Base64 {
                rest: Vec::new(),
                is_begun: false,
            }),
            Coding::MendQuoted => Self::MendQuoted,
            Coding::MendBase64 => Self::MendBase64,
        }
    }

    /// Octets of a line, without its end.
    pub fn octets(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Keep => out.extend_from_slice(octets),
            Self::Quoted(quoted) => quoted.octets(octets, out),
            Self::Base64(base64) => base64.octets(octets, out),
            Self::MendQuoted => {
                for &octet in octets {
                    match octet {
                        b' '..=b'~' | b'\t' => out.push(octet),
                        _ => push_hexadecimal(octet, out),
                    }
                }
            }
            Self::MendBase64 => {
                out.extend(octets.iter().filter(|octet| matches!(octet, b' '..=b'~')));
            }
        }
    }

    /// A line end that belongs to the body.
    pub fn line_end(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Quoted(quoted) => quoted.line_end(out),
            Self::Base64(base64) => base64.octets(b"\r\n", out),
            Self::Keep | Self::MendQuoted | Self::MendBase64 => out.extend_from_slice(b"\r\n"),
        }
    }

    /// What is left to be written. `is_last` when the content ends with it: then a line must end too.
    pub fn finish(self, is_last: bool, out: &mut Vec<u8>) {
        match self {
            Self::Quoted(quoted) => quoted.finish(is_last, out),
            Self::Base64(base64) => base64.finish(is_last, out),
            Self::Keep | Self::MendQuoted | Self::MendBase64 => {}
        }
    }
}

/// Quoted-printable in the making.
#[derive(Debug)]
pub(super) struct Quoted {
    column: usize,
    /// A space or tab: it must not stand at the end of a line.
    blank: Option<u8>,
}

impl Quoted {
    fn octets(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        for &octet in octets {
            if let Some(blank) = self.blank.take() {
                self.push(&[blank], out);
            }
            match octet {
                b' ' | b'\t' => self.blank = Some(octet),
                b'=' => self.quote(octet, out),
                b'!'..=b'~' => self.push(&[octet], out),
                _ => self.quote(octet, out),
            }
        }
    }

    fn line_end(&mut self, out: &mut Vec<u8>) {
        if let Some(blank) = self.blank.take() {
            self.quote(blank, out);
        }
        out.extend_from_slice(b"\r\n");
        self.column = 0;
    }

    fn quote(&mut self, octet: u8, out: &mut Vec<u8>) {
        let mut quoted = Vec::with_capacity(3);
        push_hexadecimal(octet, &mut quoted);
        self.push(&quoted, out);
    }

    fn push(&mut self, token: &[u8], out: &mut Vec<u8>) {
        if self.column + token.len() > QUOTED_LINE {
            out.extend_from_slice(b"=\r\n");
            self.column = 0;
        }
        out.extend_from_slice(token);
        self.column += token.len();
    }

    fn finish(mut self, is_last: bool, out: &mut Vec<u8>) {
        if let Some(blank) = self.blank.take() {
            self.quote(blank, out);
        }
        if is_last && self.column > 0 {
            // A soft break: the body itself does not end with a line end.
            out.extend_from_slice(b"=\r\n");
        }
    }
}

fn push_hexadecimal(octet: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(&[
        b'=',
        DIGITS[usize::from(octet >> 4)],
        DIGITS[usize::from(octet & 15)],
    ]);
}

/// Base64 in the making.
#[derive(Debug)]
pub(super) struct Base64 {
    /// Less than a line.
    rest: Vec<u8>,
    is_begun: bool,
}

impl Base64 {
    fn octets(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        self.rest.extend_from_slice(octets);
        let rest = std::mem::take(&mut self.rest);
        let lines = rest.chunks_exact(BASE64_LINE);
        self.rest.extend_from_slice(lines.remainder());
        lines.for_each(|line| self.line(line, out));
    }

    fn line(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        if self.is_begun {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(BASE64_STANDARD.encode(octets).as_bytes());
        self.is_begun = true;
    }

    fn finish(mut self, is_last: bool, out: &mut Vec<u8>) {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            self.line(&rest, out);
        }
        if is_last && self.is_begun {
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(coding: Coding, lines: &[&str], is_last: bool) -> String {
        let (mut body, mut out) = (Body::new(coding), Vec::new());
        for (place, line) in lines.iter().enumerate() {
            if place > 0 {
                body.line_end(&mut out);
            }
            for part in line.as_bytes().chunks(3) {
                body.octets(part, &mut out);
            }
        }
        body.finish(is_last, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn quoted_printable_keeps_lines_short_and_their_ends_visible() {
        assert_eq!(
            coded(Coding::Quoted, &["a=b", "\u{fc} ", "\t", "x"], false),
            "a=3Db\r\n=C3=BC=20\r\n=09\r\nx"
        );
        assert_eq!(coded(Coding::Quoted, &["x", ""], true), "x\r\n");
        assert_eq!(coded(Coding::Quoted, &["x"], true), "x=\r\n");
        let long = "\u{fc}".repeat(100);
        let text = coded(Coding::Quoted, &[&long, &"x ".repeat(100)], true);
        assert!(text.lines().all(|line| line.len() <= 76), "{text}");
        assert!(text.lines().all(|line| !line.ends_with(' ')), "{text}");
    }

    #[test]
    fn base64_is_lines_of_76_and_ends_where_the_part_does() {
        assert_eq!(coded(Coding::Base64, &["ab", "c"], false), "YWINCmM=");
        assert_eq!(coded(Coding::Base64, &[""], true), "");
        assert_eq!(coded(Coding::Base64, &["a"], true), "YQ==\r\n");
        let text = coded(Coding::Base64, &[&"x".repeat(57), ""], true);
        let lines: Vec<usize> = text.lines().map(str::len).collect();
        assert_eq!(lines, [76, 4]);
    }

    #[test]
    fn what_is_encoded_already_is_only_mended() {
        assert_eq!(
            coded(Coding::MendQuoted, &["a=3Db \u{fc}"], true),
            "a=3Db =C3=BC"
        );
        assert_eq!(coded(Coding::MendBase64, &["YQ\u{fc}=="], true), "YQ==");
    }
}
