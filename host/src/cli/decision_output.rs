//! A decision of the policies, for people and for programs: one form wherever it is shown.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::Failure;
use crate::decision::{Decision, Step};
pub use crate::decision::{recipients, reply, sender, step_lines, subject};
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
