//! Which settings are usable, what is said about others, and how a list overrides them.

use super::*;
use crate::bindings::gatepost::policy::types::Priority;

use Place::{Envelope, From, Sender};
use Unauthorized::{Alert, Block};

/// Facts as name and value.
type Facts = &'static [(&'static str, &'static str)];
/// Problems as path and a part of the message.
type Problems = &'static [(&'static str, &'static str)];
type Places = &'static [Place];

const ALL: Places = &Place::ALL;

fn settings(unauthorized: Unauthorized, places: &[Place]) -> Settings {
    let mut check = Check::NONE;
    places.iter().for_each(|place| check.insert(*place));
    Settings {
        unauthorized,
        check,
    }
}

fn identity(facts: &[(&str, &str)]) -> Identity {
    let facts = facts.iter().map(|(name, value)| Fact {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
    });
    Identity {
        username: "s1_1".to_owned(),
        authorized_domains: Vec::new(),
        authorized_senders: Vec::new(),
        default_priority: Priority::Normal,
        facts: facts.collect(),
    }
}

#[test]
fn usable_settings_are_read_with_their_defaults() {
    let cases: [(&str, Unauthorized, Places); 7] = [
        ("{}", Block, ALL),
        (r#"{"unauthorized":"alert"}"#, Alert, ALL),
        (r#"{"unauthorized":"block"}"#, Block, ALL),
        (r#"{"check":["from"]}"#, Block, &[From]),
        (
            r#"{"check":["envelope","sender"]}"#,
            Block,
            &[Sender, Envelope],
        ),
        (
            r#"{"unauthorized":"alert","check":["from","sender","envelope"]}"#,
            Alert,
            ALL,
        ),
        (" { \"check\" : [ \"sender\" ] } \n", Block, &[Sender]),
    ];
    for (json, unauthorized, places) in cases {
        assert_eq!(problems(json), [], "{json}");
        let read = Settings::in_force(json, &identity(&[])).expect(json);
        assert_eq!(read, settings(unauthorized, places), "{json}");
    }
}

#[test]
fn unusable_settings_are_explained_where_they_are_wrong() {
    const NOT_A_SETTING: &str =
        "`unauthorised` is not a setting; the settings are `unauthorized` and `check`";
    const EMPTY: &str = "at least one of \"from\", \"sender\" and \"envelope\", not []";
    const NOT_A_PLACE: &str = "must be \"from\", \"sender\" or \"envelope\", not \"mail-from\"";
    let cases: [(&str, Problems); 17] = [
        (
            "",
            &[("", "not a JSON document: expected a value at offset 0")],
        ),
        ("{", &[("", "not a JSON document")]),
        ("{} x", &[("", "not a JSON document")]),
        (
            "[]",
            &[(
                "",
                "must be an object such as {\"unauthorized\": \"block\"}, not []",
            )],
        ),
        ("null", &[("", "not null")]),
        (
            r#"{"unauthorised":"block"}"#,
            &[("/unauthorised", NOT_A_SETTING)],
        ),
        (
            r#"{"a/b~c":1}"#,
            &[("/a~1b~0c", "`a/b~c` is not a setting")],
        ),
        (
            r#"{"unauthorized":"Block"}"#,
            &[("/unauthorized", "\"alert\", not \"Block\"")],
        ),
        (r#"{"unauthorized":true}"#, &[("/unauthorized", "not true")]),
        (
            r#"{"check":"from"}"#,
            &[("/check", "must be an array of at least one of")],
        ),
        (r#"{"check":[]}"#, &[("/check", EMPTY)]),
        (
            r#"{"check":{"from":true}}"#,
            &[("/check", "not {\"from\":true}")],
        ),
        (
            r#"{"check":["from","mail-from"]}"#,
            &[("/check/1", NOT_A_PLACE)],
        ),
        (r#"{"check":["from",3]}"#, &[("/check/1", "not 3")]),
        (
            r#"{"check":["from","from"]}"#,
            &[("/check/1", "repeats \"from\"")],
        ),
        (
            r#"{"check":["from"],"check":["sender"]}"#,
            &[("/check", "stands twice")],
        ),
        (
            r#"{"unauthorized":1,"check":[2]}"#,
            &[("/unauthorized", "not 1"), ("/check/0", "not 2")],
        ),
    ];
    for (json, expected) in cases {
        let found = problems(json);
        assert_eq!(found.len(), expected.len(), "{json}: {found:?}");
        for (problem, (path, part)) in found.iter().zip(expected) {
            assert_eq!(problem.path, *path, "{json}");
            assert!(problem.message.contains(part), "{json}: {found:?}");
        }
        assert!(Settings::in_force(json, &identity(&[])).is_err(), "{json}");
    }
}

#[test]
fn a_long_wrong_value_is_quoted_short() {
    let json = format!(r#"{{"unauthorized":"{}"}}"#, "x".repeat(10_000));
    assert!(problems(&json)[0].message.len() < 120);
}

#[test]
fn the_facts_of_a_list_override_the_settings() {
    let cases: [(&str, Facts, Unauthorized, Places); 6] = [
        ("{}", &[("list.unauthorized", "alert")], Alert, ALL),
        (
            r#"{"unauthorized":"alert"}"#,
            &[("list.unauthorized", "block")],
            Block,
            ALL,
        ),
        ("{}", &[("list.check", "from")], Block, &[From]),
        (
            "{}",
            &[("list.check", "envelope, from")],
            Block,
            &[From, Envelope],
        ),
        (
            r#"{"check":["from"]}"#,
            &[("list.check", "from,sender,envelope")],
            Block,
            ALL,
        ),
        (
            "{}",
            &[("list.name", "alert"), ("account.note", "x")],
            Block,
            ALL,
        ),
    ];
    for (json, facts, unauthorized, places) in cases {
        let read = Settings::in_force(json, &identity(facts)).expect(json);
        assert_eq!(read, settings(unauthorized, places), "{json} {facts:?}");
    }
}

#[test]
fn a_fact_that_cannot_be_read_is_an_error_and_not_a_guess() {
    let cases = [
        ("list.unauthorized", "", "expected `block` or `alert`"),
        (
            "list.unauthorized",
            "quarantine",
            "the fact list.unauthorized is `quarantine`",
        ),
        ("list.check", "", "expected some of from,sender,envelope"),
        ("list.check", "from,", "the fact list.check is `from,`"),
        ("list.check", "From", "the fact list.check is `From`"),
    ];
    for (name, value, expected) in cases {
        let error = Settings::in_force("{}", &identity(&[(name, value)])).expect_err(value);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_schema_names_every_setting_with_its_default() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let defaults: serde_json::Map<String, serde_json::Value> = schema["properties"]
        .as_object()
        .expect("properties")
        .iter()
        .map(|(name, property)| (name.clone(), property["default"].clone()))
        .collect();
    let json = serde_json::Value::Object(defaults).to_string();
    assert_eq!(problems(&json), []);
    assert_eq!(read(&json).0, Settings::default());
}
