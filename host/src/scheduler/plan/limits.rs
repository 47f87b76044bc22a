//! How much the plan lets run at a time, and how much of what waits it keeps in memory.

use std::collections::HashMap;
use std::time::Duration;

use crate::queue::Destination;

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
    /// How far priorities 1 and 2 may exceed both.
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
        (
            named.concurrency.unwrap_or(self.per_destination),
            named.rate.unwrap_or(self.per_destination_rate),
        )
    }

    /// How long a destination is left alone after so many failures in a row, counted from 1.
    pub fn unreachable_wait(&self, failures: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
        let wait = self.unreachable_first.checked_mul(factor);
        wait.unwrap_or(self.unreachable_max)
            .min(self.unreachable_max)
    }
}
