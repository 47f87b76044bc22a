//! What a webhook can be told of.

use std::fmt;

use crate::clock::Timestamp;
use crate::secret::Secret;

/// The kinds of events of a webhook.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// A message is in the queue.
    Accepted,
    /// A policy refused a message for good.
    Blocked,
    /// A recipient was served.
    Delivered,
    /// A recipient was not served, and is tried again.
    Deferred,
    /// A recipient was given up.
    Bounced,
    /// An alert was raised, or happened again.
    Alert,
}

/// All of them, in the order of a message's life.
pub const EVENT_KINDS: [EventKind; 6] = [
    EventKind::Accepted,
    EventKind::Blocked,
    EventKind::Delivered,
    EventKind::Deferred,
    EventKind::Bounced,
    EventKind::Alert,
];

impl EventKind {
    /// Its stable machine name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Blocked => "blocked",
            Self::Delivered => "delivered",
            Self::Deferred => "deferred",
            Self::Bounced => "bounced",
            Self::Alert => "alert",
        }
    }

    /// The kind of this machine name.
    pub fn from_name(name: &str) -> Option<Self> {
        EVENT_KINDS.into_iter().find(|kind| kind.name() == name)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Some kinds of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventSet(u8);

impl EventSet {
    /// Whether it has this kind.
    pub const fn has(self, kind: EventKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// True without any.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that it has, in order.
    pub fn iter(self) -> impl Iterator<Item = EventKind> {
        EVENT_KINDS.into_iter().filter(move |kind| self.has(*kind))
    }
}

impl FromIterator<EventKind> for EventSet {
    fn from_iter<I: IntoIterator<Item = EventKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | kind.bit()))
    }
}

/// Names separated by spaces.
impl fmt::Display for EventSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(EventKind::name).collect();
        f.write_str(&names.join(" "))
    }
}

/// Where events of a list, or of the whole relay, are posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The list; none for what concerns the whole relay.
    pub list_id: Option<i64>,
    /// `https://…`.
    pub url: String,
    /// The key of its signatures.
    pub secret: Secret<String>,
    /// What is posted.
    pub events: EventSet,
    /// When it was set.
    pub created_at: Timestamp,
}

/// What a webhook is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The same however often it is posted.
    pub id: String,
    /// Whose webhook; none for the relay's own.
    pub list_id: Option<i64>,
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// JSON.
    pub body: String,
}

/// An event that waits to be posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingEvent {
    /// Its place in the order of events.
    pub number: i64,
    /// The event.
    pub event: Event,
    /// How often it was posted in vain.
    pub attempts: u32,
}

/// What came of posting an event once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// The event's place in the order of events.
    pub number: i64,
    /// Its id.
    pub event_id: String,
    /// Whose webhook.
    pub list_id: Option<i64>,
    /// What it told.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The status of the answer; 0 when there was none.
    pub status: u16,
    /// The beginning of the answer, or why there was none.
    pub answer: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// When it is posted again; none when it was taken, or is given up.
    pub again_at: Option<Timestamp>,
}

impl Post {
    /// Whether the receiver took it.
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }
}
