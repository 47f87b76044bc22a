//! Decisions of the policies: written with the message they are about, read by whoever asks why.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::bulk::{Bulk, Statement};
use super::sql::{self, Connection, Pool, QueryBuilder, Row};
use super::upkeep::PURGE_STEP;
use super::{StoreError, filters, rows};
use crate::clock::Timestamp;
use crate::decision::{
    About, Chain, Decision, DecisionFilter, Glimpse, NewDecision, Outcome, Recorded, RefusedHeader,
    Retention, Run, Stage, Step,
};
use crate::id::QueueId;

const COLUMNS: &str = "id, decided_at, shadow, stage, outcome, chain, generation, list_id, username, \
     session_id, sender, header_from, recipients, recipient_count, priority, reply_code, reply_text, steps, effects, subject, \
     message_id";
const KEEP_CHAIN: &str =
    "INSERT INTO policy_chain (id, policies) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
/// What ran in shadow has the request of what counted.
const RECORDED_AFTER: &str = ", (SELECT request FROM recording WHERE recording.id = decision.id) AS request \
     FROM decision WHERE shadow = 0 AND EXISTS \
     (SELECT 1 FROM recording WHERE recording.id = decision.id) AND id > ";
const BESIDE_SHADOW_AFTER: &str = " FROM decision WHERE EXISTS \
     (SELECT 1 FROM decision AS other WHERE other.id = decision.id AND other.shadow = 1) AND id > ";
const SELECT_CHAIN: &str = "SELECT policies FROM policy_chain WHERE id = $1";
const SELECT_NEWEST: &str = "SELECT id, decided_at, shadow, list_id, outcome, priority, steps FROM decision \
     ORDER BY seq DESC LIMIT $1";
const SELECT_REQUEST: &str = "SELECT request FROM recording WHERE id = $1";
/// The oldest are looked at, whether or not they go: the step costs the same however many there are. The newest
/// stays, so that no number is given twice.
const DELETE_DECISIONS: &str = "DELETE FROM decision WHERE seq < \
     (SELECT MIN(seq) FROM decision) + $1 AND seq < (SELECT MAX(seq) FROM decision) \
     AND (decided_at < $2 OR seq <= (SELECT MAX(seq) FROM decision) - $3)";
const SUM_RECORDINGS: &str = "SELECT CAST(COALESCE(SUM(octets), 0) AS BIGINT) FROM recording";
const SELECT_OLDEST_RECORDINGS: &str =
    "SELECT id, recorded_at, octets FROM recording ORDER BY id LIMIT $1";
const DELETE_RECORDINGS: &str = "DELETE FROM recording WHERE id <= $1";

pub(super) static INSERT_DECISIONS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(&format!("INSERT INTO decision ({COLUMNS}) VALUES "), 21, ""));
static INSERT_RECORDINGS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT INTO recording (id, recorded_at, octets, request) VALUES ",
        4,
        " ON CONFLICT (id) DO NOTHING",
    )
});

/// A decision for the writer.
pub(super) struct Kept {
    pub(super) decision: Box<NewDecision>,
    /// False when its chain is known to be kept.
    pub(super) with_chain: bool,
}

impl Kept {
    /// True when nothing but the decision itself is kept.
    pub(super) fn is_plain(&self) -> bool {
        !self.with_chain && self.decision.request.is_none()
    }

    /// Octets of the recorded request.
    pub(super) fn octets(&self) -> usize {
        self.decision.request.as_ref().map_or(0, String::len)
    }
}

/// Keeps decisions, the chains that made them, and the requests that are to be recorded.
pub(super) async fn insert(connection: &mut Connection, kept: &[&Kept]) -> Result<(), StoreError> {
    insert_all(connection, kept)
        .await
        .map_err(|error| StoreError::writing("keep a decision", error))
}

async fn insert_all(connection: &mut Connection, kept: &[&Kept]) -> Result<(), sqlx::Error> {
    let mut chains: HashMap<i64, &Chain> = HashMap::new();
    for one in kept.iter().filter(|one| one.with_chain) {
        let chain = &one.decision.decision.chain;
        chains.insert(chain.id(), chain);
    }
    for chain in chains.into_values() {
        sql::query(KEEP_CHAIN)
            .bind(chain.id())
            .bind(chain.document())
            .execute(&mut *connection)
            .await?;
    }
    let decisions: Vec<&Decision> = kept.iter().map(|one| &one.decision.decision).collect();
    INSERT_DECISIONS
        .execute(connection, &decisions, |statement, one| {
            bind(statement, one)
        })
        .await?;
    let recorded: Vec<(&Decision, &str)> = kept
        .iter()
        .filter_map(|one| Some((&one.decision.decision, one.decision.request.as_deref()?)))
        .collect();
    INSERT_RECORDINGS
        .execute(connection, &recorded, |statement, (decision, request)| {
            statement
                .bind(decision.about.id.as_i64())
                .bind(decision.about.at.as_millis())
                .bind(i64::try_from(request.len()).unwrap_or(i64::MAX))
                .bind((*request).to_owned())
        })
        .await
}

