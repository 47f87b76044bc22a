//! Tells a sender what became of a message, as a delivery status notification (RFC 3464). Pure.
//!
//! It never answers a null reverse-path, so that no notification is ever about a notification
//! (RFC 5321 §4.5.5). `scheduler` decides when one is due and hands it to `store`.

mod advice;
mod lines;
mod recipient;
mod returned;

use std::time::Duration;

use bytes::Bytes;

use self::lines::{Report, date};
pub use self::recipient::{Action, Told};
use self::returned::{Returned, returned};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{
    Content, MessageMeta, MessageParameters, NewMessage, Origin, Priority, SmtpUtf8, Way,
};
use crate::smtp::{BodyType, Mailbox, Notify, RcptParameters, Recipient};

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Recipients were given up.
    Failure,
    /// Recipients are late.
    Delay,
    /// Recipients were served, or are in the care of a system that tells nothing.
    Success,
}

/// What a notification is made of.
#[derive(Debug)]
pub struct Notice<'a> {
    /// The notification's own identifier.
    pub id: QueueId,
    /// What it is about.
    pub kind: Kind,
    /// The message it is about.
    pub original_id: QueueId,
    /// What is known about that message.
    pub original: &'a MessageMeta,
    /// Octets of that message in all.
    pub original_size: u64,
    /// The beginning of that message, its header section at least; empty when it is not at hand.
    pub head: &'a [u8],
    /// Whom it tells of; never empty.
    pub told: &'a [Told],
    /// This relay's domain name.
    pub hostname: &'a str,
    /// When it is written.
    pub now: Timestamp,
    /// How long the notification itself is tried for.
    pub expire_after: Duration,
}

