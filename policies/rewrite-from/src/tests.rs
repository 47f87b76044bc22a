//! What is to change of which message. Asking the host for it is tried with the host.

use super::*;
use crate::bindings::exports::gatepost::policy::lifecycle::Guest as _;
use crate::bindings::gatepost::policy::types::{Identity, Message, Originators, Priority};

const SHOP: &str = "shop@example.com";
const VISITOR: &str = "visitor@example.net";
const WWW: &str = "www-data@web1.example.net";

fn address(full: &str) -> Address {
    let (local_part, domain) = full.rsplit_once('@').expect("a test address");
    Address {
        full: full.to_owned(),
        local_part: local_part.to_owned(),
        domain: domain.to_owned(),
    }
}

fn identity(domains: &[&str], senders: &[&str]) -> Identity {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Identity {
        username: "s1_1".to_owned(),
        authorized_domains: owned(domains),
        authorized_senders: owned(senders),
        default_priority: Priority::Normal,
        facts: Vec::new(),
    }
}

fn message(from: &[&str], sender: &[&str]) -> Message {
    Message {
        size_bytes: 1000,
        header_from: from.iter().map(|full| address(full)).collect(),
        header_sender: sender.iter().map(|full| address(full)).collect(),
        originators: Originators::Complete,
        subject: String::new(),
        requested_priority: None,
        headers: Vec::new(),
        truncated: false,
        facts: Vec::new(),
    }
}

fn plan(settings: &str, identity: &Identity, message: &Message, mail_from: &str) -> Plan {
    let settings = settings::read(settings).expect(settings);
    let mail_from = (!mail_from.is_empty()).then(|| address(mail_from));
    rewriting::of_message(&settings, identity, message, mail_from.as_ref())
}

/// From, Sender and reverse-path of a message, and what changes of it.
type Case = (
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
    &'static [Change],
);

#[test]
fn only_what_is_not_authorized_changes() {
    use Change::{From, ReversePath, Sender};
    let shop = identity(&["example.org"], &[SHOP, "second@example.com"]);
    let cases: [Case; 8] = [
        (&[SHOP], &[], SHOP, &[]),
        (&["any@example.org"], &[SHOP], "", &[]),
        (&[VISITOR], &[], SHOP, &[From]),
        (&[VISITOR, SHOP], &[], SHOP, &[From]),
        (&[VISITOR, "b@example.net"], &[], "", &[From]),
        (&[SHOP], &[VISITOR], SHOP, &[Sender]),
        (&[SHOP], &[], WWW, &[ReversePath]),
        (&[VISITOR], &[WWW], WWW, &[From, Sender, ReversePath]),
    ];
    for (from, sender, mail_from, changes) in cases {
        let plan = plan("{}", &shop, &message(from, sender), mail_from);
        assert_eq!(plan.changes, changes, "{from:?} {sender:?} {mail_from}");
        let expected = if changes.is_empty() { "" } else { SHOP };
        assert_eq!(plan.address, expected);
    }
}

#[test]
fn the_address_is_the_settings_where_the_user_may_use_it() {
    let settings = r#"{"address":"info@example.org"}"#;
    let form = message(&[VISITOR], &[]);
    let cases: [(&[&str], &[&str], &str, &str); 5] = [
        (
            &["example.org"],
            &[SHOP],
            "info@example.org",
            rule::REWRITTEN,
        ),
        (&["example.org"], &[], "info@example.org", rule::REWRITTEN),
        (&["example.com"], &[SHOP], SHOP, rule::REWRITTEN),
        (&["example.com"], &[], "", rule::NO_ADDRESS),
        (&[], &["not an address", SHOP], SHOP, rule::REWRITTEN),
    ];
    for (domains, senders, expected, rule) in cases {
        let plan = plan(settings, &identity(domains, senders), &form, "");
        assert_eq!(
            (&*plan.address, plan.rule),
            (expected, rule),
            "{domains:?} {senders:?}"
        );
    }
}

#[test]
fn whoever_may_send_as_anyone_is_left_alone() {
    let plan = plan("{}", &identity(&[], &[]), &message(&[VISITOR], &[]), WWW);
    assert_eq!(plan, Plan::nothing(rule::UNRESTRICTED));
}

#[test]
fn a_malformed_message_is_left_to_whoever_judges_it() {
    let mut broken = message(&[VISITOR], &[]);
    broken.originators = Originators::Unreadable;
    let plan = plan("{}", &identity(&[], &[SHOP]), &broken, WWW);
    assert_eq!(plan, Plan::nothing(rule::MALFORMED));
}

#[test]
fn the_reverse_path_changes_at_both_stages_or_at_none() {
    let shop = identity(&[], &[SHOP]);
    let www = address(WWW);
    let keeping = settings::read(r#"{"reverse-path":false}"#).expect("settings");
    let changing = Settings::default();
    let at_mail = |settings| rewriting::of_sender(settings, &shop, Some(&www));
    assert_eq!(at_mail(&changing).changes, [Change::ReversePath]);
    assert_eq!(at_mail(&keeping), Plan::nothing(rule::ENVELOPE_LEFT));
    let kept = plan(
        r#"{"reverse-path":false}"#,
        &shop,
        &message(&[SHOP], &[]),
        WWW,
    );
    assert_eq!(kept, Plan::nothing(rule::AUTHORIZED));
    let null = rewriting::of_sender(&changing, &shop, None);
    assert_eq!(null, Plan::nothing(rule::NULL_SENDER));
}

#[test]
fn the_verdict_passes_and_tells_what_was_replaced() {
    let plan = plan(
        "{}",
        &identity(&[], &[SHOP]),
        &message(&[VISITOR], &[]),
        WWW,
    );
    let verdict = verdict(&plan);
    assert_eq!(verdict.decision, Decision::Pass);
    let facts: Vec<_> = verdict
        .facts
        .iter()
        .map(|fact| (&*fact.name, &*fact.value))
        .collect();
    assert_eq!(facts, [("x.replaced", VISITOR), ("x.address", SHOP)]);
}

#[test]
fn settings_are_checked_when_the_policy_is_loaded() {
    assert_eq!(RewriteFrom::validate_settings("{}".to_owned()), []);
    let problems = RewriteFrom::validate_settings(r#"{"from":"a@b"}"#.to_owned());
    assert_eq!(problems[0].path, "/from");
    assert_eq!(RewriteFrom::describe().name, "rewrite-from");
}
