//! The settings of this policy: read, explained when they are wrong, and overridden per list.

use policy_kit::json::{Kind, Value};
use policy_kit::settings::{self as document, MAX_QUOTED, Problem, quoted};
use policy_kit::text;

use crate::bindings::gatepost::policy::types::{Fact, Identity};

/// The JSON Schema that `describe` hands out.
pub const SCHEMA: &str = include_str!("settings.schema.json");

/// Overrides `unauthorized` for the user's list.
const FACT_UNAUTHORIZED: &str = "list.unauthorized";
/// Overrides `check` for the user's list: the same words, separated by commas.
const FACT_CHECK: &str = "list.check";

/// The settings there are.
const NAMES: [&str; 2] = ["unauthorized", "check"];
/// What settings look like.
const EXAMPLE: &str = r#"{"unauthorized": "block"}"#;
/// The words of `unauthorized`.
const UNAUTHORIZED: [(&str, Unauthorized); 2] = [
    ("block", Unauthorized::Block),
    ("alert", Unauthorized::Alert),
];

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
        let found = UNAUTHORIZED.into_iter().find(|(known, _)| *known == word);
        found.map(|(_, meaning)| meaning)
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

    /// What administrators call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::From => "From",
            Self::Sender => "Sender",
            Self::Envelope => "envelope sender",
        }
    }

    /// Where it stands, for people who know their program and not SMTP.
    pub const fn whereabouts(self) -> &'static str {
        match self {
            Self::From => "From field of the message",
            Self::Sender => "Sender field of the message",
            Self::Envelope => "envelope sender: your From address, or the Return-Path where set",
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
            return Err(problem.to_string());
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
    let problems = document::read(json, &NAMES, EXAMPLE, |name, value, problems| match name {
        "unauthorized" => {
            let word = document::one_of(name, value, &UNAUTHORIZED, problems);
            settings.unauthorized = word.unwrap_or(settings.unauthorized);
        }
        _ => read_check(value, &mut settings, problems),
    });
    (settings, problems)
}

fn read_check(value: &Value, settings: &mut Settings, problems: &mut Vec<Problem>) {
    let words = match &value.kind {
        Kind::Array(words) if !words.is_empty() => words,
        _ => {
            problems.push(Problem::new(
                "/check",
                format!(
                    "must be an array of at least one of \"from\", \"sender\" and \"envelope\", \
                     not {}",
                    quoted(value)
                ),
            ));
            return;
        }
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
        problems.push(Problem::new(format!("/check/{index}"), complaint));
    }
    settings.check = check;
}

#[cfg(test)]
mod tests;
