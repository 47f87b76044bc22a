//! The settings of this policy: read, explained when they are wrong, and overridden per list.

use serde_json::Value;

use crate::bindings::exports::gatepost::policy::lifecycle::Problem;
use crate::bindings::gatepost::policy::types::{Fact, Identity};
use crate::text;

/// The JSON Schema that `describe` hands out.
pub const SCHEMA: &str = include_str!("settings.schema.json");

/// Overrides `unauthorized` for the user's list.
const FACT_UNAUTHORIZED: &str = "list.unauthorized";
/// Overrides `check` for the user's list: the same words, separated by commas.
const FACT_CHECK: &str = "list.check";

/// Longest quotation of a wrong value, in octets.
const MAX_QUOTED: usize = 60;

/// What happens to a message from an unauthorized sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthorized {
    /// Refused, with an alert.
    Block,
    /// Sent, with an alert.
    Alert,
}

impl Unauthorized {
    /// Reads the word used in settings and facts.
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "block" => Some(Self::Block),
            "alert" => Some(Self::Alert),
            _ => None,
        }
    }
}

/// Where a sender's address stands in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A mailbox of the From field.
    From,
    /// A mailbox of the Sender field.
    Sender,
    /// The reverse-path.
    Envelope,
}

impl Place {
    /// Every place, in the order they are checked and reported.
    pub const ALL: [Self; 3] = [Self::From, Self::Sender, Self::Envelope];

    /// The word used in settings and facts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::Sender => "sender",
            Self::Envelope => "envelope",
        }
    }

    /// What people call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::From => "From",
            Self::Sender => "Sender",
            Self::Envelope => "MAIL FROM",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.word() == word)
    }
}

/// The set of places whose addresses must be authorized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check([bool; 3]);

impl Check {
    const NONE: Self = Self([false; 3]);
    const ALL: Self = Self([true; 3]);

    /// True when addresses at `place` must be authorized.
    pub const fn includes(self, place: Place) -> bool {
        self.0[place as usize]
    }

    fn insert(&mut self, place: Place) {
        self.0[place as usize] = true;
    }
}

/// The settings in force for one decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What happens to a message from an unauthorized sender. Default `block`.
    pub unauthorized: Unauthorized,
    /// The places whose addresses must be authorized. Default all three.
    pub check: Check,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            unauthorized: Unauthorized::Block,
            check: Check::ALL,
        }
    }
}

impl Settings {
    /// The settings with the overrides of the user's list.
    ///
    /// # Errors
    ///
    /// Says what is wrong with a setting or a fact: guessing could let a message through that
    /// should be refused, or refuse one for good that should not be.
    pub fn in_force(json: &str, identity: &Identity) -> Result<Self, String> {
        let (mut settings, problems) = read(json);
        if let Some(problem) = problems.first() {
            return Err(format!("settings{}: {}", problem.path, problem.message));
        }
        if let Some(word) = fact(&identity.facts, FACT_UNAUTHORIZED) {
            settings.unauthorized = Unauthorized::from_word(word)
                .ok_or_else(|| fact_problem(FACT_UNAUTHORIZED, word, "`block` or `alert`"))?;
        }
        if let Some(words) = fact(&identity.facts, FACT_CHECK) {
            settings.check = check_of(words)
                .ok_or_else(|| fact_problem(FACT_CHECK, words, "some of from,sender,envelope"))?;
        }
        Ok(settings)
    }
}

/// What is wrong with a settings document; empty when it is usable.
pub fn problems(json: &str) -> Vec<Problem> {
    read(json).1
}

/// The first fact of that name.
fn fact<'a>(facts: &'a [Fact], name: &str) -> Option<&'a str> {
    let fact = facts.iter().find(|fact| fact.name == name)?;
    Some(fact.value.trim())
}

fn fact_problem(name: &str, value: &str, expected: &str) -> String {
    let value = text::ascii(value, MAX_QUOTED);
    format!("the fact {name} is `{value}`; expected {expected}")
}

/// Reads `from,envelope`; none when a word is unknown or there is none.
fn check_of(words: &str) -> Option<Check> {
    let mut check = Check::NONE;
    for word in words.split(',') {
        check.insert(Place::from_word(word.trim())?);
    }
    Some(check)
}

/// Reads every key, so that all problems are reported at once.
fn read(json: &str) -> (Settings, Vec<Problem>) {
    let mut settings = Settings::default();
    let mut problems = Vec::new();
    match serde_json::from_str(json) {
        Ok(Value::Object(keys)) => {
            for (key, value) in &keys {
                match key.as_str() {
                    "unauthorized" => read_unauthorized(value, &mut settings, &mut problems),
                    "check" => read_check(value, &mut settings, &mut problems),
                    unknown => problems.push(unknown_key(unknown)),
                }
            }
        }
        Ok(other) => problems.push(problem(
            String::new(),
            format!(
                "must be an object such as {{\"unauthorized\": \"block\"}}, not {}",
                quoted(&other)
            ),
        )),
        Err(error) => problems.push(problem(
            String::new(),
            format!("not a JSON document: {error}"),
        )),
    }
    (settings, problems)
}

fn read_unauthorized(value: &Value, settings: &mut Settings, problems: &mut Vec<Problem>) {
    match value.as_str().and_then(Unauthorized::from_word) {
        Some(unauthorized) => settings.unauthorized = unauthorized,
        None => problems.push(problem(
            "/unauthorized".to_owned(),
            format!("must be \"block\" or \"alert\", not {}", quoted(value)),
        )),
    }
}

