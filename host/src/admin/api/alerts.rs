//! Alerts of a list.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::access::Reader;
use super::page;
use super::problem::Problem;
use super::refusals::{BadRequest, NotThere, Refused};
use super::request::{Path, Query};
use crate::alert::{Alert, Severity};

/// How many.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Latest {
    /// Alerts at most, from 1 to 200; 50 when it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Something that an administrator should know of.
#[derive(Serialize, ToSchema)]
pub struct AlertDocument {
    /// Its number.
    id: i64,
    /// What kind it is, a name that stays.
    #[schema(example = "unauthorized-sender")]
    kind: String,
    /// How much it matters: `info`, `warning` or `critical`.
    severity: String,
    /// The user by name; null when none is concerned.
    user: Option<String>,
    /// One sentence.
    summary: String,
    /// How often it happened.
    count: i64,
    /// When it first happened.
    #[schema(format = DateTime)]
    first_at: String,
    /// When it last happened.
    #[schema(format = DateTime)]
    last_at: String,
}

fn document(alert: Alert) -> AlertDocument {
    AlertDocument {
        id: alert.id,
        kind: alert.kind.to_string(),
        severity: match alert.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
        .to_owned(),
        user: Some(alert.user).filter(|user| !user.is_empty()),
        summary: alert.summary,
        count: alert.count,
        first_at: alert.first_at.to_string(),
        last_at: alert.last_at.to_string(),
    }
}

/// Lists the latest alerts of a list
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/lists/{list}/alerts",
    operation_id = "list_alerts",
    tag = "Alerts",
    params(("list" = i64, Path, description = "The number of the list"), Latest),
    responses(
        (status = 200, description = "Alerts", body = Vec<AlertDocument>),
        Refused,
        NotThere,
        BadRequest,
    )
)]
pub async fn latest(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path(list): Path<i64>,
    Query(latest): Query<Latest>,
) -> Result<Json<Vec<AlertDocument>>, Problem> {
    let limit = page::limit(latest.limit)?;
    let service = &api.service;
    let alerts = service.alerts_of_list(&caller.actor, list, limit).await?;
    Ok(Json(alerts.into_iter().map(document).collect()))
}
