//! How many messages a user has sent in the last hour and the last day.
//!
//! Counted in slots of five minutes, so that a day of a user takes a few kilobytes however much it sends.
//! A slot counts as a whole until its last moment is too old: never are more messages sent within an hour than
//! a limit allows, and a message counts for at most five minutes longer than that.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Timestamp;

/// Seconds of a slot.
const SLOT_S: u64 = 5 * 60;
/// The same in the unit of [`Timestamp`].
#[expect(clippy::cast_possible_wrap, reason = "300,000 fits")]
const SLOT_MILLIS: i64 = SLOT_S as i64 * 1000;
/// Slots kept of a user: a day's, the one that begins and the one that ends, and one for a clock that is set back.
const MAX_SLOTS: usize = 24 * 60 / 5 + 2;

/// Five minutes, numbered from the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(i64);

/// How far back messages count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
}

/// What was sent within a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// All messages.
    pub messages: u32,
    /// Those of priority 1.
    pub urgent: u32,
}

/// The messages of one user, by slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Ascending.
    slots: VecDeque<(Slot, Sent)>,
}

impl Slot {
    /// The slot of this point in time.
    pub const fn of(at: Timestamp) -> Self {
        Self(at.as_millis().div_euclid(SLOT_MILLIS))
    }

    /// From the number the store keeps.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// The number the store keeps.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The oldest slot of which a moment lies within the last `span`.
    pub const fn oldest(span: Span, now: Timestamp) -> Self {
        Self(Self::of(now).0 - span.slots())
    }

    /// When none of its moments lies within the last `span` any more.
    const fn forgotten_at(self, span: Span) -> Timestamp {
        Timestamp::from_millis((self.0 + 1 + span.slots()) * SLOT_MILLIS)
    }
}

impl Span {
    /// Both, the shorter first.
    pub const ALL: [Self; 2] = [Self::Hour, Self::Day];

    const fn slots(self) -> i64 {
        match self {
            Self::Hour => 60 / 5,
            Self::Day => 24 * 60 / 5,
        }
    }

    /// The word for people: `hour` or `day`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// The word with its article: `an hour` or `a day`.
    pub const fn one(self) -> &'static str {
        match self {
            Self::Hour => "an hour",
            Self::Day => "a day",
        }
    }
}

impl FromIterator<(Slot, Sent)> for Usage {
    /// Of counts in ascending order.
    fn from_iter<T: IntoIterator<Item = (Slot, Sent)>>(counts: T) -> Self {
        Self {
            slots: counts.into_iter().collect(),
        }
    }
}

impl Usage {
    /// Counts a message.
    pub fn add(&mut self, slot: Slot) {
        let place = self.slots.partition_point(|(known, _)| *known < slot);
        match self.slots.get_mut(place) {
            Some((known, sent)) if *known == slot => {
                sent.messages = sent.messages.saturating_add(1);
            }
            _ => {
                let sent = Sent {
                    messages: 1,
                    urgent: 0,
                };
                self.slots.insert(place, (slot, sent));
            }
        }
        while self.slots.len() > MAX_SLOTS {
            self.slots.pop_front();
        }
    }

    /// Takes over what was counted elsewhere: of each slot the larger count is true.
    pub fn merge(&mut self, other: &Self) {
        for &(slot, sent) in &other.slots {
            let place = self.slots.partition_point(|(known, _)| *known < slot);
            match self.slots.get_mut(place) {
                Some((known, own)) if *known == slot => {
                    own.messages = own.messages.max(sent.messages);
                    own.urgent = own.urgent.max(sent.urgent);
                }
                _ => self.slots.insert(place, (slot, sent)),
            }
        }
        while self.slots.len() > MAX_SLOTS {
            self.slots.pop_front();
        }
    }

    /// Notes that a message that was counted is of priority 1.
    pub fn mark_urgent(&mut self, slot: Slot) {
        if let Some(sent) = self.counted_at(slot) {
            sent.urgent = sent.urgent.saturating_add(1);
        }
    }

    fn counted_at(&mut self, slot: Slot) -> Option<&mut Sent> {
        let mut slots = self.slots.iter_mut();
        slots
            .find(|(known, _)| *known == slot)
            .map(|(_, sent)| sent)
    }

    /// Takes back a message that was counted and is not sent after all.
    pub fn take_back(&mut self, slot: Slot) {
        if let Some(sent) = self.counted_at(slot) {
            sent.messages = sent.messages.saturating_sub(1);
        }
    }

    /// Takes back [`Usage::mark_urgent`].
    pub fn take_back_urgent(&mut self, slot: Slot) {
        if let Some(sent) = self.counted_at(slot) {
            sent.urgent = sent.urgent.saturating_sub(1);
        }
    }

    /// Messages sent within the last `span`.
    pub fn within(&self, span: Span, now: Timestamp) -> u32 {
        self.counted(span, now)
            .fold(0, |sum, (_, sent)| sum.saturating_add(sent.messages))
    }

    /// Of those, the ones of priority 1.
    pub fn urgent_within(&self, span: Span, now: Timestamp) -> u32 {
        self.counted(span, now)
            .fold(0, |sum, (_, sent)| sum.saturating_add(sent.urgent))
    }

