//! What a list wants to be told of, whom, and when.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{GROUPS, Group};
use crate::smtp::Mailbox;

/// Addresses that are told of a list's alerts. 20: more are a distribution list of the mail server.
pub const MAX_RECIPIENTS: usize = 20;
/// Quiet periods of a day. 8 are more than anybody's week needs.
pub const MAX_QUIET: usize = 8;

/// When people are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// The first at once, what follows merged after a pause.
    #[default]
    AtOnce,
    /// What there is at the end of each hour.
    Hourly,
    /// What there is once a day.
    Daily,
}

/// Alert settings of a list, or of the whole relay.
///
/// The defaults keep and show every alert, and tell nobody until recipients are named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct AlertSettings {
    /// What is told by mail and webhook. Default: every group.
    pub groups: BTreeSet<Group>,
    /// Who is told by mail. Default: nobody.
    pub recipients: Vec<String>,
    /// When. Default: at once.
    pub pace: Pace,
    /// When the daily digest is sent, by the clock of `offset`. Default 07:00.
    pub daily_at: TimeOfDay,
    /// When nobody is told, by the clock of `offset`. Default: never.
    pub quiet: Vec<Quiet>,
    /// How far that clock is ahead of UTC. Default `+00:00`.
    pub offset: Offset,
    /// Critical alerts wait for no digest and no end of a quiet period. Default true.
    pub critical_passes: bool,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            groups: GROUPS.into_iter().collect(),
            recipients: Vec::new(),
            pace: Pace::default(),
            daily_at: TimeOfDay(7 * 60),
            quiet: Vec::new(),
            offset: Offset::default(),
            critical_passes: true,
        }
    }
}

/// What is wrong with settings, and in which field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SettingProblem {
    /// The field by its name.
    pub field: &'static str,
    /// What is wrong, for people.
    pub message: String,
}

impl AlertSettings {
    /// Finds what cannot be meant.
    ///
    /// # Errors
    /// The first problem.
    pub fn check(&self) -> Result<(), SettingProblem> {
        for recipient in &self.recipients {
            if let Err(error) = Mailbox::parse_utf8(recipient) {
                let message = format!("{recipient:?} is not an address: {error}");
                return problem("recipients", message);
            }
        }
        if self.recipients.len() > MAX_RECIPIENTS {
            let message = format!("at most {MAX_RECIPIENTS} addresses can be told");
            return problem("recipients", message);
        }
        if self.quiet.len() > MAX_QUIET {
            let message = format!("at most {MAX_QUIET} quiet periods can be set");
            return problem("quiet", message);
        }
        Ok(())
    }

    /// Whether alerts of this group are told.
    pub fn wants(&self, group: Group) -> bool {
        group == Group::Test || self.groups.contains(&group)
    }
}

impl AlertSettings {
    /// Sets the recipients from addresses separated by `;`, `,` or spaces.
    ///
    /// # Errors
    /// The first that is no address.
    pub fn set_recipients(&mut self, text: &str) -> Result<(), SettingProblem> {
        let parts = text.split([';', ',', ' ', '\n', '\r']).map(str::trim);
        self.recipients = parts
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        self.recipients.dedup();
        self.check()
    }

    /// Sets the quiet periods from texts like `22:00-06:00`, separated by `;`, `,` or spaces.
    ///
    /// # Errors
    /// The first that is no period.
    pub fn set_quiet(&mut self, text: &str) -> Result<(), SettingProblem> {
        let parts = text.split([';', ',', ' ', '\n', '\r']).map(str::trim);
        let periods = parts.filter(|part| !part.is_empty()).map(str::parse);
        let periods: Result<Vec<Quiet>, String> = periods.collect();
        self.quiet = periods.map_err(|message| SettingProblem {
            field: "quiet",
            message,
        })?;
        self.check()
    }
}

fn problem(field: &'static str, message: String) -> Result<(), SettingProblem> {
    Err(SettingProblem { field, message })
}

/// A minute of a day, written as `HH:MM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// Minutes after midnight, below 1,440.
    pub const fn minutes(self) -> u16 {
        self.0
    }
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let minutes = minutes(text).filter(|&minutes| minutes < 24 * 60);
        let wrong = || format!("{text:?} is not a time of day; write it like 22:30");
        minutes.map(Self).ok_or_else(wrong)
    }
}

