//! Brings what happened into the sums of the statistics, behind everyone's back.
//!
//! Nothing is counted where messages are taken in or outcomes recorded. What is new is read behind marks, in
//! bounded steps, by a connection that reads; its sums and the new marks are one job of the writer, which does
//! nothing when the marks are not those that were read from. So nothing is counted twice and nothing left out,
//! whenever a process dies.
//!
//! There are three marks, for there are three orders of commit: the number of a decision, for what was taken
//! in and refused; the end of a message, which is made to grow with every commit, for attempts that finished one;
//! and the number of an open attempt, for all others.

use std::sync::LazyLock;

use super::bulk::Bulk;
use super::sql::{self, Connection, Dialect, Pool, Row};
use super::{StoreError, rows};
use crate::clock::Timestamp;
use crate::decision::Outcome;
use crate::queue::RecipientStatus;
use crate::statistics::{
    Event, Happened, KeyPlace, KeySpan, Sums, Tally, TimePlace, WAIT_BUCKETS, Waits,
};

/// Decisions, ends of messages and open attempts read in one step. 250: where each message has a list, user and sender
/// of its own the writer takes some 10 ms for their sums, otherwise next to nothing.
const STEP: i64 = 250;
/// Names of one dimension that are told apart within a day of a list; the rest are one row. Default 100: a page of
/// them, and at most 300 rows for each list and day.
const MAX_NAMES_OF_DAY: i64 = 100;
/// The same within a month. Default 300: whoever looks at a year sees some that no day has told apart, and the writer,
/// which counts them for each new name, takes a few microseconds more.
const MAX_NAMES_OF_MONTH: i64 = 300;

const SELECT_MARKS: &str =
    "SELECT decision_seq, attempt_seq, finished_until, finished_sealed FROM ledger";
/// Up to which number all decisions are committed.
pub(super) const SELECT_LAST_DECISION: (&str, &str) = (
    "SELECT COALESCE(MAX(seq), 0) FROM decision",
    "SELECT decision_sealed FROM ledger",
);
const SELECT_LAST_ATTEMPT: (&str, &str) = (
    "SELECT COALESCE(MAX(seq), 0) FROM open_attempt",
    "SELECT attempt_sealed FROM ledger",
);
const IS_MORE_TO_SEAL: (&str, &str) = (
    "SELECT EXISTS (SELECT 1 FROM message WHERE open = 0 AND finished_at > $1)",
    "SELECT EXISTS (SELECT 1 FROM message WHERE open = 0 AND finished_at > $1) \
     OR EXISTS (SELECT 1 FROM decision WHERE seq > decision_sealed) \
     OR EXISTS (SELECT 1 FROM open_attempt WHERE seq > attempt_sealed) FROM ledger",
);
/// The one row beyond a step.
const SELECT_FINISHED_CUT: &str = "SELECT finished_at FROM message WHERE open = 0 \
     AND finished_at > $1 AND finished_at <= $2 ORDER BY finished_at LIMIT 1 OFFSET $3";

/// What the relay itself writes to senders is nobody's mail.
const SELECT_DECISIONS: &str = "SELECT decision.outcome, decision.list_id, decision.username, \
     COALESCE(message.reverse_path, decision.sender) AS sender, \
     COALESCE(message.subject, decision.subject) AS subject, \
     COALESCE(message.priority, decision.priority) AS priority, \
     COALESCE(message.received_at, decision.decided_at) AS at, \
     COALESCE(message.size, 0) AS size, decision.recipient_count AS recipients \
     FROM decision LEFT JOIN message ON message.id = decision.id \
     WHERE decision.seq > $1 AND decision.seq <= $2 AND decision.shadow = 0 AND decision.outcome <> 1";
