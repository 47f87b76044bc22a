//! Messages: finding them, and everything about one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::access::{Caller, Reader};
use super::message_documents::{MessageDocument, MessageStory, found, story as story_of};
use super::page::{self, Page};
use super::problem::Problem;
use super::refusals::{BadRequest, NotThere, Refused};
use super::request::{Path, Query};
use crate::admin::service::{STATUSES, ServiceError};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::store::{Search, SearchStatus};

/// Which messages, and which page of them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct Listing {
    /// Only those submitted by this user, by name.
    user: Option<String>,
    /// Only those with this reverse-path or address in From, the part before its `@`, or all of a domain as
    /// `@example.com`; `<>` is the null reverse-path.
    sender: Option<String>,
    /// The same of any recipient.
    recipient: Option<String>,
    /// Only those with these words in the subject, in any order.
    subject: Option<String>,
    /// Only those with this Message-ID, with or without its angle brackets.
    message_id: Option<String>,
    /// Only those that stand there: `held`, `scheduled`, `queued`, `deferred`, `delivered`, `partial`, `failed`,
    /// `expired` or `cancelled`, or `blocked` for those that were refused.
    status: Option<String>,
    /// Only those that came at this time or later, like `2026-11-26T09:00:00Z`.
    since: Option<String>,
    /// Only those that came before.
    until: Option<String>,
    /// `next` of the page before; nothing for the first.
    #[param(pattern = "^c[0-9]{1,19}$")]
    cursor: Option<String>,
    /// Messages on a page, from 1 to 200; 50 when it is left out. A page may have fewer though another follows: it ends
    /// when looking takes long.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Which attempts of a message.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct Attempts {
    /// `earlier_attempts` of the page before; nothing for the latest.
    #[param(pattern = "^c[0-9]{1,9}$")]
    cursor: Option<String>,
    /// Attempts on a page, of all recipients together, from 1 to 200; 50 when it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// What is no value of a parameter.
