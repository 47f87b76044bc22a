//! What administrators have stopped. It is read by the relay that runs, every second.

use super::sql::{self, Connection, Pool, Row};
use super::{StoreError, rows};
use crate::queue::{Stop, StopScope};

/// Who stopped something first is kept.
const INSERT: &str = "INSERT INTO queue_stop (scope, at, actor, reason) VALUES ($1, $2, $3, $4) \
     ON CONFLICT DO NOTHING";
const DELETE: &str = "DELETE FROM queue_stop WHERE scope = $1";
const SELECT: &str = "SELECT scope, at, actor, reason FROM queue_stop ORDER BY at, scope";

/// A change of what is stopped.
pub(super) enum StopWork {
    Stop(Stop),
    Start(StopScope),
}

impl StopWork {
    /// Makes the change; answers with 1, or 0 when it was so already.
    pub(super) async fn apply(&self, connection: &mut Connection) -> Result<i64, StoreError> {
        let statement = match self {
            Self::Stop(stop) => sql::query(INSERT)
                .bind(scope_text(&stop.scope))
                .bind(stop.at.as_millis())
                .bind(stop.by.as_str())
                .bind(stop.reason.as_str()),
            Self::Start(scope) => sql::query(DELETE).bind(scope_text(scope)),
        };
        let done = statement
            .execute(connection)
            .await
            .map_err(|error| StoreError::writing("stop or start mail", error))?;
        Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
    }
}

/// All that is stopped, in the order in which it was.
pub(super) async fn all(readers: &Pool) -> Result<Vec<Stop>, StoreError> {
    let found = sql::query(SELECT)
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("what is stopped", error))?;
    found.iter().map(stop).collect()
}

fn stop(row: &Row) -> Result<Stop, StoreError> {
    let text: String = rows::get(row, "scope")?;
    Ok(Stop {
        scope: scope(&text).ok_or_else(|| rows::damaged("scope", &text))?,
        at: rows::timestamp(row, "at")?,
        by: rows::get(row, "actor")?,
        reason: rows::get(row, "reason")?,
    })
}

fn scope_text(scope: &StopScope) -> String {
    match scope {
        StopScope::All => "all".to_owned(),
        StopScope::List(id) => format!("list:{id}"),
        StopScope::Destination(name) => format!("to:{name}"),
    }
}

fn scope(text: &str) -> Option<StopScope> {
    if text == "all" {
        return Some(StopScope::All);
    }
    match text.split_once(':')? {
        ("list", id) => id.parse().ok().map(StopScope::List),
        ("to", name) => Some(StopScope::Destination(name.to_owned())),
        _ => None,
    }
}
