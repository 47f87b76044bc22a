//! What is to come of a case, and how it differs from what came.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::form::{OneOrMany, PriorityWord, Scalar};
use super::outcome::Outcome;

/// What is to come of a case: a decision, or a table of whatever is to be looked at.
#[derive(Clone, Debug, Default)]
pub struct Expectation(Form);

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Form {
    decision: Option<Decision>,
    rule: Option<String>,
    code: Option<Scalar>,
    text: Option<OneOrMany>,
    priority: Option<PriorityWord>,
    alerts: Option<OneOrMany>,
    facts: BTreeMap<String, Scalar>,
    effects: Option<OneOrMany>,
    failure: Option<String>,
    log: Option<OneOrMany>,
    max_fuel: Option<u64>,
    settings_problem: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Decision {
    Pass,
    Accept,
    Reject,
    Defer,
    Failed,
}

impl Decision {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Defer => "defer",
            Self::Failed => "failed",
        }
    }
}

impl<'de> Deserialize<'de> for Expectation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrTable)
    }
}

struct WordOrTable;

impl<'de> Visitor<'de> for WordOrTable {
    type Value = Expectation;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "pass, accept, reject, defer or failed, or a table like { decision = \"accept\" }",
        )
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Expectation, E> {
        let word = serde::de::value::StrDeserializer::new(word);
        Ok(Expectation(Form {
            decision: Some(Decision::deserialize(word)?),
            ..Form::default()
        }))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Expectation, A::Error> {
        let form = Form::deserialize(MapAccessDeserializer::new(table))?;
        if form == Form::default() {
            return Err(A::Error::custom(
                "says nothing; at least `decision` is needed",
            ));
        }
        Ok(Expectation(form))
    }
}

/// Something that is otherwise than expected, for people.
pub type Difference = String;

impl Expectation {
    /// The text that the refusal of the settings is to have; none when they are to be usable.
    pub fn settings_problem(&self) -> Option<&str> {
        self.0.settings_problem.as_deref()
    }

    /// How `outcome` differs; nothing when it is as expected.
    pub fn differences(&self, outcome: &Outcome) -> Vec<Difference> {
        let mut found = Vec::new();
        let form = &self.0;
        let decision = form.decision.map(Decision::as_str);
        found.extend(differs("decision", decision, outcome.decision));
        found.extend(differs("rule", form.rule.as_deref(), &outcome.rule));
        self.reply(outcome, &mut found);
        let priority = form.priority.map(|word| word.0.number());
        found.extend(differs("priority", priority, outcome.priority));
        if let Some(OneOrMany(expected)) = &form.alerts {
            found.extend(lists_differ("alerts", expected, outcome.alert_codes()));
        }
        self.facts(outcome, &mut found);
        if let Some(OneOrMany(expected)) = &form.effects {
            let actual = outcome.effects.iter().map(String::as_str).collect();
            found.extend(lists_differ("effects", expected, actual));
        }
        if let Some(expected) = &form.failure {
            let actual = outcome.failure.as_ref().map_or("none", |one| one.kind);
            found.extend(differs("failure", Some(expected.as_str()), actual));
        }
        for text in form.log.iter().flat_map(|texts| &texts.0) {
            found.extend(lacks("log", text, &outcome.log.join("\n")));
        }
        if let Some(limit) = form.max_fuel.filter(|limit| outcome.fuel > *limit) {
            found.push(format!(
                "fuel: expected at most {limit}, got {}",
                outcome.fuel
            ));
        }
        found
    }

    fn reply(&self, outcome: &Outcome, found: &mut Vec<Difference>) {
        let actual = outcome.reply.as_deref().unwrap_or("no reply");
        if let Some(Scalar(code)) = &self.0.code
            && !begins_with(actual, code)
        {
            found.push(format!("reply: expected `{code} …`, got `{actual}`"));
        }
        for text in self.0.text.iter().flat_map(|texts| &texts.0) {
            found.extend(lacks("reply", text, actual));
        }
    }

    fn facts(&self, outcome: &Outcome, found: &mut Vec<Difference>) {
        for (name, Scalar(expected)) in &self.0.facts {
            let actual = outcome.fact(name).unwrap_or("none");
            let name = format!("fact {name}");
            found.extend(differs(&name, Some(expected.as_str()), actual));
        }
    }
}

/// `550` and `550 5.7.1` begin a reply of these words; `55` does not.
fn begins_with(reply: &str, code: &str) -> bool {
    let rest = reply.strip_prefix(code);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

fn differs<T: PartialEq + fmt::Display>(
    what: &str,
    expected: Option<T>,
    actual: T,
) -> Option<Difference> {
    let expected = expected.filter(|expected| *expected != actual)?;
    Some(format!("{what}: expected {expected}, got {actual}"))
}

/// Compares without regard to order.
fn lists_differ(what: &str, expected: &[String], mut actual: Vec<&str>) -> Option<Difference> {
    let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    expected.sort_unstable();
    actual.sort_unstable();
    let shown = |list: &[&str]| match list {
        [] => "none".to_owned(),
        list => list.join(", "),
    };
    (expected != actual).then(|| {
        format!(
            "{what}: expected {}, got {}",
            shown(&expected),
            shown(&actual)
        )
    })
}

fn lacks(what: &str, text: &str, actual: &str) -> Option<Difference> {
    (!actual.contains(text)).then(|| format!("{what}: expected `{text}` in `{actual}`"))
}
