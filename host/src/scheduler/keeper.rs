//! The task that keeps time: reads the queue at start, wakes what becomes due, settles what cannot be tried in time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::orders;
use super::recorder::Finished;
use super::shell::Shared;
use crate::causes::with_causes;
use crate::id::QueueId;

/// Messages read from the store at a time.
const PAGE: u32 = 1000;
/// The wait after the store could not be read.
const STORE_WAIT: Duration = Duration::from_secs(2);

/// Reads the queue from the store, starts what becomes due with time, and follows the orders after `newest_order`.
pub(super) async fn keep(shared: Arc<Shared>, newest: QueueId, newest_order: i64) {
    let load_then_follow = async {
        load(&shared, newest).await;
        orders::follow(&shared, newest_order).await;
    };
    tokio::join!(load_then_follow, tick(&shared));
}

/// Reads all messages up to `newest`; the later ones are submitted. What is stopped is known before.
async fn load(shared: &Arc<Shared>, newest: QueueId) {
    while let Err(error) = orders::look_for_stops(shared).await {
        tracing::error!(error = %with_causes(&error), "cannot read what is stopped; trying again");
        sleep(STORE_WAIT).await;
    }
    if shared.is_shared() {
        // What is claimed is read as it is claimed.
        return shared.load(Vec::new(), true);
    }
    let began = Instant::now();
    let urgent = load_all(shared, newest, Part::Urgent, &HashSet::new()).await;
    load_all(shared, newest, Part::All, &urgent).await;
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(duration_ms, "the queue is read");
}

/// What is read of the queue: first what may not wait for the rest to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Urgent,
    All,
}

/// Reads a part of the queue, without what is `known`; returns the ids of urgent messages.
async fn load_all(
    shared: &Arc<Shared>,
    newest: QueueId,
    part: Part,
    known: &HashSet<QueueId>,
) -> HashSet<QueueId> {
    let (mut after, mut urgent) = (None, HashSet::new());
    loop {
        let page = match part {
            Part::Urgent => shared.store.urgent_messages(after, PAGE).await,
            Part::All => shared.store.open_messages(after, PAGE).await,
        };
        let mut page = match page {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(error = %with_causes(&error), "cannot read the queue; trying again");
                sleep(STORE_WAIT).await;
                continue;
            }
        };
        after = page.last().map(|last| last.id);
        let is_full = page.len() >= PAGE as usize;
        let is_last = !is_full || after.is_none_or(|last| last >= newest);
        page.retain(|message| message.id < newest && !known.contains(&message.id));
        if part == Part::Urgent {
            urgent.extend(page.iter().map(|message| message.id));
        }
        shared.load(page, is_last && part == Part::All);
        if is_last {
            return urgent;
        }
    }
}

async fn tick(shared: &Arc<Shared>) {
    loop {
        shared.sleep().await;
        settle_overlooked(shared).await;
    }
}

/// Gives up, or has told, what came to its time while its destination could not be tried.
async fn settle_overlooked(shared: &Arc<Shared>) {
    while let Some((mut claim, reason, outcomes)) = shared.take_overlooked() {
        match shared.message(&mut claim).await {
            Ok(Some(message)) => {
                let finished = Finished::never_tried(message, claim.destination, &reason);
                let _only_fails_at_shutdown = outcomes.send(finished).await;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error = %with_causes(&error), "cannot read an overdue message; trying again");
                return shared.put_back(&claim);
            }
        }
    }
}
