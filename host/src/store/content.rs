//! Message content: the head of every message, in the log or in the database, and the staged chunks of large ones.

use std::path::Path;
use std::sync::LazyLock;

use bytes::Bytes;

use super::bulk::{Bulk, Statement};
use super::jobs::{Chunk, Placed};
use super::log;
use super::sql::{self, Connection, Pool, Row};
use super::{StoreError, rows};
use crate::id::QueueId;
use crate::queue::{NewMessage, Place};

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

pub(super) static INSERT_HEADS: LazyLock<Bulk> =
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
    connection: &mut Connection,
    chunks: &[&Chunk],
) -> Result<(), StoreError> {
    for chunk in chunks {
        sql::query(INSERT_CHUNK)
            .bind(chunk.id.as_i64())
            .bind(i64::from(chunk.index))
            .bind(chunk.octets.as_ref())
            .execute(&mut *connection)
            .await
            .map_err(|error| StoreError::writing("store a part of a message", error))?;
    }
    Ok(())
}

/// Stores heads that lie in no log.
pub(super) async fn insert_heads(
    connection: &mut Connection,
    messages: &[Placed<'_>],
) -> Result<(), StoreError> {
    let unplaced = messages.iter().filter(|one| one.place.is_none());
    let unplaced: Vec<&NewMessage> = unplaced.map(|one| one.message).collect();
    INSERT_HEADS
        .execute(connection, &unplaced, |statement, message| {
            bind_head(statement, message)
        })
        .await
        .map_err(|error| StoreError::writing("store the content of a message", error))
}

pub(super) fn bind_head(statement: Statement, message: &NewMessage) -> Statement {
    statement
        .bind(message.id.as_i64())
        .bind(message.content.head.clone())
}

/// Forgets uploads that have ended without a message.
pub(super) async fn discard(
    connection: &mut Connection,
    ids: &[QueueId],
) -> Result<(), StoreError> {
    for id in ids {
        sql::query(DELETE_UNCLAIMED_CHUNKS)
            .bind(id.as_i64())
            .execute(&mut *connection)
            .await
            .map_err(|error| StoreError::writing("discard an upload", error))?;
    }
    Ok(())
}

/// Deletes the heads of finished messages.
pub(super) async fn delete_heads(
    connection: &mut Connection,
    ids: &[i64],
) -> Result<(), sqlx::Error> {
    execute_for(&DELETE_HEADS, connection, ids).await
}

/// Deletes the chunks of finished messages.
pub(super) async fn delete_chunks(
    connection: &mut Connection,
    ids: &[i64],
) -> Result<(), sqlx::Error> {
    execute_for(&DELETE_CHUNKS, connection, ids).await
}

/// Executes a padded statement for every id.
pub(super) async fn execute_for(
    bulk: &'static Bulk,
    connection: &mut Connection,
    ids: &[i64],
) -> Result<(), sqlx::Error> {
    for statement in bulk.padded(
        connection.dialect(),
        ids,
        |start| start,
        |statement, id| statement.bind(*id),
    ) {
        statement.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Reads the head of an open message, wherever it lies.
pub(super) async fn head(
    readers: &Pool,
    folder: Option<&Path>,
    id: QueueId,
) -> Result<Bytes, StoreError> {
    let what = || format!("content of message {id}");
    // Twice: between the two looks it may have moved into the database, and its segment may be gone.
    for _ in 0..2 {
        let row = sql::query(SELECT_HEAD)
            .bind(id.as_i64())
            .fetch_optional(readers)
            .await
            .map_err(|error| StoreError::reading("a message", error))?
            .ok_or_else(|| StoreError::NotFound { what: what() })?;
        let Some((folder, place)) = folder.zip(place(&row)?) else {
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

/// Where a row of a message says that its head lies; none: in the database.
pub(super) fn place(row: &Row) -> Result<Option<Place>, StoreError> {
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
    let read = all_in_log(folder, vec![(id, place)]).await?;
    Ok(read.into_iter().find_map(|(_, head)| head))
}

/// Reads several heads from the log; none of those whose segments are gone.
pub(super) async fn all_in_log(
    folder: &Path,
    wanted: Vec<(QueueId, Place)>,
) -> Result<Vec<(QueueId, Option<Bytes>)>, StoreError> {
    let folder = folder.to_owned();
    let read = tokio::task::spawn_blocking(move || log::read_all(&folder, &wanted)).await;
    let failed = |error| StoreError::reading("content", sqlx::Error::Io(error));
    read.map_err(|error| failed(error.into()))?.map_err(failed)
}

/// Reads one chunk of a message.
pub(super) async fn chunk(readers: &Pool, id: QueueId, index: u32) -> Result<Bytes, StoreError> {
    let row = sql::query(SELECT_CHUNK)
        .bind(id.as_i64())
        .bind(i64::from(index))
        .fetch_optional(readers)
        .await
        .map_err(|error| StoreError::reading("a part of a message", error))?;
    octets(row, || format!("part {index} of message {id}"))
}

fn octets(row: Option<Row>, what: impl Fn() -> String) -> Result<Bytes, StoreError> {
    let row = row.ok_or_else(|| StoreError::NotFound { what: what() })?;
    row.try_get::<Vec<u8>, _>(0)
        .map(Bytes::from)
        .map_err(|error| StoreError::reading("content", error))
}
