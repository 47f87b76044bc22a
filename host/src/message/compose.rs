//! Writes header fields from text that nobody vouches for: whatever it says, one field comes of it.
//!
//! A [`NewField`] can be made here alone, so what is written of a policy's words is folded, encoded
//! and free of line ends, or not written at all.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::address::Address;
use super::field::Field;
use super::lexer::is_atext;

/// Octets of a name. RFC 5322 sets no limit; no field in use comes near.
pub const MAX_NAME_OCTETS: usize = 64;
/// Octets of a value before folding and encoding.
pub const MAX_VALUE_OCTETS: usize = 2000;
/// Octets of a display name; what is longer is cut.
pub const MAX_DISPLAY_NAME_OCTETS: usize = 256;
/// Mailboxes that are written into one field.
const MAX_MAILBOXES: usize = 100;
/// Octets of an address that is written: a local-part of 64, a domain of 255 (RFC 5321 §4.5.3.1).
const MAX_ADDRESS_OCTETS: usize = 320;
/// Octets of a line that is folded where it can be (RFC 5322 §2.1.1).
const LINE_OCTETS: usize = 78;
/// Octets of a word that cannot be folded; with name and colon a line stays below the 998 of RFC 5322 §2.1.1.
const MAX_WORD_OCTETS: usize = 900;
/// Octets in one encoded-word: 64 encoded and with its frame, so that behind most names a line stays
/// within the 76 of RFC 2047 §2.
const ENCODED_WORD_OCTETS: usize = 39;
/// Fields whose values have a grammar, so that encoded-words cannot stand just anywhere.
const STRUCTURED: [&str; 5] = ["To", "Cc", "Reply-To", "In-Reply-To", "References"];

/// A header field that is safe to write: one field, whatever text it was made of.
#[derive(Clone, PartialEq, Eq)]
pub struct NewField {
    name_octets: usize,
    /// With folding and the line end.
    raw: String,
}

/// Why no field can be made of a name and a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// The name is none.
    #[error("a field name is 1 to {MAX_NAME_OCTETS} visible ASCII characters other than the colon")]
    Name,
    /// The value is empty or too long.
    #[error("a field value has 1 to {MAX_VALUE_OCTETS} octets")]
    Length,
    /// The value would break out of its line.
    #[error("a field value has no line ends and no other control characters")]
    Control,
    /// The value has a word too long for a line.
    #[error("a field value has no word of more than {MAX_WORD_OCTETS} octets")]
    Word,
    /// The field has a grammar without room for the value's characters.
    #[error("this field takes no characters beyond US-ASCII")]
    NotAscii,
}

impl ComposeError {
    /// True when it is the name that is wrong.
    pub const fn is_name(self) -> bool {
        matches!(self, Self::Name)
    }
}

/// True for a field name (RFC 5322 §2.2) of bearable length.
pub fn is_field_name(name: &str) -> bool {
    (1..=MAX_NAME_OCTETS).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_graphic() && b != b':')
}

impl NewField {
    /// A field of that name with `value`, which is trimmed, encoded where it is not ASCII, and folded.
    ///
    /// # Errors
    /// What is wrong with the name or the value.
    pub fn text(name: &str, value: &str) -> Result<Self, ComposeError> {
        if !is_field_name(name) {
            return Err(ComposeError::Name);
        }
        let value = value.trim();
        if !(1..=MAX_VALUE_OCTETS).contains(&value.len()) {
            return Err(ComposeError::Length);
        }
        if value.contains(char::is_control) {
            return Err(ComposeError::Control);
        }
        if value.is_ascii() {
            return Self::folded(name, value.split(' ').map(str::to_owned));
        }
        if STRUCTURED.iter().any(|one| one.eq_ignore_ascii_case(name)) {
            return Err(ComposeError::NotAscii);
        }
        Self::folded(name, encoded_words(value))
    }

    /// An address field with these mailboxes, display names first; none when there is no mailbox that
    /// can be written. Addresses that could be read otherwise than they are meant are left out.
    pub fn mailboxes<'a>(
        name: &str,
        mailboxes: impl IntoIterator<Item = (Option<&'a str>, &'a str)>,
    ) -> Option<Self> {
        let mut words: Vec<String> = Vec::new();
        let writable = mailboxes.into_iter().filter(|(_, full)| is_writable(full));
        for (display_name, full) in writable.take(MAX_MAILBOXES) {
            if let Some(last) = words.last_mut() {
                last.push(',');
            }
            let phrase = display_name.map(phrase).unwrap_or_default();
            if phrase.is_empty() {
                words.push(full.to_owned());
            } else {
                words.extend(phrase);
                words.push(format!("<{full}>"));
            }
        }
        let field = Self::folded(name, words.into_iter());
        field.ok().filter(|field| field.raw.len() > name.len() + 4)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.raw[..self.name_octets]
    }

    /// All its octets, line end included.
    pub const fn raw(&self) -> &[u8] {
        self.raw.as_bytes()
    }

    /// Its value as it is read: unfolded and decoded.
    pub fn value(&self) -> String {
        Field::read(self.raw()).map_or_else(String::new, |field| field.decoded().into_owned())
    }

    /// Puts words on lines. A word is not broken, and no line begins with nothing but blanks.
    fn folded(name: &str, words: impl Iterator<Item = String>) -> Result<Self, ComposeError> {
        let mut raw = format!("{name}:");
        let mut line_octets = raw.len();
        for word in words {
            if word.len() > MAX_WORD_OCTETS {
                return Err(ComposeError::Word);
            }
            let is_full = line_octets + 1 + word.len() > LINE_OCTETS;
            if is_full && line_octets > name.len() + 1 && !word.is_empty() {
                raw.push_str("\r\n");
                line_octets = 0;
            }
            raw.push(' ');
            raw.push_str(&word);
            line_octets += 1 + word.len();
        }
        raw.push_str("\r\n");
        Ok(Self {
            name_octets: name.len(),
            raw,
        })
    }
}

impl fmt::Debug for NewField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.raw)
    }
}

/// True when the text is an address that is read back as itself.
fn is_writable(full: &str) -> bool {
    full.len() <= MAX_ADDRESS_OCTETS
        && Address::parse(full).is_some_and(|address| address.full() == full)
}

/// A display name as the words of a phrase (RFC 5322 §3.2.5): atoms, a quoted string or encoded-words.
fn phrase(display_name: &str) -> Vec<String> {
    let cut = &display_name[..display_name.floor_char_boundary(MAX_DISPLAY_NAME_OCTETS)];
    let clean = cut.replace(char::is_control, " ");
    let text = clean.trim();
    if text.is_empty() {
        return Vec::new();
    }
    // `=?` is left to encoded-words, which are read back as what they are.
    if !text.is_ascii() || text.contains("=?") {
        return encoded_words(text).collect();
    }
    if text.bytes().all(|octet| octet == b' ' || is_atext(octet)) {
        return text.split_ascii_whitespace().map(str::to_owned).collect();
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    vec![format!("\"{escaped}\"")]
}

/// The text as encoded-words (RFC 2047), none of which cuts a character.
pub(super) fn encoded_words(text: &str) -> impl Iterator<Item = String> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (word, after) = rest.split_at(rest.floor_char_boundary(ENCODED_WORD_OCTETS));
        rest = after;
        Some(format!("=?utf-8?B?{}?=", BASE64_STANDARD.encode(word)))
    })
}

#[cfg(test)]
mod tests;
