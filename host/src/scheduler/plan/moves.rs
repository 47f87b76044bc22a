//! How entries move through the plan: from waiting to ready, from less to more urgent, and out of it.

use super::{Claim, LaneId, Plan, place};
use crate::clock::Timestamp;
use crate::id::QueueId;

impl Plan {
    /// Makes ready what has become due, and tries again where nobody could be reached.
    pub(super) fn advance(&mut self, now: Timestamp) {
        while let Some(&(due_at, id, lane)) = self.waiting.first()
            && due_at <= now
        {
            self.make_ready(id, lane);
            self.refresh(lane);
        }
        while let Some(&(at, id, lane)) = self.ages.first()
            && at <= now
        {
            self.age(id, lane);
            self.refresh(lane);
        }
        while let Some(&(until, lane)) = self.held.first()
            && until <= now
        {
            self.unhold(lane);
            self.refresh(lane);
            self.forget_idle(lane);
        }
        self.end_pauses(now);
    }

    fn make_ready(&mut self, id: QueueId, lane: LaneId) {
        let (Some(entry), Some(state)) =
            (self.entries.get_mut(&(id, lane)), self.lanes.get_mut(&lane))
        else {
            return;
        };
        if entry.is_ready {
            return;
        }
        entry.is_ready = true;
        self.waiting.remove(&(entry.due_at, id, lane));
        state.ready.insert(entry.order(id));
        self.counts.waiting[place(entry.priority)] -= 1;
        self.counts.ready[place(entry.priority)] += 1;
        if let Some(at) = entry.ages_at(&self.limits) {
            self.ages.insert((at, id, lane));
        }
    }

    /// Makes a ready entry one step more urgent.
    fn age(&mut self, id: QueueId, lane: LaneId) {
        let (Some(entry), Some(state)) =
            (self.entries.get_mut(&(id, lane)), self.lanes.get_mut(&lane))
        else {
            return;
        };
        if let Some(at) = entry.ages_at(&self.limits) {
            self.ages.remove(&(at, id, lane));
        }
        state.ready.remove(&entry.order(id));
        self.counts.ready[place(entry.priority)] -= 1;
        entry.priority = entry.priority.more_urgent();
        state.ready.insert(entry.order(id));
        self.counts.ready[place(entry.priority)] += 1;
        if let Some(at) = entry.ages_at(&self.limits) {
            self.ages.insert((at, id, lane));
        }
    }

    pub(super) fn hurry_entry(&mut self, id: QueueId, lane: LaneId, now: Timestamp) {
        let Some(entry) = self
            .entries
            .get_mut(&(id, lane))
            .filter(|entry| !entry.is_ready)
        else {
            return;
        };
        self.waiting.remove(&(entry.due_at, id, lane));
        entry.due_at = entry.due_at.min(now);
        self.waiting.insert((entry.due_at, id, lane));
        self.make_ready(id, lane);
    }

    /// Removes an entry from everywhere but `eligible`, which the caller refreshes.
    pub(super) fn take(&mut self, id: QueueId, lane: LaneId) -> Option<Claim> {
        let entry = self.entries.remove(&(id, lane))?;
        self.release(&entry);
        self.looks.remove(&(entry.look_at, id, lane));
        let state = self.lanes.get_mut(&lane)?;
        state.entries -= 1;
        if entry.is_ready {
            state.ready.remove(&entry.order(id));
            self.counts.ready[place(entry.priority)] -= 1;
            if let Some(at) = entry.ages_at(&self.limits) {
                self.ages.remove(&(at, id, lane));
            }
        } else {
            self.waiting.remove(&(entry.due_at, id, lane));
            self.counts.waiting[place(entry.priority)] -= 1;
        }
        Some(Claim {
            id,
            destination: state.destination.clone(),
            priority: entry.priority,
            own: entry.own,
            list: entry.list,
            look_at: entry.look_at,
            message: entry.message.map(|message| *message),
        })
    }

    /// Brings what `eligible` says about a destination up to date.
    pub(super) fn refresh(&mut self, lane: LaneId) {
        let Some(state) = self.lanes.get_mut(&lane) else {
            return;
        };
        let best = state.best(&self.limits);
        let before = std::mem::replace(&mut state.advertised, best);
        if before == best {
            return;
        }
        if let Some(order) = before {
            self.eligible.remove(&(order, lane));
        }
        if let Some(order) = best {
            self.eligible.insert((order, lane));
        }
    }
}
