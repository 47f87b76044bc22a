//! What is said to a peer before the content, with the parameters it offers to take; or why nothing is.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::extensions::Extensions;
use super::reply::{deferred, failed};
use crate::clock::Timestamp;
use crate::message::downgrade::Channel;
use crate::queue::{MessageMeta, OpenRecipient, Outcome, Priority, SmtpUtf8};
use crate::smtp::{BodyType, DeliverByMode, Mailbox, MtPriority};

/// What is to be sent.
#[derive(Clone, Copy)]
pub(crate) struct Transaction<'a> {
    /// Reverse-path, body type and parameters.
    pub meta: &'a MessageMeta,
    /// Forward-paths with their parameters, at most 100.
    pub recipients: &'a [OpenRecipient],
    /// Octets in all, as they leave.
    pub size: u64,
    /// How urgent its octets are.
    pub priority: Priority,
    /// What its content was encoded down to; none when it goes as it is.
    pub channel: Option<Channel>,
}

/// Who is talked to.
#[derive(Clone, Copy)]
pub(crate) struct Peer<'a> {
    /// `mx.example.net:25`.
    pub name: &'a str,
    /// What it offers.
    pub extensions: &'a Extensions,
    /// It has shown a certificate that is valid for its name.
    pub is_verified: bool,
    /// How content goes to who takes chunks.
    pub chunking: Chunking,
}

/// How content goes to next hops that offer CHUNKING (RFC 3030).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunking {
    /// In a chunk also where DATA would do.
    pub preferred: bool,
    /// Octets of content up to which the chunk is sent before the envelope is answered.
    pub eager_octets: u64,
}

/// How the content is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Dot-stuffed, after DATA.
    Data,
    /// As it is, in one chunk (RFC 3030).
    Bdat,
    /// The same, along with the commands ahead of it (RFC 3030 §4.2, RFC 2920).
    Eager,
}

/// The commands of one transaction, each with its CRLF.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// MAIL.
    pub mail: String,
    /// RCPT for each recipient; an outcome for those whom the peer can never serve.
    pub rcpt: Vec<Result<String, Outcome>>,
    /// How the content follows.
    pub framing: Framing,
}

impl Envelope {
    /// The commands for this peer at `now`.
    ///
    /// # Errors
    /// The outcome for every recipient when this peer cannot take the message.
    pub fn new(
        transaction: &Transaction<'_>,
        peer: Peer<'_>,
        now: Timestamp,
    ) -> Result<Self, Outcome> {
        within_size(transaction.size, peer)?;
        let mut mail = String::new();
        let says_utf8 = peer.extensions.smtputf8 && transaction.is_utf8();
        mail_line(transaction, peer, now, &mut mail)?;
        let rcpt = transaction.recipients.iter();
        Ok(Self {
            mail,
            rcpt: rcpt.map(|one| rcpt_line(one, peer, says_utf8)).collect(),
            framing: framing(transaction, peer),
        })
    }

    /// The commands for those whom the peer may be able to serve.
    pub fn rcpt_lines(&self) -> impl Iterator<Item = &str> {
        self.rcpt.iter().flatten().map(String::as_str)
    }

    /// The outcomes when nobody can be served.
    pub fn nobody(&self) -> Option<Vec<Outcome>> {
        let outcomes = self.rcpt.iter().map(|line| line.as_ref().err().cloned());
        outcomes.collect()
    }

    /// Whether this peer may be given the message at all, ahead of any look at its content.
    ///
    /// # Errors
    /// The outcome for every recipient when it may not.
    pub fn may_go(meta: &MessageMeta, peer: Peer<'_>, now: Timestamp) -> Result<(), Outcome> {
        under_tls(meta, peer)?;
        in_time(meta, peer, now)
    }
}

