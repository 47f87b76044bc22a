//! The decisions as a table, asked through the exported functions.

use super::*;
use crate::bindings::exports::gatepost::policy::lifecycle::Guest as _;
use crate::bindings::gatepost::policy::types::{
    Address, Envelope, Header, Identity, Message, Originators, Priority, Session,
};
use message_stage::Guest as _;

/// Monday 2026-01-05T12:00:00Z.
const MONDAY_NOON_MS: u64 = 1_767_614_400_000;
const HOUR_MS: u64 = 3_600_000;

/// A message that is not bulk, within the default hours.
fn request() -> Request {
    Request {
        settings: "{}".to_owned(),
        session: Session {
            id: "session".to_owned(),
            identity: Identity {
                username: "s1_2".to_owned(),
                authorized_domains: Vec::new(),
                authorized_senders: Vec::new(),
                default_priority: Priority::Normal,
                facts: Vec::new(),
            },
            client_ip: "192.0.2.1".to_owned(),
            helo: "client.example".to_owned(),
            tls: None,
            received_at_ms: MONDAY_NOON_MS,
            facts: Vec::new(),
        },
        envelope: Envelope {
            mail_from: None,
            recipients: recipients(1),
        },
        message: Message {
            size_bytes: 1000,
            header_from: Vec::new(),
            header_sender: Vec::new(),
            originators: Originators::Complete,
            subject: String::new(),
            requested_priority: None,
            headers: Vec::new(),
            truncated: false,
            facts: Vec::new(),
        },
        effective_priority: Priority::Normal,
    }
}

fn recipients(count: usize) -> Vec<Address> {
    let address = |number| Address {
        full: format!("to{number}@example.net"),
        local_part: format!("to{number}"),
        domain: "example.net".to_owned(),
    };
    (0..count).map(address).collect()
}

fn at_night(change: impl Fn(&mut Request)) -> Request {
    let mut request = request();
    request.session.received_at_ms += 12 * HOUR_MS;
    change(&mut request);
    request
}

fn rule_of(request: Request) -> String {
    WorkingHours::evaluate(request).expect("a verdict").rule
}

fn with_field(name: &str) -> impl Fn(&mut Request) {
    let name = name.to_owned();
    move |request| {
        request.message.headers = vec![Header {
            name: name.clone(),
            value: String::new(),
        }];
    }
}

#[test]
fn bulk_mail_outside_the_hours_is_deferred() {
    let bulk = [
        at_night(|request| request.envelope.recipients = recipients(50)),
        at_night(|request| request.effective_priority = Priority::Low),
        at_night(|request| request.effective_priority = Priority::Lowest),
        at_night(with_field("list-unsubscribe")),
    ];
    for request in bulk {
        let verdict = WorkingHours::evaluate(request).expect("a verdict");
        assert_eq!(verdict.rule, rule::OUTSIDE_HOURS);
        assert!(
            matches!(verdict.decision, Decision::Defer(Some(_))),
            "{verdict:?}"
        );
    }
}

#[test]
fn other_mail_leaves_at_any_time() {
    let other = [
        at_night(|_| {}),
        at_night(|request| request.envelope.recipients = recipients(49)),
        at_night(|request| request.effective_priority = Priority::Highest),
        at_night(with_field("Subject")),
    ];
    for request in other {
        assert_eq!(rule_of(request), rule::NOT_BULK);
    }
}

#[test]
fn bulk_mail_leaves_within_the_hours() {
    let mut request = request();
    request.envelope.recipients = recipients(500);
    assert_eq!(rule_of(request), rule::WITHIN_HOURS);
}

#[test]
fn the_clock_is_the_requests_and_the_zone_the_settings() {
    let mut late = request();
    late.effective_priority = Priority::Low;
    late.session.received_at_ms += 7 * HOUR_MS;
    assert_eq!(rule_of(late.clone()), rule::OUTSIDE_HOURS);
    late.settings = r#"{"utc-offset":"-02:00"}"#.to_owned();
    assert_eq!(rule_of(late), rule::WITHIN_HOURS);
}

#[test]
fn the_reply_says_why_when_and_what_to_do() {
    let mut request = at_night(|request| request.effective_priority = Priority::Low);
    request.settings = r#"{"days":["mon"],"utc-offset":"+01:00"}"#.to_owned();
    let verdict = WorkingHours::evaluate(request).expect("a verdict");
    let Decision::Defer(Some(reply)) = verdict.decision else {
        panic!("not deferred: {verdict:?}");
    };
    assert_eq!((reply.code, reply.enhanced.class), (451, 4));
    assert_eq!(
        reply.text,
        "Bulk mail (priority 4) is taken mon 08:00-18:00 UTC+01:00, in 151 h 0 min; send the message \
         again then, as mail programs do by themselves"
    );
    assert_eq!(verdict.facts[0].value, "priority 4");
}

#[test]
fn the_longest_reply_fits_into_a_line() {
    let field = "X".repeat(10_000);
    let mut request = at_night(with_field(&field));
    request.settings = format!(r#"{{"bulk-headers":["{field}"]}}"#);
    let verdict = WorkingHours::evaluate(request).expect("a verdict");
    let Decision::Defer(Some(reply)) = verdict.decision else {
        panic!("not deferred: {verdict:?}");
    };
    assert!(reply.text.len() <= MAX_REPLY && reply.text.ends_with("by themselves"));
}

#[test]
fn settings_are_checked_when_the_policy_is_loaded() {
    assert_eq!(WorkingHours::validate_settings("{}".to_owned()), []);
    let problems = WorkingHours::validate_settings(r#"{"openes":"08:00"}"#.to_owned());
    assert_eq!(problems[0].path, "/openes");
}

#[test]
fn it_describes_itself() {
    let descriptor = WorkingHours::describe();
    assert_eq!(descriptor.name, "working-hours");
    assert_eq!(descriptor.settings_schema, settings::SCHEMA);
}
