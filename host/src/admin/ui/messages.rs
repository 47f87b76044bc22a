//! Pages of messages: the search, what it found, and what happened to one.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::Site;
use super::answer::{page, page_with};
use super::errors::UiError;
use super::frame::{Frame, Wanted};
use super::timeline::{Item, Next, items, next};
use super::visit::Visitor;
use super::{html, words};
use crate::accounts::List;
use crate::admin::service::{Invalid, MessageSearch, STATUSES, ServiceError, Story};
use crate::decision::Decision;
use crate::queue::{MessageDetails, RecipientDetails};
use crate::store::{FoundMessage, FoundPage};

/// Their paths.
pub fn routes() -> Router<Site> {
    Router::new()
        .route("/messages", get(of_all))
        .route("/lists/{id}/messages", get(of_list))
        .route("/messages/{id}", get(one))
}

#[derive(Template)]
#[template(path = "messages.html")]
struct MessagesPage {
    frame: Frame,
    path: String,
    wanted: MessageSearch,
    invalid: Invalid,
    rows: Vec<Row>,
    next: Option<String>,
    /// The first page of the same search.
    newest: String,
    is_cut: bool,
    is_first: bool,
}

/// One line of the table.
struct Row {
    id: String,
    at: html::Html,
    subject: String,
    sender: String,
    recipient: String,
    user: String,
    priority: u8,
    status: words::Badge,
}

async fn of_all(
    State(site): State<Site>,
    visitor: Visitor,
    wanted: Query<MessageSearch>,
) -> Result<Response, UiError> {
    let frame = site.frame(&visitor, "Messages", "messages");
    search(&site, &visitor, None, frame, wanted).await
}

async fn of_list(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
    wanted: Query<MessageSearch>,
) -> Result<Response, UiError> {
    let list = site.service.list(&visitor.actor, id).await?;
    let frame = site.list_frame(&visitor, &list, "Messages", "messages");
    search(&site, &visitor, Some(&list), frame, wanted).await
}

async fn search(
    site: &Site,
    visitor: &Visitor,
    list: Option<&List>,
    frame: Frame,
    Query(wanted): Query<MessageSearch>,
) -> Result<Response, UiError> {
    let number = list.map(|list| list.id);
    let found = site.service.messages(&visitor.actor, number, &wanted).await;
    let path = list.map_or_else(
        || "/messages".to_owned(),
        |list| format!("/lists/{}/messages", list.id),
    );
    let (status, found, invalid) = match found {
        Ok(found) => (StatusCode::OK, found, Invalid::default()),
        Err(ServiceError::Invalid(invalid)) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            (status, FoundPage::default(), invalid)
        }
        Err(error) => return Err(error.into()),
    };
    let next = found
        .next
        .map(|next| link(&path, &wanted, &next.to_string()));
    let is_first = wanted.before.is_empty();
    Ok(page_with(
        status,
        &MessagesPage {
            frame,
            rows: found.messages.iter().map(row).collect(),
            next,
            newest: link(&path, &wanted, ""),
            is_cut: found.is_cut,
            is_first,
            path,
            wanted,
            invalid,
        },
    ))
}

