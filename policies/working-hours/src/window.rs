//! A time window of the week: when it is open, and how long until it opens.

use std::fmt;

/// Days by their short names, in the order of the week.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

const DAY_MINUTES: u64 = 24 * 60;
/// 1970-01-01 was a Thursday.
const FIRST_WEEKDAY: u64 = 3;

/// Minutes since 1970-01-01T00:00 in local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalMinute(pub u64);

/// A window that opens on some days of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The days it opens on, of [`DAYS`]. Default Monday to Friday.
    pub days: [bool; 7],
    /// The minute of the day it opens at. Default 08:00.
    pub opens: u64,
    /// The minute of the day it closes before, up to 24:00; not after `opens` means on the next day.
    /// Default 18:00.
    pub closes: u64,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            days: [true, true, true, true, true, false, false],
            opens: 8 * 60,
            closes: 18 * 60,
        }
    }
}

impl Window {
    /// True when it is open at `now`.
    pub fn includes(&self, now: LocalMinute) -> bool {
        let (today, minute) = (now.0 / DAY_MINUTES, now.0 % DAY_MINUTES);
        let since_yesterday = minute + DAY_MINUTES;
        (self.opens_on(today) && (self.opens..self.end()).contains(&minute))
            || (self.opens_on(today + 6) && (self.opens..self.end()).contains(&since_yesterday))
    }

    /// Minutes from `now`, when it is closed, until it opens.
    pub fn opens_in(&self, now: LocalMinute) -> u64 {
        let today = now.0 / DAY_MINUTES;
        let openings = (today..=today + 7).filter(|day| self.opens_on(*day));
        let starts = openings.map(|day| day * DAY_MINUTES + self.opens);
        let waits = starts.filter_map(|start| start.checked_sub(now.0));
        waits.min().unwrap_or(0)
    }

    /// The minute it closes at, counted from the start of the day it opens on.
    const fn end(&self) -> u64 {
        if self.closes > self.opens {
            self.closes
        } else {
            self.closes + DAY_MINUTES
        }
    }

    /// Whether it opens on this day since 1970; only the day of the week counts.
    fn opens_on(&self, day: u64) -> bool {
        self.days[((day + FIRST_WEEKDAY) % 7) as usize]
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in DAYS.iter().enumerate().filter(|(day, _)| self.days[*day]) {
            let first = self.days.iter().position(|day| *day) == Some(index);
            write!(f, "{}{name}", if first { "" } else { "," })?;
        }
        let clock = |minute: u64| format!("{:02}:{:02}", minute / 60, minute % 60);
        write!(f, " {}-{}", clock(self.opens), clock(self.closes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minutes of a moment of the week from Monday 2026-01-05, 20,458 days after 1970-01-01.
    fn at(day: u64, hour: u64, minute: u64) -> LocalMinute {
        LocalMinute(((20_458 + day) * 24 + hour) * 60 + minute)
    }

    fn window(days: [u8; 7], opens: u64, closes: u64) -> Window {
        Window {
            days: days.map(|day| day == 1),
            opens: opens * 60,
            closes: closes * 60,
        }
    }

    #[test]
    fn a_window_opens_at_its_first_minute_and_closes_before_its_last() {
        let office = Window::default();
        let cases = [
            (at(0, 7, 59), false),
            (at(0, 8, 0), true),
            (at(4, 17, 59), true),
            (at(4, 18, 0), false),
            (at(5, 12, 0), false),
            (at(6, 12, 0), false),
            (at(7, 12, 0), true),
        ];
        for (now, open) in cases {
            assert_eq!(office.includes(now), open, "{now:?}");
        }
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_opens_on() {
        let night = window([1, 0, 0, 0, 0, 0, 1], 22, 6);
        let cases = [
            (at(0, 5, 59), true),
            (at(0, 6, 0), false),
            (at(0, 22, 0), true),
            (at(1, 0, 0), true),
            (at(1, 5, 59), true),
            (at(1, 22, 0), false),
            (at(2, 3, 0), false),
            (at(6, 23, 0), true),
        ];
        for (now, open) in cases {
            assert_eq!(night.includes(now), open, "{now:?}");
        }
    }

    #[test]
    fn a_window_of_whole_days_never_closes_on_them() {
        for whole in [window([1, 1, 1, 1, 1, 1, 1], 0, 24), window([1; 7], 9, 9)] {
            for hour in 0..7 * 24 {
                assert!(whole.includes(at(0, hour, 30)), "{whole} {hour}");
            }
        }
    }

    #[test]
    fn the_wait_ends_when_the_window_opens() {
        let monday = window([1, 0, 0, 0, 0, 0, 0], 8, 9);
        let cases = [
            (Window::default(), at(0, 7, 0), 60),
            (Window::default(), at(4, 18, 0), (6 + 48 + 8) * 60),
            (Window::default(), at(1, 20, 30), 11 * 60 + 30),
            (monday, at(0, 9, 0), (7 * 24 - 1) * 60),
        ];
        for (window, now, wait) in cases {
            assert_eq!(window.opens_in(now), wait, "{window} {now:?}");
            assert!(!window.includes(now));
            assert!(window.includes(LocalMinute(now.0 + wait)));
        }
    }

    #[test]
    fn it_is_shown_as_it_is_set() {
        assert_eq!(
            Window::default().to_string(),
            "mon,tue,wed,thu,fri 08:00-18:00"
        );
        assert_eq!(
            window([0, 0, 0, 0, 0, 1, 0], 22, 24).to_string(),
            "sat 22:00-24:00"
        );
    }
}
