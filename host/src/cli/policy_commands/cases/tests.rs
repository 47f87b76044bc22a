use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::policy::document::{Request, Stage};
use crate::policy::types;

fn cases(text: &str) -> Vec<Case> {
    read(text, Path::new("")).unwrap_or_else(|error| panic!("{error}"))
}

fn problem(text: &str) -> String {
    read(text, Path::new("")).expect_err(text).to_string()
}

fn request(case: &Case) -> Request {
    let settings: Arc<str> = "{}".into();
    match case.form.question(&settings) {
        Ok(Asked::Question(request)) => *request,
        other => panic!("{other:?}"),
    }
}

fn message(request: &Request) -> &types::Message {
    match &request.stage {
        Stage::Message { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

fn full(addresses: &[types::Address]) -> Vec<&str> {
    addresses.iter().map(|one| one.full.as_str()).collect()
}

/// The example of the documentation is a file of cases; `tests/it` runs it.
#[test]
fn the_documented_example_is_valid() {
    let documentation = include_str!("../../../../../wit/TESTING.md");
    let example = documentation
        .split("```toml")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("an example");
    let names: Vec<_> = cases(example).into_iter().map(|case| case.name).collect();
    assert_eq!(names.len(), 5, "{names:?}");
    let document = documentation
        .split("```json")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("a document");
    let request: Request = crate::policy::document::from_json(document).expect("a request");
    assert_eq!(message(&request).subject, "Hello");
}

#[test]
fn raw_text_is_read_by_the_relay() {
    let text = "[[case]]\nname='x'\nexpect='accept'\nuser={authorized-domains='EXAMPLE.com; b c'}\n\
                message='''\nFrom: =?utf-8?q?=C3=A9?= <Info@M\u{fc}nchen.de>,\n b@x.de\nX-Priority: 1\n\nHi\n'''\n";
    let request = request(&cases(text)[0]);
    let identity = &request.session.identity;
    assert_eq!(identity.authorized_domains, ["example.com", "b c"]);
    let message = message(&request);
    assert_eq!(
        full(&message.header_from),
        ["Info@xn--mnchen-3ya.de", "b@x.de"]
    );
    assert_eq!(message.requested_priority, Some(types::Priority::Highest));
    let sender = request.envelope.mail_from.as_ref();
    assert_eq!(
        sender.map(|one| one.full.as_str()),
        Some("Info@xn--mnchen-3ya.de")
    );
    assert_eq!(full(&request.envelope.recipients), ["customer@example.net"]);
    assert_eq!(request.session.received_at_ms, 1_767_614_400_000);
}

#[test]
fn each_sender_is_a_case_of_its_own() {
    let made = "[[case]]\nname='x'\nsenders={'a@x.de'='accept','b@x.de'='reject'}\n";
    let raw = "[[case]]\nname='x'\nmessage='From: {sender}'\nsenders={'a@x.de'='accept','b@x.de'='pass'}\n";
    for text in [made, raw] {
        let cases = cases(text);
        let names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["x: a@x.de", "x: b@x.de"]);
        let request = request(&cases[1]);
        assert_eq!(full(&message(&request).header_from), ["b@x.de"], "{text}");
        let envelope = request.envelope.mail_from.clone();
        assert_eq!(envelope.expect("from From").full, "b@x.de", "{text}");
    }
    let envelope = "[[case]]\nname='x'\nfrom='c@x.de'\nsenders={'a@x.de'='accept'}\n";
    let request = request(&cases(envelope)[0]);
    assert_eq!(full(&message(&request).header_from), ["c@x.de"]);
    let sender = request.envelope.mail_from.clone();
    assert_eq!(sender.expect("said").full, "a@x.de");
}

#[test]
fn defaults_fill_up_what_a_case_does_not_say() {
    let text = "[defaults]\nuser={priority=1, note='n'}\nsettings={a=1}\nfrom='a@x.de'\nsubject='S'\nexpect='pass'\n\
                [[case]]\nname='one'\nuser={priority='low'}\nsubject='T'\n\
                [[case]]\nname='two'\nmessage='From: b@x.de'\nsettings={b=2}\nsenders={'c@x.de'='accept'}\n";
    let cases = cases(text);
    let one = request(&cases[0]);
    assert_eq!(one.session.identity.default_priority, types::Priority::Low);
    assert_eq!(cases[0].form.user.note, "n");
    assert_eq!(message(&one).subject, "T");
    assert_eq!(full(&message(&one).header_from), ["a@x.de"]);
    let two = request(&cases[1]);
    assert_eq!(full(&message(&two).header_from), ["b@x.de"]);
    let settings = cases[1].form.settings.clone().unwrap_or_default();
    assert_eq!(settings.to_string().trim(), "b = 2");
}

#[test]
fn facts_take_the_place_of_those_of_the_same_name() {
    let text = "[[case]]\nname='x'\nexpect='pass'\nlist={unauthorized='block'}\n\
                user={facts={'list.unauthorized'='alert','account.sent-1h'=7}}\nsession={facts={'server.port'=25}}\n";
    let request = request(&cases(text)[0]);
    let value = |facts: &[types::Fact], name: &str| -> Vec<String> {
        let found = facts.iter().filter(|fact| fact.name == name);
        found.map(|fact| fact.value.clone()).collect()
    };
    let identity = &request.session.identity.facts;
    assert_eq!(value(identity, "list.unauthorized"), ["alert"]);
    assert_eq!(value(identity, "account.sent-1h"), ["7"]);
    assert_eq!(value(&request.session.facts, "server.port"), ["25"]);
}

#[test]
fn the_stages_of_the_envelope_are_asked_as_the_relay_asks_them() {
    let text = "[defaults]\nexpect='pass'\nrcpt-to=['a@x.de','b@x.de']\nmail-from='m@x.de'\n\
                [[case]]\nname='s'\nstage='sender'\n[[case]]\nname='r'\nstage='recipient'\n\
                [[case]]\nname='n'\nstage='sender'\nmail-from='<>'\n";
    let cases = cases(text);
    let sender = request(&cases[0]);
    assert!(matches!(&sender.stage, Stage::Sender(Some(one)) if one.full == "m@x.de"));
    assert!(sender.envelope.recipients.is_empty());
    let recipient = request(&cases[1]);
    assert!(matches!(&recipient.stage, Stage::Recipient(one) if one.full == "b@x.de"));
    assert_eq!(full(&recipient.envelope.recipients), ["a@x.de"]);
    assert!(matches!(request(&cases[2]).stage, Stage::Sender(None)));
}

#[test]
fn an_error_says_which_case_and_what() {
    let expected = [
        ("", "no [[case]]"),
        ("[[case]]\nexpect='pass'", "case 1: missing field `name`"),
        (
            "[[case]]\nname='x'\nexpect='yes'",
            "case 1, `x`: expect: unknown variant `yes`",
        ),
        (
            "[[case]]\nname='x'\nexpect={}",
            "case 1, `x`: expect: says nothing",
        ),
        (
            "[[case]]\nname='x'\nexpect={codes=1}",
            "expect.codes: unknown field `codes`",
        ),
        (
            "[[case]]\nname='x'\nexpect='pass'\nuser={priority=6}",
            "user.priority: invalid value: integer `6`, expected a priority",
        ),
        ("[[case]]\nname='x'", "say what is expected"),
        (
            "[[case]]\nname='x'\nexpect='pass'\nmessage=''\nfrom='a'",
            "use one of `message`",
        ),
        ("[[case]]\nname='x'\nfrm='a'", "frm: unknown field"),
        ("case = 1\n[[", "TOML parse error at line 2"),
        (
            "x = 1\n[[case]]\nname='x'\nexpect='pass'",
            "unknown key `x`",
        ),
    ];
    for (text, expected) in expected {
        let problem = problem(text);
        assert!(problem.contains(expected), "{text}: {problem}");
    }
}

#[test]
fn what_a_value_lacks_is_told() {
    let settings: Arc<str> = "{}".into();
    let expected = [
        (
            "mail-from='no address'",
            "mail-from: `no address` is not an address",
        ),
        ("session={received-at='now'}", "session.received-at: `now`"),
        ("parameters={mt-priority=11}", "parameters.mt-priority: 11"),
        ("message-base64='?'", "message-base64: "),
        ("message-file='no-such.eml'", "no-such.eml: "),
        (
            "request={stage='message'}",
            "request: missing field `session`",
        ),
    ];
    for (key, expected) in expected {
        let text = format!("[[case]]\nname='x'\nexpect='pass'\n{key}\n");
        let problem = cases(&text)[0].form.question(&settings).expect_err(key);
        assert!(problem.starts_with(expected), "{key}: {problem}");
    }
}

fn outcome() -> Outcome {
    let alert = |code: &str| outcome::AlertLine {
        code: code.to_owned(),
        severity: crate::alert::Severity::Info,
        summary: String::new(),
    };
    Outcome {
        decision: "reject",
        rule: "unauthorized-block".to_owned(),
        reply: Some("550 5.7.1 bob@example.net is not authorized".to_owned()),
        priority: 3,
        alerts: vec![alert("b"), alert("a")],
        facts: vec![outcome::FactLine {
            name: "x.place".to_owned(),
            value: "from".to_owned(),
        }],
        effects: vec![
            "hold: looked at".to_owned(),
            "route to \"archive\"".to_owned(),
        ],
        failure: None,
        fuel: 100,
        micros: 1,
        memory_bytes: 0,
        log: vec!["info: hello".to_owned()],
    }
}

#[test]
fn only_what_is_expected_is_compared() {
    let same = [
        "'reject'",
        "{code=550}",
        "{code='550 5.7.1'}",
        "{text='bob'}",
        "{text=['bob','not auth']}",
        "{priority=3, rule='unauthorized-block'}",
        "{alerts=['a','b']}",
        "{facts={'x.place'='from'}}",
        "{effects=['route to \"archive\"', 'hold: looked at']}",
        "{failure='none', log='hello', max-fuel=100}",
    ];
    let other = [
        ("'accept'", "decision: expected accept, got reject"),
        ("{rule='x'}", "rule: expected x, got unauthorized-block"),
        ("{code=55}", "reply: expected `55 …`, got `550 5.7.1 bob"),
        ("{text='eve'}", "reply: expected `eve` in `550"),
        ("{priority='highest'}", "priority: expected 1, got 3"),
        ("{alerts=[]}", "alerts: expected none, got a, b"),
        (
            "{alerts=['a','a','b']}",
            "alerts: expected a, a, b, got a, b",
        ),
        (
            "{facts={'x.place'='sender'}}",
            "fact x.place: expected sender, got from",
        ),
        (
            "{facts={'x.other'='a'}}",
            "fact x.other: expected a, got none",
        ),
        (
            "{effects=[]}",
            "effects: expected none, got hold: looked at, route",
        ),
        ("{failure='trap'}", "failure: expected trap, got none"),
        ("{log='bye'}", "log: expected `bye` in `info: hello`"),
        ("{max-fuel=99}", "fuel: expected at most 99, got 100"),
    ];
    let expectation = |text: &str| {
        let text = format!("[[case]]\nname='x'\nexpect={text}\n");
        cases(&text)[0].expect.clone()
    };
    for text in same {
        let found = expectation(text).differences(&outcome());
        assert_eq!(found, Vec::<String>::new(), "{text}");
    }
    for (text, expected) in other {
        let found = expectation(text).differences(&outcome());
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with(expected), "{text}: {found:?}");
    }
}
