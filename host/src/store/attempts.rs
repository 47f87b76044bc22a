//! What attempts came to: the timeline, the recipients' new statuses, and the end of a message.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use super::bulk::{Bulk, Statement};
use super::sql::{Connection, Row};
use super::{StoreError, content, rows, together};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{AttemptRecord, RecordedAttempt};

/// Recorded twice it is still one attempt: a caller that was told `Unavailable` asks again.
pub(super) static INSERT_ATTEMPTS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT INTO attempt (message_id, recipient, began_at, ended_at, next_hop, tls, outcome, \
         reply_code, reply_text) VALUES ",
        9,
        " ON CONFLICT DO NOTHING",
    )
});
/// A recipient that is settled stays so, except that a delivery which happened is not denied.
pub(super) static UPDATE_RECIPIENTS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "WITH result (message_id, position, status, due_at, delay_told_at) AS (VALUES ",
        5,
        ") UPDATE recipient SET status = result.status, due_at = result.due_at, \
         delay_told_at = COALESCE(result.delay_told_at, recipient.delay_told_at), \
         attempts = (SELECT COUNT(*) FROM attempt \
         WHERE attempt.message_id = result.message_id AND attempt.recipient = result.position) \
         FROM result WHERE recipient.message_id = result.message_id \
         AND recipient.position = result.position \
         AND (recipient.status <= 1 OR result.status = 2)",
    )
});
/// What is finished is so after everything that the statistics were sealed with, whatever the clock says.
const FINISH: &str = "UPDATE message SET open = 0, finished_at = \
     MAX(?, (SELECT finished_sealed + 1 FROM ledger)) WHERE open = 1 AND NOT EXISTS \
     (SELECT 1 FROM recipient WHERE recipient.message_id = message.id AND status <= 1)";
static FINISH_MESSAGES: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        &format!("{FINISH} AND id IN (VALUES "),
        1,
        ") RETURNING id, staged_chunks, segment",
    )
});
/// Those with nothing but a head in the log, which goes with its segment.
pub(super) static FINISH_PLAIN_MESSAGES: LazyLock<Bulk> = LazyLock::new(|| {
    let plain = "segment IS NOT NULL AND staged_chunks = 0";
    Bulk::new(&format!("{FINISH} AND {plain} AND id IN (VALUES "), 1, ")")
});

/// For the statistics; see `store/ledger.rs`.
static INSERT_OPEN_ATTEMPTS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "WITH result (message_id, recipient, ended_at, status) AS (VALUES ",
        4,
        ") INSERT INTO open_attempt (message_id, recipient, ended_at, status) \
         SELECT result.* FROM result JOIN message ON message.id = result.message_id \
         WHERE message.open = 1 ON CONFLICT DO NOTHING",
    )
});

pub(super) type Settled<'a> = (QueueId, &'a RecordedAttempt);

/// Records attempts; of messages that are finished by them the content is deleted.
pub(super) async fn record(
    connection: &mut Connection,
    records: &[&AttemptRecord],
) -> Result<(), StoreError> {
    if records.is_empty() {
        return Ok(());
    }
    record_all(connection, records)
        .await
        .map_err(|error| StoreError::writing("record an attempt", error))
}

async fn record_all(
    connection: &mut Connection,
    records: &[&AttemptRecord],
) -> Result<(), sqlx::Error> {
    let results: Vec<Settled<'_>> = records
        .iter()
        .flat_map(|record| record.attempts.iter().map(|attempt| (record.id, attempt)))
        .collect();
    let finished = settled(&results);
    if together::settle(connection, &results, &finished).await? {
        return Ok(());
    }
    INSERT_ATTEMPTS
        .execute(connection, &results, bind_attempt)
        .await?;
    for statement in
        UPDATE_RECIPIENTS.padded(connection.dialect(), &results, |start| start, bind_result)
    {
        statement.execute(&mut *connection).await?;
    }
    let finished = finish(connection, &finished).await?;
    record_open(connection, results, &finished).await
}

/// Notes for the statistics which attempts did not finish their message.
async fn record_open(
    connection: &mut Connection,
    results: Vec<Settled<'_>>,
    finished: &HashSet<i64>,
) -> Result<(), sqlx::Error> {
    let open: Vec<Settled<'_>> = results
        .into_iter()
        .filter(|(id, _)| !finished.contains(&id.as_i64()))
        .collect();
    INSERT_OPEN_ATTEMPTS
        .execute(connection, &open, bind_open_attempt)
        .await
}

/// The messages that may be finished: those with a recipient that is no longer open.
fn settled(results: &[Settled<'_>]) -> Vec<i64> {
    let ids: BTreeSet<i64> = results
        .iter()
        .filter(|(_, recorded)| !recorded.status.is_open())
        .map(|(id, _)| id.as_i64())
        .collect();
    ids.into_iter().collect()
}

/// Ends those of these messages that have no open recipient any more; returns which.
pub(super) async fn finish(
    connection: &mut Connection,
    ids: &[i64],
) -> Result<HashSet<i64>, sqlx::Error> {
    let now = Timestamp::now().as_millis();
    let mut finished = Vec::new();
    for statement in FINISH_MESSAGES.padded(
        connection.dialect(),
        ids,
        |start| start.bind(now),
        |statement, id| statement.bind(*id),
    ) {
        finished.extend(statement.fetch_all(&mut *connection).await?);
    }
    delete_content(connection, &finished).await
}

/// Deletes the content of messages that are finished, and returns which they are; what lies in the log goes with its
/// segment.
async fn delete_content(
    connection: &mut Connection,
    finished: &[Row],
) -> Result<HashSet<i64>, sqlx::Error> {
    let (mut settled, mut chunked) = (Vec::new(), Vec::new());
    let mut ended = HashSet::with_capacity(finished.len());
    for row in finished {
        let id: i64 = row.try_get("id")?;
        ended.insert(id);
        if row.try_get::<Option<i64>, _>("segment")?.is_none() {
            settled.push(id);
        }
        if row.try_get::<i64, _>("staged_chunks")? > 0 {
            chunked.push(id);
        }
    }
    content::delete_heads(connection, &settled).await?;
    content::delete_chunks(connection, &chunked).await?;
    Ok(ended)
}

fn bind_open_attempt(statement: Statement, (id, recorded): &Settled<'_>) -> Statement {
    statement
        .bind(id.as_i64())
        .bind(i64::from(recorded.attempt.recipient))
        .bind(recorded.attempt.at.as_millis())
        .bind(recorded.status.code())
}

pub(super) fn bind_attempt(statement: Statement, (id, recorded): &Settled<'_>) -> Statement {
    let attempt = &recorded.attempt;
    let reply = attempt.outcome.reply();
    statement
        .bind(id.as_i64())
        .bind(i64::from(attempt.recipient))
        .bind(attempt.began_at.map(Timestamp::as_millis))
        .bind(attempt.at.as_millis())
        .bind(attempt.next_hop.as_str())
        .bind(attempt.tls.as_str())
        .bind(rows::outcome_code(&attempt.outcome))
        .bind(i64::from(reply.code))
        .bind(reply.text.as_str())
}

pub(super) fn bind_result(statement: Statement, (id, recorded): &Settled<'_>) -> Statement {
    statement
        .bind(id.as_i64())
        .bind(i64::from(recorded.attempt.recipient))
        .bind(recorded.status.code())
        .bind(recorded.due_at.as_millis())
        .bind(recorded.delay_told_at.map(Timestamp::as_millis))
}
