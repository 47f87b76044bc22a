//! Alerts of a list, or of what concerns the whole relay: what was raised, who is told, and a test of the way.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::access::{Reader, Writer};
use super::page::{self, Page};
use super::problem::Problem;
use super::refusals::{BadDocument, BadRequest, NotThere, Refused};
use super::request::{Document, Path, Query};
use crate::admin::service::{Invalid, ServiceError};
use crate::alert::{Alert, AlertSettings, Group, Pace, Severity};
use crate::clock::Timestamp;

/// Which alerts, and which page of them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct Wanted {
    /// Only those of this group, like `unauthorized-sender`; see `groups` of the settings.
    group: Option<String>,
    /// `next` of the page before; nothing for the first.
    #[param(pattern = "^c[0-9]{1,18}-[0-9]{1,18}$")]
    cursor: Option<String>,
    /// Alerts on a page, from 1 to 200; 50 when it is left out.
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
    #[schema(value_type = String)]
    severity: Severity,
    /// The user by name; null when none is concerned.
    user: Option<String>,
    /// One sentence.
    summary: String,
    /// The most recent message that it is about, by queue id; null when it is about none.
    message: Option<String>,
    /// Who that message says it is from; null when that is not known.
    sender: Option<String>,
    /// The rule that was applied; null without one.
    rule: Option<String>,
    /// How often it happened.
    count: i64,
    /// When it first happened.
    #[schema(format = DateTime)]
    first_at: String,
    /// When it last happened.
    #[schema(format = DateTime)]
    last_at: String,
}

/// Who is told of alerts, of which, and when.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertSettingsDocument {
    /// The groups that are told: of `unauthorized-sender`, `policy-failure`, `delivery-problem`, `bounce`, `user-flooding`,
    /// `queue-stalled`, `certificate-expiring`, `reload-failed` and `policy`.
    groups: Vec<String>,
    /// The addresses that are told by mail.
    #[serde(default)]
    recipients: Vec<String>,
    /// When they are told.
    pace: Pace,
    /// When the daily digest is sent, by the clock of `offset`.
    #[schema(example = "07:00")]
    daily_at: String,
    /// When nobody is told, by the clock of `offset`.
    #[serde(default)]
    #[schema(example = json!(["22:00-06:00"]))]
    quiet: Vec<String>,
    /// How far that clock is ahead of UTC.
    #[schema(example = "+00:00")]
    offset: String,
    /// Whether critical alerts wait for no digest and no end of a quiet period.
    critical_passes: bool,
}