impl Notice<'_> {
    /// The notification, ready to be accepted; none when the message had a null reverse-path.
    pub fn message(&self) -> Option<NewMessage> {
        let sender = self.original.reverse_path.clone()?;
        let message_id = format!("<{}@{}>", self.id, self.hostname);
        let (head, is_utf8) = self.content(&sender, &message_id);
        Some(NewMessage {
            id: self.id,
            meta: MessageMeta {
                list_id: self.original.list_id,
                username: String::new(),
                reverse_path: None,
                priority: Priority::Normal,
                body: if head.is_ascii() {
                    BodyType::SevenBit
                } else {
                    BodyType::EightBitMime
                },
                parameters: MessageParameters {
                    smtputf8: is_utf8,
                    ..MessageParameters::default()
                },
                subject: self.subject().to_owned(),
                message_id,
                session_id: self.original.session_id.clone(),
                rule: String::new(),
                received_at: self.now,
                expires_at: self.now + self.expire_after,
                way: Way::default(),
                origin: Origin {
                    notice_of: Some(self.original_id),
                    ..Origin::default()
                },
            },
            recipients: vec![answered(sender)],
            content: Content {
                size: head.len() as u64,
                head,
                staged_chunks: 0,
            },
        })
    }

    /// The octets, and what of them goes beyond US-ASCII.
    fn content(&self, sender: &Mailbox, message_id: &str) -> (Bytes, Option<SmtpUtf8>) {
        let returned = returned(self);
        let boundary = self.boundary(&returned.octets);
        let mut report = Report::default();
        self.write_header(&mut report, sender, message_id, &boundary);
        let has_ascii_header = report.is_ascii();
        let mut explanation = Report::default();
        self.write_explanation(&mut explanation, &returned);
        let text_type = "text/plain; charset=utf-8";
        report.part(&boundary, text_type, &explanation.into_octets());
        let is_global = self.is_global();
        let status_type = if is_global {
            "message/global-delivery-status"
        } else {
            "message/delivery-status"
        };
        let mut status = Report::default();
        self.write_status(&mut status);
        report.part(&boundary, status_type, &status.into_octets());
        report.part(&boundary, returned.content_type, &returned.octets);
        if returned.is_whole {
            // RFC 2046 §5.1.1: the line end ahead of a boundary is not part of what it ends.
            report.line("");
        }
        report.line(&format!("--{boundary}--"));
        let is_utf8 = match (has_ascii_header, is_global) {
            (false, _) => Some(SmtpUtf8::Utf8Header),
            (true, true) => Some(SmtpUtf8::AsciiHeader),
            (true, false) => None,
        };
        (report.into_octets().into(), is_utf8)
    }

    /// RFC 6533 §4: addresses beyond ASCII stand in a report of their own type, for senders who know them.
    fn is_global(&self) -> bool {
        let knows_utf8 = self.original.parameters.smtputf8.is_some();
        let told = self.told.iter();
        told.clone().any(|told| !told.mailbox.as_str().is_ascii())
            || (knows_utf8 && told.clone().any(Told::is_international))
    }

    /// Depends on all that is returned, so that nothing returned can contain it.
    fn boundary(&self, returned: &[u8]) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.id.as_i64().to_be_bytes());
        hasher.update(returned);
        format!("=_{}", &hasher.finalize().to_hex().as_str()[..32])
    }

    const fn subject(&self) -> &'static str {
        match self.kind {
            Kind::Failure => "Undelivered mail returned to sender",
            Kind::Delay => "Delayed mail, still being tried",
            Kind::Success => "Mail delivery report",
        }
    }

    fn write_header(&self, report: &mut Report, sender: &Mailbox, id: &str, boundary: &str) {
        let host = self.hostname;
        report.field(
            "From",
            &format!("Mail Delivery System <MAILER-DAEMON@{host}>"),
        );
        report.field("To", &format!("<{}>", in_ascii(sender)));
        report.field("Subject", self.subject());
        report.field("Date", &date(self.now));
        report.field("Message-ID", id);
        // RFC 3834 §5: whoever answers mail by machine does not answer this.
        report.field("Auto-Submitted", "auto-replied");
        report.field("MIME-Version", "1.0");
        report.field(
            "Content-Type",
            &format!("multipart/report; report-type=delivery-status; boundary=\"{boundary}\""),
        );
        report.line("");
    }

    fn write_explanation(&self, report: &mut Report, returned: &Returned<'_>) {
        report.text(&format!("This is the mail relay {}.", self.hostname));
        report.line("");
        report.text(&self.introduction());
        report.line("");
        report.text(&format!("  Subject: {}", self.original.subject));
        report.text(&format!("  Sent: {}", date(self.original.received_at)));
        for told in self.told {
            report.line("");
            report.text(&told.mailbox.to_string());
            report.text(&format!("  What happened: {}", told.story(self)));
            if self.kind == Kind::Failure {
                let advice = advice::for_failure(told);
                report.text(&format!("  What you can do: {advice}"));
            }
        }
        report.line("");
        report.text(returned.description());
        report.text(&format!(
            "Whoever looks after this relay finds the message by its queue id, {}, or by its Message-ID, {}.",
            self.original_id, self.original.message_id
        ));
    }

    fn introduction(&self) -> String {
        match self.kind {
            Kind::Failure => "I am sorry: your message could not be delivered to the recipients \
                 below, and I have given it up for them. Other recipients, if there were any, are \
                 not concerned."
                .to_owned(),
            Kind::Delay => format!(
                "Your message has not been delivered to the recipients below yet. You need not \
                 send it again: I keep trying until {}.",
                date(self.original.expires_at)
            ),
            Kind::Success => "You asked to be told what becomes of your message. Here it is for \
                 the recipients below."
                .to_owned(),
        }
    }

    /// The fields of RFC 3464 §2.2, then a group for each recipient.
    fn write_status(&self, report: &mut Report) {
        let parameters = &self.original.parameters;
        if let Some(envid) = &parameters.envid {
            report.field("Original-Envelope-Id", &envid.decoded());
        }
        report.field("Reporting-MTA", &format!("dns; {}", self.hostname));
        report.field("Arrival-Date", &date(self.original.received_at));
        if let Some(deadline) = parameters.deliver_by {
            // RFC 2852 §5
            report.field("Deliver-By-Date", &date(deadline.at));
        }
        for told in self.told {
            report.line("");
            told.write_status(report, self);
        }
    }
}

/// The recipient of a notification, of which nobody is to be notified (RFC 3461 §6.1).
fn answered(sender: Mailbox) -> Recipient {
    Recipient {
        mailbox: sender,
        parameters: RcptParameters {
            notify: Some(Notify::NEVER),
            orcpt: None,
        },
    }
}

/// The address with its domain in A-labels where that makes it ASCII, so that any next hop takes it.
fn in_ascii(mailbox: &Mailbox) -> String {
    let text = mailbox.as_str();
    let local_part = text.strip_suffix(mailbox.domain()).unwrap_or_default();
    match idna::domain_to_ascii(mailbox.domain()) {
        Ok(domain) if !text.is_ascii() && local_part.ends_with('@') && local_part.is_ascii() => {
            format!("{local_part}{domain}")
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
