//! Gathers events into the rows they add to.

use std::collections::HashMap;

use super::{Dimension, KeySpan, Span, Sums, Waits, subject_key};
use crate::clock::Timestamp;
use crate::queue::Priority;

/// The number of the list that stands for all of them.
const ALL_LISTS: i64 = 0;

/// Something that happened to mail.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// The list by number.
    pub list: Option<i64>,
    /// When.
    pub at: Timestamp,
    /// Effective priority.
    pub priority: Priority,
    /// The user by name.
    pub user: &'a str,
    /// The reverse-path; none is the null one.
    pub sender: Option<&'a str>,
    /// As people read it; none when it was never heard.
    pub subject: Option<&'a str>,
    /// What.
    pub what: Happened,
}

/// What can happen to mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A message was taken in.
    Accepted {
        /// Its recipients.
        recipients: u64,
        /// Its octets.
        octets: u64,
    },
    /// A policy refused it for good.
    Blocked,
    /// The next hop took it for a recipient.
    Delivered {
        /// Since it was taken in, or since the time it was to leave.
        waited_ms: u64,
    },
    /// An attempt for a recipient was in vain, and another is made.
    Deferred,
    /// A recipient was given up.
    Bounced,
}

/// The row of a span that an event adds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimePlace {
    /// The list; 0 for all of them.
    pub list: i64,
    /// The kind of span.
    pub span: Span,
    /// When it began.
    pub start: Timestamp,
    /// Effective priority.
    pub priority: Priority,
}

/// The row of a user, sender or subject that an event adds to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyPlace {
    /// The list.
    pub list: i64,
    /// The kind of span.
    pub span: KeySpan,
    /// When it began.
    pub start: Timestamp,
    /// What is told apart.
    pub key: Key,
}

/// A user, sender or subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Which of them.
    pub dimension: Dimension,
    /// Its name.
    pub name: String,
}

/// Rows to be added to those that are kept.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    times: HashMap<TimePlace, (Sums, Waits)>,
    keys: HashMap<KeyPlace, Sums>,
}

impl Tally {
    /// Counts an event wherever it belongs.
    pub fn note(&mut self, event: &Event<'_>) {
        let (sums, waits) = event.what.counted();
        for span in Span::ALL {
            let lists = [Some(ALL_LISTS), event.list];
            for list in lists.into_iter().flatten() {
                let place = TimePlace {
                    list,
                    span,
                    start: span.start(event.at),
                    priority: event.priority,
                };
                let row = self.times.entry(place).or_default();
                row.0.add(&sums);
                row.1.add(&waits);
            }
        }
        let Some(list) = event.list else { return };
        for key in event.keys().into_iter().flatten() {
            for span in KeySpan::ALL {
                let place = KeyPlace {
                    list,
                    span,
                    start: span.start(event.at),
                    key: key.clone(),
                };
                self.keys.entry(place).or_default().add(&sums);
            }
        }
    }

    /// True when nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Rows by time and priority.
    pub fn times(&self) -> impl Iterator<Item = (&TimePlace, &Sums, &Waits)> {
        let rows = self.times.iter();
        rows.map(|(place, (sums, waits))| (place, sums, waits))
    }

    /// Rows by user, sender and subject within days or months, those with most mail first: when there is not room
    /// for all, they are told apart.
    pub fn keys(&self, span: KeySpan) -> Vec<(&KeyPlace, &Sums)> {
        let all = self.keys.iter();
        let mut rows: Vec<_> = all.filter(|(place, _)| place.span == span).collect();
        rows.sort_by_key(|(_, sums)| std::cmp::Reverse(sums.accepted + sums.blocked));
        rows
    }
}

impl Happened {
    fn counted(self) -> (Sums, Waits) {
        let (mut sums, mut waits) = (Sums::default(), Waits::default());
        match self {
            Self::Accepted { recipients, octets } => {
                sums.accepted = 1;
                sums.recipients = recipients;
                sums.octets = octets;
            }
            Self::Blocked => sums.blocked = 1,
            Self::Delivered { waited_ms } => {
                sums.delivered = 1;
                waits.note(waited_ms);
            }
            Self::Deferred => sums.deferred = 1,
            Self::Bounced => sums.bounced = 1,
        }
        (sums, waits)
    }
}

impl Event<'_> {
    fn keys(&self) -> [Option<Key>; 3] {
        let key = |dimension, name: String| Key { dimension, name };
        let sender = self.sender.unwrap_or("<>").to_lowercase();
        [
            Some(key(Dimension::User, self.user.to_owned())),
            Some(key(Dimension::Sender, sender)),
            self.subject
                .map(|subject| key(Dimension::Subject, subject_key(subject))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(list: Option<i64>, what: Happened) -> Event<'static> {
        Event {
            list,
            at: Timestamp::from_millis(1_800_000_000_000),
            priority: Priority::High,
            user: "s7_1",
            sender: Some("Shop@example.com"),
            subject: Some("Order 1"),
            what,
        }
    }

    #[test]
    fn an_event_counts_for_its_list_and_for_all() {
        let mut tally = Tally::default();
        let accepted = Happened::Accepted {
            recipients: 2,
            octets: 10,
        };
        tally.note(&event(Some(7), accepted));
        tally.note(&event(Some(7), Happened::Delivered { waited_ms: 3000 }));
        tally.note(&event(None, Happened::Bounced));
        let of = |list, span| {
            let mut rows = tally.times();
            let (_, sums, waits) = rows
                .find(|(place, ..)| place.list == list && place.span == span)
                .expect("counted");
            (*sums, *waits)
        };
        for span in Span::ALL {
            let (sums, waits) = of(7, span);
            assert_eq!((sums.accepted, sums.recipients, sums.octets), (1, 2, 10));
            assert_eq!((sums.delivered, sums.bounced, waits.total_ms), (1, 0, 3000));
            assert_eq!(of(0, span).0.bounced, 1);
        }
        for span in KeySpan::ALL {
            let keys = tally.keys(span);
            let names: Vec<_> = keys.iter().map(|(place, _)| &place.key.name).collect();
            assert_eq!(keys.len(), 3);
            assert!(names.iter().any(|name| *name == "shop@example.com"));
            assert!(names.iter().any(|name| *name == "Order #"));
        }
    }
}
