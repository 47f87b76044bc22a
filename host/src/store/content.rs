//! Message content: the head of every message, in the log or in the database, and the staged chunks of large ones.

use std::path::Path;
use std::sync::LazyLock;

use bytes::Bytes;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};

use super::bulk::Bulk;
use super::jobs::Chunk;
use super::log::{self, Place};
use super::{StoreError, rows};
use crate::id::QueueId;

const INSERT_CHUNK: &str =
    "INSERT INTO content_chunk (message_id, position, octets) VALUES ($1, $2, $3)";
/// What an accepted message is made of stays, whatever the upload's end thinks.
const DELETE_UNCLAIMED_CHUNKS: &str = "DELETE FROM content_chunk WHERE message_id = $1 \
     AND NOT EXISTS (SELECT 1 FROM message WHERE id = $1)";
const SELECT_HEAD: &str = "SELECT content.head, message.segment, message.segment_offset, message.head_octets \
     FROM message LEFT JOIN content ON content.message_id = message.id \
     WHERE message.id = $1 AND message.open = 1";
const SELECT_CHUNK: &str =
    "SELECT octets FROM content_chunk WHERE message_id = $1 AND position = $2";

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

/// Reads the head of an open message, wherever it lies.
pub(super) async fn head(
    readers: &SqlitePool,
    folder: &Path,
    id: QueueId,
) -> Result<Bytes, StoreError> {
    let what = || format!("content of message {id}");
    // Twice: between the two looks it may have moved into the database, and its segment may be gone.
    for _ in 0..2 {
        let row = sqlx::query(SELECT_HEAD)
            .bind(id.as_i64())
            .fetch_optional(readers)
            .await
            .map_err(|error| StoreError::reading("a message", error))?
            .ok_or_else(|| StoreError::NotFound { what: what() })?;
        let Some(place) = place(&row)? else {
            let head: Option<Vec<u8>> = rows::get(&row, "head")?;
            return head
                .map(Bytes::from)
                .ok_or_else(|| StoreError::NotFound { what: what() });
        };
        if let Some(head) = in_log(folder, id, place).await? {
            return Ok(head);
        }
    }
    Err(StoreError::NotFound { what: what() })
}

fn place(row: &SqliteRow) -> Result<Option<Place>, StoreError> {
    let Some(segment) = rows::get(row, "segment")? else {
        return Ok(None);
    };
    Ok(Some(Place {
        segment,
        offset: rows::get(row, "segment_offset")?,
        octets: rows::get(row, "head_octets")?,
    }))
}

/// Reads content from the log; none when its segment is gone.
pub(super) async fn in_log(
    folder: &Path,
    id: QueueId,
    place: Place,
) -> Result<Option<Bytes>, StoreError> {
    let folder = folder.to_owned();
    let read = tokio::task::spawn_blocking(move || log::read(&folder, id, place)).await;
    let failed = |error| StoreError::reading("content", sqlx::Error::Io(error));
    read.map_err(|error| failed(error.into()))?.map_err(failed)
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
