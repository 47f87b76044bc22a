//! What slides out when, what is handed out to be stored, and what is forgotten.

use super::*;

const HOUR_MS: i64 = 3_600_000;

fn at(now_ms: i64) -> Asked<'static> {
    Asked {
        policy: "guard",
        key: "s1_1",
        window_s: 3600,
        now_ms,
    }
}

#[test]
fn a_copy_counts_for_itself_and_leaves_nothing_to_store() {
    let counters = Counters::new(1000);
    let asked = Asked {
        policy: "p",
        key: "k",
        window_s: 60,
        now_ms: 0,
    };
    assert_eq!(counters.add(asked, 2), 2);
    let copy = counters.copy();
    assert_eq!(copy.add(asked, 5), 7);
    assert!(copy.take(asked, 1, 10).granted);
    assert_eq!(counters.peek(asked), 2);
    let stored: u64 = counters.take_pending().iter().map(|one| one.amount).sum();
    assert_eq!(stored, 2);
}

#[test]
fn what_other_nodes_counted_is_taken_over_and_nothing_of_ones_own_is_lost() {
    let (one, other) = (Counters::default(), Counters::default());
    one.add(at(0), 5);
    other.add(at(0), 2);
    let stored = one.take_pending();
    other.adopt(stored.clone());
    assert_eq!(other.peek(at(0)), 7, "its own is not stored yet");
    other.adopt(stored);
    assert_eq!(other.peek(at(0)), 7, "the same amounts again add nothing");
    one.add(at(1), 1);
    let mut sum = other.take_pending();
    sum[0].amount += 5;
    one.adopt(sum.clone());
    assert_eq!(one.peek(at(1)), 8);
    other.adopt(sum);
    assert_eq!(other.peek(at(1)), 7);
}

#[test]
fn a_count_leaves_its_window_at_most_one_slot_late_and_never_early() {
    for begin in [0, 1, 59_999, 1_764_000_123_456] {
        let counters = Counters::default();
        assert_eq!(counters.add(at(begin), 2), 2);
        assert_eq!(counters.add(at(begin + HOUR_MS / 2), 3), 5);
        assert_eq!(counters.peek(at(begin + HOUR_MS)), 5);
        assert_eq!(counters.peek(at(begin + HOUR_MS + 60_000)), 3);
        assert_eq!(counters.peek(at(begin + 2 * HOUR_MS)), 0);
    }
}

#[test]
fn windows_of_any_length_slide() {
    for window_s in [1, 7, 60, 86_400, MAX_WINDOW_S] {
        let counters = Counters::default();
        let at = |now_ms| Asked {
            window_s,
            ..at(now_ms)
        };
        let length = i64::from(window_s) * 1000;
        for step in 0..200 {
            let now = 1_764_000_000_000 + step * length / 50;
            let total = counters.add(at(now), 1);
            let expected = u64::try_from(step + 1).expect("positive").min(51);
            assert!(
                (expected..=expected + 1).contains(&total),
                "{window_s}s, {step}: {total}"
            );
        }
    }
}

#[test]
fn policies_keys_and_windows_count_apart() {
    let counters = Counters::default();
    assert_eq!(counters.add(at(0), 1), 1);
    assert_eq!(
        counters.add(
            Asked {
                policy: "other",
                ..at(0)
            },
            1
        ),
        1
    );
    assert_eq!(
        counters.add(
            Asked {
                key: "s1_2",
                ..at(0)
            },
            1
        ),
        1
    );
    assert_eq!(
        counters.add(
            Asked {
                window_s: 60,
                ..at(0)
            },
            1
        ),
        1
    );
    assert_eq!(counters.add(at(0), 1), 2);
}

