//! Webhooks: where the events of a list, or of what concerns the whole relay, are posted.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::access::{Caller, Reader, Writer};
use super::problem::Problem;
use super::refusals::{BadDocument, NotThere, Refused};
use super::request::{Document, Path};
use crate::admin::service::{HookView, ServiceError};
use crate::alert::{EventKind, EventSet, Post};
use crate::notify::HookChange;

/// What is set on a webhook.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// Where it leads.
    #[schema(example = "https://example.com/gatepost")]
    url: String,
    /// What is posted; null: what was, and everything when it is new.
    #[serde(default)]
    events: Option<Vec<EventKind>>,
    /// Whether it gets another key for its signatures; a new one gets one in any case.
    #[serde(default)]
    new_secret: bool,
}

/// A webhook.
#[derive(Serialize, ToSchema)]
pub struct WebhookDocument {
    /// Where it leads.
    url: String,
    /// What is posted.
    events: Vec<EventKind>,
    /// When it was set.
    #[schema(format = DateTime)]
    created_at: String,
    /// Events that wait to be posted.
    waiting: u64,
    /// What came of the most recent posts, the last first.
    posts: Vec<PostDocument>,
}

/// What came of posting an event once.
#[derive(Serialize, ToSchema)]
pub struct PostDocument {
    /// The event's id.
    event: String,
    /// What it told.
    kind: EventKind,
    /// When it was posted.
    #[schema(format = DateTime)]
    at: String,
    /// Which attempt it was, from 1.
    attempt: u32,
    /// The status of the answer; null when there was none.
    status: Option<u16>,
    /// The beginning of the answer, or why there was none.
    answer: String,
    /// How long it took, in milliseconds.
    took_ms: u64,
    /// When it is posted again; null when it was taken, or is given up.
    again_at: Option<String>,
}

/// A webhook as it is now.
#[derive(Serialize, ToSchema)]
pub struct SetWebhook {
    /// The key of its signatures when that is new, which can never be read again; else null.
    secret: Option<String>,
    /// The webhook.
    webhook: WebhookDocument,
}

fn post(post: Post) -> PostDocument {
    PostDocument {
        event: post.event_id,
        kind: post.kind,
        at: post.at.to_string(),
        attempt: post.attempt,
        status: Some(post.status).filter(|status| *status != 0),
        answer: post.answer,
        took_ms: post.took_ms,
        again_at: post.again_at.map(|at| at.to_string()),
    }
}

fn document(view: HookView) -> WebhookDocument {
    WebhookDocument {
        url: view.hook.url,
        events: view.hook.events.iter().collect(),
        created_at: view.hook.created_at.to_string(),
        waiting: view.waiting,
        posts: view.posts.into_iter().map(post).collect(),
    }
}

async fn shown(api: &Api, caller: &Caller, list: Option<i64>) -> Result<WebhookDocument, Problem> {
    let view = api.service.webhook(&caller.actor, list).await?;
    let view = view.ok_or_else(|| ServiceError::not_found("webhook"))?;
    Ok(document(view))
}

async fn set(
    api: &Api,
    caller: &Caller,
    list: Option<i64>,
    settings: WebhookSettings,
) -> Result<Json<SetWebhook>, Problem> {
    let change = HookChange {
        url: Some(settings.url),
        events: settings.events.map(EventSet::from_iter),
        new_secret: settings.new_secret,
    };
    let secret = api.service.set_webhook(&caller.actor, list, change).await?;
    Ok(Json(SetWebhook {
        secret: secret.map(|secret| secret.expose().clone()),
        webhook: shown(api, caller, list).await?,
    }))
}

/// Shows the webhook of what concerns the whole relay
///
/// Needs a token of an operator that is not narrowed to lists.
#[utoipa::path(
    get,
    path = "/webhook",
    operation_id = "show_webhook",
    tag = "Webhooks",
    responses(
        (status = 200, description = "The webhook", body = WebhookDocument),
        Refused,
        NotThere,
    )
)]
pub async fn one(
    State(api): State<Api>,
    Reader(caller): Reader,
) -> Result<Json<WebhookDocument>, Problem> {
    shown(&api, &caller, None).await.map(Json)
}

/// Sets the webhook of what concerns the whole relay
///
/// Needs a token of an operator that is not narrowed to lists. `POST /alerts/test` posts something to it.
#[utoipa::path(
    put,
    path = "/webhook",
    operation_id = "set_webhook",
    tag = "Webhooks",
    request_body = WebhookSettings,
    responses(
        (status = 200, description = "The webhook as it is now", body = SetWebhook),
        Refused,
        BadDocument,
    )
)]
pub async fn put(
    State(api): State<Api>,
    Writer(caller): Writer,
    Document(settings): Document<WebhookSettings>,
) -> Result<Json<SetWebhook>, Problem> {
    set(&api, &caller, None, settings).await
}

/// Deletes the webhook of what concerns the whole relay
///
/// With what waits for it. Needs a token of an operator that is not narrowed to lists.
#[utoipa::path(
    delete,
    path = "/webhook",
    operation_id = "delete_webhook",
    tag = "Webhooks",
    responses(
        (status = 204, description = "It is deleted"),
        Refused,
        NotThere,
    )
)]
pub async fn delete(State(api): State<Api>, Writer(caller): Writer) -> Result<StatusCode, Problem> {
    api.service.delete_webhook(&caller.actor, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows the webhook of a list
#[utoipa::path(
    get,
    path = "/lists/{list}/webhook",
    operation_id = "show_list_webhook",
    tag = "Webhooks",
    params(("list" = i64, Path, description = "The number of the list")),
    responses(
        (status = 200, description = "The webhook", body = WebhookDocument),
        Refused,
        NotThere,
    )
)]
pub async fn of_list(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path(list): Path<i64>,
) -> Result<Json<WebhookDocument>, Problem> {
    shown(&api, &caller, Some(list)).await.map(Json)
}

/// Sets the webhook of a list
///
/// `POST /lists/{list}/alerts/test` posts something to it.
#[utoipa::path(
    put,
    path = "/lists/{list}/webhook",
    operation_id = "set_list_webhook",
    tag = "Webhooks",
    params(("list" = i64, Path, description = "The number of the list")),
    request_body = WebhookSettings,
    responses(
        (status = 200, description = "The webhook as it is now", body = SetWebhook),
        Refused,
        NotThere,
        BadDocument,
    )
)]
pub async fn put_list(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(list): Path<i64>,
    Document(settings): Document<WebhookSettings>,
) -> Result<Json<SetWebhook>, Problem> {
    set(&api, &caller, Some(list), settings).await
}

/// Deletes the webhook of a list
///
/// With what waits for it.
#[utoipa::path(
    delete,
    path = "/lists/{list}/webhook",
    operation_id = "delete_list_webhook",
    tag = "Webhooks",
    params(("list" = i64, Path, description = "The number of the list")),
    responses(
        (status = 204, description = "It is deleted"),
        Refused,
        NotThere,
    )
)]
pub async fn delete_list(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(list): Path<i64>,
) -> Result<StatusCode, Problem> {
    api.service
        .delete_webhook(&caller.actor, Some(list))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