/// What the peer takes, where that may be less than the message is (RFC 6152 §3, RFC 3030 §3, RFC 6531 §3.2).
pub(crate) fn channel(meta: &MessageMeta, peer: Peer<'_>) -> Option<Channel> {
    let offered = peer.extensions;
    let channel = Channel {
        // RFC 6531 §3.1: who knows SMTPUTF8 takes 8-bit content too.
        eight_bit: offered.eight_bit_mime || offered.smtputf8,
        utf8_header: offered.smtputf8,
    };
    let fits = match meta.body {
        BodyType::SevenBit => true,
        BodyType::EightBitMime => channel.eight_bit,
        BodyType::BinaryMime => offered.binary_mime && offered.chunking,
    };
    let has_utf8_header = meta.parameters.smtputf8 == Some(SmtpUtf8::Utf8Header);
    let is_readable = channel.utf8_header || !has_utf8_header;
    (!fits || !is_readable).then_some(channel)
}

fn framing(transaction: &Transaction<'_>, peer: Peer<'_>) -> Framing {
    let (offered, chunking) = (peer.extensions, peer.chunking);
    let is_wanted = offered.chunking && chunking.preferred;
    if !is_wanted && transaction.body() != BodyType::BinaryMime {
        return Framing::Data;
    }
    match transaction.size <= chunking.eager_octets && offered.pipelining {
        true => Framing::Eager,
        false => Framing::Bdat,
    }
}

/// RFC 1870 §6.1: a client need not ask when the limit is known.
fn within_size(size: u64, peer: Peer<'_>) -> Result<(), Outcome> {
    let (host, limit) = (peer.name, peer.extensions.size.unwrap_or(0));
    if limit == 0 || size <= limit {
        return Ok(());
    }
    Err(failed(format!(
        "5.3.4 message of {size} octets exceeds the limit of {host}, {limit} octets"
    )))
}

/// RFC 8689 §4.2.1: under TLS with a valid certificate, and the peer must promise the same.
fn under_tls(meta: &MessageMeta, peer: Peer<'_>) -> Result<(), Outcome> {
    let host = peer.name;
    if !meta.parameters.require_tls {
        Ok(())
    } else if !peer.is_verified {
        Err(failed(format!(
            "5.7.30 the connection to {host} is not protected by verified TLS (REQUIRETLS)"
        )))
    } else if !peer.extensions.require_tls {
        Err(failed(format!(
            "5.7.30 {host} does not promise to require TLS (REQUIRETLS)"
        )))
    } else {
        Ok(())
    }
}

/// RFC 2852 §4: what is to be returned in time goes only to who returns it in time.
fn in_time(meta: &MessageMeta, peer: Peer<'_>, now: Timestamp) -> Result<(), Outcome> {
    let Some(deadline) = meta.parameters.deliver_by.filter(|one| one.returns()) else {
        return Ok(());
    };
    let (host, left_s) = (peer.name, deadline.remaining(now).seconds);
    match peer.extensions.deliver_by {
        _ if left_s <= 0 => Err(deferred("4.4.7 the time for its delivery is over")),
        None => Err(failed(format!(
            "5.4.7 {host} does not return what it cannot deliver in time (DELIVERBY)"
        ))),
        Some(least_s) if left_s < i64::from(least_s) => Err(failed(format!(
            "5.4.7 {host} needs {least_s} seconds for a delivery, {left_s} are left"
        ))),
        Some(_) => Ok(()),
    }
}

fn mail_line(
    transaction: &Transaction<'_>,
    peer: Peer<'_>,
    now: Timestamp,
    line: &mut String,
) -> Result<(), Outcome> {
    let meta = transaction.meta;
    let offered = peer.extensions;
    let path = match &meta.reverse_path {
        Some(path) => addressed(path, peer)?,
        None => Cow::Borrowed(""),
    };
    let _ = write!(line, "MAIL FROM:<{path}>");
    if offered.size.is_some() {
        let _ = write!(line, " SIZE={}", transaction.size);
    }
    match transaction.body() {
        BodyType::EightBitMime if offered.eight_bit_mime => line.push_str(" BODY=8BITMIME"),
        BodyType::BinaryMime => line.push_str(" BODY=BINARYMIME"),
        BodyType::SevenBit | BodyType::EightBitMime => {}
    }
    if offered.smtputf8 && transaction.is_utf8() {
        line.push_str(" SMTPUTF8");
    }
    mail_parameters(meta, offered, now, line);
    line.push_str("\r\n");
    Ok(())
}

