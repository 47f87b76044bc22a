//! What policies count, by slot: amounts are added up, so that several writers do not overwrite each other.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::bulk::Bulk;
use super::sql::{self, Connection, Pool, Row};
use super::upkeep::PURGE_STEP;
use super::{StoreError, rows};
use crate::clock::Timestamp;
use crate::queue::PolicyCount;

static ADD: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT INTO policy_count (policy, key, window_s, slot, amount, expires_at, changed_at) VALUES ",
        7,
        // A sum beyond the largest number stays at the largest.
        " ON CONFLICT (policy, key, window_s, slot) DO UPDATE SET changed_at = excluded.changed_at, amount = \
         CASE WHEN policy_count.amount > 9223372036854775807 - excluded.amount \
         THEN 9223372036854775807 ELSE policy_count.amount + excluded.amount END",
    )
});
const SELECT_LIVE: &str = "SELECT policy, key, window_s, slot, amount, expires_at \
     FROM policy_count WHERE expires_at > $1 ORDER BY policy, key, window_s, slot";
const SELECT_CHANGED: &str = "SELECT policy, key, window_s, slot, amount, expires_at \
     FROM policy_count WHERE changed_at >= $1";
const DELETE_OLD: &str = "DELETE FROM policy_count WHERE (policy, key, window_s, slot) IN \
     (SELECT policy, key, window_s, slot FROM policy_count \
     WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";

/// Adds to what is stored.
pub(super) async fn add(
    connection: &mut Connection,
    counts: &[PolicyCount],
    changed_at: i64,
) -> Result<(), StoreError> {
    // Each row once, and in the same order on every node, or they would wait for each other.
    let mut sums = BTreeMap::new();
    for count in counts {
        let key = (&count.policy, &count.key, count.window_s, count.slot);
        let (amount, _) = sums.entry(key).or_insert((0_u64, count.expires_at_ms));
        *amount = amount.saturating_add(count.amount);
    }
    let sums: Vec<_> = sums.into_iter().collect();
    ADD.execute(
        connection,
        &sums,
        |statement, (key, (amount, expires_at_ms))| {
            let (policy, key, window_s, slot) = key;
            statement
                .bind(*policy)
                .bind(*key)
                .bind(i64::from(*window_s))
                .bind(*slot)
                .bind(i64::try_from(*amount).unwrap_or(i64::MAX))
                .bind(*expires_at_ms)
                .bind(changed_at)
        },
    )
    .await
    .map_err(|error| StoreError::writing("store what policies count", error))
}

/// What was added to since then, by the database's clock.
pub(super) async fn changed(readers: &Pool, since: i64) -> Result<Vec<PolicyCount>, StoreError> {
    let found = sql::query(SELECT_CHANGED)
        .bind(since)
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("what policies count", error))?;
    found.iter().map(count).collect()
}

/// What still counts at `now`.
pub(super) async fn live(readers: &Pool, now: Timestamp) -> Result<Vec<PolicyCount>, StoreError> {
    let found = sql::query(SELECT_LIVE)
        .bind(now.as_millis())
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("what policies count", error))?;
    found.iter().map(count).collect()
}

fn count(row: &Row) -> Result<PolicyCount, StoreError> {
    Ok(PolicyCount {
        policy: rows::get(row, "policy")?,
        key: rows::get(row, "key")?,
        window_s: rows::count(row, "window_s")?,
        slot: rows::get(row, "slot")?,
        amount: rows::count(row, "amount")?,
        expires_at_ms: rows::get(row, "expires_at")?,
    })
}

/// Deletes up to [`PURGE_STEP`] counts that are over at `now`; answers with how many.
pub(super) async fn purge(connection: &mut Connection, now: Timestamp) -> Result<i64, StoreError> {
    let done = sql::query(DELETE_OLD)
        .bind(now.as_millis())
        .bind(PURGE_STEP)
        .execute(connection)
        .await
        .map_err(|error| StoreError::writing("purge what policies counted", error))?;
    Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
}
