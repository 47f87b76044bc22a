//! Carries messages to one destination over one connection, for as long as there are any.
//!
//! Between two messages the plan is asked for the most urgent next one: that is where urgent mail
//! overtakes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::plan::Claim;
use super::recorder::Finished;
use super::shell::Shared;
use super::suppression;
use crate::clock::Timestamp;
use crate::delivery::Courier;
use crate::queue::{Destination, Job, OpenMessage, RemoteReply};

/// The wait of a message that could not be read from the store.
const UNREADABLE_WAIT: Duration = Duration::from_secs(5);

/// Works off `first` and whatever follows for the same destination.
pub(super) async fn work(shared: Arc<Shared>, first: Claim, outcomes: mpsc::Sender<Finished>) {
    let destination = first.destination.clone();
    let mut courier = Courier::new(
        shared.delivery.clone(),
        shared.store.clone(),
        destination.clone(),
    );
    let mut next = Some(first);
    while let Some(claim) = next {
        next = carry(&shared, &mut courier, claim, &outcomes).await;
        if next.is_none() && courier.is_connected() {
            next = shared.next_claim(&destination).await;
        }
    }
    courier.quit().await;
}

/// Tries one message; returns the next claim for the same destination.
async fn carry(
    shared: &Arc<Shared>,
    courier: &mut Courier,
    mut claim: Claim,
    outcomes: &mpsc::Sender<Finished>,
) -> Option<Claim> {
    // What cannot be recorded is not sent: it would be sent again after a restart.
    if shared.store.wait_until_accepting().await.is_err() {
        return shared.abandoned(&claim, Some(Timestamp::now() + UNREADABLE_WAIT));
    }
    let mut message = match shared.message(&mut claim).await {
        Ok(Some(message)) => message,
        Ok(None) => return shared.abandoned(&claim, None),
        Err(error) => {
            tracing::warn!(queue.id = %claim.id, %error, "cannot read a message; it is tried again");
            return shared.abandoned(&claim, Some(Timestamp::now() + UNREADABLE_WAIT));
        }
    };
    if !shared.may_begin() {
        return shared.abandoned(&claim, Some(Timestamp::now() + UNREADABLE_WAIT));
    }
    if is_too_late(&message) {
        shared.begin_part(claim.id);
        let next = shared.abandoned(&claim, None);
        let finished = Finished::never_tried(message, claim.destination, &too_late());
        let _only_fails_at_shutdown = outcomes.send(finished).await;
        return next;
    }
    let known = suppression::take_known(shared, &mut message, &claim.destination).await;
    if let Some(finished) = known {
        shared.begin_part(claim.id);
        let _only_fails_at_shutdown = outcomes.send(finished).await;
        if message.recipients.is_empty() {
            return shared.abandoned(&claim, None);
        }
    }
    let destination: Destination = claim.destination;
    let job = Job {
        message,
        destination,
        priority: claim.priority,
    };
    let report = courier.attempt(&job).await;
    // The slot and the connection are free for the next message before this one's commit.
    let (destination, finished) = (job.destination.clone(), Finished::new(job, report));
    let next = shared.finished(&destination, claim.priority, &finished);
    // Where outcomes pile up, the store is slow; the next message waits for it.
    let _only_fails_at_shutdown = outcomes.send(finished).await;
    next
}

/// RFC 2852 §4: what is to be returned in time is not delivered after that.
fn is_too_late(message: &OpenMessage) -> bool {
    message.meta.expires_by_deadline() && message.meta.expires_at <= Timestamp::now()
}

fn too_late() -> RemoteReply {
    RemoteReply {
        code: 0,
        text: "5.4.7 the time for its delivery is over".to_owned(),
    }
}
