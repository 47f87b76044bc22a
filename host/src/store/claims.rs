//! What nodes of a shared store claim, and what they give back.
//!
//! A node claims what nobody has, the most urgent first, and gives back and records what is its own: the conditions of
//! these statements. Times are those of the database's clock.

use std::sync::LazyLock;

use super::bulk::{Bulk, Statement};
use super::nodes::{Found, clock_of, number};
use super::sql::{Connection, Dialect, Pool, QueryBuilder, query, query_scalar};
use super::{StoreError, filters};
use crate::clock::Timestamp;
use crate::id::QueueId;

/// Messages freed from their wait in one transaction. 1,000: some ten milliseconds.
pub(super) const WAKE_STEP: i64 = 1000;
/// Destinations that are looked at for mail that waits for them.
const DESTINATIONS: i64 = 1000;
/// What stands in `waits_for` of mail that an administrator has stopped; no destination has such a name.
pub(super) const STOPPED: &str = "(stopped)";

/// A statement that claims what a `SELECT` finds, and passes over what others are claiming at that moment.
macro_rules! claim {
    ($condition:literal) => {
        (
            concat!(
                "WITH picked AS MATERIALIZED (SELECT id FROM message WHERE open = 1 AND claimed_by IS NULL \
                 AND (hold IS NULL OR released_at IS NOT NULL) AND ",
                $condition,
                ") UPDATE message SET claimed_by = $1, waits_for = NULL FROM picked \
                 WHERE message.id = picked.id RETURNING message.id"
            ),
            concat!(
                "WITH picked AS MATERIALIZED (SELECT id FROM message WHERE open = 1 AND claimed_by IS NULL \
                 AND (hold IS NULL OR released_at IS NOT NULL) AND ",
                $condition,
                " FOR UPDATE SKIP LOCKED) UPDATE message SET claimed_by = $1, waits_for = NULL FROM picked \
                 WHERE message.id = picked.id RETURNING message.id"
            ),
        )
    };
}
const CLAIM_DUE: (&str, &str) =
    claim!("waits_for IS NULL AND priority = $2 AND claim_at <= $3 ORDER BY claim_at, id LIMIT $4");
const CLAIM_FOR: (&str, &str) =
    claim!("waits_for = $2 AND claim_at <= $3 ORDER BY priority, claim_at, id LIMIT $4");
const SELECT_DESTINATIONS: &str = "WITH RECURSIVE one (name) AS (\
     SELECT MIN(waits_for) FROM message WHERE open = 1 AND claimed_by IS NULL AND waits_for IS NOT NULL \
     UNION ALL SELECT (SELECT MIN(waits_for) FROM message WHERE open = 1 AND claimed_by IS NULL \
     AND waits_for > one.name) FROM one WHERE one.name IS NOT NULL) \
     SELECT name FROM one WHERE name IS NOT NULL LIMIT $1";
/// What is started keeps its time; what waits for a destination that is reached again is due.
const WAKE: &str = "UPDATE message SET waits_for = CASE WHEN waits_for = $3 THEN NULL ELSE waits_for END, \
     claim_at = CASE WHEN waits_for = $3 THEN claim_at ELSE 0 END \
     WHERE id IN (SELECT id FROM message WHERE open = 1 AND claimed_by IS NULL \
     AND waits_for = $1 AND (claim_at > 0 OR waits_for = $3) LIMIT $2)";
/// In one order, so that no two transactions wait for each other.
const LOCK_OWNED: &str = "SELECT id FROM message WHERE claimed_by = $1 AND id = ANY($2) \
     ORDER BY id FOR NO KEY UPDATE";
const SELECT_OWN: &str = "SELECT id FROM message WHERE open = 1 AND claimed_by = $1";

/// What is tried again is due with the first of its recipients, whoever has it then.
static DEFER: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "WITH deferred (id, ahead_ms) AS (VALUES ",
        2,
        ") UPDATE message SET claim_at = (SELECT MIN(due_at) FROM recipient \
         WHERE recipient.message_id = message.id AND status <= 1) - deferred.ahead_ms \
         FROM deferred WHERE message.id = deferred.id AND message.open = 1",
    )
});

/// A message that its node does not send now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenBack {
    /// The message.
    pub id: QueueId,
    /// When it is to be claimed again; none: when it is due, as the store knows it.
    pub at: Option<Timestamp>,
    /// What it waits for besides.
    pub waits_for: WaitsFor,
}

/// What a message waits for, its time aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// Nothing.
    Nothing,
    /// Room at the destination of this name, or that it can be reached.
    Destination(String),
    /// That an administrator starts it.
    Start,
}

impl WaitsFor {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Destination(name) => Some(name),
            Self::Start => Some(STOPPED),
        }
    }
}

/// What a node wants to have.
#[derive(Clone, Debug)]
pub(super) struct ClaimWish {
    /// What waits for this destination; none: what waits for nothing.
    pub(super) destination: Option<String>,
    /// Up to this priority.
    pub(super) least_urgent: i64,
    /// So many messages.
    pub(super) limit: i64,
}

