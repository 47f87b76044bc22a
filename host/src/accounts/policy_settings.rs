//! What a list or a user tells the policies beside the rest: names and values that a policy understands.
//!
//! The relay itself gives them no meaning. They reach a policy as the facts `list.setting.NAME` and
//! `account.setting.NAME`.

use std::collections::BTreeMap;
use std::str::FromStr;

/// Settings of one list or user. Default 32: a policy has a handful.
const MAX_SETTINGS: usize = 32;
/// Octets of a name, so that the fact's name has 64.
const MAX_NAME_OCTETS: usize = 48;
/// Octets of a value. Default 1,024, as every fact's.
const MAX_VALUE_OCTETS: usize = 1024;

/// Settings by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct PolicySettings(BTreeMap<String, String>);

/// One setting as an administrator gives it, `NAME=VALUE`; without a value it is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySetting {
    name: String,
    value: String,
}

/// A setting cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicySettingError {
    /// It is not `NAME=VALUE`.
    #[error("`{0}` is not NAME=VALUE")]
    Malformed(String),
    /// The name is not one.
    #[error(
        "`{0}` cannot be the name of a setting: use 1 to {MAX_NAME_OCTETS} of a-z, 0-9, `-` and `.`"
    )]
    Name(String),
    /// The value is too long or does not print.
    #[error("the value of `{0}` has more than {MAX_VALUE_OCTETS} octets or a control character")]
    Value(String),
    /// There are too many.
    #[error("more than {MAX_SETTINGS} settings")]
    TooMany,
}

impl FromStr for PolicySetting {
    type Err = PolicySettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| PolicySettingError::Malformed(text.to_owned()))?;
        let known = |octet: u8| {
            octet.is_ascii_lowercase() || octet.is_ascii_digit() || b"-.".contains(&octet)
        };
        if !(1..=MAX_NAME_OCTETS).contains(&name.len()) || !name.bytes().all(known) {
            return Err(PolicySettingError::Name(name.escape_debug().to_string()));
        }
        if value.len() > MAX_VALUE_OCTETS || value.chars().any(char::is_control) {
            return Err(PolicySettingError::Value(name.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl PolicySettings {
    /// From the document that the store keeps; none when it is not one.
    pub fn parse(document: &str) -> Option<Self> {
        serde_json::from_str(document).ok().map(Self)
    }

    /// As a JSON document; none when there are no settings.
    pub fn document(&self) -> Option<String> {
        let document = || serde_json::to_string(&self.0).expect("texts can be written");
        (!self.0.is_empty()).then(document)
    }

    /// From text with one `NAME=VALUE` on each line; lines without any are left out.
    ///
    /// # Errors
    /// The first line that is no setting, or that there are too many.
    pub fn from_lines(text: &str) -> Result<Self, PolicySettingError> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty());
        let changes = lines.map(str::parse).collect::<Result<Vec<_>, _>>()?;
        let mut settings = Self::default();
        settings.apply(&changes)?;
        Ok(settings)
    }

    /// As such a text.
    pub fn lines(&self) -> String {
        let lines: Vec<String> = self
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        lines.join("\n")
    }

    /// Sets what has a value and removes what has none.
    ///
    /// # Errors
    /// When there would be too many.
    pub fn apply(&mut self, changes: &[PolicySetting]) -> Result<(), PolicySettingError> {
        for PolicySetting { name, value } in changes {
            if value.is_empty() {
                self.0.remove(name);
            } else {
                self.0.insert(name.clone(), value.clone());
            }
        }
        if self.0.len() > MAX_SETTINGS {
            return Err(PolicySettingError::TooMany);
        }
        Ok(())
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(text: &str) -> PolicySetting {
        text.parse().expect("a setting")
    }

    #[test]
    fn a_setting_is_a_name_and_a_value() {
        for good in ["a=b", "working-hours.from=08:00", "x=", "x=a=b", "x=ü"] {
            assert!(good.parse::<PolicySetting>().is_ok(), "{good}");
        }
        let long_name = format!("{}=1", "n".repeat(49));
        let long_value = format!("n={}", "v".repeat(1025));
        for bad in [
            "",
            "a",
            "=b",
            "A=b",
            "a b=c",
            "a_b=c",
            "a=b\nc",
            &long_name,
            &long_value,
        ] {
            assert!(bad.parse::<PolicySetting>().is_err(), "{bad}");
        }
    }

    #[test]
    fn settings_are_set_replaced_removed_and_counted() {
        let mut settings = PolicySettings::default();
        assert_eq!(settings.document(), None);
        let changes = ["a=1", "b=2", "a=3", "b="].map(setting);
        settings.apply(&changes).expect("few");
        assert_eq!(settings.iter().collect::<Vec<_>>(), [("a", "3")]);
        let lines = format!("\n {} \r\n", settings.lines());
        assert_eq!(PolicySettings::from_lines(&lines), Ok(settings.clone()));
        assert!(PolicySettings::from_lines("a=1\nb").is_err());
        let document = settings.document().expect("there is one");
        assert_eq!(PolicySettings::parse(&document), Some(settings.clone()));
        let many: Vec<_> = (0..32)
            .map(|number| setting(&format!("s{number}=x")))
            .collect();
        assert_eq!(settings.apply(&many), Err(PolicySettingError::TooMany));
    }
}
