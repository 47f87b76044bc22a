//! Who may come in: how many connections there may be in all, from one address and of one user.
//!
//! A place is taken by a guard and given back when the guard is dropped, whatever ended the session.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::warn;

use super::config::Config;
use crate::guard::Origin;
use crate::smtp::Reply;

/// Between two log lines of one kind about clients that are turned away.
const LOG_PAUSE: Duration = Duration::from_secs(10);

/// How many are there of each key. Holds an entry for each key that is there, and no other.
#[derive(Debug)]
pub(super) struct Places<K: Eq + Hash> {
    taken: Mutex<HashMap<K, usize>>,
}

impl<K: Copy + Eq + Hash> Places<K> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            taken: Mutex::default(),
        })
    }

    /// A place for one more; none when `max` are there.
    pub(super) fn take(self: &Arc<Self>, key: K, max: usize) -> Option<Place<K>> {
        let mut taken = self.taken.lock();
        if taken.get(&key).copied().unwrap_or(0) >= max {
            return None;
        }
        *taken.entry(key).or_insert(0) += 1;
        Some(Place {
            places: Arc::clone(self),
            key,
        })
    }
}

/// A place that is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Place<K: Copy + Eq + Hash> {
    places: Arc<Places<K>>,
    key: K,
}

impl<K: Copy + Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

/// Says something at most once in a while, and how often it was not said.
#[derive(Debug, Default)]
struct Seldom(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    unsaid: u64,
}

impl Seldom {
    /// How often it was not said since it was last said; none when it is not to be said now.
    fn is_due(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock();
        let is_early = |last: Instant| now.saturating_duration_since(last) < LOG_PAUSE;
        if said.last.is_some_and(is_early) {
            said.unsaid += 1;
            return None;
        }
        said.last = Some(now);
        Some(std::mem::take(&mut said.unsaid))
    }
}

/// Lets connections and users in.
#[derive(Debug)]
pub(super) struct Admission {
    all: Arc<Places<()>>,
    origins: Arc<Places<Origin>>,
    users: Arc<Places<i64>>,
    full: Seldom,
    crowded: Seldom,
}

/// A connection's place, among all and among those of its address.
#[derive(Debug)]
pub(super) struct Ticket {
    _all: Place<()>,
    _origin: Place<Origin>,
}

impl Admission {
    pub(super) fn new() -> Self {
        Self {
            all: Places::new(),
            origins: Places::new(),
            users: Places::new(),
            full: Seldom::default(),
            crowded: Seldom::default(),
        }
    }

    /// A place for a connection; the error is what its client is told instead of a greeting.
    pub(super) fn connection(&self, origin: Origin, limits: &Config) -> Result<Ticket, Reply> {
        let Some(all) = self.all.take((), limits.max_connections) else {
            if let Some(unsaid) = self.full.is_due(Instant::now()) {
                warn!(%origin, unsaid, "more sessions than submission.max-connections; one is turned away");
            }
            return Err(Reply::new(
                421,
                (4, 7, 0),
                "too many sessions; try again later",
            ));
        };
        let max = limits.max_connections_per_address;
        let Some(place) = self.origins.take(origin, max) else {
            if let Some(unsaid) = self.crowded.is_due(Instant::now()) {
                warn!(%origin, unsaid, "more sessions from one address than submission.max-connections-per-address; one is turned away");
            }
            let text = format!(
                "too many connections from {origin}: at most {max} at a time; close some, or try again later"
            );
            return Err(Reply::new(421, (4, 7, 0), text));
        };
        Ok(Ticket {
            _all: all,
            _origin: place,
        })
    }

    /// A place for a session of a user; the error is the reply to AUTH.
    pub(super) fn user(
        &self,
        id: i64,
        username: &str,
        limits: &Config,
    ) -> Result<Place<i64>, Reply> {
        let max = limits.max_connections_per_user;
        self.users.take(id, max).ok_or_else(|| {
            let text = format!(
                "too many connections of {username}: at most {max} at a time; close some, or try again later"
            );
            Reply::new(421, (4, 7, 0), text)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::of(text.parse().expect("an address"))
    }

    #[test]
    fn an_ipv6_client_counts_by_its_prefix_of_64_bits() {
        let cases = [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::/64"),
            ("2001:db8:0:0:ffff::1", "2001:db8::/64"),
            ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
            ("::1", "::/64"),
        ];
        for (client, shown) in cases {
            assert_eq!(origin(client).to_string(), shown, "{client}");
        }
    }

    #[test]
    fn places_are_given_back_and_nothing_is_remembered() {
        let places = Places::new();
        let first = places.take(1, 2).expect("a place");
        let _second = places.take(1, 2).expect("a place");
        assert!(places.take(1, 2).is_none());
        let other = places.take(2, 2).expect("another key has its own places");
        drop(first);
        let again = places.take(1, 2).expect("a place was given back");
        assert_eq!(places.taken.lock().len(), 2);
        drop((again, other));
        assert_eq!(places.taken.lock().len(), 1, "only what is there");
    }

    #[test]
    fn a_refused_key_leaves_nothing_behind() {
        let places = Places::new();
        assert!(places.take(1, 0).is_none());
        assert!(places.taken.lock().is_empty());
    }

    #[test]
    fn a_lower_limit_cuts_nobody_and_lets_nobody_in_until_it_holds() {
        let places = Places::new();
        let mut inside: Vec<_> = (0..3).filter_map(|_| places.take(1, 3)).collect();
        assert!(places.take(1, 2).is_none());
        inside.truncate(2);
        assert!(places.take(1, 2).is_none());
        inside.truncate(1);
        assert!(places.take(1, 2).is_some());
    }

    #[test]
    fn an_address_that_is_full_is_told_so_and_others_come_in() {
        let limits = Config {
            max_connections: 3,
            max_connections_per_address: 1,
            ..Config::default()
        };
        let admission = Admission::new();
        let connect = |from| admission.connection(origin(from), &limits);
        let _first = connect("192.0.2.1").expect("a place");
        let refused = connect("192.0.2.1").expect_err("a place");
        assert_eq!(
            refused.to_string(),
            "421 4.7.0 too many connections from 192.0.2.1: at most 1 at a time; close some, or try again later"
        );
        let _other = connect("192.0.2.2").expect("a place");
        let _third = connect("192.0.2.3").expect("a place");
        let refused = connect("192.0.2.4").expect_err("a place");
        assert!(refused.text().starts_with("too many sessions"), "{refused}");
    }

    #[test]
    fn a_flood_of_refusals_is_one_line_in_the_log() {
        let (seldom, now) = (Seldom::default(), Instant::now());
        assert_eq!(seldom.is_due(now), Some(0));
        for _ in 0..1000 {
            assert_eq!(seldom.is_due(now + LOG_PAUSE / 2), None);
        }
        assert_eq!(seldom.is_due(now + LOG_PAUSE), Some(1000));
        assert_eq!(seldom.is_due(now + LOG_PAUSE * 2), Some(0));
    }
}
