//! Whether more mail comes in than the store writes at once: what nobody waits for gives way then.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Messages in one group that make a rush. Default 16: with fewer, clients wait for little more than one commit.
const MESSAGES: usize = 16;
/// How long a rush lasts after such a group. Default 50 ms: some commits.
const LASTS: Duration = Duration::from_millis(50);

/// Whether there is one.
pub(super) struct Rush {
    epoch: Instant,
    /// When there was such a group last, in milliseconds since the epoch; 0: never.
    last_ms: AtomicU64,
}

impl Rush {
    /// None yet.
    pub(super) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            last_ms: AtomicU64::new(0),
        }
    }

    /// A group with so many messages is written.
    pub(super) fn note(&self, messages: usize) {
        if messages >= MESSAGES {
            self.last_ms.store(self.now_ms(), Ordering::Relaxed);
        }
    }

    /// True while there is one.
    pub(super) fn is_on(&self) -> bool {
        let last_ms = self.last_ms.load(Ordering::Relaxed);
        let since_ms = self.now_ms().saturating_sub(last_ms);
        last_ms > 0 && u128::from(since_ms) <= LASTS.as_millis()
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).map_or(u64::MAX, |ms| ms + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_messages_at_once_make_a_rush_that_ends() {
        let mut rush = Rush::new();
        assert!(!rush.is_on());
        rush.note(MESSAGES - 1);
        assert!(!rush.is_on());
        rush.note(MESSAGES);
        assert!(rush.is_on());
        rush.epoch -= LASTS + Duration::from_millis(2);
        assert!(!rush.is_on());
    }
}
