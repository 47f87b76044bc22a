//! Whom to tell of alerts, and what was told already.

use std::sync::Arc;

use super::sql::{self, Connection, Pool, Row};
use super::{StoreError, rows, webhooks};
use crate::alert::{Alert, AlertSettings, Event};
use crate::clock::Timestamp;
use crate::queue::NewMessage;

const SELECT_SETTINGS: &str = "SELECT list_id, document FROM alert_settings";
const SELECT_SETTINGS_OF: &str = "SELECT list_id, document FROM alert_settings WHERE list_id = $1";
const SELECT_IS_MAILED: &str = "SELECT is_mailed FROM alert_settings WHERE list_id = $1";
const SET_SETTINGS: &str = "INSERT INTO alert_settings (list_id, document, is_mailed) \
     VALUES ($1, $2, $3) ON CONFLICT (list_id) DO UPDATE SET \
     document = excluded.document, is_mailed = excluded.is_mailed";
/// What happened before somebody was named is told to nobody.
const FORGET_UNTOLD: &str =
    "UPDATE alert SET told = occurrences WHERE list_id = $1 AND told < occurrences";
const TOLD: &str = "UPDATE alert SET told = MAX(told, $1), told_at = $2, \
     told_times = told_times + 1, untold_since = $2 WHERE id = $3";
const SKIPPED: &str = "UPDATE alert SET told = MAX(told, $1) WHERE id = $2";
const POSTED: &str = "UPDATE alert SET posted = MAX(posted, $1), posted_at = $2, \
     posted_times = posted_times + 1 WHERE id = $3";
const INSERT_MAIL: &str = "INSERT INTO alert_mail (list_id, at) VALUES ($1, $2)";
const DELETE_MAILS: &str = "DELETE FROM alert_mail WHERE at < $1";
const SELECT_MAILS: &str = "SELECT list_id, at FROM alert_mail WHERE at > $1 ORDER BY at";
const SELECT_UNTOLD: &str = "SELECT alert.id, alert.list_id, list.name AS list_name, kind, severity, username, \
     summary, occurrences, first_at, last_at, alert.message_id, alert.sender, alert.rule, \
     told AS done, told_at AS done_at, told_times AS done_times, untold_since AS since FROM alert \
     LEFT JOIN list ON list.id = alert.list_id WHERE alert.id IN (SELECT id FROM (SELECT id, \
     ROW_NUMBER() OVER (PARTITION BY list_id ORDER BY id) AS place FROM alert WHERE told < occurrences \
     AND list_id IN (SELECT list_id FROM alert_settings WHERE is_mailed = 1)) AS placed WHERE place <= $1) \
     ORDER BY alert.id";
const SELECT_UNPOSTED: &str = "SELECT alert.id, alert.list_id, list.name AS list_name, kind, severity, username, \
     summary, occurrences, first_at, last_at, alert.message_id, alert.sender, alert.rule, \
     posted AS done, posted_at AS done_at, posted_times AS done_times, first_at AS since FROM alert \
     LEFT JOIN list ON list.id = alert.list_id WHERE alert.id IN (SELECT id FROM (SELECT id, \
     ROW_NUMBER() OVER (PARTITION BY list_id ORDER BY id) AS place FROM alert WHERE posted < occurrences \
     AND list_id IN (SELECT list_id FROM webhook WHERE events LIKE '%alert%')) AS placed WHERE place <= $1) \
     ORDER BY alert.id";
const SELECT_GENERATION: &str = "SELECT value, (SELECT COALESCE(MAX(id), 0) FROM alert) AS newest \
     FROM alert_generation";

/// Alerts of a list that are read at a time, the oldest first. 500: what is more is told afterwards.
const MAX_PENDING: i64 = 500;

/// An alert of which there is something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingAlert {
    /// The alert.
    pub alert: Alert,
    /// Its list; none when it concerns the whole relay.
    pub list_id: Option<i64>,
    /// How many of its occurrences were told.
    pub done: i64,
    /// When; none when it was never told.
    pub done_at: Option<Timestamp>,
    /// How often it was told.
    pub done_times: u32,
    /// Since when there is something to tell.
    pub since: Timestamp,
}

/// That so many occurrences of an alert are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The alert's number.
    pub alert: i64,
    /// Occurrences by now.
    pub count: i64,
}

/// A change of what is told.
pub(super) enum TellingWork {
    /// Other settings.
    Set(Option<i64>, Box<AlertSettings>),
    /// A mail that tells of alerts, queued in the commit that notes it.
    Mail(Option<i64>, Arc<NewMessage>, Vec<Told>, Timestamp),
    /// Alerts that nobody wants to be told of.
    Skip(Vec<Told>),
    /// Events that tell of alerts, in the commit that notes it.
    Post(Vec<Event>, Vec<Told>, Timestamp),
    /// Forgets mails sent before.
    Purge(Timestamp),
}

impl TellingWork {
    /// The mail that it queues.
    pub(super) fn message(&self) -> Option<&NewMessage> {
        match self {
            Self::Mail(_, message, ..) => Some(message),
            _ => None,
        }
    }

    pub(super) async fn apply(&self, connection: &mut Connection) -> Result<i64, StoreError> {
        if let Self::Post(events, ..) = self {
            let events: Vec<&Event> = events.iter().collect();
            webhooks::insert(connection, &events).await?;
        }
        self.note(connection)
            .await
            .map_err(|error| StoreError::writing("note what was told of alerts", error))?;
        Ok(0)
    }

