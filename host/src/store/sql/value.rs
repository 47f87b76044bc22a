//! Values that statements are given. Each knows its type also when there is none: PostgreSQL asks for it.

use std::borrow::Cow;

use bytes::Bytes;
use sqlx::Arguments;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;

/// A value, or NULL of its type; for PostgreSQL also a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Value {
    Integer(Option<i64>),
    Text(Option<String>),
    Octets(Option<Bytes>),
    Integers(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
    AllOctets(Vec<Option<Bytes>>),
}

impl Value {
    /// Rows of so many values each, as a list for each column.
    pub(super) fn in_lists(values: impl Iterator<Item = Self>, columns: usize) -> Vec<Self> {
        let mut lists: Vec<Self> = Vec::with_capacity(columns);
        for (place, value) in values.enumerate() {
            match lists.get_mut(place % columns) {
                Some(list) => list.append(value),
                None => lists.push(value.in_list()),
            }
        }
        lists
    }

    fn in_list(self) -> Self {
        match self {
            Self::Integer(number) => Self::Integers(vec![number]),
            Self::Text(text) => Self::Texts(vec![text]),
            Self::Octets(octets) => Self::AllOctets(vec![octets]),
            list => list,
        }
    }

    fn append(&mut self, value: Self) {
        match (self, value) {
            (Self::Integers(list), Self::Integer(number)) => list.push(number),
            (Self::Texts(list), Self::Text(text)) => list.push(text),
            (Self::AllOctets(list), Self::Octets(octets)) => list.push(octets),
            (list, value) => unreachable!("a column has one type: {list:?}, {value:?}"),
        }
    }

    pub(super) fn add_to_sqlite(self, arguments: &mut SqliteArguments) -> Result<(), BoxDynError> {
        match self {
            Self::Integer(number) => arguments.add(number),
            Self::Text(text) => arguments.add(text),
            Self::Octets(octets) => arguments.add(octets.map(Vec::from)),
            Self::Integers(_) | Self::Texts(_) | Self::AllOctets(_) => {
                Err("SQLite has no lists".into())
            }
        }
    }

    pub(super) fn add_to_postgres(&self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        match self {
            Self::Integer(number) => arguments.add(*number),
            Self::Text(text) => arguments.add(text.as_deref().map(without_nul)),
            Self::Octets(octets) => arguments.add(octets.as_deref()),
            Self::Integers(numbers) => arguments.add(numbers.as_slice()),
            Self::Texts(texts) => {
                let texts = texts.iter().map(|text| text.as_deref().map(without_nul));
                arguments.add(texts.collect::<Vec<_>>())
            }
            Self::AllOctets(all) => {
                arguments.add(all.iter().map(Option::as_deref).collect::<Vec<_>>())
            }
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
        Self::Octets(Some(Bytes::copy_from_slice(octets)))
    }
}

impl From<Bytes> for Value {
    fn from(octets: Bytes) -> Self {
        Self::Octets(Some(octets))
    }
}

impl From<Vec<u8>> for Value {
    fn from(octets: Vec<u8>) -> Self {
        Self::Octets(Some(octets.into()))
    }
}

impl From<Vec<Option<i64>>> for Value {
    fn from(numbers: Vec<Option<i64>>) -> Self {
        Self::Integers(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_a_list_for_each_column() {
        let row = |number: i64, text: Option<&str>| [Value::from(number), Value::from(text)];
        let rows = [row(1, Some("a")), row(2, None)];
        let lists = Value::in_lists(rows.into_iter().flatten(), 2);
        let numbers = Value::Integers(vec![Some(1), Some(2)]);
        let texts = Value::Texts(vec![Some("a".to_owned()), None]);
        assert_eq!(lists, [numbers, texts]);
    }

    #[test]
    fn text_for_postgres_holds_no_nul() {
        assert_eq!(without_nul("a\0b"), "a\u{fffd}b");
        assert_eq!(without_nul("plain"), "plain");
    }
}
