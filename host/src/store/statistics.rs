//! The sums that were kept: by time, and by user, sender and subject.

use super::sql::{self, Connection, Pool, Row};
use super::upkeep::PURGE_STEP;
use super::{StoreError, rows};
use crate::clock::Timestamp;
use crate::statistics::{Dimension, KeyRow, Period, Span, Sums, TimeRow, WAIT_BUCKETS, Waits};

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
const SELECT_KEYS: (&str, &str) = (
    "WITH RECURSIVE wanted (day) AS (SELECT $1 UNION ALL \
     SELECT day + $2 FROM wanted WHERE day + $2 < $3 LIMIT $4) \
     SELECT name, SUM(accepted) AS accepted, SUM(recipients) AS recipients, SUM(octets) AS octets, \
     SUM(blocked) AS blocked, SUM(delivered) AS delivered, SUM(deferred) AS deferred, \
     SUM(bounced) AS bounced FROM wanted CROSS JOIN statistic_key WHERE statistic_key.day = wanted.day \
     AND list_id = $5 AND dimension = $6 \
     GROUP BY name ORDER BY name = '', SUM(accepted) + SUM(blocked) DESC, name LIMIT $7",
    "SELECT name, SUM(accepted)::bigint AS accepted, SUM(recipients)::bigint AS recipients, \
     SUM(octets)::bigint AS octets, SUM(blocked)::bigint AS blocked, SUM(delivered)::bigint AS delivered, \
     SUM(deferred)::bigint AS deferred, SUM(bounced)::bigint AS bounced FROM statistic_key \
     WHERE day >= $1 AND day < LEAST($3, $1 + $2 * $4) AND list_id = $5 AND dimension = $6 \
     GROUP BY name ORDER BY name = '', SUM(accepted) + SUM(blocked) DESC, name LIMIT $7",
);
const DELETE_TIMES: &str = "DELETE FROM statistic WHERE (span, start, list_id, priority) IN \
     (SELECT span, start, list_id, priority FROM statistic WHERE span = $1 AND start < $2 LIMIT $3)";
const DELETE_KEYS: &str = "DELETE FROM statistic_key WHERE (day, list_id, dimension, name) IN \
     (SELECT day, list_id, dimension, name FROM statistic_key WHERE day < $1 LIMIT $2)";

/// Which sums are too old.
#[derive(Clone, Copy, Debug)]
pub(super) enum OldSums {
    /// Those by time.
    Times(Span, Timestamp),
    /// Those by user, sender and subject.
    Keys(Timestamp),
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
    let found = sql::query(SELECT_KEYS)
        .bind(Span::Day.start(period.from).as_millis())
        .bind(Span::Day.millis())
        .bind(period.until.as_millis())
        .bind(MAX_SPANS)
        .bind(list)
        .bind(dimension.code())
        .bind(i64::from(limit))
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

/// Deletes up to [`PURGE_STEP`] sums; answers with how many.
pub(super) async fn purge(connection: &mut Connection, old: OldSums) -> Result<i64, StoreError> {
    let statement = match old {
        OldSums::Times(span, before) => sql::query(DELETE_TIMES)
            .bind(span.code())
            .bind(before.as_millis()),
        OldSums::Keys(before) => sql::query(DELETE_KEYS).bind(before.as_millis()),
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
