//! What a node of a shared store does not send soon, so that others may have it, and what it could take instead.

use std::collections::HashMap;

use super::lane::Lane;
use super::{LaneId, Plan};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::Destination;

/// Ready messages that are kept for a destination which takes none at present, so that it is tried again with the
/// most urgent. 32: as many as are in flight to a usual one.
const KEPT: usize = 32;

/// A message that leaves the plan although nobody sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surplus {
    /// The message.
    pub id: QueueId,
    /// When it is due.
    pub due_at: Timestamp,
    /// The destination that it waits for, its time aside.
    pub destination: Option<Destination>,
}

impl Plan {
    /// Whether anything of a message is planned.
    pub fn has(&self, id: QueueId) -> bool {
        !self.lanes_of(id).is_empty()
    }

    /// Entries that are due and not being tried.
    pub fn ready(&self) -> usize {
        self.counts.ready.iter().sum()
    }

    /// True when there are slots for more, and nothing of what is ready may take one.
    pub fn is_starved(&self) -> bool {
        !self.is_paused && self.eligible.is_empty() && self.running < self.limits.max_concurrency
    }

    /// True when the destination could not be reached at the last try.
    pub fn is_failing(&self, destination: &Destination) -> bool {
        let lane = self.lane_ids.get(destination);
        let lane = lane.and_then(|lane| self.lanes.get(lane));
        lane.is_some_and(|lane| lane.failing_since.is_some())
    }

    /// How many more messages each of these destinations should be given, by their names.
    pub fn appetites(&self, names: &[String]) -> Vec<usize> {
        let lanes = self.lanes.values();
        let known: HashMap<String, &Lane> = lanes
            .map(|lane| (lane.destination.to_string(), lane))
            .collect();
        let appetite = |name: &String| match known.get(name) {
            None => KEPT,
            Some(lane) if lane.is_held() => 0,
            Some(lane) if lane.ready.len() * 2 >= lane.kept() => 0,
            Some(lane) => lane.kept() - lane.ready.len(),
        };
        names.iter().map(appetite).collect()
    }

    /// Takes out messages of which nothing is due before `horizon`, the last first, unless they are busy.
    pub fn take_distant(
        &mut self,
        horizon: Timestamp,
        is_busy: impl Fn(QueueId) -> bool,
        limit: usize,
    ) -> Vec<Surplus> {
        let from = (horizon, QueueId::from_i64(i64::MIN), LaneId::MIN);
        let distant = self.waiting.range(from..).rev().map(|&(_, id, _)| id);
        let mut ids: Vec<QueueId> = distant
            .filter(|&id| !is_busy(id) && self.is_distant(id, horizon))
            .take(limit)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().filter_map(|id| self.give_up(id)).collect()
    }

    fn is_distant(&self, id: QueueId, horizon: Timestamp) -> bool {
        let entry = |lane: LaneId| self.entries.get(&(id, lane));
        let mut lanes = self.lanes_of(id).into_iter();
        lanes.all(|lane| entry(lane).is_some_and(|it| !it.is_ready && it.due_at >= horizon))
    }

    /// Takes out what is ready for destinations that take no more at present, beyond a few for each, the least
    /// urgent first, unless it is busy.
    pub fn take_crowd(&mut self, is_busy: impl Fn(QueueId) -> bool, limit: usize) -> Vec<Surplus> {
        let lanes = self.lanes.values().filter(|lane| lane.advertised.is_none());
        let crowd = lanes.flat_map(|lane| {
            let beyond = lane.ready.len().saturating_sub(lane.kept());
            lane.ready.iter().rev().take(beyond).map(|order| order.id)
        });
        let mut ids: Vec<QueueId> = crowd
            .filter(|&id| !is_busy(id) && self.is_stuck(id))
            .take(limit)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().filter_map(|id| self.give_up(id)).collect()
    }

    /// True when nothing of the message may be tried now.
    fn is_stuck(&self, id: QueueId) -> bool {
        self.lanes_of(id).into_iter().all(|lane| {
            let is_ready = self
                .entries
                .get(&(id, lane))
                .is_some_and(|entry| entry.is_ready);
            let is_open = self
                .lanes
                .get(&lane)
                .is_some_and(|lane| lane.advertised.is_some());
            !(is_ready && is_open)
        })
    }

    fn give_up(&mut self, id: QueueId) -> Option<Surplus> {
        let lanes = self.lanes_of(id);
        let due_at = lanes
            .iter()
            .filter_map(|&lane| self.entries.get(&(id, lane)))
            .map(|entry| entry.due_at)
            .min()?;
        let waits_for = lanes.iter().find_map(|lane| {
            let is_ready = self.entries.get(&(id, *lane))?.is_ready;
            let lane = self.lanes.get(lane)?;
            let is_stalled = lane.failing_since.is_some() && lane.stalled.contains(&id);
            let waits = is_ready || is_stalled;
            waits.then(|| lane.destination.clone())
        });
        self.remove(id);
        Some(Surplus {
            id,
            due_at,
            destination: waits_for,
        })
    }

    /// Forgets everything that is planned and tried; it stays paused if it is.
    pub fn clear(&mut self) {
        let mut empty = Self::new(self.limits.clone());
        empty.is_paused = self.is_paused;
        *self = empty;
    }

