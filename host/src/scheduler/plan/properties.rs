//! What holds whatever happens in whatever order: nothing goes ahead of what is more urgent and could go, and
//! nothing that could go waits.

use std::collections::HashSet;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::tests::{domain, limits, message, refused, route};
use super::*;

const DOMAINS: [&str; 4] = ["a.example", "b.example", "c.example", "d.example"];
const START: i64 = 1_000_000;

/// What happens to a plan.
#[derive(Clone, Debug)]
enum Event {
    /// A message comes in that is due so many milliseconds later, for the destinations of these bits.
    Submitted {
        priority: i64,
        due_in: i64,
        to: u8,
    },
    /// Time passes.
    Passed(i64),
    /// Everything that may start starts.
    Dispatched,
    /// One is asked for, as a worker does.
    Asked,
    /// The attempt that began so many before the last one ends.
    Delivered(usize),
    Deferred(usize),
    Unreachable(usize),
    SlowedDown(usize),
    Abandoned(usize),
    /// An administrator steps in.
    Hurried(i64),
    Removed(i64),
    Paused,
    Resumed,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1..=5_i64, prop_oneof![Just(0), 0..20_000_i64], 1..16_u8)
            .prop_map(|(priority, due_in, to)| Event::Submitted { priority, due_in, to }),
        3 => (1..10_000_i64).prop_map(Event::Passed),
        2 => Just(Event::Dispatched),
        3 => Just(Event::Asked),
        4 => (0..12_usize).prop_map(Event::Delivered),
        1 => (0..12_usize).prop_map(Event::Deferred),
        1 => (0..12_usize).prop_map(Event::Unreachable),
        1 => (0..12_usize).prop_map(Event::SlowedDown),
        1 => (0..12_usize).prop_map(Event::Abandoned),
        1 => (0..40_i64).prop_map(Event::Hurried),
        1 => (0..40_i64).prop_map(Event::Removed),
        1 => Just(Event::Paused),
        2 => Just(Event::Resumed),
    ]
}

/// A plan, and what runs of it.
struct World {
    plan: Plan,
    now: Timestamp,
    running: Vec<Claim>,
    /// Where every message that was not finished or removed has to be: in the plan or running.
    open: HashSet<(QueueId, Destination)>,
    submitted: i64,
}

impl World {
    fn new(ageing: Option<Ageing>) -> Self {
        let limits = Limits {
            max_concurrency: 6,
            per_destination: 3,
            urgent_reserve: 4,
            ageing,
            ..limits()
        };
        Self {
            plan: Plan::new(limits),
            now: Timestamp::from_millis(START),
            running: Vec::new(),
            open: HashSet::new(),
            submitted: 0,
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Submitted {
                priority,
                due_in,
                to,
            } => self.submit(priority, due_in, to),
            Event::Passed(millis) => {
                self.now = self.now + Duration::from_millis(millis.unsigned_abs());
            }
            Event::Dispatched => while self.ask() {},
            Event::Asked => drop(self.ask()),
            Event::Delivered(place) => self.end(place, |plan, claim, now| {
                plan.finished(&claim.destination, claim.priority, now);
                None
            }),
            Event::Deferred(place) => self.end(place, |plan, claim, now| {
                plan.finished(&claim.destination, claim.priority, now);
                Some(now + Duration::from_secs(60))
            }),
            Event::Unreachable(place) => self.end(place, |plan, claim, now| {
                plan.unreachable(&claim.destination, claim.priority, now, &refused());
                Some(now + Duration::from_secs(60))
            }),
            Event::SlowedDown(place) => self.end(place, |plan, claim, now| {
                plan.slow_down(&claim.destination, claim.priority, now);
                Some(now + Duration::from_secs(60))
            }),
            Event::Abandoned(place) => self.end(place, |plan, claim, now| {
                plan.abandoned(&claim.destination, claim.priority);
                Some(now)
            }),
            Event::Hurried(id) => drop(self.plan.hurry(QueueId::from_i64(id), self.now)),
            Event::Removed(id) => self.remove(QueueId::from_i64(id)),
            Event::Paused => self.plan.pause(),
            Event::Resumed => self.plan.resume(),
        }
    }

    fn submit(&mut self, priority: i64, due_in: i64, to: u8) {
        let domains = DOMAINS.iter().enumerate();
        let domains: Vec<&str> = domains
            .filter(|(bit, _)| to & (1 << bit) != 0)
            .map(|(_, domain)| *domain)
            .collect();
        let id = self.submitted;
        self.submitted += 1;
        let due = self.now.as_millis() + due_in;
        self.plan
            .insert(message(id, priority, due, &domains), route);
        let parts = domains.iter().map(|name| domain(name));
        self.open
            .extend(parts.map(|part| (QueueId::from_i64(id), part)));
    }

    fn remove(&mut self, id: QueueId) {
        self.plan.remove(id);
        let running: HashSet<_> = self.running.iter().map(key).collect();
        self.open
            .retain(|part| part.0 != id || running.contains(part));
    }

