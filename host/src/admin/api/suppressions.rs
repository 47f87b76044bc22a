//! Recipients of a list that are not tried because they do not exist.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::access::{Reader, Writer};
use super::page::{self, Page};
use super::problem::Problem;
use super::refusals::{BadRequest, NotThere, Refused};
use super::request::{Path, Query};
use crate::admin::service::ServiceError;
use crate::queue::Suppression;
use crate::smtp::Mailbox;

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct ByAddress {
    /// `next` of the page before; nothing for the first.
    cursor: Option<String>,
    /// Addresses on a page, from 1 to 200; 50 when it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// A recipient that did not exist.
#[derive(Serialize, ToSchema)]
pub struct SuppressionDocument {
    /// Its address.
    #[schema(example = "ann@example.net")]
    address: String,
    /// Since when it is not tried.
    #[schema(format = DateTime)]
    since: String,
    /// The message that bounced, by its queue id.
    message: String,
    /// What the next hop said.
    reply: String,
}

fn document(one: Suppression) -> SuppressionDocument {
    SuppressionDocument {
        address: one.address.to_string(),
        since: one.at.to_string(),
        message: one.message.to_string(),
        reply: one.reply,
    }
}

/// Lists recipients that are not tried because they do not exist
///
/// By address. A list remembers them when its `suppress_bounces` says so.
#[utoipa::path(
    get,
    path = "/lists/{list}/suppressions",
    operation_id = "list_suppressions",
    tag = "Suppressions",
    params(("list" = i64, Path, description = "The number of the list"), ByAddress),
    responses(
        (status = 200, description = "A page of recipients", body = Page<SuppressionDocument>),
        Refused,
        NotThere,
        BadRequest,
    )
)]
pub async fn all(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path(list): Path<i64>,
    Query(paging): Query<ByAddress>,
) -> Result<Json<Page<SuppressionDocument>>, Problem> {
    let limit = page::limit(paging.limit)?;
    let after = paging.cursor.as_deref().map(Mailbox::parse_utf8);
    let after = after.transpose().map_err(|_| page::no_cursor())?;
    let service = &api.service;
    let found = service.suppressions(&caller.actor, list, after.as_ref(), limit + 1);
    let mut found = found.await?;
    let has_next = found.len() > limit as usize;
    found.truncate(limit as usize);
    let last = found.last().filter(|_| has_next);
    Ok(Json(Page {
        next: last.map(|last| last.address.to_string()),
        items: found.into_iter().map(document).collect(),
    }))
}

/// Forgets that a recipient does not exist
///
/// It is tried again.
#[utoipa::path(
    delete,
    path = "/lists/{list}/suppressions/{address}",
    operation_id = "delete_suppression",
    tag = "Suppressions",
    params(
        ("list" = i64, Path, description = "The number of the list"),
        ("address" = String, Path, description = "The address of the recipient"),
    ),
    responses(
        (status = 204, description = "It is forgotten"),
        Refused,
        NotThere,
    )
)]
pub async fn delete(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path((list, address)): Path<(i64, String)>,
) -> Result<StatusCode, Problem> {
    // What is not theirs is not found, whatever the address is.
    api.service.list(&caller.actor, list).await?;
    let address = Mailbox::parse_utf8(&address);
    let address = address.map_err(|_| ServiceError::not_found("suppression"))?;
    api.service.unsuppress(&caller.actor, list, address).await?;
    Ok(StatusCode::NO_CONTENT)
}
