//! Who comes first, who has to wait, and who must never wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::queue::{Deadline, MessageMeta, MessageParameters, OpenRecipient};
use crate::smtp::{BodyType, DeliverByMode, Notify, RcptParameters};

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

pub(in crate::scheduler) fn limits() -> Limits {
    Limits {
        max_concurrency: 4,
        per_destination: 2,
        per_destination_rate: 0.0,
        named: HashMap::new(),
        urgent_reserve: 1,
        slow_down_first: Duration::from_secs(1),
        slow_down_max: Duration::from_secs(60),
        unreachable_first: Duration::from_secs(5),
        unreachable_max: Duration::from_secs(60),
        content_octets: 1000,
        envelopes: 1000,
        delay_notice_after: Duration::from_secs(600),
        ageing: None,
        nodes: 1,
    }
}

/// The same for other rooms' tests, where a module of this name is at hand already.
pub(in crate::scheduler) fn limits_of_tests() -> Limits {
    limits()
}

fn plan() -> Plan {
    Plan::new(limits())
}

/// A message with one recipient at each domain, due at `due_ms`.
pub(in crate::scheduler) fn message(
    id: i64,
    priority: i64,
    due_ms: i64,
    domains: &[&str],
) -> OpenMessage {
    let recipients = (0..).zip(domains).map(|(index, domain)| OpenRecipient {
        index,
        mailbox: format!("x@{domain}").parse().expect("a mailbox"),
        parameters: RcptParameters::default(),
        attempts: 0,
        due_at: Timestamp::from_millis(due_ms),
        delay_told_at: None,
    });
    OpenMessage {
        id: QueueId::from_i64(id),
        meta: Arc::new(MessageMeta {
            list_id: None,
            username: String::new(),
            reverse_path: None,
            priority: Priority::from_number(priority).expect("1 to 5"),
            body: BodyType::SevenBit,
            parameters: MessageParameters::default(),
            subject: String::new(),
            message_id: String::new(),
            session_id: String::new(),
            rule: String::new(),
            received_at: Timestamp::default(),
            expires_at: NOW + Duration::from_secs(3600),
            way: crate::queue::Way::default(),
            origin: crate::queue::Origin::default(),
        }),
        recipients: recipients.collect(),
        size: 100,
        staged_chunks: 0,
        head: Some(bytes::Bytes::from_static(&[b'x'; 100])),
        place: None,
    }
}

pub(in crate::scheduler) fn route(mailbox: &Mailbox) -> Destination {
    Destination::Domain(mailbox.domain().to_owned())
}

pub(super) fn domain(name: &str) -> Destination {
    Destination::Domain(name.to_owned())
}

pub(super) fn refused() -> RemoteReply {
    RemoteReply {
        code: 0,
        text: "refused".to_owned(),
    }
}

/// The ids of all that may start now, in their order.
fn ids(plan: &mut Plan, now: Timestamp) -> Vec<i64> {
    std::iter::from_fn(|| plan.next(now))
        .map(|claim| claim.id.as_i64())
        .collect()
}

/// Ids in the order of sending when one is sent at a time.
fn one_by_one(plan: &mut Plan, now: Timestamp) -> Vec<i64> {
    let next = || {
        let claim = plan.next(now)?;
        plan.finished(&claim.destination, claim.priority, now);
        Some(claim.id.as_i64())
    };
    std::iter::from_fn(next).collect()
}

#[test]
fn the_order_is_priority_then_due_time_then_age() {
    let mut plan = plan();
    for (id, priority, due_ms) in [
        (1, 3, 500),
        (2, 5, 1),
        (3, 3, 400),
        (4, 1, 900),
        (5, 3, 400),
    ] {
        plan.insert(message(id, priority, due_ms, &["a"]), route);
    }
    assert_eq!(one_by_one(&mut plan, NOW), [4, 3, 5, 1, 2]);
}

