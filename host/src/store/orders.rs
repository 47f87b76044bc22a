//! What administrators do to queued messages: the change itself, and a note of it for a running relay and for
//! the timeline.

use std::sync::LazyLock;

use super::bulk::Bulk;
use super::sql::{self, Connection, Pool, QueryBuilder, Row};
use super::{StoreError, attempts, filters, messages, rows};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{
    Command, Concerned, MessageFilter, OpenMessage, Order, OrderKind, RecipientStatus,
};

static INSERT_ORDERS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT INTO queue_order (message_id, kind, at, actor, detail) VALUES ",
        5,
        "",
    )
});
const SELECT_NEWEST: &str = "SELECT COALESCE(MAX(id), 0) FROM queue_order";
const SELECT_AFTER: &str = "SELECT id, message_id, kind, at, actor, detail FROM queue_order \
     WHERE id > $1 ORDER BY id LIMIT 1000";
/// The latest of them, oldest first.
pub(super) const SELECT_OF_MESSAGE: &str = "SELECT * FROM (SELECT id, message_id, kind, at, actor, detail \
     FROM queue_order WHERE message_id = $1 ORDER BY id DESC LIMIT $2) latest ORDER BY id";
const SELECT_OVERDUE: &str = "SELECT id FROM message \
     WHERE open = 1 AND hold IS NOT NULL AND released_at IS NULL AND expires_at <= $1 LIMIT $2";

/// A command on some messages, by name, as many as one transaction should change.
#[derive(Clone, Debug)]
pub(super) struct OrderWork {
    pub(super) ids: Vec<QueueId>,
    pub(super) command: Command,
    /// Only their recipients of this domain, where the command is about recipients.
    pub(super) domain: Option<String>,
    pub(super) by: String,
    /// How far the clock of who orders is ahead of the database's.
    pub(super) ahead_ms: i64,
}

impl OrderWork {
    /// Does what is ordered to those messages that it can be done to; answers with how many, as
    /// [`pack`] puts it.
    pub(super) async fn apply(&self, connection: &mut Connection) -> Result<i64, StoreError> {
        self.apply_all(connection)
            .await
            .map_err(|error| StoreError::writing("change queued messages", error))
    }

    async fn apply_all(&self, connection: &mut Connection) -> Result<i64, sqlx::Error> {
        let found = self.eligible(connection).await?;
        if found.is_empty() {
            return Ok(0);
        }
        let ids: Vec<QueueId> = found.iter().map(|one| one.id).collect();
        let now = Timestamp::now();
        self.change(&ids, now)
            .build()
            .execute(&mut *connection)
            .await?;
        if let Command::Schedule(at) = self.command {
            postpone(connection, &ids, at).await?;
        }
        if self.command.may_make_due() {
            self.offer(connection, &ids).await?;
        }
        if self.command == Command::Delete {
            let ids: Vec<i64> = ids.iter().map(|id| id.as_i64()).collect();
            attempts::finish(connection, &ids).await?;
        }
        INSERT_ORDERS
            .execute(connection, &found, |statement, one| {
                statement
                    .bind(one.id.as_i64())
                    .bind(self.command.kind().code())
                    .bind(now.as_millis())
                    .bind(self.by.clone())
                    .bind(self.detail(one))
            })
            .await?;
        let recipients = found.iter().map(|one| one.recipients).sum();
        Ok(pack(Concerned {
            messages: found.len() as u64,
            recipients,
        }))
    }

    /// Lets any node claim them when they are due now.
    async fn offer(&self, connection: &mut Connection, ids: &[QueueId]) -> Result<(), sqlx::Error> {
        let mut query = QueryBuilder::new("UPDATE message SET waits_for = NULL, claim_at = ");
        match self.command {
            Command::Retry => query.push("0 WHERE (waits_for IS NOT NULL OR claim_at > 0)"),
            Command::Schedule(at) => query
                .push_bind(at.as_millis() - self.ahead_ms)
                .push(" WHERE 1 = 1"),
            _ => query.push("claim_at WHERE waits_for IS NOT NULL"),
        };
        filters::push_ids(&mut query, " AND id", ids);
        query.build().persistent(false).execute(connection).await?;
        Ok(())
    }

