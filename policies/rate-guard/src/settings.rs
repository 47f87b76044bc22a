//! The settings of this policy: read, and explained when they are wrong.

use policy_kit::settings::{self as document, Problem};

/// The JSON Schema that `describe` hands out.
pub const SCHEMA: &str = include_str!("settings.schema.json");

/// The settings there are.
const NAMES: [&str; 5] = [
    "messages-per-hour",
    "messages-per-day",
    "recipients-per-hour",
    "recipients-per-day",
    "over",
];
/// What settings look like.
const EXAMPLE: &str = r#"{"messages-per-hour": 100}"#;
/// The largest limit.
const MAX_LIMIT: u64 = 1_000_000_000;
/// The words of `over`.
const OVER: [(&str, Over); 2] = [("defer", Over::Defer), ("alert", Over::Alert)];

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Each message once, whatever the number of its recipients.
    Messages,
    /// Each recipient of each message.
    Recipients,
}

impl Counted {
    /// What people call it, and the name of its counter.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Recipients => "recipients",
        }
    }
}

/// How long a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
}

impl Window {
    /// Its length in seconds.
    pub const fn seconds(self) -> u32 {
        match self {
            Self::Hour => 60 * 60,
            Self::Day => 24 * 60 * 60,
        }
    }

    /// What people call it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Hour => "an hour",
            Self::Day => "a day",
        }
    }
}

/// So many in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub counted: Counted,
    /// The window, which slides.
    pub window: Window,
    /// How many are within the limit.
    pub most: u64,
}

/// What happens beyond a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Over {
    /// The message is deferred and not counted, and an alert is raised.
    #[default]
    Defer,
    /// The message is sent and counted, and an alert is raised by the one that goes beyond.
    Alert,
}

/// The settings in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// At least one, in the order of the document.
    pub limits: Vec<Limit>,
    /// What happens beyond one.
    pub over: Over,
}

/// Reads the settings.
///
/// # Errors
///
/// Everything that is wrong with them.
pub fn read(json: &str) -> Result<Settings, Vec<Problem>> {
    let mut settings = Settings::default();
    let mut problems = document::read(json, &NAMES, EXAMPLE, |name, value, problems| {
        if name == "over" {
            settings.over = document::one_of(name, value, &OVER, problems).unwrap_or_default();
        } else if let Some(most) = document::whole_number(name, value, 1..=MAX_LIMIT, problems) {
            let (counted, window) = counted_in(name);
            settings.limits.push(Limit {
                counted,
                window,
                most,
            });
        }
    });
    if problems.is_empty() && settings.limits.is_empty() {
        let message = format!("must have at least one limit, such as {EXAMPLE}");
        problems.push(Problem::new("", message));
    }
    document::unless_wrong(settings, problems)
}

/// What is wrong with the settings.
pub fn problems(json: &str) -> Vec<Problem> {
    read(json).err().unwrap_or_default()
}

fn counted_in(name: &str) -> (Counted, Window) {
    let counted = if name.starts_with("messages") {
        Counted::Messages
    } else {
        Counted::Recipients
    };
    let window = if name.ends_with("hour") {
        Window::Hour
    } else {
        Window::Day
    };
    (counted, window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_read() {
        let limit = |counted, window, most| Limit {
            counted,
            window,
            most,
        };
        let json = r#"{"messages-per-hour":1,"recipients-per-day":4,"recipients-per-hour":3,
            "messages-per-day":2,"over":"alert"}"#;
        let settings = Settings {
            limits: vec![
                limit(Counted::Messages, Window::Hour, 1),
                limit(Counted::Recipients, Window::Day, 4),
                limit(Counted::Recipients, Window::Hour, 3),
                limit(Counted::Messages, Window::Day, 2),
            ],
            over: Over::Alert,
        };
        assert_eq!(read(json), Ok(settings));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_would_be_right() {
        let cases = [
            ("{}", "settings: must have at least one limit"),
            (
                r#"{"over":"defer"}"#,
                "settings: must have at least one limit",
            ),
            (
                r#"{"messages":5}"#,
                "settings/messages: `messages` is not a setting; the settings are `messages-per-hour`",
            ),
            (
                r#"{"messages-per-hour":0}"#,
                "settings/messages-per-hour: must be a whole number from 1 to",
            ),
            (
                r#"{"messages-per-day":1,"over":"reject"}"#,
                "settings/over: must be \"defer\" or \"alert\", not \"reject\"",
            ),
        ];
        for (json, start) in cases {
            let problems = read(json).expect_err(json);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].to_string().starts_with(start), "{problems:?}");
        }
    }

    #[test]
    fn the_schema_has_every_setting() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
        let properties = schema["properties"].as_object().expect("an object");
        assert_eq!(properties.len(), NAMES.len());
        for name in NAMES {
            assert!(properties.contains_key(name), "{name}");
        }
    }
}
