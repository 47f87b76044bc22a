//! Tells a sender what could not be delivered, as a delivery status notification (RFC 3464). Pure.
//!
//! It never answers a null reverse-path, so that no notification is ever about a notification
//! (RFC 5321 §4.5.5). `scheduler` decides when one is due and hands it to `store`.

mod advice;
mod lines;

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;

use self::lines::{Report, date, header_section};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{Content, MessageMeta, NewMessage, RecipientStatus, RemoteReply};
use crate::smtp::{BodyType, Mailbox};

/// A recipient that was given up.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The forward-path.
    pub mailbox: Mailbox,
    /// Failed, or expired.
    pub status: RecipientStatus,
    /// Who was asked last, for example `mx.example.net:25`.
    pub next_hop: String,
    /// What was said last.
    pub reply: RemoteReply,
}

/// What a notification is made of.
#[derive(Debug)]
pub struct Notice<'a> {
    /// The notification's own identifier.
    pub id: QueueId,
    /// The message that could not be delivered.
    pub original_id: QueueId,
    /// What is known about that message.
    pub original: &'a MessageMeta,
    /// The beginning of that message, its header section at least; empty when it is not at hand.
    pub head: &'a [u8],
    /// Who was given up; never empty.
    pub failures: &'a [Failure],
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
        let text = self.text(&sender, &message_id);
        let body = if text.is_ascii() {
            BodyType::SevenBit
        } else {
            BodyType::EightBitMime
        };
        let head = Bytes::from(text);
        Some(NewMessage {
            id: self.id,
            meta: MessageMeta {
                list_id: self.original.list_id,
                username: String::new(),
                reverse_path: None,
                priority: crate::queue::Priority::Normal,
                body,
                subject: SUBJECT.to_owned(),
                message_id,
                session_id: self.original.session_id.clone(),
                rule: String::new(),
                received_at: self.now,
                expires_at: self.now + self.expire_after,
            },
            recipients: vec![sender],
            content: Content {
                size: head.len() as u64,
                head,
                staged_chunks: 0,
            },
        })
    }

    fn text(&self, sender: &Mailbox, message_id: &str) -> String {
        let header = header_section(self.head);
        let boundary = self.boundary(&header);
        let mut report = Report::default();
        self.write_header(&mut report, sender, message_id, &boundary);
        report.open_part(&boundary, "text/plain; charset=utf-8");
        self.write_explanation(&mut report);
        report.open_part(&boundary, "message/delivery-status");
        self.write_status(&mut report);
        report.open_part(&boundary, "text/rfc822-headers; charset=utf-8");
        report.verbatim(&header);
        report.line(&format!("--{boundary}--"));
        report.into_text()
    }

    /// Depends on the whole header, so that no header can contain it.
    fn boundary(&self, header: &str) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.id.as_i64().to_be_bytes());
        hasher.update(header.as_bytes());
        format!("=_{}", &hasher.finalize().to_hex().as_str()[..32])
    }

    fn write_header(&self, report: &mut Report, sender: &Mailbox, id: &str, boundary: &str) {
        let host = self.hostname;
        report.field(
            "From",
            &format!("Mail Delivery System <MAILER-DAEMON@{host}>"),
        );
        report.field("To", &format!("<{sender}>"));
        report.field("Subject", SUBJECT);
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

    fn write_explanation(&self, report: &mut Report) {
        report.text(&format!(
            "This is the mail relay {}. A message of yours could not be delivered to the \
             recipients below. It will not be tried again; the other recipients, if there were \
             any, are not concerned.",
            self.hostname
        ));
        report.line("");
        report.text(&format!("Subject: {}", self.original.subject));
        report.text(&format!("Message-ID: {}", self.original.message_id));
        report.text(&format!("Queue id: {}", self.original_id));
        for failure in self.failures {
            report.line("");
            report.text(&failure.mailbox.to_string());
            report.text(&format!("  what happened: {}", failure.story(self)));
            report.text(&format!("  what to do: {}", advice::for_failure(failure)));
        }
    }

    fn write_status(&self, report: &mut Report) {
        report.field("Reporting-MTA", &format!("dns; {}", self.hostname));
        report.field("Arrival-Date", &date(self.original.received_at));
        for failure in self.failures {
            report.line("");
            failure.write_status(report, self.now);
        }
    }
}

const SUBJECT: &str = "Undelivered mail returned to sender";

impl Failure {
    fn story(&self, notice: &Notice<'_>) -> String {
        let mut story = String::new();
        if self.status == RecipientStatus::Expired {
            let hours = notice.now.since(notice.original.received_at).as_secs() / 3600;
            let _ = write!(story, "it was tried for {hours} hours without success. ");
        }
        match self.reply.code {
            0 => story.push_str(&self.reply.text),
            _ => {
                let _ = write!(story, "{} said: {}", self.next_hop, self.reply);
            }
        }
        story
    }

    /// The fields of RFC 3464 §2.3.
    fn write_status(&self, report: &mut Report, now: Timestamp) {
        let address = self.mailbox.as_str();
        // RFC 6533 §3: an address beyond ASCII has its own type.
        let kind = if address.is_ascii() {
            "rfc822"
        } else {
            "utf-8"
        };
        report.field("Final-Recipient", &format!("{kind}; {address}"));
        report.field("Action", "failed");
        report.field("Status", &self.enhanced_status());
        if let Some(host) = self.remote_host() {
            report.field("Remote-MTA", &format!("dns; {host}"));
        }
        let kind = if self.reply.code > 0 {
            "smtp"
        } else {
            "x-gatepost"
        };
        report.field("Diagnostic-Code", &format!("{kind}; {}", self.reply));
        report.field("Last-Attempt-Date", &date(now));
    }

    /// The enhanced status code (RFC 3463) at the beginning of the reply, or the nearest general one.
    fn enhanced_status(&self) -> String {
        let word = self.reply.text.split(' ').next().unwrap_or_default();
        let mut parts = word.split('.');
        let class = matches!(parts.next(), Some("4" | "5"));
        let number = |part: Option<&str>| {
            part.is_some_and(|digits| {
                (1..=3).contains(&digits.len()) && digits.bytes().all(|d| d.is_ascii_digit())
            })
        };
        if class && number(parts.next()) && number(parts.next()) && parts.next().is_none() {
            return word.to_owned();
        }
        match self.status {
            RecipientStatus::Expired => "4.4.7".to_owned(),
            _ => "5.0.0".to_owned(),
        }
    }

    /// The host of `mx.example.net:25`; none for a file.
    fn remote_host(&self) -> Option<&str> {
        let (host, port) = self.next_hop.rsplit_once(':')?;
        let is_host = !host.contains('/') && port.parse::<u16>().is_ok();
        is_host.then_some(host)
    }
}

#[cfg(test)]
mod tests;
