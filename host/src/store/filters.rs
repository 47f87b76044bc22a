//! Which messages a listing or a command is about, as conditions on rows of `message`.

use super::sql::QueryBuilder;
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{Command, MessageFilter, MessageStatus, OrderKind};

const HELD: &str = "(hold IS NOT NULL AND released_at IS NULL)";
const ANY_RECIPIENT: &str =
    "EXISTS (SELECT 1 FROM recipient one WHERE one.message_id = message.id AND ";

/// Appends the conditions of a filter, each with its `AND`, its page and order aside.
pub(super) fn push(query: &mut QueryBuilder, filter: &MessageFilter) {
    if let Some(ids) = &filter.ids {
        push_ids(query, " AND message.id", ids);
    }
    if let Some(list) = filter.list {
        query.push(" AND message.list_id = ").push_bind(list);
    }
    if let Some(user) = &filter.user {
        let user = user.to_ascii_lowercase();
        query.push(" AND username = ").push_bind(user);
    }
    if let Some(sender) = &filter.sender {
        push_sender(query, sender);
    }
    if let Some(priority) = filter.priority {
        let number = i64::from(priority.number());
        query.push(" AND message.priority = ").push_bind(number);
    }
    if let Some(after) = filter.received_after {
        let after = after.as_millis();
        query.push(" AND received_at >= ").push_bind(after);
    }
    if let Some(before) = filter.received_before {
        let before = before.as_millis();
        query.push(" AND received_at < ").push_bind(before);
    }
    if filter.open_only {
        query.push(" AND message.open = 1");
    }
    if let Some(status) = filter.status {
        push_status(query, status);
    }
    if let Some(domain) = &filter.recipient_domain {
        query.push(" AND ").push(ANY_RECIPIENT);
        push_domain(query, domain);
        query.push(")");
    }
}

/// `COLUMN IN (…)`; ids are numbers, so that they need no parameters.
pub(super) fn push_ids(query: &mut QueryBuilder, column: &str, ids: &[QueueId]) {
    if ids.is_empty() {
        // Nothing is NULL, and not every database knows a list of nothing.
        query.push(format!("{column} IN (NULL)"));
        return;
    }
    let ids: Vec<String> = ids.iter().map(|id| id.as_i64().to_string()).collect();
    query.push(format!("{column} IN ({})", ids.join(", ")));
}

/// Condition on rows of `recipient`: the domain in A-labels or as it is written.
pub(super) fn push_domain(query: &mut QueryBuilder, domain: &str) {
    query.push("(mailbox");
    push_like(query, ending(domain));
    let (unicode, result) = idna::domain_to_unicode(domain);
    if result.is_ok() && unicode != domain {
        query.push(" OR mailbox");
        push_like(query, ending(&unicode));
    }
    query.push(")");
}

/// The whole address, its domain with an `@`, or `<>` for the null reverse-path.
fn push_sender(query: &mut QueryBuilder, sender: &str) {
    if sender == "<>" {
        query.push(" AND reverse_path IS NULL");
        return;
    }
    let pattern = match sender.strip_prefix('@') {
        Some(domain) => ending(domain),
        None => escaped(sender),
    };
    query.push(" AND reverse_path");
    push_like(query, pattern);
}

/// Without regard to case, as LIKE is in SQLite.
fn push_like(query: &mut QueryBuilder, pattern: String) {
    query
        .push_pair(" LIKE ", " ILIKE ")
        .push_bind(pattern)
        .push(" ESCAPE '\\'");
}

fn ending(domain: &str) -> String {
    format!("%@{}", escaped(domain))
}

fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

/// As [`crate::queue::MessageSummary::status`] decides.
fn push_status(query: &mut QueryBuilder, status: MessageStatus) {
    let any = |condition: &str| format!("{ANY_RECIPIENT}{condition})");
    let waits = format!(" AND message.open = 1 AND NOT {HELD}");
    let queued = any("one.status = 0");
    let now = Timestamp::now().as_millis();
    let is_scheduled = format!("COALESCE(held_until, 0) > {now}");
    let finished = |conditions: &[String]| {
        let all = conditions.join(" AND ");
        format!(" AND message.open = 0 AND {all}")
    };
    let (none_but, some) = (
        |code: u8| format!("NOT {}", any(&format!("one.status <> {code}"))),
        |code: u8| any(&format!("one.status = {code}")),
    );
    query.push(match status {
        MessageStatus::Held => format!(" AND message.open = 1 AND {HELD}"),
        MessageStatus::Scheduled => format!("{waits} AND {queued} AND {is_scheduled}"),
        MessageStatus::Queued => format!("{waits} AND {queued} AND NOT {is_scheduled}"),
        MessageStatus::Deferred => format!("{waits} AND NOT {queued}"),
        MessageStatus::Delivered => finished(&[none_but(2)]),
        MessageStatus::Partial => finished(&[some(2), any("one.status <> 2")]),
        MessageStatus::Expired => finished(&[none_but(4)]),
        MessageStatus::Cancelled => finished(&[none_but(5)]),
        MessageStatus::Failed => finished(&[
            format!("NOT {}", some(2)),
            any("one.status <> 4"),
            any("one.status <> 5"),
        ]),
    });
}

/// Appends where an open message stands, as a number that [`open_status`] reads.
pub(super) fn push_open_status(query: &mut QueryBuilder) {
    let now = Timestamp::now().as_millis();
    query.push(format!(
        "CASE WHEN {HELD} THEN 0 WHEN NOT {ANY_RECIPIENT}one.status = 0) THEN 1 \
         WHEN COALESCE(held_until, 0) > {now} THEN 2 ELSE 3 END"
    ));
}

/// Where an open message of that number stands.
pub(super) const fn open_status(number: i64) -> MessageStatus {
    match number {
        0 => MessageStatus::Held,
        1 => MessageStatus::Deferred,
        2 => MessageStatus::Scheduled,
        _ => MessageStatus::Queued,
    }
}

/// Appends the condition that a command can be carried out on a message.
pub(super) fn push_eligible(query: &mut QueryBuilder, command: &Command) {
    query.push(" AND message.open = 1");
    match command {
        Command::Hold(_) => query.push(format!(" AND NOT {HELD}")),
        Command::Release => query.push(format!(" AND {HELD}")),
        Command::Delete => query,
        Command::Retry => query.push(format!(
            " AND NOT {HELD} AND {ANY_RECIPIENT}{})",
            recipients_of(OrderKind::Retry)
        )),
        Command::Reprioritize(priority) => query
            .push(" AND message.priority <> ")
            .push_bind(i64::from(priority.number())),
        // A deadline that the client has set is kept.
        Command::Schedule(at) => query
            .push(" AND (deliver_by_at IS NULL OR expires_at > ")
            .push_bind(at.as_millis())
            .push(")"),
    };
}

/// Condition on rows of `recipient`: those that a command concerns.
pub(super) const fn recipients_of(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::Retry => "status = 1",
        _ => "status <= 1",
    }
}
