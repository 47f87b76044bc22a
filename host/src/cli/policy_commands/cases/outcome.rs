//! What came of a question, in the words of people and of cases.

use serde::Serialize;

use crate::alert::Severity;
use crate::policy::{LogLine, Refusal, Trial};

/// What came of one question to one policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outcome {
    /// `pass`, `accept`, `reject`, `defer`, or `failed`.
    pub decision: &'static str,
    /// The rule that decided, without the policy's name.
    pub rule: String,
    /// What the client is told when it is refused, for example `550 5.7.1 no`.
    pub reply: Option<String>,
    /// The effective priority afterwards, 1 to 5.
    pub priority: u8,
    /// What the administrator is told.
    pub alerts: Vec<AlertLine>,
    /// What the policy wants logged.
    pub facts: Vec<FactLine>,
    /// What is done to the message if it is accepted, one line each.
    pub effects: Vec<String>,
    /// How it failed.
    pub failure: Option<FailureLine>,
    /// Fuel it took.
    pub fuel: u64,
    /// How long it took in microseconds.
    pub micros: u64,
    /// Octets of linear memory.
    pub memory_bytes: u64,
    /// What it logged.
    pub log: Vec<String>,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertLine {
    pub code: String,
    pub severity: Severity,
    pub summary: String,
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FactLine {
    pub name: String,
    pub value: String,
}

/// A failure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailureLine {
    pub kind: &'static str,
    pub detail: String,
}

impl Outcome {
    /// From what a module answered.
    pub fn of(trial: &Trial) -> Self {
        let ruling = &trial.ruling;
        let step = ruling.steps.first();
        let rule = step.map_or("", |step| &step.rule);
        let failure = step.and_then(|step| step.failure);
        let detail = match &trial.verdict {
            Err((_, detail)) => detail.clone(),
            Ok(_) => "its reply does not fit its decision".to_owned(),
        };
        Self {
            decision: step.map_or("pass", |step| step.decision.as_str()),
            rule: rule
                .split_once('/')
                .map_or(rule, |(_, rule)| rule)
                .to_owned(),
            reply: ruling.refusal.as_ref().map(reply_line),
            priority: ruling.priority.number(),
            alerts: ruling.alerts.iter().map(alert_line).collect(),
            facts: step.map_or_else(Vec::new, |step| step.facts.iter().map(fact_line).collect()),
            effects: ruling.effects.lines(),
            failure: failure.map(|kind| FailureLine {
                kind: kind.as_str(),
                detail,
            }),
            fuel: trial.fuel,
            micros: u64::try_from(trial.duration.as_micros()).unwrap_or(u64::MAX),
            memory_bytes: trial.memory_bytes,
            log: trial.log.iter().map(log_line).collect(),
        }
    }

    /// The codes of its alerts.
    pub fn alert_codes(&self) -> Vec<&str> {
        self.alerts
            .iter()
            .map(|alert| alert.code.as_str())
            .collect()
    }

    /// The value of a fact; the first of several of one name counts.
    pub fn fact(&self, name: &str) -> Option<&str> {
        let found = self.facts.iter().find(|fact| fact.name == name);
        found.map(|fact| fact.value.as_str())
    }
}

/// A reply as it goes over the wire, without its line end.
pub fn reply_line(refusal: &Refusal) -> String {
    let (class, subject, detail) = refusal.enhanced;
    format!(
        "{} {class}.{subject}.{detail} {}",
        refusal.code, refusal.text
    )
}

fn alert_line(alert: &crate::policy::PolicyAlert) -> AlertLine {
    AlertLine {
        code: alert.code.clone(),
        severity: alert.severity,
        summary: alert.summary.clone(),
    }
}

fn fact_line((name, value): &(String, String)) -> FactLine {
    FactLine {
        name: name.clone(),
        value: value.clone(),
    }
}

fn log_line(line: &LogLine) -> String {
    format!("{}: {}", line.level, line.text)
}
