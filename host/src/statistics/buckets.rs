//! Hours, days, weeks and months, as people look at them; all in UTC.

use serde::{Deserialize, Serialize};

use super::{Period, Span};
use crate::clock::{Timestamp, civil_date};

const HOURS: i64 = 24;
const DAYS: i64 = 30;
const WEEKS: i64 = 26;
const MONTHS: i64 = 12;
/// Spans that one question is made of at most: the days of two years.
const MAX_PIECES: usize = 750;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What time is divided by, and so how far back one looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The last 24 hours.
    Hour,
    /// The last 30 days.
    #[default]
    Day,
    /// The last 26 weeks, which begin on Monday.
    Week,
    /// The last 12 months.
    Month,
}

impl By {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// The rows that it is made of.
    pub const fn span(self) -> Span {
        match self {
            Self::Hour => Span::Hour,
            Self::Day | Self::Week | Self::Month => Span::Day,
        }
    }

    /// As addresses of pages name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// How far back it looks, for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Hour => "24 hours",
            Self::Day => "30 days",
            Self::Week => "26 weeks",
            Self::Month => "12 months",
        }
    }
}

/// Where each bucket begins, the oldest first; the last one is that of `now`.
pub fn starts(by: By, now: Timestamp) -> Vec<Timestamp> {
    let steps = |length: i64, count: i64, newest: i64| {
        let back = (0..count).rev();
        back.map(|step| Timestamp::from_millis(newest - step * length))
            .collect()
    };
    let today = Span::Day.start(now).as_millis();
    match by {
        By::Hour => steps(HOUR_MS, HOURS, Span::Hour.start(now).as_millis()),
        By::Day => steps(DAY_MS, DAYS, today),
        By::Week => {
            // 1970-01-01 was a Thursday.
            let weekday = (today / DAY_MS + 3).rem_euclid(7);
            steps(7 * DAY_MS, WEEKS, today - weekday * DAY_MS)
        }
        By::Month => months(today / DAY_MS),
    }
}

/// All buckets together.
pub fn period(by: By, now: Timestamp) -> Period {
    let from = starts(by, now).first().copied().unwrap_or(now);
    Period {
        from,
        until: Timestamp::from_millis(now.as_millis() + 1),
    }
}

/// The spans that a period of whole days is made of: months that lie in it whole, and the days beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    /// When each month begins.
    pub months: Vec<Timestamp>,
    /// When each day begins.
    pub days: Vec<Timestamp>,
}

impl Pieces {
    /// Those of a period; of a very long one the first `MAX_PIECES`.
    pub fn of(period: Period) -> Self {
        let mut pieces = Self::default();
        let mut start = Span::Day.start(period.from);
        while start < period.until && pieces.months.len() + pieces.days.len() < MAX_PIECES {
            let next = next_month(start);
            if month(start) == start && next <= period.until {
                pieces.months.push(start);
                start = next;
            } else {
                pieces.days.push(start);
                start = Timestamp::from_millis(start.as_millis() + DAY_MS);
            }
        }
        pieces
    }
}

/// When the month around `time` began.
pub fn month(time: Timestamp) -> Timestamp {
    let day = time.as_millis().div_euclid(DAY_MS);
    let (_, _, day_of_month) = civil_date(day);
    Timestamp::from_millis((day - day_of_month + 1) * DAY_MS)
}

/// When the month after that around `time` begins.
fn next_month(time: Timestamp) -> Timestamp {
    // No month is longer, and none so short that it would be skipped.
    month(Timestamp::from_millis(
        month(time).as_millis() + 31 * DAY_MS,
    ))
}

/// The first days of this month and the ones before it.
fn months(today: i64) -> Vec<Timestamp> {
    let mut starts = Vec::new();
    let mut day = today;
    for _ in 0..MONTHS {
        let first = month(Timestamp::from_millis(day * DAY_MS));
        starts.push(first);
        day = first.as_millis() / DAY_MS - 1;
    }
    starts.reverse();
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_begin_where_people_expect() {
        let now = Timestamp::parse_utc("2026-03-01T05:37:01Z").expect("a time");
        for (by, count, first, last) in [
            (By::Hour, 24, "2026-02-28T06:00:00Z", "2026-03-01T05:00:00Z"),
            (By::Day, 30, "2026-01-31T00:00:00Z", "2026-03-01T00:00:00Z"),
            (By::Week, 26, "2025-09-01T00:00:00Z", "2026-02-23T00:00:00Z"),
            (
                By::Month,
                12,
                "2025-04-01T00:00:00Z",
                "2026-03-01T00:00:00Z",
            ),
        ] {
            let starts = starts(by, now);
            assert_eq!(starts.len(), count, "{by:?}");
            assert_eq!(starts[0].to_whole_seconds(), first, "{by:?}");
            assert_eq!(starts[count - 1].to_whole_seconds(), last, "{by:?}");
            assert!(starts.is_sorted());
        }
    }

    #[test]
    fn a_period_is_made_of_whole_months_and_the_days_beside_them() {
        let at = |text| Timestamp::parse_utc(text).expect("a time");
        let pieces = |from, until| {
            Pieces::of(Period {
                from: at(from),
                until: at(until),
            })
        };
        let year = pieces("2025-04-01T00:00:00Z", "2026-03-05T12:00:00Z");
        assert_eq!((year.months.len(), year.days.len()), (11, 5));
        assert_eq!(year.months[10], at("2026-02-01T00:00:00Z"));
        assert_eq!(year.days[4], at("2026-03-05T00:00:00Z"));
        let between = pieces("2026-01-30T05:00:00Z", "2026-03-02T00:00:00Z");
        assert_eq!(between.months, [at("2026-02-01T00:00:00Z")]);
        assert_eq!(
            between.days,
            [
                at("2026-01-30T00:00:00Z"),
                at("2026-01-31T00:00:00Z"),
                at("2026-03-01T00:00:00Z")
            ]
        );
        let longest = pieces("1970-01-02T00:00:00Z", "2970-01-01T00:00:00Z");
        assert_eq!(longest.months.len() + longest.days.len(), MAX_PIECES);
    }
}
