//! MAIL and RCPT, before the upload.

use super::*;

#[test]
fn the_reverse_path_is_judged_before_the_upload() {
    let cases = [
        (GOOD, BLOCK, "info@example.com", "accept", "authorized"),
        (GOOD, BLOCK, "BOSS@example.org", "accept", "authorized"),
        (GOOD, BLOCK, "", "pass", "null-sender"),
        (GOOD, ALERT, "", "pass", "null-sender"),
        (
            GOOD,
            BLOCK,
            "bob@example.net",
            "550 5.7.1",
            "unauthorized-block",
        ),
        (
            GOOD,
            BLOCK,
            "bob@example.com.evil.net",
            "550 5.7.1",
            "unauthorized-block",
        ),
        (GOOD, ALERT, "bob@example.net", "pass", "unauthorized-alert"),
        (GOOD, ALERT, "info@example.com", "accept", "authorized"),
        (
            GOOD,
            r#"{"check":["from"]}"#,
            "bob@example.net",
            "pass",
            "envelope-unchecked",
        ),
        (FREE, BLOCK, "bob@example.net", "accept", "unrestricted"),
        (FREE, BLOCK, "", "pass", "null-sender"),
    ];
    for (case, settings, mail_from, decision, rule) in cases {
        let verdict = Case {
            settings,
            mail_from,
            ..case
        }
        .on_sender();
        assert_eq!(
            (&*word(&verdict), &*verdict.rule),
            (decision, rule),
            "{mail_from}"
        );
        let refused = decision.starts_with('5');
        assert_eq!(codes(&verdict).len(), usize::from(refused), "{mail_from}");
        assert_eq!(verdict.priority, None, "{mail_from}");
    }
}

#[test]
fn both_stages_refuse_a_reverse_path_with_the_same_words() {
    let case = Case {
        mail_from: "bob@example.net",
        ..GOOD
    };
    assert_eq!(case.on_sender().decision, case.evaluate().decision);
}

#[test]
fn recipients_pass() {
    let request = envelope_stage::Request {
        settings: "{}".to_owned(),
        session: GOOD.session(),
        envelope: GOOD.envelope(),
    };
    let verdict =
        SenderRules::on_recipient(request, address("any@example.net")).expect("a verdict");
    assert_eq!(
        (&*word(&verdict), &*verdict.rule),
        ("pass", "recipient-unchecked")
    );
}
