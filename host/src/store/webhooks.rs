//! Where events are posted, which wait for it, and what came of the most recent posts.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::bulk::Bulk;
use super::sql::{self, Connection, Pool, Row};
use super::{StoreError, rows};
use crate::alert::{Event, EventKind, EventSet, Post, WaitingEvent, Webhook};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// An event that is known already is not stored again: whoever is told `Unavailable` asks again.
static INSERT_EVENTS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT INTO webhook_event (id, list_id, kind, at, body, due_at) VALUES ",
        6,
        " ON CONFLICT (list_id, id) DO NOTHING",
    )
});
static DELETE_EVENTS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new("DELETE FROM webhook_event WHERE number IN (VALUES ", 1, ")"));
static INSERT_DELIVERIES: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT INTO webhook_delivery (list_id, event_id, kind, at, attempt, status, answer, took_ms) VALUES ",
        8,
        "",
    )
});
const AGAIN: &str = "UPDATE webhook_event SET attempts = $1, due_at = $2 WHERE number = $3";
const TRIM_DELIVERIES: &str = "DELETE FROM webhook_delivery WHERE list_id = $1 AND number <= \
     (SELECT number FROM webhook_delivery WHERE list_id = $1 ORDER BY number DESC LIMIT 1 OFFSET $2)";
const SET_WEBHOOK: &str = "INSERT INTO webhook (list_id, url, secret, events, created_at) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (list_id) DO UPDATE SET \
     url = excluded.url, secret = excluded.secret, events = excluded.events";
/// What happened before a webhook wanted alerts is not posted.
const FORGET_UNPOSTED: &str = "UPDATE alert SET posted = occurrences WHERE list_id = $1 AND posted < occurrences \
     AND NOT EXISTS (SELECT 1 FROM webhook WHERE list_id = $1 AND events LIKE '%alert%')";
const DELETE_WEBHOOK: &str = "DELETE FROM webhook WHERE list_id = $1";
const SELECT_WEBHOOKS: &str = "SELECT webhook.list_id, url, secret, events, webhook.created_at, \
     list.name AS list_name FROM webhook LEFT JOIN list ON list.id = webhook.list_id ORDER BY list_id";
const SELECT_WAITING: &str = "SELECT number, id, list_id, kind, at, body, attempts FROM webhook_event \
     WHERE list_id = $1 AND due_at <= $2 ORDER BY due_at, number LIMIT $3";
const SELECT_WITH_DUE: &str = "SELECT list_id FROM webhook WHERE EXISTS (SELECT 1 FROM webhook_event \
     WHERE webhook_event.list_id = webhook.list_id AND due_at <= $1)";
const SELECT_DELIVERIES: &str = "SELECT number, list_id, event_id, kind, at, attempt, status, answer, took_ms \
     FROM webhook_delivery WHERE list_id = $1 ORDER BY number DESC LIMIT $2";
const COUNT_WAITING: &str = "SELECT COUNT(*) AS waiting FROM webhook_event WHERE list_id = $1";
const DELETE_OLD: &str = "DELETE FROM webhook_event WHERE number IN \
     (SELECT number FROM webhook_event WHERE list_id = $1 AND at < $2 LIMIT $3)";
const DELETE_BEYOND: &str = "DELETE FROM webhook_event WHERE list_id = $1 AND number <= \
     (SELECT number FROM webhook_event WHERE list_id = $1 ORDER BY number DESC LIMIT 1 OFFSET $2)";

/// Posts of a webhook whose answers are kept. 50: what a person looks through.
const KEPT_DELIVERIES: i64 = 50;
/// Events deleted in one transaction for their age.
const PURGE_STEP: i64 = 1000;

/// Who wants which events; what the intake of messages looks at.
#[derive(Debug, Default)]
pub(super) struct Hooks(HashMap<i64, (EventSet, String)>);

impl Hooks {
    pub(super) fn of(webhooks: &[(Webhook, String)]) -> Self {
        let entry = |(hook, name): &(Webhook, String)| {
            (hook.list_id.unwrap_or(0), (hook.events, name.clone()))
        };
        Self(webhooks.iter().map(entry).collect())
    }

