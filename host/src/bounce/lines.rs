//! Writes the lines of a report: CRLF ends, folded fields, nothing that could pass for another line.

use mail_builder::headers::date::Date;

use crate::clock::Timestamp;

/// Characters after which a line is folded. RFC 5322 §2.1.1 recommends 78.
const FOLD_AT: usize = 76;
/// Octets of a line that are passed on unfolded. RFC 5322 §2.1.1 allows 998.
const MAX_LINE: usize = 998;
/// Octets of the original header that are returned.
const MAX_HEADER: usize = 64 * 1024;

/// A report in the making.
#[derive(Default)]
pub(super) struct Report(Vec<u8>);

impl Report {
    /// A line as it is.
    pub fn line(&mut self, text: &str) {
        self.verbatim(text.as_bytes());
        self.verbatim(b"\r\n");
    }

    /// A header or status field, folded at spaces.
    pub fn field(&mut self, name: &str, value: &str) {
        self.folded(&format!("{name}: {value}"), " ");
    }

    /// A line of text for people, wrapped at spaces.
    pub fn text(&mut self, text: &str) {
        let indent = text.len() - text.trim_start().len();
        self.folded(text, &" ".repeat(indent));
    }

    /// The next part of the multipart. RFC 3464 §2.1: what is ASCII is 7bit.
    pub fn part(&mut self, boundary: &str, content_type: &str, body: &[u8]) {
        self.line("");
        self.line(&format!("--{boundary}"));
        self.field("Content-Type", content_type);
        let encoding = if body.is_ascii() { "7bit" } else { "8bit" };
        self.field("Content-Transfer-Encoding", encoding);
        self.line("");
        self.verbatim(body);
    }

    /// Lines that have their ends already.
    pub fn verbatim(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    /// True while nothing in it goes beyond US-ASCII.
    pub fn is_ascii(&self) -> bool {
        self.0.is_ascii()
    }

    pub fn into_octets(self) -> Vec<u8> {
        self.0
    }

    fn folded(&mut self, text: &str, continuation: &str) {
        let mut width = 0;
        for (place, word) in text.split(' ').enumerate() {
            let length = word.chars().count();
            let fits = place == 0 || width + 1 + length <= FOLD_AT || width <= continuation.len();
            if place > 0 && fits {
                self.verbatim(b" ");
                width += 1;
            } else if place > 0 {
                self.verbatim(b"\r\n");
                self.verbatim(continuation.as_bytes());
                width = continuation.len();
            }
            self.word(word);
            width += length;
        }
        self.verbatim(b"\r\n");
    }

    /// A word without control characters, cut where a line would be too long for any reader.
    fn word(&mut self, word: &str) {
        let shown: String = word.chars().filter(|c| !c.is_control()).collect();
        let end = shown.floor_char_boundary(MAX_LINE - FOLD_AT);
        self.verbatim(&shown.as_bytes()[..end]);
    }
}

/// The header section of a message, as valid UTF-8, in whole lines of bounded length.
pub(super) fn header_section(head: &[u8]) -> String {
    let mut section = String::new();
    for line in head.split_inclusive(|&octet| octet == b'\n') {
        let line = String::from_utf8_lossy(line.trim_ascii_end());
        if line.is_empty() || section.len() + line.len() > MAX_HEADER {
            break;
        }
        section.extend(
            line.chars()
                .filter(|c| !c.is_control() || *c == '\t')
                .take(MAX_LINE / 4),
        );
        section.push_str("\r\n");
    }
    section
}

/// RFC 5322 §3.3.
pub(super) fn date(at: Timestamp) -> String {
    Date::new(at.as_millis().div_euclid(1000)).to_rfc822()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_fields_are_folded_and_control_characters_are_gone() {
        let mut report = Report::default();
        report.field(
            "Diagnostic-Code",
            &format!("smtp; 550 {}\r\nBcc: x", "word ".repeat(40)),
        );
        let text = String::from_utf8(report.into_octets()).expect("it is UTF-8");
        assert!(text.lines().count() > 2);
        assert!(
            text.lines().skip(1).all(|line| line.starts_with(' ')),
            "{text}"
        );
        assert!(
            text.lines().all(|line| line.len() <= FOLD_AT + 20),
            "{text}"
        );
    }

    #[test]
    fn only_the_header_is_returned() {
        assert_eq!(
            header_section(b"A: b\r\n c\r\n\r\nbody\r\n"),
            "A: b\r\n c\r\n"
        );
        assert_eq!(header_section(b"A: \xff\r\n"), "A: \u{fffd}\r\n");
        assert_eq!(header_section(b""), "");
        let large = [b"X: y\r\n".repeat(100_000), b"\r\n".to_vec()].concat();
        assert!(header_section(&large).len() <= MAX_HEADER + MAX_LINE);
    }
}