#[test]
fn the_order_holds_across_destinations() {
    let mut plan = plan();
    for (id, priority, name) in [(1, 4, "a"), (2, 2, "b"), (3, 3, "a"), (4, 1, "c")] {
        plan.insert(message(id, priority, 0, &[name]), route);
    }
    assert_eq!(one_by_one(&mut plan, NOW), [4, 2, 3, 1]);
}

#[test]
fn how_urgent_the_next_is_is_known_before_it_is_taken() {
    let mut plan = plan();
    assert_eq!(plan.next_priority(NOW), None);
    plan.insert(message(1, 4, 0, &["a"]), route);
    plan.insert(message(2, 2, NOW.as_millis() + 1, &["a"]), route);
    assert_eq!(plan.next_priority(NOW), Some(Priority::Low));
    let later = NOW + Duration::from_millis(1);
    assert_eq!(plan.next_priority(later), Some(Priority::High));
    assert_eq!(ids(&mut plan, later), [2, 1]);
}

#[test]
fn nothing_starts_before_it_is_due() {
    let mut plan = plan();
    plan.insert(message(1, 1, NOW.as_millis() + 1, &["a"]), route);
    assert!(plan.next(NOW).is_none());
    assert_eq!(
        plan.next_due(NOW),
        Some(Timestamp::from_millis(NOW.as_millis() + 1))
    );
    assert_eq!(ids(&mut plan, NOW + Duration::from_millis(1)), [1]);
    assert_eq!(plan.next_due(NOW), None);
}

#[test]
fn a_message_is_split_by_destination_and_claimed_once() {
    let mut plan = plan();
    plan.insert(message(1, 3, 0, &["a", "b", "a"]), route);
    plan.insert(message(1, 3, 0, &["a", "b", "a"]), route);
    let first = plan.next(NOW).expect("ready");
    let second = plan.next(NOW).expect("ready");
    assert!(plan.next(NOW).is_none());
    let recipients = |claim: &Claim| claim.message.as_ref().map(|one| one.recipients.len());
    assert_eq!(
        (recipients(&first), recipients(&second)),
        (Some(2), Some(1))
    );
}

#[test]
fn a_full_destination_does_not_hold_up_another() {
    let mut plan = plan();
    for id in 1..=4 {
        plan.insert(message(id, 3, 0, &["a"]), route);
    }
    plan.insert(message(5, 5, 0, &["b"]), route);
    assert_eq!(ids(&mut plan, NOW), [1, 2, 5]);
}

#[test]
fn urgent_mail_has_slots_of_its_own_at_its_destination_and_over_all() {
    let mut plan = plan();
    for (id, name) in [(1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "c")] {
        plan.insert(message(id, 5, 0, &[name]), route);
    }
    assert_eq!(ids(&mut plan, NOW), [1, 2, 3, 4], "all slots are taken");
    plan.insert(message(6, 3, 0, &["a"]), route);
    assert_eq!(ids(&mut plan, NOW), [0; 0], "normal mail waits");
    plan.insert(message(7, 2, 0, &["a"]), route);
    plan.insert(message(8, 2, 0, &["a"]), route);
    assert_eq!(
        ids(&mut plan, NOW),
        [7],
        "urgent mail does not, as far as the reserve goes"
    );
}

#[test]
fn an_unreachable_destination_holds_nobody_back_and_is_probed_by_its_most_urgent() {
    let mut plan = plan();
    plan.insert(message(1, 1, 0, &["dead"]), route);
    let probe = plan.next(NOW).expect("ready");
    for (id, priority) in [(2, 3), (3, 1), (4, 3)] {
        plan.insert(message(id, priority, 0, &["dead"]), route);
    }
    plan.insert(message(9, 5, 0, &["alive"]), route);
    let others = ids(&mut plan, NOW);
    assert_eq!(others, [3, 9]);
    for _failed in 0..2 {
        plan.unreachable(&probe.destination, Priority::Highest, NOW, &refused());
    }
    plan.insert(message(10, 1, 0, &["dead"]), route);
    plan.insert(message(11, 2, 0, &["dead"]), route);
    assert_eq!(ids(&mut plan, NOW), [0; 0]);
    assert_eq!(plan.unreachable_destinations()[0].ready, 4);
    let later = NOW + Duration::from_secs(5);
    assert_eq!(plan.next_due(NOW), Some(later));
    assert_eq!(ids(&mut plan, later), [10], "one goes ahead to see");
}

