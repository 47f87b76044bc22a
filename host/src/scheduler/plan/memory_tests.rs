//! What is kept in memory of messages that wait, and what is read when they come next.

use super::tests::{domain, limits, message, route};
use super::*;
use crate::queue::Place;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

#[test]
fn content_and_envelopes_are_kept_only_within_their_limits() {
    let mut plan = Plan::new(Limits {
        content_octets: 300,
        envelopes: 3,
        max_concurrency: 9,
        per_destination: 9,
        ..limits()
    });
    for id in 1..=4 {
        plan.insert(message(id, 3, 0, &["a"]), route);
        plan.trim(QueueId::from_i64(id));
    }
    assert_eq!(plan.content_octets, 200, "a quarter is for what is read");
    let kept: Vec<Option<bool>> = std::iter::from_fn(|| plan.next(NOW))
        .map(|claim| claim.message.map(|message| message.head.is_some()))
        .collect();
    assert_eq!(kept, [Some(true), Some(true), Some(false), None]);
    assert_eq!(plan.content_octets, 0);
}

#[test]
fn what_goes_at_once_needs_no_room() {
    let mut plan = Plan::new(Limits {
        content_octets: 0,
        ..limits()
    });
    let id = QueueId::from_i64(1);
    plan.insert(message(1, 3, 0, &["a"]), route);
    let claim = plan.next(NOW).expect("ready");
    plan.trim(id);
    assert!(claim.message.expect("it is at hand").head.is_some());
    plan.insert(message(1, 3, 0, &["a", "b"]), route);
    plan.trim(id);
    let headless = std::iter::from_fn(|| plan.next(NOW)).filter_map(|claim| claim.message);
    assert_eq!(headless.filter(|it| it.head.is_none()).count(), 2);
    assert_eq!((plan.content_octets, plan.octets), (0, 0));
}

#[test]
fn heads_in_the_log_are_read_together_as_far_as_there_is_memory() {
    let mut plan = Plan::new(Limits {
        content_octets: 250,
        max_concurrency: 9,
        per_destination: 9,
        ..limits()
    });
    let place = |offset| Place {
        segment: 1,
        offset,
        octets: 100,
    };
    for id in 1..=5 {
        let mut message = message(id, 3, 0, &["a"]);
        message.head = None;
        message.place = (id != 2).then(|| place(id));
        plan.insert(message, route);
    }
    let first = plan.next(NOW).expect("ready");
    let wanted = plan.begin_reading_heads(&first.destination, 9);
    let in_database = QueueId::from_i64(2);
    assert_eq!(wanted, [3, 4].map(|id| (QueueId::from_i64(id), place(id))));
    let meanwhile = plan.begin_reading_heads(&first.destination, 9);
    assert_eq!(meanwhile, [], "somebody reads already");
    let head = bytes::Bytes::from_static(&[b'x'; 100]);
    let read = vec![(wanted[0].0, Some(head)), (wanted[1].0, None)];
    plan.end_reading_heads(&first.destination, read);
    let found: Vec<_> = std::iter::from_fn(|| plan.next(NOW))
        .filter_map(|claim| claim.message)
        .map(|it| (it.id.as_i64(), it.head.is_some(), it.place.is_some()))
        .collect();
    let expected = [
        (in_database.as_i64(), false, false),
        (3, true, true),
        (4, false, false),
        (5, false, true),
    ];
    assert_eq!(found, expected);
    assert_eq!((plan.content_octets, plan.octets), (0, 0));
}

#[test]
fn there_is_room_until_envelopes_or_octets_run_short() {
    let room = |envelopes, content_octets| {
        let mut plan = Plan::new(Limits {
            envelopes,
            content_octets,
            ..limits()
        });
        let ids = 1..;
        let fill = ids.take_while(|&id| {
            plan.insert(message(id, 3, 0, &["a"]), route);
            plan.has_room()
        });
        let count = fill.count();
        assert!(plan.next(NOW).is_some());
        assert!(plan.has_room());
        count
    };
    assert_eq!(room(12, 10_000), 9, "three quarters of the envelopes");
    assert_eq!(room(1000, 200), 24, "twelve times what fits into memory");
}

#[test]
fn messages_that_come_next_are_read_together_and_by_one_at_a_time() {
    let mut plan = Plan::new(limits());
    plan.keep_messages(false);
    for id in 1..=5 {
        plan.insert(message(id, 3, 0, &["a"]), route);
    }
    plan.keep_messages(true);
    let claim = plan.next(NOW).expect("it is due");
    assert!(claim.message.is_none());
    let ahead = plan.begin_reading_ahead(&domain("a"), 3);
    let ids: Vec<i64> = ahead.iter().map(|id| id.as_i64()).collect();
    assert_eq!(ids, [2, 3, 4]);
    assert_eq!(
        plan.begin_reading_ahead(&domain("a"), 3),
        [],
        "somebody does"
    );
    // 2 has another priority by now, 3 is as it was, and 9 is not planned.
    let read = [(2, 1), (3, 3), (9, 3)];
    let read = read.map(|(id, priority)| message(id, priority, 0, &["a"]));
    plan.end_reading_ahead(&domain("a"), read.into());
    let has = |plan: &mut Plan| plan.next(NOW).map(|claim| claim.message.is_some());
    assert_eq!(has(&mut plan), Some(false));
    plan.finished(&domain("a"), Priority::Normal, NOW);
    assert_eq!(has(&mut plan), Some(true));
    let ahead = plan.begin_reading_ahead(&domain("a"), 3);
    assert_eq!(ahead.len(), 2, "the next ones");
}
