//! Statements with their values, and what is asked of them.

use std::fmt::Write as _;
use std::marker::PhantomData;

use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query as Statement;
use sqlx::sqlite::{Sqlite, SqliteArguments};
use sqlx::{Arguments, AssertSqlSafe, Error, SqlSafeStr, SqlStr};

use super::builder::{Piece, rendered};
use super::connection::{Link, On, is_lost, patiently};
use super::{Column, Dialect, Pool, Row, Value};

/// The words of a statement.
pub(in crate::store) enum Text {
    /// Both databases understand them. Parameters are `$1`, `$2` and so on.
    Shared(&'static str),
    /// For SQLite, and for PostgreSQL.
    Pair(&'static str, &'static str),
    /// Both understand them, once each `?` has the number that PostgreSQL wants.
    ///
    /// SQLite keeps numbers in a list that is searched once for every value that is bound, which takes longer
    /// than many rows do.
    Places(&'static str),
    /// Put together by a builder.
    Built(Vec<Piece>),
}

impl Text {
    fn of(&self, dialect: Dialect) -> SqlStr {
        match (self, dialect) {
            (Self::Shared(sql), _)
            | (Self::Pair(sql, _) | Self::Places(sql), Dialect::Sqlite)
            | (Self::Pair(_, sql), Dialect::Postgres) => (*sql).into_sql_str(),
            (Self::Places(sql), Dialect::Postgres) => AssertSqlSafe(numbered(sql)).into_sql_str(),
            (Self::Built(pieces), _) => AssertSqlSafe(rendered(pieces, dialect)).into_sql_str(),
        }
    }
}

impl From<&'static str> for Text {
    fn from(sql: &'static str) -> Self {
        Self::Shared(sql)
    }
}

impl From<(&'static str, &'static str)> for Text {
    fn from((sqlite, postgres): (&'static str, &'static str)) -> Self {
        Self::Pair(sqlite, postgres)
    }
}

fn numbered(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len() * 3 / 2);
    for (place, part) in sql.split('?').enumerate() {
        if place > 0 {
            write!(text, "${place}").expect("a string takes everything");
        }
        text.push_str(part);
    }
    text
}

/// A statement with its values so far.
#[must_use = "a statement does nothing until it is executed"]
pub(in crate::store) struct Query {
    text: Text,
    values: Vec<Value>,
    persistent: bool,
}

/// What came of a statement without rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Done {
    rows: u64,
}

impl Done {
    /// How many rows it made, changed or deleted.
    pub(in crate::store) const fn rows_affected(self) -> u64 {
        self.rows
    }
}

/// A statement of these words.
pub(in crate::store) fn query(text: impl Into<Text>) -> Query {
    Query::of(text.into(), Vec::new())
}

/// A statement of these words, of whose rows the first column is wanted.
pub(in crate::store) fn query_scalar<T>(text: impl Into<Text>) -> Scalar<T> {
    query(text).into()
}

/// Reading can be done again: a server that was restarted has cut every connection, and each notices by itself.
macro_rules! on_pool {
    ($query:ident.$how:ident($pool:ident, $patience:expr)) => {{
        let mut left = $pool.options().get_max_connections();
        loop {
            let mut link = $pool.acquire().await?;
            let answer = $query.postgres()?.$how(&mut *link);
            match patiently($patience, Box::pin(answer)).await {
                Ok(answer) => break answer,
                Err(error) => {
                    let is_lost = is_lost(&error);
                    if is_lost || matches!(error, Error::Io(_)) {
                        link.close_on_drop();
                    }
                    if left == 0 || !is_lost {
                        return Err(error);
                    }
                    left -= 1;
                }
            }
        }
    }};
}

/// Executes on whatever it is to be executed on, in the words of its database.
///
/// In boxes: what waits for an answer is 4 KiB otherwise, and so is everything that may ever ask something.
macro_rules! run {
    ($query:ident.$how:ident($on:ident)) => {
        match $on.into() {
            On::Pool(Pool::Sqlite(pool)) => {
                Answer::Sqlite(Box::pin($query.sqlite()?.$how(pool)).await?)
            }
            On::Pool(Pool::Postgres { pool, patience }) => Answer::Postgres(
                Box::pin(async { Ok::<_, Error>(on_pool!($query.$how(pool, *patience))) }).await?,
            ),
            On::Connection(connection) => match connection.link() {
                Link::Sqlite(link) => Answer::Sqlite(Box::pin($query.sqlite()?.$how(link)).await?),
                Link::Postgres(link, patience) => {
                    let answer = $query.postgres()?.$how(link);
                    Answer::Postgres(patiently(patience, Box::pin(answer)).await?)
                }
            },
        }
    };
}

enum Answer<S, P> {
    Sqlite(S),
    Postgres(P),
}

impl Query {
    pub(super) const fn of(text: Text, values: Vec<Value>) -> Self {
        Self {
            text,
            values,
            persistent: true,
        }
    }

    /// Makes room for so many values.
    pub(in crate::store) fn with_room(mut self, values: usize) -> Self {
        self.values.reserve(values);
        self
    }