#[test]
fn the_wait_for_an_unreachable_destination_doubles_up_to_a_minute() {
    let waits: Vec<u64> = [1, 2, 3, 4, 5, 6, u32::MAX]
        .map(|n| limits().unreachable_wait(n).as_secs())
        .to_vec();
    assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60]);
}

#[test]
fn when_a_destination_answers_what_stalled_is_due_at_once_urgent_first() {
    let mut plan = plan();
    plan.insert(message(1, 3, 0, &["a"]), route);
    plan.next(NOW).expect("ready");
    plan.unreachable(&domain("a"), Priority::Normal, NOW, &refused());
    let in_an_hour = NOW.as_millis() + 3_600_000;
    plan.insert_stalled(message(1, 3, in_an_hour, &["a"]), domain("a"));
    plan.insert_stalled(message(2, 1, in_an_hour, &["a"]), domain("a"));
    plan.insert(message(3, 4, 0, &["a"]), route);
    let later = NOW + Duration::from_secs(5);
    assert_eq!(ids(&mut plan, later), [3]);
    plan.finished(&domain("a"), Priority::Low, later);
    assert_eq!(one_by_one(&mut plan, later), [2, 1]);
}

#[test]
fn a_peer_that_takes_fewer_connections_gets_fewer() {
    let mut plan = plan();
    for id in 1..=100 {
        plan.insert(message(id, 3, 0, &["a"]), route);
    }
    assert_eq!(ids(&mut plan, NOW).len(), 2);
    plan.unreachable(&domain("a"), Priority::Normal, NOW, &refused());
    assert!(
        plan.next(NOW).is_none(),
        "one runs, and one is all it takes"
    );
    for _served in 0..19 {
        plan.finished(&domain("a"), Priority::Normal, NOW);
        assert_eq!(ids(&mut plan, NOW).len(), 1);
    }
    plan.finished(&domain("a"), Priority::Normal, NOW);
    assert_eq!(
        ids(&mut plan, NOW).len(),
        2,
        "after some successes one more is tried"
    );
}

#[test]
fn a_paused_plan_starts_nothing_until_it_is_resumed() {
    let mut plan = plan();
    plan.insert(message(1, 1, 0, &["a"]), route);
    plan.pause();
    assert!(plan.next(NOW).is_none());
    plan.resume();
    assert_eq!(ids(&mut plan, NOW), [1]);
}

#[test]
fn what_expires_behind_an_unreachable_destination_is_given_up() {
    let mut plan = plan();
    plan.insert(message(1, 3, 0, &["a"]), route);
    plan.next(NOW).expect("ready");
    let late = NOW + Duration::from_secs(3600);
    plan.insert(message(2, 3, 0, &["a"]), route);
    assert!(
        plan.take_overlooked(late).is_none(),
        "it can still be tried"
    );
    plan.next(NOW).expect("ready");
    plan.unreachable(&domain("a"), Priority::Normal, late, &refused());
    plan.unreachable(&domain("a"), Priority::Normal, late, &refused());
    plan.insert(message(3, 3, 0, &["a"]), route);
    assert!(plan.take_overlooked(NOW).is_none(), "its time has not come");
    let (claim, reason) = plan.take_overlooked(late).expect("expired");
    assert_eq!((claim.id.as_i64(), reason), (3, refused()));
    assert!(plan.take_overlooked(late).is_none());
}

