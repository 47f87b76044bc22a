//! Connections: one that writes, a pool of those that read, and transactions of the pool.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, Postgres};
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteConnection, SqlitePool};
use sqlx::{Connection as _, Error};

use super::Dialect;

/// What both statements of a reading transaction see is one state of the database.
const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How to connect.
#[derive(Clone, Debug)]
pub(in crate::store) enum Connector {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres {
        options: Box<PgConnectOptions>,
        connect_timeout: Duration,
        /// How long a statement may take before the connection counts as lost.
        patience: Duration,
    },
}

/// A connection to a database.
pub(in crate::store) struct Connection(Kind);

enum Kind {
    Sqlite(SqliteConnection),
    SqliteReading(sqlx::Transaction<'static, Sqlite>),
    Postgres(PgConnection, Duration),
    PostgresReading(sqlx::Transaction<'static, Postgres>, Duration),
}

/// A connection as its database knows it.
pub(super) enum Link<'a> {
    Sqlite(&'a mut SqliteConnection),
    /// With its patience.
    Postgres(&'a mut PgConnection, Duration),
}

/// Connections that read; clones share them.
#[derive(Clone, Debug)]
pub(in crate::store) enum Pool {
    Sqlite(SqlitePool),
    Postgres {
        pool: PgPool,
        /// How long a statement may take before the connection counts as lost.
        patience: Duration,
    },
}

/// What a statement is executed on.
pub(in crate::store) enum On<'a> {
    Connection(&'a mut Connection),
    Pool(&'a Pool),
}

impl Connector {
    /// A new connection.
    ///
    /// # Errors
    /// The database cannot be reached or opened.
    pub(in crate::store) async fn connect(&self) -> Result<Connection, Error> {
        match self {
            Self::Sqlite(options) => Box::pin(SqliteConnection::connect_with(options))
                .await
                .map(Connection::from),
            Self::Postgres {
                options,
                connect_timeout,
                patience,
            } => {
                let connected = Box::pin(PgConnection::connect_with(options));
                let connection = patiently(*connect_timeout, connected).await?;
                Ok(Connection(Kind::Postgres(connection, *patience)))
            }
        }
    }
}

impl From<SqliteConnectOptions> for Connector {
    fn from(options: SqliteConnectOptions) -> Self {
        Self::Sqlite(Box::new(options))
    }
}

/// Begins on a connection that is not lost.
async fn begin_reading(
    pool: &PgPool,
    patience: Duration,
) -> Result<sqlx::Transaction<'static, Postgres>, Error> {
    let mut left = pool.options().get_max_connections();
    loop {
        match patiently(patience, pool.begin_with(BEGIN_READING)).await {
            Err(error) if left > 0 && is_lost(&error) => left -= 1,
            answer => return answer,
        }
    }
}

/// Whether the connection is of no use any more, while another may be. Who has waited in vain does not wait again.
pub(super) fn is_lost(error: &Error) -> bool {
    match error {
        Error::Io(error) => error.kind() != std::io::ErrorKind::TimedOut,
        Error::Protocol(_) | Error::Tls(_) => true,
        // The server shuts down or has ended the connection; what was prepared does not fit a migrated table any more.
        Error::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("57P") || code == "0A000"),
        _ => false,
    }
}

/// Waits for an answer, and not longer than that.
pub(super) async fn patiently<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(patience, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

impl Connection {
    pub(super) fn link(&mut self) -> Link<'_> {
        match &mut self.0 {
            Kind::Sqlite(connection) => Link::Sqlite(connection),
            Kind::SqliteReading(transaction) => Link::Sqlite(transaction),
            Kind::Postgres(connection, patience) => Link::Postgres(connection, *patience),
            Kind::PostgresReading(transaction, patience) => Link::Postgres(transaction, *patience),
        }
    }

    /// Which words it understands.
    pub(in crate::store) const fn dialect(&self) -> Dialect {
        match &self.0 {
            Kind::Sqlite(_) | Kind::SqliteReading(_) => Dialect::Sqlite,
            Kind::Postgres(..) | Kind::PostgresReading(..) => Dialect::Postgres,
        }
    }

    /// Executes a statement that has no values and no answer.
    ///
    /// # Errors
    /// What the database says.
    pub(in crate::store) async fn command(&mut self, sql: &'static str) -> Result<(), Error> {
        match self.link() {
            Link::Sqlite(connection) => {
                let answer = Box::pin(sqlx::query(sql).execute(connection));
                answer.await.map(drop)
            }
            // In one trip, which a prepared statement would need two for.
            Link::Postgres(connection, patience) => {
                patiently(patience, sqlx::raw_sql(sql).execute(connection))
                    .await
                    .map(drop)
            }
        }
    }

    /// Executes any number of such statements.
    ///
    /// # Errors
    /// What the database says.
    pub(in crate::store) async fn script(&mut self, sql: &'static str) -> Result<(), Error> {
        match self.link() {
            Link::Sqlite(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
            // Scripts make tables, however long that takes.
            Link::Postgres(connection, _) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
        }
    }

    /// Closes it.
    ///
    /// # Errors
    /// The database did not hear of it, or could not end as it should.
    pub(in crate::store) async fn close(self) -> Result<(), Error> {
        match self.0 {
            Kind::Sqlite(connection) => connection.close().await,
            Kind::Postgres(connection, patience) => patiently(patience, connection.close()).await,
            Kind::SqliteReading(transaction) => transaction.rollback().await,
            Kind::PostgresReading(transaction, patience) => {
                patiently(patience, transaction.rollback()).await
            }
        }
    }
}

impl From<SqliteConnection> for Connection {
    fn from(connection: SqliteConnection) -> Self {
        Self(Kind::Sqlite(connection))
    }
}

impl Pool {
    /// A transaction that reads.
    ///
    /// # Errors
    /// There is no connection, or it is lost.
    pub(in crate::store) async fn begin(&self) -> Result<Transaction, Error> {
        Ok(Transaction(Connection(match self {
            Self::Sqlite(pool) => Kind::SqliteReading(Box::pin(pool.begin()).await?),
            Self::Postgres { pool, patience } => {
                let begun = Box::pin(begin_reading(pool, *patience)).await?;
                Kind::PostgresReading(begun, *patience)
            }
        })))
    }

    /// Closes all of them.
    pub(in crate::store) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres { pool, .. } => pool.close().await,
        }
    }
}

/// A transaction that reads; dropped, it ends.
pub(in crate::store) struct Transaction(Connection);

impl Transaction {
    /// Ends it.
    ///
    /// # Errors
    /// The connection is lost.
    pub(in crate::store) async fn rollback(self) -> Result<(), Error> {
        self.0.close().await
    }
}

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

impl<'a> From<&'a mut Connection> for On<'a> {
    fn from(connection: &'a mut Connection) -> Self {
        Self::Connection(connection)
    }
}

impl<'a> From<&'a Pool> for On<'a> {
    fn from(pool: &'a Pool) -> Self {
        Self::Pool(pool)
    }
}
