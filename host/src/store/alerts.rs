//! Alerts: what happens again within a day is counted, not added.

use std::collections::HashMap;
use std::time::Duration;

use super::sql::{self, Connection, Dialect, Pool, QueryBuilder};
use super::{StoreError, rows};
use crate::alert::{Alert, AlertFilter, Group, Kind, NewAlert, Severity};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::metrics;

/// How long an alert is counted before the same one is a new alert.
const SAME_ALERT: Duration = Duration::from_secs(24 * 60 * 60);

const COUNT_AGAIN: &str = "UPDATE alert SET occurrences = occurrences + $1, summary = $2, \
     severity = CASE WHEN severity < $3 THEN $3 ELSE severity END, \
     last_at = CASE WHEN last_at < $4 THEN $4 ELSE last_at END, \
     untold_since = CASE WHEN told >= occurrences THEN $4 ELSE untold_since END, \
     message_id = COALESCE($10, message_id), sender = $11, rule = $12 \
     WHERE id = (SELECT id FROM alert WHERE list_id = $5 AND kind = $6 AND username = $7 \
     AND subject_key = $8 AND first_at > $9 ORDER BY first_at DESC LIMIT 1)";
const INSERT_ALERT: &str = "INSERT INTO alert (list_id, kind, severity, username, subject_key, \
     summary, occurrences, first_at, last_at, untold_since, message_id, sender, rule) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $8, $10, $11, $12)";
const SELECT_ALERTS: &str = "SELECT alert.id, list.name AS list_name, kind, severity, username, \
     summary, occurrences, first_at, last_at, alert.message_id, alert.sender, alert.rule \
     FROM alert LEFT JOIN list ON list.id = alert.list_id WHERE TRUE";

/// Of nodes that raise an alert that nobody has raised before, one makes it; the others wait for its commit here and
/// count. The first number is that of the alerts.
const LOCK_SUBJECT: &str = "SELECT pg_advisory_xact_lock(7236285, hashtext($1))";

/// The same alert, raised any number of times within one transaction.
struct Repeated<'a> {
    /// Its place among the others.
    place: usize,
    last: &'a NewAlert,
    severity: Severity,
    first_at: Timestamp,
    count: i64,
}

/// What makes two alerts the same.
type Subject<'a> = (i64, &'a str, &'a str, &'a str);

/// Stores alerts, counting those that are known already.
pub(super) async fn raise(
    connection: &mut Connection,
    alerts: &[&NewAlert],
) -> Result<(), StoreError> {
    raise_all(connection, repeated(alerts))
        .await
        .map_err(|error| StoreError::writing("store an alert", error))
}

async fn raise_all(
    connection: &mut Connection,
    mut alerts: Vec<Repeated<'_>>,
) -> Result<(), sqlx::Error> {
    // Everybody in the same order, so that no two nodes wait for each other.
    alerts.sort_by(|one, other| subject(one.last).cmp(&subject(other.last)));
    let mut unknown = Vec::new();
    for alert in alerts {
        metrics::alerted(alert.last.kind.as_str());
        if !is_counted(connection, &alert).await? {
            unknown.push(alert);
        }
    }
    // As they were raised, for so they are listed.
    unknown.sort_by_key(|alert| alert.place);
    for alert in &unknown {
        insert(connection, alert).await?;
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
            None => distinct.push(Repeated::once(place, alert)),
        }
    }
    distinct
}

impl<'a> Repeated<'a> {
    const fn once(place: usize, alert: &'a NewAlert) -> Self {
        Self {
            place,
            last: alert,
            severity: alert.severity,
            first_at: alert.at,
            count: alert.times,
        }
    }

    fn again(&mut self, alert: &'a NewAlert) {
        self.severity = self.severity.max(alert.severity);
        self.first_at = self.first_at.min(alert.at);
        self.count += alert.times;
        if alert.at >= self.last.at {
            self.last = alert;
        }
    }
}

