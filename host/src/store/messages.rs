//! Messages and their recipients, from the commit that accepts them to the scheduler's start.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::bulk::{Bulk, Statement};
use super::jobs::Placed;
use super::sql::{self, Connection, Pool, Query, QueryBuilder, Row};
use super::{StoreError, columns, content, filters, rows};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{MessageParameters, NewMessage, OpenMessage, OpenRecipient, RecipientStatus};
use crate::smtp::{EnvelopeId, Mailbox, OriginalRecipient, Recipient};

const OPEN_COLUMNS: &str = "SELECT id, list_id, username, reverse_path, priority, body, \
     subject, message_id, session_id, rule, received_at, expires_at, size, staged_chunks, \
     smtputf8, require_tls, ret, envid, deliver_by_at, deliver_by_mode, mt_priority, held_until, \
     route, hold, released_at, client, requested_priority, notice_of, segment, segment_offset, head_octets \
     FROM message";
/// Statuses up to 1 are the open ones.
const OPEN_RECIPIENT_COLUMNS: &str = "SELECT message_id, position, mailbox, attempts, due_at, \
     notify, orcpt, delay_told_at FROM recipient WHERE status <= 1 AND message_id IN ";
const OPEN_PAGE: &str = "WHERE open = 1 AND id > $1 ORDER BY id LIMIT $2";
const URGENT_PAGE: &str = "WHERE open = 1 AND priority <= 2 AND id > $1 ORDER BY id LIMIT $2";
const SELECT_NEWEST: &str = "SELECT MAX(id) FROM message";

/// Messages that are read by name in one statement.
const IDS_AT_A_TIME: usize = 500;

/// Both statements of a page of open messages.
struct PageStatements {
    messages: String,
    recipients: String,
}

impl PageStatements {
    fn of(page: &str) -> Self {
        Self {
            messages: format!("{OPEN_COLUMNS} {page}"),
            recipients: format!(
                "{OPEN_RECIPIENT_COLUMNS}(SELECT id FROM message {page}) \
                 ORDER BY message_id, position"
            ),
        }
    }
}

static OPEN: LazyLock<PageStatements> = LazyLock::new(|| PageStatements::of(OPEN_PAGE));
static URGENT: LazyLock<PageStatements> = LazyLock::new(|| PageStatements::of(URGENT_PAGE));

pub(super) static INSERT_MESSAGES: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT INTO message (id, list_id, username, reverse_path, priority, body, subject, \
         message_id, session_id, rule, received_at, expires_at, size, staged_chunks, open, \
         smtputf8, require_tls, ret, envid, deliver_by_at, deliver_by_mode, mt_priority, \
         held_until, route, hold, client, requested_priority, notice_of, segment, \
         segment_offset, head_octets, claimed_by, claim_at) VALUES ",
        33,
        "",
    )
});
pub(super) static INSERT_RECIPIENTS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT INTO recipient (message_id, position, mailbox, status, attempts, due_at, notify, \
         orcpt) VALUES ",
        8,
        "",
    )
});

/// A recipient on its way into the store.
pub(super) struct NewRecipient<'a> {
    message: &'a NewMessage,
    position: i64,
    recipient: &'a Recipient,
}