pub(super) async fn claim(
    connection: &mut Connection,
    node: i64,
    wish: &ClaimWish,
    found: &Found,
) -> Result<i64, sqlx::Error> {
    let (now, is_live) = clock_of(connection, node).await?;
    if !is_live {
        // It learns of it at its next heartbeat.
        return Ok(0);
    }
    let mut claimed = Vec::new();
    if let Some(destination) = &wish.destination {
        let claim = query_scalar(CLAIM_FOR)
            .bind(node)
            .bind(destination.as_str());
        let claim = claim.bind(now).bind(wish.limit);
        claimed = claim.fetch_all(&mut *connection).await?;
    } else {
        for priority in 1..=wish.least_urgent {
            let rest = wish.limit - number(claimed.len() as u64);
            if rest <= 0 {
                break;
            }
            let claim = query_scalar(CLAIM_DUE).bind(node).bind(priority);
            let ids: Vec<i64> = claim
                .bind(now)
                .bind(rest)
                .fetch_all(&mut *connection)
                .await?;
            claimed.extend(ids);
        }
    }
    let count = number(claimed.len() as u64);
    *found.lock() = claimed;
    Ok(count)
}

pub(super) async fn claim_these(
    connection: &mut Connection,
    node: i64,
    ids: &[QueueId],
    found: &Found,
) -> Result<i64, sqlx::Error> {
    let mut claim = QueryBuilder::new("UPDATE message SET claimed_by = ");
    claim.push_bind(node);
    claim.push(", waits_for = NULL WHERE open = 1 AND claimed_by IS NULL");
    filters::push_ids(&mut claim, " AND id", ids);
    claim.push(" RETURNING id");
    let claimed: Vec<i64> = claim
        .build_query_scalar()
        .persistent(false)
        .fetch_all(connection)
        .await?;
    let count = number(claimed.len() as u64);
    *found.lock() = claimed;
    Ok(count)
}

pub(super) async fn give_back(
    connection: &mut Connection,
    node: i64,
    given: &[(QueueId, Option<i64>, WaitsFor)],
) -> Result<i64, sqlx::Error> {
    if given.is_empty() {
        return Ok(0);
    }
    let mut update = QueryBuilder::new("WITH given (id, at, waits_for) AS (VALUES ");
    for (place, (id, at, waits_for)) in given.iter().enumerate() {
        update.push(if place == 0 { "(" } else { ", (" });
        update.push_bind(id.as_i64()).push(", ");
        update.push_bind(*at).push(", ");
        update.push_bind(waits_for.text()).push(")");
    }
    update.push(
        ") UPDATE message SET claimed_by = NULL, \
         claim_at = COALESCE(given.at, claim_at), waits_for = given.waits_for \
         FROM given WHERE message.id = given.id AND open = 1 AND claimed_by = ",
    );
    update.push_bind(node);
    let done = update.build().persistent(false).execute(connection).await?;
    Ok(number(done.rows_affected()))
}

/// Notes when messages are due again that were tried and are open.
pub(super) async fn defer(
    connection: &mut Connection,
    deferred: &[(QueueId, i64)],
) -> Result<(), StoreError> {
    let bind = |statement: Statement, (id, ahead_ms): &(QueueId, i64)| {
        statement.bind(id.as_i64()).bind(*ahead_ms)
    };
    let done = DEFER.execute(connection, deferred, bind).await;
    done.map_err(|error| StoreError::writing("record an attempt", error))
}

pub(super) async fn wake(connection: &mut Connection, what: &WaitsFor) -> Result<i64, sqlx::Error> {
    let Some(name) = what.text() else {
        return Ok(0);
    };
    let wake = query(WAKE).bind(name).bind(WAKE_STEP).bind(STOPPED);
    let done = wake.execute(connection).await?;
    Ok(number(done.rows_affected()))
}

/// Those of these messages that are claimed by the node; nobody takes them over before the commit.
pub(super) async fn owned_of(
    connection: &mut Connection,
    node: i64,
    ids: &[QueueId],
) -> Result<Vec<i64>, StoreError> {
    let owned = if connection.dialect() == Dialect::Postgres {
        let ids: Vec<Option<i64>> = ids.iter().map(|id| Some(id.as_i64())).collect();
        query_scalar(LOCK_OWNED).bind(node).bind(ids)
    } else {
        let mut select = QueryBuilder::new("SELECT id FROM message WHERE claimed_by = ");
        select.push_bind(node);
        filters::push_ids(&mut select, " AND id", ids);
        select.build_query_scalar().persistent(false)
    };
    let owned = owned.fetch_all(connection).await;
    owned.map_err(|error| StoreError::writing("record an attempt", error))
}

/// All open messages that the node has claimed.
pub(super) async fn owned(readers: &Pool, node: i64) -> Result<Vec<QueueId>, StoreError> {
    let owned: Result<Vec<i64>, _> = query_scalar(SELECT_OWN).bind(node).fetch_all(readers).await;
    let owned = owned.map_err(|error| StoreError::reading("the claims of this node", error))?;
    Ok(owned.into_iter().map(QueueId::from_i64).collect())
}

/// The names of destinations that mail waits for.
pub(super) async fn destinations(readers: &Pool) -> Result<Vec<String>, StoreError> {
    let names: Result<Vec<String>, _> = query_scalar(SELECT_DESTINATIONS)
        .bind(DESTINATIONS)
        .fetch_all(readers)
        .await;
    let mut names = names.map_err(|error| StoreError::reading("what mail waits for", error))?;
    names.retain(|name| name != STOPPED);
    Ok(names)
}
