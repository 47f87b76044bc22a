//! Refuses messages whose subject is too short.

use serde::Deserialize;

mod bindings {
    wit_bindgen::generate!({ world: "policy", path: "wit" });
    export!(Policy with_types_in self);
    use super::Policy;
}

use bindings::exports::gatepost::policy::lifecycle::{self, Descriptor, Problem};
use bindings::exports::gatepost::policy::message_stage::{self, Request};
use bindings::gatepost::policy::log::{self, Level};
use bindings::gatepost::policy::types::{Decision, EnhancedCode, Reply, Verdict};

struct Policy;

/// What an administrator may set, in `settings` of the configuration.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Settings {
    /// Characters that a subject has at least.
    min_subject: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { min_subject: 1 }
    }
}

/// What people and tools are told about the settings.
const SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "min-subject": { "type": "integer", "default": 1, "description": "Characters that a subject has at least." }
  }
}"#;

impl lifecycle::Guest for Policy {
    fn describe() -> Descriptor {
        Descriptor {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Refuses messages whose subject is too short.".to_owned(),
            settings_schema: SCHEMA.to_owned(),
        }
    }

    fn validate_settings(settings: String) -> Vec<Problem> {
        match serde_json::from_str::<Settings>(&settings) {
            Ok(_) => Vec::new(),
            Err(error) => vec![Problem {
                path: String::new(),
                message: error.to_string(),
            }],
        }
    }
}

impl message_stage::Guest for Policy {
    fn evaluate(request: Request) -> Result<Verdict, String> {
        let settings: Settings =
            serde_json::from_str(&request.settings).map_err(|error| error.to_string())?;
        let length = request.message.subject.trim().chars().count();
        if length >= settings.min_subject {
            return Ok(verdict(Decision::Pass, "subject"));
        }
        let from: Vec<_> = request.message.header_from.iter().map(|one| one.full.as_str()).collect();
        log::write(Level::Info, &format!("{} wrote {length} characters", from.join(", ")));
        let minimum = settings.min_subject;
        let plural = if minimum == 1 { "" } else { "s" };
        let text =
            format!("the subject is too short; write one of at least {minimum} character{plural}");
        Ok(verdict(Decision::Reject(Some(refusal(text))), "subject-too-short"))
    }
}

fn verdict(decision: Decision, rule: &str) -> Verdict {
    Verdict {
        decision,
        priority: None,
        alerts: Vec::new(),
        rule: rule.to_owned(),
        facts: Vec::new(),
    }
}

fn refusal(text: String) -> Reply {
    Reply {
        code: 550,
        // RFC 3463: 5.7.1 is a refusal by policy.
        enhanced: EnhancedCode {
            class: 5,
            subject: 7,
            detail: 1,
        },
        text,
    }
}
