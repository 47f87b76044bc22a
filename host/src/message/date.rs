//! Writes the date-time of RFC 5322 §3.3, which Date and Received carry.

use crate::clock::{Timestamp, civil_date};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
pub(super) const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAY_MS: i64 = 86_400_000;
/// 1970-01-01 was a Thursday, the fourth of [`DAYS`].
const EPOCH_DAY_OF_WEEK: i64 = 3;

/// Formats a point in time as an RFC 5322 date-time in UTC, for example `Thu, 29 Feb 2024 12:00:00 +0000`.
pub fn format_date(at: Timestamp) -> String {
    let days = at.as_millis().div_euclid(DAY_MS);
    let seconds = at.as_millis().rem_euclid(DAY_MS) / 1000;
    let (year, month, day) = civil_date(days);
    let day_name = name(&DAYS, days + EPOCH_DAY_OF_WEEK);
    let month_name = name(&MONTHS, month - 1);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{day_name}, {day} {month_name} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
}

/// The name at `index`, counted round and round.
fn name<const N: usize>(names: &[&'static str; N], index: i64) -> &'static str {
    let place = index.rem_euclid(N as i64);
    names[usize::try_from(place).expect("a remainder of a positive divisor is not negative")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_rfc_5322_asks() {
        let cases = [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (951_782_400_000, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_795_449_599_999, "Mon, 23 Nov 2026 15:59:59 +0000"),
            (1_735_689_599_000, "Tue, 31 Dec 2024 23:59:59 +0000"),
            (-1, "Wed, 31 Dec 1969 23:59:59 +0000"),
        ];
        for (millis, text) in cases {
            assert_eq!(format_date(Timestamp::from_millis(millis)), text);
        }
    }

    #[test]
    fn no_timestamp_is_too_far_away() {
        for millis in [i64::MIN, i64::MAX] {
            assert!(format_date(Timestamp::from_millis(millis)).ends_with(" +0000"));
        }
    }
}
