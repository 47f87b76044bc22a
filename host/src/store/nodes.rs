//! The nodes of a shared store: who is alive, and what becomes of those that are not.
//!
//! Times are those of the database's clock, so that nobody's own clock decides. What a node may do is the conditions of
//! these statements: it ends others whose lease is over, and frees what they held. What it claims is in `claims`.

use std::sync::Arc;

use parking_lot::Mutex;

use super::claims::{self, ClaimWish, WaitsFor};
use super::membership::{HEARTBEAT, LEASE};
use super::sql::{Connection, Pool, Row, query, query_scalar};
use super::{StoreError, rows};
use crate::clock::Timestamp;
use crate::id::QueueId;

/// Rows of nodes that have ended are kept for a day, for whoever asks what happened.
const KEEP_ENDED_MS: i64 = 86_400_000;

/// A statement that asks for the time, and for whatever else.
macro_rules! clock {
    ($rest:literal) => {
        (
            concat!(
                "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now",
                $rest
            ),
            concat!(
                "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now",
                $rest
            ),
        )
    };
}
const CLOCK: (&str, &str) = clock!("");
/// The time, and whether the node is alive by the store.
const CLOCK_OF: (&str, &str) =
    clock!(", (SELECT COUNT(*) FROM node WHERE id = $1 AND ended_at IS NULL) AS live");
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
/// When it is due stays.
const FREE: &str = "UPDATE message SET claimed_by = NULL, waits_for = NULL \
     WHERE open = 1 AND claimed_by = $1";
const FORGET_ENDED: &str = "DELETE FROM node WHERE ended_at < $1";
/// Owners one by one, each by a look at the index.
const SELECT_OWNERS: &str = "WITH RECURSIVE owner (id) AS (\
     SELECT MIN(claimed_by) FROM message WHERE open = 1 AND claimed_by IS NOT NULL \
     UNION ALL SELECT (SELECT MIN(claimed_by) FROM message WHERE open = 1 AND claimed_by > owner.id) \
     FROM owner WHERE owner.id IS NOT NULL) \
     SELECT id FROM owner WHERE id IS NOT NULL AND id NOT IN (SELECT id FROM node WHERE ended_at IS NULL)";

const SELECT_NODES: &str = "SELECT id, name, version, policies, panel, started_at, seen_at, rate, ended_at, ending, \
     (SELECT COUNT(*) FROM message WHERE open = 1 AND claimed_by = node.id) AS claims FROM node \
     ORDER BY ended_at IS NOT NULL, CASE WHEN ended_at IS NULL THEN id ELSE -id END";

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

impl Node {
    /// True while it counts as alive and heartbeats are missing.
    pub fn is_late(&self) -> bool {
        let silent_ms = u128::from(self.silent_ms.unsigned_abs());
        self.ended.is_none() && silent_ms > 2 * HEARTBEAT.as_millis()
    }

    /// What it is in a word: `alive`, `late` when heartbeats are missing, `left` or `lost`.
    pub fn state(&self) -> &'static str {
        match self.ended {
            None if self.is_late() => "late",
            None => "alive",
            Some((_, ending)) => ending.as_str(),
        }
    }

    /// True when it was lost, and none of its name is alive among these.
    pub fn is_missing(&self, nodes: &[Self]) -> bool {
        let is_there = |other: &Self| other.ended.is_none() && other.facts.name == self.facts.name;
        matches!(self.ended, Some((_, Ending::Lost))) && !nodes.iter().any(is_there)
    }
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
    /// `left` or `lost`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Lost => "lost",
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
    GiveBack(i64, Vec<(QueueId, Option<i64>, WaitsFor)>),
    /// What waits for it is due; a step.
    Wake(WaitsFor),
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
            Self::Claim(node, wish, found) => claims::claim(connection, *node, wish, found).await,
            Self::ClaimThese(node, ids, found) => {
                claims::claim_these(connection, *node, ids, found).await
            }
            Self::GiveBack(node, given) => claims::give_back(connection, *node, given).await,
            Self::Wake(what) => claims::wake(connection, what).await,
        }
    }
}

/// Milliseconds since the epoch by the database's clock.
async fn clock(connection: &mut Connection) -> Result<i64, sqlx::Error> {
    query_scalar(CLOCK).fetch_one(connection).await
}

/// The same, and whether the node is alive by the store.
pub(super) async fn clock_of(
    connection: &mut Connection,
    node: i64,
) -> Result<(i64, bool), sqlx::Error> {
    let row = query(CLOCK_OF).bind(node).fetch_one(connection).await?;
    Ok((row.try_get("now")?, row.try_get::<i64, _>("live")? > 0))
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

/// All nodes that are alive, in the order in which they came, and then those that ended within a day, the last first.
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

/// As the database counts.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
