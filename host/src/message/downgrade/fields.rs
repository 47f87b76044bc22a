//! Rewrites a header section: fields beyond ASCII in the forms of RFC 2047 and RFC 2231, another transfer
//! encoding, and what MIME owes then.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::part::encoding_word;
use super::scan::{split, unquoted, unquoted_find, without_comments};
use super::{Channel, Obstacle};
use crate::message::address::domain_to_ascii;
use crate::message::compose::encoded_words;
use crate::message::decode::decode_unstructured;
use crate::message::field::{Field, field_name};
use crate::message::header::HeaderSection;

/// Octets of a line that is folded where it can be (RFC 5322 §2.1.1).
const LINE_OCTETS: usize = 78;
/// Octets of one encoded-word before it is encoded.
const ENCODED_WORD_OCTETS: usize = 39;
/// Characters of one section of a parameter (RFC 2231 §3).
const SECTION_OCTETS: usize = 60;
/// Fields of addresses (RFC 5322 §3.6.2, §3.6.3, §3.6.6, RFC 8098).
const ADDRESSES: [&str; 15] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
    "Return-Path",
    "Delivered-To",
    "Errors-To",
    "Disposition-Notification-To",
];
/// Fields whose grammar has no place for an encoded-word; they leave under another name (RFC 6857 §3.1.10).
const OPAQUE: [&str; 14] = [
    "Message-ID",
    "Resent-Message-ID",
    "In-Reply-To",
    "References",
    "Content-ID",
    "List-ID",
    "List-Post",
    "List-Help",
    "List-Unsubscribe",
    "List-Subscribe",
    "List-Owner",
    "List-Archive",
    "Authentication-Results",
    "DKIM-Signature",
];

/// What becomes of a header section.
pub(super) struct Change {
    pub channel: Channel,
    /// It is the message's own: an address without a form in ASCII is an obstacle there.
    pub is_own: bool,
    /// The transfer encoding that the body gets.
    pub encoding: Option<&'static str>,
    /// What the body is, where nothing says so.
    pub content_type: Option<&'static str>,
    /// MIME-Version is to be there.
    pub mime_version: bool,
}

/// The lines of a header that are fields, or go on with one: readers differ on what else is.
pub(super) fn without_stray_lines(raw: &[u8]) -> Vec<u8> {
    let (mut kept, mut is_field) = (Vec::with_capacity(raw.len()), false);
    for line in raw.split_inclusive(|&octet| octet == b'\n') {
        let goes_on = is_field && matches!(line.first(), Some(b' ' | b'\t'));
        is_field = goes_on || field_name(line).is_some();
        if is_field {
            kept.extend_from_slice(line);
        }
    }
    kept
}

/// The section as it leaves, without the blank line; none when it can stay as it is.
///
/// # Errors
/// When an address cannot be written.
pub(super) fn rewritten(
    section: &HeaderSection<'_>,
    raw: &[u8],
    change: &Change,
) -> Result<Option<Vec<u8>>, Obstacle> {
    let adds_version = change.mime_version && !section.has("MIME-Version");
    let label = section
        .fields()
        .any(|field| change.relabelled(field).is_some());
    let is_clean = is_clean(raw, change.channel);
    if is_clean && !adds_version && !label && change.encoding.is_none() {
        return Ok(None);
    }
    let mut written = Vec::with_capacity(raw.len() + 256);
    for field in section.fields() {
        if let Some(replaced) = change.relabelled(field) {
            written.extend_from_slice(&replaced);
        } else if is_clean_field(field.raw(), change.channel) {
            written.extend_from_slice(field.raw());
        } else {
            written.extend_from_slice(&change.cleaned(field)?);
        }
    }
    let mut add = |name: &str, value: &str| {
        written.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    };
    if adds_version {
        add("MIME-Version", "1.0");
    }
    if let Some(value) = change.content_type {
        add("Content-Type", value);
    }
    if let Some(value) = change.encoding
        && !section.has("Content-Transfer-Encoding")
    {
        add("Content-Transfer-Encoding", value);
    }
    Ok(Some(written))
}

impl Change {
    /// Nothing but what the next hop does not take.
    pub const fn cleaning(channel: Channel, is_own: bool) -> Self {
        Self {
            channel,
            is_own,
            encoding: None,
            content_type: None,
            mime_version: false,
        }
    }

    /// The field that says another transfer encoding than it did.
    fn relabelled(&self, field: &Field<'_>) -> Option<Vec<u8>> {
        if !field
            .name()
            .eq_ignore_ascii_case("Content-Transfer-Encoding")
        {
            return None;
        }
        let value = encoding_word(field.raw_value());
        let label = match (self.encoding, value.as_str(), self.channel.eight_bit) {
            (Some(label), ..) => label,
            (None, "8bit" | "binary", false) => "7bit",
            (None, "binary", true) => "8bit",
            _ => return None,
        };
        Some(format!("{}: {label}\r\n", field.name()).into_bytes())
    }

