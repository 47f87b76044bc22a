//! `gatepost policy reload`: asks the running relay for a reload, and tells what came of it.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::super::{Failure, Output, load_config, open};
use crate::store::{ReloadOutcome, Store};

/// Between two looks whether the relay has answered.
const LOOK: Duration = Duration::from_millis(200);

/// `gatepost policy reload`
#[derive(Debug, Args)]
pub struct Reload {
    /// Seconds to wait for the relay's answer: a large policy that is new takes a while to compile
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    wait_s: u64,
}

/// Runs the command: exit code 1 when the relay kept what it had.
pub async fn run(
    reload: &Reload,
    config: Option<&Path>,
    output: Output,
) -> Result<ExitCode, Failure> {
    let store = open(&load_config(config)?).await?;
    if !store.is_queue_locked()? {
        let hint = "start it with `gatepost serve`: it reads everything when it starts";
        return Err(Failure::message("no relay is running with this store").hint(hint));
    }
    let outcome = ask(&store, Duration::from_secs(reload.wait_s)).await?;
    output.print(&value(&outcome), || text(&outcome))?;
    match outcome.failure {
        None => Ok(ExitCode::SUCCESS),
        Some(failure) => Err(Failure::message(failure.error).hint(failure.hint)),
    }
}

async fn ask(store: &Store, patience: Duration) -> Result<ReloadOutcome, Failure> {
    let request = store.request_reload().await?;
    let begun = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        if let Some(outcome) = store.reload_answer(request).await? {
            return Ok(outcome);
        }
        if begun.elapsed() >= patience {
            let text = format!("the relay has not answered within {} s", patience.as_secs());
            let hint = "it may still be compiling a policy: its log tells what comes of it";
            return Err(Failure::message(text).hint(hint));
        }
    }
}

fn value(outcome: &ReloadOutcome) -> Value {
    json!({
        "taken": outcome.failure.is_none(),
        "generation": outcome.generation,
        "changes": outcome.changes,
        "needs_restart": outcome.restart,
        "error": outcome.failure.as_ref().map(|failure| &failure.error),
        "hint": outcome.failure.as_ref().map(|failure| &failure.hint),
        "begun_at": outcome.begun_at.to_string(),
        "ended_at": outcome.ended_at.to_string(),
    })
}

fn text(outcome: &ReloadOutcome) -> String {
    let set = format!("policy set {} is in force", outcome.generation);
    if outcome.failure.is_some() {
        return format!("kept: nothing changed, {set}");
    }
    let mut lines = match outcome.changes.as_slice() {
        [] => vec![format!("nothing to take: {set}")],
        changes => {
            let changes = changes.iter().map(|change| format!("  {change}"));
            [format!("taken: {set}")]
                .into_iter()
                .chain(changes)
                .collect()
        }
    };
    if !outcome.restart.is_empty() {
        let sections = outcome.restart.join(", ");
        lines.push(format!("changed, but needs a restart: {sections}"));
    }
    lines.join("\n")
}