fn subject(alert: &NewAlert) -> Subject<'_> {
    (
        list_number(alert),
        alert.kind.as_str(),
        &alert.user,
        &alert.key,
    )
}

fn list_number(alert: &NewAlert) -> i64 {
    alert.list_id.unwrap_or(0)
}

/// Counts the alert if it is known. False: it is not, and nobody else makes it before the end of this transaction.
async fn is_counted(
    connection: &mut Connection,
    alert: &Repeated<'_>,
) -> Result<bool, sqlx::Error> {
    if count_again(connection, alert).await? {
        return Ok(true);
    }
    if connection.dialect() == Dialect::Sqlite {
        return Ok(false);
    }
    lock(connection, alert.last).await?;
    count_again(connection, alert).await
}

/// Waits until nobody else is making an alert of this subject.
async fn lock(connection: &mut Connection, alert: &NewAlert) -> Result<(), sqlx::Error> {
    let (list, kind, user, key) = subject(alert);
    sql::query(LOCK_SUBJECT)
        .bind(format!("{list} {kind} {user} {key}"))
        .execute(connection)
        .await
        .map(drop)
}

/// Counts the alert if it is known; false when it is not.
async fn count_again(
    connection: &mut Connection,
    alert: &Repeated<'_>,
) -> Result<bool, sqlx::Error> {
    let last = alert.last;
    let counted = sql::query(COUNT_AGAIN)
        .bind(alert.count)
        .bind(last.summary.as_str())
        .bind(alert.severity.code())
        .bind(last.at.as_millis())
        .bind(list_number(last))
        .bind(last.kind.as_str())
        .bind(last.user.as_str())
        .bind(last.key.as_str())
        .bind((last.at - SAME_ALERT).as_millis())
        .bind(last.about.message.map(QueueId::as_i64))
        .bind(last.about.sender.as_str())
        .bind(last.about.rule.as_str())
        .execute(connection)
        .await?;
    Ok(counted.rows_affected() > 0)
}

async fn insert(connection: &mut Connection, alert: &Repeated<'_>) -> Result<(), sqlx::Error> {
    let last = alert.last;
    sql::query(INSERT_ALERT)
        .bind(list_number(last))
        .bind(last.kind.as_str())
        .bind(alert.severity.code())
        .bind(last.user.as_str())
        .bind(last.key.as_str())
        .bind(last.summary.as_str())
        .bind(alert.count)
        .bind(alert.first_at.as_millis())
        .bind(last.at.as_millis())
        .bind(last.about.message.map(QueueId::as_i64))
        .bind(last.about.sender.as_str())
        .bind(last.about.rule.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// A page of alerts, the most recent first.
pub(super) async fn select(readers: &Pool, filter: &AlertFilter) -> Result<Vec<Alert>, StoreError> {
    let mut query = QueryBuilder::new(SELECT_ALERTS);
    if let Some(list) = filter.list {
        query
            .push(" AND alert.list_id = ")
            .push_bind(list.unwrap_or(0));
    }
    if let Some(group) = filter.group {
        query.push(" AND ");
        of_group(&mut query, group);
    }
    if let Some((last_at, id)) = filter.before {
        query
            .push(" AND (last_at, alert.id) < (")
            .push_bind(last_at.as_millis())
            .push(", ")
            .push_bind(id)
            .push(")");
    }
    query
        .push(" ORDER BY last_at DESC, alert.id DESC LIMIT ")
        .push_bind(i64::from(filter.limit));
    let found = query
        .build()
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("the alerts", error))?;
    found.iter().map(rows::alert).collect()
}

/// What policies call as they like is what has none of the names that are known.
fn of_group(query: &mut QueryBuilder, group: Group) {
    let kinds = Kind::of_group(group);
    query.push(if group == Group::Policy {
        "kind NOT IN ("
    } else {
        "kind IN ("
    });
    let mut names = query.separated(", ");
    for kind in kinds {
        names.push_bind(kind.as_str().to_owned());
    }
    query.push(")");
}
