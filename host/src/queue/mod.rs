//! What a queued message is and the rules its recipients follow. Knows no database and no socket.
//!
//! Neighbours: `intake` makes [`NewMessage`]s, `store` keeps them, `scheduler` orders them,
//! `delivery` turns a [`Job`] into [`Outcome`]s.

mod meaning;
mod order;
mod parameters;
mod priority;
mod report;
mod status;
mod stop;
mod suppression;
mod way;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

pub use self::meaning::Meaning;
pub use self::order::{Command, Concerned, Obstacle, Order, OrderKind};
pub use self::parameters::{Deadline, MessageParameters, SmtpUtf8};
pub use self::priority::Priority;
pub use self::report::{
    MessageDetails, MessageFilter, MessageStatus, MessageSummary, RecipientCounts, RecipientDetails,
};
pub use self::status::{Outcome, RecipientStatus, RemoteReply};
pub use self::stop::{Stop, StopScope, Stops, canonical_domain};
pub use self::suppression::{Suppression, address_key};
pub use self::way::{Origin, PolicyCount, Way};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::smtp::{BodyType, Mailbox, RcptParameters, Recipient};

/// A message that intake has accepted and the store has yet to commit.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Its identifier, already final.
    pub id: QueueId,
    /// What is known about it apart from its recipients.
    pub meta: MessageMeta,
    /// The recipients, in the order of the RCPT commands, without duplicates; never empty.
    pub recipients: Vec<Recipient>,
    /// What is to be delivered.
    pub content: Content,
}

/// What is known about a message apart from its recipients and content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageMeta {
    /// The list it belongs to; none for a bounce without one.
    pub list_id: Option<i64>,
    /// The account that submitted it, by name; empty for a bounce.
    pub username: String,
    /// None is the null reverse-path `<>`.
    pub reverse_path: Option<Mailbox>,
    /// Effective priority: what the policies decided.
    pub priority: Priority,
    /// The BODY parameter of MAIL.
    pub body: BodyType,
    /// What else MAIL asked for.
    pub parameters: MessageParameters,
    /// Decoded subject, at most 998 characters; for people.
    pub subject: String,
    /// The Message-ID field with its angle brackets.
    pub message_id: String,
    /// The session that submitted it, as in the logs.
    pub session_id: String,
    /// Names of the policy rules that let it pass, for example `sender-rules/authorized-domain`.
    pub rule: String,
    /// When the content was complete.
    pub received_at: Timestamp,
    /// When undelivered recipients are given up.
    pub expires_at: Timestamp,
    /// What policies decided about its way.
    pub way: Way,
    /// Where it came from.
    pub origin: Origin,
}

/// What stands as the rule of a message by which the relay tells of its own alerts.
pub const ALERT_RULE: &str = "gatepost/alert";

impl MessageMeta {
    /// True for a message by which the relay tells of its own alerts: nothing is told about it.
    pub fn tells_of_alerts(&self) -> bool {
        self.username.is_empty() && self.rule == ALERT_RULE
    }
}

/// The octets of a message as they leave: CRLF line ends, no bare CR or LF, not dot-stuffed.
///
/// A small message is all `head`. Of a large one the head holds the header and the beginning of the
/// body; the rest lies in the store as chunks `0..staged_chunks` under the message's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The header section and the beginning of the body.
    pub head: Bytes,
    /// How many chunks follow in the store.
    pub staged_chunks: u32,
    /// Octets in all, head and chunks.
    pub size: u64,
}

/// An accepted message with the recipients that are still to be served.
#[derive(Clone, Debug)]
pub struct OpenMessage {
    /// Its identifier.
    pub id: QueueId,
    /// What is known about it.
    pub meta: Arc<MessageMeta>,
    /// Those still queued or deferred.
    pub recipients: Vec<OpenRecipient>,
    /// Octets in all.
    pub size: u64,
    /// Chunks in the store after the head.
    pub staged_chunks: u32,
    /// The head when it is at hand: a message just accepted is delivered without reading it back.
    pub head: Option<Bytes>,
    /// Where the head lay in the log when this was read or written; it may have moved into the database since.
    pub place: Option<Place>,
}

