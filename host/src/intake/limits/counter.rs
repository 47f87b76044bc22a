//! What one user sends, and what of it is beyond its limits. Pure: takes the time, returns values.

use std::time::{Duration, Instant};

use super::config::{Budget, Cap};
use crate::accounts::{Slot, Span, Usage};
use crate::clock::Timestamp;

/// Between two alerts that tell how often a user was refused: a flood must not become one of writes.
const ALERT_PAUSE: Duration = Duration::from_secs(60);

/// How long a count is trusted that other nodes add to. Default 500 ms: what several nodes let through beyond a limit is
/// what they take in within that time.
const COMPARED_AFTER: Duration = Duration::from_millis(500);

/// The messages of one user, and its refusals since it last sent one.
#[derive(Debug, Default)]
pub(super) struct Counter {
    pub(super) usage: Usage,
    refusals: Told,
    demotions: Told,
    /// When it was last compared with what all nodes have counted.
    read_at: Option<Instant>,
}

/// How often something happened, and when that was last told.
#[derive(Debug, Default)]
struct Told {
    happened: Option<Refusals>,
    told_at: Option<Timestamp>,
}

/// A user that has sent as much as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded {
    pub(super) span: Span,
    pub(super) limit: u32,
    /// How long until it may send again.
    pub(super) wait: Duration,
}

/// A user has sent so many that a person should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crossed {
    pub(super) cap: Cap,
    pub(super) sent: u32,
}

/// A user has used up what it may send with priority 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Demoted {
    pub(super) span: Span,
    pub(super) limit: u32,
}

/// How often a user was refused, since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusals {
    pub(super) count: u64,
    pub(super) since: Timestamp,
}

impl Counter {
    pub(super) fn of(usage: Usage) -> Self {
        Self {
            usage,
            read_at: Some(Instant::now()),
            ..Self::default()
        }
    }

    /// True when it is time to compare it with what all nodes have counted; whoever asks next need not.
    pub(super) fn is_to_be_compared(&mut self) -> bool {
        let is_old = |at: Instant| at.elapsed() >= COMPARED_AFTER;
        let is_due = self.read_at.is_none_or(is_old);
        if is_due {
            self.read_at = Some(Instant::now());
        }
        is_due
    }

    /// The limit that would be exceeded by one more message; of two, the one with the longer wait.
    pub(super) fn exceeded(&self, caps: &[Cap], now: Timestamp) -> Option<Exceeded> {
        let exceeded = caps.iter().filter_map(|cap| {
            let limit = cap.limit.0?.get();
            let wait = self.usage.wait(cap.span, limit, now);
            (!wait.is_zero()).then_some(Exceeded {
                span: cap.span,
                limit,
                wait,
            })
        });
        exceeded.max_by_key(|exceeded| exceeded.wait)
    }

    /// Counts one more message; returns what a person should know.
    ///
    /// # Errors
    /// There is no room for one more.
    pub(super) fn reserve(
        &mut self,
        caps: &[Cap],
        slot: Slot,
        now: Timestamp,
    ) -> Result<Vec<Crossed>, Exceeded> {
        if let Some(exceeded) = self.exceeded(caps, now) {
            return Err(exceeded);
        }
        self.usage.add(slot);
        self.refusals.happened = None;
        let crossed = caps.iter().filter_map(|&cap| {
            let sent = self.usage.within(cap.span, now);
            let is_reached = cap.alert_at.0.is_some_and(|at| at.get() == sent);
            is_reached.then_some(Crossed { cap, sent })
        });
        Ok(crossed.collect())
    }

    /// Counts the message that was counted last as one of priority 1.
    ///
    /// # Errors
    /// There is no room for one more of them.
    pub(super) fn reserve_urgent(
        &mut self,
        budgets: &[Budget],
        slot: Slot,
        now: Timestamp,
    ) -> Result<(), Demoted> {
        let exhausted = budgets.iter().find_map(|budget| {
            let limit = budget.limit.0?.get();
            let is_full = self.usage.urgent_within(budget.span, now) >= limit;
            is_full.then_some(Demoted {
                span: budget.span,
                limit,
            })
        });
        if let Some(demoted) = exhausted {
            return Err(demoted);
        }
        self.usage.mark_urgent(slot);
        self.demotions.happened = None;
        Ok(())
    }

    /// Counts a refusal; returns them when it is time to tell a person.
    pub(super) fn refused(&mut self, now: Timestamp) -> Option<Refusals> {
        self.refusals.count(now)
    }

    /// The same for a message that was not given priority 1.
    pub(super) fn demoted(&mut self, now: Timestamp) -> Option<Refusals> {
        self.demotions.count(now)
    }
}