    async fn note(&self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        match self {
            Self::Set(list, settings) => set(connection, list.unwrap_or(0), settings).await,
            Self::Mail(list, _, told, at) => {
                let mail = sql::query(INSERT_MAIL).bind(list.unwrap_or(0));
                mail.bind(at.as_millis()).execute(&mut *connection).await?;
                mark(connection, TOLD, told, Some(*at)).await
            }
            Self::Skip(told) => mark(connection, SKIPPED, told, None).await,
            Self::Post(_, told, at) => mark(connection, POSTED, told, Some(*at)).await,
            Self::Purge(before) => {
                let purge = sql::query(DELETE_MAILS).bind(before.as_millis());
                purge.execute(connection).await.map(drop)
            }
        }
    }
}

async fn set(
    connection: &mut Connection,
    list: i64,
    settings: &AlertSettings,
) -> Result<(), sqlx::Error> {
    let was = sql::query(SELECT_IS_MAILED).bind(list);
    let was = was.fetch_optional(&mut *connection).await?;
    let was_mailed = was.map(|row| row.try_get::<bool, _>(0)).transpose()?;
    if was_mailed != Some(true) {
        let forget = sql::query(FORGET_UNTOLD).bind(list);
        forget.execute(&mut *connection).await?;
    }
    let document = serde_json::to_string(settings).unwrap_or_default();
    sql::query(SET_SETTINGS)
        .bind(list)
        .bind(document)
        .bind(!settings.recipients.is_empty())
        .execute(connection)
        .await
        .map(drop)
}

async fn mark(
    connection: &mut Connection,
    statement: &'static str,
    told: &[Told],
    at: Option<Timestamp>,
) -> Result<(), sqlx::Error> {
    for one in told {
        let query = sql::query(statement).bind(one.count);
        let query = match at {
            Some(at) => query.bind(at.as_millis()),
            None => query,
        };
        query.bind(one.alert).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Settings by list; 0 for the whole relay. Lists without any have the defaults.
pub(super) async fn settings(
    readers: &Pool,
) -> Result<Vec<(Option<i64>, AlertSettings)>, StoreError> {
    let found = sql::query(SELECT_SETTINGS).fetch_all(readers).await;
    let found = found.map_err(|error| StoreError::reading("alert settings", error))?;
    found.iter().map(parsed).collect()
}

/// Settings of one list; the defaults when it has none.
pub(super) async fn settings_of(
    readers: &Pool,
    list: Option<i64>,
) -> Result<AlertSettings, StoreError> {
    let query = sql::query(SELECT_SETTINGS_OF).bind(list.unwrap_or(0));
    let found = query.fetch_optional(readers).await;
    let found = found.map_err(|error| StoreError::reading("alert settings", error))?;
    let found = found.as_ref().map(parsed).transpose()?;
    Ok(found.map(|(_, settings)| settings).unwrap_or_default())
}

fn parsed(row: &Row) -> Result<(Option<i64>, AlertSettings), StoreError> {
    let document: String = rows::get(row, "document")?;
    let settings = serde_json::from_str(&document);
    let settings = settings.map_err(|_| rows::damaged("alert settings", &document))?;
    Ok((rows::list_id(row)?, settings))
}

/// What is to be told by mail.
pub(super) async fn untold(readers: &Pool) -> Result<Vec<PendingAlert>, StoreError> {
    pending(readers, SELECT_UNTOLD).await
}

/// What is to be told by webhook.
pub(super) async fn unposted(readers: &Pool) -> Result<Vec<PendingAlert>, StoreError> {
    pending(readers, SELECT_UNPOSTED).await
}

async fn pending(readers: &Pool, statement: &'static str) -> Result<Vec<PendingAlert>, StoreError> {
    let found = sql::query(statement).bind(MAX_PENDING).fetch_all(readers);
    let found = found
        .await
        .map_err(|error| StoreError::reading("what is to be told of alerts", error))?;
    let pending = |row: &Row| {
        Ok(PendingAlert {
            alert: rows::alert(row)?,
            list_id: rows::list_id(row)?,
            done: rows::get(row, "done")?,
            done_at: rows::get::<Option<i64>>(row, "done_at")?.map(Timestamp::from_millis),
            done_times: rows::count(row, "done_times")?,
            since: rows::timestamp(row, "since")?,
        })
    };
    found.iter().map(pending).collect()
}

/// When mails told of alerts after that, by list.
pub(super) async fn mails(
    readers: &Pool,
    after: Timestamp,
) -> Result<Vec<(Option<i64>, Timestamp)>, StoreError> {
    let query = sql::query(SELECT_MAILS).bind(after.as_millis());
    let found = query.fetch_all(readers).await;
    let found = found.map_err(|error| StoreError::reading("what was told of alerts", error))?;
    let mail = |row| Ok((rows::list_id(row)?, rows::timestamp(row, "at")?));
    found.iter().map(mail).collect()
}

/// Numbers that grow with every change of the settings, and with every alert that is new.
pub(super) async fn generation(readers: &Pool) -> Result<(i64, i64), StoreError> {
    let found = sql::query(SELECT_GENERATION).fetch_one(readers).await;
    let row = found.map_err(|error| StoreError::reading("the generation of alerts", error))?;
    Ok((rows::get(&row, "value")?, rows::get(&row, "newest")?))
}
