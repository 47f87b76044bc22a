//! One face for both databases: SQLite, embedded, and PostgreSQL, shared.
//!
//! The files of the store write statements once, bind values and read rows; which database answers is decided
//! here. Where the two need different words, a [`Text`] holds both. A thin layer of our own costs the embedded
//! database nothing and keeps the types of columns to the three there are: integers, text and octets.

mod builder;
mod connection;
mod query;
mod row;
mod value;

pub(in crate::store) use self::builder::QueryBuilder;
pub(in crate::store) use self::connection::{Connection, Connector, Pool};
pub(in crate::store) use self::query::{Query, Text, query, query_scalar};
pub(in crate::store) use self::row::{Column, Kind, Row};
pub(in crate::store) use self::value::Value;

/// A database that speaks SQL in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Dialect {
    Sqlite,
    Postgres,
}
