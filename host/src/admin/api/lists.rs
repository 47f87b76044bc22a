//! Lists.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::access::{Caller, Reader, Writer};
use super::page::{self, Finding, Page};
use super::problem::Problem;
use super::refusals::{BadDocument, BadRequest, Contradiction, NotThere, Refused};
use super::request::{Document, Path, Query};
use crate::accounts::{List, PolicySettings, Unauthorized};
use crate::admin::service::{ListSettings, ServiceError};

/// What happens to messages from unauthorized senders.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnUnauthorized {
    /// They are sent, and an alert tells.
    Alert,
    /// They are refused, and an alert tells.
    Block,
}

/// Everything that can be set on a list.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListDocument {
    /// Its name, unique without regard to case.
    #[schema(
        example = "shop",
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
    )]
    name: String,
    /// What happens to messages from unauthorized senders; null: as the policy's settings say.
    #[serde(default)]
    unauthorized: Option<OnUnauthorized>,
    /// The identities that are checked, of `from`, `sender` and `envelope`; null: as the policy's settings say.
    #[serde(default)]
    #[schema(min_items = 1)]
    check: Option<Vec<String>>,
    /// Whether messages of priority 1 are shown as important to their readers.
    #[serde(default = "yes")]
    display_importance: bool,
    /// Whether recipients that do not exist are remembered and not tried again.
    #[serde(default)]
    suppress_bounces: bool,
    /// The route that its mail takes; null: where all mail goes. Operators alone can change it.
    #[serde(default)]
    route: Option<String>,
    /// What it tells the policies.
    #[serde(default)]
    policy_settings: BTreeMap<String, String>,
}

/// A list with its number.
#[derive(Serialize, ToSchema)]
pub struct NumberedList {
    /// Its number.
    #[schema(example = 1)]
    id: i64,
    /// What is set on it, as it can be sent back.
    settings: ListDocument,
}

/// A list in a listing.
#[derive(Serialize, ToSchema)]
pub struct ListName {
    /// Its number.
    id: i64,
    /// Its name.
    name: String,
}

const fn yes() -> bool {
    true
}

/// Policy settings of a document.
///
/// # Errors
/// [`ServiceError::Invalid`].
pub fn policy_settings(
    settings: &BTreeMap<String, String>,
) -> Result<PolicySettings, ServiceError> {
    if settings.values().any(|value| value.contains(['\n', '\r'])) {
        let message = "a value is one line";
        return Err(ServiceError::invalid("policy_settings", message));
    }
    let lines: Vec<String> = settings
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    PolicySettings::from_lines(&lines.join("\n"))
        .map_err(|error| ServiceError::invalid("policy_settings", error.to_string()))
}

