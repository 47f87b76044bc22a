//! The search index: a database of its own beside the store, filled behind marks.
//!
//! It has a file of its own so that filling it never holds up a commit of the store, and needs no promise of the
//! disk: its marks are written with its rows, so that after a crash it goes on where it is.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::documents::{self, Document};
use crate::id::QueueId;
use crate::store::StoreError;
use crate::store::bulk::Bulk;
use crate::store::ledger::SELECT_LAST_DECISION;
use crate::store::rows;
use crate::store::sql::{self, Connection, Connector, Pool, Text};

/// The shape of the index; another one is made anew.
const SHAPE: i64 = 2;
/// Contentless, and without places of words: nothing is kept but which message has which term.
const MAKE: &str = "CREATE VIRTUAL TABLE search USING fts5(terms, content = '', \
     contentless_delete = 1, detail = none, tokenize = 'ascii'); \
     CREATE TABLE mark (id INTEGER PRIMARY KEY CHECK (id = 1), decision_seq INTEGER NOT NULL, \
     finished_until INTEGER NOT NULL, newest INTEGER NOT NULL, in_era INTEGER NOT NULL) STRICT; \
     INSERT INTO mark (id, decision_seq, finished_until, newest, in_era) VALUES (1, 0, 0, 0, 0); \
     CREATE TABLE era (begins INTEGER PRIMARY KEY) STRICT; \
     INSERT INTO era (begins) VALUES (0); \
     PRAGMA user_version = 2;";
const DROP: &str = "DROP TABLE IF EXISTS search; DROP TABLE IF EXISTS mark; \
     DROP TABLE IF EXISTS era; PRAGMA user_version = 0;";

/// Decisions, and finished messages, of one step. Default 1,000: the more at once, the less there is to merge.
const STEP: i64 = 1000;
/// Messages of an era. Default 200,000: looking through all of one for terms that are many and never together takes
/// 10 ms, and one more era takes a question half a millisecond. Tests go through many with a few messages.
const ERA: i64 = if cfg!(test) { 4 } else { 200_000 };
/// Messages looked at in one step of tidying.
const TIDY_STEP: i64 = 1000;
/// Page cache of each connection, in KiB: the index is read where a question leads.
const CACHE_KIB: &str = "-4096";
/// Questions at a time.
const READERS: u32 = 2;

/// In one statement, so that who reads an era knows of all that was indexed before it.
const SELECT_MARKS: &str = "SELECT decision_seq, finished_until, \
     (SELECT json_group_array(begins ORDER BY begins) FROM era) AS eras FROM mark";
const UPDATE_MARKS: &str = "UPDATE mark SET decision_seq = $1, finished_until = $2, \
     newest = MAX(newest, $3), in_era = in_era + $4";
/// Begins another era behind what there is, when the newest one is full.
const INSERT_ERA: &str = "INSERT INTO era (begins) SELECT newest + 1 FROM mark WHERE in_era >= $1";
const UPDATE_IN_ERA: &str = "UPDATE mark SET in_era = 0 WHERE in_era >= $1";
const SELECT_OLDEST: &str = "SELECT id FROM search_docsize ORDER BY id LIMIT $1";
const SELECT_MATCHING: &str = "SELECT rowid FROM search WHERE search MATCH $1 \
     AND rowid < $2 AND rowid >= $3 ORDER BY rowid DESC LIMIT $4";

const SELECT_SEALED: &str = "SELECT finished_sealed FROM ledger";
const SELECT_CUT: &str = "SELECT finished_at FROM message WHERE open = 0 \
     AND finished_at > $1 AND finished_at <= $2 ORDER BY finished_at LIMIT 1 OFFSET $3";
/// What was not delivered to all, and what has no decision that it could be found by.
const SELECT_NOTABLE: &str = "SELECT id FROM message WHERE open = 0 AND finished_at > $1 \
     AND finished_at <= $2 AND (username = '' OR EXISTS (SELECT 1 FROM recipient \
     WHERE recipient.message_id = message.id AND recipient.status <> 2))";
const EXISTING: (&str, &str) = (
    "SELECT value FROM json_each($1) WHERE EXISTS \
     (SELECT 1 FROM message WHERE id = value) OR EXISTS (SELECT 1 FROM decision WHERE id = value)",
    "SELECT value FROM (SELECT CAST(named AS BIGINT) AS value \
     FROM json_array_elements_text(CAST($1 AS JSON)) AS named) AS all_named \
     WHERE EXISTS (SELECT 1 FROM message WHERE id = value) OR EXISTS (SELECT 1 FROM decision WHERE id = value)",
);

static INSERT: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT OR REPLACE INTO search (rowid, terms) VALUES ",
        2,
        "",
    )
});
static DELETE: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new("DELETE FROM search WHERE rowid IN (VALUES ", 1, ")"));

/// A handle; clones share it.
#[derive(Clone)]
pub(in crate::store) struct Index {
    shared: Arc<Shared>,
}

