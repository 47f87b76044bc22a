//! Advances the epoch, by which guests are interrupted, for as long as any of them runs.
//!
//! From a thread of its own: a timer of the asynchronous runtime stands still when guests hold its workers, which is when
//! the epoch is needed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use wasmtime::EngineWeak;

/// Between two ticks, which is when deadlines and slices of time are looked at: this much too late at most. 1 ms: what a
/// guest may take from a session beyond its slice.
const TICK: Duration = Duration::from_millis(1);
/// Ticks without an evaluation until the thread rests. 100: where one follows another it need not be woken for each.
const LINGERING: u32 = 100;
/// The longest rest, after which the thread sees that its engine is gone.
const REST: Duration = Duration::from_secs(1);

/// Wakes the thread for evaluations.
pub(super) struct Ticker {
    pace: Arc<Pace>,
    thread: Thread,
}

#[derive(Default)]
struct Pace {
    begun: AtomicU64,
    ended: AtomicU64,
    rests: AtomicBool,
}

/// An evaluation under way: while it lives the epoch advances.
pub(super) struct Ticking(Arc<Pace>);

impl Ticker {
    /// Starts the thread, which ends with the engine.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let pace = Arc::<Pace>::default();
        let shared = Arc::clone(&pace);
        let thread: JoinHandle<()> = thread::Builder::new()
            .name("policy-epoch".to_owned())
            .spawn(move || tick(&engine, &shared))?;
        Ok(Self {
            pace,
            thread: thread.thread().clone(),
        })
    }

    /// Notes that an evaluation begins.
    pub fn begin(&self) -> Ticking {
        self.pace.begun.fetch_add(1, Ordering::SeqCst);
        if self.pace.rests.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
        Ticking(Arc::clone(&self.pace))
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

impl Pace {
    /// How many have begun, if none is under way.
    fn idle_since(&self) -> Option<u64> {
        // In this order: what begins in between makes them differ.
        let ended = self.ended.load(Ordering::SeqCst);
        let begun = self.begun.load(Ordering::SeqCst);
        (begun == ended).then_some(begun)
    }

    /// Rests until an evaluation begins.
    fn rest(&self) {
        self.rests.store(true, Ordering::SeqCst);
        if self.idle_since().is_some() {
            thread::park_timeout(REST);
        }
        self.rests.store(false, Ordering::SeqCst);
    }
}

fn tick(engine: &EngineWeak, pace: &Pace) {
    let (mut seen, mut idle_ticks) = (None, 0);
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        let idle = pace.idle_since();
        idle_ticks = match idle {
            Some(_) if idle == seen => idle_ticks + 1,
            _ => 0,
        };
        seen = idle;
        if idle_ticks >= LINGERING {
            pace.rest();
        } else {
            thread::sleep(TICK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_idle_when_all_that_began_has_ended() {
        let pace = Arc::<Pace>::default();
        assert_eq!(pace.idle_since(), Some(0));
        pace.begun.fetch_add(2, Ordering::SeqCst);
        let (one, other) = (Ticking(Arc::clone(&pace)), Ticking(Arc::clone(&pace)));
        drop(one);
        assert_eq!(pace.idle_since(), None);
        drop(other);
        assert_eq!(pace.idle_since(), Some(2));
    }

    #[test]
    fn an_evaluation_ends_the_rest() {
        let pace = Arc::<Pace>::default();
        let shared = Arc::clone(&pace);
        let resting = thread::spawn(move || {
            // Far longer than the test may take, unless it is woken.
            while shared.idle_since().is_some() {
                shared.rest();
            }
        });
        let ticker = Ticker {
            pace: Arc::clone(&pace),
            thread: resting.thread().clone(),
        };
        while !pace.rests.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        let ticking = ticker.begin();
        resting.join().expect("no panic");
        drop(ticking);
    }
}