/// Whether an attempt is a recipient's last decides whether its status came of it.
const SELECT_FINISHING: &str = "SELECT message.list_id, username, reverse_path AS sender, subject, \
     priority, attempt.ended_at AS at, \
     attempt.ended_at - MAX(received_at, COALESCE(held_until, 0), COALESCE(released_at, 0)) AS waited, \
     CASE WHEN attempt.ended_at = (SELECT MAX(ended_at) FROM attempt last \
     WHERE last.message_id = message.id AND last.recipient = attempt.recipient) \
     THEN recipient.status ELSE 1 END AS status \
     FROM message JOIN attempt ON attempt.message_id = message.id \
     JOIN recipient ON recipient.message_id = message.id AND recipient.position = attempt.recipient \
     WHERE message.open = 0 AND message.finished_at > $1 AND message.finished_at <= $2 \
     AND username <> '' AND NOT EXISTS (SELECT 1 FROM open_attempt \
     WHERE open_attempt.message_id = attempt.message_id AND open_attempt.recipient = attempt.recipient \
     AND open_attempt.ended_at = attempt.ended_at)";
const SELECT_OPEN_ATTEMPTS: &str = "SELECT message.list_id, username, reverse_path AS sender, subject, \
     priority, open_attempt.ended_at AS at, open_attempt.ended_at - \
     MAX(received_at, COALESCE(held_until, 0), COALESCE(released_at, 0)) AS waited, open_attempt.status \
     FROM open_attempt JOIN message ON message.id = open_attempt.message_id \
     WHERE open_attempt.seq > $1 AND open_attempt.seq <= $2 AND username <> ''";

const ADVANCE: (&str, &str) = (
    "UPDATE ledger SET decision_seq = $1, attempt_seq = $2, finished_until = $3, \
     finished_sealed = MAX(finished_sealed, $4) \
     WHERE decision_seq = $5 AND attempt_seq = $6 AND finished_until = $7 AND finished_sealed = $8",
    "UPDATE ledger SET decision_seq = $1, attempt_seq = $2, finished_until = $3, \
     finished_sealed = MAX(finished_sealed, $4, (SELECT COALESCE(MAX(finished_at), 0) FROM message WHERE open = 0)), \
     decision_sealed = (SELECT COALESCE(MAX(seq), 0) FROM decision), \
     attempt_sealed = (SELECT COALESCE(MAX(seq), 0) FROM open_attempt) \
     WHERE decision_seq = $5 AND attempt_seq = $6 AND finished_until = $7 AND finished_sealed = $8",
);

static ADD_TIMES: LazyLock<Bulk> = LazyLock::new(|| {
    let waited: Vec<String> = (0..WAIT_BUCKETS).map(|n| format!("waited_{n}")).collect();
    let mut columns = KEY_SUMS.to_vec();
    columns.push("waited");
    columns.extend(waited.iter().map(String::as_str));
    Bulk::new(
        &format!(
            "INSERT INTO statistic (span, start, list_id, priority, {}) VALUES ",
            columns.join(", ")
        ),
        4 + columns.len(),
        &format!(
            " ON CONFLICT (span, start, list_id, priority) DO UPDATE SET {}",
            added("statistic", &columns)
        ),
    )
});
static ADD_DAYS: LazyLock<Bulk> = LazyLock::new(|| DAYS.adding());
static ADD_MONTHS: LazyLock<Bulk> = LazyLock::new(|| MONTHS.adding());
static ADD_DAYS_POSTGRES: LazyLock<Bulk> = LazyLock::new(|| DAYS.adding_postgres());
static ADD_MONTHS_POSTGRES: LazyLock<Bulk> = LazyLock::new(|| MONTHS.adding_postgres());

/// Where users, senders and subjects are told apart within spans of one kind.
struct Keys {
    table: &'static str,
    /// The column of when a span began.
    start: &'static str,
    /// Names beyond these are told together.
    max_names: i64,
}

