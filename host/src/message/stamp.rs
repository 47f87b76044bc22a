//! Writes what a submission server owes a message: the trace field, missing Date and Message-ID, no Bcc.

use std::borrow::Cow;
use std::net::IpAddr;

use super::date::format_date;
use super::edit::{Edit, Item, edited};
use super::field::{Field, FieldKind};
use super::header::HeaderSection;
use crate::clock::Timestamp;

/// Octets the added fields take at most in ordinary cases; the buffer begins with that much to spare.
const ADDED_OCTETS: usize = 640;
/// Octets of what a client says its name is. RFC 5321 §4.5.3.1.2: a domain has at most 255.
const MAX_HELO_OCTETS: usize = 255;

/// What is known about a submission that its header shall tell.
#[derive(Clone, Debug)]
pub struct Stamp<'a> {
    /// This server's name.
    pub hostname: &'a str,
    /// What the client called itself in EHLO or HELO.
    pub helo: &'a str,
    /// The client's address; none hides it.
    pub client: Option<IpAddr>,
    /// The transmission type of RFC 3848, for example `ESMTPSA`.
    pub protocol: &'a str,
    /// The queue id.
    pub id: &'a str,
    /// The forward-path when there is exactly one; with several, naming one would give the others away.
    pub recipient: Option<&'a str>,
    /// When the content was complete.
    pub received_at: Timestamp,
    /// The domain of a Message-ID that is added.
    pub message_id_domain: &'a str,
    /// True to mark the message as important, unless its client said something about that itself.
    pub mark_important: bool,
    /// The MT-PRIORITY parameter (RFC 6710 §4.1); none when the client said nothing.
    pub priority: Option<i8>,
    /// The name of the cipher suite (RFC 8314 §7.4); none without TLS.
    pub tls: Option<&'a str>,
    /// What policies want changed.
    pub edits: &'a [Edit],
}

impl Stamp<'_> {
    /// The Message-ID that a message without one is given, with its angle brackets.
    pub fn message_id(&self) -> String {
        format!("<{}@{}>", self.id, self.message_id_domain)
    }

    /// RFC 5321 §4.4: the Received field, folded.
    fn received(&self) -> String {
        let helo = helo_name(self.helo);
        let client = self.client.map(tcp_info).unwrap_or_default();
        let (hostname, protocol, id) = (self.hostname, self.protocol, self.id);
        let recipient = self
            .recipient
            .map(|path| format!("\r\n\tfor <{}>", one_line(path)));
        let tls = self
            .tls
            .map(|cipher| format!("\r\n\ttls {}", one_line(cipher)));
        let (recipient, tls) = (recipient.unwrap_or_default(), tls.unwrap_or_default());
        let priority = self.priority.map(|value| format!("\r\n\tpriority {value}"));
        let priority = priority.unwrap_or_default();
        let date = format_date(self.received_at);
        format!(
            "Received: from {helo}{client}\r\n\tby {hostname} with {protocol} id {id}{recipient}{tls}{priority};\r\n\t{date}\r\n"
        )
    }
}

/// Returns the message as it leaves: `original` with its header stamped.
///
/// `section` is what [`HeaderSection::parse`] made of `original`: the header and as much of the body
/// as is at hand. Every Bcc, Resent-Bcc and Return-Path field goes (RFC 5322 §3.6.3, RFC 5321 §4.4),
/// X-Gatepost-Schedule goes, Received comes first, Date and Message-ID are added when missing or empty (RFC 6409 §8); apart from
/// the edits nothing else changes.
/// A header that ended without a blank line is given one, so `original` must hold all of it.
pub fn stamp(section: &HeaderSection<'_>, original: &[u8], stamp: &Stamp<'_>) -> Vec<u8> {
    let body = original.get(section.body_offset()..).unwrap_or_default();
    let mut head = Vec::with_capacity(original.len() + ADDED_OCTETS);
    let items = edited(section, stamp.edits);
    push_added_fields(&mut head, section, &items, stamp);
    for item in &items {
        push_item(&mut head, item);
    }
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(body);
    head
}

fn push_item(head: &mut Vec<u8>, item: &Item<'_>) {
    match item {
        Item::Added(field) => head.extend_from_slice(field.raw()),
        Item::Kept(field) if is_removed(field) => {}
        Item::Kept(field) => {
            head.extend_from_slice(field.raw());
            if !field.raw().ends_with(b"\n") {
                head.extend_from_slice(b"\r\n");
            }
        }
    }
}

fn push_added_fields(
    head: &mut Vec<u8>,
    section: &HeaderSection<'_>,
    items: &[Item<'_>],
    stamp: &Stamp<'_>,
) {
    head.extend_from_slice(stamp.received().as_bytes());
    if !section.has_value(FieldKind::Date) {
        push_field(head, "Date", &format_date(stamp.received_at));
    }
    if !section.has_value(FieldKind::MessageId) {
        push_field(head, "Message-ID", &stamp.message_id());
    }
    if stamp.mark_important && !items.iter().any(Item::is_priority) {
        push_field(head, "X-Priority", "1");
        push_field(head, "Importance", "high");
    }
}

fn push_field(head: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        head.extend_from_slice(part.as_bytes());
    }
}

fn is_removed(field: &Field<'_>) -> bool {
    match field.kind() {
        FieldKind::Bcc | FieldKind::ResentBcc | FieldKind::ReturnPath => true,
        // It was for this relay; the next one may do so once more.
        FieldKind::Schedule => true,
        // RFC 6409 §8.2, §8.3: replaced when it is not valid; an empty one surely is not.
        FieldKind::Date | FieldKind::MessageId => field.is_blank(),
        _ => false,
    }
}

/// RFC 5321 §4.4: TCP-info, with the space before it.
fn tcp_info(client: IpAddr) -> String {
    match client.to_canonical() {
        IpAddr::V4(address) => format!(" ([{address}])"),
        IpAddr::V6(address) => format!(" ([IPv6:{address}])"),
    }
}

/// What the client called itself, where it can stand in a trace field without being misread.
fn helo_name(helo: &str) -> &str {
    let is_harmless = |octet: u8| {
        octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_' | b':' | b'[' | b']')
    };
    let fits = !helo.is_empty() && helo.len() <= MAX_HELO_OCTETS;
    if fits && helo.bytes().all(is_harmless) {
        helo
    } else {
        "unknown"
    }
}

fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        Cow::Owned(text.replace(char::is_control, ""))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests;
