//! What settings and lists change.

use super::*;

#[test]
fn block_is_the_default() {
    let verdict = Case {
        settings: "{}",
        from: "bob@example.net",
        ..GOOD
    }
    .evaluate();
    assert_eq!(word(&verdict), "550 5.7.1");
}

#[test]
fn a_list_overrides_the_mode() {
    const TO_ALERT: Facts = &[("list.id", "1"), ("list.unauthorized", "alert")];
    const TO_BLOCK: Facts = &[("list.unauthorized", "block")];
    let cases: [(&str, Facts, &str); 4] = [
        (BLOCK, TO_ALERT, "accept"),
        (ALERT, TO_BLOCK, "550 5.7.1"),
        (BLOCK, TO_BLOCK, "550 5.7.1"),
        (ALERT, TO_ALERT, "accept"),
    ];
    for (settings, facts, expected) in cases {
        let case = Case {
            settings,
            facts,
            from: "bob@example.net",
            ..GOOD
        };
        assert_eq!(word(&case.evaluate()), expected, "{settings} {facts:?}");
    }
}

/// Which unauthorized place is refused under which `check`.
#[test]
fn only_the_checked_places_must_be_authorized() {
    const FROM: Case = Case {
        from: "bob@example.net",
        ..GOOD
    };
    const SENDER: Case = Case {
        sender: "bob@example.net",
        ..GOOD
    };
    const ENVELOPE: Case = Case {
        mail_from: "bob@example.net",
        ..GOOD
    };
    let cases = [
        (r#"{"check":["from"]}"#, [true, false, false]),
        (r#"{"check":["sender"]}"#, [false, true, false]),
        (r#"{"check":["envelope"]}"#, [false, false, true]),
        (r#"{"check":["from","sender"]}"#, [true, true, false]),
        (r#"{"check":["from","envelope"]}"#, [true, false, true]),
        (r#"{"check":["sender","envelope"]}"#, [false, true, true]),
        (
            r#"{"check":["from","sender","envelope"]}"#,
            [true, true, true],
        ),
    ];
    for (settings, refused) in cases {
        for (case, refused) in [FROM, SENDER, ENVELOPE].into_iter().zip(refused) {
            let expected = if refused { "550 5.7.1" } else { "accept" };
            let verdict = Case { settings, ..case }.evaluate();
            assert_eq!(word(&verdict), expected, "{settings} {}", case.from);
        }
    }
}

#[test]
fn a_list_overrides_the_checked_places() {
    let facts: Facts = &[("list.check", "from,sender")];
    let case = Case {
        facts,
        mail_from: "bounce@esp.example",
        ..GOOD
    };
    assert_eq!(word(&case.evaluate()), "accept");
    assert_eq!(case.on_sender().rule, "envelope-unchecked");
}

#[test]
fn an_accepted_message_gets_a_priority_and_a_refused_one_none() {
    assert_eq!(GOOD.evaluate().priority, Some(Priority::High));
    let refused = Case {
        from: "bob@example.net",
        ..GOOD
    };
    assert_eq!(refused.evaluate().priority, None);
}

#[test]
fn settings_that_cannot_be_read_are_a_failure_and_not_a_verdict() {
    let request = message_stage::Request {
        settings: r#"{"unauthorized":"perhaps"}"#.to_owned(),
        session: GOOD.session(),
        envelope: GOOD.envelope(),
        message: GOOD.message(),
        effective_priority: Priority::Normal,
    };
    let error = SenderRules::evaluate(request).expect_err("not a verdict");
    assert!(
        error.starts_with("settings/unauthorized: must be"),
        "{error}"
    );
}
