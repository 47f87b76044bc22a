//! Messages of a list: a listing, and everything about one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::access::Reader;
use super::page::{self, Page};
use super::problem::Problem;
use super::refusals::{BadRequest, NotThere, Refused};
use super::request::{Path, Query};
use crate::clock::Timestamp;
use crate::decision::Decision;
use crate::id::QueueId;
use crate::queue::{
    Attempt, MessageDetails, MessageFilter, MessageStatus, MessageSummary, Outcome, Priority,
    canonical_domain,
};

/// Where a message can stand.
const STATUSES: [MessageStatus; 9] = [
    MessageStatus::Held,
    MessageStatus::Scheduled,
    MessageStatus::Queued,
    MessageStatus::Deferred,
    MessageStatus::Delivered,
    MessageStatus::Partial,
    MessageStatus::Failed,
    MessageStatus::Expired,
    MessageStatus::Cancelled,
];

/// Which messages.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilterDocument {
    /// Only those submitted by this user, by name.
    pub user: Option<String>,
    /// Only those with this reverse-path, `<>` for the null one, or all of a domain as `@example.com`.
    pub sender: Option<String>,
    /// Only those with a recipient at this domain.
    pub recipient_domain: Option<String>,
    /// Only those of this effective priority.
    #[schema(minimum = 1, maximum = 5)]
    pub priority: Option<u8>,
    /// Only those that stand there: `held`, `scheduled`, `queued`, `deferred`, `delivered`, `partial`, `failed`,
    /// `expired` or `cancelled`.
    pub status: Option<String>,
    /// Only these, by id.
    pub ids: Option<Vec<String>>,
}

/// Which messages, and which page of them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct Listing {
    /// Only those submitted by this user, by name.
    user: Option<String>,
    /// Only those with this reverse-path, `<>` for the null one, or all of a domain as `@example.com`.
    sender: Option<String>,
    /// Only those with a recipient at this domain.
    recipient_domain: Option<String>,
    /// Only those of this effective priority.
    #[param(minimum = 1, maximum = 5)]
    priority: Option<u8>,
    /// Only those that stand there: `held`, `scheduled`, `queued`, `deferred`, `delivered`, `partial`, `failed`,
    /// `expired` or `cancelled`.
    status: Option<String>,
    /// Only those with a recipient still to be served.
    open: bool,
    /// Only those accepted at this time or later, like `2026-11-26T09:00:00Z`.
    since: Option<String>,
    /// Only those accepted before.
    until: Option<String>,
    /// `next` of the page before; nothing for the first.
    #[param(pattern = "^c[0-9]{1,18}$")]
    cursor: Option<String>,
    /// Messages on a page, from 1 to 200; 50 when it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// A message in a listing.
#[derive(Serialize, ToSchema)]
pub struct MessageDocument {
    /// Its queue id.
    id: String,
    /// Where it stands.
    #[schema(example = "delivered")]
    status: String,
    /// The user that submitted it.
    user: String,
    /// The reverse-path; null is the null one.
    sender: Option<String>,
    /// The subject.
    subject: String,
    /// The Message-ID.
    message_id: String,
    /// Effective priority, from 1 to 5.
    priority: u8,
    /// Octets in all.
    size: u64,
    /// When it was accepted.
    #[schema(format = DateTime)]
    received_at: String,
    /// When its last recipient was settled; null while it is open.
    finished_at: Option<String>,
    /// Why it is held; null when it is not.
    held: Option<String>,
    /// The rules that decided.
    rule: String,
}

/// Everything about a message.
#[derive(Serialize, ToSchema)]
pub struct MessageStory {
    /// What the listing shows.
    #[serde(flatten)]
    message: MessageDocument,
    /// Its recipients.
    recipients: Vec<RecipientDocument>,
    /// What the policies decided.
    decisions: Vec<DecisionDocument>,
    /// What operators did to it.
    orders: Vec<OrderDocument>,
}

