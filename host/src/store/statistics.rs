//! The sums that were kept: by time, and by user, sender and subject.

use super::sql::{self, Connection, Pool, QueryBuilder, Row};
use super::upkeep::PURGE_STEP;
use super::{StoreError, rows};
use crate::clock::Timestamp;
use crate::statistics::{
    Dimension, KeyRow, Period, Pieces, Span, Sums, TimeRow, WAIT_BUCKETS, Waits,
};

/// Spans of one question at most: three months of hours.
const MAX_SPANS: i64 = 2400;

/// Each span is looked up by itself: those of other lists lie between them.
const SELECT_TIMES: (&str, &str) = (
    "WITH RECURSIVE wanted (start) AS (SELECT $1 UNION ALL \
     SELECT start + $2 FROM wanted WHERE start + $2 < $3 LIMIT $4) \
     SELECT statistic.* FROM wanted CROSS JOIN statistic WHERE statistic.span = $5 \
     AND statistic.start = wanted.start AND statistic.list_id = $6 ORDER BY statistic.start, priority",
    "WITH wanted (start) AS MATERIALIZED (SELECT $1 + $2 * place FROM generate_series(0::bigint, $4 - 1) AS place \
     WHERE $1 + $2 * place < $3) \
     SELECT statistic.* FROM wanted JOIN statistic ON statistic.start = wanted.start \
     WHERE statistic.span = $5 AND statistic.list_id = $6 ORDER BY statistic.start, priority",
);
const SUM_KEYS: (&str, &str) = (
    "SELECT name, SUM(accepted) AS accepted, SUM(recipients) AS recipients, SUM(octets) AS octets, \
     SUM(blocked) AS blocked, SUM(delivered) AS delivered, SUM(deferred) AS deferred, \
     SUM(bounced) AS bounced FROM (",
    "SELECT name, SUM(accepted)::bigint AS accepted, SUM(recipients)::bigint AS recipients, \
     SUM(octets)::bigint AS octets, SUM(blocked)::bigint AS blocked, SUM(delivered)::bigint AS delivered, \
     SUM(deferred)::bigint AS deferred, SUM(bounced)::bigint AS bounced FROM (",
);
const KEYS_OF_MONTHS: &str = "SELECT name, accepted, recipients, octets, blocked, delivered, deferred, bounced \
     FROM statistic_month WHERE month IN (";
const KEYS_OF_DAYS: &str = "SELECT name, accepted, recipients, octets, blocked, delivered, deferred, bounced \
     FROM statistic_key WHERE day IN (";
/// Those with most mail first, the rest that is told together last.
const ORDER_KEYS: &str = ") sums GROUP BY name \
     ORDER BY name = '', SUM(accepted) + SUM(blocked) DESC, name LIMIT ";
const DELETE_TIMES: &str = "DELETE FROM statistic WHERE (span, start, list_id, priority) IN \
     (SELECT span, start, list_id, priority FROM statistic WHERE span = $1 AND start < $2 LIMIT $3)";
const DELETE_KEYS: &str = "DELETE FROM statistic_key WHERE (day, list_id, dimension, name) IN \
     (SELECT day, list_id, dimension, name FROM statistic_key WHERE day < $1 LIMIT $2)";
const DELETE_MONTHS: &str = "DELETE FROM statistic_month WHERE (month, list_id, dimension, name) IN \
     (SELECT month, list_id, dimension, name FROM statistic_month WHERE month < $1 LIMIT $2)";

/// Which sums are too old.
#[derive(Clone, Copy, Debug)]
pub(super) enum OldSums {
    /// Those by time.
    Times(Span, Timestamp),
    /// Those by user, sender and subject within days.
    Keys(Timestamp),
    /// The same within months.
    Months(Timestamp),
}

