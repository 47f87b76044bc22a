//! What the queue tells people: where a message stands and what happened to it.

use std::fmt;

use super::{
    Attempt, MessageMeta, Order, Priority, RecipientStatus, Stop, StopScope, canonical_domain,
};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::smtp::{Mailbox, RcptParameters};

/// Which messages to report on, newest first, or to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFilter {
    /// Only these.
    pub ids: Option<Vec<QueueId>>,
    /// Only those of this list.
    pub list: Option<i64>,
    /// Only those submitted by this account, by name.
    pub user: Option<String>,
    /// Only those with this reverse-path, `<>` for the null one, or all of a domain as `@example.com`;
    /// without regard to case.
    pub sender: Option<String>,
    /// Only those with a recipient at this domain, in A-label form.
    pub recipient_domain: Option<String>,
    /// Only those of this effective priority.
    pub priority: Option<Priority>,
    /// Only those that stand there.
    pub status: Option<MessageStatus>,
    /// Only those that were accepted at this time or later.
    pub received_after: Option<Timestamp>,
    /// Only those that were accepted before.
    pub received_before: Option<Timestamp>,
    /// Only those with a recipient still to be served.
    pub open_only: bool,
    /// Only those older than this one: the last of the page before.
    pub before: Option<QueueId>,
    /// At most so many on a page. Default 100: a screenful or a few.
    pub limit: u32,
}

impl Default for MessageFilter {
    fn default() -> Self {
        Self {
            ids: None,
            list: None,
            user: None,
            sender: None,
            recipient_domain: None,
            priority: None,
            status: None,
            received_after: None,
            received_before: None,
            open_only: false,
            before: None,
            limit: 100,
        }
    }
}

/// Where a message stands as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageStatus {
    /// It waits until somebody releases it.
    Held,
    /// It is held until the time its sender asked for (RFC 4865).
    Scheduled,
    /// At least one recipient has not been tried yet.
    Queued,
    /// Every open recipient has been tried and will be again.
    Deferred,
    /// Every recipient was served.
    Delivered,
    /// Some recipients were served and the others never will be.
    Partial,
    /// No recipient was served, for different reasons or by refusal.
    Failed,
    /// Time ran out for every recipient.
    Expired,
    /// An administrator withdrew it from every recipient.
    Cancelled,
}

impl fmt::Display for MessageStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Held => "held",
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Deferred => "deferred",
            Self::Delivered => "delivered",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        })
    }
}

/// How many recipients of a message stand where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RecipientCounts([u64; RecipientStatus::ALL.len()]);

impl RecipientCounts {
    /// Sets how many recipients have this status.
    pub const fn set(&mut self, status: RecipientStatus, count: u64) {
        self.0[status as usize] = count;
    }

    /// How many recipients have this status.
    pub const fn of(&self, status: RecipientStatus) -> u64 {
        self.0[status as usize]
    }

    /// How many recipients there are.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// What that means for the message as a whole.
    pub fn status(&self) -> MessageStatus {
        let total = self.total();
        let all = |status| self.of(status) == total;
        if self.of(RecipientStatus::Queued) > 0 {
            MessageStatus::Queued
        } else if self.of(RecipientStatus::Deferred) > 0 {
            MessageStatus::Deferred
        } else if all(RecipientStatus::Delivered) {
            MessageStatus::Delivered
        } else if self.of(RecipientStatus::Delivered) > 0 {
            MessageStatus::Partial
        } else if all(RecipientStatus::Expired) {
            MessageStatus::Expired
        } else if all(RecipientStatus::Cancelled) {
            MessageStatus::Cancelled
        } else {
            MessageStatus::Failed
        }
    }
}

impl FromIterator<RecipientStatus> for RecipientCounts {
    fn from_iter<I: IntoIterator<Item = RecipientStatus>>(statuses: I) -> Self {
        let mut counts = Self::default();
        for status in statuses {
            counts.0[status as usize] += 1;
        }
        counts
    }
}

