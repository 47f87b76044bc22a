//! One sliding window: amounts by slot, of which the recent ones count.

use std::collections::VecDeque;

/// Slots of a window. A count leaves it at most one of them late, never early.
const SLOTS: i64 = 60;

/// The amounts of the slots that may still count.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    slots: VecDeque<(i64, u64)>,
    /// When it was used last, in uses of its policy.
    pub used: u64,
}

/// The slot of a window of so many seconds that a time falls into.
pub(super) fn slot(now_ms: i64, window_s: u32) -> i64 {
    now_ms.saturating_mul(SLOTS).div_euclid(length_ms(window_s))
}

/// When a slot counts no longer, in milliseconds since the epoch.
pub(super) fn slot_end_ms(number: i64, window_s: u32) -> i64 {
    let end = number.saturating_add(SLOTS + 1);
    // Rounded up: the first millisecond that is in a slot too late.
    end.saturating_mul(length_ms(window_s))
        .saturating_add(SLOTS - 1)
        .div_euclid(SLOTS)
}

fn length_ms(window_s: u32) -> i64 {
    i64::from(window_s.max(1)) * 1000
}

impl Window {
    /// Adds to a slot, and forgets what is too old by it, or too far ahead: the clock was set back.
    pub fn add(&mut self, number: i64, amount: u64) {
        if amount == 0 {
            return;
        }
        self.slots
            .retain(|(other, _)| (number - SLOTS..=number + SLOTS).contains(other));
        match self
            .slots
            .binary_search_by_key(&number, |&(other, _)| other)
        {
            Ok(place) => self.slots[place].1 = self.slots[place].1.saturating_add(amount),
            Err(place) => self.slots.insert(place, (number, amount)),
        }
    }

    /// As [`Window::add`], and the slot holds this amount then.
    pub fn set(&mut self, number: i64, amount: u64) {
        self.slots.retain(|(other, _)| *other != number);
        self.add(number, amount);
    }

    /// The sum of the window that ends with slot `now`. Messages that are decided at the same time
    /// come in any order, so what is a little ahead counts too.
    pub fn total(&self, now: i64) -> u64 {
        let counts = |other: i64| (now - SLOTS..=now + SLOTS).contains(&other);
        let live = self.slots.iter().filter(|&&(other, _)| counts(other));
        live.fold(0, |sum, &(_, amount)| sum.saturating_add(amount))
    }

    /// Seconds until `too_many` have left the window; the whole window when there are not so many.
    pub fn wait_s(&self, too_many: u64, now_ms: i64, window_s: u32) -> u32 {
        let now = slot(now_ms, window_s);
        let mut left = too_many;
        for &(other, amount) in &self.slots {
            if other < now - SLOTS {
                continue;
            }
            left = left.saturating_sub(amount);
            if left == 0 {
                let wait_ms = slot_end_ms(other, window_s).saturating_sub(now_ms).max(1);
                return u32::try_from((wait_ms + 999) / 1000).unwrap_or(u32::MAX);
            }
        }
        window_s
    }
}
