//! Operators: who may sign in to the panel, and what they reach.
//!
//! What changes them needs a scope of its own: who may make operators may become one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::access::{Manager, Reader};
use super::page::{self, Page, Paging};
use super::problem::Problem;
use super::refusals::{BadDocument, BadRequest, Contradiction, NotThere, Refused};
use super::request::{Document, Path, Query};
use crate::operators::{NewOperator, Operator, Role, Token};

/// An operator.
#[derive(Serialize, ToSchema)]
pub struct OperatorDocument {
    /// Its number.
    #[schema(example = 1)]
    id: i64,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it last signed in; null: never.
    signed_in_at: Option<String>,
    /// Whether it has chosen a password.
    has_password: bool,
    /// Whether it signs in with one-time codes too.
    has_codes: bool,
    /// What is set on it, as it can be sent back.
    settings: OperatorSettings,
}

/// Everything that can be set on an operator.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorSettings {
    /// The name it signs in with, unique without regard to case.
    #[schema(example = "anna", max_length = 64)]
    name: String,
    /// What it may reach.
    role: Role,
    /// The lists of a list manager, by number.
    #[serde(default)]
    lists: Vec<i64>,
    /// False: it may not sign in, and its tokens hold no more.
    #[serde(default = "yes")]
    active: bool,
}

/// What makes an operator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOperatorDocument {
    /// The name it signs in with, unique without regard to case.
    #[schema(example = "anna", max_length = 64)]
    name: String,
    /// What it may reach.
    role: Role,
    /// The lists of a list manager, by number.
    #[serde(default)]
    lists: Vec<i64>,
}

/// A new operator.
#[derive(Serialize, ToSchema)]
pub struct MadeOperator {
    /// By which it chooses a password, once.
    link: String,
    /// The operator.
    operator: OperatorDocument,
}

/// A link for another password.
#[derive(Serialize, ToSchema)]
pub struct NewLink {
    /// By which it chooses a password, once.
    link: String,
}

const fn yes() -> bool {
    true
}

fn document(operator: Operator) -> OperatorDocument {
    OperatorDocument {
        id: operator.id,
        created_at: operator.created_at.to_string(),
        signed_in_at: operator.signed_in_at.map(|at| at.to_string()),
        has_password: operator.password_hash.is_some(),
        has_codes: operator.totp.is_some(),
        settings: OperatorSettings {
            name: operator.name,
            role: operator.role,
            lists: operator.lists,
            active: operator.active,
        },
    }
}

fn link(api: &Api, token: &Token) -> String {
    let hostname = &api.service.relay().hostname;
    api.config.welcome_link(hostname, token)
}

/// Lists the operators
///
/// In the order they were made. Needs a token of an operator that is not narrowed to lists.
#[utoipa::path(
    get,
    path = "/operators",
    operation_id = "list_operators",
    tag = "Operators",
    params(Paging),
    responses(
        (status = 200, description = "A page of operators", body = Page<OperatorDocument>),
        Refused,
        BadRequest,
    )
)]
pub async fn all(
    State(api): State<Api>,
    Reader(caller): Reader,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<OperatorDocument>>, Problem> {
    let limit = page::limit(paging.limit)?;
    let after = page::cursor(paging.cursor.as_deref())?.unwrap_or(0);
    let mut operators = api.service.operators(&caller.actor).await?;
    operators.sort_by_key(|operator| operator.id);
    operators.retain(|operator| operator.id > after);
    operators.truncate(limit as usize + 1);
    Ok(Json(page::page(operators, limit, |one| one.id, document)))
}

/// Makes an operator
///
/// The answer has a link, once, by which it chooses a password.
#[utoipa::path(
    post,
    path = "/operators",
    operation_id = "add_operator",
    tag = "Operators",
    request_body = NewOperatorDocument,
    responses(
        (status = 201, description = "It is made", body = MadeOperator),
        Refused,
        BadDocument,
    )
)]
pub async fn add(
    State(api): State<Api>,
    Manager(caller): Manager,
    Document(new): Document<NewOperatorDocument>,
) -> Result<(StatusCode, Json<MadeOperator>), Problem> {
    let new = NewOperator {
        name: new.name,
        role: new.role,
        lists: new.lists,
    };
    let (operator, token) = api.service.add_operator(&caller.actor, new).await?;
    let made = MadeOperator {
        link: link(&api, &token),
        operator: document(operator),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Shows an operator
#[utoipa::path(
    get,
    path = "/operators/{operator}",
    operation_id = "show_operator",
    tag = "Operators",
    params(("operator" = i64, Path, description = "The number of the operator")),
    responses(
        (status = 200, description = "The operator", body = OperatorDocument),
        Refused,
        NotThere,
    )
)]
pub async fn one(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path(id): Path<i64>,
) -> Result<Json<OperatorDocument>, Problem> {
    let operator = api.service.operator(&caller.actor, id).await?;
    Ok(Json(document(operator)))
}

