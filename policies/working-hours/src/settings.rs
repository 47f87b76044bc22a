//! The settings of this policy: read, and explained when they are wrong.

use std::fmt;

use policy_kit::json::Value;
use policy_kit::settings::{self as document, Problem};

use crate::bindings::gatepost::policy::types::Priority;
use crate::bulk::Bulk;
use crate::window::{DAYS, LocalMinute, Window};

/// The JSON Schema that `describe` hands out.
pub const SCHEMA: &str = include_str!("settings.schema.json");

/// The settings there are.
const NAMES: [&str; 7] = [
    "days",
    "opens",
    "closes",
    "utc-offset",
    "bulk-recipients",
    "bulk-priority",
    "bulk-headers",
];
/// What settings look like.
const EXAMPLE: &str = r#"{"opens": "08:00", "closes": "18:00"}"#;
/// Most recipients that can be told apart; the host takes no more in one message.
const MAX_RECIPIENTS: u64 = 100_000;
/// Minutes of the largest offset from UTC there is, and more.
const MAX_OFFSET: u64 = 14 * 60;
/// The words of `bulk-priority`.
const PRIORITIES: [(&str, Option<Priority>); 6] = [
    ("highest", Some(Priority::Highest)),
    ("high", Some(Priority::High)),
    ("normal", Some(Priority::Normal)),
    ("low", Some(Priority::Low)),
    ("lowest", Some(Priority::Lowest)),
    ("none", None),
];

/// The settings in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// When bulk mail may leave.
    pub window: Window,
    /// Where the window's clock stands.
    pub zone: Zone,
    /// What bulk mail is.
    pub bulk: Bulk,
}

/// A fixed offset from UTC, in minutes. Default 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zone(i64);

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let minutes = self.0.unsigned_abs();
        write!(f, "UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl Settings {
    /// The local time at these milliseconds since 1970-01-01T00:00:00Z.
    pub const fn local(&self, at_ms: u64) -> LocalMinute {
        LocalMinute((at_ms / 60_000).saturating_add_signed(self.zone.0))
    }
}

/// Reads the settings.
///
/// # Errors
///
/// Everything that is wrong with them.
pub fn read(json: &str) -> Result<Settings, Vec<Problem>> {
    let mut settings = Settings::default();
    let problems = document::read(json, &NAMES, EXAMPLE, |name, value, problems| {
        read_member(name, value, &mut settings, problems);
    });
    document::unless_wrong(settings, problems)
}

/// What is wrong with the settings.
pub fn problems(json: &str) -> Vec<Problem> {
    read(json).err().unwrap_or_default()
}

fn read_member(name: &str, value: &Value, settings: &mut Settings, problems: &mut Vec<Problem>) {
    const CLOCK: &str = "a time such as \"08:00\"";
    const OFFSET: &str = "an offset from UTC from \"-14:00\" to \"+14:00\", such as \"+01:00\"";
    let Settings { window, zone, bulk } = settings;
    match name {
        "days" => window.days = days(name, value, problems),
        "opens" => {
            let opens = document::parsed(name, value, CLOCK, |text| clock(text, 23), problems);
            window.opens = opens.unwrap_or_default();
        }
        "closes" => {
            let closes = document::parsed(name, value, CLOCK, |text| clock(text, 24), problems);
            window.closes = closes.unwrap_or_default();
        }
        "utc-offset" => {
            let parsed = document::parsed(name, value, OFFSET, offset, problems);
            *zone = parsed.unwrap_or_default();
        }
        "bulk-recipients" => {
            let range = 0..=MAX_RECIPIENTS;
            let number = document::whole_number(name, value, range, problems);
            bulk.recipients = number.unwrap_or_default();
        }
        "bulk-priority" => {
            let priority = document::one_of(name, value, &PRIORITIES, problems);
            bulk.priority = priority.flatten();
        }
        _ => bulk.headers = document::list(name, value, "a field name", field_name, problems),
    }
}

fn days(name: &str, value: &Value, problems: &mut Vec<Problem>) -> [bool; 7] {
    const EXPECTED: &str =
        "one of \"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\" and \"sun\"";
    let before = problems.len();
    let number = |word: &str| DAYS.iter().position(|day| *day == word);
    let found = document::list(name, value, EXPECTED, number, problems);
    if found.is_empty() && problems.len() == before {
        problems.push(Problem::new("/days", "must have at least one day"));
    }
    std::array::from_fn(|day| found.contains(&day))
}

/// The minutes of `08:30`; `24:00` where `last_hour` allows it.
fn clock(text: &str, last_hour: u64) -> Option<u64> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
    let minutes = hour * 60 + minute;
    (hour <= last_hour && minute < 60 && minutes <= 24 * 60).then_some(minutes)
}

