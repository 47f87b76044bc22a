//! Rows that a database answers with.

use super::Value;
use bytes::Bytes;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgRow, PgValueRef, Postgres};
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{ColumnIndex, Decode, Error, Row as _, Type, TypeInfo, ValueRef};

/// One row of an answer.
pub(in crate::store) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Kind {
    Integer,
    Text,
    Octets,
}

/// Where a column stands: its name, or its place from 0.
pub(in crate::store) trait Index:
    ColumnIndex<SqliteRow> + ColumnIndex<PgRow>
{
    /// For errors.
    fn name(&self) -> String;
}

impl Index for &str {
    fn name(&self) -> String {
        (*self).to_owned()
    }
}

impl Index for usize {
    fn name(&self) -> String {
        self.to_string()
    }
}

/// What can be read from a column.
pub(in crate::store) trait Column<'r>: Decode<'r, Sqlite> + Type<Sqlite> {
    /// From a value of PostgreSQL, whose types say more than those of SQLite.
    fn of_postgres(value: PgValueRef<'r>) -> Result<Self, BoxDynError>;
}

impl Row {
    /// The value of a column.
    ///
    /// # Errors
    /// There is no such column, or it holds something else.
    pub(in crate::store) fn try_get<'r, T: Column<'r>, I: Index>(
        &'r self,
        index: I,
    ) -> Result<T, Error> {
        match self {
            Self::Sqlite(row) => row.try_get(index),
            Self::Postgres(row) => {
                let name = index.name();
                T::of_postgres(row.try_get_raw(index)?).map_err(|source| Error::ColumnDecode {
                    index: name,
                    source,
                })
            }
        }
    }
}

impl Row {
    /// The value of a column, whatever it is.
    ///
    /// # Errors
    /// There is no such column, or it holds something else.
    pub(in crate::store) fn value(&self, place: usize, kind: Kind) -> Result<Value, Error> {
        Ok(match kind {
            Kind::Integer => Value::Integer(self.try_get(place)?),
            Kind::Text => Value::Text(self.try_get(place)?),
            Kind::Octets => {
                let octets: Option<Vec<u8>> = self.try_get(place)?;
                Value::Octets(octets.map(Bytes::from))
            }
        })
    }
}

/// Integers of every width: literals in a statement are narrower than columns.
impl<'r> Column<'r> for i64 {
    fn of_postgres(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let width = value.type_info().into_owned();
        match width.name() {
            "INT8" => Decode::<Postgres>::decode(value),
            "INT4" => <i32 as Decode<Postgres>>::decode(value).map(Self::from),
            "BOOL" => <bool as Decode<Postgres>>::decode(value).map(Self::from),
            other => Err(format!("a column of type {other} is not an integer").into()),
        }
    }
}

/// What is kept as 0 and 1.
impl<'r> Column<'r> for bool {
    fn of_postgres(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        i64::of_postgres(value).map(|number| number != 0)
    }
}

impl<'r> Column<'r> for String {
    fn of_postgres(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Decode::<Postgres>::decode(value)
    }
}

impl<'r> Column<'r> for &'r str {
    fn of_postgres(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Decode::<Postgres>::decode(value)
    }
}

impl<'r> Column<'r> for Vec<u8> {
    fn of_postgres(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Decode::<Postgres>::decode(value)
    }
}

impl<'r, T: Column<'r>> Column<'r> for Option<T> {
    fn of_postgres(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.is_null() {
            return Ok(None);
        }
        T::of_postgres(value).map(Some)
    }
}