    /// A field with something that the next hop does not take.
    fn cleaned(&self, field: &Field<'_>) -> Result<Vec<u8>, Obstacle> {
        let name = field.name();
        let is_one_of = |names: &[&str]| names.iter().any(|one| one.eq_ignore_ascii_case(name));
        let is_text = self.channel.utf8_header || field.raw_value().is_ascii();
        if is_text {
            let value = one_line(field.raw_value());
            return Ok(folded(
                name,
                value.split_ascii_whitespace().map(str::to_owned),
            ));
        }
        if is_one_of(&ADDRESSES) {
            return match addresses(name, &one_line(field.raw_value())) {
                Err(_) if !self.is_own => Ok(encapsulated(field)),
                written => written,
            };
        }
        Ok(match name.to_ascii_lowercase().as_str() {
            "content-type" | "content-disposition" => {
                parameters(name, &one_line(field.raw_value()))
            }
            "received" | "x-received" => trace(name, &one_line(field.raw_value())),
            _ if is_one_of(&OPAQUE) => encapsulated(field),
            _ => unstructured(name, field),
        })
    }
}

/// True when the next hop takes it as it is.
fn is_clean(raw: &[u8], channel: Channel) -> bool {
    let mut lines = raw.split(|&octet| octet == b'\n');
    let ends = lines.next_back().is_none_or(<[u8]>::is_empty);
    let is_line = |line: &[u8]| {
        line.strip_suffix(b"\r")
            .is_some_and(|text| !text.contains(&b'\r'))
    };
    (channel.utf8_header || raw.is_ascii()) && !raw.contains(&0) && ends && lines.all(is_line)
}

/// The same for one field, which need not have its line end.
fn is_clean_field(raw: &[u8], channel: Channel) -> bool {
    is_clean(raw, channel)
}

/// The value unfolded, as text, without control characters.
pub(super) fn one_line(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let shown = text
        .replace("\r\n", "")
        .replace(|c: char| c.is_control() && c != '\t', " ");
    shown.trim().to_owned()
}

