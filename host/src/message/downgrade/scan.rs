//! Reads structured values (RFC 5322 §3.2) without looking into quoted strings, comments and brackets.

use std::borrow::Cow;

/// The items of a list, each with the separator at its end; quoted strings, comments, angle and square
/// brackets are not looked into.
pub(super) fn split<'a>(text: &'a str, separators: &[char]) -> Vec<&'a str> {
    let mut items = Vec::new();
    let (mut begin, mut scan) = (0, Scan::default());
    for (at, c) in text.char_indices() {
        if scan.is_outside_after(c) && separators.contains(&c) {
            items.push(&text[begin..at + c.len_utf8()]);
            begin = at + c.len_utf8();
        }
    }
    if !text[begin..].trim().is_empty() {
        items.push(&text[begin..]);
    }
    items
}

/// Where the character stands first that is in no quoted string.
pub(super) fn unquoted_find(text: &str, wanted: char) -> Option<usize> {
    let mut scan = Scan::default();
    let mut places = text.char_indices();
    let found = places.find(|&(_, c)| {
        let was_quoted = scan.is_quoted;
        scan.is_outside_after(c);
        !was_quoted && c == wanted
    });
    found.map(|(at, _)| at)
}

/// The text without its comments, and those, without their parentheses.
pub(super) fn without_comments(text: &str) -> (String, Vec<String>) {
    let (mut rest, mut comments, mut scan) = (String::new(), Vec::new(), Scan::default());
    for c in text.chars() {
        let depth = scan.comments;
        scan.is_outside_after(c);
        match (depth, scan.comments) {
            (0, 0) => rest.push(c),
            (0, _) => comments.push(String::new()),
            (1, 0) => rest.push(' '),
            _ => {
                if let Some(last) = comments.last_mut() {
                    let comment: &mut String = last;
                    comment.push(c);
                }
            }
        }
    }
    (rest, comments)
}

/// What a phrase or a parameter means: quotes and backslashes resolved.
pub(super) fn unquoted(text: &str) -> Cow<'_, str> {
    if !text.contains('"') {
        return Cow::Borrowed(text);
    }
    let (mut plain, mut is_quoted, mut is_escaped) = (String::new(), false, false);
    for c in text.chars() {
        match c {
            _ if is_escaped => {
                plain.push(c);
                is_escaped = false;
            }
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

/// What a character is inside of, read from left to right.
#[derive(Default)]
struct Scan {
    is_escaped: bool,
    is_quoted: bool,
    comments: usize,
    is_angle: bool,
    is_square: bool,
}

impl Scan {
    /// Takes the next character; true when it stands outside of everything.
    fn is_outside_after(&mut self, c: char) -> bool {
        if std::mem::take(&mut self.is_escaped) {
            return false;
        }
        match c {
            '\\' if self.is_quoted || self.comments > 0 => self.is_escaped = true,
            '"' if self.comments == 0 => self.is_quoted = !self.is_quoted,
            _ if self.is_quoted => {}
            '(' => self.comments += 1,
            ')' => self.comments = self.comments.saturating_sub(1),
            _ if self.comments > 0 => {}
            '<' => self.is_angle = true,
            '>' => self.is_angle = false,
            '[' => self.is_square = true,
            ']' => self.is_square = false,
            _ => return !self.is_angle && !self.is_square,
        }
        false
    }
}