/// Where the head of a message lies in the log beside a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of the segment.
    pub segment: i64,
    /// Octets before it in the segment.
    pub offset: i64,
    /// How many octets it has.
    pub octets: i64,
}

/// A recipient that is still to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRecipient {
    /// Its place among the message's recipients, from 0.
    pub index: u32,
    /// The forward-path.
    pub mailbox: Mailbox,
    /// What the client asked for it.
    pub parameters: RcptParameters,
    /// Attempts made so far.
    pub attempts: u32,
    /// Not to be tried before.
    pub due_at: Timestamp,
    /// When its sender was last told that it is late.
    pub delay_told_at: Option<Timestamp>,
}

impl NewMessage {
    /// The message as it is once the store has committed it, with its head at hand.
    pub fn to_open(&self) -> OpenMessage {
        let due_at = self.meta.first_due_at();
        let recipients = (0..)
            .zip(&self.recipients)
            .map(|(index, one)| OpenRecipient {
                index,
                mailbox: one.mailbox.clone(),
                parameters: one.parameters.clone(),
                attempts: 0,
                due_at,
                delay_told_at: None,
            });
        OpenMessage {
            id: self.id,
            recipients: recipients.collect(),
            size: self.content.size,
            staged_chunks: self.content.staged_chunks,
            head: Some(self.content.head.clone()),
            place: None,
            meta: Arc::new(self.meta.clone()),
        }
    }
}

/// Part of a message that can be tried in one transaction: recipients that share a next hop.
#[derive(Clone, Debug)]
pub struct Job {
    /// The message; its recipients are those of this job alone.
    pub message: OpenMessage,
    /// Where it goes.
    pub destination: Destination,
    /// How urgent it is by now.
    pub priority: Priority,
}

/// What deliveries share connections and limits by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Destination {
    /// The configured smarthost.
    Smarthost,
    /// The next hop of a route of the configuration, by its name.
    Route(String),
    /// The mail exchangers of a domain, over a route that leads to them.
    RouteDomain {
        /// The route's name.
        route: String,
        /// The domain, as in [`Destination::Domain`].
        domain: String,
    },
    /// The mail exchangers of a domain, in A-label form, or an address literal with its brackets.
    Domain(String),
    /// The local maildir tree.
    Maildir,
}

/// Its name for administrators: a domain, `smarthost`, `route:NAME` or `maildir`.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Smarthost => f.write_str("smarthost"),
            Self::Route(name) => write!(f, "route:{name}"),
            Self::RouteDomain { route, domain } => write!(f, "route:{route}/{domain}"),
            Self::Domain(domain) => f.write_str(domain),
            Self::Maildir => f.write_str("maildir"),
        }
    }
}

/// What one attempt came to for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The recipient's place among the message's recipients.
    pub recipient: u32,
    /// When it began; none when nothing was tried.
    pub began_at: Option<Timestamp>,
    /// When the attempt ended.
    pub at: Timestamp,
    /// The next hop that was asked, for example `mx.example.net:25`; a maildir path for local delivery.
    pub next_hop: String,
    /// How the connection was encrypted and its peer known, for example `1.3, verified by DANE`; `none` for plain
    /// text, empty without a connection.
    pub tls: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What the store commits after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The message that was tried.
    pub id: QueueId,
    /// One for each recipient that was tried.
    pub attempts: Vec<RecordedAttempt>,
}

/// An attempt with the status it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedAttempt {
    /// What happened.
    pub attempt: Attempt,
    /// The recipient's status from now on.
    pub status: RecipientStatus,
    /// When it is due again; meaningful for [`RecipientStatus::Deferred`] alone.
    pub due_at: Timestamp,
    /// When its sender is told that it is late, if that is now.
    pub delay_told_at: Option<Timestamp>,
}