/// Stores accepted messages with their recipients; their heads lie in the log.
pub(super) async fn insert(
    connection: &mut Connection,
    messages: &[Placed<'_>],
) -> Result<(), StoreError> {
    insert_all(connection, messages)
        .await
        .map_err(|error| StoreError::writing("store a message", error))
}

async fn insert_all(
    connection: &mut Connection,
    messages: &[Placed<'_>],
) -> Result<(), sqlx::Error> {
    INSERT_MESSAGES
        .execute(connection, messages, bind_message)
        .await?;
    let recipients: Vec<NewRecipient<'_>> = messages
        .iter()
        .flat_map(|placed| new_recipients(placed.message))
        .collect();
    INSERT_RECIPIENTS
        .execute(connection, &recipients, bind_recipient)
        .await
}

pub(super) fn new_recipients(message: &NewMessage) -> impl Iterator<Item = NewRecipient<'_>> {
    (0..)
        .zip(&message.recipients)
        .map(move |(position, recipient)| NewRecipient {
            message,
            position,
            recipient,
        })
}

pub(super) fn bind_message(statement: Statement, placed: &Placed<'_>) -> Statement {
    let message = placed.message;
    let meta = &message.meta;
    let statement = statement
        .bind(message.id.as_i64())
        .bind(meta.list_id)
        .bind(meta.username.as_str())
        .bind(meta.reverse_path.as_ref().map(Mailbox::as_str))
        .bind(i64::from(meta.priority.number()))
        .bind(rows::body_code(meta.body))
        .bind(meta.subject.as_str())
        .bind(meta.message_id.as_str())
        .bind(meta.session_id.as_str())
        .bind(meta.rule.as_str())
        .bind(meta.received_at.as_millis())
        .bind(meta.expires_at.as_millis())
        .bind(i64::try_from(message.content.size).unwrap_or(i64::MAX))
        .bind(i64::from(message.content.staged_chunks))
        .bind(1_i64);
    bind_parameters(statement, &meta.parameters)
        .bind(meta.way.route.as_deref())
        .bind(meta.way.hold.as_deref())
        .bind(Some(meta.origin.client.as_str()).filter(|client| !client.is_empty()))
        .bind(
            meta.origin
                .requested_priority
                .map(|priority| i64::from(priority.number())),
        )
        .bind(meta.origin.notice_of.map(QueueId::as_i64))
        .bind(placed.place.map(|place| place.segment))
        .bind(placed.place.map(|place| place.offset))
        .bind(placed.place.map(|place| place.octets))
        .bind(placed.claim)
        .bind(placed.claim_at)
}

fn bind_parameters(statement: Statement, parameters: &MessageParameters) -> Statement {
    let deadline = parameters.deliver_by;
    statement
        .bind(parameters.smtputf8.map(columns::smtputf8_code))
        .bind(parameters.require_tls.then_some(1_i64))
        .bind(parameters.ret.map(columns::ret_code))
        .bind(parameters.envid.as_ref().map(EnvelopeId::as_str))
        .bind(deadline.map(|deadline| deadline.at.as_millis()))
        .bind(deadline.map(columns::deadline_code))
        .bind(
            parameters
                .mt_priority
                .map(|priority| i64::from(priority.value())),
        )
        .bind(parameters.held_until.map(Timestamp::as_millis))
}

pub(super) fn bind_recipient(statement: Statement, recipient: &NewRecipient<'_>) -> Statement {
    let asked = recipient.recipient;
    statement
        .bind(recipient.message.id.as_i64())
        .bind(recipient.position)
        .bind(asked.mailbox.as_str())
        .bind(RecipientStatus::Queued.code())
        .bind(0_i64)
        .bind(recipient.message.meta.first_due_at().as_millis())
        .bind(asked.parameters.notify.map(columns::notify_code))
        .bind(
            asked
                .parameters
                .orcpt
                .as_ref()
                .map(OriginalRecipient::as_str),
        )
}

/// The id of the newest message.
pub(super) async fn newest(readers: &Pool) -> Result<Option<QueueId>, StoreError> {
    let newest: Option<i64> = sql::query_scalar(SELECT_NEWEST)
        .fetch_one(readers)
        .await
        .map_err(|error| StoreError::reading("the newest message", error))?;
    Ok(newest.map(QueueId::from_i64))
}

/// A page of the messages that are still to be served, without their heads, oldest first; of the two most
/// urgent priorities alone, or all.
pub(super) async fn open(
    readers: &Pool,
    after: Option<QueueId>,
    limit: u32,
    urgent_only: bool,
) -> Result<Vec<OpenMessage>, StoreError> {
    let statements: &'static PageStatements = if urgent_only { &URGENT } else { &OPEN };
    let after = after.map_or(i64::MIN, QueueId::as_i64);
    let page = |sql: &'static str| sql::query(sql).bind(after).bind(i64::from(limit));
    read(
        readers,
        page(&statements.messages),
        page(&statements.recipients),
    )
    .await
}

/// Those of these messages that are still to be served, without their heads.
pub(super) async fn open_of(
    readers: &Pool,
    ids: &[QueueId],
) -> Result<Vec<OpenMessage>, StoreError> {
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(IDS_AT_A_TIME) {
        let mut messages = QueryBuilder::new(OPEN_COLUMNS);
        filters::push_ids(&mut messages, " WHERE open = 1 AND id", ids);
        let mut recipients = QueryBuilder::new(OPEN_RECIPIENT_COLUMNS);
        filters::push_ids(
            &mut recipients,
            "(SELECT id FROM message WHERE open = 1 AND id",
            ids,
        );
        recipients.push(") ORDER BY message_id, position");
        let (messages, recipients) = (messages.build(), recipients.build());
        let (messages, recipients) = (messages.persistent(false), recipients.persistent(false));
        found.extend(read(readers, messages, recipients).await?);
    }
    Ok(found)
}

/// In one transaction, so that both statements see the same queue.
async fn read(
    readers: &Pool,
    messages: Query,
    recipients: Query,
) -> Result<Vec<OpenMessage>, StoreError> {
    let failed = |error| StoreError::reading("the queue", error);
    let mut transaction = readers.begin().await.map_err(failed)?;
    let messages = messages
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
    let recipients = recipients
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
    transaction.rollback().await.map_err(failed)?;
    let mut recipients = by_message(&recipients)?;
    messages
        .iter()
        .map(|row| open_message(row, &mut recipients))
        .collect()
}

fn by_message(rows: &[Row]) -> Result<HashMap<QueueId, Vec<OpenRecipient>>, StoreError> {
    let mut recipients: HashMap<QueueId, Vec<OpenRecipient>> = HashMap::new();
    for row in rows {
        recipients
            .entry(rows::queue_id(row, "message_id")?)
            .or_default()
            .push(rows::open_recipient(row)?);
    }
    Ok(recipients)
}

fn open_message(
    row: &Row,
    recipients: &mut HashMap<QueueId, Vec<OpenRecipient>>,
) -> Result<OpenMessage, StoreError> {
    let id = rows::queue_id(row, "id")?;
    Ok(OpenMessage {
        id,
        meta: Arc::new(rows::message_meta(row)?),
        recipients: recipients.remove(&id).unwrap_or_default(),
        size: rows::count(row, "size")?,
        staged_chunks: rows::count(row, "staged_chunks")?,
        head: None,
        place: content::place(row)?,
    })
}
