//! Answers "what happened to this message?" for the command line and the panel.

use std::collections::HashMap;

use super::sql::{self, Pool, QueryBuilder, Row};
use super::{StoreError, filters, orders, rows};
use crate::id::QueueId;
use crate::queue::{
    MessageDetails, MessageFilter, MessageSummary, RecipientCounts, RecipientStatus,
};

/// One correlated count for each status: a page is small, and each is a walk over one message's recipients.
const SUMMARY_COLUMNS: &str = "SELECT message.id, message.list_id, username, reverse_path, \
     priority, body, subject, message_id, session_id, rule, received_at, expires_at, size, \
     finished_at, smtputf8, require_tls, ret, envid, deliver_by_at, deliver_by_mode, mt_priority, \
     held_until, route, hold, released_at, client, requested_priority, notice_of, list.name AS list_name, \
     (SELECT COUNT(*) FROM recipient r WHERE r.message_id = message.id AND r.status = 0) AS queued, \
     (SELECT COUNT(*) FROM recipient r WHERE r.message_id = message.id AND r.status = 1) AS deferred, \
     (SELECT COUNT(*) FROM recipient r WHERE r.message_id = message.id AND r.status = 2) AS delivered, \
     (SELECT COUNT(*) FROM recipient r WHERE r.message_id = message.id AND r.status = 3) AS failed, \
     (SELECT COUNT(*) FROM recipient r WHERE r.message_id = message.id AND r.status = 4) AS expired, \
     (SELECT COUNT(*) FROM recipient r WHERE r.message_id = message.id AND r.status = 5) AS cancelled ";
const FROM_ALL: &str = "FROM message LEFT JOIN list ON list.id = message.list_id WHERE ";
const FROM_OPEN: &str =
    " LEFT JOIN list ON list.id = message.list_id WHERE message.open = 1 AND message.id >= ";
const SELECT_RECIPIENTS: &str = "SELECT position, mailbox, status, attempts, due_at, notify, \
     orcpt FROM recipient WHERE message_id = $1 ORDER BY position";
/// The latest of them, oldest first.
const SELECT_ATTEMPTS: &str = "SELECT * FROM (SELECT recipient, began_at, ended_at, next_hop, tls, outcome, \
     reply_code, reply_text FROM attempt WHERE message_id = $1 ORDER BY ended_at DESC, recipient DESC \
     LIMIT $2 OFFSET $3) latest ORDER BY ended_at, recipient";

/// Open messages that are looked at to count those of a list. Default 20,000: some 20 ms.
const MAX_COUNTED: i64 = 20_000;
const COUNT_OPEN: &str = "SELECT COUNT(*) AS looked_at, COUNT(*) FILTER (WHERE list_id = $1) AS messages \
     FROM (SELECT list_id FROM message WHERE open = 1 ORDER BY id DESC LIMIT $2) AS newest";

/// Orders to one message, and notifications of it, that are told with it. Default 200: no administrator gives so many, and
/// what a program gave again and again must not make the answer endless.
const MAX_TOLD: i64 = 200;

/// Messages of a list in the queue, as far as they were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct OpenCount {
    /// How many were found.
    pub messages: u64,
    /// True when the queue is so long that there may be more.
    pub is_cut: bool,
}

/// The columns of the counts, in the order of the status codes.
const COUNT_COLUMNS: [&str; RecipientStatus::ALL.len()] = [
    "queued",
    "deferred",
    "delivered",
    "failed",
    "expired",
    "cancelled",
];

/// A page of messages, newest first.
pub(super) async fn messages(
    readers: &Pool,
    filter: &MessageFilter,
) -> Result<Vec<MessageSummary>, StoreError> {
    let found = filtered(filter)
        .build()
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("the queue", error))?;
    found.iter().map(summary).collect()
}

fn filtered(filter: &MessageFilter) -> QueryBuilder {
    let mut query = summaries();
    query
        .push("message.id < ")
        .push_bind(filter.before.map_or(i64::MAX, QueueId::as_i64));
    filters::push(&mut query, filter);
    query
        .push(" ORDER BY message.id DESC LIMIT ")
        .push_bind(i64::from(filter.limit));
    query
}

