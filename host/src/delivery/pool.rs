//! Several smarthosts for the same mail: which is asked first, and which is left alone for a while.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::config::Smarthost;
use super::smtp::connection::Terms;

/// A smarthost, how to talk to it, and when it failed last.
#[derive(Debug)]
pub(super) struct Relay {
    pub smarthost: Smarthost,
    pub terms: Terms,
    preference: u16,
    /// While it is set others go first; whoever tries it again sets it anew.
    failed_at: Mutex<Option<Instant>>,
}

/// The smarthosts of one way out; never empty.
#[derive(Debug)]
pub(super) struct Pool {
    relays: Vec<Relay>,
    retry: Duration,
    turn: AtomicUsize,
}

impl Relay {
    /// It took a connection.
    pub fn succeeded(&self) {
        *self.failed_at.lock() = None;
    }

    /// It could not be used.
    pub fn failed(&self, now: Instant) {
        *self.failed_at.lock() = Some(now);
    }

    /// False while it is left alone. When that is over, one alone is sent ahead to see.
    fn is_open(&self, now: Instant, retry: Duration) -> bool {
        let mut failed_at = self.failed_at.lock();
        match *failed_at {
            None => true,
            Some(at) if now.saturating_duration_since(at) < retry => false,
            Some(_) => {
                *failed_at = Some(now);
                true
            }
        }
    }
}

impl Pool {
    /// From the configured smarthosts in their order, each with its terms.
    pub fn new(relays: Vec<(Smarthost, Terms)>, retry: Duration) -> Self {
        let relay = |(place, (smarthost, terms)): (u16, (Smarthost, Terms))| Relay {
            preference: smarthost.preference.unwrap_or(place),
            smarthost,
            terms,
            failed_at: Mutex::new(None),
        };
        Self {
            relays: (1..=u16::MAX).zip(relays).map(relay).collect(),
            retry,
            turn: AtomicUsize::new(0),
        }
    }

    /// In the order to try: by preference, equals in turn, those that failed lately at the end.
    pub fn order(&self, now: Instant) -> Vec<&Relay> {
        let count = self.relays.len().max(1);
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % count;
        let rotated = self
            .relays
            .iter()
            .cycle()
            .skip(first)
            .take(self.relays.len());
        let mut order: Vec<&Relay> = rotated.collect();
        order.sort_by_cached_key(|relay| (!relay.is_open(now, self.retry), relay.preference));
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::bandwidth::Bandwidth;
    use crate::delivery::config::{Config, Tls};
    use crate::delivery::smtp::connection::Security;

    const RETRY: Duration = Duration::from_secs(60);

    fn pool(preferences: &[(&str, Option<u16>)]) -> Pool {
        let relays = preferences.iter().map(|&(host, preference)| {
            let smarthost = Smarthost {
                host: host.to_owned(),
                port: 25,
                tls: Tls::None,
                username: None,
                password: None,
                preference,
            };
            let terms = Terms {
                hello: "relay.example".to_owned(),
                security: Security::None,
                credentials: None,
                timeouts: Config::default().timeouts(),
                bandwidth: Bandwidth::new(None, Duration::from_secs(1)),
                chunking: Config::default().chunking(),
                requires_tls: false,
            };
            (smarthost, terms)
        });
        Pool::new(relays.collect(), RETRY)
    }

    fn hosts(pool: &Pool, now: Instant) -> String {
        let order = pool.order(now);
        let names: Vec<&str> = order.iter().map(|it| it.smarthost.host.as_str()).collect();
        names.join("")
    }

    #[test]
    fn without_preferences_the_place_in_the_list_decides() {
        let pool = pool(&[("a", None), ("b", None), ("c", None)]);
        let now = Instant::now();
        assert_eq!([(); 3].map(|()| hosts(&pool, now)), ["abc"; 3]);
    }

    #[test]
    fn equals_take_turns() {
        let pool = pool(&[("a", Some(5)), ("b", Some(5)), ("c", Some(9))]);
        let now = Instant::now();
        let firsts = [(); 3].map(|()| hosts(&pool, now));
        assert_eq!(firsts, ["abc", "bac", "abc"]);
    }

    #[test]
    fn one_that_failed_comes_last_until_its_time_is_over_and_then_one_alone_tries_it() {
        let pool = pool(&[("a", None), ("b", None)]);
        let now = Instant::now();
        let failed = pool.order(now)[0];
        failed.failed(now);
        assert_eq!(hosts(&pool, now), "ba");
        let later = now + RETRY;
        assert_eq!(hosts(&pool, later), "ab", "it is tried again");
        assert_eq!(hosts(&pool, later), "ba", "the others do not wait for it");
        failed.succeeded();
        assert_eq!(hosts(&pool, later), "ab");
    }
}
