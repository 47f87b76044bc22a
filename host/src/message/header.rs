//! Finds the header section of a message, its fields and where the body begins.
//!
//! A line that is neither a field nor the continuation of one ends the header, and `stamp` puts a
//! blank line before it: whoever reads the message after us sees the same fields as we did.

use memchr::memchr;

use super::field::{Field, FieldKind, field_name};
use super::originators::{OriginatorState, Originators, Unreadable, read_mailboxes};
use super::priority;

/// Characters of a subject that are kept: what fits on one line (RFC 5322 §2.1.1).
const MAX_SUBJECT_CHARACTERS: usize = 998;

/// What a header section may hold.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Fields in a header section. Default 1,000: ten times what mailing lists and filters add up to.
    pub max_fields: usize,
    /// Mailboxes in all From fields and, apart from them, in all Sender fields; more are unreadable.
    /// Default 1,000: each is normalised and handed to the policies.
    pub max_originators: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_fields: 1000,
            max_originators: 1000,
        }
    }
}

/// Why a header section is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It has too many fields.
    #[error("the header section has more than {limit} fields")]
    TooManyFields {
        /// The limit it exceeds.
        limit: usize,
    },
}

/// What ended a header section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderEnd {
    /// A blank line, as it should.
    BlankLine,
    /// A line that is not a field; the body begins with it.
    BodyLine,
    /// The octets at hand: either there is no body, or there are more octets to come.
    EndOfInput,
}

/// The header section of a message, borrowed from its octets.
#[derive(Clone, Debug)]
pub struct HeaderSection<'a> {
    fields: Vec<Field<'a>>,
    body_offset: usize,
    end: HeaderEnd,
    max_originators: usize,
}

impl<'a> HeaderSection<'a> {
    /// Reads the header section at the beginning of `octets`, within the default limits.
    ///
    /// # Errors
    /// [`HeaderError`], when a limit is exceeded; everything else has a reading.
    pub fn parse(octets: &'a [u8]) -> Result<Self, HeaderError> {
        Self::parse_within(octets, &Limits::default())
    }

    /// Reads the header section at the beginning of `octets`; a `From ` line of the mbox format before
    /// it is read through.
    ///
    /// # Errors
    /// [`HeaderError`], when a limit is exceeded; everything else has a reading.
    pub fn parse_within(octets: &'a [u8], limits: &Limits) -> Result<Self, HeaderError> {
        let mut section = Self {
            fields: Vec::with_capacity(32),
            body_offset: mbox_line_length(octets),
            end: HeaderEnd::EndOfInput,
            max_originators: limits.max_originators,
        };
        while section.read_field(&octets[section.body_offset..]) {
            if section.fields.len() > limits.max_fields {
                return Err(HeaderError::TooManyFields {
                    limit: limits.max_fields,
                });
            }
        }
        if section.fields.is_empty() && section.end == HeaderEnd::BodyLine {
            // Without a field after it, a line that begins with `From ` is text.
            section.body_offset = 0;
        }
        Ok(section)
    }

    /// Takes one field from the beginning of `rest`; false when the section ends there.
    fn read_field(&mut self, rest: &'a [u8]) -> bool {
        if rest.is_empty() {
            return false;
        }
        if rest.starts_with(b"\r\n") || rest.starts_with(b"\n") {
            self.end = HeaderEnd::BlankLine;
            self.body_offset += line_length(rest);
            return false;
        }
        let raw = &rest[..field_length(rest)];
        let Some(field) = Field::read(raw) else {
            self.end = HeaderEnd::BodyLine;
            return false;
        };
        self.fields.push(field);
        self.body_offset += raw.len();
        true
    }

    /// The fields in the order of the message.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = &Field<'a>> {
        self.fields.iter()
    }

    /// Where the body begins, in octets.
    pub const fn body_offset(&self) -> usize {
        self.body_offset
    }

    /// What ended the section.
    pub const fn end(&self) -> HeaderEnd {
        self.end
    }

    /// True when there is a field of that name, in any case.
    pub fn has(&self, name: &str) -> bool {
        self.fields
            .iter()
            .any(|field| field.name().eq_ignore_ascii_case(name))
    }

    /// Every mailbox of every From and Sender field, and how well they could be read.
    pub fn originators(&self) -> Originators {
        let (from, from_read) = self.mailboxes(FieldKind::From);
        let (sender, sender_read) = self.mailboxes(FieldKind::Sender);
        let state = match from_read.and(sender_read) {
            Err(Unreadable) => OriginatorState::Unreadable,
            Ok(()) if from.is_empty() => OriginatorState::Missing,
            Ok(()) => OriginatorState::Complete,
        };
        Originators {
            from,
            sender,
            state,
        }
    }

    /// Every mailbox of every field of that kind; one bad field does not hide the others.
    fn mailboxes(&self, kind: FieldKind) -> (Vec<super::Address>, Result<(), Unreadable>) {
        let mut found = Vec::new();
        let mut read = Ok(());
        for field in self.of_kind(kind) {
            let this = read_mailboxes(field.raw_value(), self.max_originators, &mut found);
            read = read.and(this);
        }
        (found, read)
    }

    /// The priority the client asked for, 1 (highest) to 5: the most urgent valid one of X-Priority,
    /// X-MSMail-Priority, Importance and Priority.
    pub fn requested_priority(&self) -> Option<u8> {
        self.fields
            .iter()
            .filter(|field| field.kind().is_priority())
            .filter_map(|field| priority::of_field(field.kind(), &field.decoded()))
            .min()
    }

    /// The decoded subject, at most 998 characters; empty when there is none.
    pub fn subject(&self) -> String {
        self.of_kind(FieldKind::Subject)
            .next()
            .map(|field| {
                field
                    .decoded()
                    .chars()
                    .take(MAX_SUBJECT_CHARACTERS)
                    .collect()
            })
            .unwrap_or_default()
    }

    /// The Message-ID with its angle brackets, as the client wrote it; none when there is none.
    pub fn message_id(&self) -> Option<String> {
        self.of_kind(FieldKind::MessageId)
            .map(|field| field.decoded().into_owned())
            .find(|id| !id.is_empty())
    }

    /// True when there is a field of that kind with a value.
    pub(super) fn has_value(&self, kind: FieldKind) -> bool {
        self.of_kind(kind).any(|field| !field.is_blank())
    }

    pub(super) fn of_kind(&self, kind: FieldKind) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(move |field| field.kind() == kind)
    }
}

/// The length of the line that separates messages in an mbox file, if the first line is one. Programs
/// that pipe stored mail into a client send it along.
fn mbox_line_length(octets: &[u8]) -> usize {
    let is_mbox_line = octets.starts_with(b"From ") || octets.starts_with(b">From ");
    if is_mbox_line && field_name(octets).is_none() {
        line_length(octets)
    } else {
        0
    }
}

/// The length of the first field: its line and the continuation lines after it.
fn field_length(rest: &[u8]) -> usize {
    let mut length = line_length(rest);
    while let Some(b' ' | b'\t') = rest.get(length) {
        length += line_length(&rest[length..]);
    }
    length
}

/// The length of the first line, its end included.
fn line_length(rest: &[u8]) -> usize {
    memchr(b'\n', rest).map_or(rest.len(), |end| end + 1)
}

#[cfg(test)]
mod tests;
