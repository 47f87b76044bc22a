//! What a node of a shared store holds: the messages that it has claimed and is to send or to give back. Pure.

use std::collections::{BTreeSet, HashSet};

use super::plan::{Plan, Surplus};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{Destination, OpenMessage};
use crate::store::{GivenBack, WaitsFor};

/// The messages that are claimed.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    ids: HashSet<QueueId>,
    /// Destinations that are reached again: others may hear of it.
    revived: BTreeSet<Destination>,
    /// The last claim found all that was wished for, so that there may be more.
    pub is_more: bool,
}

impl Holdings {
    /// A message is claimed.
    pub fn hold(&mut self, id: QueueId) {
        self.ids.insert(id);
    }

    /// A message is finished or given back.
    pub fn forget(&mut self, id: QueueId) {
        self.ids.remove(&id);
    }

    /// Whether it is claimed.
    pub fn holds(&self, id: QueueId) -> bool {
        self.ids.contains(&id)
    }

    /// All that is claimed.
    pub fn all(&self) -> Vec<QueueId> {
        self.ids.iter().copied().collect()
    }

    /// How many messages are claimed.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Those of which neither anything is planned nor anything is being tried: nobody would ever send them.
    pub fn take_idle(&mut self, plan: &Plan, is_busy: impl Fn(QueueId) -> bool) -> Vec<QueueId> {
        let is_idle = |id: &QueueId| !plan.has(*id) && !is_busy(*id);
        let idle: Vec<QueueId> = self.ids.iter().copied().filter(is_idle).collect();
        for id in &idle {
            self.ids.remove(id);
        }
        idle
    }

    /// All that is not being tried.
    pub fn take_waiting(&mut self, is_busy: impl Fn(QueueId) -> bool) -> Vec<QueueId> {
        let waiting: Vec<QueueId> = self
            .ids
            .iter()
            .copied()
            .filter(|id| !is_busy(*id))
            .collect();
        for id in &waiting {
            self.ids.remove(id);
        }
        waiting
    }

    /// A destination that could not be reached has been.
    pub fn revived(&mut self, destination: &Destination) {
        self.revived.insert(destination.clone());
    }

    /// The destinations that are reached again, once.
    pub fn take_revived(&mut self) -> Vec<WaitsFor> {
        let revived = std::mem::take(&mut self.revived).into_iter();
        revived
            .map(|destination| WaitsFor::Destination(destination.to_string()))
            .collect()
    }
}

/// A message that leaves the plan, as the store is told of it.
pub(super) fn given_back(surplus: Surplus) -> GivenBack {
    let waits_for = surplus.destination.map_or(WaitsFor::Nothing, |to| {
        WaitsFor::Destination(to.to_string())
    });
    GivenBack {
        id: surplus.id,
        at: Some(surplus.due_at),
        waits_for,
    }
}

/// Moves what the database says is due, and another node's clock says is not, to now. Times between its recipients stay.
pub(super) fn due_by(message: &mut OpenMessage, now: Timestamp) {
    let first = message.recipients.iter().map(|one| one.due_at).min();
    let early = first.unwrap_or_default().since(now);
    for recipient in &mut message.recipients {
        recipient.due_at = recipient.due_at - early;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::plan::tests::{limits_of_tests as limits, message, route};
    use super::*;

    #[test]
    fn what_nobody_would_send_is_found() {
        let mut plan = Plan::new(limits());
        let mut holdings = Holdings::default();
        for id in 1..=3 {
            holdings.hold(QueueId::from_i64(id));
        }
        plan.insert(message(1, 3, 0, &["a.example"]), route);
        let busy = QueueId::from_i64(2);
        let idle = holdings.take_idle(&plan, |id| id == busy);
        assert_eq!(idle, [QueueId::from_i64(3)]);
        assert_eq!(holdings.len(), 2);
        assert_eq!(
            holdings.take_waiting(|id| id == busy),
            [QueueId::from_i64(1)]
        );
        assert!(holdings.holds(busy));
    }

    #[test]
    fn another_nodes_clock_does_not_delay() {
        let now = Timestamp::from_millis(1_000_000);
        let mut ahead = message(1, 3, 1_300_000, &["a.example", "b.example"]);
        ahead.recipients[1].due_at = Timestamp::from_millis(1_360_000);
        due_by(&mut ahead, now);
        assert_eq!(ahead.recipients[0].due_at, now);
        assert_eq!(ahead.recipients[1].due_at, now + Duration::from_secs(60));
        let mut late = message(2, 3, 500, &["a.example"]);
        due_by(&mut late, now);
        assert_eq!(late.recipients[0].due_at.as_millis(), 500);
    }
}