const DAYS: Keys = Keys {
    table: "statistic_key",
    start: "day",
    max_names: MAX_NAMES_OF_DAY,
};
const MONTHS: Keys = Keys {
    table: "statistic_month",
    start: "month",
    max_names: MAX_NAMES_OF_MONTH,
};
/// What is summed up of names; of times that and how long mail waited.
const KEY_SUMS: [&str; 7] = [
    "accepted",
    "recipients",
    "octets",
    "blocked",
    "delivered",
    "deferred",
    "bounced",
];

impl Keys {
    fn adding(&self) -> Bulk {
        let Self {
            table,
            start,
            max_names,
        } = self;
        let names = KEY_SUMS.join(", ");
        Bulk::new(
            &format!("WITH added ({start}, list_id, dimension, name, {names}) AS (VALUES "),
            4 + KEY_SUMS.len(),
            &format!(
                ") INSERT INTO {table} ({start}, list_id, dimension, name, {names}) \
                 SELECT {start}, list_id, dimension, CASE WHEN EXISTS (SELECT 1 FROM {table} known \
                 WHERE known.{start} = added.{start} AND known.list_id = added.list_id \
                 AND known.dimension = added.dimension AND known.name = added.name) \
                 OR (SELECT COUNT(*) FROM {table} known WHERE known.{start} = added.{start} \
                 AND known.list_id = added.list_id AND known.dimension = added.dimension) < {max_names} \
                 THEN name ELSE '' END, {names} FROM added WHERE true \
                 ON CONFLICT ({start}, list_id, dimension, name) DO UPDATE SET {}",
                added(table, &KEY_SUMS)
            ),
        )
    }

    /// In one statement no row is written twice, so what becomes the row of the rest is summed up before.
    fn adding_postgres(&self) -> Bulk {
        let Self {
            table,
            start,
            max_names,
        } = self;
        let names = KEY_SUMS.join(", ");
        let sums = KEY_SUMS.map(|column| format!("SUM({column})::bigint"));
        Bulk::new(
            &format!("WITH added ({start}, list_id, dimension, name, {names}) AS (VALUES "),
            4 + KEY_SUMS.len(),
            &format!(
                "), known AS (SELECT added.*, EXISTS (SELECT 1 FROM {table} known \
                 WHERE known.{start} = added.{start} AND known.list_id = added.list_id \
                 AND known.dimension = added.dimension AND known.name = added.name) AS is_known FROM added), \
                 placed AS (SELECT known.*, ROW_NUMBER() OVER \
                 (PARTITION BY {start}, list_id, dimension, is_known ORDER BY name) \
                 + (SELECT COUNT(*) FROM {table} WHERE {table}.{start} = known.{start} \
                 AND {table}.list_id = known.list_id AND {table}.dimension = known.dimension) AS place FROM known) \
                 INSERT INTO {table} ({start}, list_id, dimension, name, {names}) \
                 SELECT {start}, list_id, dimension, \
                 CASE WHEN is_known OR place <= {max_names} THEN name ELSE '' END AS told, {} \
                 FROM placed GROUP BY 1, 2, 3, 4 \
                 ON CONFLICT ({start}, list_id, dimension, name) DO UPDATE SET {}",
                sums.join(", "),
                added(table, &KEY_SUMS)
            ),
        )
    }
}

fn added(table: &str, columns: &[&str]) -> String {
    let sums = columns
        .iter()
        .map(|column| format!("{column} = {table}.{column} + excluded.{column}"));
    sums.collect::<Vec<_>>().join(", ")
}

/// How far the sums have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Marks {
    decision_seq: i64,
    attempt_seq: i64,
    finished_until: i64,
    finished_sealed: i64,
}

/// Sums, from marks to marks.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    from: Marks,
    to: Marks,
    tally: Tally,
}

impl Entry {
    /// Writes the sums and the marks. 1 when that was done, 0 when somebody else did.
    pub(super) async fn apply(&self, connection: &mut Connection) -> Result<i64, StoreError> {
        self.apply_all(connection)
            .await
            .map_err(|error| StoreError::writing("sum up what happened", error))
    }

