//! What is stopped: looking, stopping, starting.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::access::{Caller, Reader, Writer};
use super::problem::Problem;
use super::refusals::{BadDocument, Contradiction, NotThere, Refused};
use super::request::{Document, Path};
use crate::admin::service::{ServiceError, StopRow};
use crate::queue::StopScope;

/// Something that is stopped.
#[derive(Serialize, ToSchema)]
pub struct StopDocument {
    /// What: `all`, `list:` and the number of a list, or `to:` and a destination.
    #[schema(example = "to:example.com")]
    key: String,
    /// The same in words.
    text: String,
    /// Since when.
    #[schema(format = DateTime)]
    since: String,
    /// Who stopped it.
    by: String,
    /// Why; may be empty.
    reason: String,
    /// Whether the token reaches what it takes to start it: what an operator has stopped, operators alone may start.
    may_start: bool,
}

/// Why it is stopped.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StopRequest {
    /// For people; may be empty, and what is beyond 200 characters is cut.
    reason: String,
}

fn document(row: StopRow) -> StopDocument {
    StopDocument {
        key: row.key,
        text: row.text,
        since: row.stop.at.to_string(),
        by: row.stop.by,
        reason: row.stop.reason,
        may_start: row.may_start,
    }
}

fn scope(key: &str) -> Result<StopScope, Problem> {
    let missing = || ServiceError::not_found("stop").into();
    StopRow::scope(key).ok_or_else(missing)
}

async fn stops(
    api: &Api,
    Reader(caller): Reader,
    list: Option<i64>,
) -> Result<Json<Vec<StopDocument>>, Problem> {
    let rows = api.service.stops(&caller.actor, list).await?;
    Ok(Json(rows.into_iter().map(document).collect()))
}

async fn stop(
    api: &Api,
    caller: &Caller,
    scope: StopScope,
    request: &StopRequest,
) -> Result<StatusCode, Problem> {
    let is_new = api
        .service
        .stop(&caller.actor, scope, &request.reason)
        .await?;
    Ok(match is_new {
        true => StatusCode::CREATED,
        false => StatusCode::NO_CONTENT,
    })
}

async fn start(api: &Api, caller: &Caller, scope: StopScope) -> Result<StatusCode, Problem> {
    api.service.start(&caller.actor, scope).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists everything that is stopped
///
/// Needs a token of an operator that is not narrowed to lists.
#[utoipa::path(
    get,
    path = "/stops",
    operation_id = "list_stops",
    tag = "Queue",
    responses(
        (status = 200, description = "What is stopped", body = Vec<StopDocument>),
        Refused,
    )
)]
pub async fn all(
    State(api): State<Api>,
    reader: Reader,
) -> Result<Json<Vec<StopDocument>>, Problem> {
    stops(&api, reader, None).await
}

/// Stops all mail, or mail to a destination
///
/// What is being sent is finished, and nothing else begins. Needs a token of an operator that is not narrowed to lists.
#[utoipa::path(
    put,
    path = "/stops/{stop}",
    operation_id = "stop",
    tag = "Queue",
    params(("stop" = String, Path, description = "`all`, or `to:` and a domain, `smarthost`, `maildir` or `route:NAME`")),
    request_body = StopRequest,
    responses(
        (status = 201, description = "It is stopped"),
        (status = 204, description = "It was stopped already, and stays as it was"),
        Refused,
        NotThere,
        BadDocument,
    )
)]
pub async fn put(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(key): Path<String>,
    Document(request): Document<StopRequest>,
) -> Result<StatusCode, Problem> {
    stop(&api, &caller, scope(&key)?, &request).await
}

/// Starts what is stopped
///
/// What waited leaves at once, the most urgent first.
#[utoipa::path(
    delete,
    path = "/stops/{stop}",
    operation_id = "start",
    tag = "Queue",
    params(("stop" = String, Path, description = "Its `key`")),
    responses(
        (status = 204, description = "It is started"),
        Refused,
        NotThere,
        Contradiction,
    )
)]
pub async fn delete(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(key): Path<String>,
) -> Result<StatusCode, Problem> {
    start(&api, &caller, scope(&key)?).await
}

/// Lists what is stopped and concerns a list
#[utoipa::path(
    get,
    path = "/lists/{list}/stops",
    operation_id = "list_stops_of_list",
    tag = "Queue",
    params(("list" = i64, Path, description = "The number of the list")),
    responses(
        (status = 200, description = "What is stopped", body = Vec<StopDocument>),
        Refused,
        NotThere,
    )
)]
pub async fn of_list(
    State(api): State<Api>,
    reader: Reader,
    Path(list): Path<i64>,
) -> Result<Json<Vec<StopDocument>>, Problem> {
    stops(&api, reader, Some(list)).await
}

/// Stops mail of a list
///
/// What is being sent is finished, and nothing else begins.
#[utoipa::path(
    put,
    path = "/lists/{list}/stop",
    operation_id = "stop_list",
    tag = "Queue",
    params(("list" = i64, Path, description = "The number of the list")),
    request_body = StopRequest,
    responses(
        (status = 201, description = "It is stopped"),
        (status = 204, description = "It was stopped already, and stays as it was"),
        Refused,
        NotThere,
        BadDocument,
    )
)]
pub async fn put_list(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(list): Path<i64>,
    Document(request): Document<StopRequest>,
) -> Result<StatusCode, Problem> {
    stop(&api, &caller, StopScope::List(list), &request).await
}

/// Starts mail of a list
///
/// What waited leaves at once, the most urgent first. What an operator has stopped, operators alone may start.
#[utoipa::path(
    delete,
    path = "/lists/{list}/stop",
    operation_id = "start_list",
    tag = "Queue",
    params(("list" = i64, Path, description = "The number of the list")),
    responses(
        (status = 204, description = "It is started"),
        Refused,
        NotThere,
        Contradiction,
    )
)]
pub async fn delete_list(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(list): Path<i64>,
) -> Result<StatusCode, Problem> {
    start(&api, &caller, StopScope::List(list)).await
}
