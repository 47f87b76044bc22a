//! What happened to a message, in order: one sequence for the pages and the command line.

use crate::clock::Timestamp;
use crate::decision::Decision;
use crate::queue::{Attempt, MessageDetails, MessageSummary, Order};

/// Something that happened to a message.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// It was taken in.
    Accepted,
    /// The policies decided about it.
    Decided(&'a Decision),
    /// An administrator did something to it.
    Ordered(&'a Order),
    /// It was tried for a recipient.
    Tried(&'a Attempt),
    /// Its sender was told of it.
    Told(&'a MessageSummary),
}

impl Event<'_> {
    /// For programs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Decided(_) => "decision",
            Self::Ordered(_) => "order",
            Self::Tried(_) => "attempt",
            Self::Told(_) => "notice",
        }
    }
}

/// In the order in which it happened; what was decided follows the message that it was decided about.
pub fn events<'a>(
    message: Option<&'a MessageDetails>,
    decisions: &'a [Decision],
) -> Vec<(Timestamp, Event<'a>)> {
    let mut events = Vec::new();
    if let Some(message) = message {
        events.push((message.summary.meta.received_at, Event::Accepted));
    }
    events.extend(decisions.iter().map(|it| (it.about.at, Event::Decided(it))));
    if let Some(message) = message {
        events.extend(message.orders.iter().map(|it| (it.at, Event::Ordered(it))));
        events.extend(message.attempts.iter().map(|it| (it.at, Event::Tried(it))));
        let notices = message.notices.iter();
        events.extend(notices.map(|it| (it.meta.received_at, Event::Told(it))));
    }
    events.sort_by_key(|&(at, _)| at);
    events
}
