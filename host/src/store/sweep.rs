//! Deletes segments of the log that nobody needs, and moves what lingers in them into the database.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use super::log::{self, Sealed};
use super::sql::{self, Connection, Pool, Row};
use super::{StoreError, content, rows};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::Place;

/// Octets that are still needed of a segment below which they move into the database. Default 8 MiB, an eighth of a
/// segment: so the log is at most eight times as large as what waits in it, and nothing moves twice.
const LINGERING_OCTETS: i64 = 8 * 1024 * 1024;
/// Nothing moves out of a segment that was begun more recently. Default a minute: most of it is about to leave.
const LINGERING_AFTER: Duration = Duration::from_secs(60);
/// Messages moved in one transaction. Default 16: 4 MiB at most.
const MOVED_AT_ONCE: i64 = 16;

/// By the index of open messages alone.
pub(super) const SELECT_NEEDED: &str = "SELECT segment, SUM(head_octets) AS octets FROM message \
     WHERE open = 1 AND segment IS NOT NULL GROUP BY segment";
const SELECT_LINGERING: &str = "SELECT id, segment_offset, head_octets FROM message \
     WHERE open = 1 AND segment = $1 AND id > $2 ORDER BY id LIMIT $3";
const INSERT_HEAD: &str = "INSERT INTO content (message_id, head) \
     SELECT id, $1 FROM message WHERE id = $2 AND open = 1 AND segment = $3";
const LEAVE_SEGMENT: &str = "UPDATE message SET segment = NULL, segment_offset = NULL \
     WHERE id = $1 AND open = 1 AND segment = $2";

/// Content that stays longer than its segment should.
pub(super) struct Lingering {
    id: QueueId,
    segment: i64,
    pub(super) head: Bytes,
}

/// The segments that nobody writes to any more.
pub(super) async fn sealed(folder: &Path) -> Result<Vec<Sealed>, StoreError> {
    let folder = folder.to_owned();
    blocking("look at the segments", move || log::sealed(&folder)).await
}

/// Octets of open messages in each segment that has any. A segment that was sealed before this was asked and is not
/// among them will never be needed again.
pub(super) async fn needed(readers: &Pool) -> Result<HashMap<i64, i64>, StoreError> {
    let found = sql::query(SELECT_NEEDED)
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("which content is needed", error))?;
    let pair = |row: &Row| Ok((rows::get(row, "segment")?, rows::get(row, "octets")?));
    found.iter().map(pair).collect()
}

/// Whether what is needed of a segment should move into the database.
pub(super) fn lingers(segment: &Sealed, octets: i64, now: Timestamp) -> bool {
    octets <= LINGERING_OCTETS && segment.age(now) >= LINGERING_AFTER
}

/// Deletes segments.
pub(super) async fn delete(segments: Vec<Sealed>) -> Result<(), StoreError> {
    blocking("delete a segment", move || {
        segments.into_iter().try_for_each(Sealed::delete)
    })
    .await
}

async fn blocking<T: Send + 'static>(
    attempt: &'static str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let failed = |error| StoreError::writing(attempt, sqlx::Error::Io(error));
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| failed(error.into()))?.map_err(failed)
}

/// Some of what lingers in a segment, behind that message.
pub(super) async fn lingering(
    readers: &Pool,
    folder: &Path,
    segment: i64,
    after: Option<QueueId>,
) -> Result<Vec<Lingering>, StoreError> {
    let found = sql::query(SELECT_LINGERING)
        .bind(segment)
        .bind(after.map_or(i64::MIN, QueueId::as_i64))
        .bind(MOVED_AT_ONCE)
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("content that lingers", error))?;
    let mut lingering = Vec::with_capacity(found.len());
    for row in &found {
        let id = rows::queue_id(row, "id")?;
        let place = Place {
            segment,
            offset: rows::get(row, "segment_offset")?,
            octets: rows::get(row, "head_octets")?,
        };
        if let Some(head) = content::in_log(folder, id, place).await? {
            lingering.push(Lingering { id, segment, head });
        }
    }
    Ok(lingering)
}

impl Lingering {
    /// The message.
    pub(super) const fn id(&self) -> QueueId {
        self.id
    }
}

/// Moves content into the database, where its message is still open; answers with how many.
pub(super) async fn settle(
    connection: &mut Connection,
    messages: &[Lingering],
) -> Result<i64, StoreError> {
    settle_all(connection, messages)
        .await
        .map_err(|error| StoreError::writing("move content into the database", error))
}

async fn settle_all(
    connection: &mut Connection,
    messages: &[Lingering],
) -> Result<i64, sqlx::Error> {
    let mut moved = 0;
    for message in messages {
        sql::query(INSERT_HEAD)
            .bind(message.head.to_vec())
            .bind(message.id.as_i64())
            .bind(message.segment)
            .execute(&mut *connection)
            .await?;
        let left = sql::query(LEAVE_SEGMENT)
            .bind(message.id.as_i64())
            .bind(message.segment)
            .execute(&mut *connection)
            .await?;
        moved += i64::try_from(left.rows_affected()).unwrap_or(0);
    }
    Ok(moved)
}