/// What the client asked for, where the peer offers it.
fn mail_parameters(meta: &MessageMeta, offered: &Extensions, now: Timestamp, line: &mut String) {
    let parameters = &meta.parameters;
    if parameters.require_tls {
        line.push_str(" REQUIRETLS");
    }
    if let Some(ret) = parameters.ret.filter(|_| offered.dsn) {
        let _ = write!(line, " RET={ret}");
    }
    if let Some(envid) = parameters.envid.as_ref().filter(|_| offered.dsn) {
        let _ = write!(line, " ENVID={}", envid.as_str());
    }
    if let Some(deadline) = parameters
        .deliver_by
        .filter(|_| offered.deliver_by.is_some())
    {
        let left = deadline.remaining(now);
        debug_assert!(left.seconds > 0 || left.mode == DeliverByMode::Notify);
        let _ = write!(line, " BY={left}");
    }
    if let Some(asked) = parameters.mt_priority.filter(|_| offered.mt_priority) {
        let _ = write!(
            line,
            " MT-PRIORITY={}",
            granted(asked, meta.priority).value()
        );
    }
}

/// The client's value, but never more urgent than the policies let the message be (RFC 6710 §4.1 leaves
/// a server free to lower it).
fn granted(asked: MtPriority, effective: Priority) -> MtPriority {
    let most = match effective {
        Priority::Highest => 9,
        Priority::High => 3,
        Priority::Normal => 0,
        Priority::Low => -1,
        Priority::Lowest => -4,
    };
    MtPriority::new(most).map_or(asked, |most| asked.min(most))
}

/// `says_utf8` when MAIL said SMTPUTF8.
fn rcpt_line(
    recipient: &OpenRecipient,
    peer: Peer<'_>,
    says_utf8: bool,
) -> Result<String, Outcome> {
    let mut line = format!("RCPT TO:<{}>", addressed(&recipient.mailbox, peer)?);
    if peer.extensions.dsn {
        let parameters = &recipient.parameters;
        if let Some(notify) = parameters.notify {
            let _ = write!(line, " NOTIFY={notify}");
        }
        // RFC 6533 §3: beyond US-ASCII only with SMTPUTF8; what gets too long without is left out.
        let orcpt = parameters.orcpt.as_ref().and_then(|orcpt| {
            let as_it_is = says_utf8.then(|| Cow::Borrowed(orcpt.as_str()));
            as_it_is.or_else(|| orcpt.in_ascii())
        });
        if let Some(orcpt) = orcpt {
            let _ = write!(line, " ORCPT={orcpt}");
        }
    }
    line.push_str("\r\n");
    Ok(line)
}

/// The path as this peer can take it: without SMTPUTF8 a domain can be written in A-labels, a local
/// part cannot (RFC 6531 §3.2).
fn addressed<'a>(path: &'a Mailbox, peer: Peer<'_>) -> Result<Cow<'a, str>, Outcome> {
    let text = path.as_str();
    if text.is_ascii() || peer.extensions.smtputf8 {
        return Ok(Cow::Borrowed(text));
    }
    let local_part = text.strip_suffix(path.domain()).unwrap_or_default();
    match idna::domain_to_ascii(path.domain()) {
        Ok(domain) if local_part.ends_with('@') && local_part.is_ascii() => {
            Ok(Cow::Owned(format!("{local_part}{domain}")))
        }
        _ => Err(failed(format!(
            "5.6.7 {} does not accept the address {text} beyond ASCII (SMTPUTF8)",
            peer.name
        ))),
    }
}

impl Transaction<'_> {
    /// What its content is, as it leaves.
    const fn body(&self) -> BodyType {
        match self.channel {
            None => self.meta.body,
            Some(Channel {
                eight_bit: true, ..
            }) => BodyType::EightBitMime,
            Some(Channel {
                eight_bit: false, ..
            }) => BodyType::SevenBit,
        }
    }

    /// Whether MAIL is to say SMTPUTF8, where it is offered.
    fn is_utf8(&self) -> bool {
        self.meta.parameters.smtputf8.is_some() || self.is_international()
    }

    fn is_international(&self) -> bool {
        let recipients = self.recipients.iter().map(|one| &one.mailbox);
        let mut paths = recipients.chain(&self.meta.reverse_path);
        paths.any(|path| !path.as_str().is_ascii())
    }
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
