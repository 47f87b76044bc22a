//! A span, and its ids.

use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::QueueId;

/// The label of a message's own span, which all others stand below.
pub(super) const ROOT: &str = "message";

/// A trace by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

/// A span by its id, within its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId([u8; 8]);

/// On whose side of a connection a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Within this process.
    Internal,
    /// Somebody asked us.
    Server,
    /// We asked somebody.
    Client,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

/// Something that took time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The trace.
    pub trace: TraceId,
    /// Its own id.
    pub id: SpanId,
    /// The span that it is a part of.
    pub parent: Option<SpanId>,
    /// What, in words of a few kinds.
    pub name: String,
    /// On whose side.
    pub kind: Kind,
    /// When it began, in nanoseconds since the epoch.
    pub from_ns: u64,
    /// When it ended, in nanoseconds since the epoch.
    pub until_ns: u64,
    /// Why it failed, in a word.
    pub failed: Option<&'static str>,
    /// What else is known of it.
    pub attributes: Vec<(&'static str, Value)>,
}

impl TraceId {
    /// The trace of a message, in the name of a service.
    pub fn of(service: &str, message: QueueId) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"gatepost trace\0");
        hasher.update(service.as_bytes());
        hasher.update(&message.as_i64().to_le_bytes());
        Self(first(&hasher))
    }

    /// Spread over all numbers.
    pub(super) fn number(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl SpanId {
    /// The span of that label in a trace.
    pub(super) fn of(trace: TraceId, label: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&trace.0);
        hasher.update(label.as_bytes());
        Self(first(&hasher))
    }
}

fn first<const N: usize>(hasher: &blake3::Hasher) -> [u8; N] {
    let mut octets = [0; N];
    hasher.finalize_xof().fill(&mut octets);
    octets
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl Span {
    /// One that takes no time; the label tells it apart within its trace.
    pub(super) fn new(trace: TraceId, label: &str, name: impl Into<String>) -> Self {
        let is_root = label == ROOT;
        Self {
            trace,
            id: SpanId::of(trace, label),
            parent: (!is_root).then(|| SpanId::of(trace, ROOT)),
            name: name.into(),
            kind: Kind::Internal,
            from_ns: 0,
            until_ns: 0,
            failed: None,
            attributes: Vec::new(),
        }
    }

    /// From here to there, and no shorter than nothing.
    pub(super) fn took(mut self, from_ns: u64, until_ns: u64) -> Self {
        self.from_ns = from_ns;
        self.until_ns = until_ns.max(from_ns);
        self
    }

    /// With a text that is known of it; an empty one is not.
    pub(super) fn text(mut self, name: &'static str, value: &str) -> Self {
        if !value.is_empty() {
            self.attributes.push((name, Value::Text(value.to_owned())));
        }
        self
    }

    /// With a number.
    pub(super) fn number(mut self, name: &'static str, value: impl TryInto<i64>) -> Self {
        let value = value.try_into().unwrap_or(i64::MAX);
        self.attributes.push((name, Value::Number(value)));
        self
    }
}

/// A time in nanoseconds since the epoch.
pub(super) fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis())
        .unwrap_or(0)
        .saturating_mul(1_000_000)
}

/// A duration in nanoseconds.
pub(super) fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