#[test]
fn a_share_is_granted_up_to_the_limit_and_tells_how_long_to_wait() {
    let counters = Counters::default();
    for total in 1..=3 {
        let share = counters.take(at(0), 1, 3);
        assert_eq!((share.granted, share.total, share.wait_s), (true, total, 0));
    }
    let refused = counters.take(at(HOUR_MS / 2), 1, 3);
    assert_eq!((refused.granted, refused.total), (false, 3));
    let free_at = HOUR_MS / 2 + i64::from(refused.wait_s) * 1000;
    assert!(!counters.take(at(free_at - 1000), 1, 3).granted);
    assert!(counters.take(at(free_at), 1, 3).granted);
    let never = counters.take(at(free_at), 4, 3);
    assert_eq!((never.granted, never.wait_s), (false, 3600));
}

#[test]
fn messages_at_the_same_time_come_in_any_order() {
    let counters = Counters::default();
    assert_eq!(counters.add(at(120_000), 1), 1);
    assert_eq!(counters.add(at(59_000), 1), 2);
    assert_eq!(counters.peek(at(120_000)), 2);
}

#[test]
fn a_clock_that_was_set_back_does_not_count_what_is_far_ahead() {
    let counters = Counters::default();
    counters.add(at(100 * HOUR_MS), 9);
    assert_eq!(counters.add(at(HOUR_MS), 1), 1);
}

#[test]
fn a_sum_stays_at_the_largest_number() {
    let counters = Counters::default();
    let count = PolicyCount {
        policy: "guard".to_owned(),
        key: "s1_1".to_owned(),
        window_s: 3600,
        slot: 0,
        amount: u64::MAX,
        expires_at_ms: 0,
    };
    counters.restore(vec![count]);
    assert_eq!(counters.add(at(0), u32::MAX), u64::MAX);
    assert!(!counters.take(at(0), 1, u64::MAX - 1).granted);
}

#[test]
fn what_was_stored_counts_after_a_restart() {
    let before = Counters::default();
    before.add(at(0), 2);
    before.add(at(1000), 1);
    before.add(at(HOUR_MS / 2), 4);
    let mut stored = before.take_pending();
    stored.sort_by_key(|count| count.slot);
    let told: Vec<_> = stored
        .iter()
        .map(|one| (one.slot, one.amount, one.expires_at_ms))
        .collect();
    assert_eq!(told, [(0, 3, 3_660_000), (30, 4, 3_660_000 + HOUR_MS / 2)]);
    assert!(before.take_pending().is_empty());

    let after = Counters::default();
    after.restore(stored);
    assert!(
        after.take_pending().is_empty(),
        "what is stored is not stored again"
    );
    for now in [HOUR_MS / 2, HOUR_MS, HOUR_MS + 60_000, 2 * HOUR_MS] {
        assert_eq!(after.peek(at(now)), before.peek(at(now)), "{now}");
    }
}

#[test]
fn what_could_not_be_stored_is_handed_out_again() {
    let counters = Counters::default();
    counters.add(at(0), 2);
    let pending = counters.take_pending();
    counters.add(at(0), 3);
    counters.put_back(pending);
    let pending = counters.take_pending();
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].amount, 5);
}

#[test]
fn more_counters_than_there_is_room_for_push_out_those_not_used() {
    let counters = Counters::new(32);
    let of = |key| Asked { key, ..at(0) };
    let keys: Vec<String> = (0..1000).map(|number| format!("k{number}")).collect();
    counters.add(of("mine"), 7);
    for key in &keys {
        counters.add(of(key), 1);
        assert_eq!(counters.peek(of("mine")), 7, "{key}");
        assert!(counters.state.lock().policies["guard"].windows.len() <= 32);
    }
    assert_eq!(counters.peek(of(&keys[0])), 0);
    assert_eq!(counters.peek(of(&keys[999])), 1);
}

#[test]
fn what_has_run_out_makes_room_first() {
    let counters = Counters::new(32);
    for number in 0..31 {
        counters.add(
            Asked {
                key: &number.to_string(),
                ..at(0)
            },
            1,
        );
    }
    counters.add(
        Asked {
            key: "kept",
            window_s: 86_400,
            ..at(0)
        },
        1,
    );
    counters.add(
        Asked {
            key: "new",
            ..at(2 * HOUR_MS)
        },
        1,
    );
    let state = counters.state.lock();
    assert_eq!(state.policies["guard"].windows.len(), 2);
}
