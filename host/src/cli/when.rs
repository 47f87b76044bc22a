//! A point in time as a person says it: a day, an instant, or how long ago.

use std::str::FromStr;
use std::time::Duration;

use crate::clock::Timestamp;

/// A point in time of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When(pub Timestamp);

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        absolute(text)
            .or_else(|| ago(text, Timestamp::now()))
            .map(Self)
            .ok_or_else(|| {
                "say 2026-11-24 or 2026-11-24T06:00:00Z (UTC), or how long ago: 90m, 12h, 7d"
                    .to_owned()
            })
    }
}

fn absolute(text: &str) -> Option<Timestamp> {
    Timestamp::parse_utc(text).or_else(|| Timestamp::parse_utc(&format!("{text}T00:00:00Z")))
}

fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    let unit_s = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let number: u64 = text[..text.len() - 1].parse().ok()?;
    Some(now - Duration::from_secs(number.checked_mul(unit_s)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_day_an_instant_or_a_while_ago() {
        let midnight = Timestamp::parse_utc("2026-11-24T00:00:00Z");
        assert_eq!(absolute("2026-11-24"), midnight);
        assert_eq!(absolute("2026-11-24T00:00:00Z"), midnight);
        let now = Timestamp::from_millis(100_000_000);
        let cases = [
            ("10s", Some(99_990_000)),
            ("1m", Some(99_940_000)),
            ("2h", Some(92_800_000)),
            ("1d", Some(13_600_000)),
            ("d", None),
            ("1w", None),
            ("1é", None),
            ("99999999999999999999d", None),
        ];
        for (text, expected) in cases {
            assert_eq!(ago(text, now).map(Timestamp::as_millis), expected, "{text}");
        }
        assert!("yesterday".parse::<When>().is_err());
    }
}
