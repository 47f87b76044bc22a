//! Deletes what nobody needs any more, in steps small enough that no message waits for them.

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use std::sync::LazyLock;

use super::StoreError;
use super::bulk::Bulk;
use super::content::execute_for;
use crate::clock::Timestamp;

/// Messages, alerts or decisions deleted in one transaction. 256: some milliseconds.
pub(super) const PURGE_STEP: i64 = 256;

/// Uploads that a dead process left behind.
const DELETE_ORPHANED_CHUNKS: &str =
    "DELETE FROM content_chunk WHERE message_id NOT IN (SELECT id FROM message)";
const SELECT_FINISHED: &str =
    "SELECT id FROM message WHERE open = 0 AND finished_at < $1 ORDER BY finished_at LIMIT $2";
const DELETE_ALERTS: &str = "DELETE FROM alert WHERE id IN \
     (SELECT id FROM alert WHERE last_at < $1 ORDER BY last_at LIMIT $2)";

static DELETE_ATTEMPTS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new("DELETE FROM attempt WHERE message_id IN (VALUES ", 1, ")"));
static DELETE_OPEN_ATTEMPTS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "DELETE FROM open_attempt WHERE message_id IN (VALUES ",
        1,
        ")",
    )
});
static DELETE_ORDERS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "DELETE FROM queue_order WHERE message_id IN (VALUES ",
        1,
        ")",
    )
});
static DELETE_RECIPIENTS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new("DELETE FROM recipient WHERE message_id IN (VALUES ", 1, ")"));
static DELETE_MESSAGES: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new("DELETE FROM message WHERE id IN (VALUES ", 1, ")"));

/// Deletes chunks that belong to no message; answers with how many.
pub(super) async fn discard_orphans(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let done = sqlx::query(DELETE_ORPHANED_CHUNKS)
        .execute(connection)
        .await
        .map_err(|error| StoreError::writing("discard uploads without a message", error))?;
    Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
}

/// Deletes up to [`PURGE_STEP`] messages that were finished before; answers with how many.
pub(super) async fn purge_messages(
    connection: &mut SqliteConnection,
    before: Timestamp,
) -> Result<i64, StoreError> {
    purge_step(connection, before)
        .await
        .map_err(|error| StoreError::writing("purge finished messages", error))
}

async fn purge_step(
    connection: &mut SqliteConnection,
    before: Timestamp,
) -> Result<i64, sqlx::Error> {
    let found = sqlx::query(SELECT_FINISHED)
        .bind(before.as_millis())
        .bind(PURGE_STEP)
        .fetch_all(&mut *connection)
        .await?;
    let ids: Vec<i64> = found
        .iter()
        .map(|row| row.try_get("id"))
        .collect::<Result<_, _>>()?;
    for statement in [
        &DELETE_ATTEMPTS,
        &DELETE_OPEN_ATTEMPTS,
        &DELETE_ORDERS,
        &DELETE_RECIPIENTS,
        &DELETE_MESSAGES,
    ] {
        execute_for(statement, connection, &ids).await?;
    }
    Ok(i64::try_from(ids.len()).unwrap_or(i64::MAX))
}

/// Deletes up to [`PURGE_STEP`] alerts that last happened before; answers with how many.
pub(super) async fn purge_alerts(
    connection: &mut SqliteConnection,
    before: Timestamp,
) -> Result<i64, StoreError> {
    let done = sqlx::query(DELETE_ALERTS)
        .bind(before.as_millis())
        .bind(PURGE_STEP)
        .execute(connection)
        .await
        .map_err(|error| StoreError::writing("purge old alerts", error))?;
    Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
}