/// A field of words, with a line break where one fits.
fn folded(name: &str, words: impl Iterator<Item = String>) -> Vec<u8> {
    let mut text = format!("{name}:");
    let mut line_octets = text.len();
    for word in words {
        if line_octets + 1 + word.len() > LINE_OCTETS && line_octets > name.len() + 1 {
            text.push_str("\r\n");
            line_octets = 0;
        }
        text.push(' ');
        text.push_str(&word);
        line_octets += 1 + word.len();
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// A field whose whole value is text (RFC 2047 §5).
fn unstructured(name: &str, field: &Field<'_>) -> Vec<u8> {
    let value = field.raw_value();
    if std::str::from_utf8(value).is_ok() {
        return folded(name, encoded_words(&field.decoded()));
    }
    // RFC 1428: octets of a charset that nobody named.
    let octets: Vec<u8> = value
        .iter()
        .copied()
        .filter(|c| !c.is_ascii_control())
        .collect();
    let words = octets.trim_ascii().chunks(ENCODED_WORD_OCTETS);
    let words = words.map(|part| format!("=?unknown-8bit?B?{}?=", BASE64_STANDARD.encode(part)));
    folded(name, words)
}

/// A field that would not be one with encoded-words in it, as text under another name.
fn encapsulated(field: &Field<'_>) -> Vec<u8> {
    unstructured(&format!("Downgraded-{}", field.name()), field)
}

/// A list of addresses: encoded names, domains as A-labels.
fn addresses(name: &str, value: &str) -> Result<Vec<u8>, Obstacle> {
    let mut words = Vec::new();
    for item in split(value, &[',', ';', ':']) {
        let (text, separator) = match item.chars().next_back() {
            Some(last @ (',' | ';' | ':')) => (&item[..item.len() - 1], Some(last)),
            _ => (item, None),
        };
        let before = words.len();
        address(text.trim(), separator, &mut words)?;
        if let Some(separator) = separator {
            match words.get_mut(before..).and_then(<[String]>::last_mut) {
                Some(last) => last.push(separator),
                None => words.push(separator.to_string()),
            }
        }
    }
    Ok(folded(name, words.into_iter()))
}

/// One mailbox, or the name of a group.
fn address(text: &str, separator: Option<char>, words: &mut Vec<String>) -> Result<(), Obstacle> {
    if text.is_ascii() {
        words.extend((!text.is_empty()).then(|| text.to_owned()));
        return Ok(());
    }
    let (text, comments) = without_comments(text);
    let text = text.trim();
    let angle = unquoted_find(text, '<');
    let is_name = angle.is_none() && (separator == Some(':') || !text.contains('@'));
    if is_name {
        phrase(text, words);
    } else if let Some(at) = angle {
        phrase(text[..at].trim(), words);
        let inside = text[at + 1..].split('>').next().unwrap_or_default();
        words.push(format!("<{}>", mailbox(inside.trim())?));
    } else {
        words.push(mailbox(text)?);
    }
    for comment in comments {
        let encoded: Vec<String> = if comment.is_ascii() {
            vec![comment]
        } else {
            encoded_words(&decode_unstructured(comment.as_bytes())).collect()
        };
        words.push(format!("({})", encoded.join(" ")));
    }
    Ok(())
}

/// A display name: as it is, or as encoded-words.
fn phrase(text: &str, words: &mut Vec<String>) {
    if text.is_ascii() {
        words.extend((!text.is_empty()).then(|| text.to_owned()));
        return;
    }
    let plain = unquoted(text);
    words.extend(encoded_words(&decode_unstructured(plain.as_bytes())));
}

/// An address with its domain in A-labels.
fn mailbox(text: &str) -> Result<String, Obstacle> {
    if text.is_ascii() {
        return Ok(text.to_owned());
    }
    let beyond = || Obstacle::Address(text.to_owned());
    let (local_part, domain) = text.rsplit_once('@').ok_or_else(beyond)?;
    let domain = domain_to_ascii(domain.trim()).ok_or_else(beyond)?;
    if !local_part.is_ascii() {
        return Err(beyond());
    }
    Ok(format!("{}@{domain}", local_part.trim()))
}

/// A value with parameters (RFC 2231).
fn parameters(name: &str, value: &str) -> Vec<u8> {
    let mut words = Vec::new();
    for item in split(value, &[';']) {
        let text = item.strip_suffix(';').unwrap_or(item).trim();
        let end = if item.ends_with(';') { ";" } else { "" };
        match text.split_once('=') {
            _ if text.is_ascii() => words.push(format!("{text}{end}")),
            Some((attribute, value)) if attribute.is_ascii() => {
                let mut sections = parameter(attribute.trim(), value.trim());
                if let Some(last) = sections.last_mut() {
                    last.push_str(end);
                }
                words.extend(sections);
            }
            _ => words.push(format!("{}{end}", question_marks(text))),
        }
    }
    folded(name, words.into_iter())
}

/// One parameter, in sections where it is long; each but the last with its semicolon.
fn parameter(attribute: &str, value: &str) -> Vec<String> {
    // It claims to be encoded already: what it has encoded stays.
    let is_extended = attribute.ends_with('*');
    let plain = unquoted(value);
    let encoded = percent_encoded(&plain, is_extended);
    if is_extended {
        return vec![format!("{attribute}={}", encoded.concat())];
    }
    if encoded.iter().map(String::len).sum::<usize>() <= SECTION_OCTETS {
        return vec![format!("{attribute}*=utf-8''{}", encoded.concat())];
    }
    let mut sections: Vec<String> = vec![String::new()];
    for unit in encoded {
        match sections.last_mut() {
            Some(last) if last.len() + unit.len() <= SECTION_OCTETS => last.push_str(&unit),
            _ => sections.push(unit),
        }
    }
    let last = sections.len() - 1;
    let numbered = sections.iter().enumerate().map(|(number, text)| {
        let charset = if number == 0 { "utf-8''" } else { "" };
        let end = if number < last { ";" } else { "" };
        format!("{attribute}*{number}*={charset}{text}{end}")
    });
    numbered.collect()
}

/// Each character as it stands in an extended parameter (RFC 2231 §7, `attribute-char`).
fn percent_encoded(text: &str, keeps_ascii: bool) -> Vec<String> {
    let encoded = text.chars().map(|c| {
        let is_plain = c.is_ascii_alphanumeric() || "!#$&+-.^_`{|}~".contains(c);
        if is_plain || (keeps_ascii && c.is_ascii()) {
            return c.to_string();
        }
        let mut unit = String::new();
        for octet in c.to_string().bytes() {
            let _ = write!(unit, "%{octet:02X}");
        }
        unit
    });
    encoded.collect()
}

/// A trace field (RFC 5321 §4.4): domains as A-labels, no clause that names an address without a form in ASCII.
fn trace(name: &str, value: &str) -> Vec<u8> {
    let mut words: Vec<String> = Vec::new();
    for word in value.split_ascii_whitespace() {
        if word.is_ascii() {
            words.push(word.to_owned());
            continue;
        }
        let end = if word.ends_with(';') { ";" } else { "" };
        let bare = word.trim_end_matches(';');
        let inner = bare.trim_start_matches('<').trim_end_matches('>');
        let is_path = bare.starts_with('<');
        match (mailbox(inner), domain_to_ascii(inner)) {
            (Ok(address), _) if is_path => words.push(format!("<{address}>{end}")),
            (Err(_), _) if is_path && words.last().is_some_and(|last| last == "for") => {
                words.pop();
                if let Some(last) = words.last_mut() {
                    last.push_str(end);
                }
            }
            (_, Some(domain)) if !is_path => words.push(format!("{domain}{end}")),
            _ => words.push(question_marks(word)),
        }
    }
    folded(name, words.into_iter())
}

fn question_marks(text: &str) -> String {
    text.replace(|c: char| !c.is_ascii(), "?")
}
