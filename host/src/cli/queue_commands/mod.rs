//! `gatepost queue …`: what is queued, what happened to one message, and what administrators do about it.

mod change;
mod parameters;
mod selection;
mod stops;
mod timeline;

use clap::Subcommand;
use serde_json::{Value, json};

use self::selection::{Properties, Selection};
use self::stops::What;
use self::timeline::Story;
use super::decision_output::ListNames;
use super::output::table;
use super::{Failure, Output};
use crate::admin::service::ATTEMPTS_ON_A_PAGE;
use crate::clock::Timestamp;
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
        /// The latest attempts that are shown; a message to very many has thousands
        #[arg(long, value_name = "N", default_value_t = ATTEMPTS_ON_A_PAGE)]
        attempts: u32,
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
    /// Have messages not tried before a time; one that is over means now
    Schedule {
        #[command(flatten)]
        selection: Selection,
        /// When, in UTC: 2026-11-24T06:00:00Z
        #[arg(long, value_name = "TIME", value_parser = instant)]
        at: Timestamp,
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
        QueueCommand::Show { id, attempts } => return show(store, id, attempts, output).await,
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
        QueueCommand::Schedule { selection, at } => (Command::Schedule(at), selection),
    };
    change::run(&command, &selection, store, output).await
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_utc(text)
        .ok_or_else(|| "say a time in UTC, like 2026-11-24T06:00:00Z".to_owned())
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

async fn show(store: &Store, id: QueueId, attempts: u32, output: Output) -> Result<(), Failure> {
    let lists = ListNames::read(store).await?;
    let decisions = store.decisions_about(id).await?;
    let found = store.message_in_part(id, attempts.saturating_add(1), 0);
    let Some(mut message) = found.await? else {
        if decisions.is_empty() {
            return Err(unknown(id));
        }
        let value = timeline::refused_value(&decisions, &lists);
        return output.print(&value, || timeline::refused_text(&decisions, &lists));
    };
    let has_earlier = message.drop_surplus_attempt(attempts);
    let story = Story {
        message: &message,
        has_earlier,
        decisions: &decisions,
        stops: &store.stops().await?,
        lists: &lists,
    };
    output.print(&story.value(), || story.text())
}

async fn known(store: &Store, id: QueueId) -> Result<MessageDetails, Failure> {
    store.message(id).await?.ok_or_else(|| unknown(id))
}

fn unknown(id: QueueId) -> Failure {
    let hint = "finished messages are removed after store.keep-finished-days";
    Failure::message(format!("there is no message {id}")).hint(hint)
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
        "client": Some(meta.origin.client.as_str()).filter(|client| !client.is_empty()),
        "requested_priority": meta.origin.requested_priority,
        "notice_of": meta.origin.notice_of.map(|id| id.to_string()),
        "finished_at": message.finished_at.map(|at| at.to_string()),
        "held_until": meta.parameters.held_until.map(|at| at.to_string()),
    })
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
