//! Users of a list: what they may do, and their passwords.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::access::{Reader, Writer};
use super::lists::{policy_settings, settings_document};
use super::page::{self, Finding, Page};
use super::problem::Problem;
use super::refusals::{BadDocument, BadRequest, NotThere, Refused};
use super::request::{Document, Path, Query};
use crate::accounts::{Allowance, User};
use crate::admin::service::{SentCounts, ServiceError, UserSettings};
use crate::queue::Priority;

/// How many messages: a number, `unlimited`, or `default` for what the configuration says.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum AllowanceDocument {
    /// At most so many.
    Number(u32),
    /// `unlimited` or `default`.
    Word(String),
}

/// Everything that can be set on a user.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserDocument {
    /// Whether it may log in.
    #[serde(default = "yes")]
    active: bool,
    /// Its default priority, from 1 (very high) to 5 (very low).
    #[serde(default = "normal")]
    #[schema(minimum = 1, maximum = 5, example = 3)]
    priority: u8,
    /// A note for internal use.
    #[serde(default)]
    #[schema(max_length = 1000)]
    note: String,
    /// Domains it may send as, separated by `;`.
    #[serde(default)]
    #[schema(example = "example.com; *.example.net")]
    authorized_domains: String,
    /// Addresses it may send as, separated by `;`. With both empty it may send as anybody.
    #[serde(default)]
    authorized_senders: String,
    /// What it tells the policies.
    #[serde(default)]
    policy_settings: BTreeMap<String, String>,
    /// Messages it may send in an hour.
    #[serde(default = "by_default")]
    messages_per_hour: AllowanceDocument,
    /// The same in a day.
    #[serde(default = "by_default")]
    messages_per_day: AllowanceDocument,
    /// Messages of priority 1 it may send in an hour; the surplus becomes 2.
    #[serde(default = "by_default")]
    urgent_per_hour: AllowanceDocument,
    /// The same in a day.
    #[serde(default = "by_default")]
    urgent_per_day: AllowanceDocument,
}

/// A user with its name.
#[derive(Serialize, ToSchema)]
pub struct NamedUser {
    /// The name it logs in with.
    #[schema(example = "s1_2")]
    username: String,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// Why the relay itself made it inactive; null when it did not.
    suspended: Option<String>,
    /// What is set on it, as it can be sent back.
    settings: UserDocument,
}

/// A new user with its password.
#[derive(Serialize, ToSchema)]
pub struct NewUser {
    /// The password, which can never be read again.
    password: String,
    /// The user.
    user: NamedUser,
}

/// A new password.
#[derive(Serialize, ToSchema)]
pub struct NewPassword {
    /// The password, which can never be read again.
    password: String,
}

/// What a user has sent, as its limits count it.
#[derive(Serialize, ToSchema)]
pub struct SentDocument {
    /// Messages within an hour.
    hour: u32,
    /// Within a day.
    day: u32,
    /// Messages of priority 1 within an hour.
    urgent_hour: u32,
    /// Within a day.
    urgent_day: u32,
}

const fn yes() -> bool {
    true
}

const fn normal() -> u8 {
    Priority::Normal.number()
}

fn by_default() -> AllowanceDocument {
    document_of(Allowance::Default)
}

fn document_of(allowance: Allowance) -> AllowanceDocument {
    let Allowance::Own(limit) = allowance else {
        return AllowanceDocument::Word("default".to_owned());
    };
    match limit.0 {
        Some(number) => AllowanceDocument::Number(number.get()),
        None => AllowanceDocument::Word(limit.to_string()),
    }
}

fn allowance(field: &'static str, document: &AllowanceDocument) -> Result<Allowance, ServiceError> {
    let text = match document {
        AllowanceDocument::Number(number) => number.to_string(),
        AllowanceDocument::Word(word) => word.clone(),
    };
    text.parse::<Allowance>()
        .map_err(|error| ServiceError::invalid(field, error.to_string()))
}

