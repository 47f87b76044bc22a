//! What an administrator does to queued messages, one of them or many.

use std::fmt;

use super::{MessageStatus, MessageSummary, Priority};
use crate::clock::Timestamp;
use crate::id::QueueId;

/// Something that an administrator has done to a message: a line of its timeline, and a note for a running relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Grows with every order.
    pub number: i64,
    /// The message.
    pub message: QueueId,
    /// What was done.
    pub kind: OrderKind,
    /// When.
    pub at: Timestamp,
    /// Who did it, for people; empty when it is not known.
    pub by: String,
    /// What else is to be said, for people: why, or from what to what; it may be empty.
    pub detail: String,
}

/// What can be done to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderKind {
    /// A held message is to leave.
    Release,
    /// It is withdrawn from every recipient that was not served.
    Delete,
    /// It waits until somebody releases it.
    Hold,
    /// What waits for its next attempt is due now.
    Retry,
    /// It has another priority from now on.
    Reprioritize,
    /// It is not tried before another time.
    Schedule,
}

impl OrderKind {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 6] = [
        Self::Release,
        Self::Delete,
        Self::Hold,
        Self::Retry,
        Self::Reprioritize,
        Self::Schedule,
    ];

    /// The number the store keeps.
    pub const fn code(self) -> i64 {
        self as i64
    }

    /// From the number the store keeps.
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// What became of the message, for people: `released`.
impl fmt::Display for OrderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Release => "released",
            Self::Delete => "deleted",
            Self::Hold => "held",
            Self::Retry => "made due",
            Self::Reprioritize => "reprioritized",
            Self::Schedule => "scheduled",
        })
    }
}

/// What is to be done to messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Lets held messages leave.
    Release,
    /// Withdraws them from recipients that were not served.
    Delete,
    /// Has them wait until they are released, for this reason.
    Hold(String),
    /// Makes what waits for its next attempt due now.
    Retry,
    /// Gives them another priority.
    Reprioritize(Priority),
    /// Has them not tried before this time, which may be over.
    Schedule(Timestamp),
}

impl Command {
    /// What it does.
    pub const fn kind(&self) -> OrderKind {
        match self {
            Self::Release => OrderKind::Release,
            Self::Delete => OrderKind::Delete,
            Self::Hold(_) => OrderKind::Hold,
            Self::Retry => OrderKind::Retry,
            Self::Reprioritize(_) => OrderKind::Reprioritize,
            Self::Schedule(_) => OrderKind::Schedule,
        }
    }

    /// Whether messages may be due earlier by it.
    pub const fn may_make_due(&self) -> bool {
        match self {
            Self::Release | Self::Retry | Self::Schedule(_) => true,
            Self::Delete | Self::Hold(_) | Self::Reprioritize(_) => false,
        }
    }
}

/// Why a command cannot be carried out on a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Nothing waits any more.
    #[error("it is finished: it is {0}")]
    Finished(MessageStatus),
    /// There is nothing to release.
    #[error("it is not held: it is {0}")]
    NotHeld(MessageStatus),
    /// It is held already.
    #[error("it is held already")]
    HeldAlready,
    /// It is held.
    #[error("it is held; release it to let it leave")]
    Held,
    /// There is no other attempt.
    #[error("it does not wait for another attempt")]
    NotWaiting,
    /// It has that priority.
    #[error("it has that priority")]
    SamePriority,
}

impl Command {
    /// Why it cannot be carried out on this message, if it cannot.
    pub fn obstacle(&self, message: &MessageSummary) -> Option<Obstacle> {
        let status = message.status();
        if matches!(self, Self::Release) && status != MessageStatus::Held {
            return Some(Obstacle::NotHeld(status));
        }
        if message.finished_at.is_some() {
            return Some(Obstacle::Finished(status));
        }
        match self {
            Self::Hold(_) if status == MessageStatus::Held => Some(Obstacle::HeldAlready),
            Self::Retry if status == MessageStatus::Held => Some(Obstacle::Held),
            Self::Retry if status != MessageStatus::Deferred && status != MessageStatus::Queued => {
                Some(Obstacle::NotWaiting)
            }
            Self::Reprioritize(priority) if message.meta.priority == *priority => {
                Some(Obstacle::SamePriority)
            }
            _ => None,
        }
    }
}

/// How much a command concerns, or would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Concerned {
    /// Messages.
    pub messages: u64,
    /// Their recipients that are still to be served.
    pub recipients: u64,
}

impl Concerned {
    /// Both together.
    pub const fn plus(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            recipients: self.recipients + other.recipients,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_back() {
        for kind in OrderKind::ALL {
            assert_eq!(OrderKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(OrderKind::from_code(6), None);
    }
}
