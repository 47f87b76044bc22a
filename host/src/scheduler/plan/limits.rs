//! How much the plan lets run at a time, and how much of what waits it keeps in memory.

use std::time::Duration;

/// The limits of a plan.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Entries tried at a time, over all destinations.
    pub max_concurrency: usize,
    /// Entries tried at a time for one destination.
    pub per_destination: usize,
    /// How far priorities 1 and 2 may exceed both.
    pub urgent_reserve: usize,
    /// The first wait for a destination that cannot be reached; doubled each time.
    pub unreachable_first: Duration,
    /// The longest such wait.
    pub unreachable_max: Duration,
    /// Octets of content kept for entries.
    pub content_octets: usize,
    /// Entries whose message is kept.
    pub envelopes: usize,
    /// When a sender who asked for it is told that a recipient is late.
    pub delay_notice_after: Duration,
}

impl Limits {
    /// How long a destination is left alone after so many failures in a row, counted from 1.
    pub fn unreachable_wait(&self, failures: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
        let wait = self.unreachable_first.checked_mul(factor);
        wait.unwrap_or(self.unreachable_max)
            .min(self.unreachable_max)
    }
}
