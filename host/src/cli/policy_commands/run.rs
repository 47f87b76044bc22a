//! `gatepost policy run`: asks a module about one message, and shows what a client would be told.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::Module;
use super::cases::{
    Asked, CaseForm, OneOrMany, Outcome, PriorityWord, Scalar, StageName, with_line_ends,
};
use super::inspect::price;
use crate::cli::{Failure, Output};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::intake::Principal;
use crate::policy::document::{self, Request};
use crate::policy::{Content, Trial, Workbench};
use crate::queue::Priority;
use crate::store::Store;

/// `gatepost policy run`
#[derive(Debug, clap::Args)]
pub struct Run {
    #[command(flatten)]
    module: Module,
    /// The message, a file with its header section
    #[arg(long, value_name = "FILE", required_unless_present = "request")]
    eml: Option<PathBuf>,
    /// A recorded request instead of a message; wit/TESTING.md documents it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["eml", "user", "from", "to"])]
    request: Option<PathBuf>,
    /// The user of the relay's store who sends it, like s1_2; without, one that --authorized-… describes
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Domains such a user may send as, separated by `;`
    #[arg(long, value_name = "DOMAINS", conflicts_with = "user")]
    authorized_domains: Option<String>,
    /// Addresses such a user may send as, separated by `;`
    #[arg(long, value_name = "ADDRESSES", conflicts_with = "user")]
    authorized_senders: Option<String>,
    /// Priority of such a user, 1 (very high) to 5 (very low)
    #[arg(long, value_name = "1-5", conflicts_with = "user")]
    priority: Option<Priority>,
    /// The envelope sender; by default the first address of From, empty for the null reverse-path
    #[arg(long, value_name = "ADDR")]
    from: Option<String>,
    /// A recipient, once for each
    #[arg(long, value_name = "ADDR")]
    to: Vec<String>,
    /// When to ask: at MAIL about --from, at RCPT about the last --to, or about the message
    #[arg(long, value_enum, default_value_t = At::Message)]
    stage: At,
}

/// When a policy is asked.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum At {
    Sender,
    Recipient,
    Message,
}

impl From<At> for StageName {
    fn from(at: At) -> Self {
        match at {
            At::Sender => Self::Sender,
            At::Recipient => Self::Recipient,
            At::Message => Self::Message,
        }
    }
}

/// Asks once; fails when the module does.
pub async fn run(run: Run, config: Option<&Path>, output: Output) -> Result<ExitCode, Failure> {
    let bench = run.module.load().await?;
    let request = match &run.request {
        Some(file) => with_settings(recorded(file)?, &run, &bench),
        None => match asked(&run, config, &bench.settings()).await? {
            Asked::Question(request) => *request,
            Asked::Refused(rejection) => return refused(&rejection.reply.to_string(), output),
        },
    };
    let content = content(&run)?;
    let Some(trial) = bench.ask_about(&request, content).await else {
        return Err(Failure::message("the module has no envelope-stage"));
    };
    let outcome = Outcome::of(&trial);
    let value = json!({
        "outcome": outcome,
        "verdict": trial.verdict.as_ref().ok(),
        "request": request,
    });
    output.print(&value, || text(&outcome, &trial))?;
    Ok(ExitCode::from(u8::from(trial.verdict.is_err())))
}

/// A request was recorded with settings; those of the command line, when there are any, take their place.
fn with_settings(request: Request, run: &Run, bench: &Workbench) -> Request {
    match run.module.settings {
        Some(_) => Request {
            settings: bench.settings(),
            ..request
        },
        None => request,
    }
}

/// The octets of the message, for a policy that reads them.
fn content(run: &Run) -> Result<Option<Arc<dyn Content>>, Failure> {
    let Some(file) = &run.eml else {
        return Ok(None);
    };
    let octets = std::fs::read(file).map_err(|error| {
        Failure::from(anyhow::Error::new(error).context(format!("cannot read {}", file.display())))
    })?;
    let octets = bytes::Bytes::from(with_line_ends(&octets));
    Ok(Some(Arc::new(octets)))
}