fn read_check(value: &Value, settings: &mut Settings, problems: &mut Vec<Problem>) {
    let Some(words) = value.as_array().filter(|words| !words.is_empty()) else {
        problems.push(problem(
            "/check".to_owned(),
            format!(
                "must be an array of at least one of \"from\", \"sender\" and \"envelope\", not {}",
                quoted(value)
            ),
        ));
        return;
    };
    let mut check = Check::NONE;
    for (index, word) in words.iter().enumerate() {
        let complaint = match word.as_str().and_then(Place::from_word) {
            Some(place) if check.includes(place) => format!("repeats {}", quoted(word)),
            Some(place) => {
                check.insert(place);
                continue;
            }
            None => format!(
                "must be \"from\", \"sender\" or \"envelope\", not {}",
                quoted(word)
            ),
        };
        problems.push(problem(format!("/check/{index}"), complaint));
    }
    settings.check = check;
}

fn unknown_key(key: &str) -> Problem {
    let name = text::ascii(key, MAX_QUOTED);
    let pointer = key.replace('~', "~0").replace('/', "~1");
    problem(
        format!("/{pointer}"),
        format!("`{name}` is not a setting; the settings are `unauthorized` and `check`"),
    )
}

fn problem(path: String, message: String) -> Problem {
    Problem { path, message }
}

/// The value as JSON, shortened.
fn quoted(value: &Value) -> String {
    text::ascii(&value.to_string(), MAX_QUOTED)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            default_priority: crate::bindings::gatepost::policy::types::Priority::Normal,
            facts: facts.collect(),
        }
    }

    #[test]
    fn usable_settings_are_read_with_their_defaults() {
        use Place::{Envelope, From, Sender};
        use Unauthorized::{Alert, Block};
        let cases: [(&str, Unauthorized, &[Place]); 7] = [
            ("{}", Block, &Place::ALL),
            (r#"{"unauthorized":"alert"}"#, Alert, &Place::ALL),
            (r#"{"unauthorized":"block"}"#, Block, &Place::ALL),
            (r#"{"check":["from"]}"#, Block, &[From]),
            (
                r#"{"check":["envelope","sender"]}"#,
                Block,
                &[Sender, Envelope],
            ),
            (
                r#"{"unauthorized":"alert","check":["from","sender","envelope"]}"#,
                Alert,
                &Place::ALL,
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
        let cases: [(&str, &[(&str, &str)]); 16] = [
            ("", &[("", "not a JSON document: EOF")]),
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
                &[(
                    "/unauthorised",
                    "`unauthorised` is not a setting; the settings are `unauthorized` and `check`",
                )],
            ),
            (
                r#"{"a/b~c":1}"#,
                &[("/a~1b~0c", "`a/b~c` is not a setting")],
            ),
            (
                r#"{"unauthorized":"Block"}"#,
                &[(
                    "/unauthorized",
                    "must be \"block\" or \"alert\", not \"Block\"",
                )],
            ),
            (r#"{"unauthorized":true}"#, &[("/unauthorized", "not true")]),
            (
                r#"{"check":"from"}"#,
                &[("/check", "must be an array of at least one of")],
            ),
            (
                r#"{"check":[]}"#,
                &[(
                    "/check",
                    "at least one of \"from\", \"sender\" and \"envelope\", not []",
                )],
            ),
            (
                r#"{"check":{"from":true}}"#,
                &[("/check", "not {\"from\":true}")],
            ),
            (
                r#"{"check":["from","mail-from"]}"#,
                &[(
                    "/check/1",
                    "must be \"from\", \"sender\" or \"envelope\", not \"mail-from\"",
                )],
            ),
            (r#"{"check":["from",3]}"#, &[("/check/1", "not 3")]),
            (
                r#"{"check":["from","from"]}"#,
                &[("/check/1", "repeats \"from\"")],
            ),
            (
                r#"{"unauthorized":1,"check":[2]}"#,
                &[("/check/0", "not 2"), ("/unauthorized", "not 1")],
            ),
        ];
        for (json, expected) in cases {
            let found = problems(json);
            assert_eq!(found.len(), expected.len(), "{json}: {found:?}");
            for (problem, (path, message)) in found.iter().zip(expected) {
                assert_eq!(problem.path, *path, "{json}");
                assert!(
                    problem.message.contains(message),
                    "{json}: {}",
                    problem.message
                );
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
        use Place::{Envelope, From};
        use Unauthorized::{Alert, Block};
        let cases: [(&str, &[(&str, &str)], Unauthorized, &[Place]); 6] = [
            ("{}", &[("list.unauthorized", "alert")], Alert, &Place::ALL),
            (
                r#"{"unauthorized":"alert"}"#,
                &[("list.unauthorized", "block")],
                Block,
                &Place::ALL,
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
                &Place::ALL,
            ),
            (
                "{}",
                &[("list.name", "alert"), ("account.note", "x")],
                Block,
                &Place::ALL,
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
    fn the_schema_is_json_and_names_every_setting_with_its_default() {
        let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
        let defaults: serde_json::Map<String, Value> = schema["properties"]
            .as_object()
            .expect("properties")
            .iter()
            .map(|(name, property)| (name.clone(), property["default"].clone()))
            .collect();
        let json = Value::Object(defaults).to_string();
        assert_eq!(problems(&json), []);
        assert_eq!(read(&json).0, Settings::default());
    }
}
