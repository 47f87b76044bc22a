//! What changes the order from outside: administrators, and next hops that ask for less.

use super::{LaneId, Plan};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{Destination, OpenMessage, Priority};

impl Plan {
    /// Frees the slot of a claim whose destination wants less for a while; returns until when it is left
    /// alone, and how many are tried at a time then, if that is new.
    pub fn slow_down(
        &mut self,
        destination: &Destination,
        priority: Priority,
        now: Timestamp,
    ) -> Option<(Timestamp, usize)> {
        let lane = self.free_slot(destination, priority)?;
        let state = self.lanes.get_mut(&lane)?;
        let before = state.paced_until;
        let until = state.slow_down(&self.limits, now);
        let (after, window) = (state.paced_until, state.window());
        if let Some(before) = before {
            self.paced.remove(&(before, lane));
        }
        self.paced.extend(after.map(|until| (until, lane)));
        self.refresh(lane);
        until.map(|until| (until, window))
    }

    /// As [`Plan::hurry`], and its destinations are tried although they could not be reached a moment ago.
    pub fn retry(&mut self, id: QueueId, now: Timestamp) -> bool {
        for lane in self.lanes_of(id) {
            self.unhold(lane);
        }
        self.hurry(id, now)
    }

    /// Removes the entries that nobody is to try, whatever their time: what is stopped waits in the store.
    ///
    /// It is told an entry's list, its destination and, where it is at hand, its message. Costs O(n).
    pub fn park(
        &mut self,
        is_parked: impl Fn(Option<i64>, &Destination, Option<&OpenMessage>) -> bool,
    ) {
        let parked = self.entries.iter().filter(|((_, lane), entry)| {
            let destination = self.lanes.get(lane).map(|state| &state.destination);
            let message = entry.message.as_deref();
            destination.is_some_and(|destination| is_parked(entry.list, destination, message))
        });
        let parked: Vec<(QueueId, LaneId)> = parked.map(|(&key, _)| key).collect();
        for (id, lane) in parked {
            let _removed = self.take(id, lane);
            self.refresh(lane);
            self.forget_idle(lane);
        }
    }

    /// Serves those again whose pause is over.
    pub(super) fn end_pauses(&mut self, now: Timestamp) {
        while let Some(&(until, lane)) = self.paced.first()
            && until <= now
        {
            self.paced.remove(&(until, lane));
            if let Some(state) = self.lanes.get_mut(&lane) {
                state.paced_until = None;
            }
            self.refresh(lane);
            self.forget_idle(lane);
        }
    }
}
