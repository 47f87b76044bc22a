//! The nodes of a shared store: who is alive, and which messages each has claimed.
//!
//! Times are those of the database's clock, so that nobody's own clock decides. What a node may do is the conditions of
//! these statements: it claims what nobody has, gives back and records what is its own, and ends others whose lease is over.

use std::sync::Arc;

use parking_lot::Mutex;

use super::membership::LEASE;
use super::sql::{Connection, Pool, QueryBuilder, Row, query, query_scalar};
use super::{StoreError, filters, rows};
use crate::clock::Timestamp;
use crate::id::QueueId;

/// Rows of nodes that have ended are kept for a day, for whoever asks what happened.
const KEEP_ENDED_MS: i64 = 86_400_000;
/// Messages freed from their wait in one transaction. 1,000: some ten milliseconds.
pub(super) const WAKE_STEP: i64 = 1000;
/// Destinations that are looked at for mail that waits for them.
const DESTINATIONS: i64 = 1000;
/// What stands in `waits_for` of mail that an administrator has stopped; no destination has such a name.
pub(super) const STOPPED: &str = "(stopped)";

const CLOCK: (&str, &str) = (
    "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)",
    "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
);
/// The time, and whether the node is alive by the store.
const CLOCK_OF: (&str, &str) = (
    "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now, \
     (SELECT COUNT(*) FROM node WHERE id = $1 AND ended_at IS NULL) AS live",
    "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now, \
     (SELECT COUNT(*) FROM node WHERE id = $1 AND ended_at IS NULL) AS live",
);
const INSERT_NODE: &str = "INSERT INTO node (name, version, policies, panel, started_at, seen_at) \
     VALUES ($1, $2, $3, $4, $5, $5) RETURNING id";
const BEAT: &str = "UPDATE node SET seen_at = $2, policies = $3, panel = $4, rate = $5 \
     WHERE id = $1 AND ended_at IS NULL";
const SELECT_LIVE: &str =
    "SELECT COUNT(*) AS live, MIN(id) AS first FROM node WHERE ended_at IS NULL";
const SELECT_OVERDUE: (&str, &str) = (
    "SELECT id FROM node WHERE ended_at IS NULL AND seen_at < $1",
    "SELECT id FROM node WHERE ended_at IS NULL AND seen_at < $1 FOR UPDATE SKIP LOCKED",
);
const END_NODE: &str =
    "UPDATE node SET ended_at = $2, ending = $3 WHERE id = $1 AND ended_at IS NULL";
const FREE: &str = "UPDATE message SET claimed_by = NULL, claim_at = 0, waits_for = NULL \
     WHERE open = 1 AND claimed_by = $1";
const FORGET_ENDED: &str = "DELETE FROM node WHERE ended_at < $1";
/// Owners one by one, each by a look at the index.
const SELECT_OWNERS: &str = "WITH RECURSIVE owner (id) AS (\
     SELECT MIN(claimed_by) FROM message WHERE open = 1 AND claimed_by IS NOT NULL \
     UNION ALL SELECT (SELECT MIN(claimed_by) FROM message WHERE open = 1 AND claimed_by > owner.id) \
     FROM owner WHERE owner.id IS NOT NULL) \
     SELECT id FROM owner WHERE id IS NOT NULL AND id NOT IN (SELECT id FROM node WHERE ended_at IS NULL)";

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
const WAKE: &str = "UPDATE message SET waits_for = CASE WHEN waits_for = $3 THEN NULL ELSE waits_for END, \
     claim_at = 0 WHERE id IN (SELECT id FROM message WHERE open = 1 AND claimed_by IS NULL \
     AND waits_for = $1 AND (claim_at > 0 OR waits_for = $3) LIMIT $2)";
const SELECT_OWN: &str = "SELECT id FROM message WHERE open = 1 AND claimed_by = $1";
const SELECT_NODES: &str = "SELECT id, name, version, policies, panel, started_at, seen_at, rate, ended_at, ending, \
     (SELECT COUNT(*) FROM message WHERE open = 1 AND claimed_by = node.id) AS claims FROM node ORDER BY id";

/// What a process tells the others of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its name; people tell nodes apart by it.
    pub name: String,
    /// The release it runs.
    pub version: String,
    /// Digest of its policy set, in hexadecimal.
    pub policies: String,
    /// Where its panel is; empty when it serves none.
    pub panel: String,
}