impl UserDocument {
    fn settings(self) -> Result<UserSettings, ServiceError> {
        let priority = Priority::from_number(self.priority.into());
        let wrong = || ServiceError::invalid("priority", "use a number from 1 to 5");
        Ok(UserSettings {
            active: self.active,
            priority: priority.ok_or_else(wrong)?,
            policy_settings: policy_settings(&self.policy_settings)?,
            note: self.note,
            authorized_domains: self.authorized_domains,
            authorized_senders: self.authorized_senders,
            messages_per_hour: allowance("messages_per_hour", &self.messages_per_hour)?,
            messages_per_day: allowance("messages_per_day", &self.messages_per_day)?,
            urgent_per_hour: allowance("urgent_per_hour", &self.urgent_per_hour)?,
            urgent_per_day: allowance("urgent_per_day", &self.urgent_per_day)?,
        })
    }

    fn of(settings: UserSettings) -> Self {
        Self {
            active: settings.active,
            priority: settings.priority.number(),
            policy_settings: settings_document(&settings.policy_settings),
            note: settings.note,
            authorized_domains: settings.authorized_domains,
            authorized_senders: settings.authorized_senders,
            messages_per_hour: document_of(settings.messages_per_hour),
            messages_per_day: document_of(settings.messages_per_day),
            urgent_per_hour: document_of(settings.urgent_per_hour),
            urgent_per_day: document_of(settings.urgent_per_day),
        }
    }
}

fn named(user: &User) -> NamedUser {
    NamedUser {
        username: user.username.clone(),
        created_at: user.created_at.to_string(),
        suspended: user.suspension.as_ref().map(|why| why.reason.clone()),
        settings: UserDocument::of(UserSettings::of(user)),
    }
}

/// Lists the users of a list
///
/// In the order they were made; `q` finds those with that text in their name, note or authorizations.
#[utoipa::path(
    get,
    path = "/lists/{list}/users",
    operation_id = "list_users",
    tag = "Users",
    params(("list" = i64, Path, description = "The number of the list"), Finding),
    responses(
        (status = 200, description = "A page of users", body = Page<NamedUser>),
        Refused,
        NotThere,
        BadRequest,
    )
)]
pub async fn all(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path(list): Path<i64>,
    Query(finding): Query<Finding>,
) -> Result<Json<Page<NamedUser>>, Problem> {
    let limit = page::limit(finding.limit)?;
    let after = page::cursor(finding.cursor.as_deref())?.unwrap_or(0);
    let service = &api.service;
    let users = service.users_after(&caller.actor, list, finding.text(), after, limit + 1);
    let users = users.await?;
    Ok(Json(page::page(
        users,
        limit,
        |user| user.id,
        |user| named(&user),
    )))
}

/// Makes a user
///
/// Its name and password are made by the relay. The password is in this answer and can never be read again.
#[utoipa::path(
    post,
    path = "/lists/{list}/users",
    operation_id = "add_user",
    tag = "Users",
    params(("list" = i64, Path, description = "The number of the list")),
    request_body = UserDocument,
    responses(
        (status = 201, description = "It is made", body = NewUser),
        Refused,
        NotThere,
        BadDocument,
    )
)]
pub async fn add(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(list): Path<i64>,
    Document(document): Document<UserDocument>,
) -> Result<(StatusCode, Json<NewUser>), Problem> {
    let settings = document.settings()?;
    let (user, password) = api.service.add_user(&caller.actor, list, settings).await?;
    let made = NewUser {
        password: password.expose().clone(),
        user: named(&user),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Shows a user
#[utoipa::path(
    get,
    path = "/lists/{list}/users/{username}",
    operation_id = "show_user",
    tag = "Users",
    params(("list" = i64, Path, description = "The number of the list"), ("username" = String, Path, description = "The name it logs in with")),
    responses(
        (status = 200, description = "The user", body = NamedUser),
        Refused,
        NotThere,
    )
)]
pub async fn one(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path((list, username)): Path<(i64, String)>,
) -> Result<Json<NamedUser>, Problem> {
    let user = api.service.user(&caller.actor, list, &username).await?;
    Ok(Json(named(&user)))
}