/// Of `HH:MM`.
fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let number = |text: &str| -> Option<u16> {
        let is_number = text.len() == 2 && text.bytes().all(|octet| octet.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (minutes < 60).then_some(hours * 60 + minutes)
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// A part of each day, written as `22:00-06:00`; it may pass midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// From this minute on.
    pub from: TimeOfDay,
    /// Until this minute begins.
    pub to: TimeOfDay,
}

impl Quiet {
    /// Whether a minute of the day is within it.
    pub fn covers(self, minute: u16) -> bool {
        let (from, to) = (self.from.0, self.to.0);
        if from < to {
            (from..to).contains(&minute)
        } else {
            minute >= from || minute < to
        }
    }
}

impl FromStr for Quiet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a period; write it like 22:00-06:00");
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let (from, to) = (from.parse()?, to.parse()?);
        if from == to {
            return Err(format!("{text:?} begins when it ends"));
        }
        Ok(Self { from, to })
    }
}

impl fmt::Display for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from, self.to)
    }
}

/// How far a clock is ahead of UTC, written as `+01:00`; `UTC` is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset(i16);

impl Offset {
    /// Minutes ahead of UTC, of which there are at most 14 hours.
    pub const fn minutes(self) -> i16 {
        self.0
    }
}

impl FromStr for Offset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not an offset from UTC; write it like +01:00 or -05:00");
        let text = text.trim();
        if text.eq_ignore_ascii_case("utc") {
            return Ok(Self(0));
        }
        let (sign, rest) = match text.split_at_checked(1) {
            Some(("+", rest)) => (1, rest),
            Some(("-", rest)) => (-1, rest),
            _ => return Err(wrong()),
        };
        let found = minutes(rest).filter(|&minutes| minutes <= 14 * 60);
        let found = found.and_then(|minutes| i16::try_from(minutes).ok());
        found.map(|minutes| Self(sign * minutes)).ok_or_else(wrong)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let minutes = self.0.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// Written and read as their text.
macro_rules! as_text {
    ($($type:ty),*) => {
        $(
            impl Serialize for $type {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> Deserialize<'de> for $type {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let text = String::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                }
            }
        )*
    };
}

as_text!(TimeOfDay, Quiet, Offset);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_period_may_pass_midnight() {
        let night: Quiet = "22:00-06:30".parse().expect("a period");
        let day: Quiet = "09:00-17:00".parse().expect("a period");
        for (minute, is_night, is_day) in [
            (0, true, false),
            (389, true, false),
            (390, false, false),
            (540, false, true),
            (1019, false, true),
            (1020, false, false),
            (1320, true, false),
        ] {
            assert_eq!(
                (night.covers(minute), day.covers(minute)),
                (is_night, is_day),
                "{minute}"
            );
        }
    }

    #[test]
    fn texts_that_are_none_are_refused_with_an_example() {
        for text in ["", "7:00", "24:00", "12:60", "noon", "07:00:00"] {
            assert!(text.parse::<TimeOfDay>().is_err(), "{text}");
        }
        for text in ["", "22:00", "22:00-22:00", "22-06"] {
            assert!(text.parse::<Quiet>().is_err(), "{text}");
        }
        for (text, minutes) in [("+01:00", 60), ("-05:30", -330), ("utc", 0), ("+00:00", 0)] {
            let offset: Offset = text.parse().expect("an offset");
            assert_eq!(offset.minutes(), minutes);
        }
        for text in ["", "1", "01:00", "+15:00", "CET"] {
            assert!(text.parse::<Offset>().is_err(), "{text}");
        }
    }

    #[test]
    fn settings_are_what_was_written() {
        let settings = AlertSettings {
            groups: [Group::Bounce].into(),
            recipients: vec!["ann@example.com".to_owned()],
            pace: Pace::Daily,
            quiet: vec!["22:00-06:00".parse().expect("a period")],
            offset: "-03:30".parse().expect("an offset"),
            ..AlertSettings::default()
        };
        let text = serde_json::to_string(&settings).expect("JSON");
        assert_eq!(
            serde_json::from_str::<AlertSettings>(&text).expect("JSON"),
            settings
        );
        assert!(settings.check().is_ok() && settings.wants(Group::Test));
        assert!(!settings.wants(Group::PolicyFailure));
        let wrong = AlertSettings {
            recipients: vec!["ann".to_owned()],
            ..settings
        };
        assert_eq!(wrong.check().expect_err("no address").field, "recipients");
    }
}
