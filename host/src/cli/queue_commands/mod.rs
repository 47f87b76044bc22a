//! `gatepost queue …`: what is queued, what happened to one message, and what administrators do about it.

mod change;
mod parameters;
mod selection;
mod stops;

use clap::Subcommand;
use serde_json::{Value, json};

use self::selection::{Properties, Selection};
use self::stops::What;
use super::decision_output::{self, ListNames};
use super::output::table;
use super::{Failure, Output};
use crate::decision::Decision;
use crate::id::QueueId;
use crate::queue::{
    Command, MessageDetails, MessageFilter, MessageStatus, MessageSummary, Outcome, Priority, Stop,
};
use crate::store::Store;

/// `gatepost queue …`
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// List messages, the most recent first, and what is stopped
    List {
        #[command(flatten)]
        properties: Properties,
        /// Finished ones too
        #[arg(long)]
        all: bool,
        /// The page after this one: only messages before this id
        #[arg(long, value_name = "ID")]
        before: Option<QueueId>,
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Show what happened to one message, and why
    Show {
        /// Its queue id, as in the reply `250 2.0.0 queued as …`
        id: QueueId,
    },
    /// Have messages wait until they are released; their time goes on
    Hold {
        #[command(flatten)]
        selection: Selection,
        /// Why, for whoever finds them held
        #[arg(long, value_name = "TEXT", default_value = "held by an administrator")]
        reason: String,
    },
    /// Let held messages leave
    Release {
        #[command(flatten)]
        selection: Selection,
    },
    /// Make what waits for another attempt due now
    Retry {
        #[command(flatten)]
        selection: Selection,
    },
    /// Withdraw messages from every recipient that was not served, or from those at --recipient-domain; nobody is told
    Delete {
        #[command(flatten)]
        selection: Selection,
    },
    /// Give what waits another effective priority
    Reprioritize {
        #[command(flatten)]
        selection: Selection,
        /// The new priority, 1 to 5
        #[arg(long, value_name = "1-5")]
        to: Priority,
    },
    /// Stop mail: what runs is finished, and the rest waits until it is started, also over a restart
    Stop {
        #[command(flatten)]
        what: What,
        /// Why, for whoever finds it stopped
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Start what was stopped
    Start {
        #[command(flatten)]
        what: What,
    },
    /// List what is stopped
    Stops,
}

/// Characters of a reason; more is cut.
const REASON: usize = 200;

/// Runs the command.
pub async fn run(command: QueueCommand, store: &Store, output: Output) -> Result<(), Failure> {
    let (command, selection) = match command {
        QueueCommand::List {
            properties,
            all,
            before,
            limit,
        } => {
            let filter = MessageFilter {
                open_only: !all && !properties.are_of_finished(),
                before,
                limit,
                ..properties.filter(store).await?
            };
            return list(store, filter, output).await;
        }
        QueueCommand::Show { id } => return show(store, id, output).await,
        QueueCommand::Stop { what, reason } => {
            return stops::stop(&what, line(&reason), store, output).await;
        }
        QueueCommand::Start { what } => return stops::start(&what, store, output).await,
        QueueCommand::Stops => return stops::list(store, output).await,
        QueueCommand::Hold { selection, reason } => (Command::Hold(line(&reason)), selection),
        QueueCommand::Release { selection } => (Command::Release, selection),
        QueueCommand::Retry { selection } => (Command::Retry, selection),
        QueueCommand::Delete { selection } => (Command::Delete, selection),
        QueueCommand::Reprioritize { selection, to } => (Command::Reprioritize(to), selection),
    };
    change::run(&command, &selection, store, output).await
}

/// One printable line of bounded length.
fn line(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().take(REASON).map(shown).collect()
}

async fn list(store: &Store, filter: MessageFilter, output: Output) -> Result<(), Failure> {
    let limit = filter.limit as usize;
    let messages = store.messages(filter).await?;
    let rows: Vec<Value> = messages.iter().map(summary).collect();
    let stops = store.stops().await?;
    let lists = ListNames::read(store).await?;
    output.print(&rows, || listing(&messages, limit, &stops, &lists))
}

async fn show(store: &Store, id: QueueId, output: Output) -> Result<(), Failure> {
    let message = known(store, id).await?;
    let decisions = store.decisions_about(id).await?;
    let lists = ListNames::read(store).await?;
    output.print(&details(&message, &decisions, &lists), || {
        timeline(&message, &decisions)
    })
}

async fn known(store: &Store, id: QueueId) -> Result<MessageDetails, Failure> {
    store.message(id).await?.ok_or_else(|| {
        let hint = "finished messages are removed after store.keep-finished-days";
        Failure::message(format!("there is no message {id}")).hint(hint)
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
        "parameters": parameters::of_message(meta),
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
                    "tls": attempt.tls,
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
            "parameters": parameters::of_recipient(&recipient.parameters),
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

fn listing(messages: &[MessageSummary], limit: usize, stops: &[Stop], lists: &ListNames) -> String {
    let mut lines = stops::head(stops, lists);
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines.push(match messages {
        [] => "no messages".to_owned(),
        messages => rows(messages),
    });
    if let Some(last) = messages.last().filter(|_| messages.len() >= limit) {
        lines.push(String::new());
        lines.push(format!("there may be more: add --before {}", last.id));
    }
    lines.join("\n")
}

/// The subject, behind why or until when the message waits.
fn remarked(message: &MessageSummary) -> String {
    let meta = &message.meta;
    let until = meta.parameters.held_until;
    match (message.status(), &meta.way.hold, until) {
        (MessageStatus::Held, Some(reason), _) => format!("[{reason}] {}", meta.subject),
        (MessageStatus::Scheduled, _, Some(until)) => {
            format!("[due {}] {}", until.to_whole_seconds(), meta.subject)
        }
        _ => meta.subject.clone(),
    }
}

fn rows(messages: &[MessageSummary]) -> String {
    let cells = |message: &MessageSummary| {
        vec![
            message.id.to_string(),
            message.meta.priority.to_string(),
            message.status().to_string(),
            message.meta.received_at.to_string(),
            message.meta.username.clone(),
            sender(message),
            message.recipients.total().to_string(),
            remarked(message),
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
    lines.extend(parameters::lines(message));
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
        if !attempt.tls.is_empty() {
            lines.push(format!("{:26}tls: {}", "", attempt.tls));
        }
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