struct Shared {
    connector: Connector,
    readers: Pool,
    /// Who fills it; connected when that begins.
    writer: tokio::sync::Mutex<Option<Connection>>,
}

/// How far the index is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) decision_seq: i64,
    pub(super) finished_until: i64,
    pub(super) eras: Eras,
}

/// Where eras begin: messages in the order of their ids, a bounded number in each. Every message has its era among
/// its terms, for what an expression walks through is bounded by its terms alone: FTS5 looks at the least id that it is
/// asked for only where a message matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Eras(Vec<i64>);

impl Eras {
    fn parse(text: &str) -> Result<Self, StoreError> {
        serde_json::from_str(text)
            .map(Self)
            .map_err(|_| rows::damaged("eras", text))
    }

    /// Where the era of an id begins.
    pub(super) fn of(&self, id: i64) -> i64 {
        let later = self.0.partition_point(|begins| *begins <= id);
        later.checked_sub(1).map_or(0, |place| self.0[place])
    }
}

impl Index {
    /// Opens the index, and makes it where there is none or one of another shape.
    pub(in crate::store) async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What is lost in a crash is indexed again.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(10))
            .pragma("cache_size", CACHE_KIB)
            .pragma("journal_size_limit", "16777216")
            .disable_statement_logging();
        let failed = |error| StoreError::opening(path.display().to_string(), error);
        super::super::sqlite::create_file(path)?;
        let mut connection = Connector::from(options.clone())
            .connect()
            .await
            .map_err(failed)?;
        make(&mut connection).await.map_err(failed)?;
        connection.close().await.map_err(failed)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_lazy_with(
                options
                    .clone()
                    .thread_name(|n| format!("search-reader-{n}")),
            );
        Ok(Self {
            shared: Arc::new(Shared {
                connector: options.thread_name(|_| "search-writer".to_owned()).into(),
                readers: Pool::Sqlite(readers),
                writer: tokio::sync::Mutex::new(None),
            }),
        })
    }

    /// Closes it.
    pub(in crate::store) async fn close(&self) {
        self.shared.readers.close().await;
        if let Some(writer) = self.shared.writer.lock().await.take() {
            // What it could not finish is done the next time.
            let _ = writer.close().await;
        }
    }

    /// How far it is.
    pub(super) async fn marks(&self) -> Result<Marks, StoreError> {
        let row = sql::query(SELECT_MARKS)
            .fetch_one(&self.shared.readers)
            .await
            .map_err(reading)?;
        Ok(Marks {
            decision_seq: row.try_get("decision_seq").map_err(reading)?,
            finished_until: row.try_get("finished_until").map_err(reading)?,
            eras: Eras::parse(row.try_get("eras").map_err(reading)?)?,
        })
    }

    /// The newest of the messages between two ids that have all the terms of an expression.
    pub(super) async fn matching(
        &self,
        expression: &str,
        (from, before): (i64, i64),
        limit: usize,
    ) -> Result<Vec<i64>, StoreError> {
        sql::query_scalar(SELECT_MATCHING)
            .bind(expression)
            .bind(before)
            .bind(from)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.shared.readers)
            .await
            .map_err(reading)
    }

    /// Takes in what is new in the store, a step of it; true when there is more.
    pub(in crate::store) async fn step(&self, store: &Pool) -> Result<bool, StoreError> {
        let mut marks = self.marks().await?;
        let last = number(store, SELECT_LAST_DECISION).await?;
        if last < marks.decision_seq {
            // Another store than the one it was made of.
            self.empty().await?;
            marks = self.marks().await?;
        }
        let decided_until = last.min(marks.decision_seq + STEP);
        let mut documents = documents::decided(store, marks.decision_seq, decided_until).await?;
        let sealed = number(store, SELECT_SEALED).await?;
        let finished_until = cut(store, marks.finished_until, sealed).await?;
        let notable = notable(store, marks.finished_until, finished_until).await?;
        documents.extend(documents::of_messages(store, &notable).await?);
        let is_more = decided_until < last || finished_until < sealed;
        let has_moved =
            decided_until != marks.decision_seq || finished_until != marks.finished_until;
        // Marks alone are worth no write unless they get in the way.
        if has_moved && (is_more || !documents.is_empty() || decided_until != marks.decision_seq) {
            marks.decision_seq = decided_until;
            marks.finished_until = finished_until;
            self.write(documents, marks).await?;
        }
        Ok(is_more)
    }

    /// Removes the oldest that are not in the store any more; true when there may be more of them.
    pub(in crate::store) async fn tidy(&self, store: &Pool) -> Result<bool, StoreError> {
        let oldest: Vec<i64> = sql::query_scalar(SELECT_OLDEST)
            .bind(TIDY_STEP)
            .fetch_all(&self.shared.readers)
            .await
            .map_err(reading)?;
        let named = serde_json::to_string(&oldest).expect("numbers can be written");
        let existing: Vec<i64> = sql::query_scalar(EXISTING)
            .bind(named)
            .fetch_all(store)
            .await
            .map_err(|error| StoreError::reading("messages to search", error))?;
        let existing: std::collections::HashSet<i64> = existing.into_iter().collect();
        let gone: Vec<i64> = oldest
            .into_iter()
            .filter(|id| !existing.contains(id))
            .collect();
        let mut writer = self.shared.writer.lock().await;
        let connection = self.connected(&mut writer).await?;
        super::super::content::execute_for(&DELETE, connection, &gone)
            .await
            .map_err(writing)?;
        // Of what is left, some may outlive many that are newer.
        Ok(gone.len() * 2 >= usize::try_from(TIDY_STEP).unwrap_or(usize::MAX))
    }

    async fn write(&self, mut documents: Vec<Document>, to: Marks) -> Result<(), StoreError> {
        for document in &mut documents {
            let era = to.eras.of(document.id.as_i64());
            document.terms.era(era);
        }
        let mut writer = self.shared.writer.lock().await;
        let connection = self.connected(&mut writer).await?;
        let written = write(connection, &documents, to).await;
        if written.is_err() {
            // What a connection is left with after a failure is not known.
            *writer = None;
        }
        written.map_err(writing)
    }

    async fn empty(&self) -> Result<(), StoreError> {
        let mut writer = self.shared.writer.lock().await;
        let connection = self.connected(&mut writer).await?;
        connection.script(DROP).await.map_err(writing)?;
        make(connection).await.map_err(writing)
    }

    async fn connected<'a>(
        &self,
        writer: &'a mut Option<Connection>,
    ) -> Result<&'a mut Connection, StoreError> {
        if writer.is_none() {
            let connection = self.shared.connector.connect().await;
            *writer = Some(connection.map_err(writing)?);
        }
        Ok(writer.as_mut().expect("it was connected just now"))
    }
}

