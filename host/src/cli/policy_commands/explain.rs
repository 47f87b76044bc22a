//! `gatepost policy explain`: one decision as it was made, and as it would be made now.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::records::CONTENT;
use crate::app::{StartError, resources};
use crate::cli::decision_output::{self, ListNames};
use crate::cli::{Failure, Output, load_config, open};
use crate::config::Config;
use crate::decision::{self, Decision, Outcome, Run};
use crate::id::QueueId;
use crate::policy::document::{self, Request};
use crate::policy::{self, FailureKind, MASKED, PolicyInfo, PolicySet, Ruling};

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
    ruling: Ruling,
    steps: Vec<Step>,
    outcome: Outcome,
    reply: Option<String>,
    agrees: bool,
}

/// What one policy says now, and whether it is the one of then.
struct Step {
    said: policy::Step,
    info: PolicyInfo,
    same_module: bool,
    same_settings: bool,
    fuel_then: Option<u64>,
}

impl Replay {
    async fn of(config: &Config, request: &Request, then: &Decision) -> Result<Self, Failure> {
        let lent = resources(config);
        let set = PolicySet::load_with(&config.policy, &config.folder, &lent).await;
        let set = set.map_err(StartError::from)?.keeping_logs();
        let ruling = set.answer(request).await;
        let steps = ruling.steps.iter();
        let refusal = ruling.refusal.as_ref();
        let outcome = Outcome::of_reply(refusal.map(|refusal| refusal.code));
        let now = ruling.steps.iter().map(|step| step.rule.as_str());
        let before = then.steps.iter().map(|step| step.rule.as_str());
        Ok(Self {
            agrees: outcome == then.outcome && now.eq(before) && ruling.priority == then.priority,
            steps: steps
                .filter_map(|step| Step::new(&set, step, then))
                .collect(),
            outcome,
            reply: refusal.map(|refusal| {
                let (class, subject, detail) = refusal.enhanced;
                format!(
                    "{} {class}.{subject}.{detail} {}",
                    refusal.code, refusal.text
                )
            }),
            ruling,
        })
    }
}

impl Step {
    fn new(set: &PolicySet, said: &policy::Step, then: &Decision) -> Option<Self> {
        let info = set.policies().find(|policy| policy.name == said.policy)?;
        let record = set.record();
        let (now, before) = (record.policy(&said.policy), then.chain.policy(&said.policy));
        let step = then.steps.iter().find(|step| step.policy() == said.policy);
        let is_same = |of: fn(&decision::Policy) -> &str| now.map(of) == before.map(of);
        Some(Self {
            same_module: is_same(|policy| &policy.sha256),
            same_settings: is_same(|policy| &policy.settings),
            fuel_then: step.map(|step| step.fuel),
            info: info.clone(),
            said: said.clone(),
        })
    }

    fn value(&self) -> Value {
        let said = &self.said;
        let log = said.log.iter();
        json!({
            "name": said.policy,
            "version": said.version,
            "sha256": self.info.sha256,
            "same_module": self.same_module,
            "same_settings": self.same_settings,
            "decision": said.decision.as_str(),
            "rule": said.rule,
            "fuel": said.fuel,
            "us": u64::try_from(said.duration.as_micros()).unwrap_or(u64::MAX),
            "failure": said.failure.map(FailureKind::as_str),
            "log": log.map(|line| json!({ "level": line.level, "text": line.text })).collect::<Vec<_>>(),
        })
    }

    fn lines(&self) -> Vec<String> {
        let said = &self.said;
        let rule = said.rule.split_once('/').map_or("", |(_, rule)| rule);
        let fuel = match self.fuel_then {
            Some(0) => format!("fuel {}, from memory then", said.fuel),
            Some(then) if then == said.fuel => format!("fuel {then}, as then"),
            _ => format!("fuel {}", said.fuel),
        };
        let same = match (self.same_module, self.same_settings) {
            (true, true) => "the same module and settings",
            (true, false) => "the same module, OTHER SETTINGS",
            (false, true) => "ANOTHER MODULE, the same settings",
            (false, false) => "ANOTHER MODULE AND OTHER SETTINGS",
        };
        let (policy, version, decision) = (&said.policy, &said.version, said.decision);
        let mut lines = vec![
            format!("{policy} {version}: {decision} by {rule} ({fuel})"),
            format!("    {same}, sha256 {}", self.info.sha256),
        ];
        let log = said.log.iter();
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
                "priority": replay.ruling.priority,
                "alerts": alerts(&replay.ruling),
                "effects": replay.ruling.effects.lines(),
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

fn alerts(ruling: &Ruling) -> Vec<Value> {
    let alerts = ruling.alerts.iter();
    alerts
        .map(
            |alert| json!({ "policy": alert.policy, "code": alert.code, "summary": alert.summary }),
        )
        .collect()
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
    let ruling = &replay.ruling;
    let alerts = ruling.alerts.iter();
    lines.extend(alerts.map(|alert| format!("  alert {}: {}", alert.code, alert.summary)));
    let effects = ruling.effects.lines().into_iter();
    lines.extend(effects.map(|effect| format!("  {effect}")));
    let verdict = if replay.agrees {
        "The same decision as then.".to_owned()
    } else {
        let told = replay.reply.as_ref().map_or_else(
            || format!("accepted with priority {}", ruling.priority),
            |reply| format!("{}: {reply}", replay.outcome),
        );
        format!("NOT THE SAME DECISION: now it is {told}")
    };
    lines.push(format!("  {verdict}"));
    let document = serde_json::to_string(request).unwrap_or_default();
    let reads_content = |step: &Step| {
        step.info
            .imports
            .iter()
            .any(|name| name.starts_with(CONTENT))
    };
    if replay.steps.iter().any(reads_content) {
        lines.push(
            "  The content was not recorded: a policy that reads it may decide otherwise."
                .to_owned(),
        );
    }
    if document.contains(MASKED) {
        lines.push(format!(
            "  Some values were recorded as \"{MASKED}\": a rule that looks at them may decide otherwise."
        ));
    }
    lines
}
