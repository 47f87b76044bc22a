//! What became of one recipient: in words for people, and in the fields of RFC 3464 §2.3.

use super::Notice;
use super::lines::{Report, date};
use crate::queue::RemoteReply;
use crate::smtp::{Mailbox, OriginalRecipient};

/// What became of a recipient (RFC 3464 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Refused for good.
    Failed,
    /// Given up, because its time ran out.
    Expired,
    /// Late; it is tried again.
    Delayed,
    /// Passed on to a next hop that tells nothing more.
    Relayed,
    /// It lies in the mailbox.
    Delivered,
}

/// A recipient that the sender is told of.
#[derive(Debug, Clone)]
pub struct Told {
    /// The forward-path.
    pub mailbox: Mailbox,
    /// The address the sender knows the recipient by.
    pub orcpt: Option<OriginalRecipient>,
    /// What became of it.
    pub action: Action,
    /// Who was asked last, for example `mx.example.net:25`.
    pub next_hop: String,
    /// What was said last.
    pub reply: RemoteReply,
}

impl Told {
    /// What happened, for people.
    pub(super) fn story(&self, notice: &Notice<'_>) -> String {
        match self.action {
            Action::Failed => self.words("refused it"),
            Action::Delayed => self.words("put it off"),
            Action::Expired if notice.original.expires_by_deadline() => format!(
                "the time that you gave it is over. The last time: {}",
                self.words("put it off")
            ),
            Action::Expired => {
                let began = notice.original.first_due_at();
                let tried = span(notice.now.since(began).as_secs());
                let last = self.words("put it off");
                format!("it was tried for {tried} without success. The last time: {last}")
            }
            Action::Relayed => format!(
                "it was passed on to {}, which may tell you nothing more about it.",
                self.remote_host().unwrap_or("the next system")
            ),
            Action::Delivered => "it lies in the mailbox.".to_owned(),
        }
    }

    /// The last words: the peer's as it said them, ours without the code that is for programs.
    fn words(&self, deed: &str) -> String {
        if self.reply.code > 0 {
            let host = self.remote_host().unwrap_or(&self.next_hop);
            return format!("{host} {deed} and said: {}", self.reply);
        }
        let text = self.reply.text.as_str();
        let is_status = |word: &str| word.split('.').count() == 3 && word.split('.').all(is_number);
        match text.split_once(' ') {
            Some((word, rest)) if is_status(word) => rest.to_owned(),
            _ => text.to_owned(),
        }
    }

    /// The fields of RFC 3464 §2.3.
    pub(super) fn write_status(&self, report: &mut Report, notice: &Notice<'_>) {
        if let Some(orcpt) = &self.orcpt {
            // RFC 6533 §3: with its characters, where the type of report can hold them.
            let decoded = orcpt.decoded();
            let is_held = decoded.is_ascii() || notice.is_global();
            let address = match orcpt.in_ascii() {
                Some(ascii) if !is_held => ascii.replacen(';', "; ", 1),
                _ => format!("{}; {decoded}", orcpt.address_type()),
            };
            report.field("Original-Recipient", &address);
        }
        let address = self.mailbox.as_str();
        // RFC 6533 §3: an address beyond ASCII has its own type.
        let kind = if address.is_ascii() {
            "rfc822"
        } else {
            "utf-8"
        };
        report.field("Final-Recipient", &format!("{kind}; {address}"));
        report.field("Action", self.action_name());
        report.field("Status", &self.status(notice));
        if let Some(host) = self.remote_host() {
            report.field("Remote-MTA", &format!("dns; {host}"));
        }
        let kind = if self.reply.code > 0 {
            "smtp"
        } else {
            "x-gatepost"
        };
        // Where a mailbox lies on the disk is nobody's business.
        if self.action != Action::Delivered {
            report.field("Diagnostic-Code", &format!("{kind}; {}", self.reply));
        }
        report.field("Last-Attempt-Date", &date(notice.now));
        report.field("Final-Log-ID", &notice.original_id.to_string());
        if self.action == Action::Delayed {
            report.field("Will-Retry-Until", &date(notice.original.expires_at));
        }
    }

    /// True when its fields go beyond US-ASCII.
    pub(super) fn is_international(&self) -> bool {
        let original = self.orcpt.as_ref().map(OriginalRecipient::decoded);
        !self.mailbox.as_str().is_ascii() || original.is_some_and(|text| !text.is_ascii())
    }

    const fn action_name(&self) -> &'static str {
        match self.action {
            Action::Failed | Action::Expired => "failed",
            Action::Delayed => "delayed",
            Action::Relayed => "relayed",
            Action::Delivered => "delivered",
        }
    }

    fn status(&self, notice: &Notice<'_>) -> String {
        // RFC 2852 §4: a deadline that passes has a status of its own.
        if self.action == Action::Expired && notice.original.expires_by_deadline() {
            return "5.4.7".to_owned();
        }
        self.enhanced_status()
    }

    /// The enhanced status code (RFC 3463) at the beginning of the reply, or the nearest general one.
    pub(super) fn enhanced_status(&self) -> String {
        let word = self.reply.text.split(' ').next().unwrap_or_default();
        let (classes, general): (&[&str], _) = match self.action {
            Action::Failed => (&["4", "5"], "5.0.0"),
            Action::Expired => (&["4", "5"], "4.4.7"),
            Action::Delayed => (&["4"], "4.4.7"),
            Action::Relayed | Action::Delivered => (&["2"], "2.0.0"),
        };
        let mut parts = word.split('.');
        let class = parts.next().is_some_and(|class| classes.contains(&class));
        let number = |part: Option<&str>| part.is_some_and(is_number);
        if class && number(parts.next()) && number(parts.next()) && parts.next().is_none() {
            return word.to_owned();
        }
        general.to_owned()
    }

    /// The host of `mx.example.net:25`; none for a file.
    fn remote_host(&self) -> Option<&str> {
        let (host, port) = self.next_hop.rsplit_once(':')?;
        let is_host = !host.contains('/') && port.parse::<u16>().is_ok();
        is_host.then_some(host)
    }
}

/// One to three digits, as in an enhanced status code (RFC 3463 §2).
fn is_number(digits: &str) -> bool {
    (1..=3).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// A time as people say it.
fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        172_800.. => (seconds / 86_400, "days"),
        7200.. => (seconds / 3600, "hours"),
        120.. => (seconds / 60, "minutes"),
        _ => return "a short while".to_owned(),
    };
    format!("{count} {unit}")
}