    /// The list's name, when its webhook wants events of this kind.
    pub(super) fn wanting(&self, list: Option<i64>, kind: EventKind) -> Option<&str> {
        let (events, name) = self.0.get(&list?)?;
        events.has(kind).then_some(name.as_str())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A change of webhooks or their events.
pub(super) enum WebhookWork {
    /// Another webhook.
    Set(Webhook),
    /// None any more.
    Delete(Option<i64>),
    /// What came of posts.
    Posted(Vec<Post>),
    /// Events of a webhook that are too old or too many.
    Purge(Option<i64>, Timestamp, u32),
}

impl WebhookWork {
    pub(super) async fn apply(&self, connection: &mut Connection) -> Result<i64, StoreError> {
        self.execute(connection)
            .await
            .map_err(|error| StoreError::writing("change webhooks", error))
    }

    async fn execute(&self, connection: &mut Connection) -> Result<i64, sqlx::Error> {
        match self {
            Self::Set(webhook) => set(connection, webhook).await.map(|()| 0),
            Self::Delete(list) => {
                let delete = sql::query(DELETE_WEBHOOK).bind(list.unwrap_or(0));
                let done = delete.execute(connection).await?;
                Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
            }
            Self::Posted(posts) => posted(connection, posts).await.map(|()| 0),
            Self::Purge(list, before, max) => {
                let list = list.unwrap_or(0);
                let old = sql::query(DELETE_OLD).bind(list).bind(before.as_millis());
                let old = old.bind(PURGE_STEP).execute(&mut *connection).await?;
                let beyond = sql::query(DELETE_BEYOND).bind(list).bind(i64::from(*max));
                let beyond = beyond.execute(connection).await?;
                let lost = old.rows_affected() + beyond.rows_affected();
                Ok(i64::try_from(lost).unwrap_or(i64::MAX))
            }
        }
    }
}

async fn set(connection: &mut Connection, webhook: &Webhook) -> Result<(), sqlx::Error> {
    let list = webhook.list_id.unwrap_or(0);
    let forget = sql::query(FORGET_UNPOSTED).bind(list);
    forget.execute(&mut *connection).await?;
    sql::query(SET_WEBHOOK)
        .bind(list)
        .bind(webhook.url.as_str())
        .bind(webhook.secret.expose().as_str())
        .bind(webhook.events.to_string())
        .bind(webhook.created_at.as_millis())
        .execute(connection)
        .await
        .map(drop)
}

/// Stores events to be posted.
pub(super) async fn insert(
    connection: &mut Connection,
    events: &[&Event],
) -> Result<(), StoreError> {
    INSERT_EVENTS
        .execute(connection, events, |statement, event| {
            statement
                .bind(event.id.clone())
                .bind(event.list_id.unwrap_or(0))
                .bind(event.kind.name())
                .bind(event.at.as_millis())
                .bind(event.body.clone())
                .bind(event.at.as_millis())
        })
        .await
        .map_err(|error| StoreError::writing("store an event", error))
}

async fn posted(connection: &mut Connection, posts: &[Post]) -> Result<(), sqlx::Error> {
    let done: Vec<i64> = posts
        .iter()
        .filter(|post| post.again_at.is_none())
        .map(|post| post.number)
        .collect();
    DELETE_EVENTS
        .execute(connection, &done, |statement, number| {
            statement.bind(*number)
        })
        .await?;
    for post in posts {
        if let Some(again_at) = post.again_at {
            let again = sql::query(AGAIN).bind(i64::from(post.attempt));
            let again = again.bind(again_at.as_millis()).bind(post.number);
            again.execute(&mut *connection).await?;
        }
    }
    INSERT_DELIVERIES
        .execute(connection, posts, |statement, post| {
            statement
                .bind(post.list_id.unwrap_or(0))
                .bind(post.event_id.clone())
                .bind(post.kind.name())
                .bind(post.at.as_millis())
                .bind(i64::from(post.attempt))
                .bind(i64::from(post.status))
                .bind(post.answer.clone())
                .bind(i64::try_from(post.took_ms).unwrap_or(i64::MAX))
        })
        .await?;
    if let Some(post) = posts.first() {
        let trim = sql::query(TRIM_DELIVERIES).bind(post.list_id.unwrap_or(0));
        trim.bind(KEPT_DELIVERIES).execute(connection).await?;
    }
    Ok(())
}

/// All webhooks, with the names of their lists.
pub(super) async fn all(readers: &Pool) -> Result<Vec<(Webhook, String)>, StoreError> {
    let found = sql::query(SELECT_WEBHOOKS).fetch_all(readers).await;
    let found = found.map_err(|error| StoreError::reading("webhooks", error))?;
    let webhook = |row: &Row| {
        let events: String = rows::get(row, "events")?;
        let name: Option<String> = rows::get(row, "list_name")?;
        let webhook = Webhook {
            list_id: rows::list_id(row)?,
            url: rows::get(row, "url")?,
            secret: Secret::new(rows::get(row, "secret")?),
            events: events.split(' ').filter_map(EventKind::from_name).collect(),
            created_at: rows::timestamp(row, "created_at")?,
        };
        Ok((webhook, name.unwrap_or_default()))
    };
    found.iter().map(webhook).collect()
}

/// Events of a webhook that are due, those due first first.
pub(super) async fn due(
    readers: &Pool,
    list: Option<i64>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<WaitingEvent>, StoreError> {
    let query = sql::query(SELECT_WAITING).bind(list.unwrap_or(0));
    let query = query.bind(now.as_millis()).bind(i64::from(limit));
    let found = query.fetch_all(readers).await;
    let found = found.map_err(|error| StoreError::reading("events", error))?;
    let waiting = |row: &Row| {
        Ok(WaitingEvent {
            number: rows::get(row, "number")?,
            event: Event {
                id: rows::get(row, "id")?,
                list_id: rows::list_id(row)?,
                kind: kind(row)?,
                at: rows::timestamp(row, "at")?,
                body: rows::get(row, "body")?,
            },
            attempts: rows::count(row, "attempts")?,
        })
    };
    found.iter().map(waiting).collect()
}

/// The lists whose webhooks have events that are due.
pub(super) async fn with_due(
    readers: &Pool,
    now: Timestamp,
) -> Result<Vec<Option<i64>>, StoreError> {
    let query = sql::query(SELECT_WITH_DUE).bind(now.as_millis());
    let found = query.fetch_all(readers).await;
    let found = found.map_err(|error| StoreError::reading("events", error))?;
    found.iter().map(rows::list_id).collect()
}

/// How many events of a webhook wait.
pub(super) async fn waiting(readers: &Pool, list: Option<i64>) -> Result<u64, StoreError> {
    let query = sql::query(COUNT_WAITING).bind(list.unwrap_or(0));
    let found = query.fetch_one(readers).await;
    let row = found.map_err(|error| StoreError::reading("events", error))?;
    rows::count(&row, "waiting")
}

/// What came of the most recent posts, the last first.
pub(super) async fn deliveries(
    readers: &Pool,
    list: Option<i64>,
    limit: u32,
) -> Result<Vec<Post>, StoreError> {
    let query = sql::query(SELECT_DELIVERIES).bind(list.unwrap_or(0));
    let found = query.bind(i64::from(limit)).fetch_all(readers).await;
    let found = found.map_err(|error| StoreError::reading("posts of events", error))?;
    let post = |row: &Row| {
        Ok(Post {
            number: rows::get(row, "number")?,
            event_id: rows::get(row, "event_id")?,
            list_id: rows::list_id(row)?,
            kind: kind(row)?,
            at: rows::timestamp(row, "at")?,
            attempt: rows::count(row, "attempt")?,
            status: rows::count(row, "status")?,
            answer: rows::get(row, "answer")?,
            took_ms: rows::count(row, "took_ms")?,
            again_at: None,
        })
    };
    found.iter().map(post).collect()
}

fn kind(row: &Row) -> Result<EventKind, StoreError> {
    let name: String = rows::get(row, "kind")?;
    EventKind::from_name(&name).ok_or_else(|| rows::damaged("event", name))
}
