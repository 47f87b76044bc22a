//! Reads messages of the store as the search index knows them.

use std::collections::HashMap;

use super::SearchStatus;
use super::terms::Terms;
use crate::id::QueueId;
use crate::queue::{RecipientCounts, RecipientStatus};
use crate::store::filters::push_ids;
use crate::store::sql::{Connection, Pool, QueryBuilder, Row};
use crate::store::{StoreError, rows};

/// Recipients of one message that it is found by. Default 1,000: the most a message has unless an administrator
/// allows more.
const MAX_RECIPIENTS: i64 = 1000;
/// Messages whose recipients are read in one statement.
const IDS_AT_A_TIME: usize = 250;

const COLUMNS: &str = "SELECT decision.id AS id, decision.outcome, decision.header_from, \
     decision.recipients AS named, message.id AS message, \
     COALESCE(message.list_id, decision.list_id) AS list_id, \
     COALESCE(message.username, decision.username) AS username, \
     COALESCE(message.reverse_path, decision.sender) AS sender, \
     COALESCE(message.subject, decision.subject, '') AS subject, \
     COALESCE(message.message_id, decision.message_id, '') AS message_id, message.open \
     FROM decision LEFT JOIN message ON message.id = decision.id \
     WHERE decision.shadow = 0 AND ";
/// Of messages without a decision too: what the relay itself wrote.
const MESSAGE_COLUMNS: &str = "SELECT message.id AS id, 0 AS outcome, \
     COALESCE((SELECT header_from FROM decision WHERE decision.id = message.id AND shadow = 0 LIMIT 1), '') \
     AS header_from, '' AS named, message.id AS message, list_id, username, reverse_path AS sender, subject, \
     message_id, open FROM message WHERE ";

/// A message and what it is found by.
pub(super) struct Document {
    pub(super) id: QueueId,
    pub(super) terms: Terms,
}

/// Messages that were decided about by these decisions.
pub(super) async fn decided(
    readers: &Pool,
    after: i64,
    until: i64,
) -> Result<Vec<Document>, StoreError> {
    let mut query = QueryBuilder::new(COLUMNS);
    query.push("decision.seq > ").push_bind(after);
    query.push(" AND decision.seq <= ").push_bind(until);
    read(readers, query).await
}

/// Messages of the queue by id.
pub(super) async fn of_messages(
    readers: &Pool,
    ids: &[QueueId],
) -> Result<Vec<Document>, StoreError> {
    let mut all = Vec::with_capacity(ids.len());
    for ids in ids.chunks(IDS_AT_A_TIME) {
        let mut query = QueryBuilder::new(MESSAGE_COLUMNS);
        push_ids(&mut query, "message.id", ids);
        all.extend(read(readers, query).await?);
    }
    Ok(all)
}

async fn read(readers: &Pool, mut query: QueryBuilder) -> Result<Vec<Document>, StoreError> {
    let failed = |error| StoreError::reading("messages to search", error);
    // In one transaction, so that a message and its recipients fit together.
    let mut transaction = readers.begin().await.map_err(failed)?;
    let found = query
        .build()
        .persistent(false)
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
    let accepted: Vec<QueueId> = found
        .iter()
        .filter_map(|row| rows::get::<Option<i64>>(row, "message").transpose())
        .map(|id| id.map(QueueId::from_i64))
        .collect::<Result<_, _>>()?;
    let recipients = recipients(&mut transaction, &accepted).await?;
    transaction.rollback().await.map_err(failed)?;
    found.iter().map(|row| document(row, &recipients)).collect()
}

type Recipients = HashMap<i64, Vec<(String, RecipientStatus)>>;

async fn recipients(
    connection: &mut Connection,
    ids: &[QueueId],
) -> Result<Recipients, StoreError> {
    let mut all: Recipients = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(IDS_AT_A_TIME) {
        let mut query =
            QueryBuilder::new("SELECT message_id, mailbox, status FROM recipient WHERE ");
        push_ids(&mut query, "message_id", ids);
        query.push(" AND position < ").push_bind(MAX_RECIPIENTS);
        let found = query
            .build()
            .persistent(false)
            .fetch_all(&mut *connection)
            .await
            .map_err(|error| StoreError::reading("recipients to search", error))?;
        for row in &found {
            let code: i64 = rows::get(row, "status")?;
            let status = RecipientStatus::from_code(code);
            let status = status.ok_or_else(|| rows::damaged("status", code))?;
            let one = (rows::get(row, "mailbox")?, status);
            let id: i64 = rows::get(row, "message_id")?;
            all.entry(id).or_default().push(one);
        }
    }
    Ok(all)
}

fn document(row: &Row, recipients: &Recipients) -> Result<Document, StoreError> {
    let id: i64 = rows::get(row, "id")?;
    let mut terms = Terms::default();
    if let Some(list) = rows::get::<Option<i64>>(row, "list_id")? {
        terms.list(list);
    }
    terms.user(rows::get(row, "username")?);
    terms.subject(rows::get(row, "subject")?);
    terms.message_id(rows::get(row, "message_id")?);
    let sender: Option<&str> = rows::get(row, "sender")?;
    terms.sender(sender.unwrap_or("<>"));
    let from: &str = rows::get(row, "header_from")?;
    for address in from.split(' ').filter(|address| !address.is_empty()) {
        terms.sender(address);
    }
    let recipients = recipients.get(&id).map_or(&[][..], Vec::as_slice);
    if recipients.is_empty() {
        let named: &str = rows::get(row, "named")?;
        for address in named.split(' ').filter(|address| !address.is_empty()) {
            terms.recipient(address);
        }
    }
    for (address, _) in recipients {
        terms.recipient(address);
    }
    if rows::get::<i64>(row, "outcome")? > 0 {
        terms.status(SearchStatus::Refused);
    } else if rows::get::<Option<i64>>(row, "open")? == Some(0) {
        let counts: RecipientCounts = recipients.iter().map(|(_, status)| *status).collect();
        terms.status(SearchStatus::Is(counts.status()));
    }
    Ok(Document {
        id: QueueId::from_i64(id),
        terms,
    })
}