pub(super) fn bind(statement: Statement, decision: &Decision) -> Statement {
    let about = &decision.about;
    let steps = serde_json::to_string(&decision.steps).expect("texts and numbers can be written");
    let effects = (!decision.effects.is_empty())
        .then(|| serde_json::to_string(&decision.effects).expect("texts can be written"));
    statement
        .bind(about.id.as_i64())
        .bind(about.at.as_millis())
        .bind(i64::from(decision.run == Run::Shadow))
        .bind(about.stage.code())
        .bind(decision.outcome.code())
        .bind(decision.chain.id())
        .bind(i64::try_from(decision.generation).unwrap_or(i64::MAX))
        .bind(about.list_id)
        .bind(about.username.clone())
        .bind(about.session_id.clone())
        .bind(about.sender.clone())
        .bind(about.from.clone())
        .bind(about.recipients.clone())
        .bind(i64::from(about.recipient_count))
        .bind(i64::from(decision.priority.number()))
        .bind(decision.reply.as_ref().map(|(code, _)| i64::from(*code)))
        .bind(decision.reply.as_ref().map(|(_, text)| text.clone()))
        .bind(steps)
        .bind(effects)
        .bind(about.header.as_ref().map(|header| header.subject.clone()))
        .bind(
            about
                .header
                .as_ref()
                .map(|header| header.message_id.clone()),
        )
}

/// A page of decisions, newest first.
pub(super) async fn select(
    readers: &Pool,
    filter: &DecisionFilter,
) -> Result<Vec<Decision>, StoreError> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(" FROM decision WHERE id >= ");
    query.push_bind(
        filter
            .since
            .map_or(0, |since| QueueId::first_at(since).as_i64()),
    );
    narrow(&mut query, filter);
    query
        .push(" ORDER BY id DESC, seq DESC LIMIT ")
        .push_bind(i64::from(filter.limit));
    all(readers, query).await
}

fn narrow(query: &mut QueryBuilder, filter: &DecisionFilter) {
    if let Some(until) = filter.until {
        query
            .push(" AND id < ")
            .push_bind(QueueId::first_at(until).as_i64());
    }
    if let Some(list) = filter.list {
        query.push(" AND list_id = ").push_bind(list);
    }
    if let Some(user) = &filter.user {
        query
            .push(" AND username = ")
            .push_bind(user.to_ascii_lowercase());
    }
    if let Some(sender) = &filter.sender {
        // As a part of both: `instr` knows no wildcards that an address could hold.
        query
            .push(" AND instr(lower(COALESCE(sender, '') || ' ' || header_from), ")
            .push_bind(sender.to_lowercase())
            .push(") > 0");
    }
    if let Some(recipient) = &filter.recipient {
        query
            .push(" AND instr(lower(recipients), ")
            .push_bind(recipient.to_lowercase())
            .push(") > 0");
    }
    if let Some(rule) = &filter.rule {
        query
            .push(" AND instr(steps, ")
            .push_bind(rule_in_steps(rule))
            .push(") > 0");
    }
    if let Some(outcome) = filter.outcome {
        query.push(" AND outcome = ").push_bind(outcome.code());
    }
    if filter.refused_only {
        query.push(" AND outcome > 0");
    }
}

/// The part of the kept steps that tells a rule: `policy/rule`, or a rule of any policy.
fn rule_in_steps(rule: &str) -> String {
    let quoted = serde_json::Value::from(rule).to_string();
    if rule.contains('/') {
        format!("\"rule\":{quoted}")
    } else {
        format!("/{}", quoted.trim_start_matches('"'))
    }
}

/// The decisions about one message or command, in the order they were made.
pub(super) async fn of(readers: &Pool, id: QueueId) -> Result<Vec<Decision>, StoreError> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(" FROM decision WHERE id = ");
    query.push_bind(id.as_i64()).push(" ORDER BY seq");
    all(readers, query).await
}