    /// From now on so many nodes share the limits of each destination.
    pub fn share_among(&mut self, nodes: u32) {
        if self.limits.nodes == nodes {
            return;
        }
        self.limits.nodes = nodes;
        let lanes: Vec<LaneId> = self.lanes.keys().copied().collect();
        for lane in lanes {
            if let Some(state) = self.lanes.get_mut(&lane) {
                state.limit(&self.limits);
            }
            self.refresh(lane);
        }
    }
}

impl Lane {
    /// Ready messages that are kept while it takes no more: what it starts next.
    fn kept(&self) -> usize {
        let closed = self.is_held() || self.paced_until.is_some();
        if closed {
            KEPT
        } else {
            KEPT.max(2 * self.slots())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{limits, message, refused, route};
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn later(seconds: u64) -> Timestamp {
        START + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_due_later_is_given_up_as_a_whole() {
        let mut plan = Plan::new(limits());
        plan.insert(message(1, 3, later(600).as_millis(), &["a.example"]), route);
        plan.insert(message(2, 3, later(10).as_millis(), &["a.example"]), route);
        let mut both = message(3, 3, later(600).as_millis(), &["a.example", "b.example"]);
        both.recipients[1].due_at = later(10);
        plan.insert(both, route);
        plan.insert(
            message(4, 3, later(700).as_millis(), &["a.example", "b.example"]),
            route,
        );
        plan.insert(message(5, 3, later(700).as_millis(), &["c.example"]), route);
        let busy = QueueId::from_i64(5);
        let given = plan.take_distant(later(60), |id| id == busy, 100);
        let ids: Vec<i64> = given.iter().map(|one| one.id.as_i64()).collect();
        assert_eq!(
            ids,
            [1, 4],
            "2 is due soon, a part of 3 too, and 5 is being tried"
        );
        assert_eq!(given[0].due_at, later(600));
        assert_eq!(given[0].destination, None);
        assert!(!plan.has(QueueId::from_i64(1)) && plan.has(busy));
    }

    #[test]
    fn the_least_urgent_behind_a_dead_destination_are_given_up() {
        let mut plan = Plan::new(limits());
        for id in 1..=100 {
            let priority = if id <= 10 { 2 } else { 4 };
            plan.insert(
                message(id, priority, START.as_millis(), &["dead.example"]),
                route,
            );
        }
        let claim = plan.next(START).expect("it is tried");
        plan.unreachable(&claim.destination, claim.priority, START, &refused());
        assert!(plan.is_failing(&claim.destination));
        assert!(plan.is_starved());
        let given = plan.take_crowd(|_| false, 1000);
        assert_eq!(given.len(), 99 - KEPT);
        assert!(
            given.iter().all(|one| one.id.as_i64() > 10),
            "urgent ones stay"
        );
        assert_eq!(given[0].destination.as_ref(), Some(&claim.destination));
        assert_eq!(plan.take_crowd(|_| false, 1000), []);
        let names = [claim.destination.to_string(), "new.example".to_owned()];
        assert_eq!(plan.appetites(&names), [0, KEPT]);
    }

    #[test]
    fn a_part_that_can_be_sent_keeps_its_message() {
        let mut plan = Plan::new(limits());
        let probe = message(1, 1, START.as_millis(), &["dead.example"]);
        plan.insert(probe, route);
        let claim = plan.next(START).expect("it is tried");
        plan.unreachable(&claim.destination, claim.priority, START, &refused());
        for id in 2..=101 {
            let to = ["dead.example", "well.example"];
            plan.insert(message(id, 3, START.as_millis(), &to), route);
        }
        plan.advance(START);
        assert!(!plan.is_starved());
        assert_eq!(plan.take_crowd(|_| false, 1000), []);
    }

    #[test]
    fn limits_of_destinations_are_shared_out() {
        let mut limits = limits();
        (
            limits.per_destination,
            limits.urgent_reserve,
            limits.max_concurrency,
        ) = (9, 0, 100);
        let mut plan = Plan::new(limits);
        for id in 1..=100 {
            plan.insert(message(id, 3, START.as_millis(), &["a.example"]), route);
        }
        let start = |plan: &mut Plan| std::iter::from_fn(|| plan.next(START)).count();
        plan.share_among(3);
        assert_eq!(start(&mut plan), 3);
        plan.share_among(2);
        assert_eq!(start(&mut plan), 1, "four in all");
        plan.share_among(100);
        let a = Destination::Domain("a.example".to_owned());
        for _ in 0..4 {
            plan.finished(&a, crate::queue::Priority::Normal, START);
        }
        assert_eq!(start(&mut plan), 1, "one at least");
    }

    #[test]
    fn a_cleared_plan_is_empty_and_stays_paused() {
        let mut plan = Plan::new(limits());
        plan.insert(message(1, 3, START.as_millis(), &["a.example"]), route);
        plan.pause();
        plan.clear();
        assert!(plan.is_paused() && !plan.has(QueueId::from_i64(1)));
        assert_eq!(plan.counts(), super::super::Counts::default());
    }
}
