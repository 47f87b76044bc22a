//! Which messages are being tried or recorded: nothing of them is planned again before that has ended. Pure.

use std::collections::{HashMap, HashSet};

use crate::id::QueueId;

/// Messages between the claim and the recorded outcome.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// How many parts of each.
    parts: HashMap<QueueId, usize>,
    /// Those that an administrator changed meanwhile: what is known of them counts no more.
    outdated: HashSet<QueueId>,
    /// Those of them that have ended, to be read again.
    ended: Vec<QueueId>,
}

impl InFlight {
    /// A part of it is being tried.
    pub fn begin(&mut self, id: QueueId) {
        *self.parts.entry(id).or_default() += 1;
    }

    /// A part of it is tried and recorded.
    pub fn end(&mut self, id: QueueId) {
        let Some(parts) = self.parts.get_mut(&id) else {
            return;
        };
        *parts -= 1;
        if *parts == 0 {
            self.parts.remove(&id);
            if self.outdated.remove(&id) {
                self.ended.push(id);
            }
        }
    }

    /// True while a part of it is being tried or recorded.
    pub fn is_in_flight(&self, id: QueueId) -> bool {
        self.parts.contains_key(&id)
    }

    /// True while a part of it is being tried or recorded, or it is to be read again.
    pub fn is_busy(&self, id: QueueId) -> bool {
        self.is_in_flight(id) || self.ended.contains(&id)
    }

    /// Notes that it is to be read again when it has ended; false when it is not in flight.
    pub fn outdate(&mut self, id: QueueId) -> bool {
        let is_in_flight = self.is_in_flight(id);
        if is_in_flight {
            self.outdated.insert(id);
        }
        is_in_flight
    }

    /// True when it is to be read again.
    pub fn is_outdated(&self, id: QueueId) -> bool {
        self.outdated.contains(&id)
    }

    /// Undoes [`InFlight::take_ended`].
    pub fn put_back_ended(&mut self, ids: Vec<QueueId>) {
        self.ended.extend(ids);
    }

    /// Those to be read again now.
    pub fn take_ended(&mut self) -> Vec<QueueId> {
        std::mem::take(&mut self.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: QueueId = QueueId::from_i64(7);

    #[test]
    fn what_changed_in_flight_is_read_again_when_its_last_part_has_ended() {
        let mut flight = InFlight::default();
        flight.begin(ID);
        flight.begin(ID);
        assert!(flight.outdate(ID));
        flight.end(ID);
        assert!(flight.is_in_flight(ID) && flight.is_outdated(ID));
        assert_eq!(flight.take_ended(), []);
        flight.end(ID);
        assert!(!flight.is_in_flight(ID) && flight.is_busy(ID));
        assert_eq!(flight.take_ended(), [ID]);
        assert_eq!(flight.take_ended(), []);
    }

    #[test]
    fn what_is_not_in_flight_needs_no_second_look() {
        let mut flight = InFlight::default();
        assert!(!flight.outdate(ID));
        flight.end(ID);
        flight.begin(ID);
        flight.end(ID);
        assert_eq!(flight.take_ended(), []);
    }
}
