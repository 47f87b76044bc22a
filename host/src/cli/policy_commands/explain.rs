//! `gatepost policy explain`: one decision as it was made, and as it would be made now.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::StartError;
use crate::cli::decision_output::{self, ListNames};
use crate::cli::{Failure, Output, load_config, open};
use crate::config::Config;
use crate::decision::{Decision, Outcome, Run};
use crate::id::QueueId;
use crate::policy::document::{self, Request, Stage};
use crate::policy::{MASKED, Mode, PolicyInfo, Trial, Workbench, types};

/// `gatepost policy explain`
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// The queue id of a message, or the id of a decision of `gatepost policy decisions`
    id: QueueId,
}

/// Shows the decisions of that id, and asks the policies of the configuration again.
///
/// # Errors
/// When there is no such decision, the store cannot be read, or a policy not loaded.
pub async fn run(
    command: Explain,
    config: Option<&Path>,
    output: Output,
) -> Result<ExitCode, Failure> {
    let config = load_config(config)?;
    let store = open(&config).await?;
    let decisions = store.decisions_about(command.id).await?;
    if decisions.is_empty() {
        let hint =
            "`gatepost policy decisions` lists those that are kept, for policy.decisions.keep-days";
        return Err(Failure::message(format!("there is no decision {}", command.id)).hint(hint));
    }
    let lists = ListNames::read(&store).await?;
    let request = match store.recorded_request(command.id).await? {
        Some(document) => Some(read(&document)?),
        None => None,
    };
    let counted = decisions.iter().find(|one| one.run == Run::Enforced);
    let replay = match (&request, counted) {
        (Some(request), Some(then)) => Some(Replay::of(&config, request, then).await?),
        _ => None,
    };
    let explained = Explained {
        decisions,
        request,
        replay,
    };
    output.print(&explained.value(&lists), || explained.text(&lists))?;
    Ok(ExitCode::SUCCESS)
}

fn read(document: &str) -> Result<Request, Failure> {
    document::from_json(document)
        .map_err(|error| Failure::new(error).hint("it was recorded by another version of Gatepost"))
}

/// Everything there is to say.
struct Explained {
    decisions: Vec<Decision>,
    request: Option<Request>,
    replay: Option<Replay>,
}

/// The decision as the policies of the configuration make it now.
struct Replay {
    steps: Vec<Step>,
    outcome: Outcome,
    reply: Option<String>,
    priority: crate::queue::Priority,
    agrees: bool,
}

/// What one policy says now.
struct Step {
    info: PolicyInfo,
    trial: Trial,
    same_module: bool,
    same_settings: bool,
    fuel_then: Option<u64>,
}

impl Replay {
    async fn of(config: &Config, request: &Request, then: &Decision) -> Result<Self, Failure> {
        let mut priority = types::Priority::Normal;
        let mut steps: Vec<Step> = Vec::new();
        let enforced = config.policy.chain.iter();
        for entry in enforced.filter(|entry| entry.mode == Mode::Enforce) {
            let bench = Workbench::load(entry, &config.folder).await;
            let bench = bench.map_err(StartError::from)?;
            let Some(trial) = bench.ask(&asked(request, bench.settings(), priority)).await else {
                continue;
            };
            priority = trial.ruling.priority.into();
            let is_last = trial.ruling.refusal.is_some();
            steps.push(Step::new(&bench, trial, then));
            if is_last {
                break;
            }
        }
        Ok(Self::judged(steps, then))
    }

    fn judged(steps: Vec<Step>, then: &Decision) -> Self {
        let last = steps.last().map(|step| &step.trial.ruling);
        let refusal = last.and_then(|ruling| ruling.refusal.as_ref());
        let outcome = Outcome::of_reply(refusal.map(|refusal| refusal.code));
        let rules = |step: &Step| step.rule().to_owned();
        let now: Vec<String> = steps.iter().map(rules).collect();
        let before: Vec<&str> = then.steps.iter().map(|step| step.rule.as_str()).collect();
        let priority = last.map_or_else(Default::default, |ruling| ruling.priority);
        let reply = refusal.map(|refusal| {
            let (class, subject, detail) = refusal.enhanced;
            format!(
                "{} {class}.{subject}.{detail} {}",
                refusal.code, refusal.text
            )
        });
        Self {
            agrees: outcome == then.outcome && now == before && priority == then.priority,
            steps,
            outcome,
            reply,
            priority,
        }
    }
}

/// The request as a policy with these settings is asked it.
fn asked(request: &Request, settings: Arc<str>, priority: types::Priority) -> Request {
    let mut request = Request {
        settings,
        ..request.clone()
    };
    if let Stage::Message {
        effective_priority, ..
    } = &mut request.stage
    {
        *effective_priority = priority;
    }
    request
}

impl Step {
    fn new(bench: &Workbench, trial: Trial, then: &Decision) -> Self {
        let info = bench.info().clone();
        let policy = then.chain.policy(&info.name);
        let step = then.steps.iter().find(|step| step.policy() == info.name);
        Self {
            same_module: policy.is_some_and(|policy| policy.sha256 == info.sha256),
            same_settings: policy.is_some_and(|policy| *policy.settings == *bench.settings()),
            fuel_then: step.map(|step| step.fuel),
            info,
            trial,
        }
    }

    fn rule(&self) -> &str {
        let step = self.trial.ruling.steps.last();
        step.map_or("", |step| step.rule.as_str())
    }

