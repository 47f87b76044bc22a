//! Commits what attempts came to, has it told, and puts back what is to be tried again.
//!
//! Many outcomes wait for the store at a time, so that it can commit them together. A recipient is
//! not tried again before its outcome is recorded.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::notices;
use super::retry::Tried;
use super::shell::Shared;
use super::suppression;
use crate::causes::with_causes;
use crate::clock::Timestamp;
use crate::delivery::{Handover, Reach, Report};
use crate::id::QueueId;
use crate::metrics::{self, Attempted};
use crate::queue::{
    Attempt, AttemptRecord, Destination, Job, Meaning, OpenMessage, OpenRecipient, Outcome,
    RecipientStatus, RecordedAttempt, RemoteReply,
};
use crate::store::StoreError;

/// The wait before the store is asked again.
const STORE_WAIT: Duration = Duration::from_millis(500);

/// An attempt that has ended, to be recorded.
pub(super) struct Finished {
    pub message: OpenMessage,
    destination: Destination,
    attempts: Vec<Attempt>,
    /// To whom each of them was handed, in the same order.
    pub handovers: Vec<Handover>,
    reach: Reach,
    /// The words of a next hop that wants less for a while.
    pub slow_down: Option<RemoteReply>,
}

impl Finished {
    /// After an attempt.
    pub fn new(job: Job, report: Report) -> Self {
        let Job {
            mut message,
            destination,
            ..
        } = job;
        let is_delivered = |attempt: &Attempt| matches!(attempt.outcome, Outcome::Delivered(_));
        if report.attempts.iter().all(is_delivered) {
            message.head = None;
        }
        Self {
            slow_down: slow_down(&report.attempts),
            message,
            destination,
            attempts: report.attempts,
            handovers: report.handovers,
            reach: report.reach,
        }
    }

    /// For recipients that are known not to exist, with what is told of each.
    pub fn suppressed(
        message: OpenMessage,
        destination: Destination,
        replies: Vec<RemoteReply>,
    ) -> Self {
        let reason = RemoteReply {
            code: 0,
            text: String::new(),
        };
        let mut finished = Self::never_tried(message, destination, &reason);
        for (attempt, reply) in finished.attempts.iter_mut().zip(replies) {
            attempt.outcome = Outcome::Failed(reply);
        }
        finished.reach = Reach::Reached;
        finished
    }

    /// Whether a recipient was served by it.
    pub fn serves_anybody(&self) -> bool {
        let is_delivered = |attempt: &Attempt| matches!(attempt.outcome, Outcome::Delivered(_));
        self.attempts.iter().any(is_delivered)
    }

    /// Whether its destination could be reached.
    pub const fn reach(&self) -> &Reach {
        &self.reach
    }

