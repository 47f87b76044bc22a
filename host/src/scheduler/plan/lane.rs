//! One destination: what is ready for it, what runs, and whether it can be reached.

use std::collections::BTreeSet;

use super::pace::Pace;
use super::{Limits, place};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{Destination, Priority, RemoteReply};

/// Successes after which one more is tried at a time, where there were too many.
pub(super) const SUCCESSES_PER_SLOT: u32 = 20;

/// The order of entries: smaller goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order {
    pub priority: Priority,
    pub due_at: Timestamp,
    pub id: QueueId,
}

/// What the plan knows of a destination.
#[derive(Debug)]
pub(super) struct Lane {
    pub destination: Destination,
    pub ready: BTreeSet<Order>,
    /// Ready and waiting ones.
    pub entries: usize,
    /// Somebody reads the messages of the next ones.
    pub is_read_ahead: bool,
    /// Those being tried, by priority.
    pub running: [usize; 5],
    pub held_until: Option<Timestamp>,
    /// Until when it is left alone for its pace.
    pub paced_until: Option<Timestamp>,
    /// What stands for it among the eligible.
    pub advertised: Option<Order>,
    /// Deferred because there was no connection; due as soon as there is one.
    pub stalled: Vec<QueueId>,
    /// Why it could not be reached last.
    pub reason: RemoteReply,
    /// Entries tried at a time, those of the urgent reserve included; shrinks when the peer takes
    /// fewer connections.
    window: usize,
    /// Entries tried at a time without the places for the more urgent.
    slots: usize,
    pace: Pace,
    failures: u32,
    successes: u32,
    /// Since when it could not be reached, tries between included.
    pub failing_since: Option<Timestamp>,
}

impl Lane {
    pub fn new(destination: Destination, limits: &Limits) -> Self {
        let (slots, rate) = limits.of(&destination);
        Self {
            destination,
            ready: BTreeSet::new(),
            entries: 0,
            is_read_ahead: false,
            running: [0; 5],
            held_until: None,
            paced_until: None,
            advertised: None,
            stalled: Vec::new(),
            reason: RemoteReply {
                code: 0,
                text: String::new(),
            },
            window: slots + limits.urgent_reserve,
            slots,
            pace: Pace::new(rate),
            failures: 0,
            successes: 0,
            failing_since: None,
        }
    }

    /// Takes over limits that have changed; what the peer asked for stays.
    pub fn limit(&mut self, limits: &Limits) {
        let before = self.widest(limits);
        let (slots, rate) = limits.of(&self.destination);
        self.slots = slots;
        let widest = self.widest(limits);
        self.window = if self.window >= before {
            widest
        } else {
            self.window.min(widest)
        };
        self.pace.limit(rate);
    }

    /// Entries tried at a time without the places for the more urgent.
    pub const fn slots(&self) -> usize {
        self.slots
    }

    pub const fn is_held(&self) -> bool {
        self.held_until.is_some()
    }

    /// The best ready entry, if there is a slot for it.
    pub fn best(&self, limits: &Limits) -> Option<Order> {
        let best = *self.ready.first()?;
        (self.running() < self.room(best.priority, limits)).then_some(best)
    }

    /// How many may be tried at a time when one of this priority is to be among them.
    pub fn room(&self, priority: Priority, limits: &Limits) -> usize {
        let is_closed = self.is_held() || self.paced_until.is_some();
        match (is_closed, self.failures) {
            (true, _) => 0,
            // After a failure one is sent ahead to see.
            (false, 1..) => 1,
            (false, 0) => {
                let widened = self.slots + limits.beyond(priority, &self.running);
                self.window.min(widened)
            }
        }
    }

    /// Those being tried.
    pub fn running(&self) -> usize {
        self.running.iter().sum()
    }

    /// One more is being tried.
    pub const fn begin(&mut self, priority: Priority) {
        self.running[place(priority)] += 1;
    }

    /// One less is being tried.
    pub const fn end(&mut self, priority: Priority) {
        let running = &mut self.running[place(priority)];
        *running = running.saturating_sub(1);
    }

    /// Notes a success; what stalled until now is returned.
    pub fn reached(&mut self, limits: &Limits) -> Vec<QueueId> {
        self.successes += 1;
        if self.successes >= SUCCESSES_PER_SLOT {
            self.successes = 0;
            self.window = (self.window + 1).min(self.widest(limits));
            self.pace.recovered();
        }
        self.failing_since = None;
        if self.failures > 0 {
            self.failures = 0;
            self.window = self.widest(limits);
        }
        std::mem::take(&mut self.stalled)
    }

    /// Notes that no connection could be made; returns until when nobody is sent there, if so.
    pub fn unreachable(
        &mut self,
        limits: &Limits,
        now: Timestamp,
        reason: &RemoteReply,
    ) -> Option<Timestamp> {
        self.successes = 0;
        self.reason = reason.clone();
        if self.running() > 0 {
            self.window = self.window.min(self.running());
            return None;
        }
        if self.is_held() {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(now);
        let until = now + limits.unreachable_wait(self.failures);
        self.held_until = Some(until);
        self.held_until
    }

    /// Notes that an entry starts; returns until when no other may.
    pub fn started(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.paced_until = self.pace.started(now);
        self.paced_until
    }

    /// Notes that the peer wants less; returns until when nobody is sent there, if that is new.
    pub fn slow_down(&mut self, limits: &Limits, now: Timestamp) -> Option<Timestamp> {
        self.successes = 0;
        let until = self.pace.slowed(limits, now)?;
        self.window = (self.window.min(self.running() + 1) / 2).max(1);
        self.paced_until = self.paced_until.max(Some(until));
        Some(until)
    }

    /// Entries tried at a time at present.
    pub const fn window(&self) -> usize {
        self.window
    }

    /// Slots of a destination that takes every connection.
    const fn widest(&self, limits: &Limits) -> usize {
        self.slots + limits.urgent_reserve
    }
}
