//! What an administrator should know of. Raised by verdicts and failures, kept by `store`, brought to people by
//! `notify` as the settings of a list say.

mod event;
mod kind;
mod settings;

pub use self::event::{EVENT_KINDS, Event, EventKind, EventSet, Post, WaitingEvent, Webhook};
pub use self::kind::{GROUPS, Group, Kind};
pub use self::settings::{
    AlertSettings, MAX_QUIET, MAX_RECIPIENTS, Offset, Pace, Quiet, SettingProblem, TimeOfDay,
};
use crate::clock::Timestamp;
use crate::id::QueueId;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something to look at.
    Warning,
    /// Something to look at now.
    Critical,
}

impl Severity {
    /// The number the store keeps.
    pub const fn code(self) -> i64 {
        self as i64
    }

    /// From the number the store keeps; what is unknown matters most.
    pub const fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Info,
            1 => Self::Warning,
            _ => Self::Critical,
        }
    }
}

/// Something happened that an administrator should know of.
///
/// Alerts of one `list_id`, `kind`, `user` and `key` are one alert that is counted, until it is a
/// day old: a script that is refused ten thousand times makes one row, not ten thousand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAlert {
    /// The list it belongs to; none when it concerns the whole relay.
    pub list_id: Option<i64>,
    /// What happened.
    pub kind: Kind,
    /// How much it matters.
    pub severity: Severity,
    /// The account by name; empty when none is concerned.
    pub user: String,
    /// What makes two alerts of a kind different, for example the rule that was applied.
    pub key: String,
    /// One sentence for a person.
    pub summary: String,
    /// The message that it is about.
    pub about: About,
    /// How often it happened.
    pub times: i64,
    /// When it happened last.
    pub at: Timestamp,
}

/// Which message an alert is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its id, which a refused one would have had; none when no message is concerned.
    pub message: Option<QueueId>,
    /// Who it says it is from; empty when that is not known.
    pub sender: String,
    /// The rule that was applied, for example `sender-rules/unauthorized-block`; empty without one.
    pub rule: String,
}

impl NewAlert {
    /// About the whole relay, and no user or message.
    pub fn new(kind: Kind, severity: Severity, summary: String, at: Timestamp) -> Self {
        Self {
            list_id: None,
            kind,
            severity,
            user: String::new(),
            key: String::new(),
            summary,
            about: About::default(),
            times: 1,
            at,
        }
    }

    /// The same about a user of a list.
    #[must_use]
    pub fn of(mut self, list_id: Option<i64>, user: &str) -> Self {
        self.list_id = list_id;
        user.clone_into(&mut self.user);
        self
    }

    /// The same, told apart from others of its kind by this.
    #[must_use]
    pub fn keyed(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// The same about a message.
    #[must_use]
    pub fn about(mut self, about: About) -> Self {
        self.about = about;
        self
    }

    /// Takes up what happened again.
    pub fn again(&mut self, other: Self) {
        let (times, severity) = (self.times + other.times, self.severity.max(other.severity));
        if other.at >= self.at {
            *self = other;
        }
        (self.times, self.severity) = (times, severity);
    }
}

/// An alert as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its number.
    pub id: i64,
    /// The list by name; none when it concerns the whole relay.
    pub list: Option<String>,
    /// What happened.
    pub kind: Kind,
    /// How much it matters.
    pub severity: Severity,
    /// The account by name; empty when none is concerned.
    pub user: String,
    /// The most recent summary.
    pub summary: String,
    /// The most recent message.
    pub about: About,
    /// How often it happened.
    pub count: i64,
    /// When it first happened.
    pub first_at: Timestamp,
    /// When it last happened.
    pub last_at: Timestamp,
}

/// Which alerts are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertFilter {
    /// Those of this list, or with `Some(None)` those that concern the whole relay.
    pub list: Option<Option<i64>>,
    /// Those of this group.
    pub group: Option<Group>,
    /// Those after this one on the way back: when it last happened, and its number.
    pub before: Option<(Timestamp, i64)>,
    /// At most so many.
    pub limit: u32,
}