/// Sets everything of a user
///
/// What is left out gets its default, so show the user first and send its settings back with what you mean changed. A
/// user that was suspended and becomes active is no more.
#[utoipa::path(
    put,
    path = "/lists/{list}/users/{username}",
    operation_id = "replace_user",
    tag = "Users",
    params(("list" = i64, Path, description = "The number of the list"), ("username" = String, Path, description = "The name it logs in with")),
    request_body = UserDocument,
    responses(
        (status = 200, description = "The user as it is now", body = NamedUser),
        Refused,
        NotThere,
        BadDocument,
    )
)]
pub async fn replace(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path((list, username)): Path<(i64, String)>,
    Document(document): Document<UserDocument>,
) -> Result<Json<NamedUser>, Problem> {
    let settings = document.settings()?;
    let service = &api.service;
    let edited = service.edit_user(&caller.actor, list, &username, settings);
    Ok(Json(named(&edited.await?)))
}

/// Deletes a user
///
/// What it has submitted stays.
#[utoipa::path(
    delete,
    path = "/lists/{list}/users/{username}",
    operation_id = "delete_user",
    tag = "Users",
    params(("list" = i64, Path, description = "The number of the list"), ("username" = String, Path, description = "The name it logs in with")),
    responses(
        (status = 204, description = "It is deleted"),
        Refused,
        NotThere,
    )
)]
pub async fn delete(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path((list, username)): Path<(i64, String)>,
) -> Result<StatusCode, Problem> {
    let service = &api.service;
    service.delete_user(&caller.actor, list, &username).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replaces a user's password
///
/// The old one holds no more. The new one is in this answer and can never be read again.
#[utoipa::path(
    post,
    path = "/lists/{list}/users/{username}/password",
    operation_id = "reset_password",
    tag = "Users",
    params(("list" = i64, Path, description = "The number of the list"), ("username" = String, Path, description = "The name it logs in with")),
    responses(
        (status = 200, description = "The new password", body = NewPassword),
        Refused,
        NotThere,
    )
)]
pub async fn reset_password(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path((list, username)): Path<(i64, String)>,
) -> Result<Json<NewPassword>, Problem> {
    let service = &api.service;
    let password = service.reset_password(&caller.actor, list, &username);
    let password = password.await?.expose().clone();
    Ok(Json(NewPassword { password }))
}

/// Tells what a user has sent
///
/// As its limits count it.
#[utoipa::path(
    get,
    path = "/lists/{list}/users/{username}/sent",
    operation_id = "show_sent",
    tag = "Users",
    params(("list" = i64, Path, description = "The number of the list"), ("username" = String, Path, description = "The name it logs in with")),
    responses(
        (status = 200, description = "What it has sent", body = SentDocument),
        Refused,
        NotThere,
    )
)]
pub async fn sent(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path((list, username)): Path<(i64, String)>,
) -> Result<Json<SentDocument>, Problem> {
    let sent = api.service.sent(&caller.actor, list, &username).await?;
    let SentCounts {
        hour,
        day,
        urgent_hour,
        urgent_day,
    } = sent;
    Ok(Json(SentDocument {
        hour,
        day,
        urgent_hour,
        urgent_day,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_survives_its_document() {
        for text in ["default", "unlimited", "100"] {
            let allowance: Allowance = text.parse().expect("an allowance");
            let document = document_of(allowance);
            assert_eq!(
                super::allowance("x", &document).ok(),
                Some(allowance),
                "{text}"
            );
        }
        let zero = AllowanceDocument::Number(0);
        assert!(super::allowance("x", &zero).is_err());
    }

    #[test]
    fn an_empty_document_is_a_user_with_defaults() {
        let document: UserDocument = serde_json::from_str("{}").expect("a document");
        let settings = document.settings().expect("it can be");
        assert_eq!(settings, UserSettings::default());
    }
}
