//! The settings of this policy: read, and explained when they are wrong.

use policy_kit::allowed::Entry;
use policy_kit::json::Value;
use policy_kit::settings::{self as document, Problem};

/// The JSON Schema that `describe` hands out.
pub const SCHEMA: &str = include_str!("settings.schema.json");

/// The settings there are.
const NAMES: [&str; 3] = ["address", "display-name", "reverse-path"];
/// What settings look like.
const EXAMPLE: &str = r#"{"address": "shop@example.com"}"#;
/// Longest display name, in octets; the host takes no more.
const MAX_DISPLAY_NAME: usize = 256;

/// The settings in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What an unauthorized From becomes, for users who may use it. Default the user's first authorized
    /// sender.
    pub address: Option<String>,
    /// The display name of the new From. Default that of the only author there was.
    pub display_name: Option<String>,
    /// Whether an unauthorized reverse-path becomes the address too. Default true.
    pub reverse_path: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: None,
            display_name: None,
            reverse_path: true,
        }
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
    const ADDRESS: &str = "an address such as \"shop@example.com\", its domain as A-labels";
    const DISPLAY_NAME: &str = "a text of at most 256 octets without control characters";
    match name {
        "address" => settings.address = document::parsed(name, value, ADDRESS, address, problems),
        "display-name" => {
            let parsed = document::parsed(name, value, DISPLAY_NAME, display_name, problems);
            settings.display_name = parsed;
        }
        _ => match value.text {
            "true" => settings.reverse_path = true,
            "false" => settings.reverse_path = false,
            _ => {
                let message = format!("must be true or false, not {}", document::quoted(value));
                problems.push(Problem::new("/reverse-path", message));
            }
        },
    }
}

fn address(text: &str) -> Option<String> {
    Entry::address(text).map(|_| text.to_owned())
}

fn display_name(text: &str) -> Option<String> {
    let valid = text.len() <= MAX_DISPLAY_NAME && !text.chars().any(char::is_control);
    valid.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_read_and_has_a_default() {
        assert_eq!(read("{}"), Ok(Settings::default()));
        let json = r#"{"address":"shop@example.com","display-name":"Shop","reverse-path":false}"#;
        let settings = Settings {
            address: Some("shop@example.com".to_owned()),
            display_name: Some("Shop".to_owned()),
            reverse_path: false,
        };
        assert_eq!(read(json), Ok(settings));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_would_be_right() {
        let long = format!(r#"{{"display-name":"{}"}}"#, "x".repeat(257));
        let cases = [
            (
                r#"{"adress":"a@b"}"#,
                "settings/adress: `adress` is not a setting",
            ),
            (
                r#"{"address":"example.com"}"#,
                "settings/address: must be an address such as",
            ),
            (
                r#"{"address":"Shop <shop@example.com>"}"#,
                "settings/address: must be an address",
            ),
            (
                r#"{"address":"*@example.com"}"#,
                "settings/address: must be an address",
            ),
            (
                r#"{"display-name":"a\r\nb"}"#,
                "settings/display-name: must be a text of at most",
            ),
            (&long, "settings/display-name: must be a text"),
            (
                r#"{"reverse-path":"yes"}"#,
                "settings/reverse-path: must be true or false, not \"yes\"",
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