/// The decisions that counted about these messages or commands.
pub(super) async fn of_many(readers: &Pool, ids: &[QueueId]) -> Result<Vec<Decision>, StoreError> {
    let mut query = QueryBuilder::new("SELECT ");
    query
        .push(COLUMNS)
        .push(" FROM decision WHERE shadow = 0 AND ");
    filters::push_ids(&mut query, "id", ids);
    all(readers, query).await
}

/// A page of what `selection` finds behind `after`, as far as the filter lets it through.
fn page(
    selection: &'static str,
    filter: &DecisionFilter,
    after: Option<QueueId>,
    order: &'static str,
) -> QueryBuilder {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(selection);
    query.push_bind(after.map_or(-1, QueueId::as_i64));
    if let Some(since) = filter.since {
        query
            .push(" AND id >= ")
            .push_bind(QueueId::first_at(since).as_i64());
    }
    narrow(&mut query, filter);
    query.push(" ORDER BY ").push(order).push(" LIMIT ");
    query.push_bind(i64::from(filter.limit));
    query
}

/// A page of decisions about what was decided in shadow too, the oldest first.
pub(super) async fn beside_shadows(
    readers: &Pool,
    filter: &DecisionFilter,
    after: Option<QueueId>,
) -> Result<Vec<Decision>, StoreError> {
    let query = page(BESIDE_SHADOW_AFTER, filter, after, "id, seq");
    all(readers, query).await
}

/// A page of decisions whose requests were recorded, the oldest first.
pub(super) async fn recorded(
    readers: &Pool,
    filter: &DecisionFilter,
    after: Option<QueueId>,
) -> Result<Vec<Recorded>, StoreError> {
    let mut query = page(RECORDED_AFTER, filter, after, "id");
    let found = query
        .build()
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("the recorded requests", error))?;
    let mut recorded = Vec::with_capacity(found.len());
    for (row, decision) in found.iter().zip(decisions(readers, &found).await?) {
        let request = rows::get(row, "request")?;
        recorded.push(Recorded { decision, request });
    }
    Ok(recorded)
}

/// The newest decisions since then as far as sums need them, newest first.
pub(super) async fn glimpses(
    readers: &Pool,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<Glimpse>, StoreError> {
    let found = sql::query(SELECT_NEWEST)
        .bind(i64::from(limit))
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("the decisions", error))?;
    let glimpses: Result<Vec<Glimpse>, StoreError> = found.iter().map(glimpse).collect();
    glimpses.map(|all| all.into_iter().filter(|one| one.at >= since).collect())
}

fn glimpse(row: &Row) -> Result<Glimpse, StoreError> {
    Ok(Glimpse {
        id: rows::queue_id(row, "id")?,
        at: rows::timestamp(row, "decided_at")?,
        run: run(row)?,
        list_id: rows::get(row, "list_id")?,
        outcome: Outcome::from_code(rows::get(row, "outcome")?),
        priority: rows::priority(row)?,
        steps: steps(row)?,
    })
}

fn run(row: &Row) -> Result<Run, StoreError> {
    let is_shadow: bool = rows::get(row, "shadow")?;
    Ok(if is_shadow {
        Run::Shadow
    } else {
        Run::Enforced
    })
}

fn steps(row: &Row) -> Result<Vec<Step>, StoreError> {
    let steps: String = rows::get(row, "steps")?;
    serde_json::from_str(&steps).map_err(|_| rows::damaged("steps", &steps))
}

async fn all(readers: &Pool, mut query: QueryBuilder) -> Result<Vec<Decision>, StoreError> {
    let failed = |error| StoreError::reading("the decisions", error);
    let found = query.build().fetch_all(readers).await.map_err(failed)?;
    decisions(readers, &found).await
}

async fn decisions(readers: &Pool, found: &[Row]) -> Result<Vec<Decision>, StoreError> {
    let mut chains: HashMap<i64, Arc<Chain>> = HashMap::new();
    let mut decisions = Vec::with_capacity(found.len());
    for row in found {
        let id: i64 = rows::get(row, "chain")?;
        let chain = match chains.get(&id) {
            Some(known) => Arc::clone(known),
            None => Arc::new(chain(readers, id).await?),
        };
        chains.insert(id, Arc::clone(&chain));
        decisions.push(decision(row, chain)?);
    }
    Ok(decisions)
}

async fn chain(readers: &Pool, id: i64) -> Result<Chain, StoreError> {
    let found: Option<String> = sql::query_scalar(SELECT_CHAIN)
        .bind(id)
        .fetch_optional(readers)
        .await
        .map_err(|error| StoreError::reading("a chain of policies", error))?;
    let chain = found.as_deref().and_then(Chain::parse);
    Ok(chain.unwrap_or_else(|| Chain::unknown(id)))
}

