//! "Who may send?": asks the policies in force, and neither sends nor counts anything. And where clients connect.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::access::Reader;
use super::problem::Problem;
use super::refusals::{BadDocument, NotThere, Refused};
use super::request::{Document, Path};
use crate::admin::Door;
use crate::admin::service::{Question, ServiceError, TriedStep, Verdict};
use crate::autoconfig::Encryption;
use crate::queue::Priority;

/// A message as far as policies look at it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuestionDocument {
    /// The From field, as a client writes it.
    #[schema(example = "Anna <anna@example.com>")]
    from: String,
    /// The Sender field; empty: there is none.
    #[serde(default)]
    sender: String,
    /// The reverse-path; empty: the first address of From.
    #[serde(default)]
    envelope: String,
    /// What the message says of its priority; null: nothing.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 5)]
    priority: Option<u8>,
}

/// What the relay would do.
#[derive(Serialize, ToSchema)]
pub struct VerdictDocument {
    /// Whether the message would be taken.
    is_accepted: bool,
    /// Whether it would be refused for now only.
    is_temporary: bool,
    /// What the client would be told.
    reply: String,
    /// The priority that it would have, from 1 to 5.
    priority: u8,
    /// The alerts that would be raised.
    alerts: Vec<String>,
    /// What each policy says.
    steps: Vec<TriedDocument>,
}

/// What a policy says.
#[derive(Serialize, ToSchema)]
pub struct TriedDocument {
    /// Its name and the rule that decides.
    rule: String,
    /// `pass`, `accept`, `reject`, `defer` or `failed`.
    decision: String,
}

/// Where clients connect.
#[derive(Serialize, ToSchema)]
pub struct ServerDocument {
    /// The SMTP server's address.
    #[schema(example = "relay.example.com")]
    host: String,
    /// Its ports.
    ports: Vec<PortsDocument>,
}

/// Ports of one kind.
#[derive(Serialize, ToSchema)]
pub struct PortsDocument {
    /// As people write them.
    #[schema(example = "25, 1025-5000")]
    ports: String,
    /// `starttls`, `implicit` or `none`.
    encryption: String,
    /// Whether nobody may log in without it.
    must_encrypt: bool,
}

fn step(step: TriedStep) -> TriedDocument {
    TriedDocument {
        rule: step.rule,
        decision: step.decision.to_owned(),
    }
}

fn document(verdict: Verdict) -> VerdictDocument {
    VerdictDocument {
        is_accepted: verdict.is_accepted,
        is_temporary: verdict.is_temporary,
        reply: verdict.reply,
        priority: verdict.priority.number(),
        alerts: verdict.alerts,
        steps: verdict.steps.into_iter().map(step).collect(),
    }
}

fn ports(door: &Door) -> PortsDocument {
    let encryption = match door.encryption {
        Encryption::StartTls => "starttls",
        Encryption::Implicit => "implicit",
        Encryption::None => "none",
    };
    PortsDocument {
        ports: door.ports.clone(),
        encryption: encryption.to_owned(),
        must_encrypt: door.must_encrypt,
    }
}

/// Asks who may send
///
/// What the policies in force would say of a message of this user. Nothing is sent, and nothing counted.
#[utoipa::path(
    post,
    path = "/lists/{list}/users/{username}/trial",
    operation_id = "who_may_send",
    tag = "Users",
    params(
        ("list" = i64, Path, description = "The number of the list"),
        ("username" = String, Path, description = "The name of the user"),
    ),
    request_body = QuestionDocument,
    responses(
        (status = 200, description = "What would come of it", body = VerdictDocument),
        Refused,
        NotThere,
        BadDocument,
    )
)]
pub async fn ask(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path((list, username)): Path<(i64, String)>,
    Document(asked): Document<QuestionDocument>,
) -> Result<Json<VerdictDocument>, Problem> {
    let priority = asked.priority.map(|number| {
        let known = Priority::from_number(number.into());
        known.ok_or_else(|| ServiceError::invalid("priority", "use a number from 1 to 5"))
    });
    let question = Question {
        from: asked.from,
        sender: asked.sender,
        envelope: asked.envelope,
        priority: priority.transpose()?,
    };
    let (service, client) = (&api.service, caller.client);
    let verdict = service.who_may_send(&caller.actor, list, &username, client, &question);
    Ok(Json(document(verdict.await?)))
}

/// Tells where clients connect
///
/// Any token that may look may ask.
#[utoipa::path(
    get,
    path = "/server",
    operation_id = "show_server",
    tag = "Users",
    responses(
        (status = 200, description = "The server", body = ServerDocument),
        Refused,
    )
)]
pub async fn server(State(api): State<Api>, _: Reader) -> Json<ServerDocument> {
    Json(ServerDocument {
        host: api.service.relay().hostname.clone(),
        ports: api.service.doors().iter().map(ports).collect(),
    })
}
