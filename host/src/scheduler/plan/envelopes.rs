//! Which messages are kept in memory: those that come next. The store has them all.

use super::{Plan, place};
use crate::id::QueueId;
use crate::queue::{Destination, OpenMessage};

/// Entries of a destination that are looked at for messages to be read together.
const LOOK: usize = 512;

impl Plan {
    /// Whether messages that are added are kept as far as there is memory; else each is read when its turn comes.
    pub const fn keep_messages(&mut self, keeps: bool) {
        self.keeps_messages = keeps;
    }

    /// The next entries of a destination whose messages are not at hand, `limit` at most; somebody reads them then.
    /// None of them while somebody does already.
    pub fn begin_reading_ahead(&mut self, destination: &Destination, limit: usize) -> Vec<QueueId> {
        let Some(&lane) = self.lane_ids.get(destination) else {
            return Vec::new();
        };
        let Some(state) = self.lanes.get_mut(&lane) else {
            return Vec::new();
        };
        if std::mem::replace(&mut state.is_read_ahead, true) {
            return Vec::new();
        }
        let next = state.ready.iter().take(LOOK).map(|order| order.id);
        let is_bare = |id: &QueueId| {
            let entry = self.entries.get(&(*id, lane));
            entry.is_some_and(|entry| entry.message.is_none())
        };
        let bare: Vec<QueueId> = next.filter(is_bare).take(limit).collect();
        state.is_read_ahead = !bare.is_empty();
        bare
    }

    /// Takes over what was read; what is not planned any more, or has no room, is left out.
    pub fn end_reading_ahead(&mut self, destination: &Destination, read: Vec<OpenMessage>) {
        let Some(&lane) = self.lane_ids.get(destination) else {
            return;
        };
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.is_read_ahead = false;
        }
        for message in read {
            let key = (message.id, lane);
            let is_wanted = |entry: &super::Entry| {
                entry.message.is_none() && place(entry.own) == place(message.meta.priority)
            };
            if !self.entries.get(&key).is_some_and(is_wanted) {
                continue;
            }
            let kept = self.keep(message);
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.message = kept;
            }
        }
    }
}