/// A message whose sender is to be told that it is late: by NOTIFY=DELAY, or by a deadline of mode `N`.
fn watched(id: i64, deadline: Option<Timestamp>) -> OpenMessage {
    let mut message = message(id, 3, NOW.as_millis() + 3_000_000, &["a"]);
    let mut meta = (*message.meta).clone();
    meta.reverse_path = Some("anna@a.example".parse().expect("a mailbox"));
    meta.received_at = NOW;
    meta.parameters.deliver_by = deadline.map(|at| Deadline {
        at,
        mode: DeliverByMode::Notify,
        trace: false,
    });
    message.meta = Arc::new(meta);
    message.recipients[0].parameters.notify = deadline.is_none().then_some(Notify {
        delay: true,
        ..Notify::NEVER
    });
    message
}

#[test]
fn who_is_to_be_told_of_a_delay_is_tried_then() {
    for (deadline, expected_s) in [(None, 600), (Some(NOW + Duration::from_secs(60)), 60)] {
        let mut plan = plan();
        plan.insert(watched(1, deadline), route);
        let expected = NOW + Duration::from_secs(expected_s);
        assert_eq!(plan.next_due(NOW), Some(expected));
        assert_eq!(ids(&mut plan, expected), [1]);
    }
}

#[test]
fn who_is_to_be_told_of_a_delay_is_not_overlooked_behind_an_unreachable_destination() {
    let mut plan = plan();
    plan.insert(message(1, 3, 0, &["a"]), route);
    plan.next(NOW).expect("ready");
    let long = NOW + Duration::from_secs(590);
    plan.unreachable(&domain("a"), Priority::Normal, long, &refused());
    plan.insert(message(2, 3, 0, &["a"]), route);
    plan.insert(watched(3, None), route);
    let late = NOW + Duration::from_secs(600);
    assert!(plan.take_overlooked(long).is_none());
    let (claim, _) = plan.take_overlooked(late).expect("its time has come");
    assert_eq!(claim.id.as_i64(), 3);
    assert!(plan.take_overlooked(late).is_none());
}

#[test]
fn a_message_can_be_hurried_or_removed_while_it_waits() {
    let mut plan = plan();
    plan.insert(message(1, 3, NOW.as_millis() + 9999, &["a", "b"]), route);
    plan.insert(message(2, 3, 0, &["a"]), route);
    assert!(plan.hurry(QueueId::from_i64(1), NOW));
    assert!(plan.remove(QueueId::from_i64(2)));
    assert!(!plan.remove(QueueId::from_i64(2)));
    assert_eq!(ids(&mut plan, NOW), [1, 1]);
    assert!(!plan.hurry(QueueId::from_i64(1), NOW));
}

#[test]
fn an_idle_plan_remembers_nothing_and_counts_nothing() {
    let mut plan = plan();
    for id in 1..=50 {
        let names = [format!("d{id}"), "a".to_owned()];
        plan.insert(message(id, id % 5 + 1, id, &[&names[0], &names[1]]), route);
    }
    assert_eq!(plan.counts().waiting.iter().sum::<usize>(), 100);
    assert_eq!(one_by_one(&mut plan, NOW).len(), 100);
    assert_eq!(plan.counts(), Counts::default());
    assert!(plan.looks.is_empty());
    assert!(plan.lanes.is_empty() && plan.lane_ids.is_empty() && plan.eligible.is_empty());
    assert_eq!(
        (plan.running, plan.content_octets, plan.envelopes),
        (0, 0, 0)
    );
}

#[test]
fn put_back_entries_wait_for_their_time() {
    let mut plan = plan();
    plan.insert(message(1, 3, 0, &["a"]), route);
    let claim = plan.next(NOW).expect("ready");
    plan.put_back(&claim, NOW + Duration::from_secs(5));
    plan.abandoned(&claim.destination, claim.priority);
    assert!(plan.next(NOW).is_none());
    let again = plan.next(NOW + Duration::from_secs(5)).expect("due");
    assert!(again.message.is_none());
}