impl Told {
    fn count(&mut self, now: Timestamp) -> Option<Refusals> {
        let happened = self.happened.get_or_insert(Refusals {
            count: 0,
            since: now,
        });
        happened.count += 1;
        let happened = *happened;
        let is_early = |told: Timestamp| told <= now && now.since(told) < ALERT_PAUSE;
        if self.told_at.is_some_and(is_early) {
            return None;
        }
        self.told_at = Some(now);
        Some(happened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Limit;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn caps(hour: u32, day: u32, alert_at: u32) -> [Cap; 2] {
        [(Span::Hour, hour), (Span::Day, day)].map(|(span, limit)| Cap {
            span,
            limit: Limit::at_most(limit),
            alert_at: Limit::at_most(alert_at),
        })
    }

    fn send(counter: &mut Counter, caps: &[Cap], minute: u64) -> Result<Vec<Crossed>, Exceeded> {
        let now = START + Duration::from_secs(60 * minute);
        counter.reserve(caps, Slot::of(now), now)
    }

    #[test]
    fn exactly_as_many_as_the_limit_pass() {
        let mut counter = Counter::default();
        let caps = caps(3, 0, 0);
        for _ in 0..3 {
            assert_eq!(send(&mut counter, &caps, 0), Ok(Vec::new()));
        }
        let exceeded = send(&mut counter, &caps, 0).expect_err("a fourth");
        assert_eq!((exceeded.span, exceeded.limit), (Span::Hour, 3));
        assert_eq!(exceeded.wait, Duration::from_secs(65 * 60));
        assert!(send(&mut counter, &caps, 64).is_err());
        assert!(send(&mut counter, &caps, 65).is_ok());
    }

    #[test]
    fn a_refusal_takes_no_room() {
        let mut counter = Counter::default();
        let caps = caps(1, 0, 0);
        send(&mut counter, &caps, 0).expect("the first");
        for minute in 1..60 {
            send(&mut counter, &caps, minute).expect_err("no room");
        }
        send(&mut counter, &caps, 65).expect("the hour is over");
    }

    #[test]
    fn the_longer_wait_of_two_limits_is_told() {
        let mut counter = Counter::default();
        let caps = caps(2, 2, 0);
        send(&mut counter, &caps, 0).expect("the first");
        send(&mut counter, &caps, 1).expect("the second");
        let exceeded = send(&mut counter, &caps, 2).expect_err("both are reached");
        assert_eq!(exceeded.span, Span::Day);
    }

    #[test]
    fn an_alert_is_due_once_on_the_way_up() {
        let mut counter = Counter::default();
        let caps = caps(5, 0, 4);
        let told: Vec<usize> = (0..5)
            .map(|_| send(&mut counter, &caps[..1], 0).expect("room").len())
            .collect();
        assert_eq!(told, [0, 0, 0, 1, 0]);
    }

    #[test]
    fn unlimited_is_counted_and_never_refused() {
        let mut counter = Counter::default();
        let caps = caps(0, 0, 0);
        for _ in 0..10_000 {
            assert_eq!(send(&mut counter, &caps, 0), Ok(Vec::new()));
        }
        assert_eq!(counter.usage.within(Span::Day, START), 10_000);
    }

    #[test]
    fn the_surplus_of_urgent_messages_takes_no_room_among_them() {
        let mut counter = Counter::default();
        let budgets = [(Span::Hour, 2), (Span::Day, 3)].map(|(span, limit)| Budget {
            span,
            limit: Limit::at_most(limit),
        });
        let mut send = |minute: u64| {
            let now = START + Duration::from_secs(60 * minute);
            counter
                .reserve(&caps(0, 0, 0), Slot::of(now), now)
                .expect("unlimited");
            counter.reserve_urgent(&budgets, Slot::of(now), now)
        };
        let beyond = |span, limit| Err(Demoted { span, limit });
        assert_eq!(send(0), Ok(()));
        assert_eq!(send(1), Ok(()));
        assert_eq!(send(2), beyond(Span::Hour, 2));
        assert_eq!(send(65), Ok(()));
        assert_eq!(send(66), beyond(Span::Day, 3));
    }

    #[test]
    fn refusals_are_told_at_once_and_then_every_minute() {
        let mut counter = Counter::default();
        let at = |second| START + Duration::from_secs(second);
        let told = |refusals: Option<Refusals>| refusals.map(|it| it.count);
        assert_eq!(told(counter.refused(at(0))), Some(1));
        assert_eq!(told(counter.refused(at(1))), None);
        assert_eq!(told(counter.refused(at(59))), None);
        assert_eq!(told(counter.refused(at(60))), Some(4));
        counter
            .reserve(&caps(0, 0, 0), Slot::of(at(61)), at(61))
            .expect("unlimited");
        let again = counter.refused(at(200)).expect("told");
        assert_eq!((again.count, again.since), (1, at(200)));
    }
}
