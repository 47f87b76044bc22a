//! `gatepost queue hold`, `release`, `retry`, `delete`, `reprioritize`: what is done to messages.

use serde_json::json;

use super::known;
use super::selection::Selection;
use crate::cli::{Failure, Output, actor};
use crate::id::QueueId;
use crate::queue::{Command, Concerned, MessageSummary, Obstacle};
use crate::store::Store;

/// Carries a command out on what is selected, or counts.
///
/// # Errors
/// When a message that is named is not there or cannot be changed so, in which case nothing is done.
pub async fn run(
    command: &Command,
    selection: &Selection,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let filter = selection.filter(store).await?;
    for id in &selection.ids {
        let summary = known(store, *id).await?.summary;
        check(command, *id, &summary)?;
    }
    let concerned = if selection.dry_run {
        store.count(&filter, command).await?
    } else {
        store.order(&filter, command, &actor::name()).await?
    };
    if concerned.messages == 0 && !selection.ids.is_empty() && !selection.dry_run {
        let hint = "it stands elsewhere by now; `gatepost queue show ID` tells where";
        return Err(Failure::message("nothing was changed").hint(hint));
    }
    let value = json!({
        "action": command.kind(),
        "dry_run": selection.dry_run,
        "messages": concerned.messages,
        "recipients": concerned.recipients,
    });
    output.print(&value, || text(command, selection, concerned))
}

/// Why a message that was named cannot be changed so.
fn check(command: &Command, id: QueueId, summary: &MessageSummary) -> Result<(), Failure> {
    let Some(obstacle) = command.obstacle(summary) else {
        return Ok(());
    };
    let hint = match obstacle {
        Obstacle::Finished(_) => {
            "only what waits or is held can be changed; finished messages go by themselves"
                .to_owned()
        }
        _ => format!("`gatepost queue show {id}` tells what became of it"),
    };
    Err(Failure::message(format!("message {id}: {obstacle}")).hint(hint))
}

fn text(command: &Command, selection: &Selection, concerned: Concerned) -> String {
    let messages = match selection.ids.as_slice() {
        [id] => id.to_string(),
        _ => plural(concerned.messages, "message"),
    };
    let done = match command {
        Command::Release => format!("released {messages}"),
        Command::Delete => format!("deleted {messages}: withdrawn"),
        Command::Hold(_) => format!("held {messages}"),
        Command::Retry => format!("made {messages} due now"),
        Command::Reprioritize(priority) => format!("gave {messages} priority {priority}"),
        Command::Schedule(at) => format!("scheduled {messages} for {}", at.to_whole_seconds()),
    };
    let recipients = plural(concerned.recipients, "recipient");
    let done = match command {
        Command::Delete => format!("{done} from {recipients}"),
        _ => format!("{done}, to {recipients}"),
    };
    if selection.dry_run {
        return format!("would have {done}; nothing was changed");
    }
    done
}

/// `1 message`, `2 messages`.
pub fn plural(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
