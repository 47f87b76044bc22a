//! Submitting a message.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::access::{Caller, Sender};
use super::once;
use super::problem::Problem;
use super::refusals::{BadDocument, Contradiction, Refused};
use super::request::{Octets, objects, read};
use crate::admin::service::{Attachment, Draft, Person, ServiceError, Submitted};
use crate::clock::Timestamp;
use crate::queue::Priority;

/// Somebody with an address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonDocument {
    /// How they are called.
    #[serde(default)]
    name: String,
    /// The address.
    #[schema(example = "info@example.com")]
    address: String,
}

/// An address, or somebody with one.
#[derive(Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "an address like \"info@example.com\", or {\"name\": …, \"address\": …}"
)]
pub enum PersonOrAddress {
    /// An address alone.
    Address(String),
    /// Somebody with an address.
    Person(PersonDocument),
}

/// A file that goes along.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttachmentDocument {
    /// Its name.
    #[schema(example = "invoice.pdf")]
    name: String,
    /// Its media type; when it is left out `application/octet-stream`.
    #[serde(default)]
    #[schema(example = "application/pdf")]
    content_type: String,
    /// What is in it, in base64 (RFC 4648 §4).
    #[schema(format = Byte)]
    content: String,
}

/// A message to be sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMessage {
    /// The user in whose name it is sent: its policies, limits and authorized senders hold.
    #[schema(example = "s1_2")]
    user: String,
    /// Who writes; also the reverse-path.
    from: PersonOrAddress,
    /// To whom.
    to: Vec<PersonOrAddress>,
    /// Who else may know.
    #[serde(default)]
    cc: Vec<PersonOrAddress>,
    /// Who else gets it, which nobody is told.
    #[serde(default)]
    bcc: Vec<PersonOrAddress>,
    /// Where answers go; null: to who writes.
    #[serde(default)]
    reply_to: Option<PersonOrAddress>,
    /// What it is about.
    #[serde(default)]
    subject: String,
    /// As text. Either this or `html` must be there.
    #[serde(default)]
    text: Option<String>,
    /// As HTML.
    #[serde(default)]
    html: Option<String>,
    /// What goes along.
    #[serde(default, deserialize_with = "objects")]
    attachments: Vec<AttachmentDocument>,
    /// How urgent it is, from 1 (very high) to 5 (very low); null: as the user's mail is.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 5)]
    priority: Option<u8>,
    /// When it is to be sent, like `2026-11-26T09:00:00Z`; null: now.
    #[serde(default)]
    #[schema(format = DateTime)]
    send_at: Option<String>,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
pub struct Accepted {
    /// Its queue id.
    id: String,
}

fn person(person: PersonOrAddress) -> Person {
    match person {
        PersonOrAddress::Address(address) => Person {
            name: String::new(),
            address,
        },
        PersonOrAddress::Person(PersonDocument { name, address }) => Person { name, address },
    }
}

fn people(people: Vec<PersonOrAddress>) -> Vec<Person> {
    people.into_iter().map(person).collect()
}

/// When a message is to be sent, as a document says it.
///
/// # Errors
/// It is no time.
pub fn send_at(text: Option<&str>) -> Result<Option<Timestamp>, ServiceError> {
    let message = "write a time like 2026-11-26T09:00:00Z";
    let read =
        |text| Timestamp::parse_utc(text).ok_or_else(|| ServiceError::invalid("send_at", message));
    text.map(read).transpose()
}

impl NewMessage {
    fn draft(self) -> Result<Draft, ServiceError> {
        let priority = self.priority.map(|number| {
            let known = Priority::from_number(number.into());
            known.ok_or_else(|| ServiceError::invalid("priority", "use a number from 1 to 5"))
        });
        let send_at = send_at(self.send_at.as_deref());
        let attachments = self.attachments.into_iter().map(|file| {
            let content = STANDARD.decode(&file.content);
            let message = format!("`{}` is not base64", file.name.escape_debug());
            Ok(Attachment {
                content: content.map_err(|_| ServiceError::invalid("attachments", message))?,
                name: file.name,
                media_type: file.content_type,
            })
        });
        Ok(Draft {
            priority: priority.transpose()?,
            send_at: send_at?,
            attachments: attachments.collect::<Result<_, ServiceError>>()?,
            username: self.user,
            from: person(self.from),
            to: people(self.to),
            cc: people(self.cc),
            bcc: people(self.bcc),
            reply_to: self.reply_to.map(person),
            subject: self.subject,
            text: self.text,
            html: self.html,
        })
    }
}

/// Sends a message
///
/// Through the same policies, limits and queue as over SMTP. What they refuse is a 422, or a 503 when it may pass later,
/// with the words that an SMTP client would have been told. With an `Idempotency-Key` a request that is sent again
/// within a day gets the first one's answer, and no second message.
#[utoipa::path(
    post,
    path = "/messages",
    operation_id = "send_message",
    tag = "Messages",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable ASCII characters, of the program's own choosing")),
    request_body = NewMessage,
    responses(
        (status = 202, description = "It is in the queue", body = Accepted),
        Refused,
        BadDocument,
        Contradiction,
    )
)]
pub async fn send(
    State(api): State<Api>,
    Sender(caller): Sender,
    header: HeaderMap,
    Octets(octets): Octets,
) -> Result<Response, Problem> {
    let Some(key) = once::key(&header, caller.token.id)? else {
        return submit(&api, &caller, &octets).await.map(accepted);
    };
    if let Some(earlier) = once::begin(&api.service, &key, &octets).await? {
        return Ok(earlier);
    }
    let result = submit(&api, &caller, &octets).await;
    once::end(&api.service, key, result.as_ref().map(body)).await;
    result.map(accepted)
}

async fn submit(api: &Api, caller: &Caller, octets: &[u8]) -> Result<Accepted, Problem> {
    let message: NewMessage = read(octets)?;
    let draft = message.draft()?;
    let service = &api.service;
    match service.send(&caller.actor, caller.client, draft).await? {
        Submitted::Queued(id) => Ok(Accepted { id: id.to_string() }),
        Submitted::Refused(reply) => {
            let status = match reply.starts_with('4') {
                true => StatusCode::SERVICE_UNAVAILABLE,
                false => StatusCode::UNPROCESSABLE_ENTITY,
            };
            Err(Problem::new(status, reply))
        }
    }
}

fn body(accepted: &Accepted) -> (u16, String) {
    let body = serde_json::to_string(accepted).unwrap_or_default();
    (StatusCode::ACCEPTED.as_u16(), body)
}

fn accepted(accepted: Accepted) -> Response {
    answer(body(&accepted))
}

/// An answer as it was kept.
pub fn answer((status, body): (u16, String)) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}
