//! Follows what administrators order from other processes, and gives up what is held beyond its time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::recorder::Finished;
use super::shell::Shared;
use super::suppression;
use crate::causes::with_causes;
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{Destination, OpenMessage, Order, OrderKind, RemoteReply, Stops};
use crate::store::StoreError;

/// Between two looks for orders: how long an administrator waits. A look is a row of an index or two.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks for what is held beyond its time.
const OVERDUE_LOOK: Duration = Duration::from_secs(10);
/// Held messages given up in one look.
const OVERDUE_PAGE: u32 = 100;
/// Orders of one kind that are followed together; the store hands out as many at a time.
const PAGE: usize = 1000;
/// Orders of a page that have a line each in the log; more are counted.
const TOLD_ONE_BY_ONE: usize = 20;

/// Follows the orders after `last`, and gives up held messages in time, for as long as it is polled.
pub(super) async fn follow(shared: &Arc<Shared>, mut last: i64) {
    let mut overdue_at = Instant::now();
    loop {
        let obeyed = obey(shared, &mut last).await;
        match obeyed {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(error = %with_causes(&error), "cannot read what was ordered; trying again");
            }
        }
        if let Err(error) = look_for_stops(shared).await {
            tracing::warn!(error = %with_causes(&error), "cannot read what is stopped; trying again");
        }
        if let Err(error) = suppression::look_for_lists(shared).await {
            tracing::warn!(error = %with_causes(&error), "cannot read suppression lists; trying again");
        }
        if overdue_at <= Instant::now() {
            overdue_at = Instant::now() + OVERDUE_LOOK;
            if let Err(error) = give_up_overdue(shared).await {
                tracing::warn!(error = %with_causes(&error), "cannot read held messages; trying again");
            }
        }
        sleep(LOOK).await;
    }
}

/// Follows a page of orders; true when there may be more.
async fn obey(shared: &Arc<Shared>, last: &mut i64) -> Result<bool, StoreError> {
    let orders = shared.store.orders_after(*last).await?;
    let mut changed: BTreeSet<QueueId> = shared.take_changed().into_iter().collect();
    for order in &orders {
        let id = order.message;
        match order.kind {
            OrderKind::Hold => {
                shared.withdraw(id);
            }
            OrderKind::Retry => shared.retry(id),
            // What is left of a message may be for other recipients, or have another priority.
            OrderKind::Delete
            | OrderKind::Release
            | OrderKind::Reprioritize
            | OrderKind::Schedule => {
                changed.insert(id);
            }
        }
    }
    let changed: Vec<QueueId> = changed.into_iter().collect();
    if let Err(error) = shared.read_again(&changed).await {
        shared.put_back_changed(changed);
        return Err(error);
    }
    if !orders.is_empty() && shared.is_shared() {
        // What nobody had may be due now.
        shared.look_for_work();
    }
    tell(&orders);
    *last = orders.last().map_or(*last, |order| order.number);
    Ok(orders.len() >= PAGE)
}

/// One line for each, or one for many.
fn tell(orders: &[Order]) {
    if orders.len() > TOLD_ONE_BY_ONE {
        let count = orders.len();
        return tracing::info!(count, "messages changed by an administrator");
    }
    for Order {
        message: id,
        kind,
        by,
        ..
    } in orders
    {
        tracing::info!(queue.id = %id, by, "message {kind} by an administrator");
    }
}

/// Stops and starts as the store says.
pub(super) async fn look_for_stops(shared: &Arc<Shared>) -> Result<(), StoreError> {
    let stops: Stops = shared
        .store
        .stops()
        .await?
        .into_iter()
        .map(|stop| stop.scope)
        .collect();
    let before = shared.stops();
    let Some(started) = shared.set_stops(stops.clone()) else {
        return Ok(());
    };
    tracing::info!(stopped = %stops, "an administrator has stopped or started mail");
    if started.is_empty() {
        return Ok(());
    }
    let read = shared.read_started(&started).await;
    if read.is_err() {
        // The next look finds them started again.
        shared.set_stops(before);
    }
    read
}
async fn give_up_overdue(shared: &Arc<Shared>) -> Result<(), StoreError> {
    let now = Timestamp::now();
    if !shared.store.is_elected() {
        return Ok(());
    }
    let overdue = shared.store.overdue_held(now, OVERDUE_PAGE).await?;
    for message in shared.claim_held(overdue).await? {
        let reason = RemoteReply {
            code: 0,
            text: "5.4.7 it was held for review and not released in time".to_owned(),
        };
        let id = message.id;
        let parts = by_destination(shared, message);
        if !shared.begin_settling(id, parts.len()) {
            continue;
        }
        for (destination, part) in parts {
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
