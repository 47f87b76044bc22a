//! What administrators do to single messages: the change itself, and a note of it for a running relay.

use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::upkeep::PURGE_STEP;
use super::{StoreError, attempts, messages, rows};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{OpenMessage, Order, OrderKind};

const RELEASE: &str = "UPDATE message SET released_at = $2 \
     WHERE id = $1 AND open = 1 AND hold IS NOT NULL AND released_at IS NULL";
/// 5 is cancelled; statuses up to 1 are the open ones.
const CANCEL: &str = "UPDATE recipient SET status = 5 WHERE message_id = $1 AND status <= 1";
const INSERT_ORDER: &str = "INSERT INTO queue_order (message_id, kind, at) VALUES ($1, $2, $3)";
const SELECT_NEWEST: &str = "SELECT COALESCE(MAX(id), 0) FROM queue_order";
const SELECT_AFTER: &str =
    "SELECT id, message_id, kind FROM queue_order WHERE id > $1 ORDER BY id LIMIT 1000";
const DELETE_OLD: &str = "DELETE FROM queue_order WHERE id IN \
     (SELECT id FROM queue_order WHERE at < $1 ORDER BY id LIMIT $2)";
const SELECT_OVERDUE: &str = "SELECT id FROM message \
     WHERE open = 1 AND hold IS NOT NULL AND released_at IS NULL AND expires_at <= $1 LIMIT $2";

/// Does what is ordered; answers with how many messages or recipients it concerned.
pub(super) async fn apply(
    connection: &mut SqliteConnection,
    id: QueueId,
    kind: OrderKind,
) -> Result<i64, StoreError> {
    let failed = |error| StoreError::writing("change a queued message", error);
    let now = Timestamp::now().as_millis();
    let done = match kind {
        OrderKind::Release => sqlx::query(RELEASE).bind(id.as_i64()).bind(now),
        OrderKind::Delete => sqlx::query(CANCEL).bind(id.as_i64()),
    };
    let concerned = done
        .execute(&mut *connection)
        .await
        .map_err(failed)?
        .rows_affected();
    if concerned == 0 {
        return Ok(0);
    }
    if kind == OrderKind::Delete {
        attempts::finish(connection, &[id.as_i64()])
            .await
            .map_err(failed)?;
    }
    sqlx::query(INSERT_ORDER)
        .bind(id.as_i64())
        .bind(kind.code())
        .bind(now)
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(i64::try_from(concerned).unwrap_or(i64::MAX))
}

/// The number of the newest order; 0 when there was none.
pub(super) async fn newest(readers: &SqlitePool) -> Result<i64, StoreError> {
    sqlx::query_scalar(SELECT_NEWEST)
        .fetch_one(readers)
        .await
        .map_err(|error| StoreError::reading("what was ordered", error))
}

/// The orders after that one, oldest first, a thousand at most.
pub(super) async fn after(readers: &SqlitePool, last: i64) -> Result<Vec<Order>, StoreError> {
    let found = sqlx::query(SELECT_AFTER)
        .bind(last)
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("what was ordered", error))?;
    let order = |row| {
        let code: i64 = rows::get(row, "kind")?;
        Ok(Order {
            number: rows::get(row, "id")?,
            message: rows::queue_id(row, "message_id")?,
            kind: OrderKind::from_code(code).ok_or_else(|| rows::damaged("kind", code))?,
        })
    };
    found.iter().map(order).collect()
}

/// Held messages that were not released in time, `limit` at most.
pub(super) async fn overdue(
    readers: &SqlitePool,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<OpenMessage>, StoreError> {
    let ids: Vec<i64> = sqlx::query_scalar(SELECT_OVERDUE)
        .bind(now.as_millis())
        .bind(i64::from(limit))
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("held messages", error))?;
    let mut overdue = Vec::with_capacity(ids.len());
    for id in ids {
        overdue.extend(one(readers, QueueId::from_i64(id)).await?);
    }
    Ok(overdue)
}

/// An open message without its head; none when it is finished or unknown.
pub(super) async fn one(
    readers: &SqlitePool,
    id: QueueId,
) -> Result<Option<OpenMessage>, StoreError> {
    let before = QueueId::from_i64(id.as_i64() - 1);
    let found = messages::open(readers, Some(before), 1).await?;
    Ok(found.into_iter().find(|message| message.id == id))
}

/// Deletes up to [`PURGE_STEP`] orders from before; answers with how many.
pub(super) async fn purge(
    connection: &mut SqliteConnection,
    before: Timestamp,
) -> Result<i64, StoreError> {
    let done = sqlx::query(DELETE_OLD)
        .bind(before.as_millis())
        .bind(PURGE_STEP)
        .execute(connection)
        .await
        .map_err(|error| StoreError::writing("purge old orders", error))?;
    Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
}
