//! How many messages a user may send in a while: a word or a number, wherever it is entered.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Timestamp;

/// The word for no limit.
const UNLIMITED: &str = "unlimited";
/// The word for what the configuration says.
const DEFAULT: &str = "default";

/// At most so many; none is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit(pub Option<NonZeroU32>);

/// A user's own limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allowance {
    /// What the configuration says for all users.
    #[default]
    Default,
    /// This, whatever the configuration says.
    Own(Limit),
}

/// Why a user was made inactive by the relay itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// Since when.
    pub at: Timestamp,
    /// One sentence for a person.
    pub reason: String,
}

/// Why a text is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use a number from 1 to 4294967295, or `unlimited`")]
pub struct ParseLimitError;

/// Why a text is no allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "use a number from 1 to 4294967295, `unlimited`, or `default` for what the configuration says"
)]
pub struct ParseAllowanceError;

impl Limit {
    /// No limit.
    pub const UNLIMITED: Self = Self(None);

    /// At most `number`; 0 is unlimited.
    pub const fn at_most(number: u32) -> Self {
        Self(NonZeroU32::new(number))
    }
}

impl Allowance {
    /// The limit in effect where the configuration says `default`.
    pub fn or(self, default: Limit) -> Limit {
        match self {
            Self::Default => default,
            Self::Own(limit) => limit,
        }
    }
}

impl FromStr for Limit {
    type Err = ParseLimitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            UNLIMITED => Ok(Self::UNLIMITED),
            number => number
                .parse()
                .map(Some)
                .map(Self)
                .map_err(|_| ParseLimitError),
        }
    }
}

impl FromStr for Allowance {
    type Err = ParseAllowanceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            DEFAULT => Ok(Self::Default),
            limit => limit
                .parse()
                .map(Self::Own)
                .map_err(|_| ParseAllowanceError),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => number.fmt(f),
            None => f.write_str(UNLIMITED),
        }
    }
}

impl Serialize for Limit {
    /// A number, or `"unlimited"`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(number) => serializer.serialize_u32(number.get()),
            None => serializer.serialize_str(UNLIMITED),
        }
    }
}

impl Serialize for Allowance {
    /// A number, `"unlimited"` or `"default"`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Default => serializer.serialize_str(DEFAULT),
            Self::Own(limit) => limit.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LimitVisitor)
    }
}

struct LimitVisitor;

impl Visitor<'_> for LimitVisitor {
    type Value = Limit;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 1 to 4294967295, or \"unlimited\"")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Limit, E> {
        let number = u32::try_from(number).ok().and_then(NonZeroU32::new);
        number
            .map(Some)
            .map(Limit)
            .ok_or_else(|| E::custom(ParseLimitError))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Limit, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_a_word() {
        for (text, expected) in [
            ("1", Ok(Limit::at_most(1))),
            ("unlimited", Ok(Limit::UNLIMITED)),
            ("4294967295", Ok(Limit::at_most(u32::MAX))),
            ("0", Err(ParseLimitError)),
            ("-1", Err(ParseLimitError)),
            ("4294967296", Err(ParseLimitError)),
            ("default", Err(ParseLimitError)),
            ("", Err(ParseLimitError)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }

    #[test]
    fn a_users_own_limit_counts_before_the_default() {
        let of = |text: &str| text.parse::<Allowance>().map(|it| it.or(Limit::at_most(7)));
        assert_eq!(of("default"), Ok(Limit::at_most(7)));
        assert_eq!(of("9"), Ok(Limit::at_most(9)));
        assert_eq!(of("unlimited"), Ok(Limit::UNLIMITED));
        assert_eq!(of("lots"), Err(ParseAllowanceError));
    }

    #[test]
    fn a_config_says_a_number_or_a_word() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Table {
            limit: Limit,
        }
        let parse = |text: &str| toml::from_str::<Table>(text).map(|table| table.limit);
        assert_eq!(parse("limit = 5"), Ok(Limit::at_most(5)));
        assert_eq!(parse("limit = \"unlimited\""), Ok(Limit::UNLIMITED));
        for text in [
            "limit = 0",
            "limit = -5",
            "limit = \"many\"",
            "limit = true",
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains("from 1 to 4294967295"), "{error}");
        }
    }

    #[test]
    fn programs_read_a_number_or_a_word() {
        for (allowance, expected) in [
            (Allowance::Default, "\"default\""),
            (Allowance::Own(Limit::UNLIMITED), "\"unlimited\""),
            (Allowance::Own(Limit::at_most(3)), "3"),
        ] {
            let shown = serde_json::to_string(&allowance).expect("JSON");
            assert_eq!(shown, expected);
        }
    }
}