    async fn apply_all(&self, connection: &mut Connection) -> Result<i64, sqlx::Error> {
        let (from, to) = (self.from, self.to);
        let advanced = sql::query(ADVANCE)
            .bind(to.decision_seq)
            .bind(to.attempt_seq)
            .bind(to.finished_until)
            // Now is after everything that this transaction can see.
            .bind(Timestamp::now().as_millis())
            .bind(from.decision_seq)
            .bind(from.attempt_seq)
            .bind(from.finished_until)
            .bind(from.finished_sealed)
            .execute(&mut *connection)
            .await?;
        if advanced.rows_affected() == 0 {
            return Ok(0);
        }
        let times: Vec<_> = self.tally.times().collect();
        ADD_TIMES.execute(connection, &times, bind_time).await?;
        let (add_days, add_months) = match connection.dialect() {
            Dialect::Sqlite => (&ADD_DAYS, &ADD_MONTHS),
            Dialect::Postgres => (&ADD_DAYS_POSTGRES, &ADD_MONTHS_POSTGRES),
        };
        for (add, span) in [(add_days, KeySpan::Day), (add_months, KeySpan::Month)] {
            let keys = self.tally.keys(span);
            add.execute(connection, &keys, bind_key).await?;
        }
        Ok(1)
    }
}

type Statement = super::bulk::Statement;

fn bind_time(
    statement: Statement,
    (place, sums, waits): &(&TimePlace, &Sums, &Waits),
) -> Statement {
    let statement = statement
        .bind(place.span.code())
        .bind(place.start.as_millis())
        .bind(place.list)
        .bind(i64::from(place.priority.number()));
    let statement = bind_sums(statement, sums).bind(number(waits.total_ms));
    let buckets = waits.buckets.iter();
    buckets.fold(statement, |statement, count| statement.bind(number(*count)))
}

fn bind_key(statement: Statement, (place, sums): &(&KeyPlace, &Sums)) -> Statement {
    let statement = statement
        .bind(place.start.as_millis())
        .bind(place.list)
        .bind(place.key.dimension.code())
        .bind(place.key.name.clone());
    bind_sums(statement, sums)
}

