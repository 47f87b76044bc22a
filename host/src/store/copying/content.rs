//! The heads of open messages of a file, wherever they lie: in its log or in the database.

use std::path::Path;

use super::LARGE_PAGE;
use crate::id::QueueId;
use crate::queue::Place;
use crate::store::sql::{self, Connection, Row, Value};
use crate::store::{StoreError, content, rows};

const SELECT: &str = "SELECT message.id, message.segment, message.segment_offset, message.head_octets, content.head \
     FROM message LEFT JOIN content ON content.message_id = message.id \
     WHERE message.open = 1 AND message.id > $1 \
     AND (message.segment IS NOT NULL OR content.head IS NOT NULL) ORDER BY message.id LIMIT $2";

/// Heads behind that message, as rows of `content`.
pub(super) async fn heads(
    connection: &mut Connection,
    folder: &Path,
    after: Option<&[Value]>,
) -> Result<Vec<Vec<Value>>, StoreError> {
    let after = match after {
        Some([Value::Integer(Some(id))]) => *id,
        _ => i64::MIN,
    };
    let found = sql::query(SELECT)
        .bind(after)
        .bind(i64::try_from(LARGE_PAGE).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await
        .map_err(|error| StoreError::reading("content", error))?;
    let mut heads = Vec::with_capacity(found.len());
    for row in &found {
        let id = rows::queue_id(row, "id")?;
        let head = head(folder, id, row).await?;
        heads.push(vec![id.as_i64().into(), head.into()]);
    }
    Ok(heads)
}

async fn head(folder: &Path, id: QueueId, row: &Row) -> Result<Vec<u8>, StoreError> {
    if let Some(head) = rows::get(row, "head")? {
        return Ok(head);
    }
    let place = Place {
        segment: rows::get(row, "segment")?,
        offset: rows::get(row, "segment_offset")?,
        octets: rows::get(row, "head_octets")?,
    };
    let head = content::in_log(folder, id, place).await?;
    let head = head.ok_or_else(|| StoreError::NotFound {
        what: format!("content of message {id}"),
    })?;
    Ok(head.to_vec())
}
