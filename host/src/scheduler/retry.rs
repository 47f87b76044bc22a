//! Decides what an outcome means for a recipient, and when it is tried next. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::clock::Timestamp;
use crate::queue::{Outcome, RecipientStatus};

/// The waits between attempts; the last one repeats. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

/// The text is not a retry schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a wait; write a number and s, m, h or d, for example \"1m,5m,1h\"")]
pub struct ParseScheduleError(String);

impl Default for Schedule {
    fn default() -> Self {
        let minutes = [1, 5, 15, 30, 60, 120, 240];
        Self(
            minutes
                .map(|count| Duration::from_secs(count * 60))
                .to_vec(),
        )
    }
}

impl Schedule {
    /// The wait after the attempt with this number, counted from 1.
    fn wait(&self, attempts: u32) -> Duration {
        let step = attempts.saturating_sub(1) as usize;
        let last = self.0.len() - 1;
        self.0[step.min(last)]
    }
}

impl FromStr for Schedule {
    type Err = ParseScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',')
            .map(wait)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// One wait: a positive number and its unit, at most a year.
fn wait(text: &str) -> Result<Duration, ParseScheduleError> {
    let text = text.trim();
    let malformed = || ParseScheduleError(text.to_owned());
    let unit = text.chars().last().ok_or_else(malformed)?;
    let unit_s: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(malformed()),
    };
    let count: u64 = text[..text.len() - 1]
        .trim()
        .parse()
        .map_err(|_| malformed())?;
    let seconds = count.checked_mul(unit_s).ok_or_else(malformed)?;
    if (1..=365 * 86_400).contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(malformed())
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// As it is written in the configuration, in seconds.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waits: Vec<String> = self
            .0
            .iter()
            .map(|wait| format!("{}s", wait.as_secs()))
            .collect();
        f.write_str(&waits.join(","))
    }
}

/// What is known of a recipient when an attempt has ended.
#[derive(Debug, Clone, Copy)]
pub struct Tried {
    /// Attempts made, this one included.
    pub attempts: u32,
    /// When this one ended.
    pub now: Timestamp,
    /// When the recipient is given up.
    pub expires_at: Timestamp,
}

/// The rules of retrying.
#[derive(Debug, Clone)]
pub struct Retry {
    /// The waits.
    pub schedule: Schedule,
    /// How far a wait is moved by chance, in per cent of it.
    pub jitter_percent: u8,
}

impl Retry {
    /// The status that an outcome leads to, and when the recipient is due again.
    ///
    /// The last wait ends at the expiry, so that there is one more attempt then. `chance` is in `0.0..1.0`.
    pub fn judge(
        &self,
        outcome: &Outcome,
        tried: Tried,
        chance: f64,
    ) -> (RecipientStatus, Timestamp) {
        match outcome {
            Outcome::Delivered(_) => (RecipientStatus::Delivered, tried.now),
            Outcome::Failed(_) => (RecipientStatus::Failed, tried.now),
            Outcome::Deferred(_) if tried.now >= tried.expires_at => {
                (RecipientStatus::Expired, tried.now)
            }
            Outcome::Deferred(_) => {
                let wait = self.schedule.wait(tried.attempts);
                let due_at = tried.now + jittered(wait, self.jitter_percent, chance);
                (RecipientStatus::Deferred, due_at.min(tried.expires_at))
            }
        }
    }
}

fn jittered(wait: Duration, percent: u8, chance: f64) -> Duration {
    let share = f64::from(percent.min(100)) / 100.0;
    wait.mul_f64((1.0 + share * (2.0 * chance - 1.0)).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::RemoteReply;

    const HOUR_MS: i64 = 3_600_000;

    fn retry() -> Retry {
        Retry {
            schedule: Schedule::default(),
            jitter_percent: 10,
        }
    }

    fn reply() -> RemoteReply {
        RemoteReply {
            code: 0,
            text: String::new(),
        }
    }

    fn tried(attempts: u32, now_ms: i64) -> Tried {
        Tried {
            attempts,
            now: Timestamp::from_millis(now_ms),
            expires_at: Timestamp::from_millis(120 * HOUR_MS),
        }
    }

    #[test]
    fn waits_grow_and_the_last_repeats() {
        let cases = [
            (1, 60),
            (2, 300),
            (3, 900),
            (7, 14_400),
            (8, 14_400),
            (u32::MAX, 14_400),
            (0, 60),
        ];
        for (attempts, seconds) in cases {
            let (status, due_at) =
                retry().judge(&Outcome::Deferred(reply()), tried(attempts, 0), 0.5);
            assert_eq!(status, RecipientStatus::Deferred);
            assert_eq!(due_at.as_millis(), seconds * 1000, "after {attempts}");
        }
    }

    #[test]
    fn chance_moves_a_wait_by_ten_per_cent_at_most() {
        for (chance, millis) in [(0.0, 54_000), (0.5, 60_000), (1.0, 66_000)] {
            let (_, due_at) = retry().judge(&Outcome::Deferred(reply()), tried(1, 0), chance);
            assert_eq!(due_at.as_millis(), millis);
        }
    }

    #[test]
    fn the_last_attempt_is_at_the_expiry_and_then_it_is_over() {
        let late = tried(20, 119 * HOUR_MS);
        let (status, due_at) = retry().judge(&Outcome::Deferred(reply()), late, 0.5);
        assert_eq!(
            (status, due_at),
            (RecipientStatus::Deferred, late.expires_at)
        );
        let over = tried(21, 120 * HOUR_MS);
        let (status, _) = retry().judge(&Outcome::Deferred(reply()), over, 0.5);
        assert_eq!(status, RecipientStatus::Expired);
        let (status, _) = retry().judge(&Outcome::Delivered(reply()), over, 0.5);
        assert_eq!(status, RecipientStatus::Delivered);
    }

    #[test]
    fn schedules_are_read_and_nonsense_is_refused() {
        assert_eq!("1m, 5m,15m,30m,1h,2h,4h".parse(), Ok(Schedule::default()));
        for text in [
            "",
            "1m,",
            "5",
            "m",
            "0s",
            "-1m",
            "1y",
            "99999999999999999999s",
            "366d",
            "é",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }
}
