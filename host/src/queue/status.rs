//! The states of a recipient and what an attempt can come to.

use std::fmt;

/// Where a recipient stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientStatus {
    /// Accepted, not tried yet.
    Queued,
    /// Tried without success; it will be tried again.
    Deferred,
    /// The next hop has taken responsibility.
    Delivered,
    /// The next hop refused it for good.
    Failed,
    /// Its time ran out.
    Expired,
    /// An administrator withdrew it.
    Cancelled,
}

impl RecipientStatus {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Deferred,
        Self::Delivered,
        Self::Failed,
        Self::Expired,
        Self::Cancelled,
    ];

    /// True while the recipient waits for an attempt.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Deferred)
    }

    /// The number the store keeps.
    pub const fn code(self) -> i64 {
        self as i64
    }

    /// From the number the store keeps.
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }
}

impl fmt::Display for RecipientStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queued => "queued",
            Self::Deferred => "deferred",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        })
    }
}

/// What an attempt came to for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The next hop has taken responsibility.
    Delivered(RemoteReply),
    /// Not now: a 4yz reply, or the next hop could not be reached.
    Deferred(RemoteReply),
    /// Never: a 5yz reply, or a next hop that cannot exist.
    Failed(RemoteReply),
}

impl Outcome {
    /// The words that came with it.
    pub const fn reply(&self) -> &RemoteReply {
        match self {
            Self::Delivered(reply) | Self::Deferred(reply) | Self::Failed(reply) => reply,
        }
    }
}

/// What the next hop said, or what we say in its place when it said nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteReply {
    /// The reply code; 0 when there was no reply.
    pub code: u16,
    /// The text, enhanced status code included, lines joined by a space, at most 1,000 characters.
    pub text: String,
}

impl fmt::Display for RemoteReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code > 0 {
            write!(f, "{} ", self.code)?;
        }
        f.write_str(&self.text)
    }
}
