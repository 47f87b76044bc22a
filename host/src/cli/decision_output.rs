//! A decision of the policies, for people and for programs: one form wherever it is shown.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::Failure;
use crate::decision::{Decision, Run, Stage, Step};
use crate::store::Store;

/// Lists by number, to be shown by name.
#[derive(Debug, Default)]
pub struct ListNames(HashMap<i64, String>);

impl ListNames {
    /// Of all lists there are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read(store: &Store) -> Result<Self, Failure> {
        let lists = store.lists().await?;
        Ok(Self(
            lists.into_iter().map(|list| (list.id, list.name)).collect(),
        ))
    }

    /// The name of the list; none when there is no such list any more.
    pub fn of(&self, id: Option<i64>) -> Option<&str> {
        self.0.get(&id?).map(String::as_str)
    }
}

/// A decision for programs.
pub fn value(decision: &Decision, lists: &ListNames) -> Value {
    let about = &decision.about;
    let words = |text: &str| {
        text.split(' ')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    json!({
        "id": about.id.to_string(),
        "at": about.at.to_string(),
        "run": decision.run,
        "stage": about.stage,
        "outcome": decision.outcome,
        "reply": reply(decision),
        "priority": decision.priority,
        "list": lists.of(about.list_id),
        "user": about.username,
        "session": about.session_id,
        "sender": about.sender.as_deref().unwrap_or("<>"),
        "from": words(&about.from),
        "recipients": words(&about.recipients),
        "recipient_count": about.recipient_count,
        "generation": decision.generation,
        "effects": decision.effects,
        "policies": decision.steps.iter().map(|step| step_value(decision, step)).collect::<Vec<_>>(),
    })
}

fn step_value(decision: &Decision, step: &Step) -> Value {
    let policy = decision.chain.policy(step.policy());
    let facts: serde_json::Map<String, Value> = step
        .facts
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    json!({
        "name": step.policy(),
        "version": policy.map(|policy| policy.version.as_str()),
        "sha256": policy.map(|policy| policy.sha256.as_str()),
        "mode": policy.map(|policy| policy.mode.as_str()),
        "decision": step.decision,
        "rule": step.rule,
        "fuel": step.fuel,
        "us": step.us,
        "failure": step.failure,
        "facts": facts,
    })
}

/// The reply that refused, for example `550 5.7.1 …`.
pub fn reply(decision: &Decision) -> Option<String> {
    decision
        .reply
        .as_ref()
        .map(|(code, text)| format!("{code} {text}"))
}

/// What each policy said, a line for each, then what was done to the message.
pub fn step_lines(decision: &Decision) -> Vec<String> {
    let shadow = match decision.run {
        Run::Enforced => "",
        Run::Shadow => ", in shadow",
    };
    let line = |step: &Step| {
        let policy = decision.chain.policy(step.policy());
        let version = policy.map_or("", |policy| policy.version.as_str());
        let rule = step.rule.split_once('/').map_or("", |(_, rule)| rule);
        let (name, said, fuel, us) = (step.policy(), &step.decision, step.fuel, step.us);
        let mut line = format!("{name} {version}{shadow}: {said} by {rule} (fuel {fuel}, {us} µs)");
        for (name, value) in &step.facts {
            line += &format!(" {name}={value}");
        }
        line
    };
    let steps = decision.steps.iter().map(line);
    let effects = decision.effects.iter().map(|effect| match decision.run {
        Run::Enforced => effect.clone(),
        Run::Shadow => format!("in shadow, would {effect}"),
    });
    steps.chain(effects).collect()
}

/// What was decided about, for example `RCPT ann@example.net`.
pub fn subject(decision: &Decision) -> String {
    let about = &decision.about;
    match about.stage {
        Stage::Message => format!("message to {}", recipients(decision)),
        Stage::Sender => "MAIL".to_owned(),
        Stage::Recipient => format!("RCPT {}", about.recipients),
    }
}

/// The first recipient, and how many more there are.
pub fn recipients(decision: &Decision) -> String {
    let about = &decision.about;
    let first = about.recipients.split(' ').next().unwrap_or_default();
    match about.recipient_count {
        0 | 1 => first.to_owned(),
        count => format!("{first} and {} more", count - 1),
    }
}

/// The address a person knows the message by: From, or else the reverse-path.
pub fn sender(decision: &Decision) -> String {
    let about = &decision.about;
    match (about.from.as_str(), &about.sender) {
        ("", None) => "<>".to_owned(),
        ("", Some(path)) => path.clone(),
        (from, _) => from.to_owned(),
    }
}
