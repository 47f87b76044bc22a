//! The five priorities, 1 the most urgent.

use std::fmt;
use std::str::FromStr;

/// How urgent a message is. Smaller is more urgent, so the more urgent of two is their `min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum Priority {
    /// 1, very high.
    Highest = 1,
    /// 2, high.
    High = 2,
    /// 3, normal.
    #[default]
    Normal = 3,
    /// 4, low.
    Low = 4,
    /// 5, very low.
    Lowest = 5,
}

impl Priority {
    /// From most to least urgent.
    pub const ALL: [Self; 5] = [
        Self::Highest,
        Self::High,
        Self::Normal,
        Self::Low,
        Self::Lowest,
    ];

    /// The number people use, 1 to 5.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The next more urgent one; 1 stays.
    pub const fn more_urgent(self) -> Self {
        match self {
            Self::Highest | Self::High => Self::Highest,
            Self::Normal => Self::High,
            Self::Low => Self::Normal,
            Self::Lowest => Self::Low,
        }
    }

    /// From the number people use.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|priority| i64::from(priority.number()) == number)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// The text is not a priority.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a priority; use 1 (very high), 2 (high), 3 (normal), 4 (low) or 5 (very low)"
)]
pub struct ParsePriorityError(String);

impl FromStr for Priority {
    type Err = ParsePriorityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse()
            .ok()
            .and_then(Self::from_number)
            .ok_or_else(|| ParsePriorityError(text.to_owned()))
    }
}

impl serde::Serialize for Priority {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

/// A number from 1 to 5.
impl<'de> serde::Deserialize<'de> for Priority {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        Self::from_number(number)
            .ok_or_else(|| serde::de::Error::custom(ParsePriorityError(number.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_urgent_of_two_is_the_smaller() {
        assert_eq!(Priority::Highest.min(Priority::Low), Priority::Highest);
    }

    #[test]
    fn only_1_to_5_are_priorities() {
        assert_eq!("1".parse(), Ok(Priority::Highest));
        for text in ["0", "6", "high", "", "-1"] {
            assert!(text.parse::<Priority>().is_err(), "{text}");
        }
    }
}