async fn make(connection: &mut Connection) -> Result<(), sqlx::Error> {
    let shape: i64 = sql::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *connection)
        .await?;
    if shape == SHAPE {
        return Ok(());
    }
    connection.command("BEGIN IMMEDIATE").await?;
    // Asked again: another process may have made it meanwhile.
    let shape: i64 = sql::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *connection)
        .await?;
    if shape != SHAPE {
        connection.script(DROP).await?;
        connection.script(MAKE).await?;
    }
    connection.command("COMMIT").await
}

async fn write(
    connection: &mut Connection,
    documents: &[Document],
    to: Marks,
) -> Result<(), sqlx::Error> {
    connection.command("BEGIN IMMEDIATE").await?;
    INSERT
        .execute(connection, documents, |statement, document| {
            statement
                .bind(document.id.as_i64())
                .bind(document.terms.document())
        })
        .await?;
    let newest = documents.iter().map(|document| document.id.as_i64()).max();
    sql::query(UPDATE_MARKS)
        .bind(to.decision_seq)
        .bind(to.finished_until)
        .bind(newest.unwrap_or(0))
        .bind(i64::try_from(documents.len()).unwrap_or(i64::MAX))
        .execute(&mut *connection)
        .await?;
    for end_of_era in [INSERT_ERA, UPDATE_IN_ERA] {
        sql::query(end_of_era)
            .bind(ERA)
            .execute(&mut *connection)
            .await?;
    }
    connection.command("COMMIT").await
}

async fn number(store: &Pool, text: impl Into<Text>) -> Result<i64, StoreError> {
    sql::query_scalar(text)
        .fetch_one(store)
        .await
        .map_err(|error| StoreError::reading("messages to search", error))
}

async fn cut(store: &Pool, after: i64, sealed: i64) -> Result<i64, StoreError> {
    let cut: Option<i64> = sql::query_scalar(SELECT_CUT)
        .bind(after)
        .bind(sealed)
        .bind(STEP)
        .fetch_optional(store)
        .await
        .map_err(|error| StoreError::reading("messages to search", error))?;
    Ok(cut.unwrap_or(sealed.max(after)))
}

async fn notable(store: &Pool, after: i64, until: i64) -> Result<Vec<QueueId>, StoreError> {
    let ids: Vec<i64> = sql::query_scalar(SELECT_NOTABLE)
        .bind(after)
        .bind(until)
        .fetch_all(store)
        .await
        .map_err(|error| StoreError::reading("messages to search", error))?;
    Ok(ids.into_iter().map(QueueId::from_i64).collect())
}

fn reading(error: sqlx::Error) -> StoreError {
    StoreError::reading("the search index", error)
}

fn writing(error: sqlx::Error) -> StoreError {
    StoreError::writing("fill the search index", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_era_reaches_from_its_beginning_to_the_next_one() {
        let eras = Eras::parse("[0,100,250]").expect("eras");
        for (id, begins) in [
            (0, 0),
            (99, 0),
            (100, 100),
            (249, 100),
            (250, 250),
            (i64::MAX, 250),
        ] {
            assert_eq!(eras.of(id), begins, "{id}");
        }
    }
}