    /// For a message whose time came, to be given up or to be told of, when it could not be tried.
    pub fn never_tried(
        message: OpenMessage,
        destination: Destination,
        reason: &RemoteReply,
    ) -> Self {
        let attempts = message.recipients.iter().map(|recipient| Attempt {
            recipient: recipient.index,
            began_at: None,
            at: Timestamp::now(),
            next_hop: String::new(),
            tls: String::new(),
            outcome: Outcome::Deferred(reason.clone()),
        });
        let unsaid = Handover::Relayed {
            notifies: false,
            keeps_deadline: false,
        };
        Self {
            attempts: attempts.collect(),
            handovers: vec![unsaid; message.recipients.len()],
            message,
            destination,
            reach: Reach::Unreachable(reason.clone()),
            slow_down: None,
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
                Some(finished) => {
                    shared.recording.fetch_add(1, Ordering::Relaxed);
                    pending.push(record(&shared, finished));
                }
                None => is_open = false,
            },
            Some(()) = pending.next(), if !pending.is_empty() => {
                shared.recording.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

async fn record(shared: &Arc<Shared>, finished: Finished) {
    if !is_ours(shared, finished.message.id).await {
        return disown(shared, finished.message.id);
    }
    let recorded = judge(shared, &finished);
    // A notification is queued before what it tells is final: it may be sent twice, never lost.
    let notices = notices::tell(shared, &finished, &recorded).await;
    suppression::remember(shared, &finished.message, &recorded).await;
    settle(shared, finished, recorded).await;
    for notice in notices {
        shared.submit(notice);
    }
}

/// Commits the attempts and puts back what is to be tried again.
async fn settle(shared: &Arc<Shared>, finished: Finished, recorded: Vec<RecordedAttempt>) {
    let record = AttemptRecord {
        id: finished.message.id,
        attempts: recorded.clone(),
    };
    let record_it = || shared.store.record_of(&finished.message, record.clone());
    let result = insist("record an attempt", record_it).await;
    if matches!(result, Err(StoreError::Disowned)) {
        return disown(shared, finished.message.id);
    }
    if let Err(error) = result {
        // It stays claimed: nobody is served twice while this process lives.
        tracing::error!(queue.id = %finished.message.id, error = %with_causes(&error), "an outcome is lost");
        return;
    }
    log(&finished, &recorded);
    count(shared, &finished.message, &recorded);
    let id = finished.message.id;
    let is_stalled = finished.reach != Reach::Reached || finished.slow_down.is_some();
    if let Some(message) = rest(finished.message, &recorded) {
        shared.resubmit(message, finished.destination, is_stalled);
    }
    shared.recorded(id);
}

/// False when another node may send the message by now. The store is asked where the lease is in doubt.
async fn is_ours(shared: &Arc<Shared>, id: QueueId) -> bool {
    while shared.is_shared() && !shared.store.may_deliver() {
        match shared.store.own_claims().await {
            Ok(claims) => return claims.contains(&id),
            Err(_) => sleep(STORE_WAIT).await,
        }
    }
    true
}

/// What an attempt came to counts no more: whoever has the message now sends and records it.
fn disown(shared: &Arc<Shared>, id: QueueId) {
    metrics::disowned();
    tracing::warn!(queue.id = %id, "an outcome is not recorded: the message belongs to another node by now");
    shared.disown(id);
}

/// The words that ask for less, if nobody was served and somebody heard them.
fn slow_down(attempts: &[Attempt]) -> Option<RemoteReply> {
    let mut slow = None;
    for attempt in attempts {
        match Meaning::of(attempt.outcome.reply()) {
            Meaning::Delivered => return None,
            Meaning::SlowDown => slow = Some(attempt.outcome.reply().clone()),
            Meaning::Permanent | Meaning::Transient => {}
        }
    }
    slow
}

/// All recipients of a message share one roll of the dice, so that they stay together.
fn judge(shared: &Shared, finished: &Finished) -> Vec<RecordedAttempt> {
    let waits = |attempt: &Attempt| matches!(attempt.outcome, Outcome::Deferred(_));
    let chance = match finished.attempts.iter().any(waits) {
        true => chance(),
        false => 0.5,
    };
    let after = shared.config.delay_notice_after();
    let judged = finished.attempts.iter().map(|attempt| {
        let to = recipient(&finished.message, attempt.recipient);
        let before = to.map_or(0, |one| one.attempts);
        let tried = Tried {
            attempts: before.saturating_add(1),
            now: attempt.at,
            expires_at: finished.message.meta.expires_at,
        };
        let (status, due_at) = shared.retry.judge(&attempt.outcome, tried, chance);
        let is_late = to
            .filter(|_| status == RecipientStatus::Deferred)
            .and_then(|to| finished.message.meta.delay_notice_at(to, after))
            .is_some_and(|notice_at| notice_at <= attempt.at);
        RecordedAttempt {
            attempt: attempt.clone(),
            status,
            due_at,
            delay_told_at: is_late.then_some(attempt.at),
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

/// The recipient in this place.
pub(super) fn recipient(message: &OpenMessage, index: u32) -> Option<&OpenRecipient> {
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
        recipient.delay_told_at = recorded.delay_told_at.or(recipient.delay_told_at);
        recorded.status.is_open()
    });
    (!message.recipients.is_empty()).then_some(message)
}

/// Tells the metrics what attempts came to; what the relay itself writes counts as well.
fn count(shared: &Shared, message: &OpenMessage, recorded: &[RecordedAttempt]) {
    let meta = &message.meta;
    let since = meta.received_at.max(meta.first_due_at());
    for recorded in recorded {
        let attempted = match recorded.status {
            RecipientStatus::Delivered => Attempted::Delivered {
                waited: recorded.attempt.at.since(since),
            },
            status if status.is_open() => Attempted::Deferred,
            _ => Attempted::Bounced,
        };
        if matches!(attempted, Attempted::Delivered { .. }) {
            shared.served.fetch_add(1, Ordering::Relaxed);
        }
        metrics::attempted(meta.priority.number(), attempted);
    }
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

/// Asks again for as long as the store is not available.
pub(super) async fn insist<T, F: Future<Output = Result<T, StoreError>>>(
    what: &str,
    ask: impl Fn() -> F,
) -> Result<T, StoreError> {
    let mut is_told = false;
    loop {
        match ask().await {
            Err(error @ StoreError::Unavailable { .. }) => {
                if !is_told {
                    tracing::error!(error = %with_causes(&error), "cannot {what}; trying again until it works");
                }
                is_told = true;
                sleep(STORE_WAIT).await;
            }
            other => return other,
        }
    }
}
