//! Merges the alerts of a flood in memory, so that what happens ten thousand times is written once a second.
//!
//! The first of a second is stored with whatever raised it, so that a crash forgets no alert, at most how often it
//! happened in that second.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::alert::NewAlert;

/// How long an alert that was just stored is counted in memory. Default 1 s.
const COUNTED: Duration = Duration::from_secs(1);
/// Alerts that are counted at a time; others are stored each time. Default 1,024, about 500 KiB.
const MAX_COUNTED: usize = 1024;

/// What makes two alerts the same.
type Subject = (Option<i64>, String, String, String);

/// Counts what happens again within a second.
#[derive(Default)]
pub(super) struct Merger {
    counted: Mutex<HashMap<Subject, Counted>>,
    /// Told when there is something new in the store.
    pub(super) raised: Notify,
}

struct Counted {
    until: Instant,
    again: Option<NewAlert>,
}

/// What is to be done with alerts that were raised.
pub(super) struct Admitted {
    /// To be stored now.
    pub(super) now: Vec<NewAlert>,
    /// Others wait, and nobody has been told to store them yet.
    pub(super) begins_to_wait: bool,
}

impl Merger {
    /// Keeps back what was stored a moment ago.
    pub(super) fn admit(&self, alerts: Vec<NewAlert>) -> Admitted {
        let mut admitted = Admitted {
            now: Vec::new(),
            begins_to_wait: false,
        };
        if alerts.is_empty() {
            return admitted;
        }
        let now = Instant::now();
        let mut counted = self.counted.lock();
        let was_waiting = counted.values().any(|one| one.again.is_some());
        for alert in alerts {
            if let Some(alert) = keep_back(&mut counted, alert, now) {
                admitted.now.push(alert);
            }
        }
        let is_waiting = counted.values().any(|one| one.again.is_some());
        admitted.begins_to_wait = is_waiting && !was_waiting;
        admitted
    }

    /// Takes what waits, to be stored now.
    pub(super) fn take(&self) -> Vec<NewAlert> {
        let now = Instant::now();
        let mut counted = self.counted.lock();
        let waiting = counted.values_mut().filter_map(|one| one.again.take());
        let waiting = waiting.collect();
        counted.retain(|_, one| one.until > now);
        waiting
    }

    /// Undoes [`Merger::take`] for what could not be stored.
    pub(super) fn put_back(&self, alerts: Vec<NewAlert>) {
        let until = Instant::now();
        let mut counted = self.counted.lock();
        for alert in alerts {
            let one = counted
                .entry(subject(&alert))
                .or_insert(Counted { until, again: None });
            one.count(alert);
        }
    }
}

/// The alert itself when it is to be stored now.
fn keep_back(
    counted: &mut HashMap<Subject, Counted>,
    alert: NewAlert,
    now: Instant,
) -> Option<NewAlert> {
    let subject = subject(&alert);
    if let Some(one) = counted.get_mut(&subject) {
        if now < one.until || one.again.is_some() {
            one.count(alert);
            return None;
        }
        one.until = now + COUNTED;
        return Some(alert);
    }
    if counted.len() >= MAX_COUNTED {
        counted.retain(|_, one| one.until > now || one.again.is_some());
    }
    if counted.len() < MAX_COUNTED {
        let until = now + COUNTED;
        counted.insert(subject, Counted { until, again: None });
    }
    Some(alert)
}

impl Counted {
    fn count(&mut self, alert: NewAlert) {
        match &mut self.again {
            Some(again) => again.again(alert),
            None => self.again = Some(alert),
        }
    }
}

fn subject(alert: &NewAlert) -> Subject {
    (
        alert.list_id,
        alert.kind.as_str().to_owned(),
        alert.user.clone(),
        alert.key.clone(),
    )
}

/// How long what waits is counted before it is stored.
pub(super) const fn wait() -> Duration {
    COUNTED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Kind, Severity};
    use crate::clock::Timestamp;

    fn alert(key: &str, at: i64) -> NewAlert {
        let at = Timestamp::from_millis(at);
        NewAlert::new(Kind::PolicyFailure, Severity::Warning, key.to_owned(), at).keyed(key)
    }

    #[test]
    fn a_flood_is_stored_once_and_counted() {
        let merger = Merger::default();
        let first = merger.admit(vec![alert("a", 1)]);
        assert_eq!((first.now.len(), first.begins_to_wait), (1, false));
        for at in 2..=10_000 {
            let next = merger.admit(vec![alert("a", at)]);
            assert_eq!((next.now.len(), next.begins_to_wait), (0, at == 2));
        }
        let waiting = merger.take();
        assert_eq!((waiting.len(), waiting[0].times), (1, 9_999));
        assert_eq!(waiting[0].at, Timestamp::from_millis(10_000));
        merger.put_back(waiting);
        assert_eq!(merger.take()[0].times, 9_999);
        assert!(merger.take().is_empty());
    }

    #[test]
    fn what_is_beyond_its_memory_is_stored_each_time() {
        let merger = Merger::default();
        let many = (0..MAX_COUNTED + 10).map(|number| alert(&number.to_string(), 1));
        assert_eq!(merger.admit(many.collect()).now.len(), MAX_COUNTED + 10);
        assert_eq!(merger.admit(vec![alert("0", 2)]).now.len(), 0);
        let beyond = (MAX_COUNTED + 5).to_string();
        assert_eq!(merger.admit(vec![alert(&beyond, 2)]).now.len(), 1);
        assert!(merger.counted.lock().len() <= MAX_COUNTED);
    }
}
