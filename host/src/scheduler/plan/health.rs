//! What the plan tells of its own health: how long mail waits that is due, and where nothing arrives.

use super::Plan;
use super::lane::{Lane, Order};
use super::view::Trouble;
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::Priority;

impl Plan {
    /// Since when the longest of what is due waits, among priorities up to this one.
    pub fn due_since(&self, least_urgent: Priority) -> Option<Timestamp> {
        let lanes = self.lanes.values();
        lanes.filter_map(|lane| oldest(lane, least_urgent)).min()
    }

    /// The destinations that could not be reached at the last try.
    pub fn troubles(&self) -> Vec<Trouble> {
        let trouble = |lane: &Lane| {
            Some(Trouble {
                destination: lane.destination.clone(),
                since: lane.failing_since?,
                reason: lane.reason.clone(),
            })
        };
        self.lanes.values().filter_map(trouble).collect()
    }
}

/// Within a priority the first is the oldest.
fn oldest(lane: &Lane, least_urgent: Priority) -> Option<Timestamp> {
    let numbers = 1..=i64::from(least_urgent.number());
    let firsts = numbers
        .filter_map(Priority::from_number)
        .filter_map(|priority| {
            let start = Order {
                priority,
                due_at: Timestamp::from_millis(i64::MIN),
                id: QueueId::from_i64(i64::MIN),
            };
            let first = lane.ready.range(start..).next()?;
            (first.priority == priority).then_some(first.due_at)
        });
    firsts.min()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{limits, message, refused, route};
    use super::*;

    #[test]
    fn what_waits_longest_is_found_by_how_urgent_it_is() {
        let start = Timestamp::from_millis(1_000_000);
        let mut plan = Plan::new(limits());
        for (id, priority, due_ms) in [(1, 3, 0), (2, 2, 10_000), (3, 3, 20_000)] {
            let due_ms = start.as_millis() + due_ms;
            plan.insert(message(id, priority, due_ms, &["a.example"]), route);
        }
        plan.pause();
        assert!(plan.next(start + Duration::from_secs(60)).is_none());
        assert_eq!(plan.due_since(Priority::Lowest), Some(start));
        let urgent = plan.due_since(Priority::High);
        assert_eq!(urgent, Some(start + Duration::from_secs(10)));
        assert_eq!(plan.due_since(Priority::Highest), None);
    }

    #[test]
    fn a_destination_is_in_trouble_from_its_first_failure_to_its_first_success() {
        let start = Timestamp::from_millis(1_000_000);
        let mut plan = Plan::new(limits());
        for id in 1..=3 {
            plan.insert(message(id, 3, start.as_millis(), &["a.example"]), route);
        }
        let mut now = start;
        for _ in 0..2 {
            let claim = plan.next(now).expect("it is tried");
            plan.unreachable(&claim.destination, claim.priority, now, &refused());
            let troubles = plan.troubles();
            assert_eq!((troubles.len(), troubles[0].since), (1, start));
            now = now + Duration::from_secs(600);
        }
        let claim = plan.next(now).expect("it is tried");
        plan.finished(&claim.destination, claim.priority, now);
        assert!(plan.troubles().is_empty());
    }
}
