//! Alerts: what happens again within a day is counted, not added.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::{StoreError, rows};
use crate::alert::{Alert, NewAlert, Severity};
use crate::clock::Timestamp;
use crate::metrics;

/// How long an alert is counted before the same one is a new alert.
const SAME_ALERT: Duration = Duration::from_secs(24 * 60 * 60);

const COUNT_AGAIN: &str = "UPDATE alert SET occurrences = occurrences + $1, summary = $2, \
     severity = CASE WHEN severity < $3 THEN $3 ELSE severity END, \
     last_at = CASE WHEN last_at < $4 THEN $4 ELSE last_at END \
     WHERE id = (SELECT id FROM alert WHERE list_id = $5 AND kind = $6 AND username = $7 \
     AND subject_key = $8 AND first_at > $9 ORDER BY first_at DESC LIMIT 1)";
const INSERT_ALERT: &str = "INSERT INTO alert (list_id, kind, severity, username, subject_key, \
     summary, occurrences, first_at, last_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const SELECT_ALERTS: &str = "SELECT alert.id, list.name AS list_name, kind, severity, username, \
     summary, occurrences, first_at, last_at FROM alert LEFT JOIN list ON list.id = alert.list_id \
     ORDER BY last_at DESC, alert.id DESC LIMIT $1";
const SELECT_ALERTS_OF_LIST: &str = "SELECT alert.id, list.name AS list_name, kind, severity, \
     username, summary, occurrences, first_at, last_at \
     FROM alert LEFT JOIN list ON list.id = alert.list_id WHERE alert.list_id = $2 \
     ORDER BY last_at DESC, alert.id DESC LIMIT $1";

/// The same alert, raised any number of times within one transaction.
struct Repeated<'a> {
    last: &'a NewAlert,
    severity: Severity,
    first_at: Timestamp,
    count: i64,
}

/// What makes two alerts the same.
type Subject<'a> = (i64, &'a str, &'a str, &'a str);

/// Stores alerts, counting those that are known already.
pub(super) async fn raise(
    connection: &mut SqliteConnection,
    alerts: &[&NewAlert],
) -> Result<(), StoreError> {
    for alert in repeated(alerts) {
        metrics::alerted(&alert.last.kind);
        raise_one(connection, &alert)
            .await
            .map_err(|error| StoreError::writing("store an alert", error))?;
    }
    Ok(())
}

/// Counts the same alerts of one transaction before the database has to.
fn repeated<'a>(alerts: &[&'a NewAlert]) -> Vec<Repeated<'a>> {
    let mut places: HashMap<Subject<'a>, usize> = HashMap::new();
    let mut distinct: Vec<Repeated<'a>> = Vec::new();
    for &alert in alerts {
        let place = *places.entry(subject(alert)).or_insert(distinct.len());
        match distinct.get_mut(place) {
            Some(known) => known.again(alert),
            None => distinct.push(Repeated::once(alert)),
        }
    }
    distinct
}

impl<'a> Repeated<'a> {
    const fn once(alert: &'a NewAlert) -> Self {
        Self {
            last: alert,
            severity: alert.severity,
            first_at: alert.at,
            count: 1,
        }
    }

    fn again(&mut self, alert: &'a NewAlert) {
        self.severity = self.severity.max(alert.severity);
        self.first_at = self.first_at.min(alert.at);
        self.count += 1;
        if alert.at >= self.last.at {
            self.last = alert;
        }
    }
}

fn subject(alert: &NewAlert) -> Subject<'_> {
    (list_number(alert), &alert.kind, &alert.user, &alert.key)
}

fn list_number(alert: &NewAlert) -> i64 {
    alert.list_id.unwrap_or(0)
}

async fn raise_one(
    connection: &mut SqliteConnection,
    alert: &Repeated<'_>,
) -> Result<(), sqlx::Error> {
    let last = alert.last;
    let counted = sqlx::query(COUNT_AGAIN)
        .bind(alert.count)
        .bind(last.summary.as_str())
        .bind(alert.severity.code())
        .bind(last.at.as_millis())
        .bind(list_number(last))
        .bind(last.kind.as_str())
        .bind(last.user.as_str())
        .bind(last.key.as_str())
        .bind((last.at - SAME_ALERT).as_millis())
        .execute(&mut *connection)
        .await?;
    if counted.rows_affected() == 0 {
        insert(connection, alert).await?;
    }
    Ok(())
}

async fn insert(
    connection: &mut SqliteConnection,
    alert: &Repeated<'_>,
) -> Result<(), sqlx::Error> {
    let last = alert.last;
    sqlx::query(INSERT_ALERT)
        .bind(list_number(last))
        .bind(last.kind.as_str())
        .bind(alert.severity.code())
        .bind(last.user.as_str())
        .bind(last.key.as_str())
        .bind(last.summary.as_str())
        .bind(alert.count)
        .bind(alert.first_at.as_millis())
        .bind(last.at.as_millis())
        .execute(connection)
        .await?;
    Ok(())
}

/// The most recent alerts, of one list or of all.
pub(super) async fn select(
    readers: &SqlitePool,
    list: Option<i64>,
    limit: u32,
) -> Result<Vec<Alert>, StoreError> {
    let query = match list {
        Some(list) => sqlx::query(SELECT_ALERTS_OF_LIST)
            .bind(i64::from(limit))
            .bind(list),
        None => sqlx::query(SELECT_ALERTS).bind(i64::from(limit)),
    };
    let found = query
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("the alerts", error))?;
    found.iter().map(rows::alert).collect()
}
