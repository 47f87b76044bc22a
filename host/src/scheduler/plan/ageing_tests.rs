//! What waits becomes more urgent where that is wanted, and the last places are for the most urgent.

use std::time::Duration;

use super::tests::{limits, message, route};
use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const STEP: Duration = Duration::from_secs(60);

fn ageing_plan(up_to: Priority) -> Plan {
    Plan::new(Limits {
        max_concurrency: 1,
        per_destination: 1,
        urgent_reserve: 0,
        ageing: Some(Ageing { step: STEP, up_to }),
        ..limits()
    })
}

fn insert(plan: &mut Plan, id: i64, priority: i64, due_at: Timestamp) {
    plan.insert(message(id, priority, due_at.as_millis(), &["a"]), route);
}

#[test]
fn what_waits_becomes_more_urgent_step_by_step_and_no_further_than_it_may() {
    let mut plan = ageing_plan(Priority::High);
    insert(&mut plan, 1, 3, NOW);
    let running = plan.next(NOW).expect("ready");
    insert(&mut plan, 2, 5, NOW);
    let mut seen = Vec::new();
    for minute in 0..6 {
        assert!(plan.next(NOW + STEP * minute).is_none(), "no place");
        let place = plan.counts().ready.iter().position(|&count| count == 1);
        seen.push(place.map(|place| place + 1).expect("it waits"));
    }
    assert_eq!(seen, [5, 4, 3, 2, 2, 2]);
    plan.finished(&running.destination, running.priority, NOW);
    let claim = plan.next(NOW + STEP * 6).expect("a place");
    assert_eq!(
        (claim.priority, claim.own),
        (Priority::High, Priority::Lowest)
    );
    plan.finished(&claim.destination, claim.priority, NOW);
    assert!(plan.ages.is_empty());
    assert_eq!(plan.counts(), Counts::default());
}

#[test]
fn what_was_tried_in_vain_begins_anew() {
    let mut plan = ageing_plan(Priority::High);
    insert(&mut plan, 1, 4, NOW);
    let claim = plan.next(NOW + STEP * 5).expect("ready");
    assert_eq!(claim.priority, Priority::High);
    let later = NOW + STEP * 10;
    plan.put_back(&claim, later);
    plan.abandoned(&claim.destination, claim.priority);
    assert_eq!(plan.next(later).expect("due").priority, Priority::Low);
}

#[test]
fn what_is_not_due_yet_does_not_age() {
    let mut plan = ageing_plan(Priority::High);
    insert(&mut plan, 1, 5, NOW + STEP * 50);
    let claim = plan.next(NOW + STEP * 50).expect("due");
    assert_eq!(claim.priority, Priority::Lowest);
}

/// Serves one message a second while one of this priority comes each second; in which second the waiting one is served.
fn served_at(ageing: Option<Ageing>, stream: i64) -> Option<i64> {
    let mut plan = Plan::new(Limits {
        ageing,
        ..ageing_plan(Priority::High).limits
    });
    insert(&mut plan, 0, 5, NOW);
    (1..2000_i64).find(|&second| {
        let now = NOW + Duration::from_secs(second.unsigned_abs());
        insert(&mut plan, second, stream, now);
        let claim = plan.next(now).expect("something is ready");
        plan.finished(&claim.destination, claim.priority, now);
        claim.id.as_i64() == 0
    })
}

#[test]
fn a_steady_stream_starves_the_rest_without_ageing_and_not_with_it() {
    let ageing = |up_to| Some(Ageing { step: STEP, up_to });
    assert_eq!(served_at(None, 3), None);
    // Equal after two steps, and older.
    assert_eq!(served_at(ageing(Priority::High), 3), Some(120));
    assert_eq!(served_at(ageing(Priority::High), 2), Some(180));
    assert_eq!(
        served_at(ageing(Priority::High), 1),
        None,
        "1 stays what it is"
    );
    assert_eq!(served_at(ageing(Priority::Highest), 1), Some(240));
}

fn full_of(priority: i64) -> Plan {
    let mut plan = Plan::new(Limits {
        max_concurrency: 4,
        per_destination: 4,
        urgent_reserve: 8,
        ..limits()
    });
    for id in 0..4 {
        insert(&mut plan, id, priority, NOW);
    }
    assert_eq!(started(&mut plan), 4);
    plan
}

/// How many may start now.
fn started(plan: &mut Plan) -> usize {
    std::iter::from_fn(|| plan.next(NOW)).count()
}

#[test]
fn the_more_urgent_have_places_beside_those_that_less_urgent_mail_fills() {
    for (running, coming, places) in [
        (5, 5, 0),
        (5, 4, 2),
        (5, 3, 4),
        (4, 3, 4),
        (3, 3, 0),
        (3, 4, 0),
        (5, 2, 6),
        (2, 2, 6),
        (2, 1, 8),
        (1, 1, 8),
    ] {
        let mut plan = full_of(running);
        for id in 10..30 {
            insert(&mut plan, id, coming, NOW);
        }
        assert_eq!(started(&mut plan), places, "{coming} beside {running}");
    }
}

#[test]
fn a_place_that_becomes_free_goes_to_more_urgent_mail_for_another_destination() {
    let mut plan = Plan::new(Limits {
        max_concurrency: 2,
        urgent_reserve: 0,
        ..limits()
    });
    for id in 0..9 {
        insert(&mut plan, id, 5, NOW);
    }
    assert_eq!(started(&mut plan), 2);
    plan.insert(message(10, 4, NOW.as_millis(), &["b"]), route);
    plan.insert(message(11, 1, NOW.as_millis(), &["c"]), route);
    assert_eq!(started(&mut plan), 0, "nothing is interrupted");
    let freed = [("a", 5, 11), ("a", 5, 10), ("c", 1, 2)];
    for (name, priority, expected) in freed {
        let priority = Priority::from_number(priority).expect("1 to 5");
        plan.finished(&Destination::Domain(name.to_owned()), priority, NOW);
        let claim = plan.next(NOW).expect("a place is free");
        assert_eq!(claim.id.as_i64(), expected, "of {name}");
        assert_eq!(started(&mut plan), 0, "it was one place");
    }
}

#[test]
fn the_last_places_are_for_priority_1_alone() {
    let mut plan = full_of(5);
    for (first_id, priority, places) in [(10, 3, 4), (40, 2, 2), (70, 1, 2)] {
        for id in first_id..first_id + 20 {
            insert(&mut plan, id, priority, NOW);
        }
        assert_eq!(started(&mut plan), places, "priority {priority}");
    }
}