fn bind_sums(statement: Statement, sums: &Sums) -> Statement {
    let counts = [
        sums.accepted,
        sums.recipients,
        sums.octets,
        sums.blocked,
        sums.delivered,
        sums.deferred,
        sums.bounced,
    ];
    counts
        .into_iter()
        .fold(statement, |statement, count| statement.bind(number(count)))
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What a step found.
pub(super) struct Found {
    /// What is to be written; none when nothing is new.
    pub(super) entry: Option<Entry>,
    /// True when there is more than a step.
    pub(super) is_more: bool,
}

/// Reads what is new behind the marks, one step of it.
pub(super) async fn read(readers: &Pool) -> Result<Found, StoreError> {
    let failed = |error| StoreError::reading("what happened", error);
    let mut transaction = readers.begin().await.map_err(failed)?;
    let found = read_step(&mut transaction).await?;
    transaction.rollback().await.map_err(failed)?;
    Ok(found)
}

async fn read_step(connection: &mut Connection) -> Result<Found, StoreError> {
    let (from, newest) = marks(connection)
        .await
        .map_err(|error| StoreError::reading("how far the statistics are", error))?;
    let to = Marks {
        decision_seq: newest.decision_seq.min(from.decision_seq + STEP),
        attempt_seq: newest.attempt_seq.min(from.attempt_seq + STEP),
        ..newest
    };
    let mut tally = Tally::default();
    let events = |error| StoreError::reading("what happened", error);
    let ranges = [
        (SELECT_DECISIONS, from.decision_seq, to.decision_seq),
        (SELECT_FINISHING, from.finished_until, to.finished_until),
        (SELECT_OPEN_ATTEMPTS, from.attempt_seq, to.attempt_seq),
    ];
    for (sql, after, until) in ranges.into_iter().filter(|(_, after, until)| after < until) {
        let found = sql::query(sql).bind(after).bind(until);
        for row in found.fetch_all(&mut *connection).await.map_err(events)? {
            note(&mut tally, &row, sql == SELECT_DECISIONS)?;
        }
    }
    let is_more = to.decision_seq < newest.decision_seq
        || to.attempt_seq < newest.attempt_seq
        || to.finished_until < from.finished_sealed;
    let is_sealing = is_more_to_seal(connection, from.finished_sealed)
        .await
        .map_err(events)?;
    let is_new = is_sealing
        || (to.decision_seq, to.attempt_seq) != (from.decision_seq, from.attempt_seq)
        || !tally.is_empty();
    Ok(Found {
        entry: is_new.then_some(Entry { from, to, tally }),
        is_more,
    })
}

/// Where the sums are, and where they could be: ends of messages within one step.
async fn marks(connection: &mut Connection) -> Result<(Marks, Marks), sqlx::Error> {
    let row = sql::query(SELECT_MARKS).fetch_one(&mut *connection).await?;
    let from = Marks {
        decision_seq: row.try_get("decision_seq")?,
        attempt_seq: row.try_get("attempt_seq")?,
        finished_until: row.try_get("finished_until")?,
        finished_sealed: row.try_get("finished_sealed")?,
    };
    let cut: Option<i64> = sql::query_scalar(SELECT_FINISHED_CUT)
        .bind(from.finished_until)
        .bind(from.finished_sealed)
        .bind(STEP)
        .fetch_optional(&mut *connection)
        .await?;
    let decision_seq: i64 = sql::query_scalar(SELECT_LAST_DECISION)
        .fetch_one(&mut *connection)
        .await?;
    let attempt_seq: i64 = sql::query_scalar(SELECT_LAST_ATTEMPT)
        .fetch_one(&mut *connection)
        .await?;
    let newest = Marks {
        decision_seq: decision_seq.max(from.decision_seq),
        attempt_seq: attempt_seq.max(from.attempt_seq),
        finished_until: cut.unwrap_or(from.finished_sealed),
        finished_sealed: from.finished_sealed,
    };
    Ok((from, newest))
}

async fn is_more_to_seal(connection: &mut Connection, sealed: i64) -> Result<bool, sqlx::Error> {
    sql::query_scalar(IS_MORE_TO_SEAL)
        .bind(sealed)
        .fetch_one(connection)
        .await
}

fn note(tally: &mut Tally, row: &Row, is_decision: bool) -> Result<(), StoreError> {
    let what = if is_decision {
        decided(row)?
    } else {
        Some(tried(row)?)
    };
    let Some(what) = what else { return Ok(()) };
    tally.note(&Event {
        list: rows::get(row, "list_id")?,
        at: rows::timestamp(row, "at")?,
        priority: rows::priority(row)?,
        user: rows::get(row, "username")?,
        sender: rows::get(row, "sender")?,
        subject: rows::get(row, "subject")?,
        what,
    });
    Ok(())
}

fn decided(row: &Row) -> Result<Option<Happened>, StoreError> {
    Ok(match Outcome::from_code(rows::get(row, "outcome")?) {
        Outcome::Accepted => Some(Happened::Accepted {
            recipients: rows::count(row, "recipients")?,
            octets: rows::count(row, "size")?,
        }),
        Outcome::Rejected => Some(Happened::Blocked),
        Outcome::Deferred => None,
    })
}

fn tried(row: &Row) -> Result<Happened, StoreError> {
    let code: i64 = rows::get(row, "status")?;
    let waited: i64 = rows::get(row, "waited")?;
    match RecipientStatus::from_code(code) {
        Some(RecipientStatus::Delivered) => Ok(Happened::Delivered {
            waited_ms: u64::try_from(waited).unwrap_or(0),
        }),
        Some(RecipientStatus::Failed | RecipientStatus::Expired) => Ok(Happened::Bounced),
        Some(_) => Ok(Happened::Deferred),
        None => Err(rows::damaged("status", code)),
    }
}
