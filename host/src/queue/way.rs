//! Where a message came from, and what policies decide about it beyond letting it pass: over which hop it goes, and
//! whether it waits.

use super::Priority;
use crate::clock::Timestamp;
use crate::id::QueueId;

/// The way of a message, apart from where its recipients are.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Way {
    /// The name of a route of the configuration; none: where all mail goes.
    pub route: Option<String>,
    /// Why it waits until somebody releases it, one printable line; none when it never did.
    pub hold: Option<String>,
    /// When it was released.
    pub released_at: Option<Timestamp>,
}

impl Way {
    /// True while it waits until somebody releases it.
    pub const fn is_held(&self) -> bool {
        self.hold.is_some() && self.released_at.is_none()
    }
}

/// Where a message came from, for whoever asks what happened to it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Origin {
    /// The client's address and the name that it gave, for people; empty when it is not known.
    pub client: String,
    /// The priority that the message asked for by its header or MT-PRIORITY.
    pub requested_priority: Option<Priority>,
    /// The message that this notification tells of.
    pub notice_of: Option<QueueId>,
}

/// What a policy counted in one slot of a sliding window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyCount {
    /// The policy by its name in the configuration.
    pub policy: String,
    /// The key that the policy counts by.
    pub key: String,
    /// Seconds of the window.
    pub window_s: u32,
    /// The slot of the window, counted from the epoch.
    pub slot: i64,
    /// What was added.
    pub amount: u64,
    /// When it counts no longer, in milliseconds since the epoch.
    pub expires_at_ms: i64,
}
