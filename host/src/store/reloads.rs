//! Reloads: a command asks by a row, the relay answers in it, and the last ones are remembered.
//!
//! The row is the way from the command to the relay: it needs no process id, which may be another
//! process's by now or in another container, and it is answered by whichever relay owns the queue.

use super::StoreError;
use super::sql::{self, Connection, Pool, Row};
use crate::clock::Timestamp;

/// Reloads that are remembered. 100: more than anybody looks back on.
const KEPT: i64 = 100;

const INSERT_REQUEST: &str =
    "INSERT INTO reload (cause, begun_at) VALUES ('command', $1) RETURNING id";
const INSERT_ENDED: &str = "INSERT INTO reload (cause, begun_at, ended_at, generation, error, hint, \
     changes, restart) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const ANSWER_REQUESTS: &str = "UPDATE reload SET ended_at = $1, generation = $2, error = $3, \
     hint = $4, changes = $5, restart = $6 WHERE ended_at IS NULL AND id <= $7";
const FORGET_OLD: &str = "DELETE FROM reload WHERE id <= (SELECT MAX(id) FROM reload) - $1";
const SELECT_REQUESTED: &str = "SELECT MAX(id) FROM reload WHERE ended_at IS NULL";
/// Also one that another node has answered: each has files of its own.
const SELECT_AFTER: &str = "SELECT MAX(id) FROM reload WHERE cause = 'command' AND id > $1";
const SELECT_ANSWERED: &str =
    "SELECT COALESCE(MAX(id), 0) FROM reload WHERE cause = 'command' AND ended_at IS NOT NULL";
const SELECT_ONE: &str = "SELECT * FROM reload WHERE id = $1 AND ended_at IS NOT NULL";
const SELECT_LAST: &str =
    "SELECT * FROM reload WHERE ended_at IS NOT NULL ORDER BY id DESC LIMIT 1";

/// Why the relay reloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadCause {
    /// `gatepost policy reload`: all requests up to this one.
    Command(i64),
    /// SIGHUP.
    Signal,
    /// A file changed.
    File,
}

impl ReloadCause {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Signal => "signal",
            Self::File => "file",
        }
    }
}

/// What came of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadOutcome {
    /// When it began.
    pub begun_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The number of the policy set in force afterwards.
    pub generation: u64,
    /// Why everything stayed as it was; none when it was taken.
    pub failure: Option<ReloadFailure>,
    /// What changed for new sessions, a line each.
    pub changes: Vec<String>,
    /// The sections that changed but need a restart.
    pub restart: Vec<String>,
}

/// Why a reload changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadFailure {
    /// What is wrong.
    pub error: String,
    /// What to do about it.
    pub hint: String,
}

/// What the writer does about reloads.
pub(super) enum ReloadWork {
    /// A command asks.
    Request(Timestamp),
    /// The relay is done.
    End(ReloadCause, ReloadOutcome),
}

impl ReloadWork {
    /// Answers with the number of the request, or how many rows it concerned.
    pub(super) async fn apply(&self, connection: &mut Connection) -> Result<i64, StoreError> {
        let applied = match self {
            Self::Request(at) => request(connection, *at).await,
            Self::End(cause, outcome) => end(connection, *cause, outcome).await,
        };
        applied.map_err(|error| StoreError::writing("note a reload", error))
    }
}

async fn request(connection: &mut Connection, at: Timestamp) -> Result<i64, sqlx::Error> {
    sql::query_scalar(INSERT_REQUEST)
        .bind(at.as_millis())
        .fetch_one(connection)
        .await
}

async fn end(
    connection: &mut Connection,
    cause: ReloadCause,
    outcome: &ReloadOutcome,
) -> Result<i64, sqlx::Error> {
    let query = match cause {
        ReloadCause::Command(_) => sql::query(ANSWER_REQUESTS),
        ReloadCause::Signal | ReloadCause::File => sql::query(INSERT_ENDED)
            .bind(cause.as_str())
            .bind(outcome.begun_at.as_millis()),
    };
    let failure = outcome.failure.as_ref();
    let query = query
        .bind(outcome.ended_at.as_millis())
        .bind(i64::try_from(outcome.generation).unwrap_or(i64::MAX))
        .bind(failure.map(|failure| failure.error.as_str()))
        .bind(failure.map(|failure| failure.hint.as_str()))
        .bind(outcome.changes.join("\n"))
        .bind(outcome.restart.join("\n"));
    let query = match cause {
        ReloadCause::Command(last) => query.bind(last),
        ReloadCause::Signal | ReloadCause::File => query,
    };
    let done = query.execute(&mut *connection).await?;
    sql::query(FORGET_OLD)
        .bind(KEPT)
        .execute(connection)
        .await?;
    Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
}

/// The newest request that is not answered.
pub(super) async fn requested(readers: &Pool) -> Result<Option<i64>, StoreError> {
    let found = sql::query(SELECT_REQUESTED).fetch_one(readers).await;
    found
        .and_then(|row| row.try_get(0))
        .map_err(|error| StoreError::reading("the requested reloads", error))
}

/// The newest request after that one.
pub(super) async fn requested_after(readers: &Pool, last: i64) -> Result<Option<i64>, StoreError> {
    let found = sql::query(SELECT_AFTER).bind(last).fetch_one(readers).await;
    found
        .and_then(|row| row.try_get(0))
        .map_err(|error| StoreError::reading("the requested reloads", error))
}

/// The newest request that is answered; 0 when there is none.
pub(super) async fn answered(readers: &Pool) -> Result<i64, StoreError> {
    let found = sql::query(SELECT_ANSWERED).fetch_one(readers).await;
    found
        .and_then(|row| row.try_get(0))
        .map_err(|error| StoreError::reading("the requested reloads", error))
}

/// What came of one request; none while it is not answered.
pub(super) async fn answer(
    readers: &Pool,
    request: i64,
) -> Result<Option<ReloadOutcome>, StoreError> {
    let query = sql::query(SELECT_ONE).bind(request);
    let found = query.fetch_optional(readers).await;
    outcome(found)
}

/// What came of the last reload; none before the first.
pub(super) async fn last(readers: &Pool) -> Result<Option<ReloadOutcome>, StoreError> {
    outcome(sql::query(SELECT_LAST).fetch_optional(readers).await)
}

fn outcome(found: Result<Option<Row>, sqlx::Error>) -> Result<Option<ReloadOutcome>, StoreError> {
    let read = found.and_then(|row| row.as_ref().map(from_row).transpose());
    read.map_err(|error| StoreError::reading("a reload", error))
}

fn from_row(row: &Row) -> Result<ReloadOutcome, sqlx::Error> {
    let lines = |column| -> Result<Vec<String>, sqlx::Error> {
        let text: String = row.try_get(column)?;
        Ok(text.lines().map(str::to_owned).collect())
    };
    let error: Option<String> = row.try_get("error")?;
    let hint: Option<String> = row.try_get("hint")?;
    let generation: i64 = row.try_get("generation")?;
    Ok(ReloadOutcome {
        begun_at: Timestamp::from_millis(row.try_get("begun_at")?),
        ended_at: Timestamp::from_millis(row.try_get("ended_at")?),
        generation: u64::try_from(generation).unwrap_or(0),
        failure: error.map(|error| ReloadFailure {
            error,
            hint: hint.unwrap_or_default(),
        }),
        changes: lines("changes")?,
        restart: lines("restart")?,
    })
}
