//! Copies a whole store into an empty database of either kind: in one transaction, and read back before it is committed.
//!
//! Tables and columns are asked of the databases, so that what a migration adds is copied too. Content goes along as
//! rows, wherever it lay.

mod catalog;
mod content;
mod numbers;

use std::time::Duration;

use sha2::{Digest, Sha256};

use self::catalog::Table;
use super::database::Database;
use super::lock::QueueLock;
use super::sql::{self, Connection, Dialect, QueryBuilder, Value};
use super::{Config, Store, StoreError, schema};

/// Rows read at a time. 500: a few hundred kilobytes.
const PAGE: usize = 500;
/// The same of tables whose rows may be large. 16: 4 MiB at most.
const LARGE_PAGE: usize = 16;
/// Values of one statement at most: SQLite takes 32,766.
const MAX_VALUES: usize = 30_000;
/// Tables that others refer to, in this order.
const FIRST: [&str; 4] = ["list", "account", "operator", "api_token"];
/// Tables that a new store has rows in. They come last: copying the others counts as changes in some of them.
const SEEDED: [&str; 4] = [
    "salt_key",
    "ledger",
    "accounts_generation",
    "alert_generation",
];
/// What is of no use elsewhere: who works on a store, and which schema it has.
const LEFT: [&str; 3] = ["schema_version", "probe", "node"];

/// How often it is looked whether others use a server: its sessions end a moment after their processes.
const LOOKS: u32 = 10;
/// The time between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Nobody else writes while it is copied.
const LOCK_POSTGRES: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE message IN SHARE ROW EXCLUSIVE MODE";
const COUNT_OTHERS: &str = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = CURRENT_DATABASE() \
     AND application_name = 'gatepost' AND pid <> pg_backend_pid()";
const SEAL: &str = "UPDATE ledger SET decision_sealed = (SELECT COALESCE(MAX(seq), 0) FROM decision), \
     attempt_sealed = (SELECT COALESCE(MAX(seq), 0) FROM open_attempt)";

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Copied {
    /// Messages, in the queue or finished.
    pub messages: u64,
    /// Lists.
    pub lists: u64,
    /// Users.
    pub users: u64,
    /// Rows of all tables.
    pub rows: u64,
}

/// A database that is copied from or to.
struct Side {
    database: Database,
    connection: Connection,
    _lock: QueueLock,
}

/// Rows of one table: how many, and what they are.
#[derive(Clone, PartialEq, Eq)]
struct Sum {
    rows: u64,
    digest: Sha256Digest,
}

type Sha256Digest = [u8; 32];

impl Store {
    /// Copies everything of one store into another, which must be empty; neither may be in use. All or nothing.
    /// `tell` hears of each table and its rows.
    ///
    /// # Errors
    /// There is no such source, the target is not empty, either is in use, or one of them fails.
    pub async fn copy(
        from: &Config,
        to: &Config,
        tell: impl FnMut(&str, u64),
    ) -> Result<Copied, StoreError> {
        let mut source = Side::open_source(from).await?;
        let mut target = Side::open(to).await?;
        let copied = copy(&mut source, &mut target, tell).await?;
        target.command("COMMIT").await?;
        // Nothing was changed in the source, and what the target has is committed.
        let _ = target.connection.close().await;
        let _ = source.connection.close().await;
        Ok(copied)
    }
}

impl Side {
    async fn open_source(config: &Config) -> Result<Self, StoreError> {
        let database = Database::of(config)?;
        if database.path().is_some_and(|path| !path.exists()) {
            return Err(StoreError::Missing {
                store: database.name(),
            });
        }
        Self::open(config).await
    }

    /// Opens it, in a transaction in which nobody else writes.
    async fn open(config: &Config) -> Result<Self, StoreError> {
        let database = Database::of(config)?;
        let name = database.name();
        let connected = database.connector(config)?.connect().await;
        let mut connection = connected.map_err(|error| StoreError::opening(&*name, error))?;
        schema::migrate(&mut connection, &name).await?;
        let lock = database.lock_queue()?;
        let mut side = Self {
            database,
            connection,
            _lock: lock,
        };
        match side.connection.dialect() {
            Dialect::Sqlite => side.command("BEGIN IMMEDIATE").await?,
            Dialect::Postgres => {
                side.must_be_alone().await?;
                side.command(LOCK_POSTGRES).await?;
            }
        }
        Ok(side)
    }

