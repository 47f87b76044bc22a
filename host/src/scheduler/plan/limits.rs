//! How much the plan lets run at a time, and how much of what waits it keeps in memory.

use std::collections::HashMap;
use std::time::Duration;

use super::place;
use crate::clock::Timestamp;
use crate::queue::{Destination, Priority};

/// The limits of a plan.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Entries tried at a time, over all destinations.
    pub max_concurrency: usize,
    /// Entries tried at a time for one destination.
    pub per_destination: usize,
    /// Messages a second to one destination; 0 is without limit.
    pub per_destination_rate: f64,
    /// What holds instead for some destinations, by their names.
    pub named: HashMap<String, Named>,
    /// How far the more urgent may exceed both; see [`Limits::beyond`].
    pub urgent_reserve: usize,
    /// The first wait for a destination that cannot be reached; doubled each time.
    pub unreachable_first: Duration,
    /// The longest such wait.
    pub unreachable_max: Duration,
    /// The first pause of a destination that says "slow down"; doubled each time.
    pub slow_down_first: Duration,
    /// The longest such pause.
    pub slow_down_max: Duration,
    /// Octets of content kept for entries.
    pub content_octets: usize,
    /// Entries whose message is kept.
    pub envelopes: usize,
    /// When a sender who asked for it is told that a recipient is late.
    pub delay_notice_after: Duration,
    /// How those that wait become more urgent; none: they do not.
    pub ageing: Option<Ageing>,
    /// Nodes that share the limits of each destination; each may have one entry tried at least.
    pub nodes: u32,
}

/// How those that wait become more urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ageing {
    /// Time of waiting that is worth a step; not zero.
    pub step: Duration,
    /// No further than this.
    pub up_to: Priority,
}

impl Ageing {
    /// When an entry that is ready since `since` and has come from `own` to `priority` takes its next step.
    pub fn next_at(
        &self,
        own: Priority,
        priority: Priority,
        since: Timestamp,
    ) -> Option<Timestamp> {
        let taken = own.number().saturating_sub(priority.number());
        let wait = self.step.saturating_mul(u32::from(taken) + 1);
        (priority > self.up_to).then(|| since + wait)
    }
}

/// Limits of one destination; none: as everywhere.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Named {
    /// Entries tried at a time.
    pub concurrency: Option<usize>,
    /// Messages a second.
    pub rate: Option<f64>,
}

impl Limits {
    /// Entries tried at a time for this destination, and messages a second.
    pub fn of(&self, destination: &Destination) -> (usize, f64) {
        let named = if self.named.is_empty() {
            None
        } else {
            self.named.get(&destination.to_string())
        };
        let named = named.copied().unwrap_or_default();
        let concurrency = named.concurrency.unwrap_or(self.per_destination);
        let rate = named.rate.unwrap_or(self.per_destination_rate);
        match self.nodes {
            0 | 1 => (concurrency, rate),
            nodes => (
                (concurrency / nodes as usize).max(1),
                rate / f64::from(nodes),
            ),
        }
    }

    /// How far one of this priority may exceed a limit while those in `running`, by priority, have the places.
    ///
    /// The last places are for 1 alone. Below 2 they are given only in stead of something less urgent, so that a
    /// destination or relay full of slow bulk mail does not keep normal mail waiting.
    pub fn beyond(&self, priority: Priority, running: &[usize; 5]) -> usize {
        let reserve = self.urgent_reserve;
        let less_urgent: usize = running[place(priority) + 1..].iter().sum();
        match priority {
            Priority::Highest => reserve,
            Priority::High => reserve - reserve / 4,
            Priority::Normal => less_urgent.min(reserve / 2),
            Priority::Low => less_urgent.min(reserve / 4),
            Priority::Lowest => 0,
        }
    }

    /// How long a destination is left alone after so many failures in a row, counted from 1.
    pub fn unreachable_wait(&self, failures: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
        let wait = self.unreachable_first.checked_mul(factor);
        wait.unwrap_or(self.unreachable_max)
            .min(self.unreachable_max)
    }
}
