//! Waits for conditions, so that no test sleeps for a time that is right on one machine only.

use std::time::{Duration, Instant};

/// How long a condition may take before the test fails. Generous: a busy two-core machine passes too.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Time between two looks at a condition.
const STEP: Duration = Duration::from_millis(10);

/// Waits until `probe` returns a value.
///
/// # Panics
/// With `what` when there is none within `limit`.
pub fn until_some<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "waited {} s in vain until {what}",
            limit.as_secs()
        );
        std::thread::sleep(STEP);
    }
}

/// Waits until `condition` holds.
///
/// # Panics
/// With `what` when it does not within `limit`.
pub fn until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    until_some(what, limit, || condition().then_some(()));
}
