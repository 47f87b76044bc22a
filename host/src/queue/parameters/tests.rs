//! When a sender is told what.

use super::*;
use crate::queue::Priority;
use crate::smtp::{BodyType, Notify};

const SECOND: i64 = 1000;
const AFTER: Duration = Duration::from_secs(100);

fn meta(parameters: MessageParameters) -> MessageMeta {
    MessageMeta {
        list_id: None,
        username: String::new(),
        reverse_path: Some("anna@a.example".parse().expect("a mailbox")),
        priority: Priority::Normal,
        body: BodyType::SevenBit,
        parameters,
        subject: String::new(),
        message_id: String::new(),
        session_id: String::new(),
        rule: String::new(),
        received_at: Timestamp::from_millis(0),
        expires_at: Timestamp::from_millis(1_000_000 * SECOND),
        way: crate::queue::Way::default(),
        origin: crate::queue::Origin::default(),
    }
}

fn recipient(notify: Option<Notify>, told_s: Option<i64>) -> OpenRecipient {
    OpenRecipient {
        index: 0,
        mailbox: "b@b.example".parse().expect("a mailbox"),
        parameters: RcptParameters {
            notify,
            orcpt: None,
        },
        attempts: 0,
        due_at: Timestamp::default(),
        delay_told_at: told_s.map(|second| Timestamp::from_millis(second * SECOND)),
    }
}

const fn notify(success: bool, failure: bool, delay: bool) -> Option<Notify> {
    Some(Notify {
        success,
        failure,
        delay,
    })
}

fn until(second: i64, mode: DeliverByMode) -> MessageParameters {
    MessageParameters {
        deliver_by: Some(Deadline {
            at: Timestamp::from_millis(second * SECOND),
            mode,
            trace: false,
        }),
        ..MessageParameters::default()
    }
}

#[test]
fn a_deadline_is_absolute_and_its_rest_shrinks() {
    let asked = |seconds| DeliverBy {
        seconds,
        mode: DeliverByMode::Notify,
        trace: true,
    };
    let now = Timestamp::from_millis(50 * SECOND);
    for (seconds, later_s, rest) in [(120, 0, 120), (120, 100, 20), (10, 30, -20), (-5, 0, -5)] {
        let later = now + Duration::from_secs(later_s);
        let left = Deadline::new(asked(seconds), now).remaining(later);
        assert_eq!(left, asked(rest), "{seconds} after {later_s}");
    }
}

#[test]
fn delays_are_told_once_to_who_asked() {
    let plain = MessageParameters::default();
    let late = || until(60, DeliverByMode::Notify);
    let held = MessageParameters {
        held_until: Some(Timestamp::from_millis(500 * SECOND)),
        ..late()
    };
    let delay = notify(false, false, true);
    let cases = [
        (plain.clone(), None, None, None),
        (plain.clone(), notify(true, true, false), None, None),
        (plain.clone(), delay, None, Some(100)),
        (plain, delay, Some(100), None),
        (late(), None, None, Some(60)),
        (late(), None, Some(60), None),
        (late(), Some(Notify::NEVER), None, None),
        (late(), delay, None, Some(60)),
        (
            until(200, DeliverByMode::Notify),
            delay,
            Some(101),
            Some(200),
        ),
        (until(60, DeliverByMode::Return), None, None, None),
        (held, delay, None, Some(500)),
    ];
    for (parameters, notify, told, expected) in cases {
        let meta = meta(parameters);
        let found = meta.delay_notice_at(&recipient(notify, told), AFTER);
        let found_s = found.map(|at| at.as_millis() / SECOND);
        assert_eq!(
            found_s, expected,
            "{:?} {notify:?} {told:?}",
            meta.parameters
        );
    }
}

#[test]
fn a_null_reverse_path_is_told_nothing() {
    let mut meta = meta(until(60, DeliverByMode::Notify));
    meta.reverse_path = None;
    let all = recipient(notify(true, true, true), None);
    assert_eq!(meta.delay_notice_at(&all, AFTER), None);
    assert!(!meta.wants_failure_notice(&all));
    assert!(!meta.wants_success_notice(&all));
    assert!(!meta.wants_trace_notice(&all, false));
}

#[test]
fn failures_are_told_unless_the_sender_said_otherwise() {
    let meta = meta(MessageParameters::default());
    let cases = [
        (None, true, false),
        (Some(Notify::NEVER), false, false),
        (notify(true, false, false), false, true),
        (notify(true, true, false), true, true),
    ];
    for (notify, failure, success) in cases {
        let recipient = recipient(notify, None);
        let wants = (
            meta.wants_failure_notice(&recipient),
            meta.wants_success_notice(&recipient),
        );
        assert_eq!(wants, (failure, success), "{notify:?}");
    }
}

#[test]
fn a_relay_is_told_with_trace_or_where_the_deadline_is_not_kept() {
    let mut meta = meta(until(60, DeliverByMode::Notify));
    let plain = recipient(None, None);
    assert!(!meta.wants_trace_notice(&plain, true));
    assert!(meta.wants_trace_notice(&plain, false));
    if let Some(deadline) = &mut meta.parameters.deliver_by {
        deadline.trace = true;
    }
    assert!(meta.wants_trace_notice(&plain, true));
    assert!(!meta.wants_trace_notice(&recipient(Some(Notify::NEVER), None), true));
}