fn given(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn document(alert: Alert) -> AlertDocument {
    AlertDocument {
        id: alert.id,
        kind: alert.kind.to_string(),
        severity: alert.severity,
        user: given(alert.user),
        summary: alert.summary,
        message: alert.about.message.map(|id| id.to_string()),
        sender: given(alert.about.sender),
        rule: given(alert.about.rule),
        count: alert.count,
        first_at: alert.first_at.to_string(),
        last_at: alert.last_at.to_string(),
    }
}

fn settings_document(settings: &AlertSettings) -> AlertSettingsDocument {
    let groups = settings.groups.iter();
    AlertSettingsDocument {
        groups: groups.map(|group| group.name().to_owned()).collect(),
        recipients: settings.recipients.clone(),
        pace: settings.pace,
        daily_at: settings.daily_at.to_string(),
        quiet: settings.quiet.iter().map(ToString::to_string).collect(),
        offset: settings.offset.to_string(),
        critical_passes: settings.critical_passes,
    }
}

impl AlertSettingsDocument {
    fn settings(self) -> Result<AlertSettings, ServiceError> {
        let mut invalid = Invalid::default();
        let mut settings = AlertSettings {
            recipients: self.recipients,
            pace: self.pace,
            critical_passes: self.critical_passes,
            ..AlertSettings::default()
        };
        settings.groups.clear();
        for name in self.groups {
            match Group::from_name(&name) {
                Some(group) => drop(settings.groups.insert(group)),
                None => invalid.add(
                    "groups",
                    format!("there is no group `{}`", name.escape_debug()),
                ),
            }
        }
        for text in self.quiet {
            match text.parse() {
                Ok(period) => settings.quiet.push(period),
                Err(problem) => invalid.add("quiet", problem),
            }
        }
        invalid.read("daily_at", &self.daily_at, &mut settings.daily_at);
        invalid.read("offset", &self.offset, &mut settings.offset);
        invalid.into_result().map(|()| settings)
    }
}

/// Milliseconds and number of the last alert of a page.
fn cursor(text: &str) -> Result<(Timestamp, i64), Problem> {
    let halves = text.strip_prefix('c').and_then(|text| text.split_once('-'));
    let read = halves.and_then(|(at, id)| {
        let at = at.parse().ok()?;
        Some((Timestamp::from_millis(at), id.parse().ok()?))
    });
    read.ok_or_else(page::no_cursor)
}

async fn alerts(
    api: &Api,
    Reader(caller): Reader,
    list: Option<i64>,
    wanted: Wanted,
) -> Result<Json<Page<AlertDocument>>, Problem> {
    let limit = page::limit(wanted.limit)?;
    let before = wanted.cursor.as_deref().map(cursor).transpose()?;
    let group = wanted.group.as_deref().map(|name| {
        let known = Group::from_name(name);
        known.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "`group` is none that there is"))
    });
    let service = &api.service;
    let found = service.alerts(&caller.actor, list, group.transpose()?, before, limit);
    let found = found.await?;
    let next = found.next;
    Ok(Json(Page {
        items: found.rows.into_iter().map(document).collect(),
        next: next.map(|(at, id)| format!("c{}-{id}", at.as_millis())),
    }))
}

async fn settings(
    api: &Api,
    Reader(caller): Reader,
    list: Option<i64>,
) -> Result<Json<AlertSettingsDocument>, Problem> {
    let settings = api.service.alert_settings(&caller.actor, list).await?;
    Ok(Json(settings_document(&settings)))
}

async fn set(
    api: &Api,
    Writer(caller): Writer,
    list: Option<i64>,
    document: AlertSettingsDocument,
) -> Result<Json<AlertSettingsDocument>, Problem> {
    let (service, actor) = (&api.service, &caller.actor);
    // What is not theirs is not found, whatever the document says.
    service.alert_scope(actor, list).await?;
    let settings = document.settings()?;
    service.set_alert_settings(actor, list, settings).await?;
    let settings = service.alert_settings(actor, list).await?;
    Ok(Json(settings_document(&settings)))
}

/// Lists the alerts of what concerns the whole relay
///
/// Those that happened last first. Needs a token of an operator that is not narrowed to lists.
#[utoipa::path(
    get,
    path = "/alerts",
    operation_id = "list_alerts",
    tag = "Alerts",
    params(Wanted),
    responses(
        (status = 200, description = "A page of alerts", body = Page<AlertDocument>),
        Refused,
        BadRequest,
    )
)]
pub async fn all(
    State(api): State<Api>,
    reader: Reader,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<AlertDocument>>, Problem> {
    alerts(&api, reader, None, wanted).await
}

/// Lists the alerts of a list
///
/// Those that happened last first.
#[utoipa::path(
    get,
    path = "/lists/{list}/alerts",
    operation_id = "list_alerts_of_list",
    tag = "Alerts",
    params(("list" = i64, Path, description = "The number of the list"), Wanted),
    responses(
        (status = 200, description = "A page of alerts", body = Page<AlertDocument>),
        Refused,
        NotThere,
        BadRequest,
    )
)]
pub async fn of_list(
    State(api): State<Api>,
    reader: Reader,
    Path(list): Path<i64>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<AlertDocument>>, Problem> {
    alerts(&api, reader, Some(list), wanted).await
}

/// Shows who is told of what concerns the whole relay
///
/// Needs a token of an operator that is not narrowed to lists.
#[utoipa::path(
    get,
    path = "/alert-settings",
    operation_id = "show_alert_settings",
    tag = "Alerts",
    responses(
        (status = 200, description = "The settings", body = AlertSettingsDocument),
        Refused,
    )
)]
pub async fn show_settings(
    State(api): State<Api>,
    reader: Reader,
) -> Result<Json<AlertSettingsDocument>, Problem> {
    settings(&api, reader, None).await
}