/// The same the other way round.
pub fn settings_document(settings: &PolicySettings) -> BTreeMap<String, String> {
    let pairs = settings.iter();
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

impl ListDocument {
    fn settings(self) -> Result<ListSettings, ServiceError> {
        Ok(ListSettings {
            policy_settings: policy_settings(&self.policy_settings)?,
            name: self.name,
            unauthorized: self.unauthorized.map(|on| match on {
                OnUnauthorized::Alert => Unauthorized::Alert,
                OnUnauthorized::Block => Unauthorized::Block,
            }),
            check: self.check,
            display_importance: self.display_importance,
            suppress_bounces: self.suppress_bounces,
            route: self.route,
        })
    }

    fn of(settings: ListSettings) -> Self {
        Self {
            policy_settings: settings_document(&settings.policy_settings),
            name: settings.name,
            unauthorized: settings.unauthorized.map(|on| match on {
                Unauthorized::Alert => OnUnauthorized::Alert,
                Unauthorized::Block => OnUnauthorized::Block,
            }),
            check: settings.check,
            display_importance: settings.display_importance,
            suppress_bounces: settings.suppress_bounces,
            route: settings.route,
        }
    }
}

async fn numbered(api: &Api, caller: &Caller, id: i64) -> Result<Json<NumberedList>, Problem> {
    let settings = api.service.list_settings(&caller.actor, id).await?;
    let settings = ListDocument::of(settings);
    Ok(Json(NumberedList { id, settings }))
}

/// Lists the lists
///
/// Those that the token reaches, in the order they were made; `q` finds those with that text in their name.
#[utoipa::path(
    get,
    path = "/lists",
    operation_id = "list_lists",
    tag = "Lists",
    params(Finding),
    responses(
        (status = 200, description = "A page of lists", body = Page<ListName>),
        Refused,
        BadRequest,
    )
)]
pub async fn all(
    State(api): State<Api>,
    Reader(caller): Reader,
    Query(finding): Query<Finding>,
) -> Result<Json<Page<ListName>>, Problem> {
    let limit = page::limit(finding.limit)?;
    let after = page::cursor(finding.cursor.as_deref())?.unwrap_or(0);
    let text = finding.text().to_lowercase();
    let lists = api.service.all_lists(&caller.actor).await?.into_iter();
    let lists: Vec<List> = lists
        .filter(|list| list.id > after && list.name.to_lowercase().contains(&text))
        .take(limit as usize + 1)
        .collect();
    let document = |list: List| ListName {
        id: list.id,
        name: list.name,
    };
    Ok(Json(page::page(lists, limit, |list| list.id, document)))
}

/// Makes a list
///
/// Needs a token of an operator that is not narrowed to lists.
#[utoipa::path(
    post,
    path = "/lists",
    operation_id = "add_list",
    tag = "Lists",
    request_body = ListDocument,
    responses(
        (status = 201, description = "It is made", body = NumberedList),
        Refused,
        BadDocument,
    )
)]
pub async fn add(
    State(api): State<Api>,
    Writer(caller): Writer,
    Document(document): Document<ListDocument>,
) -> Result<(StatusCode, Json<NumberedList>), Problem> {
    let settings = document.settings()?;
    let list = api.service.add_list(&caller.actor, settings).await?;
    Ok((StatusCode::CREATED, numbered(&api, &caller, list.id).await?))
}

/// Shows a list
#[utoipa::path(
    get,
    path = "/lists/{list}",
    operation_id = "show_list",
    tag = "Lists",
    params(("list" = i64, Path, description = "The number of the list")),
    responses(
        (status = 200, description = "The list", body = NumberedList),
        Refused,
        NotThere,
    )
)]
pub async fn one(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path(id): Path<i64>,
) -> Result<Json<NumberedList>, Problem> {
    numbered(&api, &caller, id).await
}

/// Sets everything of a list
///
/// What is left out gets its default, so show the list first and send its settings back with what you mean changed.
#[utoipa::path(
    put,
    path = "/lists/{list}",
    operation_id = "replace_list",
    tag = "Lists",
    params(("list" = i64, Path, description = "The number of the list")),
    request_body = ListDocument,
    responses(
        (status = 200, description = "The list as it is now", body = NumberedList),
        Refused,
        NotThere,
        BadDocument,
    )
)]
pub async fn replace(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(id): Path<i64>,
    Document(document): Document<ListDocument>,
) -> Result<Json<NumberedList>, Problem> {
    let settings = document.settings()?;
    api.service.edit_list(&caller.actor, id, settings).await?;
    numbered(&api, &caller, id).await
}

/// Deletes a list
///
/// One without users and open messages. Needs a token of an operator that is not narrowed to lists.
#[utoipa::path(
    delete,
    path = "/lists/{list}",
    operation_id = "delete_list",
    tag = "Lists",
    params(("list" = i64, Path, description = "The number of the list")),
    responses(
        (status = 204, description = "It is deleted"),
        Refused,
        NotThere,
        Contradiction,
    )
)]
pub async fn delete(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    api.service.delete_list(&caller.actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
