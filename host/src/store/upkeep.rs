//! Deletes what nobody needs any more, in steps small enough that no message waits for them.

use std::sync::LazyLock;
use std::time::Duration;

use super::StoreError;
use super::bulk::Bulk;
use super::content::execute_for;
use super::sql::{self, Connection};
use crate::clock::Timestamp;
use crate::id::QueueId;

/// Messages, alerts or decisions deleted in one transaction. 256: some milliseconds.
pub(super) const PURGE_STEP: i64 = 256;

/// Uploads that a dead process left behind. Whoever owns a file is alone with it; on a server other nodes may be
/// receiving what is younger than `$1`.
const DELETE_ORPHANED_CHUNKS: (&str, &str) = (
    "DELETE FROM content_chunk WHERE ($1 IS NOT NULL) AND message_id NOT IN (SELECT id FROM message)",
    "DELETE FROM content_chunk WHERE message_id < $1 \
     AND NOT EXISTS (SELECT 1 FROM message WHERE id = content_chunk.message_id)",
);
/// After so long no upload is still under way.
const LONGEST_UPLOAD: Duration = Duration::from_secs(86_400);
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
pub(super) async fn discard_orphans(connection: &mut Connection) -> Result<i64, StoreError> {
    let before = QueueId::first_at(Timestamp::now() - LONGEST_UPLOAD);
    let done = sql::query(DELETE_ORPHANED_CHUNKS)
        .bind(before.as_i64())
        .execute(connection)
        .await
        .map_err(|error| StoreError::writing("discard uploads without a message", error))?;
    Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
}

/// Deletes up to [`PURGE_STEP`] messages that were finished before; answers with how many.
pub(super) async fn purge_messages(
    connection: &mut Connection,
    before: Timestamp,
) -> Result<i64, StoreError> {
    purge_step(connection, before)
        .await
        .map_err(|error| StoreError::writing("purge finished messages", error))
}

async fn purge_step(connection: &mut Connection, before: Timestamp) -> Result<i64, sqlx::Error> {
    let found = sql::query(SELECT_FINISHED)
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
    connection: &mut Connection,
    before: Timestamp,
) -> Result<i64, StoreError> {
    let done = sql::query(DELETE_ALERTS)
        .bind(before.as_millis())
        .bind(PURGE_STEP)
        .execute(connection)
        .await
        .map_err(|error| StoreError::writing("purge old alerts", error))?;
    Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
}