    /// Ends an attempt; with a time it is tried again then.
    fn end(
        &mut self,
        place: usize,
        how: impl FnOnce(&mut Plan, &Claim, Timestamp) -> Option<Timestamp>,
    ) {
        if place >= self.running.len() {
            return;
        }
        let claim = self.running.swap_remove(place);
        match how(&mut self.plan, &claim, self.now) {
            Some(due_at) => self.plan.put_back(&claim, due_at),
            None => drop(self.open.remove(&key(&claim))),
        }
    }

    /// Asks for the next one, and holds the answer against what the plan knew before.
    fn ask(&mut self) -> bool {
        // What is due by now is ready before the answer is judged.
        self.plan.advance(self.now);
        let could = self.could_go();
        let claim = self.plan.next(self.now);
        let best = could.iter().min().copied();
        let taken = claim.as_ref().map(|claim| (claim.priority, claim.id));
        let expected = best.map(|order| (order.priority, order.id));
        assert_eq!(taken, expected, "of {could:?}");
        let is_taken = claim.is_some();
        self.running.extend(claim);
        is_taken
    }

    /// Every ready entry that nothing but its priority keeps from being tried, told from the entries alone.
    fn could_go(&self) -> Vec<Order> {
        if self.plan.is_paused() {
            return Vec::new();
        }
        let entries = self.plan.entries.iter();
        let ready = entries.filter(|(_, entry)| entry.is_ready);
        let free = ready.filter(|((_, lane), entry)| self.is_free(*lane, entry.priority));
        free.map(|((id, _), entry)| entry.order(*id)).collect()
    }

    fn is_free(&self, lane: LaneId, priority: Priority) -> bool {
        let lane = &self.plan.lanes[&lane];
        let here = self
            .running
            .iter()
            .filter(|claim| claim.destination == lane.destination);
        let here = by_priority(here);
        let limits = &self.plan.limits;
        let beyond = limits.beyond(priority, &here);
        let is_full = here.iter().sum::<usize>() >= limits.per_destination + beyond;
        let everywhere = by_priority(self.running.iter());
        let beyond = limits.beyond(priority, &everywhere);
        let is_busy = everywhere.iter().sum::<usize>() >= limits.max_concurrency + beyond;
        let is_narrow = here.iter().sum::<usize>() >= lane.room(priority, limits);
        let is_closed = lane.is_held() || lane.paced_until.is_some();
        !(is_closed || is_full || is_busy || is_narrow)
    }

    fn check(&self) {
        let limits = &self.plan.limits;
        assert!(self.running.len() <= limits.max_concurrency + limits.urgent_reserve);
        assert_eq!(self.plan.running, self.running.len());
        assert_eq!(
            self.plan.counts.running,
            by_priority(self.running.iter()),
            "what runs is counted"
        );
        let destinations =
            |&(_, lane): &(QueueId, LaneId)| self.plan.lanes[&lane].destination.clone();
        let planned = self
            .plan
            .entries
            .keys()
            .map(|key| (key.0, destinations(key)));
        let there: HashSet<_> = planned.chain(self.running.iter().map(key)).collect();
        assert_eq!(
            there, self.open,
            "nothing is lost, and nothing is there twice"
        );
        let ready = self.plan.entries.values().filter(|entry| entry.is_ready);
        assert_eq!(self.plan.counts.ready.iter().sum::<usize>(), ready.count());
    }
}

fn key(claim: &Claim) -> (QueueId, Destination) {
    (claim.id, claim.destination.clone())
}

fn by_priority<'a>(claims: impl Iterator<Item = &'a Claim>) -> [usize; 5] {
    let mut counts = [0; 5];
    for claim in claims {
        counts[place(claim.priority)] += 1;
    }
    counts
}

fn ageing() -> impl Strategy<Value = Option<Ageing>> {
    let some = (1..20_u64, 1..=4_i64).prop_map(|(step_s, up_to)| Ageing {
        step: Duration::from_secs(step_s),
        up_to: Priority::from_number(up_to).expect("1 to 5"),
    });
    prop_oneof![Just(None), some.prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_tried_next_is_the_most_urgent_that_could_go_and_nobody_waits_for_who_could_not(
        ageing in ageing(),
        events in vec(event(), 1..120),
    ) {
        let mut world = World::new(ageing);
        for event in events {
            world.happen(event);
            world.check();
        }
    }

    #[test]
    fn everything_is_tried_in_the_end(events in vec(event(), 1..80)) {
        let mut world = World::new(None);
        for event in events {
            world.happen(event);
        }
        world.happen(Event::Resumed);
        // Each is tried at least once an hour, so a day is plenty.
        for _ in 0..24 {
            world.happen(Event::Passed(3_600_000));
            loop {
                world.happen(Event::Dispatched);
                if world.running.is_empty() {
                    break;
                }
                world.happen(Event::Delivered(0));
            }
        }
        prop_assert!(world.open.is_empty(), "left: {:?}", world.open);
    }
}