/// The same search from another place on.
fn link(path: &str, wanted: &MessageSearch, before: &str) -> String {
    let fields = [
        ("recipient", wanted.recipient.as_str()),
        ("sender", &wanted.sender),
        ("subject", &wanted.subject),
        ("id", &wanted.id),
        ("user", &wanted.user),
        ("status", &wanted.status),
        ("from", &wanted.from),
        ("to", &wanted.to),
        ("before", before),
    ];
    let pairs = fields.iter().filter(|(_, value)| !value.trim().is_empty());
    let pairs = pairs.map(|(name, value)| format!("{name}={}", words::in_query(value)));
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

fn row(found: &FoundMessage) -> Row {
    match found {
        FoundMessage::Accepted {
            summary,
            first_recipient,
        } => Row {
            id: summary.id.to_string(),
            at: html::moment(&summary.meta.received_at),
            subject: words::subject(&summary.meta.subject),
            sender: words::sender(summary),
            recipient: words::and_more(first_recipient, summary.recipients.total()),
            user: summary.meta.username.clone(),
            priority: summary.meta.priority.number(),
            status: words::status(summary.status()),
        },
        FoundMessage::Refused(decision) => {
            let about = &decision.about;
            Row {
                id: about.id.to_string(),
                at: html::moment(&about.at),
                subject: refused_subject(decision),
                sender: crate::decision::sender(decision),
                recipient: crate::decision::recipients(decision),
                user: about.username.clone(),
                priority: decision.priority.number(),
                status: words::outcome(decision.outcome),
            }
        }
    }
}

/// Its subject, or where it was refused before it had one.
fn refused_subject(decision: &Decision) -> String {
    let header = decision.about.header.as_ref();
    header.map_or_else(
        || format!("Refused at {}", words::stage(decision.about.stage)),
        |header| words::subject(&header.subject),
    )
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    frame: Frame,
    story: Story,
    head: Head,
    items: Vec<Item>,
    next: Vec<Next>,
}

/// What is said of a message before its timeline.
struct Head {
    subject: String,
    status: words::Badge,
    sender: String,
    from: String,
    user: String,
    priority: String,
    list: Option<(i64, String)>,
    message_id: String,
    size: Option<String>,
    /// The reply by which it was refused, and what it means.
    refused: Option<String>,
    recipients: Vec<(String, words::Badge)>,
}

impl MessagePage {
    /// Whether more will happen to it.
    fn is_open(&self) -> bool {
        let message = self.story.message.as_ref();
        message.is_some_and(|message| message.summary.finished_at.is_none())
    }
}

async fn one(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<String>,
    wanted: Query<Wanted>,
) -> Result<Response, UiError> {
    let id = id.parse().map_err(|_| ServiceError::not_found("message"))?;
    let story = site
        .service
        .story_page(&visitor.actor, id, wanted.number())
        .await?;
    let list = match story.list {
        // It may be deleted by now; its messages are not.
        Some(list) => site.service.list(&visitor.actor, list).await.ok(),
        None => None,
    };
    let frame = match &list {
        Some(list) => site.list_frame(&visitor, list, format!("Message {id}"), "messages"),
        None => site.frame(&visitor, format!("Message {id}"), "messages"),
    };
    Ok(page(&MessagePage {
        frame,
        head: head(&story, list),
        items: items(&story),
        next: next(&story),
        story,
    }))
}

fn head(story: &Story, list: Option<List>) -> Head {
    let list = list.map(|list| (list.id, list.name));
    let from = story.decision().map_or("", |decision| &decision.about.from);
    match (&story.message, story.decision()) {
        (Some(message), _) => accepted_head(message, from, list),
        (None, Some(decision)) => {
            let header = decision.about.header.clone().unwrap_or_default();
            Head {
                subject: refused_subject(decision),
                status: words::outcome(decision.outcome),
                sender: decision
                    .about
                    .sender
                    .clone()
                    .unwrap_or_else(|| "<>".to_owned()),
                from: from.to_owned(),
                user: decision.about.username.clone(),
                priority: words::priority(&decision.priority).to_owned(),
                list,
                message_id: header.message_id,
                size: None,
                refused: crate::decision::reply(decision),
                recipients: refused_recipients(&decision.about.recipients, decision.outcome),
            }
        }
        (None, None) => Head {
            subject: String::new(),
            status: words::status(crate::queue::MessageStatus::Queued),
            sender: String::new(),
            from: String::new(),
            user: String::new(),
            priority: String::new(),
            list,
            message_id: String::new(),
            size: None,
            refused: None,
            recipients: Vec::new(),
        },
    }
}

fn accepted_head(message: &MessageDetails, from: &str, list: Option<(i64, String)>) -> Head {
    let (summary, meta) = (&message.summary, &message.summary.meta);
    let recipient =
        |one: &RecipientDetails| (one.mailbox.to_string(), words::recipient(one.status));
    Head {
        subject: words::subject(&meta.subject),
        status: words::status(summary.status()),
        sender: words::sender(summary),
        from: from.to_owned(),
        user: meta.username.clone(),
        priority: words::priority(&meta.priority).to_owned(),
        list,
        message_id: meta.message_id.clone(),
        size: Some(words::octets(&summary.size)),
        refused: None,
        recipients: message.recipients.iter().map(recipient).collect(),
    }
}

fn refused_recipients(
    recipients: &str,
    outcome: crate::decision::Outcome,
) -> Vec<(String, words::Badge)> {
    let addresses = recipients.split(' ').filter(|address| !address.is_empty());
    addresses
        .map(|address| (address.to_owned(), words::outcome(outcome)))
        .collect()
}
