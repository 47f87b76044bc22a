//! Cuts the raw value of a structured field into the tokens of RFC 5322 §3.2, read-through syntax gone.
//!
//! Comments, folding and white space are skipped, the obsolete forms of RFC 5322 §4 included.
//! Control characters are an error everywhere: readers differ on what they mean.

use super::originators::Unreadable;

/// Comments within comments. Default 50: people write one, perhaps two.
const MAX_COMMENT_DEPTH: usize = 50;

/// One token of a structured field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A run of atext; any octet from 128 counts as such.
    Atom(&'a [u8]),
    /// What stands between the quotes, backslashes and folding not yet resolved.
    Quoted(&'a [u8]),
    /// An address literal with its brackets.
    Literal(&'a [u8]),
    /// One of `< > @ , ; : .`.
    Special(u8),
    /// Nothing is left.
    End,
}

/// Reads tokens from left to right, each octet once.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    rest: &'a [u8],
}

impl<'a> Lexer<'a> {
    /// Over a value whose last line end has been cut off.
    pub(super) const fn new(value: &'a [u8]) -> Self {
        Self { rest: value }
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Result<Token<'a>, Unreadable> {
        self.skip_cfws()?;
        let Some(&first) = self.rest.first() else {
            return Ok(Token::End);
        };
        match first {
            b'"' => self.quoted_string(),
            b'[' => self.domain_literal(),
            b'<' | b'>' | b'@' | b',' | b';' | b':' | b'.' => {
                self.take(1);
                Ok(Token::Special(first))
            }
            _ => self.atom(),
        }
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn atom(&mut self) -> Result<Token<'a>, Unreadable> {
        let length = run(self.rest, is_atext);
        // Nothing taken: a control character, a stray `)`, `]` or backslash.
        if length == 0 {
            return Err(Unreadable);
        }
        Ok(Token::Atom(self.take(length)))
    }

    /// RFC 5322 §3.2.2: CFWS, also the folding of §4.2 that leaves a line blank.
    fn skip_cfws(&mut self) -> Result<(), Unreadable> {
        loop {
            match self.rest {
                [b' ' | b'\t', ..] => self.take(1),
                [b'\r', b'\n', b' ' | b'\t', ..] => self.take(3),
                [b'(', ..] => self.comment()?,
                _ => return Ok(()),
            };
        }
    }

    fn comment(&mut self) -> Result<&'a [u8], Unreadable> {
        let mut depth = 0_usize;
        let mut at = 0;
        loop {
            let length = text_unit(&self.rest[at..])?;
            match self.rest[at] {
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            at += length;
            if depth == 0 {
                return Ok(self.take(at));
            }
            if depth > MAX_COMMENT_DEPTH {
                return Err(Unreadable);
            }
        }
    }

    fn quoted_string(&mut self) -> Result<Token<'a>, Unreadable> {
        let mut at = 1;
        loop {
            let length = text_unit(&self.rest[at..])?;
            if self.rest[at] == b'"' {
                let text = self.take(at + 1);
                return Ok(Token::Quoted(&text[1..at]));
            }
            at += length;
        }
    }

    /// RFC 5322 §3.4.1 without the blanks and quoted-pairs that no address needs.
    fn domain_literal(&mut self) -> Result<Token<'a>, Unreadable> {
        let is_dtext =
            |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'[' | b'\\' | b']');
        let end = 1 + run(&self.rest[1..], is_dtext);
        if self.rest.get(end) != Some(&b']') {
            return Err(Unreadable);
        }
        Ok(Token::Literal(self.take(end + 1)))
    }
}

/// RFC 5322 §3.2.3, with every octet from 128 as RFC 6532 §3.2 asks; whether they are UTF-8 is for
/// the parts that matter to find out.
pub(super) const fn is_atext(octet: u8) -> bool {
    octet >= 0x80
        || octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'/' | b'='
        )
        || matches!(octet, b'?' | b'^' | b'_' | b'`' | b'{' | b'|' | b'}' | b'~')
}

/// Resolves the backslashes and the folding of a quoted string (RFC 5322 §3.2.4).
pub(super) fn push_quoted(quoted: &[u8], content: &mut Vec<u8>) {
    let mut rest = quoted;
    while let Some(&first) = rest.first() {
        rest = match (first, rest) {
            (b'\\', [_, pair, after @ ..]) => {
                content.push(*pair);
                after
            }
            (b'\r', [_, b'\n', after @ ..]) => after,
            _ => {
                content.push(first);
                &rest[1..]
            }
        };
    }
}

/// The length of the next character, quoted-pair or fold inside a comment or a quoted string.
fn text_unit(rest: &[u8]) -> Result<usize, Unreadable> {
    match rest {
        [b'\\', pair, ..] if !is_control(*pair) => Ok(2),
        [b'\\', ..] => Err(Unreadable),
        [b'\r', b'\n', b' ' | b'\t', ..] => Ok(3),
        [first, ..] if !is_control(*first) => Ok(1),
        _ => Err(Unreadable),
    }
}

const fn is_control(octet: u8) -> bool {
    octet.is_ascii_control() && octet != b'\t'
}

fn run(octets: &[u8], accepts: impl Fn(u8) -> bool) -> usize {
    octets
        .iter()
        .position(|&octet| !accepts(octet))
        .unwrap_or(octets.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(value: &[u8]) -> Result<Vec<Token<'_>>, Unreadable> {
        let mut lexer = Lexer::new(value);
        let mut found = Vec::new();
        loop {
            match lexer.next()? {
                Token::End => return Ok(found),
                token => found.push(token),
            }
        }
    }

    #[test]
    fn comments_and_folding_are_read_through() {
        let value = b" (a (b) \\) c)\r\n\tx(y)\r\n \r\n .\"q\\\"\"";
        let expected = [
            Token::Atom(b"x"),
            Token::Special(b'.'),
            Token::Quoted(b"q\\\""),
        ];
        assert_eq!(tokens(value).as_deref(), Ok(&expected[..]));
    }

    #[test]
    fn what_is_not_closed_or_is_a_control_character_is_unreadable() {
        let cases: [&[u8]; 14] = [
            b"(",
            b"(()",
            b")",
            b"\"",
            b"\"\\",
            b"\"a\\\"",
            b"[",
            b"[1",
            b"[[]",
            b"]",
            b"\\",
            b"a\0",
            b"(\x07)",
            b"\"\x1b\"",
        ];
        for value in cases {
            assert_eq!(tokens(value), Err(Unreadable), "{}", value.escape_ascii());
        }
    }

    #[test]
    fn a_bare_line_end_is_unreadable() {
        for value in ["a\rb", "a\nb", "a\r\nb", "\"a\nb\"", "(a\rb)", "a\r\n"] {
            assert_eq!(tokens(value.as_bytes()), Err(Unreadable), "{value:?}");
        }
    }

    #[test]
    fn comments_nest_to_a_limit() {
        let nested = |depth: usize| "(".repeat(depth) + &")".repeat(depth);
        assert_eq!(tokens(nested(MAX_COMMENT_DEPTH).as_bytes()), Ok(Vec::new()));
        assert_eq!(
            tokens(nested(MAX_COMMENT_DEPTH + 1).as_bytes()),
            Err(Unreadable)
        );
    }
}
