//! The one place that asks what time it is, so that everything else can be told.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Milliseconds since the machine started, the time that it slept included: a clock that nobody sets.
///
/// A process that was frozen finds that the time has passed.
pub fn uptime_ms() -> i64 {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(clock);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

impl Timestamp {
    /// The current time of the system clock.
    pub fn now() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// From RFC 3339 text in UTC, with or without a fraction, for example `2026-11-24T06:00:00Z`.
    ///
    /// None when it is malformed, in another zone, or no point in time. A leap second is the next one's first.
    pub fn parse_utc(text: &str) -> Option<Self> {
        let digits = |range: std::ops::Range<usize>| -> Option<i64> {
            let digits = text.get(range)?;
            let is_number = digits.bytes().all(|octet| octet.is_ascii_digit());
            is_number.then(|| digits.parse().ok()).flatten()
        };
        let separators = [(4, '-'), (7, '-'), (10, 'T'), (13, ':'), (16, ':')];
        let is_shaped = separators.iter().all(|&(at, mark)| {
            text.get(at..=at)
                .is_some_and(|c| c.eq_ignore_ascii_case(&mark.to_string()))
        });
        let millis = fraction(text.get(19..)?)?;
        let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
        let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
        let days = days_since_epoch(year, month, day)?;
        (is_shaped && hour < 24 && minute < 60 && second <= 60).then(|| {
            let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
            Self(seconds * 1000 + millis)
        })
    }

    /// RFC 3339 in UTC without a fraction.
    pub fn to_whole_seconds(self) -> String {
        let text = self.to_string();
        format!("{}Z", &text[..text.len() - ".000Z".len()])
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

/// RFC 3339 in UTC with milliseconds, as logs and `--json` print it.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0.div_euclid(86_400_000);
        let millis = self.0.rem_euclid(86_400_000);
        let (year, month, day) = civil_date(days);
        let (hour, minute) = (millis / 3_600_000, millis / 60_000 % 60);
        let (second, milli) = (millis / 1000 % 60, millis % 1000);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"
        )
    }
}

/// The proleptic Gregorian date `days` after 1970-01-01.
pub(crate) fn civil_date(days: i64) -> (i64, i64, i64) {
    // Counted in years that begin in March, so that the leap day comes last; an era is 400 years.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Milliseconds of `.5Z`, `.123456Z` or `Z`.
fn fraction(text: &str) -> Option<i64> {
    let inside = text.strip_suffix(['Z', 'z'])?;
    let Some(digits) = inside.strip_prefix('.') else {
        return inside.is_empty().then_some(0);
    };
    let is_number = (1..=9).contains(&digits.len()) && digits.bytes().all(|o| o.is_ascii_digit());
    let millis = format!("{digits:0<3}");
    is_number.then(|| millis[..3].parse().ok()).flatten()
}

/// Days after 1970-01-01 of a date that there is.
fn days_since_epoch(year: i64, month: i64, day: i64) -> Option<i64> {
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    (civil_date(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_in_utc_is_read() {
        let read = |text: &str| Timestamp::parse_utc(text).map(Timestamp::as_millis);
        assert_eq!(read("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(read("2000-02-29t00:00:00z"), Some(951_782_400_000));
        assert_eq!(read("2026-11-23T15:59:59.999Z"), Some(1_795_449_599_999));
        assert_eq!(read("2026-11-23T15:59:59.9Z"), Some(1_795_449_599_900));
        let malformed = [
            "",
            "2026",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00+01:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.x1Z",
            "+026-01-01T00:00:00Z",
            "2026-01-01T00:00:0\u{e9}Z",
        ];
        for text in malformed {
            assert_eq!(read(text), None, "{text}");
        }
        let now = Timestamp::from_millis(1_795_449_599_999);
        assert_eq!(Timestamp::parse_utc(&now.to_string()), Some(now));
        assert_eq!(now.to_whole_seconds(), "2026-11-23T15:59:59Z");
    }

    #[test]
    fn a_timestamp_prints_as_rfc_3339() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_449_599_999, "2026-11-23T15:59:59.999Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ];
        for (millis, text) in cases {
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
        }
    }

    #[test]
    fn uptime_grows() {
        let before = uptime_ms();
        assert!(before > 0);
        while uptime_ms() == before {
            std::thread::yield_now();
        }
        assert!(uptime_ms() > before);
    }

    #[test]
    fn time_does_not_run_backwards_into_a_panic() {
        let early = Timestamp::from_millis(5);
        assert_eq!(early.since(early + Duration::from_secs(1)), Duration::ZERO);
        assert_eq!((early + Duration::MAX).as_millis(), i64::MAX);
    }
}
