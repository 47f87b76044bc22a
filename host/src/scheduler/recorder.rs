//! Commits what attempts came to, reports failures, and puts back what is to be tried again.
//!
//! Many outcomes wait for the store at a time, so that it can commit them together. A recipient is
//! not tried again before its outcome is recorded.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::retry::Tried;
use super::shell::Shared;
use crate::alert::{NewAlert, Severity};
use crate::bounce::{Failure, Notice};
use crate::clock::Timestamp;
use crate::delivery::{Reach, Report};
use crate::queue::{
    Attempt, AttemptRecord, Destination, Job, NewMessage, OpenMessage, OpenRecipient, Outcome,
    RecipientStatus, RecordedAttempt, RemoteReply,
};
use crate::store::StoreError;

/// The wait before the store is asked again.
const STORE_WAIT: Duration = Duration::from_millis(500);

/// An attempt that has ended, to be recorded.
pub(super) struct Finished {
    message: OpenMessage,
    destination: Destination,
    attempts: Vec<Attempt>,
    reach: Reach,
}

impl Finished {
    /// After an attempt.
    pub fn new(job: Job, report: Report) -> Self {
        let Job {
            mut message,
            destination,
        } = job;
        let is_delivered = |attempt: &Attempt| matches!(attempt.outcome, Outcome::Delivered(_));
        if report.attempts.iter().all(is_delivered) {
            message.head = None;
        }
        Self {
            message,
            destination,
            attempts: report.attempts,
            reach: report.reach,
        }
    }

    /// For a message whose time ran out while its destination could not be reached.
    pub fn never_tried(
        message: OpenMessage,
        destination: Destination,
        reason: &RemoteReply,
    ) -> Self {
        let attempts = message.recipients.iter().map(|recipient| Attempt {
            recipient: recipient.index,
            at: Timestamp::now(),
            next_hop: String::new(),
            outcome: Outcome::Deferred(reason.clone()),
        });
        Self {
            attempts: attempts.collect(),
            message,
            destination,
            reach: Reach::Reached,
        }
    }
}

/// Records until the last worker is gone.
pub(super) async fn run(shared: Arc<Shared>, mut finished: mpsc::Receiver<Finished>) {
    let limit = shared.config.unrecorded_outcomes.max(1);
    let mut pending = FuturesUnordered::new();
    let mut is_open = true;
    while is_open || !pending.is_empty() {
        tokio::select! {
            received = finished.recv(), if is_open && pending.len() < limit => match received {
                Some(finished) => pending.push(record(&shared, finished)),
                None => is_open = false,
            },
            Some(()) = pending.next(), if !pending.is_empty() => {}
        }
    }
}

async fn record(shared: &Arc<Shared>, finished: Finished) {
    let recorded = judge(shared, &finished);
    // A notification is queued before the failure is final: it may be sent twice, never lost.
    report_failures(shared, &finished, &recorded).await;
    let record = AttemptRecord {
        id: finished.message.id,
        attempts: recorded.clone(),
    };
    let result = insist("record an attempt", || shared.store.record(record.clone())).await;
    if let Err(error) = result {
        // It stays claimed: nobody is served twice while this process lives.
        tracing::error!(queue.id = %finished.message.id, error = %chain(&error), "an outcome is lost");
        return;
    }
    log(&finished, &recorded);
    if let Some(message) = rest(finished.message, &recorded) {
        shared.resubmit(message, finished.destination, &finished.reach);
    }
}

/// All recipients of a message share one roll of the dice, so that they stay together.
fn judge(shared: &Shared, finished: &Finished) -> Vec<RecordedAttempt> {
    let chance = chance();
    let judged = finished.attempts.iter().map(|attempt| {
        let before = recipient(&finished.message, attempt.recipient).map_or(0, |one| one.attempts);
        let tried = Tried {
            attempts: before.saturating_add(1),
            now: attempt.at,
            expires_at: finished.message.meta.expires_at,
        };
        let (status, due_at) = shared.retry.judge(&attempt.outcome, tried, chance);
        RecordedAttempt {
            attempt: attempt.clone(),
            status,
            due_at,
        }
    });
    judged.collect()
}

/// A number in `0.0..1.0`; the middle when the system has no random numbers.
fn chance() -> f64 {
    getrandom::u32().map_or(0.5, |number| {
        f64::from(number) / (f64::from(u32::MAX) + 1.0)
    })
}

fn recipient(message: &OpenMessage, index: u32) -> Option<&OpenRecipient> {
    message.recipients.iter().find(|one| one.index == index)
}

