//! What administrators change while messages wait and are sent, and what is told of next hops that want less.

use std::sync::Arc;
use std::time::Duration;

use super::holdings::Holdings;
use super::shell::Shared;
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{Destination, OpenMessage, RemoteReply, Stops};
use crate::store::{StoreError, WaitsFor};

/// Messages read from the store at a time.
const PAGE: u32 = 1000;

impl Shared {
    /// Makes a message due now, whatever became of its destination a moment ago.
    pub fn retry(self: &Arc<Self>, id: QueueId) {
        let mut state = self.lock();
        state.plan.retry(id, Timestamp::now());
        self.dispatch(&mut state, None);
    }

    /// Forgets what is known of messages and reads them again: now, or when what is tried of them has ended.
    ///
    /// What another node holds is its own to read.
    pub async fn read_again(self: &Arc<Self>, ids: &[QueueId]) -> Result<(), StoreError> {
        let ids = &self.held_of(ids);
        let messages = self.store.open_messages_of(ids).await?;
        let mut state = self.lock();
        for id in ids {
            state.plan.remove(*id);
            state.in_flight.outdate(*id);
        }
        for message in messages {
            if state.holds(message.id) {
                self.insert(&mut state, message);
            }
        }
        self.dispatch(&mut state, None);
        Ok(())
    }

    /// Those of these messages that this process is to send.
    fn held_of(&self, ids: &[QueueId]) -> Vec<QueueId> {
        let state = self.lock();
        ids.iter().copied().filter(|id| state.holds(*id)).collect()
    }

    /// Messages that were changed while they were tried, and are to be read again now.
    pub fn take_changed(&self) -> Vec<QueueId> {
        self.lock().in_flight.take_ended()
    }

    /// Undoes [`Shared::take_changed`].
    pub fn put_back_changed(&self, ids: Vec<QueueId>) {
        self.lock().in_flight.put_back_ended(ids);
    }

    /// Notes that a message is settled without a claim; false when it is being tried.
    pub fn begin_settling(&self, id: QueueId, parts: usize) -> bool {
        let mut state = self.lock();
        if state.in_flight.is_in_flight(id) {
            return false;
        }
        (0..parts).for_each(|_| state.in_flight.begin(id));
        true
    }

    /// Notes that a part of a message is to be recorded apart from its claim.
    pub fn begin_part(&self, id: QueueId) {
        self.lock().in_flight.begin(id);
    }

    /// Notes that a part of a message is recorded.
    pub fn recorded(&self, id: QueueId) {
        let mut state = self.lock();
        state.in_flight.end(id);
        self.settled(&mut state, id);
    }

    /// Forgets a message that belongs to another node.
    pub fn disown(&self, id: QueueId) {
        let mut state = self.lock();
        state.in_flight.end(id);
        state.plan.remove(id);
        self.settled(&mut state, id);
    }

    /// Stops and starts what administrators say; returns what is to be read again, if anything is.
    pub fn set_stops(self: &Arc<Self>, stops: Stops) -> Option<Stops> {
        let mut state = self.lock();
        if state.stops == stops {
            if !std::mem::replace(&mut state.knows_stops, true) {
                self.dispatch(&mut state, None);
            }
            return None;
        }
        state.knows_stops = true;
        let stopped = stops.beyond(&state.stops);
        let started = state.stops.beyond(&stops);
        state.stops = stops;
        if !stopped.is_empty() {
            state.plan.park(|list, over, message| {
                let is_to = |to: &_| stopped.covers(list, to, over);
                stopped.covers_list(list)
                    || stopped.covers_destination(over)
                    || message.is_some_and(|it| it.recipients.iter().any(|one| is_to(&one.mailbox)))
            });
        }
        let is_stopping = state.is_stopping;
        if state.stops.is_all() {
            state.plan.pause();
        } else if started.is_all() && !is_stopping {
            state.plan.resume();
        }
        self.dispatch(&mut state, None);
        Some(started)
    }

    /// Reads what waited while it was stopped.
    pub async fn read_started(self: &Arc<Self>, started: &Stops) -> Result<(), StoreError> {
        if let Some(held) = self.all_held() {
            self.store.wake(WaitsFor::Start).await?;
            self.look_for_work();
            return self.read_again(&held).await;
        }
        let mut after = None;
        loop {
            let page = self.store.open_messages(after, PAGE).await?;
            after = page.last().map(|last| last.id);
            let is_last = page.len() < PAGE as usize;
            let mut state = self.lock();
            for message in page {
                if self.is_concerned(started, &message) {
                    state.plan.remove(message.id);
                    self.insert(&mut state, message);
                }
            }
            self.dispatch(&mut state, None);
            if is_last {
                return Ok(());
            }
        }
    }

    /// What this node of a shared store holds.
    fn all_held(&self) -> Option<Vec<QueueId>> {
        let state = self.lock();
        state.holdings.as_ref().map(Holdings::all)
    }

    fn is_concerned(&self, stops: &Stops, message: &OpenMessage) -> bool {
        let list = message.meta.list_id;
        message.recipients.iter().any(|one| {
            let over = self.destination(message, one);
            stops.covers(list, &one.mailbox, &over)
        })
    }
}

/// Says that a destination wants less, and what comes of it.
pub(super) fn tell_of_slow_down(
    destination: &Destination,
    reply: &RemoteReply,
    slowed: Option<(Timestamp, usize)>,
) {
    if let Some((until, window)) = slowed {
        let pause: Duration = until.since(Timestamp::now());
        tracing::info!(
            %destination,
            pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            concurrency = window,
            %reply,
            "a next hop asks to slow down"
        );
    }
}
