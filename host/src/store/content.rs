//! Message content: the head of every message and the staged chunks of large ones.

use std::sync::LazyLock;

use bytes::Bytes;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::StoreError;
use super::bulk::Bulk;
use super::jobs::Chunk;
use crate::id::QueueId;
use crate::queue::NewMessage;

const INSERT_CHUNK: &str =
    "INSERT INTO content_chunk (message_id, position, octets) VALUES ($1, $2, $3)";
/// What an accepted message is made of stays, whatever the upload's end thinks.
const DELETE_UNCLAIMED_CHUNKS: &str = "DELETE FROM content_chunk WHERE message_id = $1 \
     AND NOT EXISTS (SELECT 1 FROM message WHERE id = $1)";
const SELECT_HEAD: &str = "SELECT head FROM content WHERE message_id = $1";
const SELECT_CHUNK: &str =
    "SELECT octets FROM content_chunk WHERE message_id = $1 AND position = $2";

static INSERT_HEADS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new("INSERT INTO content (message_id, head) VALUES ", 2, ""));
static DELETE_HEADS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new("DELETE FROM content WHERE message_id IN (VALUES ", 1, ")"));
static DELETE_CHUNKS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "DELETE FROM content_chunk WHERE message_id IN (VALUES ",
        1,
        ")",
    )
});

/// Stores parts of messages that are still being received.
pub(super) async fn stage(
    connection: &mut SqliteConnection,
    chunks: &[&Chunk],
) -> Result<(), StoreError> {
    for chunk in chunks {
        sqlx::query(INSERT_CHUNK)
            .bind(chunk.id.as_i64())
            .bind(i64::from(chunk.index))
            .bind(chunk.octets.as_ref())
            .execute(&mut *connection)
            .await
            .map_err(|error| StoreError::writing("store a part of a message", error))?;
    }
    Ok(())
}

/// Forgets uploads that have ended without a message.
pub(super) async fn discard(
    connection: &mut SqliteConnection,
    ids: &[QueueId],
) -> Result<(), StoreError> {
    for id in ids {
        sqlx::query(DELETE_UNCLAIMED_CHUNKS)
            .bind(id.as_i64())
            .execute(&mut *connection)
            .await
            .map_err(|error| StoreError::writing("discard an upload", error))?;
    }
    Ok(())
}

/// Stores the heads of accepted messages.
pub(super) async fn insert_heads(
    connection: &mut SqliteConnection,
    messages: &[&NewMessage],
) -> Result<(), sqlx::Error> {
    INSERT_HEADS
        .execute(connection, messages, |statement, message| {
            statement
                .bind(message.id.as_i64())
                .bind(message.content.head.as_ref())
        })
        .await
}

/// Deletes the heads of finished messages.
pub(super) async fn delete_heads(
    connection: &mut SqliteConnection,
    ids: &[i64],
) -> Result<(), sqlx::Error> {
    execute_for(&DELETE_HEADS, connection, ids).await
}

/// Deletes the chunks of finished messages.
pub(super) async fn delete_chunks(
    connection: &mut SqliteConnection,
    ids: &[i64],
) -> Result<(), sqlx::Error> {
    execute_for(&DELETE_CHUNKS, connection, ids).await
}

/// Executes a padded statement for every id.
pub(super) async fn execute_for(
    bulk: &'static Bulk,
    connection: &mut SqliteConnection,
    ids: &[i64],
) -> Result<(), sqlx::Error> {
    for statement in bulk.padded(ids, |start| start, |statement, id| statement.bind(*id)) {
        statement.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Reads the head of a message.
pub(super) async fn head(readers: &SqlitePool, id: QueueId) -> Result<Bytes, StoreError> {
    let row = sqlx::query(SELECT_HEAD)
        .bind(id.as_i64())
        .fetch_optional(readers)
        .await
        .map_err(|error| StoreError::reading("a message", error))?;
    octets(row, || format!("content of message {id}"))
}

/// Reads one chunk of a message.
pub(super) async fn chunk(
    readers: &SqlitePool,
    id: QueueId,
    index: u32,
) -> Result<Bytes, StoreError> {
    let row = sqlx::query(SELECT_CHUNK)
        .bind(id.as_i64())
        .bind(i64::from(index))
        .fetch_optional(readers)
        .await
        .map_err(|error| StoreError::reading("a part of a message", error))?;
    octets(row, || format!("part {index} of message {id}"))
}

fn octets(
    row: Option<sqlx::sqlite::SqliteRow>,
    what: impl Fn() -> String,
) -> Result<Bytes, StoreError> {
    let row = row.ok_or_else(|| StoreError::NotFound { what: what() })?;
    row.try_get::<Vec<u8>, _>(0)
        .map(Bytes::from)
        .map_err(|error| StoreError::reading("content", error))
}
