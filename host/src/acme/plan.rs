//! When the next order is due. Opens nothing and knows no clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::tls::{Acme as Config, Facts};

/// By how much a wait is lengthened at most, so that relays do not meet at the authority: 250 ‰.
const MAX_JITTER_PERMILLE: u64 = 250;

/// What has been tried, as it is kept on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// The names that were ordered.
    pub names: Vec<String>,
    /// When the last attempt began, in milliseconds since 1970; none before the first.
    pub last: Option<i64>,
    /// Attempts that failed since the last success.
    pub failures: u32,
    /// How much longer the next wait is than it had to be, in thousandths.
    pub jitter_permille: u64,
}

impl Attempts {
    /// Counted as a failure until it has succeeded.
    pub fn one_more(self, now: Timestamp, jitter_permille: u64) -> Self {
        Self {
            last: Some(now.as_millis()),
            failures: self.failures.saturating_add(1),
            jitter_permille,
            ..self
        }
    }

    /// The last attempt was no failure.
    pub fn succeeded(self) -> Self {
        Self {
            failures: 0,
            ..self
        }
    }
}

/// A random part of the longest jitter.
pub fn jitter_permille() -> u64 {
    let random = getrandom::u32().unwrap_or_default();
    u64::from(random) % (MAX_JITTER_PERMILLE + 1)
}

/// When the next order is to be made, given the certificate there is.
pub fn due(
    config: &Config,
    names: &[String],
    kept: Option<&Facts>,
    attempts: &Attempts,
) -> Timestamp {
    let covering = kept.filter(|facts| covers(facts, names));
    let wanted = covering.map_or(Timestamp::default(), renewal);
    wanted.max(next_attempt(config, attempts))
}

/// When an attempt may be made at the earliest, after those that were.
pub fn next_attempt(config: &Config, attempts: &Attempts) -> Timestamp {
    let Some(last) = attempts.last.map(Timestamp::from_millis) else {
        return Timestamp::default();
    };
    let wait_s = match attempts.failures {
        0 => config.min_interval_s,
        failures => backoff_s(config, failures),
    };
    last + Duration::from_millis(wait_s.saturating_mul(1000 + attempts.jitter_permille))
}

/// Doubles with each failure.
fn backoff_s(config: &Config, failures: u32) -> u64 {
    let factor = 2_u64.saturating_pow(failures - 1);
    let doubled = config.retry_first_s.saturating_mul(factor);
    doubled.min(config.retry_max_s)
}

/// Two thirds of its life after the certificate began, as authorities recommend.
fn renewal(facts: &Facts) -> Timestamp {
    facts.not_before + facts.not_after.since(facts.not_before) * 2 / 3
}

fn covers(facts: &Facts, names: &[String]) -> bool {
    names.iter().all(|name| facts.names.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const START: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn names() -> Vec<String> {
        vec!["relay.example.com".to_owned()]
    }

    fn ninety_days() -> Facts {
        Facts {
            names: names(),
            serial: "01".to_owned(),
            not_before: START,
            not_after: START + DAY * 90,
        }
    }

    fn failed(failures: u32) -> Attempts {
        Attempts {
            names: names(),
            last: Some(START.as_millis()),
            failures,
            jitter_permille: 0,
        }
    }

    #[test]
    fn the_first_order_is_due_at_once() {
        let due = due(&Config::default(), &names(), None, &Attempts::default());
        assert_eq!(due, Timestamp::default());
    }

    #[test]
    fn a_certificate_is_renewed_at_two_thirds_of_its_life() {
        let due = due(
            &Config::default(),
            &names(),
            Some(&ninety_days()),
            &failed(0),
        );
        assert_eq!(due, START + DAY * 60);
    }

    #[test]
    fn a_certificate_without_a_wanted_name_is_replaced_when_an_order_is_allowed() {
        let more = [names(), vec!["mail.example.com".to_owned()]].concat();
        let due = due(&Config::default(), &more, Some(&ninety_days()), &failed(0));
        assert_eq!(due, START + Duration::from_secs(3600));
    }

    #[test]
    fn waits_grow_with_each_failure_up_to_a_limit_and_are_minutes_at_least() {
        let wait = |failures| next_attempt(&Config::default(), &failed(failures)).since(START);
        let waits = [1, 2, 3, 6, 7, 40, u32::MAX].map(|failures| wait(failures).as_secs());
        assert_eq!(waits, [900, 1800, 3600, 28_800, 43_200, 43_200, 43_200]);
    }

    #[test]
    fn jitter_only_lengthens_a_wait() {
        let attempts = Attempts {
            jitter_permille: 250,
            ..failed(1)
        };
        let wait = next_attempt(&Config::default(), &attempts).since(START);
        assert_eq!(wait.as_secs(), 1125);
        assert!((0..100).all(|_| jitter_permille() <= MAX_JITTER_PERMILLE));
    }

    #[test]
    fn a_success_is_followed_by_an_interval_whatever_the_certificate_says() {
        let expired = Facts {
            not_after: START,
            ..ninety_days()
        };
        let attempts = failed(5).one_more(START, 0).succeeded();
        let due = due(&Config::default(), &names(), Some(&expired), &attempts);
        assert_eq!(due, START + Duration::from_secs(3600));
    }
}