/// What happened to mail of a list, or of all, span by span.
pub(super) async fn times(
    readers: &Pool,
    list: Option<i64>,
    span: Span,
    period: Period,
) -> Result<Vec<TimeRow>, StoreError> {
    let found = sql::query(SELECT_TIMES)
        .bind(span.start(period.from).as_millis())
        .bind(span.millis())
        .bind(period.until.as_millis())
        .bind(MAX_SPANS)
        .bind(span.code())
        .bind(list.unwrap_or(0))
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("the statistics", error))?;
    found.iter().map(time_row).collect()
}

/// What happened to mail of a list by user, sender or subject.
pub(super) async fn keys(
    readers: &Pool,
    list: i64,
    dimension: Dimension,
    period: Period,
    limit: u32,
) -> Result<Vec<KeyRow>, StoreError> {
    let pieces = Pieces::of(period);
    let mut query = QueryBuilder::default();
    query
        .push_pair(SUM_KEYS.0, SUM_KEYS.1)
        .push(KEYS_OF_MONTHS)
        .push(place(&pieces.months, list, dimension))
        .push(" UNION ALL ")
        .push(KEYS_OF_DAYS)
        .push(place(&pieces.days, list, dimension))
        .push(ORDER_KEYS)
        .push_bind(i64::from(limit));
    let found = query
        .build()
        .persistent(false)
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("the statistics", error))?;
    let key_row = |row| {
        Ok(KeyRow {
            key: rows::get(row, "name")?,
            sums: sums(row)?,
        })
    };
    found.iter().map(key_row).collect()
}

/// The rest of a condition: the starts of the spans, the list and the dimension. These are numbers, so that they need no
/// parameters.
fn place(starts: &[Timestamp], list: i64, dimension: Dimension) -> String {
    let numbers = starts.iter().map(|start| start.as_millis().to_string());
    let numbers = numbers.collect::<Vec<_>>().join(", ");
    // A set must not be empty.
    let starts = if numbers.is_empty() { "NULL" } else { &numbers };
    let dimension = dimension.code();
    format!("{starts}) AND list_id = {list} AND dimension = {dimension}")
}

/// Deletes up to [`PURGE_STEP`] sums; answers with how many.
pub(super) async fn purge(connection: &mut Connection, old: OldSums) -> Result<i64, StoreError> {
    let statement = match old {
        OldSums::Times(span, before) => sql::query(DELETE_TIMES)
            .bind(span.code())
            .bind(before.as_millis()),
        OldSums::Keys(before) => sql::query(DELETE_KEYS).bind(before.as_millis()),
        OldSums::Months(before) => sql::query(DELETE_MONTHS).bind(before.as_millis()),
    };
    let done = statement
        .bind(PURGE_STEP)
        .execute(connection)
        .await
        .map_err(|error| StoreError::writing("purge old statistics", error))?;
    Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
}

fn time_row(row: &Row) -> Result<TimeRow, StoreError> {
    let mut waits = Waits {
        total_ms: rows::count(row, "waited")?,
        ..Waits::default()
    };
    for (bucket, column) in waits.buckets.iter_mut().zip(WAITED) {
        *bucket = rows::count(row, column)?;
    }
    Ok(TimeRow {
        start: rows::timestamp(row, "start")?,
        priority: rows::priority(row)?,
        sums: sums(row)?,
        waits,
    })
}

const WAITED: [&str; WAIT_BUCKETS] = [
    "waited_0", "waited_1", "waited_2", "waited_3", "waited_4", "waited_5", "waited_6", "waited_7",
    "waited_8", "waited_9",
];

fn sums(row: &Row) -> Result<Sums, StoreError> {
    Ok(Sums {
        accepted: rows::count(row, "accepted")?,
        recipients: rows::count(row, "recipients")?,
        octets: rows::count(row, "octets")?,
        blocked: rows::count(row, "blocked")?,
        delivered: rows::count(row, "delivered")?,
        deferred: rows::count(row, "deferred")?,
        bounced: rows::count(row, "bounced")?,
    })
}
