//! `gatepost policy decisions`: what the policies decided about mail, and why.

use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use crate::cli::account_commands::find_list;
use crate::cli::decision_output::{self, ListNames};
use crate::cli::output::table;
use crate::cli::when::When;
use crate::cli::{Failure, Output, open_of};
use crate::decision::{Decision, DecisionFilter};
use crate::store::Store;

/// `gatepost policy decisions`
#[derive(Debug, clap::Args)]
pub struct Decisions {
    #[command(flatten)]
    which: Which,
    /// How many at most
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

/// Which decisions a command is about.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Only those about mail of this list
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
    /// Only those about mail of this user
    #[arg(long, value_name = "USERNAME")]
    user: Option<String>,
    /// Only those with this sender or From; a part of the address is enough
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<String>,
    /// Only those with this recipient; a part of the address is enough
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<String>,
    /// Only those in which a policy decided by this rule, like unauthorized-block
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Only those that came to this: accepted, deferred, rejected, or refused for the last two
    #[arg(long, value_enum)]
    outcome: Option<Wanted>,
    /// Only those from then on: 2026-11-24, 2026-11-24T06:00:00Z, or 90m, 12h, 7d ago
    #[arg(long, value_name = "WHEN")]
    since: Option<When>,
    /// Only those before then
    #[arg(long, value_name = "WHEN")]
    until: Option<When>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Wanted {
    Accepted,
    Deferred,
    Rejected,
    Refused,
}

impl Which {
    /// The filter that says the same.
    ///
    /// # Errors
    /// When there is no such list.
    pub async fn filter(self, store: &Store, limit: u32) -> Result<DecisionFilter, Failure> {
        use crate::decision::Outcome;
        let list = match &self.list {
            Some(name) => Some(find_list(store, name).await?.id),
            None => None,
        };
        Ok(DecisionFilter {
            list,
            user: self.user,
            sender: self.sender,
            recipient: self.recipient,
            rule: self.rule,
            outcome: match self.outcome {
                Some(Wanted::Accepted) => Some(Outcome::Accepted),
                Some(Wanted::Deferred) => Some(Outcome::Deferred),
                Some(Wanted::Rejected) => Some(Outcome::Rejected),
                Some(Wanted::Refused) | None => None,
            },
            refused_only: matches!(
                self.outcome,
                Some(Wanted::Deferred | Wanted::Rejected | Wanted::Refused)
            ),
            since: self.since.map(|When(at)| at),
            until: self.until.map(|When(at)| at),
            limit,
        })
    }
}

/// Lists what was decided.
///
/// # Errors
/// When the store cannot be read.
pub async fn run(
    command: Decisions,
    config: Option<&Path>,
    output: Output,
) -> Result<ExitCode, Failure> {
    let store = open_of(config).await?;
    let filter = command.which.filter(&store, command.limit).await?;
    let decisions = store.decisions(&filter).await?;
    let lists = ListNames::read(&store).await?;
    let rows: Vec<Value> = decisions
        .iter()
        .map(|decision| decision_output::value(decision, &lists))
        .collect();
    output.print(&rows, || listing(&decisions))?;
    Ok(ExitCode::SUCCESS)
}

fn listing(decisions: &[Decision]) -> String {
    if decisions.is_empty() {
        return "no decisions; `gatepost policy decisions --help` tells what to look for"
            .to_owned();
    }
    let cells = |decision: &Decision| {
        let about = &decision.about;
        let rules: Vec<&str> = decision
            .steps
            .iter()
            .map(|step| step.rule.as_str())
            .collect();
        let outcome = match decision.run {
            crate::decision::Run::Enforced => decision.outcome.to_string(),
            crate::decision::Run::Shadow => format!("({})", decision.outcome),
        };
        vec![
            about.at.to_whole_seconds(),
            about.id.to_string(),
            about.username.clone(),
            decision_output::sender(decision),
            decision_output::subject(decision),
            outcome,
            rules.join(" "),
        ]
    };
    let rows: Vec<Vec<String>> = decisions.iter().map(cells).collect();
    let header = ["time", "id", "user", "sender", "about", "outcome", "rules"];
    format!(
        "{}\n\n`gatepost policy explain ID` tells more about one.",
        table(&header, &rows)
    )
}
