//! What the plan hands out and shows.

use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{Destination, OpenMessage, Priority, RemoteReply};

/// A message for one destination, taken from the plan to be tried now.
#[derive(Debug)]
pub struct Claim {
    /// The message.
    pub id: QueueId,
    /// Where it goes.
    pub destination: Destination,
    /// How urgent it is by now.
    pub priority: Priority,
    /// How urgent it was before it waited.
    pub own: Priority,
    /// The list it belongs to.
    pub list: Option<i64>,
    /// When it is given up, or its sender told that it is late, also if it cannot be tried then.
    pub look_at: Timestamp,
    /// The message with its recipients for this destination; none when it is to be read from the store.
    pub message: Option<OpenMessage>,
}

/// How many entries there are, by how urgent they are by now; the index is the priority's number less one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Due, and waiting for a slot or their destination.
    pub ready: [usize; 5],
    /// Not due yet.
    pub waiting: [usize; 5],
    /// Being tried.
    pub running: [usize; 5],
}

/// How long mail waits that is due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Since when the longest of what is due waits, of priorities 1 and 2.
    pub urgent_due_since: Option<Timestamp>,
    /// The same of all priorities.
    pub due_since: Option<Timestamp>,
    /// When a recipient was served last; the start of the relay before the first.
    pub served_at: Timestamp,
    /// Destinations that cannot be reached, and since when that is so.
    pub troubles: Vec<Trouble>,
    /// Nothing is sent, as somebody wants it so, or the queue is being read.
    pub is_at_rest: bool,
}

/// A destination that could not be reached at the last try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Where nothing arrives.
    pub destination: Destination,
    /// Since when.
    pub since: Timestamp,
    /// Why it could not be reached last.
    pub reason: RemoteReply,
}

/// A destination that cannot be reached at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    /// Where nothing arrives.
    pub destination: Destination,
    /// When it is tried again.
    pub until: Timestamp,
    /// Entries that are ready for it.
    pub ready: usize,
    /// Why it could not be reached.
    pub reason: RemoteReply,
}