/// A recipient.
#[derive(Serialize, ToSchema)]
pub struct RecipientDocument {
    /// The forward-path.
    address: String,
    /// Where it stands.
    status: String,
    /// When it is tried next; null when it is settled.
    due_at: Option<String>,
    /// What was tried, oldest first.
    attempts: Vec<AttemptDocument>,
}

/// An attempt to deliver to one recipient.
#[derive(Serialize, ToSchema)]
pub struct AttemptDocument {
    /// When it ended.
    #[schema(format = DateTime)]
    at: String,
    /// Who was asked.
    next_hop: String,
    /// How the connection was encrypted.
    tls: String,
    /// `delivered`, `deferred` or `failed`.
    outcome: String,
    /// The other side's words.
    reply: String,
}

/// What the policies decided.
#[derive(Serialize, ToSchema)]
pub struct DecisionDocument {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// `accepted`, `deferred` or `rejected`.
    outcome: String,
    /// Effective priority in the end.
    priority: u8,
    /// What the client was told; null when the message was accepted.
    reply: Option<String>,
    /// The rule of each policy, with its decision.
    rules: Vec<String>,
}

/// What an operator did.
#[derive(Serialize, ToSchema)]
pub struct OrderDocument {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// What.
    what: String,
    /// Who.
    by: String,
    /// Why, or from what to what.
    detail: String,
}

