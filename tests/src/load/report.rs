//! What a run of the load generator came to.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

/// The figures of one run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Messages answered `250`.
    pub accepted: usize,
    /// From the first connection to the last reply.
    pub elapsed: Duration,
    /// Median time from the final dot to its `250`.
    pub p50: Duration,
    /// The time that 99 of 100 stay under.
    pub p99: Duration,
    /// Sessions that broke or were refused something.
    pub failures: u64,
    /// What the first failure said.
    pub first_failure: Option<String>,
}

/// The median of some measurements, the upper one of an even number.
///
/// # Panics
/// When there are none.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

impl Report {
    pub(super) fn new(
        mut latencies_us: Vec<u32>,
        elapsed: Duration,
        failures: u64,
        first_failure: Option<String>,
    ) -> Self {
        latencies_us.sort_unstable();
        Self {
            accepted: latencies_us.len(),
            elapsed,
            p50: percentile(&latencies_us, 50),
            p99: percentile(&latencies_us, 99),
            failures,
            first_failure,
        }
    }

    /// Accepted messages per second.
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        let accepted = self.accepted as f64;
        accepted / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        json!({
            "accepted": self.accepted,
            "elapsed_s": self.elapsed.as_secs_f64(),
            "accepted_per_s": self.rate(),
            "p50_ms": self.p50.as_secs_f64() * 1e3,
            "p99_ms": self.p99.as_secs_f64() * 1e3,
            "failures": self.failures,
            "first_failure": self.first_failure,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} accepted in {:.2} s: {:.0}/s; 250 after p50 {:.2} ms, p99 {:.2} ms; {} failures",
            self.accepted,
            self.elapsed.as_secs_f64(),
            self.rate(),
            self.p50.as_secs_f64() * 1e3,
            self.p99.as_secs_f64() * 1e3,
            self.failures
        )?;
        match &self.first_failure {
            Some(text) => write!(f, " (the first: {text})"),
            None => Ok(()),
        }
    }
}

/// Of sorted values, the one that `percent` of them do not exceed.
fn percentile(sorted_us: &[u32], percent: usize) -> Duration {
    let index = (sorted_us.len() * percent / 100).min(sorted_us.len().saturating_sub(1));
    Duration::from_micros(sorted_us.get(index).copied().map_or(0, u64::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_taken_of_sorted_values() {
        let latencies = (1..=100).rev().collect();
        let report = Report::new(latencies, Duration::from_secs(2), 0, None);
        assert_eq!(report.p50, Duration::from_micros(51));
        assert_eq!(report.p99, Duration::from_micros(100));
        assert!((report.rate() - 50.0).abs() < 1e-9);
    }

    #[test]
    fn a_run_without_messages_has_figures_too() {
        let report = Report::new(Vec::new(), Duration::from_secs(1), 1, None);
        assert_eq!((report.accepted, report.p99), (0, Duration::ZERO));
    }
}