/// The relay itself would not take this message.
fn refused(reply: &str, output: Output) -> Result<ExitCode, Failure> {
    output.print(&json!({ "outcome": null, "reply": reply }), || {
        format!("no policy is asked: the relay refuses this message itself\nreply     {reply}")
    })?;
    Ok(ExitCode::FAILURE)
}

/// Reads a recorded request.
pub fn recorded(file: &Path) -> Result<Request, Failure> {
    let named = || format!("cannot use {}", file.display());
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::from(anyhow::Error::new(error).context(named())))?;
    document::from_json(&text).map_err(|error| {
        Failure::from(anyhow::Error::new(error).context(named()))
            .hint("wit/TESTING.md has an example of a recorded request")
    })
}

async fn asked(run: &Run, config: Option<&Path>, settings: &Arc<str>) -> Result<Asked, Failure> {
    let mut form = CaseForm {
        name: "run".to_owned(),
        stage: run.stage.into(),
        message_file: run.eml.clone(),
        mail_from: run.from.clone(),
        rcpt_to: (!run.to.is_empty()).then(|| OneOrMany(run.to.clone())),
        ..CaseForm::default()
    };
    form.session.received_at = Scalar(Timestamp::now().to_string());
    form.user.authorized_domains = run.authorized_domains.clone().unwrap_or_default();
    form.user.authorized_senders = run.authorized_senders.clone().unwrap_or_default();
    if let Some(priority) = run.priority {
        form.user.priority = PriorityWord(priority);
    }
    let question = match &run.user {
        None => form.question(settings),
        Some(username) => {
            let config = Config::load(config).map_err(|error| {
                let hint = error.hint();
                Failure::new(error).hint(hint)
            })?;
            form.session.server_name.clone_from(&config.hostname);
            let principal = principal(&config, username).await?;
            form.question_of(&principal, settings)
        }
    };
    question.map_err(Failure::message)
}

async fn principal(config: &Config, username: &str) -> Result<Principal, Failure> {
    let store = Store::open(&config.store).await?;
    let account = store.account(username).await?;
    let account = account.ok_or_else(|| {
        Failure::message(format!("there is no user `{username}`"))
            .hint("see `gatepost user list`, or describe one with --authorized-domains")
    })?;
    Ok(Principal::new(account))
}

fn text(outcome: &Outcome, trial: &Trial) -> String {
    let mut lines = vec![format!(
        "decision  {} by rule {}",
        outcome.decision, outcome.rule
    )];
    if let Some(failure) = &outcome.failure {
        lines.push(format!("failure   {}: {}", failure.kind, failure.detail));
    }
    lines.push(format!("reply     {}", reply(outcome, trial)));
    lines.push(format!("priority  {}", outcome.priority));
    for alert in &outcome.alerts {
        lines.push(format!("alert     {}: {}", alert.code, alert.summary));
    }
    for fact in &outcome.facts {
        lines.push(format!("fact      {} = {}", fact.name, fact.value));
    }
    for effect in &outcome.effects {
        lines.push(format!("effect    {effect}"));
    }
    for line in &outcome.log {
        lines.push(format!("log       {line}"));
    }
    lines.push(format!("price     {}", price(outcome)));
    lines.join("\n")
}

fn reply(outcome: &Outcome, trial: &Trial) -> String {
    match (&outcome.reply, outcome.decision) {
        (Some(reply), _) => reply.clone(),
        (None, "pass") => "250, unless another policy or `policy.default` refuses".to_owned(),
        (None, _) if trial.verdict.is_err() => {
            "250: it failed, and on-failure is accept".to_owned()
        }
        (None, _) => "250, unless another policy refuses".to_owned(),
    }
}