fn wrong(field: &str, expected: &str) -> Problem {
    let detail = format!("`{field}` is {expected}");
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

impl FilterDocument {
    /// For the operations.
    ///
    /// # Errors
    /// What is no value of its field.
    pub fn filter(self) -> Result<MessageFilter, Problem> {
        let priority = self.priority.map(|number| {
            let known = Priority::from_number(number.into());
            known.ok_or_else(|| wrong("priority", "a number from 1 to 5"))
        });
        let status = self.status.as_deref().map(|word| {
            let known = STATUSES.into_iter();
            let mut known = known.filter(|status| status.to_string() == word);
            known
                .next()
                .ok_or_else(|| wrong("status", "none of those that there are"))
        });
        let ids = self.ids.map(|ids| {
            let ids = ids.iter().map(|id| message_id(id));
            ids.collect::<Result<Vec<_>, _>>()
        });
        Ok(MessageFilter {
            ids: ids.transpose()?,
            user: self.user,
            sender: self.sender,
            recipient_domain: self.recipient_domain.as_deref().map(canonical_domain),
            priority: priority.transpose()?,
            status: status.transpose()?,
            ..MessageFilter::default()
        })
    }
}

impl Listing {
    fn filter(self) -> Result<MessageFilter, Problem> {
        let limit = page::limit(self.limit)?;
        let before = page::cursor(self.cursor.as_deref())?;
        let time = |field: &str, text: Option<String>| {
            let time = text.map(|text| {
                Timestamp::parse_utc(&text)
                    .ok_or_else(|| wrong(field, "a time like 2026-11-26T09:00:00Z"))
            });
            time.transpose()
        };
        let filter = FilterDocument {
            user: self.user,
            sender: self.sender,
            recipient_domain: self.recipient_domain,
            priority: self.priority,
            status: self.status,
            ids: None,
        };
        Ok(MessageFilter {
            open_only: self.open,
            received_after: time("since", self.since)?,
            received_before: time("until", self.until)?,
            before: before.map(QueueId::from_i64),
            limit: limit + 1,
            ..filter.filter()?
        })
    }
}

fn message_id(text: &str) -> Result<QueueId, Problem> {
    let parsed = text.parse();
    parsed.map_err(|_| Problem::new(StatusCode::NOT_FOUND, "there is no such message"))
}

fn document(summary: &MessageSummary) -> MessageDocument {
    let meta = &summary.meta;
    let status = summary.status();
    MessageDocument {
        id: summary.id.to_string(),
        user: meta.username.clone(),
        sender: meta.reverse_path.as_ref().map(ToString::to_string),
        subject: meta.subject.clone(),
        message_id: meta.message_id.clone(),
        priority: meta.priority.number(),
        size: summary.size,
        received_at: meta.received_at.to_string(),
        finished_at: summary.finished_at.map(|at| at.to_string()),
        held: meta
            .way
            .hold
            .clone()
            .filter(|_| status == MessageStatus::Held),
        rule: meta.rule.clone(),
        status: status.to_string(),
    }
}

fn attempt(attempt: &Attempt) -> AttemptDocument {
    let outcome = match attempt.outcome {
        Outcome::Delivered(_) => "delivered",
        Outcome::Deferred(_) => "deferred",
        Outcome::Failed(_) => "failed",
    };
    AttemptDocument {
        at: attempt.at.to_string(),
        next_hop: attempt.next_hop.clone(),
        tls: attempt.tls.clone(),
        outcome: outcome.to_owned(),
        reply: attempt.outcome.reply().to_string(),
    }
}

fn decision(decision: &Decision) -> DecisionDocument {
    let reply = decision.reply.as_ref();
    let steps = decision.steps.iter();
    DecisionDocument {
        at: decision.about.at.to_string(),
        outcome: match decision.outcome {
            crate::decision::Outcome::Accepted => "accepted",
            crate::decision::Outcome::Deferred => "deferred",
            crate::decision::Outcome::Rejected => "rejected",
        }
        .to_owned(),
        priority: decision.priority.number(),
        reply: reply.map(|(code, text)| format!("{code} {text}")),
        rules: steps
            .map(|step| format!("{}: {}", step.rule, step.decision))
            .collect(),
    }
}

fn story(details: &MessageDetails, decisions: &[Decision]) -> MessageStory {
    let recipients = details.recipients.iter().map(|recipient| {
        let own = details.attempts.iter();
        let own = own.filter(|attempt| attempt.recipient == recipient.index);
        RecipientDocument {
            address: recipient.mailbox.to_string(),
            status: recipient.status.to_string(),
            due_at: recipient
                .status
                .is_open()
                .then(|| recipient.due_at.to_string()),
            attempts: own.map(attempt).collect(),
        }
    });
    let orders = details.orders.iter().map(|order| OrderDocument {
        at: order.at.to_string(),
        what: order.kind.to_string(),
        by: order.by.clone(),
        detail: order.detail.clone(),
    });
    MessageStory {
        message: document(&details.summary),
        recipients: recipients.collect(),
        decisions: decisions.iter().map(decision).collect(),
        orders: orders.collect(),
    }
}

/// Lists the messages of a list
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/lists/{list}/messages",
    operation_id = "list_messages",
    tag = "Messages",
    params(("list" = i64, Path, description = "The number of the list"), Listing),
    responses(
        (status = 200, description = "A page of messages", body = Page<MessageDocument>),
        Refused,
        NotThere,
        BadRequest,
    )
)]
pub async fn all(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path(list): Path<i64>,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<MessageDocument>>, Problem> {
    let filter = listing.filter()?;
    let limit = filter.limit - 1;
    let service = &api.service;
    let messages = service.messages_of_list(&caller.actor, list, filter);
    let messages = messages.await?;
    let number = |message: &MessageSummary| message.id.as_i64();
    Ok(Json(page::page(messages, limit, number, |message| {
        document(&message)
    })))
}

/// Shows everything about a message
///
/// Its recipients with every attempt, what the policies decided, and what operators did.
#[utoipa::path(
    get,
    path = "/lists/{list}/messages/{message}",
    operation_id = "show_message",
    tag = "Messages",
    params(("list" = i64, Path, description = "The number of the list"), ("message" = String, Path, description = "Its queue id")),
    responses(
        (status = 200, description = "The message", body = MessageStory),
        Refused,
        NotThere,
    )
)]
pub async fn one(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path((list, message)): Path<(i64, String)>,
) -> Result<Json<MessageStory>, Problem> {
    let id = message_id(&message)?;
    let service = &api.service;
    let details = service.message_of_list(&caller.actor, list, id).await?;
    let decisions = service.decisions_about(&caller.actor, list, id).await?;
    Ok(Json(story(&details, &decisions)))
}
