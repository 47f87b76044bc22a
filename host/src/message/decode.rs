//! Turns the raw value of a field into text for people and policies: unfolded and MIME-decoded.

use std::borrow::Cow;

use mail_parser::parsers::MessageStream;
use memchr::memchr;

/// Octets of an encoded-word. RFC 2047 §2 allows 75; clients that put a whole subject into one exceed it.
const MAX_ENCODED_WORD_OCTETS: usize = 512;

/// Unfolds and decodes a value (RFC 5322 §2.2.3, RFC 2047). Every fold becomes one space, every
/// control character a space, every octet that is not UTF-8 a replacement character.
pub(super) fn decode_unstructured(value: &[u8]) -> Cow<'_, str> {
    let value = value.trim_ascii();
    let is_plain = |octet: &u8| (b' '..=b'~').contains(octet);
    if let Ok(text) = std::str::from_utf8(value)
        && (memchr(b'?', value).is_none() || !text.contains("=?"))
        && (value.iter().all(is_plain) || !text.chars().any(char::is_control))
    {
        return Cow::Borrowed(text);
    }
    let unfolded = unfold(value);
    let decoded = decode_words(&unfolded);
    Cow::Owned(decoded.replace(char::is_control, " "))
}

/// Each fold, the white space around its line end included, as one space.
fn unfold(value: &[u8]) -> Vec<u8> {
    let mut unfolded = Vec::with_capacity(value.len());
    for line in value.split(|&octet| octet == b'\n') {
        let line = line.trim_ascii();
        if !line.is_empty() && !unfolded.is_empty() {
            unfolded.push(b' ');
        }
        unfolded.extend_from_slice(line);
    }
    unfolded
}

/// Decodes the encoded-words of a line; white space between two of them is dropped (RFC 2047 §6.2).
fn decode_words(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    let (mut plain_at, mut at) = (0, 0);
    let mut after_word = false;
    while let Some(begin) = find(&line[at..], b"=?").map(|offset| at + offset) {
        let Some((word, length)) = encoded_word(&line[begin..]) else {
            at = begin + 2;
            continue;
        };
        let between = &line[plain_at..begin];
        if !(after_word && between.trim_ascii().is_empty()) {
            text.push_str(&String::from_utf8_lossy(between));
        }
        text.push_str(&word);
        at = begin + length;
        plain_at = at;
        after_word = true;
    }
    text.push_str(&String::from_utf8_lossy(&line[plain_at..]));
    text
}

/// The text of the encoded-word at the beginning of `rest`, and its length in octets.
fn encoded_word(rest: &[u8]) -> Option<(String, usize)> {
    let window = &rest[..rest.len().min(MAX_ENCODED_WORD_OCTETS)];
    let charset = window[2..].iter().position(|&octet| octet == b'?')?;
    // Past `=?`, the charset, `?`, the encoding and `?`, so that `?=` is not found too early.
    let text_at = 2 + charset + 3;
    let end = text_at + find(window.get(text_at..)?, b"?=")? + 2;
    let word = MessageStream::new(&window[1..end]).decode_rfc2047()?;
    Some((word, end))
}

fn find(octets: &[u8], pair: &[u8; 2]) -> Option<usize> {
    octets.windows(2).position(|window| window == pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_unfolded_and_decoded() {
        let cases: [(&[u8], &str); 19] = [
            (b"", ""),
            (b"  plain text ", "plain text"),
            (b"two\r\n lines", "two lines"),
            (b"two\r\n \t\r\n   lines", "two lines"),
            (b"=?utf-8?q?caf=C3=A9?=", "caf\u{e9}"),
            (b"=?UTF-8?B?Y2Fmw6k=?=", "caf\u{e9}"),
            (b"=?iso-8859-1?Q?caf=E9?= bar", "caf\u{e9} bar"),
            (b"foo =?utf-8?q?b?= baz", "foo b baz"),
            (b"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
            (b"=?utf-8?q?a?=\r\n =?utf-8?q?b?= c", "ab c"),
            (b"=?utf-8?q?a_b?=", "a b"),
            (b"=?utf-8*en?q?a?=", "a"),
            (b"=?utf-8?q?unfinished", "=?utf-8?q?unfinished"),
            (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
            (b"=?=?=?", "=?=?=?"),
            (b"=?utf-8?q??=", ""),
            (b"Latin-1 caf\xe9", "Latin-1 caf\u{fffd}"),
            ("UTF-8 caf\u{e9}".as_bytes(), "UTF-8 caf\u{e9}"),
            (b"=?utf-8?q?a=0D=0AX:_b=00?=", "a  X: b "),
        ];
        for (value, text) in cases {
            assert_eq!(decode_unstructured(value), text, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn many_unfinished_encoded_words_do_not_take_long() {
        let value = b"=?aa?q?x".repeat(32 * 1024);
        assert_eq!(decode_unstructured(&value).len(), value.len());
    }
}