/// One line of the queue listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSummary {
    /// Its identifier.
    pub id: QueueId,
    /// What is known about it.
    pub meta: MessageMeta,
    /// The list by name; none when it has none or the list is gone.
    pub list: Option<String>,
    /// Octets in all.
    pub size: u64,
    /// Where its recipients stand.
    pub recipients: RecipientCounts,
    /// When its last recipient was settled; none while it is open.
    pub finished_at: Option<Timestamp>,
}

impl MessageSummary {
    /// Where it stands as a whole.
    pub fn status(&self) -> MessageStatus {
        match self.recipients.status() {
            MessageStatus::Queued | MessageStatus::Deferred if self.meta.way.is_held() => {
                MessageStatus::Held
            }
            MessageStatus::Queued if self.is_scheduled(Timestamp::now()) => {
                MessageStatus::Scheduled
            }
            status => status,
        }
    }

    /// True while it waits for the time its sender asked for.
    fn is_scheduled(&self, now: Timestamp) -> bool {
        let held_until = self.meta.parameters.held_until;
        held_until.is_some_and(|until| now < until)
    }
}

/// Everything that is known about one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageDetails {
    /// What the listing shows.
    pub summary: MessageSummary,
    /// Its recipients in the order of the RCPT commands.
    pub recipients: Vec<RecipientDetails>,
    /// Its attempts as far as they were asked for, oldest first.
    pub attempts: Vec<Attempt>,
    /// What administrators did to it, oldest first.
    pub orders: Vec<Order>,
    /// Notifications that were made of it, oldest first.
    pub notices: Vec<MessageSummary>,
}

impl MessageDetails {
    /// Forgets the one attempt more than `limit` that tells whether there are earlier ones: true when there was one.
    pub fn drop_surplus_attempt(&mut self, limit: u32) -> bool {
        let is_surplus = self.attempts.len() > limit as usize;
        if is_surplus {
            self.attempts.remove(0);
        }
        is_surplus
    }

    /// Whether it waits until somebody starts this.
    pub fn waits_for(&self, stop: &Stop) -> bool {
        if self.summary.finished_at.is_some() {
            return false;
        }
        let meta = &self.summary.meta;
        let mut open = self.recipients.iter().filter(|one| one.status.is_open());
        match &stop.scope {
            StopScope::All => true,
            StopScope::List(id) => meta.list_id == Some(*id),
            StopScope::Destination(name) if name == "smarthost" || name == "maildir" => {
                meta.way.route.is_none()
            }
            StopScope::Destination(name) => match name.strip_prefix("route:") {
                Some(route) => meta.way.route.as_deref() == Some(route),
                None => open.any(|one| canonical_domain(one.mailbox.domain()) == *name),
            },
        }
    }
}

/// One recipient of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientDetails {
    /// Its place among the message's recipients, from 0.
    pub index: u32,
    /// The forward-path.
    pub mailbox: Mailbox,
    /// What the client asked for it.
    pub parameters: RcptParameters,
    /// Where it stands.
    pub status: RecipientStatus,
    /// Attempts made so far.
    pub attempts: u32,
    /// Not to be tried before; meaningful while it is open.
    pub due_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use RecipientStatus::{Cancelled, Deferred, Delivered, Expired, Failed, Queued};

    #[test]
    fn a_message_stands_where_its_recipients_stand() {
        let cases: [(&[RecipientStatus], MessageStatus); 9] = [
            (&[Queued, Delivered], MessageStatus::Queued),
            (&[Queued, Deferred], MessageStatus::Queued),
            (&[Deferred, Failed], MessageStatus::Deferred),
            (&[Delivered, Delivered], MessageStatus::Delivered),
            (&[Delivered, Failed], MessageStatus::Partial),
            (&[Failed, Expired], MessageStatus::Failed),
            (&[Failed], MessageStatus::Failed),
            (&[Expired, Expired], MessageStatus::Expired),
            (&[Cancelled], MessageStatus::Cancelled),
        ];
        for (recipients, expected) in cases {
            let counts: RecipientCounts = recipients.iter().copied().collect();
            assert_eq!(counts.status(), expected, "{recipients:?}");
        }
    }
}