    async fn eligible(&self, connection: &mut Connection) -> Result<Vec<Eligible>, sqlx::Error> {
        let mut query = QueryBuilder::new("SELECT id, priority, (");
        push_recipient_count(&mut query, &self.command, self.domain.as_deref());
        query.push(") AS recipients FROM message WHERE 1 = 1");
        filters::push_ids(&mut query, " AND message.id", &self.ids);
        filters::push_eligible(&mut query, &self.command);
        let found = query
            .build()
            .persistent(false)
            .fetch_all(connection)
            .await?;
        let eligible = |row: &Row| {
            Ok(Eligible {
                id: QueueId::from_i64(row.try_get("id")?),
                priority: row.try_get("priority")?,
                recipients: row.try_get::<i64, _>("recipients")?.unsigned_abs(),
            })
        };
        let found: Result<Vec<Eligible>, sqlx::Error> = found.iter().map(eligible).collect();
        // Without a recipient that it concerns, nothing is done to a message.
        found.map(|all| all.into_iter().filter(|one| one.recipients > 0).collect())
    }

    fn change(&self, ids: &[QueueId], now: Timestamp) -> QueryBuilder {
        let mut query = match &self.command {
            Command::Release => {
                let mut query = QueryBuilder::new("UPDATE message SET released_at = ");
                query.push_bind(now.as_millis());
                query
            }
            Command::Hold(reason) => {
                let mut query = QueryBuilder::new("UPDATE message SET released_at = NULL, hold = ");
                query.push_bind(reason.clone());
                query
            }
            Command::Reprioritize(priority) => {
                let mut query = QueryBuilder::new("UPDATE message SET priority = ");
                query.push_bind(i64::from(priority.number()));
                query
            }
            Command::Schedule(at) => schedule(*at),
            Command::Delete => {
                let mut query = QueryBuilder::new("UPDATE recipient SET status = ");
                query.push_bind(RecipientStatus::Cancelled.code());
                query
            }
            Command::Retry => {
                let mut query = QueryBuilder::new("UPDATE recipient SET due_at = ");
                query.push_bind(now.as_millis());
                query
            }
        };
        match self.command {
            Command::Delete | Command::Retry => {
                query
                    .push(" WHERE ")
                    .push(filters::recipients_of(self.command.kind()));
                filters::push_ids(&mut query, " AND message_id", ids);
                if let Some(domain) = &self.domain {
                    query.push(" AND ");
                    filters::push_domain(&mut query, domain);
                }
            }
            Command::Release
            | Command::Hold(_)
            | Command::Reprioritize(_)
            | Command::Schedule(_) => {
                filters::push_ids(&mut query, " WHERE id", ids);
            }
        }
        query
    }

    /// What is to be said of it in the timeline.
    fn detail(&self, one: &Eligible) -> String {
        match (&self.command, &self.domain) {
            (Command::Hold(reason), _) => reason.clone(),
            (Command::Reprioritize(priority), _) => format!("from {} to {priority}", one.priority),
            (Command::Schedule(at), _) => format!("not before {}", at.to_whole_seconds()),
            (Command::Delete | Command::Retry, Some(domain)) => {
                format!("for recipients at {domain}")
            }
            _ => String::new(),
        }
    }
}

/// What is left of its time begins anew then, unless the client has set a deadline.
fn schedule(at: Timestamp) -> QueryBuilder {
    let at = at.as_millis();
    let mut query = QueryBuilder::new(
        "UPDATE message SET expires_at = CASE \
         WHEN deliver_by_at IS NOT NULL THEN expires_at \
         ELSE MAX(expires_at, expires_at - MAX(received_at, COALESCE(held_until, 0)) + ",
    );
    query
        .push_bind(at)
        .push(") END, held_until = ")
        .push_bind(at);
    query
}

async fn postpone(
    connection: &mut Connection,
    ids: &[QueueId],
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    let mut query = QueryBuilder::new("UPDATE recipient SET due_at = ");
    query
        .push_bind(at.as_millis())
        .push(" WHERE ")
        .push(filters::recipients_of(OrderKind::Schedule));
    filters::push_ids(&mut query, " AND message_id", ids);
    query.build().persistent(false).execute(connection).await?;
    Ok(())
}

/// A message that a command can be carried out on.
struct Eligible {
    id: QueueId,
    priority: i64,
    recipients: u64,
}

/// Both numbers in one answer: at most some thousand messages are changed together.
fn pack(concerned: Concerned) -> i64 {
    let (messages, recipients) = (concerned.messages, concerned.recipients);
    i64::try_from((messages << 32) | (recipients & 0xffff_ffff)).unwrap_or(i64::MAX)
}

