//! Sums up what happened to mail, by list, time, priority, user, sender and subject.
//!
//! Pure: it is told of events and yields rows to add to those that are kept. It reads nothing and opens
//! nothing; `store` brings events and keeps rows, `admin` shows them.

pub mod buckets;
mod tally;

use serde::Serialize;

pub use self::buckets::{By, Pieces};
pub use self::tally::{Event, Happened, Key, KeyPlace, Tally, TimePlace};
use crate::clock::Timestamp;
use crate::queue::Priority;

/// Upper bounds of the buckets of the time in queue, in seconds; what waited longer is in one more.
pub const WAIT_BOUNDS_S: [u64; 9] = [1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400];
/// Buckets of the time in queue.
pub const WAIT_BUCKETS: usize = WAIT_BOUNDS_S.len() + 1;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How much happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Messages taken in.
    pub accepted: u64,
    /// Their recipients.
    pub recipients: u64,
    /// Their octets.
    pub octets: u64,
    /// Messages and commands that a policy refused for good.
    pub blocked: u64,
    /// Recipients whose next hop took the message.
    pub delivered: u64,
    /// Attempts after which another is made.
    pub deferred: u64,
    /// Recipients that were given up: refused for good, or out of time.
    pub bounced: u64,
}

impl Sums {
    /// Adds what else happened.
    pub const fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.recipients += other.recipients;
        self.octets += other.octets;
        self.blocked += other.blocked;
        self.delivered += other.delivered;
        self.deferred += other.deferred;
        self.bounced += other.bounced;
    }

    /// True when nothing happened.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How long recipients waited until they were served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Waits {
    /// Recipients by [`WAIT_BOUNDS_S`]; the last bucket has no bound.
    pub buckets: [u64; WAIT_BUCKETS],
    /// All their waiting together.
    pub total_ms: u64,
}

impl Waits {
    /// Adds one that waited so long.
    pub fn note(&mut self, waited_ms: u64) {
        let bucket = WAIT_BOUNDS_S
            .iter()
            .position(|bound| waited_ms <= bound * 1000)
            .unwrap_or(WAIT_BOUNDS_S.len());
        self.buckets[bucket] += 1;
        self.total_ms += waited_ms;
    }

    /// Adds what else waited.
    pub fn add(&mut self, other: &Self) {
        for (own, added) in self.buckets.iter_mut().zip(other.buckets) {
            *own += added;
        }
        self.total_ms += other.total_ms;
    }

    /// How many were served.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The bound in seconds below which `percent` of all were served; none when nobody was, or when it
    /// lies beyond the last bound.
    pub fn percentile_s(&self, percent: u64) -> Option<u64> {
        let wanted = (self.count() * percent).div_ceil(100);
        let mut below = 0;
        let bounded = self.buckets.iter().zip(WAIT_BOUNDS_S);
        let found = bounded.filter(|_| wanted > 0).find(|(count, _)| {
            below += **count;
            below >= wanted
        });
        found.map(|(_, bound)| bound)
    }
}

/// The length of time that one row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Span {
    /// Sixty minutes of UTC.
    Hour,
    /// A day of UTC.
    Day,
}

impl Span {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Hour, Self::Day];

    /// The number the store keeps.
    pub const fn code(self) -> i64 {
        self as i64
    }

    /// Its length.
    pub const fn millis(self) -> i64 {
        match self {
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
        }
    }

    /// When the span around `time` began.
    pub const fn start(self, time: Timestamp) -> Timestamp {
        let millis = time.as_millis();
        Timestamp::from_millis(millis - millis.rem_euclid(self.millis()))
    }
}

/// The length of time that one row of a user, sender or subject is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeySpan {
    /// A day of UTC.
    Day,
    /// A month of UTC, so that a year is not read day by day.
    Month,
}

impl KeySpan {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Day, Self::Month];

    /// When the span around `time` began.
    pub fn start(self, time: Timestamp) -> Timestamp {
        match self {
            Self::Day => Span::Day.start(time),
            Self::Month => buckets::month(time),
        }
    }
}

/// From when until when: whole spans that begin at `from` or later and before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Where it begins.
    pub from: Timestamp,
    /// Where it ends.
    pub until: Timestamp,
}

/// What mail is told apart by, beside time and priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    /// The user who submitted it.
    User,
    /// The reverse-path.
    Sender,
    /// The subject, see [`subject_key`].
    Subject,
}

impl Dimension {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 3] = [Self::User, Self::Sender, Self::Subject];

    /// The number the store keeps.
    pub const fn code(self) -> i64 {
        self as i64
    }
}

/// What happened within one span, to mail of one priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeRow {
    /// When the span began.
    pub start: Timestamp,
    /// Effective priority.
    pub priority: Priority,
    /// How much.
    pub sums: Sums,
    /// How long it waited.
    pub waits: Waits,
}

/// What happened to mail of one user, sender or subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyRow {
    /// Its name; empty for all beyond those that are told apart.
    pub key: String,
    /// How much.
    pub sums: Sums,
}

/// Characters of a name that is kept.
const KEY_LENGTH: usize = 120;

/// A subject as statistics tell it: each run of digits is one `#`, so that numbered ones are one.
pub fn subject_key(subject: &str) -> String {
    let mut key = String::with_capacity(subject.len().min(KEY_LENGTH));
    let mut after_digit = false;
    for character in subject.trim().chars().take(KEY_LENGTH) {
        let is_digit = character.is_numeric();
        match (is_digit, after_digit) {
            (true, true) => {}
            (true, false) => key.push('#'),
            (false, _) => key.push(character),
        }
        after_digit = is_digit;
    }
    if key.is_empty() {
        key.push_str("(no subject)");
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_subjects_are_one() {
        let cases = [
            ("Order 12345 confirmed", "Order # confirmed"),
            (" Rechnung 7/2026 ", "Rechnung #/#"),
            ("Hello", "Hello"),
            ("", "(no subject)"),
        ];
        for (subject, key) in cases {
            assert_eq!(subject_key(subject), key);
        }
        assert!(subject_key(&"ä".repeat(500)).chars().count() <= 120);
    }

    #[test]
    fn a_span_begins_where_utc_says() {
        let at = Timestamp::parse_utc("2026-11-26T05:37:01Z").expect("a time");
        assert_eq!(
            Span::Hour.start(at).to_whole_seconds(),
            "2026-11-26T05:00:00Z"
        );
        assert_eq!(
            Span::Day.start(at).to_whole_seconds(),
            "2026-11-26T00:00:00Z"
        );
    }

    #[test]
    fn waits_fall_into_their_buckets() {
        let mut waits = Waits::default();
        for waited_ms in [0, 1000, 1001, 59_000, 86_400_001] {
            waits.note(waited_ms);
        }
        assert_eq!(waits.buckets, [2, 1, 0, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(waits.percentile_s(50), Some(5));
        assert_eq!(waits.percentile_s(40), Some(1));
        assert_eq!(waits.percentile_s(99), None);
        assert_eq!(Waits::default().percentile_s(50), None);
    }
}
