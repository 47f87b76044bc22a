//! The decisions, with windows that are kept here.

use std::collections::HashMap;

use super::*;
use crate::bindings::exports::gatepost::policy::lifecycle::Guest as _;
use crate::bindings::gatepost::policy::types::{
    Address, Decision, Envelope, Identity, Message, Originators, Priority, Session,
};

/// Windows that never slide.
#[derive(Default)]
struct Still(HashMap<(String, u32), u64>);

impl Still {
    fn total(&mut self, key: &str, window_s: u32) -> &mut u64 {
        self.0.entry((key.to_owned(), window_s)).or_default()
    }
}

impl Counters for Still {
    fn peek(&mut self, key: &str, window_s: u32) -> Result<u64, String> {
        Ok(*self.total(key, window_s))
    }

    fn add(&mut self, key: &str, amount: u32, window_s: u32) -> Result<u64, String> {
        *self.total(key, window_s) += u64::from(amount);
        self.peek(key, window_s)
    }

    fn take(&mut self, key: &str, amount: u32, limit: u64, window_s: u32) -> Result<Share, String> {
        let granted = self.peek(key, window_s)? + u64::from(amount) <= limit;
        if granted {
            self.add(key, amount, window_s)?;
        }
        let wait_s = if granted { 0 } else { 90 };
        Ok(Share { granted, wait_s })
    }
}

fn request(username: &str, recipients: usize) -> Request {
    let recipient = Address {
        full: "to@example.net".to_owned(),
        local_part: "to".to_owned(),
        domain: "example.net".to_owned(),
    };
    Request {
        settings: String::new(),
        session: Session {
            id: "session".to_owned(),
            identity: Identity {
                username: username.to_owned(),
                authorized_domains: Vec::new(),
                authorized_senders: Vec::new(),
                default_priority: Priority::Normal,
                facts: Vec::new(),
            },
            client_ip: "192.0.2.1".to_owned(),
            helo: "client.example".to_owned(),
            tls: None,
            received_at_ms: 0,
            facts: Vec::new(),
        },
        envelope: Envelope {
            mail_from: None,
            recipients: vec![recipient; recipients],
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

struct Relay {
    settings: settings::Settings,
    counters: Still,
}

impl Relay {
    fn new(settings: &str) -> Self {
        Self {
            settings: settings::read(settings).expect(settings),
            counters: Still::default(),
        }
    }

    fn send(&mut self, username: &str, recipients: usize) -> Verdict {
        let request = request(username, recipients);
        guard::judge(&self.settings, &request, &mut self.counters).expect("a verdict")
    }

    fn rules(&mut self, username: &str, recipients: &[usize]) -> Vec<String> {
        let send = |count: &usize| self.send(username, *count).rule;
        recipients.iter().map(send).collect()
    }
}

#[test]
fn a_user_may_send_as_many_messages_as_its_limit_and_no_more() {
    let mut relay = Relay::new(r#"{"messages-per-hour":2}"#);
    let rules = relay.rules("s1_1", &[1, 5, 1, 1]);
    assert_eq!(
        rules,
        ["within-limits", "within-limits", "over-limit", "over-limit"]
    );
    assert_eq!(relay.send("s1_2", 1).rule, "within-limits");
}

#[test]
fn recipients_are_counted_each() {
    let mut relay = Relay::new(r#"{"recipients-per-day":10}"#);
    let rules = relay.rules("s1_1", &[6, 5, 4, 1]);
    assert_eq!(
        rules,
        ["within-limits", "over-limit", "within-limits", "over-limit"]
    );
}

#[test]
fn a_deferred_message_is_counted_in_no_window() {
    let mut relay = Relay::new(r#"{"messages-per-day":100,"recipients-per-hour":3}"#);
    relay.rules("s1_1", &[3, 1, 1, 1]);
    assert_eq!(*relay.counters.total("messages/s1_1", 86_400), 1);
    assert_eq!(*relay.counters.total("recipients/s1_1", 3_600), 3);
}

#[test]
fn the_reply_and_the_alert_say_which_limit_and_what_to_do() {
    let mut relay = Relay::new(r#"{"messages-per-hour":1}"#);
    relay.send("s1_1", 1);
    let verdict = relay.send("s1_1", 1);
    let Decision::Defer(Some(reply)) = verdict.decision else {
        panic!("not deferred: {verdict:?}");
    };
    assert_eq!((reply.code, reply.enhanced.class), (451, 4));
    assert_eq!(
        reply.text,
        "User s1_1 has reached its limit of 1 messages in an hour; send the message again in 2 min, as \
         mail programs do by themselves, or ask your administrator for a higher limit"
    );
    let alert = &verdict.alerts[0];
    assert_eq!(alert.code, "rate-exceeded");
    let summary =
        "user s1_1 is beyond its limit of 1 messages in an hour; the message was deferred";
    assert_eq!(alert.summary, summary);
}

#[test]
fn a_message_that_can_never_be_within_the_limit_is_refused_for_good() {
    let mut relay = Relay::new(r#"{"messages-per-hour":9,"recipients-per-hour":10}"#);
    let verdict = relay.send("s1_1", 11);
    assert!(matches!(&verdict.decision, Decision::Reject(Some(reply)) if reply.code == 550));
    assert_eq!(verdict.rule, "too-many-recipients");
    assert_eq!(relay.rules("s1_1", &[10]), ["within-limits"]);
}

#[test]
fn in_alert_mode_everything_is_sent_and_the_first_beyond_alerts() {
    let mut relay = Relay::new(r#"{"messages-per-hour":2,"over":"alert"}"#);
    let sent: Vec<_> = (0..5).map(|_| relay.send("s1_1", 1)).collect();
    let alerts: Vec<_> = sent.iter().map(|verdict| verdict.alerts.len()).collect();
    assert_eq!(alerts, [0, 0, 1, 0, 0]);
    assert!(
        sent.iter()
            .all(|verdict| verdict.decision == Decision::Pass)
    );
    assert_eq!(sent[4].rule, "over-limit-alert");
    assert_eq!(*relay.counters.total("messages/s1_1", 3_600), 5);
}

#[test]
fn the_longest_names_fit_into_a_reply() {
    let mut relay = Relay::new(r#"{"messages-per-hour":1}"#);
    let username = "u".repeat(5_000);
    relay.send(&username, 1);
    let verdict = relay.send(&username, 1);
    let Decision::Defer(Some(reply)) = verdict.decision else {
        panic!("not deferred: {verdict:?}");
    };
    assert!(reply.text.len() < 450 && reply.text.ends_with("higher limit"));
    assert!(verdict.alerts[0].summary.len() < 500);
}

#[test]
fn settings_are_checked_when_the_policy_is_loaded() {
    let valid = RateGuard::validate_settings(r#"{"messages-per-day":1}"#.to_owned());
    assert_eq!(valid, []);
    let problems = RateGuard::validate_settings(r#"{"per-day":1}"#.to_owned());
    assert_eq!(problems[0].path, "/per-day");
    assert_eq!(RateGuard::describe().name, "rate-guard");
}