/// What is left to be tried again.
fn rest(mut message: OpenMessage, recorded: &[RecordedAttempt]) -> Option<OpenMessage> {
    message.head = None;
    message.recipients.retain_mut(|recipient| {
        let Some(recorded) = recorded
            .iter()
            .find(|one| one.attempt.recipient == recipient.index)
        else {
            return false;
        };
        recipient.attempts = recipient.attempts.saturating_add(1);
        recipient.due_at = recorded.due_at;
        recorded.status.is_open()
    });
    (!message.recipients.is_empty()).then_some(message)
}

fn log(finished: &Finished, recorded: &[RecordedAttempt]) {
    for recorded in recorded {
        let attempt = &recorded.attempt;
        let to = recipient(&finished.message, attempt.recipient).map(|one| one.mailbox.as_str());
        tracing::info!(
            queue.id = %finished.message.id,
            to,
            status = %recorded.status,
            next_hop = attempt.next_hop,
            reply = %attempt.outcome.reply(),
            "delivery attempt ended"
        );
    }
}

/// Raises an alert for every recipient given up, and queues the notification of the sender.
async fn report_failures(shared: &Arc<Shared>, finished: &Finished, recorded: &[RecordedAttempt]) {
    let failures: Vec<Failure> = recorded
        .iter()
        .filter(|one| {
            matches!(
                one.status,
                RecipientStatus::Failed | RecipientStatus::Expired
            )
        })
        .filter_map(|one| failure(&finished.message, one))
        .collect();
    if failures.is_empty() {
        return;
    }
    let now = Timestamp::now();
    let alerts: Vec<NewAlert> = failures
        .iter()
        .map(|failure| alert(&finished.message, failure, now))
        .collect();
    let head = head(shared, &finished.message).await;
    let notice = Notice {
        id: shared.ids.next(),
        original_id: finished.message.id,
        original: &finished.message.meta,
        head: &head,
        failures: &failures,
        hostname: &shared.hostname,
        now,
        expire_after: shared.config.expire_after(),
    };
    let result = match notice.message().map(Arc::new) {
        Some(message) => {
            let accept = || shared.store.accept(message.clone(), alerts.clone());
            let accepted = insist("queue a notification", accept).await;
            accepted.map(|()| shared.submit(open(&message)))
        }
        None => insist("raise an alert", || shared.store.raise(alerts.clone())).await,
    };
    if let Err(error) = result {
        tracing::error!(queue.id = %finished.message.id, error = %chain(&error), "a failure is not reported");
    }
}

fn failure(message: &OpenMessage, recorded: &RecordedAttempt) -> Option<Failure> {
    Some(Failure {
        mailbox: recipient(message, recorded.attempt.recipient)?
            .mailbox
            .clone(),
        status: recorded.status,
        next_hop: recorded.attempt.next_hop.clone(),
        reply: recorded.attempt.outcome.reply().clone(),
    })
}

fn alert(message: &OpenMessage, failure: &Failure, at: Timestamp) -> NewAlert {
    NewAlert {
        list_id: message.meta.list_id,
        kind: "delivery-failed".to_owned(),
        severity: Severity::Warning,
        user: message.meta.username.clone(),
        key: failure.mailbox.domain().to_ascii_lowercase(),
        summary: format!(
            "message {} to {} {}: {}",
            message.id, failure.mailbox, failure.status, failure.reply
        ),
        at,
    }
}

/// The header section of the original; a notification goes out without it rather than not at all.
async fn head(shared: &Shared, message: &OpenMessage) -> Bytes {
    match &message.head {
        Some(head) => head.clone(),
        None => shared.store.head(message.id).await.unwrap_or_default(),
    }
}

fn open(message: &NewMessage) -> OpenMessage {
    let recipients = (0..)
        .zip(&message.recipients)
        .map(|(index, mailbox)| OpenRecipient {
            index,
            mailbox: mailbox.clone(),
            attempts: 0,
            due_at: message.meta.received_at,
        });
    OpenMessage {
        id: message.id,
        meta: Arc::new(message.meta.clone()),
        recipients: recipients.collect(),
        size: message.content.size,
        staged_chunks: message.content.staged_chunks,
        head: Some(message.content.head.clone()),
    }
}

/// Asks again for as long as the store is not available.
async fn insist<F: Future<Output = Result<(), StoreError>>>(
    what: &str,
    ask: impl Fn() -> F,
) -> Result<(), StoreError> {
    let mut is_told = false;
    loop {
        match ask().await {
            Err(error @ StoreError::Unavailable { .. }) => {
                if !is_told {
                    tracing::error!(error = %chain(&error), "cannot {what}; trying again until it works");
                }
                is_told = true;
                sleep(STORE_WAIT).await;
            }
            other => return other,
        }
    }
}

/// An error with all its causes, on one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
