//! Messages whose sender cannot be told.

use super::*;

/// A From that is missing or unreadable: user, settings, originators, decision, alerts.
#[test]
fn a_sender_that_cannot_be_told_is_malformed_for_everyone() {
    type Expected = (&'static str, &'static str, &'static [&'static str]);
    use Originators::{Complete, Missing, Unreadable};
    const BOTH: &[&str] = &["originator-malformed", "sender-not-authorized"];
    const ONE: &[&str] = &["originator-malformed"];
    let cases: [(Case, &str, Originators, Expected); 12] = [
        (
            GOOD,
            BLOCK,
            Missing,
            ("550 5.6.0", "originator-missing", BOTH),
        ),
        (
            GOOD,
            BLOCK,
            Unreadable,
            ("550 5.6.0", "originator-unreadable", BOTH),
        ),
        (
            GOOD,
            BLOCK,
            Complete,
            ("550 5.6.0", "originator-missing", BOTH),
        ),
        (GOOD, ALERT, Missing, ("accept", "originator-missing", BOTH)),
        (
            GOOD,
            ALERT,
            Unreadable,
            ("accept", "originator-unreadable", BOTH),
        ),
        (
            GOOD,
            ALERT,
            Complete,
            ("accept", "originator-missing", BOTH),
        ),
        (
            FREE,
            BLOCK,
            Missing,
            ("550 5.6.0", "originator-missing", ONE),
        ),
        (
            FREE,
            BLOCK,
            Unreadable,
            ("550 5.6.0", "originator-unreadable", ONE),
        ),
        (
            FREE,
            BLOCK,
            Complete,
            ("550 5.6.0", "originator-missing", ONE),
        ),
        (FREE, ALERT, Missing, ("accept", "originator-missing", ONE)),
        (
            FREE,
            ALERT,
            Unreadable,
            ("accept", "originator-unreadable", ONE),
        ),
        (FREE, ALERT, Complete, ("accept", "originator-missing", ONE)),
    ];
    for (case, settings, originators, (decision, rule, alerts)) in cases {
        let verdict = Case {
            settings,
            originators,
            from: "",
            ..case
        }
        .evaluate();
        assert_eq!(
            (&*word(&verdict), &*verdict.rule),
            (decision, rule),
            "{originators:?}"
        );
        assert_eq!(codes(&verdict), alerts, "{settings} {originators:?}");
    }
}

#[test]
fn an_unreadable_part_beside_an_authorized_address_is_malformed() {
    let originators = Originators::Unreadable;
    let verdict = Case {
        originators,
        ..GOOD
    }
    .evaluate();
    assert_eq!(
        (&*word(&verdict), &*verdict.rule),
        ("550 5.6.0", "originator-unreadable")
    );
    assert!(
        text(&verdict).contains("From or Sender"),
        "{}",
        text(&verdict)
    );
}

#[test]
fn the_unauthorized_addresses_of_a_malformed_message_are_named_in_the_alert() {
    let case = Case {
        originators: Originators::Unreadable,
        from: "bob@example.net",
        ..GOOD
    };
    let verdict = case.evaluate();
    assert_eq!(word(&verdict), "550 5.6.0");
    assert!(verdict.alerts[1].summary.contains("bob@example.net (From)"));
}

#[test]
fn fields_that_are_not_checked_may_be_missing_or_unreadable() {
    use Originators::{Missing, Unreadable};
    let cases = [
        (r#"{"check":["envelope"]}"#, Missing, "accept"),
        (r#"{"check":["envelope"]}"#, Unreadable, "accept"),
        (r#"{"check":["sender"]}"#, Missing, "accept"),
        (r#"{"check":["sender"]}"#, Unreadable, "550 5.6.0"),
        (r#"{"check":["from"]}"#, Missing, "550 5.6.0"),
        (r#"{"check":["from"]}"#, Unreadable, "550 5.6.0"),
    ];
    for (settings, originators, expected) in cases {
        let verdict = Case {
            settings,
            originators,
            from: "",
            ..GOOD
        }
        .evaluate();
        assert_eq!(word(&verdict), expected, "{settings} {originators:?}");
    }
}