    async fn must_be_alone(&mut self) -> Result<(), StoreError> {
        for _ in 0..LOOKS {
            let others: i64 = sql::query_scalar(COUNT_OTHERS)
                .fetch_one(&mut self.connection)
                .await
                .map_err(|error| StoreError::reading("who works on the store", error))?;
            if others == 0 {
                return Ok(());
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        Err(StoreError::Busy {
            store: self.database.name(),
        })
    }

    async fn command(&mut self, command: &'static str) -> Result<(), StoreError> {
        let done = self.connection.command(command).await;
        done.map_err(|error| StoreError::writing("copy the store", error))
    }
}

async fn copy(
    source: &mut Side,
    target: &mut Side,
    mut tell: impl FnMut(&str, u64),
) -> Result<Copied, StoreError> {
    let tables = catalog::shared(&mut source.connection, &mut target.connection).await?;
    must_be_empty(target, &tables).await?;
    let mut copied = Copied::default();
    let mut sums = Vec::with_capacity(tables.len());
    for table in &tables {
        let sum = copy_table(source, target, table).await?;
        tell(&table.name, sum.rows);
        copied.count(&table.name, sum.rows);
        sums.push(sum);
    }
    numbers::carry(&mut source.connection, &mut target.connection).await?;
    if target.connection.dialect() == Dialect::Postgres {
        target.command(SEAL).await?;
    }
    for (table, sum) in tables.iter().zip(sums) {
        if read_back(target, table).await? != sum {
            return Err(StoreError::Differs {
                table: table.name.clone(),
            });
        }
    }
    Ok(copied)
}

impl Copied {
    fn count(&mut self, table: &str, rows: u64) {
        self.rows += rows;
        match table {
            "message" => self.messages = rows,
            "list" => self.lists = rows,
            "account" => self.users = rows,
            _ => {}
        }
    }
}

async fn must_be_empty(target: &mut Side, tables: &[Table]) -> Result<(), StoreError> {
    for table in tables.iter().filter(|table| !table.is_seeded()) {
        let mut query =
            QueryBuilder::new(format!("SELECT EXISTS (SELECT 1 FROM \"{}\")", table.name));
        let found = query.build_query_scalar().fetch_one(&mut target.connection);
        let is_used: bool = found
            .await
            .map_err(|error| StoreError::reading("what the target has", error))?;
        if is_used {
            return Err(StoreError::NotEmpty {
                store: target.database.name(),
            });
        }
    }
    Ok(())
}

async fn copy_table(
    source: &mut Side,
    target: &mut Side,
    table: &Table,
) -> Result<Sum, StoreError> {
    if table.is_seeded() {
        let mut delete = QueryBuilder::new(format!("DELETE FROM \"{}\"", table.name));
        let deleted = delete.build().execute(&mut target.connection).await;
        deleted.map_err(|error| StoreError::writing("copy the store", error))?;
    }
    let (mut sum, mut after) = (Summing::default(), None);
    loop {
        let page = page_of(source, table, after.as_deref()).await?;
        sum.add(&page);
        insert(&mut target.connection, table, &page).await?;
        match page.last().filter(|_| page.len() == table.page()) {
            Some(last) => after = Some(table.key_of(last)),
            None => break,
        }
    }
    Ok(sum.finish())
}

/// Rows behind that key, as they are to be in the target.
async fn page_of(
    source: &mut Side,
    table: &Table,
    after: Option<&[Value]>,
) -> Result<Vec<Vec<Value>>, StoreError> {
    let folder = source.database.content_folder();
    if let Some(folder) = folder.filter(|_| table.name == "content") {
        return content::heads(&mut source.connection, &folder, after).await;
    }
    let mut rows = read(&mut source.connection, table, after).await?;
    for row in &mut rows {
        table.leave_log(row);
    }
    Ok(rows)
}

async fn read(
    connection: &mut Connection,
    table: &Table,
    after: Option<&[Value]>,
) -> Result<Vec<Vec<Value>>, StoreError> {
    let failed = |error| StoreError::reading("a table", error);
    let found = table.select(after).build().fetch_all(connection).await;
    let found = found.map_err(failed)?;
    let rows: Result<Vec<_>, _> = found.iter().map(|row| table.values(row)).collect();
    rows.map_err(failed)
}

async fn insert(
    connection: &mut Connection,
    table: &Table,
    rows: &[Vec<Value>],
) -> Result<(), StoreError> {
    for rows in rows.chunks(MAX_VALUES / table.columns.len()) {
        let inserted = table.insert(rows).build().persistent(false);
        inserted
            .execute(&mut *connection)
            .await
            .map_err(|error| StoreError::writing("copy the store", error))?;
    }
    Ok(())
}

async fn read_back(target: &mut Side, table: &Table) -> Result<Sum, StoreError> {
    let (mut sum, mut after) = (Summing::default(), None);
    loop {
        let page = read(&mut target.connection, table, after.as_deref()).await?;
        sum.add(&page);
        match page.last().filter(|_| page.len() == table.page()) {
            Some(last) => after = Some(table.key_of(last)),
            None => break,
        }
    }
    Ok(sum.finish())
}

/// A sum in the making.
#[derive(Default)]
struct Summing {
    rows: u64,
    digest: Sha256,
}

impl Summing {
    fn add(&mut self, page: &[Vec<Value>]) {
        self.rows += page.len() as u64;
        page.iter()
            .flatten()
            .for_each(|value| self.add_value(value));
    }

    /// With what it is and how long, so that no two rows look alike that are not.
    fn add_value(&mut self, value: &Value) {
        let mut put = |kind: u8, octets: &[u8]| {
            self.digest.update([kind]);
            self.digest.update((octets.len() as u64).to_be_bytes());
            self.digest.update(octets);
        };
        match value {
            Value::Integer(Some(number)) => put(1, &number.to_be_bytes()),
            // PostgreSQL keeps no NUL.
            Value::Text(Some(text)) => put(2, text.replace('\0', "\u{fffd}").as_bytes()),
            Value::Octets(Some(octets)) => put(3, octets),
            // No column holds a list.
            _ => put(0, &[]),
        }
    }

    fn finish(self) -> Sum {
        Sum {
            rows: self.rows,
            digest: self.digest.finalize().into(),
        }
    }
}
