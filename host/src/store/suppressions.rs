//! Recipients that did not exist when mail of a list was sent to them.

use super::sql::{self, Connection, Pool, QueryBuilder, Row};
use super::{StoreError, rows};
use crate::queue::{Suppression, address_key};
use crate::smtp::Mailbox;

/// The latest bounce tells most.
const INSERT: &str = "INSERT INTO suppression (list_id, address_key, address, message_id, reply, at) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (list_id, address_key) DO UPDATE SET \
     address = excluded.address, message_id = excluded.message_id, reply = excluded.reply, \
     at = excluded.at";
const DELETE: &str = "DELETE FROM suppression WHERE list_id = $1 AND address_key = $2";
const SELECT: &str =
    "SELECT list_id, address, message_id, reply, at FROM suppression WHERE list_id = ";
const SET: &str = "UPDATE list SET suppress_bounces = $1 WHERE id = $2";
const SELECT_LISTS: &str = "SELECT id, name FROM list WHERE suppress_bounces = 1 ORDER BY id";

/// A change of what is remembered.
pub(super) enum SuppressionWork {
    /// A recipient bounced.
    Add(Suppression),
    /// A recipient of a list may exist after all.
    Remove(i64, Mailbox),
    /// Whether a list remembers them.
    Set(i64, bool),
}

impl SuppressionWork {
    /// Makes the change; answers with how many rows it concerned.
    pub(super) async fn apply(&self, connection: &mut Connection) -> Result<i64, StoreError> {
        let statement = match self {
            Self::Add(one) => sql::query(INSERT)
                .bind(one.list_id)
                .bind(address_key(&one.address))
                .bind(one.address.as_str())
                .bind(one.message.as_i64())
                .bind(one.reply.as_str())
                .bind(one.at.as_millis()),
            Self::Remove(list_id, address) => {
                sql::query(DELETE).bind(*list_id).bind(address_key(address))
            }
            Self::Set(list_id, is_on) => sql::query(SET).bind(*is_on).bind(*list_id),
        };
        let done = statement
            .execute(connection)
            .await
            .map_err(|error| StoreError::writing("change a suppression list", error))?;
        Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
    }
}

/// Those of these recipients that a list remembers.
pub(super) async fn of_recipients(
    readers: &Pool,
    list_id: i64,
    recipients: &[&Mailbox],
) -> Result<Vec<Suppression>, StoreError> {
    let mut query = QueryBuilder::new(SELECT);
    query.push_bind(list_id).push(" AND address_key IN (");
    let mut keys = query.separated(", ");
    for recipient in recipients {
        keys.push_bind(address_key(recipient));
    }
    query.push(")");
    select(readers, query).await
}

/// A page of what a list remembers, by address.
pub(super) async fn of_list(
    readers: &Pool,
    list_id: i64,
    after: Option<&Mailbox>,
    limit: u32,
) -> Result<Vec<Suppression>, StoreError> {
    let mut query = QueryBuilder::new(SELECT);
    query.push_bind(list_id);
    if let Some(after) = after {
        query
            .push(" AND address_key > ")
            .push_bind(address_key(after));
    }
    query
        .push(" ORDER BY address_key LIMIT ")
        .push_bind(i64::from(limit));
    select(readers, query).await
}

async fn select(readers: &Pool, mut query: QueryBuilder) -> Result<Vec<Suppression>, StoreError> {
    let found = query
        .build()
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("a suppression list", error))?;
    found.iter().map(suppression).collect()
}

fn suppression(row: &Row) -> Result<Suppression, StoreError> {
    let address: String = rows::get(row, "address")?;
    Ok(Suppression {
        list_id: rows::get(row, "list_id")?,
        address: Mailbox::parse_utf8(&address).map_err(|_| rows::damaged("address", &address))?,
        message: rows::queue_id(row, "message_id")?,
        reply: rows::get(row, "reply")?,
        at: rows::timestamp(row, "at")?,
    })
}

/// Numbers and names of the lists that remember them.
pub(super) async fn lists(readers: &Pool) -> Result<Vec<(i64, String)>, StoreError> {
    let found = sql::query(SELECT_LISTS)
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("suppression lists", error))?;
    let list = |row| Ok((rows::get(row, "id")?, rows::get(row, "name")?));
    found.iter().map(list).collect()
}
