//! Messages as programs read them: in a listing, and everything about one.

use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::service::Story;
use crate::decision::{self, Decision};
use crate::queue::{
    Attempt, MessageDetails, MessageStatus, MessageSummary, Outcome, RecipientDetails,
};
use crate::store::FoundMessage;

/// A message in a listing.
#[derive(Serialize, ToSchema)]
pub struct MessageDocument {
    /// Its queue id.
    id: String,
    /// The number of its list; null when its user belonged to none.
    list: Option<i64>,
    /// Where it stands: `queued`, `deferred`, `scheduled`, `held`, `delivered`, `partial`, `failed`, `expired`, `cancelled`,
    /// or `blocked` when it was refused and never in the queue.
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
    /// Octets in all; null when it was refused.
    size: Option<u64>,
    /// When it was accepted, or refused.
    #[schema(format = DateTime)]
    received_at: String,
    /// When its last recipient was settled; null while it is open.
    finished_at: Option<String>,
    /// Why it is held; null when it is not.
    held: Option<String>,
    /// The rules that decided.
    rule: String,
    /// What the client was told when it was refused; null when it was accepted.
    reply: Option<String>,
}

/// Everything about a message.
#[derive(Serialize, ToSchema)]
pub struct MessageStory {
    /// What the listing shows.
    #[serde(flatten)]
    message: MessageDocument,
    /// Its recipients.
    recipients: Vec<RecipientDocument>,
    /// The cursor of the page of earlier attempts; null when there are none.
    earlier_attempts: Option<String>,
    /// What the policies decided.
    decisions: Vec<DecisionDocument>,
    /// What operators did to it.
    orders: Vec<OrderDocument>,
    /// The messages by which its sender was told of it, by queue id.
    notices: Vec<String>,
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
    /// What was tried for it, of this page, oldest first.
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

/// One that is or was in the queue.
pub fn accepted(summary: &MessageSummary) -> MessageDocument {
    let meta = &summary.meta;
    let status = summary.status();
    let held = meta.way.hold.clone();
    MessageDocument {
        id: summary.id.to_string(),
        list: meta.list_id,
        user: meta.username.clone(),
        sender: meta.reverse_path.as_ref().map(ToString::to_string),
        subject: meta.subject.clone(),
        message_id: meta.message_id.clone(),
        priority: meta.priority.number(),
        size: Some(summary.size),
        received_at: meta.received_at.to_string(),
        finished_at: summary.finished_at.map(|at| at.to_string()),
        held: held.filter(|_| status == MessageStatus::Held),
        rule: meta.rule.clone(),
        reply: None,
        status: status.to_string(),
    }
}

/// One that was refused.
fn refused(one: &Decision) -> MessageDocument {
    let header = one.about.header.clone().unwrap_or_default();
    let rules = one.steps.iter().map(|step| step.rule.clone());
    MessageDocument {
        id: one.about.id.to_string(),
        list: one.about.list_id,
        status: "blocked".to_owned(),
        user: one.about.username.clone(),
        sender: one.about.sender.clone(),
        subject: header.subject,
        message_id: header.message_id,
        priority: one.priority.number(),
        size: None,
        received_at: one.about.at.to_string(),
        finished_at: Some(one.about.at.to_string()),
        held: None,
        rule: rules.collect::<Vec<_>>().join(" "),
        reply: decision::reply(one),
    }
}

/// One that was found.
pub fn found(message: &FoundMessage) -> MessageDocument {
    match message {
        FoundMessage::Accepted { summary, .. } => accepted(summary),
        FoundMessage::Refused(decision) => refused(decision),
    }
}

/// Everything about one, with the cursor of earlier attempts; none when nothing is known of it.
pub fn story(story: &Story, earlier_attempts: Option<String>) -> Option<MessageStory> {
    let details = story.message.as_ref();
    let message = match (details, story.decision()) {
        (Some(details), _) => accepted(&details.summary),
        (None, Some(decision)) => refused(decision),
        (None, None) => return None,
    };
    let orders = details.iter().flat_map(|details| &details.orders);
    let notices = details.iter().flat_map(|details| &details.notices);
    Some(MessageStory {
        message,
        recipients: details.map_or_else(|| refused_recipients(story), recipients),
        earlier_attempts,
        decisions: story.decisions.iter().map(ruled).collect(),
        orders: orders
            .map(|order| OrderDocument {
                at: order.at.to_string(),
                what: order.kind.to_string(),
                by: order.by.clone(),
                detail: order.detail.clone(),
            })
            .collect(),
        notices: notices.map(|notice| notice.id.to_string()).collect(),
    })
}

fn recipients(details: &MessageDetails) -> Vec<RecipientDocument> {
    let recipient = |one: &RecipientDetails| {
        let attempts = details.attempts.iter();
        let own = attempts.filter(|attempt| attempt.recipient == one.index);
        let due_at = one.status.is_open().then(|| one.due_at.to_string());
        RecipientDocument {
            address: one.mailbox.to_string(),
            status: one.status.to_string(),
            due_at,
            attempts: own.map(attempt).collect(),
        }
    };
    details.recipients.iter().map(recipient).collect()
}

/// Those that it never reached.
fn refused_recipients(story: &Story) -> Vec<RecipientDocument> {
    let about = story.decision().map(|decision| &decision.about);
    let all = about.map_or("", |about| about.recipients.as_str());
    let addresses = all.split(' ').filter(|address| !address.is_empty());
    let recipient = |address: &str| RecipientDocument {
        address: address.to_owned(),
        status: "blocked".to_owned(),
        due_at: None,
        attempts: Vec::new(),
    };
    addresses.map(recipient).collect()
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

fn ruled(one: &Decision) -> DecisionDocument {
    let reply = one.reply.as_ref();
    let steps = one.steps.iter();
    DecisionDocument {
        at: one.about.at.to_string(),
        outcome: match one.outcome {
            decision::Outcome::Accepted => "accepted",
            decision::Outcome::Deferred => "deferred",
            decision::Outcome::Rejected => "rejected",
        }
        .to_owned(),
        priority: one.priority.number(),
        reply: reply.map(|(code, text)| format!("{code} {text}")),
        rules: steps
            .map(|step| format!("{}: {}", step.rule, step.decision))
            .collect(),
    }
}