pub fn wrong(field: &str, expected: &str) -> Problem {
    let detail = format!("`{field}` is {expected}");
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

impl Listing {
    fn search(self) -> Result<Search, Problem> {
        let limit = page::limit(self.limit)?;
        let before = page::cursor(self.cursor.as_deref())?;
        let time = |field: &str, text: Option<String>| {
            let time = text.map(|text| {
                Timestamp::parse_utc(&text)
                    .ok_or_else(|| wrong(field, "a time like 2026-11-26T09:00:00Z"))
            });
            time.transpose()
        };
        let status = self.status.as_deref().map(status);
        Ok(Search {
            list: None,
            recipient: self.recipient,
            sender: self.sender,
            subject: self.subject,
            message_id: self.message_id,
            user: self.user,
            id: None,
            status: status.transpose()?,
            since: time("since", self.since)?,
            until: time("until", self.until)?,
            before: before.map(QueueId::from_i64),
            limit: limit as usize,
        })
    }
}

fn status(word: &str) -> Result<SearchStatus, Problem> {
    let known = STATUSES.iter().find(|(name, ..)| *name == word);
    let known = known.map(|(.., status)| *status);
    known.ok_or_else(|| wrong("status", "none of those that there are"))
}

/// A queue id of a path.
///
/// # Errors
/// It is none, so there is no such message.
pub fn message_id(text: &str) -> Result<QueueId, Problem> {
    let parsed = text.parse();
    parsed.map_err(|_| ServiceError::not_found("message").into())
}

async fn listed(
    api: &Api,
    Reader(caller): Reader,
    list: Option<i64>,
    listing: Listing,
) -> Result<Json<Page<MessageDocument>>, Problem> {
    let search = listing.search()?;
    let page = api.service.search(&caller.actor, list, search).await?;
    Ok(Json(Page {
        items: page.messages.iter().map(found).collect(),
        next: page.next.map(|id| page::cursor_of(id.as_i64())),
    }))
}

/// Everything about one; with a list, only when it belongs to that.
async fn shown(
    api: &Api,
    caller: &Caller,
    list: Option<i64>,
    message: &str,
    attempts: Attempts,
) -> Result<Json<MessageStory>, Problem> {
    let limit = page::limit(attempts.limit)?;
    let cursor = page::cursor(attempts.cursor.as_deref())?.unwrap_or_default();
    let skipped = u32::try_from(cursor).map_err(|_| page::no_cursor())?;
    let id = message_id(message)?;
    let found = api.service.story(&caller.actor, id, limit, skipped).await?;
    let is_there = list.is_none() || found.list == list;
    let earlier = found
        .has_earlier
        .then(|| page::cursor_of(i64::from(skipped.saturating_add(limit))));
    let story = Some(found).filter(|_| is_there);
    let story = story.as_ref().and_then(|found| story_of(found, earlier));
    let missing = || ServiceError::not_found("message").into();
    story.map(Json).ok_or_else(missing)
}

/// Lists all messages
///
/// The newest first, refused ones among them. Needs a token of an operator that is not narrowed to lists.
#[utoipa::path(
    get,
    path = "/messages",
    operation_id = "list_messages",
    tag = "Messages",
    params(Listing),
    responses(
        (status = 200, description = "A page of messages", body = Page<MessageDocument>),
        Refused,
        BadRequest,
    )
)]
pub async fn all(
    State(api): State<Api>,
    reader: Reader,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<MessageDocument>>, Problem> {
    listed(&api, reader, None, listing).await
}

/// Lists the messages of a list
///
/// The newest first, refused ones among them.
#[utoipa::path(
    get,
    path = "/lists/{list}/messages",
    operation_id = "list_messages_of_list",
    tag = "Messages",
    params(("list" = i64, Path, description = "The number of the list"), Listing),
    responses(
        (status = 200, description = "A page of messages", body = Page<MessageDocument>),
        Refused,
        NotThere,
        BadRequest,
    )
)]
pub async fn of_list(
    State(api): State<Api>,
    reader: Reader,
    Path(list): Path<i64>,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<MessageDocument>>, Problem> {
    listed(&api, reader, Some(list), listing).await
}

/// Shows everything about a message
///
/// Its recipients with the latest attempts, what the policies decided, and what operators did; also of one that was
/// refused. Earlier attempts are on pages of their own, by `earlier_attempts`; one that ends meanwhile may be told twice.
#[utoipa::path(
    get,
    path = "/messages/{message}",
    operation_id = "show_message",
    tag = "Messages",
    params(("message" = String, Path, description = "Its queue id"), Attempts),
    responses(
        (status = 200, description = "The message", body = MessageStory),
        Refused,
        NotThere,
        BadRequest,
    )
)]
pub async fn one(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path(message): Path<String>,
    Query(attempts): Query<Attempts>,
) -> Result<Json<MessageStory>, Problem> {
    shown(&api, &caller, None, &message, attempts).await
}

/// Shows everything about a message of a list
///
/// Its recipients with the latest attempts, what the policies decided, and what operators did; also of one that was
/// refused. Earlier attempts are on pages of their own, by `earlier_attempts`; one that ends meanwhile may be told twice.
#[utoipa::path(
    get,
    path = "/lists/{list}/messages/{message}",
    operation_id = "show_message_of_list",
    tag = "Messages",
    params(("list" = i64, Path, description = "The number of the list"), ("message" = String, Path, description = "Its queue id"), Attempts),
    responses(
        (status = 200, description = "The message", body = MessageStory),
        Refused,
        NotThere,
        BadRequest,
    )
)]
pub async fn one_of_list(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path((list, message)): Path<(i64, String)>,
    Query(attempts): Query<Attempts>,
) -> Result<Json<MessageStory>, Problem> {
    shown(&api, &caller, Some(list), &message, attempts).await
}
