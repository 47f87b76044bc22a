//! How fast one destination is served: its rate, and how far it asked to slow down. Pure.
//!
//! Concurrency follows additive increase and multiplicative decrease: a reply that means "slow down" halves it and
//! pauses the destination; every [`SUCCESSES_PER_SLOT`](super::lane::SUCCESSES_PER_SLOT) successes give one more.

use std::time::Duration;

use super::Limits;
use crate::clock::Timestamp;

/// How far a rate may be ahead of its even spacing: 100 ms, which a wake-up on time needs.
const TOLERANCE_US: i64 = 100_000;

/// The pace of one destination.
#[derive(Debug)]
pub(super) struct Pace {
    /// Microseconds between two messages; none without a limit.
    interval_us: Option<i64>,
    /// When the next message is due by the rate, in microseconds since the epoch.
    next_us: i64,
    /// "Slow down" replies that are not worn off.
    slowed: u32,
    /// The end of the pause that the last of them began.
    paused_until: Timestamp,
}

impl Pace {
    /// With so many messages a second; 0 or less is no limit.
    pub fn new(per_second: f64) -> Self {
        Self {
            interval_us: interval_us(per_second),
            next_us: 0,
            slowed: 0,
            paused_until: Timestamp::default(),
        }
    }

    /// From now on with so many messages a second.
    pub fn limit(&mut self, per_second: f64) {
        self.interval_us = interval_us(per_second);
    }

    /// Notes a message that starts now; returns until when no other may.
    pub fn started(&mut self, now: Timestamp) -> Option<Timestamp> {
        let interval_us = self.interval_us?;
        let now_us = now.as_millis() * 1000;
        self.next_us = self.next_us.max(now_us - TOLERANCE_US) + interval_us;
        let until = Timestamp::from_millis(self.next_us.div_euclid(1000) + 1);
        (self.next_us > now_us).then_some(until)
    }

    /// Notes a reply that means "slow down"; returns until when nothing is sent. None while a pause runs: what
    /// was on its way when it began says the same again, and is no second sign.
    pub fn slowed(&mut self, limits: &Limits, now: Timestamp) -> Option<Timestamp> {
        if now < self.paused_until {
            return None;
        }
        self.slowed = self.slowed.saturating_add(1);
        self.paused_until = now + limits.slow_down_wait(self.slowed);
        Some(self.paused_until)
    }

    /// Notes that all went well for some time.
    pub const fn recovered(&mut self) {
        self.slowed /= 2;
    }
}

fn interval_us(per_second: f64) -> Option<i64> {
    (per_second > 0.0).then(|| {
        // Beyond a million a second there is nothing to space.
        let micros = (1_000_000.0 / per_second).clamp(1.0, 86_400_000_000.0);
        micros as i64
    })
}

impl Limits {
    /// How long a destination is paused after so many "slow down" replies, counted from 1.
    pub fn slow_down_wait(&self, replies: u32) -> Duration {
        let factor = 2_u32.saturating_pow(replies.saturating_sub(1));
        let wait = self.slow_down_first.checked_mul(factor);
        wait.unwrap_or(self.slow_down_max).min(self.slow_down_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many start within so many milliseconds when each starts as soon as it may.
    fn starts(per_second: f64, millis: i64) -> usize {
        let mut pace = Pace::new(per_second);
        let (mut now, mut count) = (1_000_000, 0);
        while now < 1_000_000 + millis {
            count += 1;
            now = pace
                .started(Timestamp::from_millis(now))
                .map_or(now, |until| until.as_millis().max(now));
        }
        count
    }

    #[test]
    fn a_rate_holds_over_time() {
        for (per_second, seconds, expected) in [
            (1.0, 10, 10..=11),
            (0.2, 20, 4..=5),
            (50.0, 4, 200..=206),
            (2000.0, 2, 4000..=4201),
        ] {
            let count = starts(per_second, seconds * 1000);
            assert!(
                expected.contains(&count),
                "{per_second}/s: {count} in {seconds} s"
            );
        }
    }

    #[test]
    fn without_a_rate_nobody_waits() {
        assert_eq!(Pace::new(0.0).started(Timestamp::from_millis(5)), None);
    }

    #[test]
    fn time_without_mail_is_not_saved_up() {
        let mut pace = Pace::new(1.0);
        pace.started(Timestamp::from_millis(0));
        let day = Timestamp::from_millis(86_400_000);
        assert!(pace.started(day).is_some_and(|until| until > day));
    }
}
