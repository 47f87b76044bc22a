//! What an administrator should know of. Raised by verdicts and failures, kept by `store`.

use crate::clock::Timestamp;

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
    /// Stable machine name, for example `sender-not-authorized`.
    pub kind: String,
    /// How much it matters.
    pub severity: Severity,
    /// The account by name; empty when none is concerned.
    pub user: String,
    /// What makes two alerts of a kind different, for example the sender's address.
    pub key: String,
    /// One sentence for a person.
    pub summary: String,
    /// When it happened.
    pub at: Timestamp,
}

/// An alert as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its number.
    pub id: i64,
    /// The list by name; none when it concerns the whole relay.
    pub list: Option<String>,
    /// Stable machine name.
    pub kind: String,
    /// How much it matters.
    pub severity: Severity,
    /// The account by name; empty when none is concerned.
    pub user: String,
    /// The most recent summary.
    pub summary: String,
    /// How often it happened.
    pub count: i64,
    /// When it first happened.
    pub first_at: Timestamp,
    /// When it last happened.
    pub last_at: Timestamp,
}
