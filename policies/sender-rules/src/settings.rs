//! The settings of this policy: read, explained when they are wrong, and overridden per list.

use crate::bindings::exports::gatepost::policy::lifecycle::Problem;
use crate::bindings::gatepost::policy::types::{Fact, Identity};
use crate::json::{self, Kind, Value};
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
fn read(document: &str) -> (Settings, Vec<Problem>) {
    let mut settings = Settings::default();
    let mut problems = Vec::new();
    match json::read(document) {
        Ok(value) => match &value.kind {
            Kind::Object(members) => read_members(members, &mut settings, &mut problems),
            _ => problems.push(problem(
                String::new(),
                format!(
                    "must be an object such as {{\"unauthorized\": \"block\"}}, not {}",
                    quoted(&value)
                ),
            )),
        },
        Err(error) => problems.push(problem(
            String::new(),
            format!("not a JSON document: {error}"),
        )),
    }
    (settings, problems)
}

fn read_members(members: &[(String, Value)], settings: &mut Settings, problems: &mut Vec<Problem>) {
    for (index, (name, value)) in members.iter().enumerate() {
        if members[..index].iter().any(|(before, _)| before == name) {
            problems.push(problem(pointer(name), "stands twice".to_owned()));
            continue;
        }
        match name.as_str() {
            "unauthorized" => read_unauthorized(value, settings, problems),
            "check" => read_check(value, settings, problems),
            unknown => problems.push(unknown_key(unknown)),
        }
    }
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
    let words = match &value.kind {
        Kind::Array(words) if !words.is_empty() => words,
        _ => {
            problems.push(problem(
                "/check".to_owned(),
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
        problems.push(problem(format!("/check/{index}"), complaint));
    }
    settings.check = check;
}

fn unknown_key(key: &str) -> Problem {
    let name = text::ascii(key, MAX_QUOTED);
    problem(
        pointer(key),
        format!("`{name}` is not a setting; the settings are `unauthorized` and `check`"),
    )
}

/// The JSON Pointer of a member of the document (RFC 6901 §3).
fn pointer(name: &str) -> String {
    let name = text::printable(name, MAX_QUOTED);
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn problem(path: String, message: String) -> Problem {
    Problem { path, message }
}

/// The value as it stands in the document, shortened.
fn quoted(value: &Value) -> String {
    text::ascii(value.text, MAX_QUOTED)
}

#[cfg(test)]
mod tests;