/// A node as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its number: another one for each start.
    pub id: i64,
    /// What it said of itself.
    pub facts: NodeFacts,
    /// When it came.
    pub started_at: Timestamp,
    /// Milliseconds since its last heartbeat.
    pub silent_ms: i64,
    /// Recipients it served a minute, lately.
    pub rate: i64,
    /// Messages that it has claimed.
    pub claims: i64,
    /// When it ended, and whether it said so itself; none while it is alive.
    pub ended: Option<(Timestamp, Ending)>,
}

/// The policy set that most of the nodes have that are alive; of several as many, that of the one that came first.
pub fn usual_policies(nodes: &[Node]) -> Option<&str> {
    let alive = || nodes.iter().filter(|node| node.ended.is_none());
    let has = |policies: &str| {
        alive()
            .filter(|node| node.facts.policies == policies)
            .count()
    };
    let all = alive().rev().map(|node| node.facts.policies.as_str());
    all.max_by_key(|policies| has(policies))
}

/// How a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It took its leave.
    Left,
    /// It was silent for longer than its lease.
    Lost,
}

impl Ending {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Lost => "lost",
        }
    }
}

/// A message that its node does not send now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenBack {
    /// The message.
    pub id: QueueId,
    /// When it is to be claimed again.
    pub at: Timestamp,
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

/// Where the writer puts what it found; whoever asked looks after the commit.
pub(super) type Found = Arc<Mutex<Vec<i64>>>;

/// What nodes ask of the writer. Each begins with the number of the node.
pub(super) enum NodeWork {
    /// A new node; answers with its number.
    Join(NodeFacts, Found),
    /// It is alive, and serves so many recipients a minute.
    Beat(i64, NodeFacts, i64, Found),
    /// It takes its leave.
    Leave(i64),
    /// Ends nodes whose lease is over, and frees what nobody alive holds.
    TakeOver,
    /// Claims what is due, the most urgent first; of priorities up to this.
    Claim(i64, ClaimWish, Found),
    /// Claims these, whatever they wait for.
    ClaimThese(i64, Vec<QueueId>, Found),
    /// Does not send these now. Times are the database's.
    GiveBack(i64, Vec<(QueueId, i64, WaitsFor)>),
    /// What waits for it is due; a step.
    Wake(WaitsFor),
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

impl NodeWork {
    /// Answers with how many rows it concerned.
    pub(super) async fn apply(&self, connection: &mut Connection) -> Result<i64, StoreError> {
        self.execute(connection)
            .await
            .map_err(|error| StoreError::writing("share work among nodes", error))
    }

    async fn execute(&self, connection: &mut Connection) -> Result<i64, sqlx::Error> {
        match self {
            Self::Join(facts, found) => join(connection, facts, found).await,
            Self::Beat(node, facts, rate, found) => {
                beat(connection, *node, (facts, *rate), found).await
            }
            Self::Leave(node) => {
                let now = clock(connection).await?;
                end(connection, *node, now, Ending::Left).await
            }
            Self::TakeOver => take_over(connection).await,
            Self::Claim(node, wish, found) => claim(connection, *node, wish, found).await,
            Self::ClaimThese(node, ids, found) => claim_these(connection, *node, ids, found).await,
            Self::GiveBack(node, given) => give_back(connection, *node, given).await,
            Self::Wake(what) => wake(connection, what).await,
        }
    }
}

/// Milliseconds since the epoch by the database's clock.
async fn clock(connection: &mut Connection) -> Result<i64, sqlx::Error> {
    query_scalar(CLOCK).fetch_one(connection).await
}

async fn join(
    connection: &mut Connection,
    facts: &NodeFacts,
    found: &Found,
) -> Result<i64, sqlx::Error> {
    let now = clock(connection).await?;
    let node: i64 = query_scalar(INSERT_NODE)
        .bind(facts.name.as_str())
        .bind(facts.version.as_str())
        .bind(facts.policies.as_str())
        .bind(facts.panel.as_str())
        .bind(now)
        .fetch_one(&mut *connection)
        .await?;
    *found.lock() = standing(connection, now).await?;
    Ok(node)
}

/// Answers with 0 when the node's lease is over.
async fn beat(
    connection: &mut Connection,
    node: i64,
    (facts, rate): (&NodeFacts, i64),
    found: &Found,
) -> Result<i64, sqlx::Error> {
    let now = clock(connection).await?;
    let done = query(BEAT)
        .bind(node)
        .bind(now)
        .bind(facts.policies.as_str())
        .bind(facts.panel.as_str())
        .bind(rate)
        .execute(&mut *connection)
        .await?;
    *found.lock() = standing(connection, now).await?;
    Ok(number(done.rows_affected()))
}

/// The database's time, how many nodes are alive, and which came first.
async fn standing(connection: &mut Connection, now: i64) -> Result<Vec<i64>, sqlx::Error> {
    let row = query(SELECT_LIVE).fetch_one(connection).await?;
    let first: Option<i64> = row.try_get("first")?;
    Ok(vec![now, row.try_get("live")?, first.unwrap_or_default()])
}

async fn end(
    connection: &mut Connection,
    node: i64,
    now: i64,
    how: Ending,
) -> Result<i64, sqlx::Error> {
    let ended = query(END_NODE).bind(node).bind(now).bind(how.as_str());
    ended.execute(&mut *connection).await?;
    free(connection, node).await
}

async fn free(connection: &mut Connection, node: i64) -> Result<i64, sqlx::Error> {
    let freed = query(FREE).bind(node).execute(connection).await?;
    Ok(number(freed.rows_affected()))
}

/// Also what a node claimed in a transaction that ended after it was.
async fn take_over(connection: &mut Connection) -> Result<i64, sqlx::Error> {
    let now = clock(connection).await?;
    let lease_ms = i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX);
    let overdue: Vec<i64> = query_scalar(SELECT_OVERDUE)
        .bind(now - lease_ms)
        .fetch_all(&mut *connection)
        .await?;
    let mut freed = 0;
    for node in overdue {
        freed += end(connection, node, now, Ending::Lost).await?;
        tracing::warn!(
            node,
            "a node is silent for longer than its lease; what it held is free"
        );
    }
    let owners: Vec<i64> = query_scalar(SELECT_OWNERS)
        .fetch_all(&mut *connection)
        .await?;
    for node in owners {
        freed += free(connection, node).await?;
    }
    query(FORGET_ENDED)
        .bind(now - KEEP_ENDED_MS)
        .execute(connection)
        .await?;
    Ok(freed)
}