    fn decision(&self) -> &'static str {
        let step = self.trial.ruling.steps.last();
        step.map_or("", |step| step.decision.as_str())
    }

    fn value(&self) -> Value {
        let alerts = self.trial.ruling.alerts.iter();
        let log = self.trial.log.iter();
        json!({
            "name": self.info.name,
            "version": self.info.version,
            "sha256": self.info.sha256,
            "same_module": self.same_module,
            "same_settings": self.same_settings,
            "decision": self.decision(),
            "rule": self.rule(),
            "fuel": self.trial.fuel,
            "us": u64::try_from(self.trial.duration.as_micros()).unwrap_or(u64::MAX),
            "failure": self.trial.verdict.as_ref().err().map(|(kind, detail)| format!("{kind}: {detail}")),
            "alerts": alerts.map(|alert| json!({ "code": alert.code, "summary": alert.summary })).collect::<Vec<_>>(),
            "log": log.map(|line| json!({ "level": line.level, "text": line.text })).collect::<Vec<_>>(),
        })
    }

    fn lines(&self) -> Vec<String> {
        let PolicyInfo {
            name,
            version,
            sha256,
            ..
        } = &self.info;
        let rule = self.rule().split_once('/').map_or("", |(_, rule)| rule);
        let fuel = match self.fuel_then {
            Some(then) if then == self.trial.fuel => format!("fuel {then}, as then"),
            _ => format!("fuel {}", self.trial.fuel),
        };
        let same = match (self.same_module, self.same_settings) {
            (true, true) => "the same module and settings",
            (true, false) => "the same module, OTHER SETTINGS",
            (false, true) => "ANOTHER MODULE, the same settings",
            (false, false) => "ANOTHER MODULE AND OTHER SETTINGS",
        };
        let mut lines = vec![
            format!("{name} {version}: {} by {rule} ({fuel})", self.decision()),
            format!("    {same}, sha256 {sha256}"),
        ];
        if let Err((kind, detail)) = &self.trial.verdict {
            lines.push(format!("    failed, {kind}: {detail}"));
        }
        let alerts = self.trial.ruling.alerts.iter();
        lines.extend(alerts.map(|alert| format!("    alert {}: {}", alert.code, alert.summary)));
        let log = self.trial.log.iter();
        lines.extend(log.map(|line| format!("    log {}: {}", line.level, line.text)));
        lines
    }
}

impl Explained {
    fn value(&self, lists: &ListNames) -> Value {
        let decisions = self.decisions.iter();
        let replay = self.replay.as_ref().map(|replay| {
            json!({
                "agrees": replay.agrees,
                "outcome": replay.outcome,
                "reply": replay.reply,
                "priority": replay.priority,
                "policies": replay.steps.iter().map(Step::value).collect::<Vec<_>>(),
            })
        });
        json!({
            "decisions": decisions.map(|one| decision_output::value(one, lists)).collect::<Vec<_>>(),
            "replay": replay,
            "request": self.request,
        })
    }

    fn text(&self, lists: &ListNames) -> String {
        let mut lines = Vec::new();
        for decision in &self.decisions {
            lines.extend(decision_lines(decision, lists));
            lines.push(String::new());
        }
        match (&self.replay, &self.request) {
            (Some(replay), Some(request)) => {
                lines.extend(replay_lines(replay, request));
                lines.push(String::new());
                lines.push("request".to_owned());
                let document = serde_json::to_string_pretty(request).unwrap_or_default();
                lines.extend(document.lines().map(|line| format!("  {line}")));
            }
            _ => lines.push(
                "The request was not recorded, so it cannot be asked again; see [policy.record] of the configuration."
                    .to_owned(),
            ),
        }
        // Guests and clients wrote much of it: nothing of it moves the terminal.
        lines
            .join("\n")
            .replace(|c: char| c.is_control() && c != '\n', " ")
    }
}

fn decision_lines(decision: &Decision, lists: &ListNames) -> Vec<String> {
    let about = &decision.about;
    let outcome = match decision.run {
        Run::Enforced => decision.outcome.to_string(),
        Run::Shadow => format!("in shadow, would be {}", decision.outcome),
    };
    let path = about.sender.as_deref().unwrap_or("<>");
    let mut lines = vec![format!("decision  {} of {}: {outcome}", about.id, about.at)];
    lines.extend(decision_output::reply(decision).map(|reply| format!("          {reply}")));
    lines.push(format!("about     {}", decision_output::subject(decision)));
    lines.push(format!(
        "from      {} (reverse-path {path})",
        decision_output::sender(decision)
    ));
    lines.push(format!(
        "user      {} of list {}, session {}",
        about.username,
        lists.of(about.list_id).unwrap_or("-"),
        about.session_id
    ));
    if decision.outcome == Outcome::Accepted {
        lines.push(format!("priority  {}", decision.priority));
    }
    let mut label = "policies";
    for line in decision_output::step_lines(decision) {
        lines.push(format!("{label:8}  {line}"));
        label = "";
    }
    lines
}

fn replay_lines(replay: &Replay, request: &Request) -> Vec<String> {
    let mut lines = vec!["asked again, of the policies of the configuration".to_owned()];
    let steps = replay.steps.iter().flat_map(Step::lines);
    lines.extend(steps.map(|line| format!("  {line}")));
    let verdict = if replay.agrees {
        "The same decision as then.".to_owned()
    } else {
        let told = replay.reply.as_ref().map_or_else(
            || format!("accepted with priority {}", replay.priority),
            |reply| format!("{}: {reply}", replay.outcome),
        );
        format!("NOT THE SAME DECISION: now it is {told}")
    };
    lines.push(format!("  {verdict}"));
    let document = serde_json::to_string(request).unwrap_or_default();
    if document.contains(MASKED) {
        lines.push(format!(
            "  Some values were recorded as \"{MASKED}\": a rule that looks at them may decide otherwise."
        ));
    }
    lines
}
