//! Which messages are kept in memory: those that come next. The store has them all.

use bytes::Bytes;

use super::{Entry, LaneId, Plan, place};
use crate::id::QueueId;
use crate::queue::{Destination, OpenMessage, Place};

/// Entries of a destination that are looked at for messages to be read together.
const LOOK: usize = 512;
/// Octets of heads that are read together. Default 1 MiB.
const HEADS_OCTETS: usize = 1024 * 1024;

impl Plan {
    /// Whether messages that are added are kept as far as there is memory; else each is read when its turn comes.
    pub const fn keep_messages(&mut self, keeps: bool) {
        self.keeps_messages = keeps;
    }

    /// Drops the head of a message that could not go at once, unless there is memory for it; the last quarter is for
    /// what is read because it comes next.
    pub fn trim(&mut self, id: QueueId) {
        if self.content_octets <= self.limits.content_octets / 4 * 3 {
            return;
        }
        for lane in self.lanes_of(id) {
            let entry = self.entries.get_mut(&(id, lane));
            let message = entry.and_then(|entry| entry.message.as_mut());
            let head = message.and_then(|message| message.head.take());
            self.content_octets -= head.map_or(0, |head| head.len());
        }
    }

    /// The next entries of a destination whose messages are not at hand, `limit` at most; somebody reads them then.
    /// None of them while somebody does already.
    pub fn begin_reading_ahead(&mut self, destination: &Destination, limit: usize) -> Vec<QueueId> {
        let Some((lane, next)) = self.next_unread(destination) else {
            return Vec::new();
        };
        let bare = next.filter(|(_, entry)| entry.message.is_none());
        let bare: Vec<QueueId> = bare.map(|(id, _)| id).take(limit).collect();
        self.set_read_ahead(lane, !bare.is_empty());
        bare
    }

    /// As [`Plan::begin_reading_ahead`], for messages that are at hand without their heads: those that lie in the log,
    /// as far as there is memory for them.
    pub fn begin_reading_heads(
        &mut self,
        destination: &Destination,
        limit: usize,
    ) -> Vec<(QueueId, Place)> {
        let Some((lane, next)) = self.next_unread(destination) else {
            return Vec::new();
        };
        let mut room = self
            .limits
            .content_octets
            .saturating_sub(self.content_octets);
        room = room.min(HEADS_OCTETS);
        let placed = next.filter_map(|(id, entry)| {
            let message = entry.message.as_ref()?;
            let place = message.place.filter(|_| message.head.is_none())?;
            Some((id, place))
        });
        let fitting = placed.take_while(|(_, place)| {
            let left = usize::try_from(place.octets).ok();
            let left = left.and_then(|octets| room.checked_sub(octets));
            room = left.unwrap_or(room);
            left.is_some()
        });
        let headless: Vec<(QueueId, Place)> = fitting.take(limit).collect();
        self.set_read_ahead(lane, !headless.is_empty());
        headless
    }

    /// The next entries of a destination, unless somebody reads for it.
    fn next_unread(
        &self,
        destination: &Destination,
    ) -> Option<(LaneId, impl Iterator<Item = (QueueId, &Entry)>)> {
        let &lane = self.lane_ids.get(destination)?;
        let state = self.lanes.get(&lane).filter(|it| !it.is_read_ahead)?;
        let next = state.ready.iter().take(LOOK);
        let entries = next.filter_map(move |order| {
            let entry = self.entries.get(&(order.id, lane))?;
            Some((order.id, entry))
        });
        Some((lane, entries))
    }

    fn set_read_ahead(&mut self, lane: LaneId, is_read_ahead: bool) {
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.is_read_ahead = is_read_ahead;
        }
    }

    /// Takes over heads that were read, or are not where they lay; what is not planned any more, or has no room, is left
    /// out.
    pub fn end_reading_heads(
        &mut self,
        destination: &Destination,
        read: Vec<(QueueId, Option<Bytes>)>,
    ) {
        let Some(&lane) = self.lane_ids.get(destination) else {
            return;
        };
        self.set_read_ahead(lane, false);
        for (id, head) in read {
            let entry = self.entries.get_mut(&(id, lane));
            let Some(message) = entry.and_then(|entry| entry.message.as_mut()) else {
                continue;
            };
            let Some(head) = head else {
                message.place = None;
                continue;
            };
            let used = self.content_octets + head.len();
            if message.head.is_none() && used <= self.limits.content_octets {
                message.head = Some(head);
                self.content_octets = used;
            }
        }
    }

    /// Takes over what was read; what is not planned any more, or has no room, is left out.
    pub fn end_reading_ahead(&mut self, destination: &Destination, read: Vec<OpenMessage>) {
        let Some(&lane) = self.lane_ids.get(destination) else {
            return;
        };
        self.set_read_ahead(lane, false);
        for message in read {
            let key = (message.id, lane);
            let is_wanted = |entry: &Entry| {
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
