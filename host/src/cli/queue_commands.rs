//! `gatepost queue …`: what is queued, and what happened to one message.

use clap::Subcommand;
use serde_json::{Value, json};

use super::account_commands::find_list;
use super::decision_output::{self, ListNames};
use super::output::table;
use super::{Failure, Output, queue_parameters};
use crate::decision::Decision;
use crate::id::QueueId;
use crate::queue::{MessageDetails, MessageFilter, MessageStatus, MessageSummary, Outcome};
use crate::store::Store;

/// `gatepost queue …`
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// List messages, the most recent first
    List {
        /// Only those of this list
        #[arg(long, value_name = "NAME")]
        list: Option<String>,
        /// Only those of this user
        #[arg(long, value_name = "USERNAME")]
        user: Option<String>,
        /// Finished ones too
        #[arg(long)]
        all: bool,
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Show what happened to one message, and why
    Show {
        /// Its queue id, as in the reply `250 2.0.0 queued as …`
        id: QueueId,
    },
    /// Let a message that a policy holds leave
    Release {
        /// Its queue id
        id: QueueId,
    },
    /// Withdraw a message from every recipient that was not served; nobody is told
    Delete {
        /// Its queue id
        id: QueueId,
    },
}

/// Runs the command.
pub async fn run(command: QueueCommand, store: &Store, output: Output) -> Result<(), Failure> {
    match command {
        QueueCommand::List {
            list,
            user,
            all,
            limit,
        } => {
            let list_id = match list {
                Some(name) => Some(find_list(store, &name).await?.id),
                None => None,
            };
            let filter = MessageFilter {
                list: list_id,
                user,
                open_only: !all,
                before: None,
                limit,
            };
            let messages = store.messages(filter).await?;
            let rows: Vec<Value> = messages.iter().map(summary).collect();
            output.print(&rows, || listing(&messages))
        }
        QueueCommand::Show { id } => {
            let message = known(store, id).await?;
            let decisions = store.decisions_about(id).await?;
            let lists = ListNames::read(store).await?;
            output.print(&details(&message, &decisions, &lists), || {
                timeline(&message, &decisions)
            })
        }
        QueueCommand::Release { id } => release(store, id, output).await,
        QueueCommand::Delete { id } => delete(store, id, output).await,
    }
}

async fn known(store: &Store, id: QueueId) -> Result<MessageDetails, Failure> {
    store.message(id).await?.ok_or_else(|| {
        let hint = "finished messages are removed after store.keep-finished-days";
        Failure::message(format!("there is no message {id}")).hint(hint)
    })
}

async fn release(store: &Store, id: QueueId, output: Output) -> Result<(), Failure> {
    let status = known(store, id).await?.summary.status();
    if status != MessageStatus::Held {
        let hint = format!("`gatepost queue show {id}` tells what became of it");
        let text = format!("message {id} is not held: it is {status}");
        return Err(Failure::message(text).hint(hint));
    }
    store.release(id).await?;
    let value = json!({ "id": id.to_string(), "released": true });
    output.print(&value, || format!("released {id}"))
}

async fn delete(store: &Store, id: QueueId, output: Output) -> Result<(), Failure> {
    let summary = known(store, id).await?.summary;
    if summary.finished_at.is_some() {
        let hint = "only what waits or is held can be deleted; finished messages go by themselves";
        let text = format!("message {id} is finished: it is {}", summary.status());
        return Err(Failure::message(text).hint(hint));
    }
    let concerned = store.delete(id).await?;
    let value = json!({ "id": id.to_string(), "cancelled_recipients": concerned });
    output.print(&value, || {
        let plural = if concerned == 1 { "" } else { "s" };
        format!("deleted {id}: withdrawn from {concerned} recipient{plural}")
    })
}

fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered(_) => "delivered",
        Outcome::Deferred(_) => "deferred",
        Outcome::Failed(_) => "failed",
    }
}

fn sender(message: &MessageSummary) -> String {
    message
        .meta
        .reverse_path
        .as_ref()
        .map_or_else(|| "<>".to_owned(), ToString::to_string)
}

fn summary(message: &MessageSummary) -> Value {
    let meta = &message.meta;
    json!({
        "id": message.id.to_string(),
        "list": message.list,
        "user": meta.username,
        "from": sender(message),
        "subject": meta.subject,
        "message_id": meta.message_id,
        "priority": meta.priority,
        "rule": meta.rule,
        "size": message.size,
        "session": meta.session_id,
        "received_at": meta.received_at.to_string(),
        "expires_at": meta.expires_at.to_string(),
        "recipients": message.recipients.total(),
        "status": message.status(),
        "parameters": queue_parameters::of_message(meta),
        "route": meta.way.route,
        "hold": meta.way.hold,
        "released_at": meta.way.released_at.map(|at| at.to_string()),
        "held_until": meta.parameters.held_until.map(|at| at.to_string()),
    })
}