/// Sets who is told of what concerns the whole relay
///
/// Needs a token of an operator that is not narrowed to lists.
#[utoipa::path(
    put,
    path = "/alert-settings",
    operation_id = "replace_alert_settings",
    tag = "Alerts",
    request_body = AlertSettingsDocument,
    responses(
        (status = 200, description = "The settings as they are now", body = AlertSettingsDocument),
        Refused,
        BadDocument,
    )
)]
pub async fn replace_settings(
    State(api): State<Api>,
    writer: Writer,
    Document(document): Document<AlertSettingsDocument>,
) -> Result<Json<AlertSettingsDocument>, Problem> {
    set(&api, writer, None, document).await
}

/// Shows who is told of the alerts of a list
#[utoipa::path(
    get,
    path = "/lists/{list}/alert-settings",
    operation_id = "show_alert_settings_of_list",
    tag = "Alerts",
    params(("list" = i64, Path, description = "The number of the list")),
    responses(
        (status = 200, description = "The settings", body = AlertSettingsDocument),
        Refused,
        NotThere,
    )
)]
pub async fn show_settings_of_list(
    State(api): State<Api>,
    reader: Reader,
    Path(list): Path<i64>,
) -> Result<Json<AlertSettingsDocument>, Problem> {
    settings(&api, reader, Some(list)).await
}

/// Sets who is told of the alerts of a list
#[utoipa::path(
    put,
    path = "/lists/{list}/alert-settings",
    operation_id = "replace_alert_settings_of_list",
    tag = "Alerts",
    params(("list" = i64, Path, description = "The number of the list")),
    request_body = AlertSettingsDocument,
    responses(
        (status = 200, description = "The settings as they are now", body = AlertSettingsDocument),
        Refused,
        NotThere,
        BadDocument,
    )
)]
pub async fn replace_settings_of_list(
    State(api): State<Api>,
    writer: Writer,
    Path(list): Path<i64>,
    Document(document): Document<AlertSettingsDocument>,
) -> Result<Json<AlertSettingsDocument>, Problem> {
    set(&api, writer, Some(list), document).await
}

/// Raises an alert that tests the way, of the whole relay
///
/// Whoever is told gets it within seconds, and so does the webhook. Needs a token of an operator that is not narrowed
/// to lists.
#[utoipa::path(
    post,
    path = "/alerts/test",
    operation_id = "test_alert",
    tag = "Alerts",
    responses(
        (status = 202, description = "It is raised"),
        Refused,
    )
)]
pub async fn test(State(api): State<Api>, Writer(caller): Writer) -> Result<StatusCode, Problem> {
    api.service.test_alert(&caller.actor, None).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Raises an alert that tests the way, of a list
///
/// Whoever is told gets it within seconds, and so does the webhook.
#[utoipa::path(
    post,
    path = "/lists/{list}/alerts/test",
    operation_id = "test_alert_of_list",
    tag = "Alerts",
    params(("list" = i64, Path, description = "The number of the list")),
    responses(
        (status = 202, description = "It is raised"),
        Refused,
        NotThere,
    )
)]
pub async fn test_of_list(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(list): Path<i64>,
) -> Result<StatusCode, Problem> {
    api.service.test_alert(&caller.actor, Some(list)).await?;
    Ok(StatusCode::ACCEPTED)
}
