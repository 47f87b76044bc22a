//! Finds messages by who, what and when: those in the queue, finished ones and refused ones, newest first.
//!
//! What a message is found by is a handful of terms (`terms`) in a search index, a database of its own beside
//! the store (`index`). It is filled in the background from the store, and what is too new for it is looked at one
//! by one, so that a message is found as soon as it is accepted and costs nothing when it is. The index can be
//! deleted at any time; it is made anew.

mod documents;
mod index;
mod query;
mod terms;

use std::time::Duration;

pub(super) use self::index::Index;
pub(super) use self::query::ids;
use crate::clock::Timestamp;
use crate::decision::Decision;
use crate::id::QueueId;
use crate::queue::{MessageStatus, MessageSummary};

/// How long one question may look through messages that do not fit before it answers with what it has.
/// Default 30 ms: with reading what was found it stays below 50.
const BUDGET: Duration = Duration::from_millis(30);

/// What is searched for; all that is given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Only messages of this list.
    pub list: Option<i64>,
    /// An address, the part before its `@`, or all of a domain as `@example.com`; of any recipient.
    pub recipient: Option<String>,
    /// The same of the reverse-path or a mailbox in From; `<>` for the null reverse-path.
    pub sender: Option<String>,
    /// Words of the subject, in any order.
    pub subject: Option<String>,
    /// The Message-ID, with or without its angle brackets.
    pub message_id: Option<String>,
    /// The user by name.
    pub user: Option<String>,
    /// The message's own id.
    pub id: Option<QueueId>,
    /// Where it stands.
    pub status: Option<SearchStatus>,
    /// Only what came at this time or later.
    pub since: Option<Timestamp>,
    /// Only what came before.
    pub until: Option<Timestamp>,
    /// Only what is older than this one: the cursor of the page before.
    pub before: Option<QueueId>,
    /// At most so many on a page.
    pub limit: usize,
}

/// Where a message stands, refused ones included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchStatus {
    /// It was refused, for good or for now, and never in the queue.
    Refused,
    /// It was accepted.
    Is(MessageStatus),
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundMessage {
    /// It is or was in the queue.
    Accepted {
        /// What the listing shows.
        summary: Box<MessageSummary>,
        /// Its first recipient.
        first_recipient: String,
    },
    /// It was refused.
    Refused(Box<Decision>),
}

impl FoundMessage {
    /// Its id.
    pub const fn id(&self) -> QueueId {
        match self {
            Self::Accepted { summary, .. } => summary.id,
            Self::Refused(decision) => decision.about.id,
        }
    }
}

/// A page of what was found, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundPage {
    /// The messages.
    pub messages: Vec<FoundMessage>,
    /// Where the next page begins; none when everything was looked through.
    pub next: Option<QueueId>,
    /// True when the page ends because looking took long, not because it is full.
    pub is_cut: bool,
}