/// Sets everything of an operator
///
/// One active operator at least stays.
#[utoipa::path(
    put,
    path = "/operators/{operator}",
    operation_id = "replace_operator",
    tag = "Operators",
    params(("operator" = i64, Path, description = "The number of the operator")),
    request_body = OperatorSettings,
    responses(
        (status = 200, description = "The operator as it is now", body = OperatorDocument),
        Refused,
        NotThere,
        BadDocument,
        Contradiction,
    )
)]
pub async fn replace(
    State(api): State<Api>,
    Manager(caller): Manager,
    Path(id): Path<i64>,
    Document(settings): Document<OperatorSettings>,
) -> Result<Json<OperatorDocument>, Problem> {
    let service = &api.service;
    let changed = Operator {
        name: settings.name,
        role: settings.role,
        lists: settings.lists,
        active: settings.active,
        ..service.operator(&caller.actor, id).await?
    };
    service.edit_operator(&caller.actor, changed).await?;
    let operator = service.operator(&caller.actor, id).await?;
    Ok(Json(document(operator)))
}

/// Deletes an operator
///
/// Its sessions and tokens end. One active operator at least stays.
#[utoipa::path(
    delete,
    path = "/operators/{operator}",
    operation_id = "delete_operator",
    tag = "Operators",
    params(("operator" = i64, Path, description = "The number of the operator")),
    responses(
        (status = 204, description = "It is deleted"),
        Refused,
        NotThere,
        Contradiction,
    )
)]
pub async fn delete(
    State(api): State<Api>,
    Manager(caller): Manager,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    api.service.delete_operator(&caller.actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Resets the sign-in of an operator
///
/// Password and one-time codes are forgotten, and every session ends. The answer has a link, once, by which it chooses
/// another password.
#[utoipa::path(
    post,
    path = "/operators/{operator}/reset",
    operation_id = "reset_operator",
    tag = "Operators",
    params(("operator" = i64, Path, description = "The number of the operator")),
    responses(
        (status = 200, description = "A link", body = NewLink),
        Refused,
        NotThere,
    )
)]
pub async fn reset(
    State(api): State<Api>,
    Manager(caller): Manager,
    Path(id): Path<i64>,
) -> Result<Json<NewLink>, Problem> {
    let token = api.service.reset_operator(&caller.actor, id).await?;
    let link = link(&api, &token);
    Ok(Json(NewLink { link }))
}

/// Ends every session of an operator
#[utoipa::path(
    delete,
    path = "/operators/{operator}/sessions",
    operation_id = "end_sessions",
    tag = "Operators",
    params(("operator" = i64, Path, description = "The number of the operator")),
    responses(
        (status = 204, description = "They are ended"),
        Refused,
        NotThere,
    )
)]
pub async fn end_sessions(
    State(api): State<Api>,
    Manager(caller): Manager,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    api.service.end_sessions(&caller.actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