fn details(message: &MessageDetails, decisions: &[Decision], lists: &ListNames) -> Value {
    let mut value = summary(&message.summary);
    let attempts = |index: u32| {
        let attempts = message
            .attempts
            .iter()
            .filter(move |attempt| attempt.recipient == index);
        attempts
            .map(|attempt| {
                json!({
                    "at": attempt.at.to_string(),
                    "next_hop": attempt.next_hop,
                    "outcome": outcome_name(&attempt.outcome),
                    "reply": attempt.outcome.reply().to_string(),
                })
            })
            .collect::<Vec<_>>()
    };
    let recipients = message.recipients.iter().map(|recipient| {
        json!({
            "address": recipient.mailbox.to_string(),
            "status": recipient.status,
            "due_at": recipient.status.is_open().then(|| recipient.due_at.to_string()),
            "parameters": queue_parameters::of_recipient(&recipient.parameters),
            "attempts": attempts(recipient.index),
        })
    });
    value["recipients"] = recipients.collect();
    let decisions = decisions.iter();
    value["decisions"] = decisions
        .map(|decision| decision_output::value(decision, lists))
        .collect();
    value
}

fn listing(messages: &[MessageSummary]) -> String {
    if messages.is_empty() {
        return "the queue is empty".to_owned();
    }
    let cells = |message: &MessageSummary| {
        vec![
            message.id.to_string(),
            message.meta.priority.to_string(),
            message.status().to_string(),
            message.meta.received_at.to_string(),
            message.meta.username.clone(),
            sender(message),
            message.recipients.total().to_string(),
            match (&message.meta.way.hold, message.status()) {
                (Some(reason), MessageStatus::Held) => {
                    format!("[{reason}] {}", message.meta.subject)
                }
                _ => message.meta.subject.clone(),
            },
        ]
    };
    let rows: Vec<Vec<String>> = messages.iter().map(cells).collect();
    table(
        &[
            "id",
            "priority",
            "status",
            "received",
            "user",
            "from",
            "recipients",
            "subject",
        ],
        &rows,
    )
}

fn timeline(message: &MessageDetails, decisions: &[Decision]) -> String {
    let (summary, meta) = (&message.summary, &message.summary.meta);
    let mut lines = vec![
        format!("message     {}", summary.id),
        format!("status      {}", summary.status()),
        format!("priority    {}", meta.priority),
        format!(
            "from        {} (user {}, list {})",
            sender(summary),
            meta.username,
            summary.list.as_deref().unwrap_or("-")
        ),
        format!("subject     {}", meta.subject),
        format!("message-id  {}", meta.message_id),
        format!("size        {} octets", summary.size),
    ];
    lines.extend(
        meta.way
            .route
            .iter()
            .map(|name| format!("route       {name}")),
    );
    lines.extend(
        meta.way
            .hold
            .iter()
            .map(|reason| format!("held        {reason}")),
    );
    lines.extend(queue_parameters::lines(message));
    lines.push(String::new());
    lines.push(format!(
        "{}  accepted in session {}: {}",
        meta.received_at, meta.session_id, meta.rule
    ));
    let said = decisions.iter().flat_map(decision_output::step_lines);
    // Below the text of the line before.
    lines.extend(said.map(|line| format!("{:26}{line}", "")));
    lines.extend(meta.way.released_at.map(|at| format!("{at}  released")));
    for attempt in &message.attempts {
        let recipient = message
            .recipients
            .iter()
            .find(|recipient| recipient.index == attempt.recipient);
        let address = recipient.map_or_else(String::new, |recipient| recipient.mailbox.to_string());
        let (at, next_hop, reply) = (attempt.at, &attempt.next_hop, attempt.outcome.reply());
        let outcome = outcome_name(&attempt.outcome);
        lines.push(format!("{at}  {address}: {outcome} by {next_hop}: {reply}"));
    }
    let is_held = meta.way.is_held();
    for recipient in message
        .recipients
        .iter()
        .filter(|recipient| recipient.status.is_open() && !is_held)
    {
        lines.push(format!(
            "{}  {}: next attempt",
            recipient.due_at, recipient.mailbox
        ));
    }
    lines.join("\n").replace(
        |character: char| character.is_control() && character != '\n',
        " ",
    )
}
