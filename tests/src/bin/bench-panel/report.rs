//! Prints what was measured, and remembers whether it was too long.

use std::time::Duration;

/// What a question or a page may take at p99.
const BAR: Duration = Duration::from_millis(50);

/// What was measured so far.
#[derive(Default)]
pub struct Report {
    missed: Vec<String>,
}

/// One request for a page.
#[derive(Clone, Copy)]
pub struct Request {
    /// Until the page was there.
    pub took: Duration,
    /// Processor time of the relay, all its threads together.
    pub cpu: Duration,
    /// Octets of the page.
    pub octets: usize,
}

impl Report {
    /// A question to the store.
    pub fn question(&mut self, what: &str, mut took: Vec<Duration>, note: &str) {
        took.sort_unstable();
        let mark = self.mark(what, percentile(&took, 99));
        println!(
            "{what:<36} p50 {:>8.2?}  p99 {:>8.2?}  max {:>8.2?}  {note}{mark}",
            percentile(&took, 50),
            percentile(&took, 99),
            percentile(&took, 100)
        );
    }

    /// A page.
    pub fn page(&mut self, what: &str, requests: &[Request]) {
        let sorted = |value: fn(&Request) -> Duration| {
            let mut all: Vec<_> = requests.iter().map(value).collect();
            all.sort_unstable();
            all
        };
        let (took, cpu) = (sorted(|one| one.took), sorted(|one| one.cpu));
        let octets = requests.iter().map(|one| one.octets).max().unwrap_or(0);
        let mark = self.mark(what, percentile(&took, 99));
        println!(
            "{what:<52} p50 {:>5.1} ms  p99 {:>6.1} ms  of CPU p50 {:>5.1} ms  p99 {:>6.1} ms  {:>7.1} KiB{mark}",
            millis(percentile(&took, 50)),
            millis(percentile(&took, 99)),
            millis(percentile(&cpu, 50)),
            millis(percentile(&cpu, 99)),
            octets as f64 / 1024.0
        );
    }

    /// True when everything was quick enough.
    pub fn end(&self) -> bool {
        for what in &self.missed {
            eprintln!("error: {what} took more than {} ms (p99)", BAR.as_millis());
        }
        self.missed.is_empty()
    }

    fn mark(&mut self, what: &str, p99: Duration) -> &'static str {
        if p99 <= BAR {
            return "";
        }
        self.missed.push(what.to_owned());
        "  MISSED"
    }
}

fn percentile(sorted: &[Duration], part: usize) -> Duration {
    sorted[(sorted.len() - 1) * part / 100]
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