/// The messages of a list in the queue; of a very long queue only the newest are looked at.
pub(super) async fn count_open(readers: &Pool, list: i64) -> Result<OpenCount, StoreError> {
    let row = sql::query(COUNT_OPEN)
        .bind(list)
        .bind(MAX_COUNTED)
        .fetch_one(readers)
        .await
        .map_err(|error| StoreError::reading("the queue", error))?;
    Ok(OpenCount {
        messages: rows::count(&row, "messages")?,
        is_cut: rows::get::<i64>(&row, "looked_at")? == MAX_COUNTED,
    })
}

/// Open messages whose ids begin at the first number and end before the second, newest first.
pub(super) async fn open_between(
    readers: &Pool,
    filter: &MessageFilter,
    (from, before): (i64, i64),
    limit: usize,
) -> Result<Vec<MessageSummary>, StoreError> {
    let mut query = QueryBuilder::new(SUMMARY_COLUMNS);
    query
        .push("FROM message")
        .push_pair(" INDEXED BY message_open", "")
        .push(FROM_OPEN)
        .push_bind(from)
        .push(" AND message.id < ")
        .push_bind(before);
    filters::push(&mut query, filter);
    query
        .push(" ORDER BY message.id DESC LIMIT ")
        .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let found = query
        .build()
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("the queue", error))?;
    found.iter().map(summary).collect()
}

fn summaries() -> QueryBuilder {
    let mut query = QueryBuilder::new(SUMMARY_COLUMNS);
    query.push(FROM_ALL);
    query
}

/// The first recipients of these messages.
pub(super) async fn first_recipients(
    readers: &Pool,
    ids: &[QueueId],
) -> Result<HashMap<QueueId, String>, StoreError> {
    let mut query =
        QueryBuilder::new("SELECT message_id, mailbox FROM recipient WHERE position = 0 AND ");
    filters::push_ids(&mut query, "message_id", ids);
    let found = query
        .build()
        .persistent(false)
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("recipients", error))?;
    let pair = |row| {
        Ok((
            rows::queue_id(row, "message_id")?,
            rows::get(row, "mailbox")?,
        ))
    };
    found.iter().map(pair).collect()
}

/// Everything about one message; of its attempts so many, without so many of the latest.
pub(super) async fn message(
    readers: &Pool,
    id: QueueId,
    (attempts, skipped): (u32, u32),
) -> Result<Option<MessageDetails>, StoreError> {
    let failed = |error| StoreError::reading("a message", error);
    // One transaction, so that the parts fit together.
    let mut transaction = readers.begin().await.map_err(failed)?;
    let mut query = summaries();
    query.push("message.id = ").push_bind(id.as_i64());
    let found = query
        .build()
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed)?;
    let recipients = sql::query(SELECT_RECIPIENTS)
        .bind(id.as_i64())
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
    let attempts = sql::query(SELECT_ATTEMPTS)
        .bind(id.as_i64())
        .bind(i64::from(attempts))
        .bind(i64::from(skipped))
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
    let orders = sql::query(orders::SELECT_OF_MESSAGE)
        .bind(id.as_i64())
        .bind(MAX_TOLD)
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
    let mut query = summaries();
    query.push("notice_of = ").push_bind(id.as_i64());
    let notices = query
        .push(" ORDER BY message.id LIMIT ")
        .push_bind(MAX_TOLD)
        .build()
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
    transaction.rollback().await.map_err(failed)?;
    let Some(found) = found else {
        return Ok(None);
    };
    Ok(Some(MessageDetails {
        summary: summary(&found)?,
        recipients: recipients
            .iter()
            .map(rows::recipient)
            .collect::<Result<_, _>>()?,
        attempts: attempts
            .iter()
            .map(rows::attempt)
            .collect::<Result<_, _>>()?,
        notices: notices.iter().map(summary).collect::<Result<_, _>>()?,
        orders: orders.iter().map(orders::order).collect::<Result<_, _>>()?,
    }))
}

fn summary(row: &Row) -> Result<MessageSummary, StoreError> {
    let mut recipients = RecipientCounts::default();
    for (status, column) in RecipientStatus::ALL.into_iter().zip(COUNT_COLUMNS) {
        recipients.set(status, rows::count(row, column)?);
    }
    Ok(MessageSummary {
        id: rows::queue_id(row, "id")?,
        meta: rows::message_meta(row)?,
        list: rows::get(row, "list_name")?,
        size: rows::count(row, "size")?,
        recipients,
        finished_at: rows::get::<Option<i64>>(row, "finished_at")?
            .map(crate::clock::Timestamp::from_millis),
    })
}
