//! Values that statements are given. Each knows its type also when there is none: PostgreSQL asks for it.

use std::borrow::Cow;

use sqlx::Arguments;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;

/// A value, or NULL of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Value {
    Integer(Option<i64>),
    Text(Option<String>),
    Octets(Option<Vec<u8>>),
}

impl Value {
    pub(super) fn add_to_sqlite(self, arguments: &mut SqliteArguments) -> Result<(), BoxDynError> {
        match self {
            Self::Integer(number) => arguments.add(number),
            Self::Text(text) => arguments.add(text),
            Self::Octets(octets) => arguments.add(octets),
        }
    }

    pub(super) fn add_to_postgres(&self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        match self {
            Self::Integer(number) => arguments.add(*number),
            Self::Text(text) => arguments.add(text.as_deref().map(without_nul)),
            Self::Octets(octets) => arguments.add(octets.as_deref()),
        }
    }
}

/// Text of PostgreSQL holds no NUL; what clients send may.
fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(Some(i64::from(number)))
    }
}

/// Kept as 0 and 1.
impl From<bool> for Value {
    fn from(is: bool) -> Self {
        Self::Integer(Some(i64::from(is)))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Integer(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(Some(text.clone()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<&Option<String>> for Value {
    fn from(text: &Option<String>) -> Self {
        Self::Text(text.clone())
    }
}

impl From<&[u8]> for Value {
    fn from(octets: &[u8]) -> Self {
        Self::Octets(Some(octets.to_vec()))
    }
}

impl From<Vec<u8>> for Value {
    fn from(octets: Vec<u8>) -> Self {
        Self::Octets(Some(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_for_postgres_holds_no_nul() {
        assert_eq!(without_nul("a\0b"), "a\u{fffd}b");
        assert_eq!(without_nul("plain"), "plain");
    }
}