/// Undoes [`pack`].
pub(super) const fn unpack(answer: i64) -> Concerned {
    let answer = answer.unsigned_abs();
    Concerned {
        messages: answer >> 32,
        recipients: answer & 0xffff_ffff,
    }
}

fn push_recipient_count(query: &mut QueryBuilder, command: &Command, domain: Option<&str>) {
    query
        .push("SELECT COUNT(*) FROM recipient WHERE message_id = message.id AND ")
        .push(filters::recipients_of(command.kind()));
    if let (Command::Delete | Command::Retry, Some(domain)) = (command, domain) {
        query.push(" AND ");
        filters::push_domain(query, domain);
    }
}

/// How much a command would concern.
pub(super) async fn count(
    readers: &Pool,
    filter: &MessageFilter,
    command: &Command,
    window: Option<(i64, i64)>,
) -> Result<Concerned, StoreError> {
    let mut query = QueryBuilder::new(
        "SELECT COUNT(*) AS messages, CAST(COALESCE(SUM(recipients), 0) AS BIGINT) AS recipients FROM (SELECT (",
    );
    push_recipient_count(&mut query, command, filter.recipient_domain.as_deref());
    query.push(") AS recipients FROM message WHERE 1 = 1");
    if let Some((from, before)) = window {
        query.push(" AND message.id >= ").push_bind(from);
        query.push(" AND message.id < ").push_bind(before);
    }
    filters::push(&mut query, filter);
    filters::push_eligible(&mut query, command);
    query.push(") AS concerned WHERE recipients > 0");
    let row = query
        .build()
        .fetch_one(readers)
        .await
        .map_err(|error| StoreError::reading("the queue", error))?;
    Ok(Concerned {
        messages: rows::count(&row, "messages")?,
        recipients: rows::count(&row, "recipients")?,
    })
}

/// The ids of a page of messages that a command can be carried out on, oldest first.
pub(super) async fn page(
    readers: &Pool,
    filter: &MessageFilter,
    command: &Command,
    after: QueueId,
    limit: u32,
) -> Result<Vec<QueueId>, StoreError> {
    let mut query = QueryBuilder::new("SELECT id FROM message WHERE message.id > ");
    query.push_bind(after.as_i64());
    if let Some(before) = filter.before {
        query.push(" AND message.id < ").push_bind(before.as_i64());
    }
    filters::push(&mut query, filter);
    filters::push_eligible(&mut query, command);
    query
        .push(" ORDER BY message.id LIMIT ")
        .push_bind(i64::from(limit));
    let found = query
        .build()
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("the queue", error))?;
    found.iter().map(|row| rows::queue_id(row, "id")).collect()
}

/// The number of the newest order; 0 when there was none.
pub(super) async fn newest(readers: &Pool) -> Result<i64, StoreError> {
    sql::query_scalar(SELECT_NEWEST)
        .fetch_one(readers)
        .await
        .map_err(|error| StoreError::reading("what was ordered", error))
}

/// The orders after that one, oldest first, a thousand at most.
pub(super) async fn after(readers: &Pool, last: i64) -> Result<Vec<Order>, StoreError> {
    let found = sql::query(SELECT_AFTER)
        .bind(last)
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("what was ordered", error))?;
    found.iter().map(order).collect()
}

/// An order from its row.
pub(super) fn order(row: &Row) -> Result<Order, StoreError> {
    let code: i64 = rows::get(row, "kind")?;
    Ok(Order {
        number: rows::get(row, "id")?,
        message: rows::queue_id(row, "message_id")?,
        kind: OrderKind::from_code(code).ok_or_else(|| rows::damaged("kind", code))?,
        at: rows::timestamp(row, "at")?,
        by: rows::get(row, "actor")?,
        detail: rows::get(row, "detail")?,
    })
}

/// Held messages that were not released in time, `limit` at most.
pub(super) async fn overdue(
    readers: &Pool,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<OpenMessage>, StoreError> {
    let ids: Vec<i64> = sql::query_scalar(SELECT_OVERDUE)
        .bind(now.as_millis())
        .bind(i64::from(limit))
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("held messages", error))?;
    let ids: Vec<QueueId> = ids.into_iter().map(QueueId::from_i64).collect();
    messages::open_of(readers, &ids).await
}