    /// How long until one more would be no more than `limit` in that span; zero when it is not now.
    pub fn wait(&self, span: Span, limit: u32, now: Timestamp) -> Duration {
        let mut left = self.within(span, now);
        let mut free_at = now;
        for (slot, sent) in self.counted(span, now) {
            if left < limit {
                break;
            }
            left -= sent.messages.min(left);
            free_at = slot.forgotten_at(span);
        }
        free_at.since(now)
    }

    fn counted(&self, span: Span, now: Timestamp) -> impl Iterator<Item = (Slot, Sent)> {
        let oldest = Slot::oldest(span, now);
        // The next slot counts too: the clock may have been set back a little.
        let newest = Slot(Slot::of(now).0 + 1);
        let counted = move |slot: Slot| oldest <= slot && slot <= newest;
        let slots = self.slots.iter().copied();
        slots.filter(move |(slot, _)| counted(*slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn minutes(minutes: u64) -> Timestamp {
        START + Duration::from_secs(60 * minutes)
    }

    #[test]
    fn what_others_counted_is_taken_over_and_nothing_of_ones_own_is_lost() {
        let mut own = sent(&[0, 0, 0, 10]);
        own.merge(&sent(&[0, 5, 10, 10]));
        assert_eq!(own.within(Span::Hour, minutes(11)), 3 + 1 + 2);
        own.merge(&Usage::default());
        assert_eq!(own.within(Span::Hour, minutes(11)), 6);
    }

    fn sent(at: &[u64]) -> Usage {
        let mut usage = Usage::default();
        for &minute in at {
            usage.add(Slot::of(minutes(minute)));
        }
        usage
    }

    #[test]
    fn a_message_counts_for_an_hour_and_at_most_five_minutes_longer() {
        for minute in 0..5 {
            let usage = sent(&[minute]);
            for (now, expected) in [(minute, 1), (minute + 60, 1), (64, 1), (65, 0)] {
                let found = usage.within(Span::Hour, minutes(now));
                assert_eq!(found, expected, "sent at {minute}, asked at {now}");
            }
        }
    }

    #[test]
    fn a_day_is_counted_beside_the_hour() {
        let usage = sent(&[0, 1, 90, 1000, 1439]);
        let counts = |now| Span::ALL.map(|span| usage.within(span, minutes(now)));
        assert_eq!(counts(90), [1, 3]);
        assert_eq!(counts(1440), [1, 5]);
        assert_eq!(counts(1445), [1, 3]);
        assert_eq!(counts(1439 + 1445), [0, 0]);
    }

    #[test]
    fn the_wait_lasts_until_enough_is_forgotten() {
        let usage = sent(&[2, 12, 12, 40]);
        let wait = |limit, now| usage.wait(Span::Hour, limit, minutes(now)).as_secs() / 60;
        assert_eq!(wait(5, 41), 0);
        assert_eq!(wait(4, 41), 65 - 41);
        assert_eq!(wait(3, 41), 75 - 41);
        assert_eq!(wait(2, 41), 75 - 41);
        assert_eq!(wait(1, 41), 105 - 41);
        assert_eq!(wait(1, 105), 0);
    }

    #[test]
    fn after_the_wait_there_is_room() {
        let usage = sent(&[0, 7, 7, 7, 31, 58]);
        for limit in 1..8 {
            let wait = usage.wait(Span::Hour, limit, minutes(59));
            let then = minutes(59) + wait;
            assert!(usage.within(Span::Hour, then) < limit, "limit {limit}");
        }
    }

    #[test]
    fn what_is_taken_back_counts_no_more() {
        let mut usage = sent(&[0, 0]);
        usage.take_back(Slot::of(START));
        assert_eq!(usage.within(Span::Hour, START), 1);
        usage.take_back(Slot::of(START));
        usage.take_back(Slot::of(START));
        usage.take_back(Slot::of(minutes(90)));
        assert_eq!(usage.within(Span::Hour, START), 0);
    }

    #[test]
    fn urgent_messages_are_counted_among_the_others() {
        let mut usage = sent(&[0, 0, 90]);
        usage.mark_urgent(Slot::of(START));
        usage.mark_urgent(Slot::of(minutes(90)));
        usage.mark_urgent(Slot::of(minutes(500)));
        let urgent = |usage: &Usage| Span::ALL.map(|span| usage.urgent_within(span, minutes(90)));
        assert_eq!(urgent(&usage), [1, 2]);
        usage.take_back_urgent(Slot::of(START));
        assert_eq!(urgent(&usage), [1, 1]);
        assert_eq!(usage.within(Span::Day, minutes(90)), 3);
    }

    #[test]
    fn messages_that_come_out_of_order_are_counted_and_memory_is_bounded() {
        let usage = sent(&[10, 4, 11, 0]);
        assert_eq!(usage.within(Span::Hour, minutes(11)), 4);
        let many: Vec<u64> = (0..5000).collect();
        assert!(sent(&many).slots.len() <= MAX_SLOTS);
        assert_eq!(sent(&many).within(Span::Day, minutes(4999)), 1445);
    }

    #[test]
    fn a_clock_that_is_set_far_back_does_not_count_the_future() {
        let usage = sent(&[1000]);
        assert_eq!(usage.within(Span::Day, START), 0);
        assert_eq!(usage.within(Span::Hour, minutes(997)), 1);
    }
}