fn decision(row: &Row, chain: Arc<Chain>) -> Result<Decision, StoreError> {
    Ok(Decision {
        about: about(row)?,
        run: run(row)?,
        generation: rows::count(row, "generation")?,
        chain,
        outcome: Outcome::from_code(rows::get(row, "outcome")?),
        priority: rows::priority(row)?,
        reply: reply(row)?,
        effects: effects(row)?,
        steps: steps(row)?,
    })
}

fn effects(row: &Row) -> Result<Vec<String>, StoreError> {
    let Some(lines) = rows::get::<Option<String>>(row, "effects")? else {
        return Ok(Vec::new());
    };
    serde_json::from_str(&lines).map_err(|_| rows::damaged("effects", lines))
}

fn about(row: &Row) -> Result<About, StoreError> {
    Ok(About {
        id: rows::queue_id(row, "id")?,
        at: rows::timestamp(row, "decided_at")?,
        stage: Stage::from_code(rows::get(row, "stage")?),
        list_id: rows::get(row, "list_id")?,
        username: rows::get(row, "username")?,
        session_id: rows::get(row, "session_id")?,
        sender: rows::get(row, "sender")?,
        from: rows::get(row, "header_from")?,
        recipients: rows::get(row, "recipients")?,
        recipient_count: rows::count(row, "recipient_count")?,
        header: header(row)?,
    })
}

fn header(row: &Row) -> Result<Option<RefusedHeader>, StoreError> {
    let subject: Option<String> = rows::get(row, "subject")?;
    let message_id: Option<String> = rows::get(row, "message_id")?;
    Ok(subject.map(|subject| RefusedHeader {
        subject,
        message_id: message_id.unwrap_or_default(),
    }))
}

fn reply(row: &Row) -> Result<Option<(u16, String)>, StoreError> {
    let Some(code) = rows::get::<Option<i64>>(row, "reply_code")? else {
        return Ok(None);
    };
    let code = u16::try_from(code).map_err(|_| rows::damaged("reply code", code))?;
    let text: Option<String> = rows::get(row, "reply_text")?;
    Ok(Some((code, text.unwrap_or_default())))
}

/// The recorded request of a decision.
pub(super) async fn request(readers: &Pool, id: QueueId) -> Result<Option<String>, StoreError> {
    sql::query_scalar(SELECT_REQUEST)
        .bind(id.as_i64())
        .fetch_optional(readers)
        .await
        .map_err(|error| StoreError::reading("a recorded request", error))
}

/// Deletes up to [`PURGE_STEP`] decisions that are too old or too many; answers with how many.
pub(super) async fn purge(
    connection: &mut Connection,
    retention: &Retention,
) -> Result<i64, StoreError> {
    let done = sql::query(DELETE_DECISIONS)
        .bind(PURGE_STEP)
        .bind(retention.decisions_before.as_millis())
        .bind(i64::try_from(retention.max_decisions).unwrap_or(i64::MAX))
        .execute(connection)
        .await
        .map_err(|error| StoreError::writing("purge old decisions", error))?;
    Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
}

/// Deletes up to [`PURGE_STEP`] recordings that are too old or too much; answers with how many.
pub(super) async fn purge_recordings(
    connection: &mut Connection,
    retention: &Retention,
) -> Result<i64, StoreError> {
    purge_recordings_step(connection, retention)
        .await
        .map_err(|error| StoreError::writing("purge old recordings", error))
}

async fn purge_recordings_step(
    connection: &mut Connection,
    retention: &Retention,
) -> Result<i64, sqlx::Error> {
    let total: i64 = sql::query_scalar(SUM_RECORDINGS)
        .fetch_one(&mut *connection)
        .await?;
    let oldest = sql::query(SELECT_OLDEST_RECORDINGS)
        .bind(PURGE_STEP)
        .fetch_all(&mut *connection)
        .await?;
    let limit = i64::try_from(retention.max_request_octets).unwrap_or(i64::MAX);
    let mut left = total;
    let mut last = None;
    for row in &oldest {
        let at = Timestamp::from_millis(row.try_get("recorded_at")?);
        if left <= limit && at >= retention.requests_before {
            break;
        }
        left -= row.try_get::<i64, _>("octets")?;
        last = Some(row.try_get::<i64, _>("id")?);
    }
    let Some(last) = last else {
        return Ok(0);
    };
    let done = sql::query(DELETE_RECORDINGS)
        .bind(last)
        .execute(connection)
        .await?;
    Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
}
