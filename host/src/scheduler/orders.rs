//! Follows what administrators order from other processes, and gives up what is held beyond its time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::recorder::{Finished, chain};
use super::shell::Shared;
use crate::clock::Timestamp;
use crate::queue::{Destination, OpenMessage, Order, OrderKind, RemoteReply};
use crate::store::StoreError;

/// Between two looks for orders: how long an administrator waits. A look is one row of an index.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks for what is held beyond its time.
const OVERDUE_LOOK: Duration = Duration::from_secs(10);
/// Held messages given up in one look.
const OVERDUE_PAGE: u32 = 100;

/// Follows the orders after `last`, and gives up held messages in time, for as long as it is polled.
pub(super) async fn follow(shared: &Arc<Shared>, mut last: i64) {
    let mut overdue_at = Instant::now();
    loop {
        if let Err(error) = obey(shared, &mut last).await {
            tracing::warn!(error = %chain(&error), "cannot read what was ordered; trying again");
        }
        if overdue_at <= Instant::now() {
            overdue_at = Instant::now() + OVERDUE_LOOK;
            if let Err(error) = give_up_overdue(shared).await {
                tracing::warn!(error = %chain(&error), "cannot read held messages; trying again");
            }
        }
        sleep(LOOK).await;
    }
}

async fn obey(shared: &Arc<Shared>, last: &mut i64) -> Result<(), StoreError> {
    for Order {
        number,
        message: id,
        kind,
    } in shared.store.orders_after(*last).await?
    {
        match kind {
            OrderKind::Delete => {
                shared.withdraw(id);
                tracing::info!(queue.id = %id, "message deleted by an administrator");
            }
            OrderKind::Release => {
                if let Some(message) = shared.store.open_message(id).await? {
                    shared.submit(message);
                    tracing::info!(queue.id = %id, "message released by an administrator");
                }
            }
        }
        *last = number;
    }
    Ok(())
}

async fn give_up_overdue(shared: &Arc<Shared>) -> Result<(), StoreError> {
    let now = Timestamp::now();
    for message in shared.store.overdue_held(now, OVERDUE_PAGE).await? {
        let reason = RemoteReply {
            code: 0,
            text: "5.4.7 it was held for review and not released in time".to_owned(),
        };
        for (destination, part) in by_destination(shared, message) {
            let finished = Finished::never_tried(part, destination, &reason);
            if !shared.settle(finished).await {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The message in parts that go to one destination each.
fn by_destination(shared: &Shared, message: OpenMessage) -> Vec<(Destination, OpenMessage)> {
    let of = |one: &_| shared.destination(&message, one);
    let destinations: BTreeSet<Destination> = message.recipients.iter().map(of).collect();
    let part = |destination: Destination| {
        let mut part = message.clone();
        part.recipients.retain(|one| of(one) == destination);
        (destination, part)
    };
    destinations.into_iter().map(part).collect()
}