async fn claim(
    connection: &mut Connection,
    node: i64,
    wish: &ClaimWish,
    found: &Found,
) -> Result<i64, sqlx::Error> {
    let row = query(CLOCK_OF)
        .bind(node)
        .fetch_one(&mut *connection)
        .await?;
    let (now, live): (i64, i64) = (row.try_get("now")?, row.try_get("live")?);
    if live == 0 {
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

async fn claim_these(
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

async fn give_back(
    connection: &mut Connection,
    node: i64,
    given: &[(QueueId, i64, WaitsFor)],
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
        ") UPDATE message SET claimed_by = NULL, claim_at = given.at, waits_for = given.waits_for \
         FROM given WHERE message.id = given.id AND open = 1 AND claimed_by = ",
    );
    update.push_bind(node);
    let done = update.build().persistent(false).execute(connection).await?;
    Ok(number(done.rows_affected()))
}

async fn wake(connection: &mut Connection, what: &WaitsFor) -> Result<i64, sqlx::Error> {
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
    let mut select = QueryBuilder::new("SELECT id FROM message WHERE claimed_by = ");
    select.push_bind(node);
    filters::push_ids(&mut select, " AND id", ids);
    select.push_pair("", " FOR NO KEY UPDATE");
    let owned = select.build_query_scalar().persistent(false);
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

/// All nodes that are alive or ended within a day, in the order in which they came.
pub(super) async fn all(readers: &Pool) -> Result<Vec<Node>, StoreError> {
    let failed = |error| StoreError::reading("the nodes", error);
    let now: i64 = query_scalar(CLOCK)
        .fetch_one(readers)
        .await
        .map_err(failed)?;
    let found = query(SELECT_NODES)
        .fetch_all(readers)
        .await
        .map_err(failed)?;
    found.iter().map(|row| node(row, now)).collect()
}

fn node(row: &Row, now: i64) -> Result<Node, StoreError> {
    let ended: Option<i64> = rows::get(row, "ended_at")?;
    let how = match rows::get::<Option<String>>(row, "ending")?.as_deref() {
        Some("left") => Ending::Left,
        _ => Ending::Lost,
    };
    Ok(Node {
        id: rows::get(row, "id")?,
        facts: NodeFacts {
            name: rows::get(row, "name")?,
            version: rows::get(row, "version")?,
            policies: rows::get(row, "policies")?,
            panel: rows::get(row, "panel")?,
        },
        started_at: rows::timestamp(row, "started_at")?,
        silent_ms: (now - rows::get::<i64>(row, "seen_at")?).max(0),
        rate: rows::get(row, "rate")?,
        claims: rows::get(row, "claims")?,
        ended: ended.map(|at| (Timestamp::from_millis(at), how)),
    })
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
