//! How many messages each user has sent, written by the commit that accepts them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::bulk::{Bulk, Statement};
use super::jobs::Placed;
use super::sql::{self, Connection, Pool};
use super::upkeep::PURGE_STEP;
use super::{StoreError, rows};
use crate::accounts::{Sent, Slot, Span, Usage};
use crate::clock::Timestamp;
use crate::queue::Priority;

pub(super) static COUNT: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT INTO sent_count (slot, username, messages, urgent) VALUES ",
        4,
        " ON CONFLICT (slot, username) \
         DO UPDATE SET messages = sent_count.messages + excluded.messages, \
         urgent = sent_count.urgent + excluded.urgent",
    )
});
/// One look by the primary key for each slot of a day, whatever others have sent.
pub(super) const SELECT_USAGE: &str = "WITH RECURSIVE wanted (slot) AS \
     (SELECT $1 UNION ALL SELECT slot + 1 FROM wanted WHERE slot < $2) \
     SELECT sent_count.slot, sent_count.messages, sent_count.urgent FROM wanted CROSS JOIN sent_count \
     WHERE sent_count.slot = wanted.slot AND sent_count.username = $3 ORDER BY sent_count.slot";
const DELETE_OLD: &str = "DELETE FROM sent_count WHERE (slot, username) IN \
     (SELECT slot, username FROM sent_count WHERE slot < $1 ORDER BY slot LIMIT $2)";
const DELETE_OF_USER: &str = "DELETE FROM sent_count WHERE username = $1";

/// What is counted: so many messages of a user in a slot, and how many of them are urgent.
pub(super) type NewCount<'a> = ((i64, &'a str), (i64, i64));

/// What accepted messages count. The relay's own, notices, are nobody's.
pub(super) fn counts<'a>(messages: &'a [Placed<'_>]) -> Vec<NewCount<'a>> {
    // In the same order on every node, or they would wait for each other.
    let mut counts: BTreeMap<(i64, &str), (i64, i64)> = BTreeMap::new();
    for meta in messages.iter().map(|placed| &placed.message.meta) {
        if !meta.username.is_empty() {
            let key = (Slot::of(meta.received_at).number(), meta.username.as_str());
            let (messages, urgent) = counts.entry(key).or_default();
            *messages += 1;
            *urgent += i64::from(meta.priority == Priority::Highest);
        }
    }
    counts.into_iter().collect()
}

/// Counts accepted messages.
pub(super) async fn count(
    connection: &mut Connection,
    messages: &[Placed<'_>],
) -> Result<(), StoreError> {
    COUNT
        .execute(connection, &counts(messages), bind_count)
        .await
        .map_err(|error| StoreError::writing("count a message", error))
}

pub(super) fn bind_count(
    statement: Statement,
    ((slot, username), (messages, urgent)): &NewCount<'_>,
) -> Statement {
    statement
        .bind(*slot)
        .bind(*username)
        .bind(*messages)
        .bind(*urgent)
}

/// What a user has sent within a day.
pub(super) async fn usage(
    readers: &Pool,
    username: &str,
    now: Timestamp,
) -> Result<Usage, StoreError> {
    let found = sql::query(SELECT_USAGE)
        .bind(Slot::oldest(Span::Day, now).number())
        .bind(Slot::of(now).number())
        .bind(username)
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("what a user has sent", error))?;
    let counts = found.iter().map(|row| {
        let slot = Slot::from_number(rows::get(row, "slot")?);
        let sent = Sent {
            messages: rows::count(row, "messages")?,
            urgent: rows::count(row, "urgent")?,
        };
        Ok((slot, sent))
    });
    counts.collect()
}

/// Forgets what a user has sent.
pub(super) async fn forget(connection: &mut Connection, username: &str) -> Result<(), StoreError> {
    sql::query(DELETE_OF_USER)
        .bind(username)
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| StoreError::writing("forget what a user has sent", error))
}

/// Deletes up to [`PURGE_STEP`] counts that nothing asks for any more; answers with how many.
pub(super) async fn purge(connection: &mut Connection, now: Timestamp) -> Result<i64, StoreError> {
    let done = sql::query(DELETE_OLD)
        .bind(Slot::oldest(Span::Day, now).number())
        .bind(PURGE_STEP)
        .execute(connection)
        .await
        .map_err(|error| StoreError::writing("purge old counts", error))?;
    Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
}
