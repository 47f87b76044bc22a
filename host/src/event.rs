//! What happens to messages, as webhooks are told: one JSON document for each event. Pure.
//!
//! `store` asks for them where something is committed, when a webhook of the list wants it.

use serde_json::{Value, json};

use crate::alert::{Alert, Event, EventKind};
use crate::clock::Timestamp;
use crate::decision::{Decision, Outcome as Ruled};
use crate::id::QueueId;
use crate::queue::{MessageMeta, NewMessage, OpenMessage, RecipientStatus, RecordedAttempt};

/// A message is in the queue.
pub fn accepted(message: &NewMessage, list: &str) -> Event {
    let meta = &message.meta;
    let recipients = message.recipients.iter().map(|one| one.mailbox.as_str());
    let recipients: Vec<&str> = recipients.collect();
    let more = json!({ "recipients": recipients, "size": message.content.size });
    let id = format!("{}-accepted", message.id);
    let about = about(message.id, meta);
    event(
        id,
        EventKind::Accepted,
        meta.list_id,
        list,
        meta.received_at,
        (about, more),
    )
}

/// A policy refused a message for good; none for other decisions.
pub fn blocked(decision: &Decision, list: &str) -> Option<Event> {
    if decision.outcome != Ruled::Rejected {
        return None;
    }
    let about = &decision.about;
    let (code, text) = decision.reply.clone().unwrap_or_default();
    let rules: Vec<&str> = decision
        .steps
        .iter()
        .map(|step| step.rule.as_str())
        .collect();
    let message = json!({
        "id": about.id.to_string(),
        "user": about.username,
        "sender": about.sender.clone().unwrap_or_default(),
        "from": about.from,
        "session": about.session_id,
    });
    let recipients: Vec<&str> = about.recipients.split_whitespace().collect();
    let more = json!({
        "recipients": recipients,
        "rule": rules.join(" "),
        "reply": format!("{code} {text}"),
    });
    let id = format!("{}-blocked", about.id);
    let told = (message, more);
    Some(event(
        id,
        EventKind::Blocked,
        about.list_id,
        list,
        about.at,
        told,
    ))
}

/// What became of a recipient by an attempt; none when it is not known, or was cancelled.
pub fn tried(message: &OpenMessage, recorded: &RecordedAttempt, list: &str) -> Option<Event> {
    let attempt = &recorded.attempt;
    let kind = kind_of(recorded.status)?;
    let mut all = message.recipients.iter();
    let recipient = all.find(|one| one.index == attempt.recipient)?;
    let is_open = kind == EventKind::Deferred;
    let more = json!({
        "recipient": recipient.mailbox.as_str(),
        "status": recorded.status.to_string(),
        "next-hop": attempt.next_hop,
        "reply": attempt.outcome.reply().to_string(),
        "attempt": recipient.attempts.saturating_add(1),
        "due-at": is_open.then(|| recorded.due_at.to_string()),
    });
    let (id, at) = (message.id, attempt.at);
    let id = format!("{id}-{}-{kind}-{}", attempt.recipient, at.as_millis());
    let told = (about(message.id, &message.meta), more);
    Some(event(id, kind, message.meta.list_id, list, at, told))
}

/// What an attempt tells that leaves a recipient like this.
pub const fn kind_of(status: RecipientStatus) -> Option<EventKind> {
    match status {
        RecipientStatus::Delivered => Some(EventKind::Delivered),
        RecipientStatus::Deferred => Some(EventKind::Deferred),
        RecipientStatus::Failed | RecipientStatus::Expired => Some(EventKind::Bounced),
        RecipientStatus::Queued | RecipientStatus::Cancelled => None,
    }
}

/// An alert was raised, or happened again.
pub fn raised(alert: &Alert, list_id: Option<i64>, public_url: Option<&str>) -> Event {
    let message = alert.about.message;
    let link = |id: QueueId| public_url.map(|url| format!("{url}/messages/{id}"));
    let body = json!({
        "alert": {
            "id": alert.id,
            "kind": alert.kind.as_str(),
            "group": alert.kind.group(),
            "severity": alert.severity,
            "count": alert.count,
            "user": alert.user,
            "sender": alert.about.sender,
            "message": message.map(|id| id.to_string()),
            "rule": alert.about.rule,
            "summary": alert.summary,
            "advice": alert.kind.advice(),
            "link": message.and_then(link),
            "first-at": alert.first_at.to_string(),
            "last-at": alert.last_at.to_string(),
        },
    });
    let list = alert.list.as_deref().unwrap_or_default();
    let id = format!("alert-{}-{}", alert.id, alert.count);
    event(
        id,
        EventKind::Alert,
        list_id,
        list,
        alert.last_at,
        (Value::Null, body),
    )
}

/// An event by which an administrator sees that events arrive.
pub fn ping(list_id: Option<i64>, list: &str, at: Timestamp) -> Event {
    let id = format!("test-{}-{}", list_id.unwrap_or(0), at.as_millis());
    let told = (Value::Null, json!({ "test": true }));
    event(id, EventKind::Alert, list_id, list, at, told)
}

/// What all events of a message say of it.
fn about(id: QueueId, meta: &MessageMeta) -> Value {
    let sender = meta.reverse_path.as_ref().map(|path| path.as_str());
    json!({
        "id": id.to_string(),
        "user": meta.username,
        "sender": sender.unwrap_or_default(),
        "subject": meta.subject,
        "message-id": meta.message_id,
        "priority": meta.priority.number(),
        "session": meta.session_id,
    })
}

fn event(
    id: String,
    kind: EventKind,
    list_id: Option<i64>,
    list: &str,
    at: Timestamp,
    (message, more): (Value, Value),
) -> Event {
    let mut body = json!({
        "id": id,
        "type": kind.name(),
        "at": at.to_string(),
        "list": list,
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        if !message.is_null() {
            body.insert("message".to_owned(), message);
        }
        body.extend(more);
    }
    Event {
        id,
        list_id,
        kind,
        at,
        body: body.to_string(),
    }
}
