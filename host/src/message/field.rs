//! One header field as it stands in the message, and which fields this server has rules for.

use std::borrow::Cow;

use super::decode::decode_unstructured;

/// A header field, borrowed from the octets of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    name: &'a str,
    raw: &'a [u8],
    value_at: usize,
    kind: FieldKind,
}

impl<'a> Field<'a> {
    /// Reads the field that `raw` is, folded lines and line end included; none when its first line is not one.
    pub(super) fn read(raw: &'a [u8]) -> Option<Self> {
        let (name, value_at) = field_name(raw)?;
        Some(Self {
            name,
            raw,
            value_at,
            kind: FieldKind::of(name),
        })
    }

    /// Its name as it was written, without the space that may stand before the colon.
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// All its octets: name, colon, value, folding and the line end, if it has one.
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// What stands between the colon and the line end, folding included.
    pub fn raw_value(&self) -> &'a [u8] {
        let value = &self.raw[self.value_at..];
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        value.strip_suffix(b"\r").unwrap_or(value)
    }

    /// True when its value is white space and folding alone.
    pub(super) fn is_blank(&self) -> bool {
        self.raw_value().trim_ascii().is_empty()
    }

    /// Its value unfolded and MIME-decoded, made valid UTF-8, control characters turned to spaces.
    pub fn decoded(&self) -> Cow<'a, str> {
        decode_unstructured(self.raw_value())
    }

    /// Which of the fields with a rule it is.
    pub(super) const fn kind(&self) -> FieldKind {
        self.kind
    }
}

/// The fields this server has rules for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldKind {
    From,
    Sender,
    Subject,
    Date,
    MessageId,
    Bcc,
    ResentBcc,
    ReturnPath,
    XPriority,
    XMsMailPriority,
    Importance,
    Priority,
    Schedule,
    Other,
}

impl FieldKind {
    const NAMES: [(&'static str, Self); 13] = [
        ("From", Self::From),
        ("Sender", Self::Sender),
        ("Subject", Self::Subject),
        ("Date", Self::Date),
        ("Message-ID", Self::MessageId),
        ("Bcc", Self::Bcc),
        ("Resent-Bcc", Self::ResentBcc),
        ("Return-Path", Self::ReturnPath),
        ("X-Priority", Self::XPriority),
        ("X-MSMail-Priority", Self::XMsMailPriority),
        ("Importance", Self::Importance),
        ("Priority", Self::Priority),
        ("X-Gatepost-Schedule", Self::Schedule),
    ];

    fn of(name: &str) -> Self {
        Self::NAMES
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or(Self::Other, |(_, kind)| kind)
    }

    /// True for the fields by which a client says how urgent its message is.
    pub(super) const fn is_priority(self) -> bool {
        matches!(
            self,
            Self::XPriority | Self::XMsMailPriority | Self::Importance | Self::Priority
        )
    }
}

/// The name at the beginning of a line and where its value begins (RFC 5322 §2.2, and §4.5 for the
/// white space before the colon); none when the line does not begin with a field.
pub(super) fn field_name(line: &[u8]) -> Option<(&str, usize)> {
    let length = line
        .iter()
        .position(|&octet| !octet.is_ascii_graphic() || octet == b':')?;
    let blanks = line[length..]
        .iter()
        .position(|&octet| !matches!(octet, b' ' | b'\t'))?;
    let colon = length + blanks;
    if length == 0 || line[colon] != b':' {
        return None;
    }
    let name = std::str::from_utf8(&line[..length]).ok()?;
    Some((name, colon + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_recognised_in_any_case_and_with_blanks_before_the_colon() {
        for raw in ["From: x\r\n", "FROM:x", "from \t :x\r\n", "fRoM\t: x"] {
            let field = Field::read(raw.as_bytes()).expect("it is a field");
            assert_eq!(field.kind(), FieldKind::From, "{raw:?}");
            assert!(field.name().eq_ignore_ascii_case("from"));
            assert_eq!(field.raw_value().trim_ascii(), b"x");
        }
    }

    #[test]
    fn what_has_no_name_is_no_field() {
        for raw in [
            "",
            ":",
            ": x",
            " From: x",
            "From",
            "From x: y",
            "Fr\u{e9}m: x",
            "F\0: x",
        ] {
            assert_eq!(Field::read(raw.as_bytes()), None, "{raw:?}");
        }
    }
}