#[test]
fn a_destination_that_asks_to_slow_down_is_paused_and_gets_half_while_others_go_on() {
    let mut plan = plan();
    for id in 1..=6 {
        plan.insert(message(id, 3, 0, &["a"]), route);
    }
    plan.insert(message(7, 3, 0, &["b"]), route);
    assert_eq!(ids(&mut plan, NOW), [1, 2, 7], "two at a time for each");
    let (until, window) = plan
        .slow_down(&domain("a"), Priority::Normal, NOW)
        .expect("it is known");
    assert_eq!((until, window), (NOW + Duration::from_secs(1), 1));
    plan.finished(&domain("a"), Priority::Normal, NOW);
    assert_eq!(
        ids(&mut plan, NOW),
        [] as [i64; 0],
        "it is paused, urgent or not"
    );
    assert_eq!(plan.next_due(NOW), Some(until));
    assert_eq!(ids(&mut plan, until), [3], "one at a time from then on");
    let (again, _) = plan
        .slow_down(&domain("a"), Priority::Normal, until)
        .expect("it is known");
    assert_eq!(again, until + Duration::from_secs(2), "twice as long");
    for _ in 0..20 {
        let later = plan.next_due(NOW).unwrap_or(again).max(again);
        if let Some(claim) = plan.next(later) {
            plan.finished(&claim.destination, claim.priority, later);
        }
        plan.insert(message(100, 3, 0, &["a"]), route);
    }
    plan.insert(message(8, 3, 0, &["a"]), route);
    let widened = ids(&mut plan, again + Duration::from_secs(60)).len();
    assert_eq!(widened, 2, "successes give the slots back");
}

#[test]
fn a_rate_spaces_what_starts_and_others_do_not_wait_for_it() {
    let mut limits = limits();
    let named = Named {
        concurrency: Some(3),
        rate: Some(2.0),
    };
    limits.named.insert("a".to_owned(), named);
    let mut plan = Plan::new(limits);
    for id in 1..=3 {
        plan.insert(message(id, 1, 0, &["a"]), route);
    }
    plan.insert(message(4, 5, 0, &["b"]), route);
    assert_eq!(ids(&mut plan, NOW), [1, 4]);
    let next = plan.next_due(NOW).expect("there is more");
    assert!(
        next > NOW && next <= NOW + Duration::from_millis(501),
        "{next}"
    );
    assert_eq!(ids(&mut plan, next), [2]);
}

#[test]
fn what_is_parked_is_gone_and_what_runs_stays() {
    let mut plan = plan();
    for (id, name) in [(1, "a"), (2, "a"), (3, "a"), (4, "b")] {
        plan.insert(message(id, 3, 0, &[name]), route);
    }
    let running = plan.next(NOW).expect("one is ready");
    plan.park(|_, destination, _| *destination == domain("a"));
    assert_eq!(ids(&mut plan, NOW), [4]);
    plan.finished(&running.destination, running.priority, NOW);
    assert_eq!(plan.counts().ready.iter().sum::<usize>(), 0);
}

#[test]
fn a_retry_tries_a_destination_that_is_left_alone() {
    let mut plan = plan();
    plan.insert(message(1, 3, 0, &["a"]), route);
    plan.insert(message(2, 3, 500_000_000, &["a"]), route);
    let claim = plan.next(NOW).expect("it is due");
    plan.unreachable(&domain("a"), claim.priority, NOW, &refused());
    assert!(plan.hurry(QueueId::from_i64(2), NOW));
    assert!(plan.next(NOW).is_none(), "the destination is left alone");
    assert!(plan.retry(QueueId::from_i64(2), NOW));
    assert_eq!(ids(&mut plan, NOW), [2]);
}