fn two_digits(text: &str) -> Option<u64> {
    let digits = text.len() == 2 && text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn offset(text: &str) -> Option<Zone> {
    let minutes = |rest: &str| clock(rest, 14).filter(|minutes| *minutes <= MAX_OFFSET);
    let (sign, minutes) = match text.split_at_checked(1)? {
        ("+", rest) => (1, minutes(rest)?),
        ("-", rest) => (-1, minutes(rest)?),
        _ => return None,
    };
    Some(Zone(sign * minutes.cast_signed()))
}

/// A name of RFC 5322 §2.2, in lower case.
fn field_name(text: &str) -> Option<String> {
    let known = |octet: u8| octet.is_ascii_graphic() && octet != b':';
    let valid = !text.is_empty() && text.bytes().all(known);
    valid.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str) -> Vec<String> {
        let problems = read(json).expect_err(json);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_setting_has_a_default() {
        assert_eq!(read("{}"), Ok(Settings::default()));
    }

    #[test]
    fn every_setting_is_read() {
        let json = r#"{"days":["sat","sun"],"opens":"22:30","closes":"24:00","utc-offset":"-03:30",
            "bulk-recipients":0,"bulk-priority":"none","bulk-headers":["List-Id"]}"#;
        let settings = Settings {
            window: Window {
                days: [false, false, false, false, false, true, true],
                opens: 22 * 60 + 30,
                closes: 24 * 60,
            },
            zone: Zone(-210),
            bulk: Bulk {
                recipients: 0,
                priority: None,
                headers: vec!["List-Id".to_owned()],
            },
        };
        assert_eq!(read(json), Ok(settings));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_would_be_right() {
        let cases = [
            (
                r#"{"open":"08:00"}"#,
                "/open: `open` is not a setting; the settings are `days`",
            ),
            (r#"{"days":[]}"#, "/days: must have at least one day"),
            (r#"{"days":["monday"]}"#, "/days/0: must be one of \"mon\""),
            (r#"{"days":["mon","mon"]}"#, "/days/1: repeats \"mon\""),
            (
                r#"{"opens":"24:00"}"#,
                "/opens: must be a time such as \"08:00\"",
            ),
            (r#"{"opens":"8:00"}"#, "/opens: must be a time"),
            (r#"{"closes":"24:01"}"#, "/closes: must be a time"),
            (r#"{"closes":800}"#, "/closes: must be a time"),
            (
                r#"{"utc-offset":"Europe/Berlin"}"#,
                "/utc-offset: must be an offset from UTC",
            ),
            (
                r#"{"utc-offset":"+14:01"}"#,
                "/utc-offset: must be an offset",
            ),
            (r#"{"utc-offset":""}"#, "/utc-offset: must be an offset"),
            (
                r#"{"bulk-recipients":-1}"#,
                "/bulk-recipients: must be a whole number from 0",
            ),
            (
                r#"{"bulk-priority":"urgent"}"#,
                "/bulk-priority: must be \"highest\", \"high\"",
            ),
            (
                r#"{"bulk-headers":["a b"]}"#,
                "/bulk-headers/0: must be a field name",
            ),
        ];
        for (json, expected) in cases {
            let told = told(json);
            assert_eq!(told.len(), 1, "{told:?}");
            let start = format!("settings{expected}");
            assert!(told[0].starts_with(&start), "{} / {start}", told[0]);
        }
    }

    #[test]
    fn the_schema_has_the_settings_and_their_defaults() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
        let properties = schema["properties"].as_object().expect("an object");
        let mut names: Vec<_> = properties.keys().map(String::as_str).collect();
        let mut expected = NAMES;
        names.sort_unstable();
        expected.sort_unstable();
        assert_eq!(names, expected);
        let defaults: serde_json::Map<String, serde_json::Value> = properties
            .iter()
            .map(|(name, property)| (name.clone(), property["default"].clone()))
            .collect();
        let document = serde_json::Value::from(defaults).to_string();
        assert_eq!(read(&document), Ok(Settings::default()));
    }

    #[test]
    fn local_time_is_utc_and_the_offset() {
        let zone = |minutes| Settings {
            zone: Zone(minutes),
            ..Settings::default()
        };
        assert_eq!(zone(90).local(60_000 * 100), LocalMinute(190));
        assert_eq!(zone(-90).local(60_000 * 100 + 59_999), LocalMinute(10));
        assert_eq!(zone(-90).local(0), LocalMinute(0));
        assert_eq!(zone(-210).zone.to_string(), "UTC-03:30");
    }
}
