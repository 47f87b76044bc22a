//! What is told to the sender, and to the administrator, of what attempts came to.

use std::sync::Arc;

use bytes::Bytes;

use super::recorder::{Finished, insist, recipient};
use super::shell::Shared;
use crate::alert::{About, Kind as AlertKind, NewAlert, Severity};
use crate::bounce::{Action, Kind, Notice, Told};
use crate::causes::with_causes;
use crate::clock::Timestamp;
use crate::delivery::Handover;
use crate::queue::{MessageMeta, OpenMessage, OpenRecipient, RecipientStatus, RecordedAttempt};

/// Raises an alert for every recipient given up, and queues the notifications the sender asked for.
///
/// It returns when they are in the store: a status that is recorded after that is never without them.
/// They are to be submitted after what they tell of, which would else miss that its next hop is back.
pub(super) async fn tell(
    shared: &Arc<Shared>,
    finished: &Finished,
    recorded: &[RecordedAttempt],
) -> Vec<OpenMessage> {
    let about = &finished.message;
    let mut alerts = alerts(about, recorded);
    let (failures, delays, successes) = told(finished, recorded);
    let mut queued = Vec::new();
    for (kind, told) in [
        (Kind::Failure, failures),
        (Kind::Delay, delays),
        (Kind::Success, successes),
    ] {
        if !told.is_empty() {
            queued.extend(notify(shared, about, kind, &told, std::mem::take(&mut alerts)).await);
        }
    }
    raise(shared, about, alerts).await;
    queued
}

type ToldByKind = (Vec<Told>, Vec<Told>, Vec<Told>);

/// Whom to tell of, as failures, delays and successes. Without requests it costs nothing but the look.
fn told(finished: &Finished, recorded: &[RecordedAttempt]) -> ToldByKind {
    let mut by_kind = ToldByKind::default();
    for (one, handover) in recorded.iter().zip(&finished.handovers) {
        let Some(to) = recipient(&finished.message, one.attempt.recipient) else {
            continue;
        };
        let Some(action) = action(&finished.message.meta, to, one, *handover) else {
            continue;
        };
        let kind = match action {
            Action::Failed | Action::Expired => &mut by_kind.0,
            Action::Delayed => &mut by_kind.1,
            Action::Relayed | Action::Delivered => &mut by_kind.2,
        };
        kind.push(Told {
            mailbox: to.mailbox.clone(),
            orcpt: to.parameters.orcpt.clone(),
            action,
            next_hop: one.attempt.next_hop.clone(),
            reply: one.attempt.outcome.reply().clone(),
        });
    }
    by_kind
}

/// What the sender wants to be told of a recipient; none when it is nothing.
fn action(
    meta: &MessageMeta,
    to: &OpenRecipient,
    one: &RecordedAttempt,
    handover: Handover,
) -> Option<Action> {
    match one.status {
        RecipientStatus::Failed => meta.wants_failure_notice(to).then_some(Action::Failed),
        RecipientStatus::Expired => meta.wants_failure_notice(to).then_some(Action::Expired),
        RecipientStatus::Deferred => one.delay_told_at.map(|_| Action::Delayed),
        RecipientStatus::Delivered => success(meta, to, handover),
        RecipientStatus::Queued | RecipientStatus::Cancelled => None,
    }
}

/// RFC 3461 §5.2: who delivers says so; who relays says so where the next hop will not.
fn success(meta: &MessageMeta, to: &OpenRecipient, handover: Handover) -> Option<Action> {
    let wants_success = meta.wants_success_notice(to);
    match handover {
        Handover::Final => wants_success.then_some(Action::Delivered),
        Handover::Relayed {
            notifies,
            keeps_deadline,
        } => {
            let is_told = wants_success && !notifies;
            (is_told || meta.wants_trace_notice(to, keeps_deadline)).then_some(Action::Relayed)
        }
    }
}

async fn notify(
    shared: &Arc<Shared>,
    about: &OpenMessage,
    kind: Kind,
    told: &[Told],
    alerts: Vec<NewAlert>,
) -> Option<OpenMessage> {
    let head = head(shared, about).await;
    let notice = Notice {
        id: shared.ids.next(),
        kind,
        original_id: about.id,
        original: &about.meta,
        original_size: about.size,
        head: &head,
        told,
        hostname: &shared.hostname,
        now: Timestamp::now(),
        expire_after: shared.config.expire_after(),
    };
    let Some(message) = notice.message().map(Arc::new) else {
        raise(shared, about, alerts).await;
        return None;
    };
    let accept = || shared.store.accept(message.clone(), alerts.clone());
    match insist("queue a notification", accept).await {
        Ok(place) => Some(OpenMessage {
            place,
            ..message.to_open()
        }),
        Err(error) => {
            tracing::error!(queue.id = %about.id, error = %with_causes(&error), "a sender is not notified");
            None
        }
    }
}

async fn raise(shared: &Shared, about: &OpenMessage, alerts: Vec<NewAlert>) {
    if alerts.is_empty() {
        return;
    }
    let raised = insist("raise an alert", || shared.store.raise(alerts.clone())).await;
    if let Err(error) = raised {
        tracing::error!(queue.id = %about.id, error = %with_causes(&error), "a failure is not reported");
    }
}

/// One for each recipient given up: also where the sender does not want to know. None about a message that
/// tells of alerts, or it would never end.
fn alerts(message: &OpenMessage, recorded: &[RecordedAttempt]) -> Vec<NewAlert> {
    if message.meta.tells_of_alerts() {
        return Vec::new();
    }
    let given_up = recorded.iter().filter(|one| {
        matches!(
            one.status,
            RecipientStatus::Failed | RecipientStatus::Expired
        )
    });
    given_up.filter_map(|one| alert(message, one)).collect()
}

fn alert(message: &OpenMessage, one: &RecordedAttempt) -> Option<NewAlert> {
    let mailbox = &recipient(message, one.attempt.recipient)?.mailbox;
    let summary = format!(
        "message {} to {mailbox} {}: {}",
        message.id,
        one.status,
        one.attempt.outcome.reply()
    );
    let (meta, now) = (&message.meta, Timestamp::now());
    let sender = meta.reverse_path.as_ref().map(ToString::to_string);
    let about = About {
        message: Some(message.id),
        sender: sender.unwrap_or_default(),
        rule: meta.rule.clone(),
    };
    let alert = NewAlert::new(AlertKind::DeliveryFailed, Severity::Warning, summary, now);
    let alert = alert.of(meta.list_id, &meta.username).about(about);
    Some(alert.keyed(mailbox.domain().to_ascii_lowercase()))
}

/// The beginning of the original; a notification goes out without it rather than not at all.
async fn head(shared: &Shared, message: &OpenMessage) -> Bytes {
    match &message.head {
        Some(head) => head.clone(),
        None => shared.store.head(message.id).await.unwrap_or_default(),
    }
}