    /// Adds the next value.
    pub(in crate::store) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// What was bound behind the first `lead` values as rows becomes a list for each column: parts one after the other,
    /// of so many rows and columns each. For PostgreSQL alone.
    pub(in crate::store) fn in_lists(mut self, lead: usize, parts: &[(usize, usize)]) -> Self {
        let mut rows = self.values.split_off(lead).into_iter();
        for &(count, columns) in parts {
            let part = rows.by_ref().take(count * columns);
            self.values.extend(Value::in_lists(part, columns));
        }
        self
    }

    /// Whether the database should remember it for the next time. It does unless told otherwise.
    pub(in crate::store) const fn persistent(mut self, is: bool) -> Self {
        self.persistent = is;
        self
    }

    /// Executes it and asks how many rows it concerned.
    ///
    /// # Errors
    /// What the database says.
    pub(in crate::store) async fn execute<'a>(
        self,
        on: impl Into<On<'a>> + Send,
    ) -> Result<Done, Error> {
        let rows = match run!(self.execute(on)) {
            Answer::Sqlite(done) => done.rows_affected(),
            Answer::Postgres(done) => done.rows_affected(),
        };
        Ok(Done { rows })
    }

    /// All rows.
    ///
    /// # Errors
    /// What the database says.
    pub(in crate::store) async fn fetch_all<'a>(
        self,
        on: impl Into<On<'a>> + Send,
    ) -> Result<Vec<Row>, Error> {
        Ok(match run!(self.fetch_all(on)) {
            Answer::Sqlite(rows) => rows.into_iter().map(Row::Sqlite).collect(),
            Answer::Postgres(rows) => rows.into_iter().map(Row::Postgres).collect(),
        })
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// What the database says.
    pub(in crate::store) async fn fetch_optional<'a>(
        self,
        on: impl Into<On<'a>> + Send,
    ) -> Result<Option<Row>, Error> {
        Ok(match run!(self.fetch_optional(on)) {
            Answer::Sqlite(row) => row.map(Row::Sqlite),
            Answer::Postgres(row) => row.map(Row::Postgres),
        })
    }

    /// The first row.
    ///
    /// # Errors
    /// What the database says, and when there is no row.
    pub(in crate::store) async fn fetch_one<'a>(
        self,
        on: impl Into<On<'a>> + Send,
    ) -> Result<Row, Error> {
        self.fetch_optional(on).await?.ok_or(Error::RowNotFound)
    }

    fn sqlite(self) -> Result<Statement<'static, Sqlite, SqliteArguments>, Error> {
        let sql = self.text.of(Dialect::Sqlite);
        let mut arguments = SqliteArguments::default();
        arguments.reserve(self.values.len(), 0);
        for value in self.values {
            let added = value.add_to_sqlite(&mut arguments);
            added.map_err(Error::Encode)?;
        }
        Ok(sqlx::query_with(sql, arguments).persistent(self.persistent))
    }

    fn postgres(&self) -> Result<Statement<'static, Postgres, PgArguments>, Error> {
        let sql = self.text.of(Dialect::Postgres);
        let mut arguments = PgArguments::default();
        arguments.reserve(self.values.len(), 0);
        for value in &self.values {
            let added = value.add_to_postgres(&mut arguments);
            added.map_err(Error::Encode)?;
        }
        Ok(sqlx::query_with(sql, arguments).persistent(self.persistent))
    }

    /// Its words for a database.
    #[cfg(test)]
    pub(in crate::store) fn sql(&self, dialect: Dialect) -> String {
        self.text.of(dialect).as_str().to_owned()
    }
}

/// A statement of whose rows the first column is wanted.
#[must_use = "a statement does nothing until it is executed"]
pub(in crate::store) struct Scalar<T> {
    query: Query,
    wanted: PhantomData<fn() -> T>,
}

impl<T> From<Query> for Scalar<T> {
    fn from(query: Query) -> Self {
        Self {
            query,
            wanted: PhantomData,
        }
    }
}

impl<T: for<'r> Column<'r>> Scalar<T> {
    /// Adds the next value.
    pub(in crate::store) fn bind(self, value: impl Into<Value>) -> Self {
        self.query.bind(value).into()
    }

    /// As [`Query::persistent`].
    pub(in crate::store) const fn persistent(mut self, is: bool) -> Self {
        self.query.persistent = is;
        self
    }

    /// The column of the first row.
    ///
    /// # Errors
    /// What the database says, and when there is no row.
    pub(in crate::store) async fn fetch_one<'a>(
        self,
        on: impl Into<On<'a>> + Send,
    ) -> Result<T, Error> {
        self.query.fetch_one(on).await?.try_get(0)
    }

    /// The column of the first row, if there is one.
    ///
    /// # Errors
    /// What the database says.
    pub(in crate::store) async fn fetch_optional<'a>(
        self,
        on: impl Into<On<'a>> + Send,
    ) -> Result<Option<T>, Error> {
        let row = self.query.fetch_optional(on).await?;
        row.map(|row| row.try_get(0)).transpose()
    }

    /// The column of all rows.
    ///
    /// # Errors
    /// What the database says.
    pub(in crate::store) async fn fetch_all<'a>(
        self,
        on: impl Into<On<'a>> + Send,
    ) -> Result<Vec<T>, Error> {
        let rows = self.query.fetch_all(on).await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }
}
