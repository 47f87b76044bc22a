//! Brings what happened into the statistics and the search index, behind the mail.
//!
//! It never takes more than a part of a processor: after a step it rests as many times as long, and longer while much
//! mail comes in. Under load both are late by what a step leaves over, and catch up afterwards.

use std::time::{Duration, Instant};

use tracing::warn;

use crate::causes::with_causes;
use crate::shutdown::Shutdown;
use crate::store::{Store, StoreError};

/// How long it waits when nothing is left to do: how late the statistics of a quiet relay are. Default 2 s.
const INTERVAL: Duration = Duration::from_secs(2);
/// Rests after a step, in steps. Default 9: a tenth of one processor at most.
const REST: u32 = 9;
/// The same while much mail comes in. Default 39: a fortieth of a processor, which is better used for mail.
const REST_IN_A_RUSH: u32 = 39;
/// How long it rests at least while there is more.
const SHORTEST_REST: Duration = Duration::from_millis(20);
/// How long it rests at most: a step that took long because the machine is busy says little.
const LONGEST_REST: Duration = Duration::from_secs(10);
/// Between two looks for what is gone from the store.
const TIDY_INTERVAL: Duration = Duration::from_secs(600);

/// Sums up until the shutdown is announced.
pub async fn sum_up(store: Store, shutdown: Shutdown) {
    let mut failing = Failing::new("the statistics cannot be kept");
    loop {
        let began = Instant::now();
        // Of the nodes of a shared store one does it.
        let is_more = store.is_elected() && failing.unless(store.sum_up().await);
        if rest(began, is_more, &store, &shutdown).await.is_break() {
            return;
        }
    }
}

/// Fills the search index until the shutdown is announced.
pub async fn index(store: Store, shutdown: Shutdown) {
    let mut failing = Failing::new("the search index cannot be filled");
    let mut tidied_at = Instant::now();
    loop {
        let began = Instant::now();
        let mut is_more = failing.unless(store.index().await);
        if !is_more && tidied_at.elapsed() >= TIDY_INTERVAL {
            is_more = failing.unless(store.tidy_index().await);
            if !is_more {
                tidied_at = Instant::now();
            }
        }
        if rest(began, is_more, &store, &shutdown).await.is_break() {
            return;
        }
    }
}

/// Breaks when the shutdown is announced.
async fn rest(
    began: Instant,
    is_more: bool,
    store: &Store,
    shutdown: &Shutdown,
) -> std::ops::ControlFlow<()> {
    let rests = match store.is_in_a_rush() {
        true => REST_IN_A_RUSH,
        false => REST,
    };
    let time = if is_more {
        (began.elapsed() * rests).clamp(SHORTEST_REST, LONGEST_REST)
    } else {
        INTERVAL
    };
    tokio::select! {
        () = tokio::time::sleep(time) => std::ops::ControlFlow::Continue(()),
        () = shutdown.announced() => std::ops::ControlFlow::Break(()),
    }
}

/// Tells of a failure once, not every two seconds.
struct Failing {
    what: &'static str,
    is_told: bool,
}

impl Failing {
    const fn new(what: &'static str) -> Self {
        Self {
            what,
            is_told: false,
        }
    }

    /// What a step said; false when it failed.
    fn unless(&mut self, step: Result<bool, StoreError>) -> bool {
        match step {
            Ok(is_more) => {
                self.is_told = false;
                is_more
            }
            Err(error) => {
                if !self.is_told {
                    let error = with_causes(&error);
                    warn!(error, "{}; trying again", self.what);
                }
                self.is_told = true;
                false
            }
        }
    }
}
