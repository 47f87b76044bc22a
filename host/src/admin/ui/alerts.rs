//! Alert Center, of a list and of the relay: the alerts, who is told of them, and a test.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

use super::Site;
use super::alert_words as words;
use super::answer::{page, page_with, see_other};
use super::errors::UiError;
use super::fields::Fields;
use super::frame::{Flash, Frame};
use super::html;
use super::visit::Visitor;
use crate::accounts::List;
use crate::admin::service::{ALERTS_ON_A_PAGE, AlertPage, Invalid, ServiceError};
use crate::alert::{AlertSettings, GROUPS, Group, Pace};
use crate::clock::Timestamp;

/// Their paths.
pub fn routes() -> Router<Site> {
    Router::new()
        .route("/alerts", get(center))
        .route("/alerts/settings", get(edit).post(save))
        .route("/alerts/test", post(test))
        .route("/lists/{id}/alerts", get(center))
        .route("/lists/{id}/alerts/settings", get(edit).post(save))
        .route("/lists/{id}/alerts/test", post(test))
}

/// The list whose alerts are meant; none for those of the whole relay.
pub type Scope = Option<Path<i64>>;

/// The path of the Alert Center.
pub fn base(list: Option<i64>) -> String {
    match list {
        Some(id) => format!("/lists/{id}/alerts"),
        None => "/alerts".to_owned(),
    }
}

/// The frame of a page about a list's alerts, or the relay's.
pub fn frame(site: &Site, visitor: &Visitor, list: Option<&List>, title: &str) -> Frame {
    match list {
        Some(list) => site.list_frame(visitor, list, title, "alerts"),
        None => site.frame(visitor, title, "alerts"),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    group: String,
    /// Milliseconds and number of the alert that the page before ended with.
    before: String,
}

impl Asked {
    fn before(&self) -> Option<(Timestamp, i64)> {
        let (at, id) = self.before.split_once('-')?;
        Some((Timestamp::from_millis(at.parse().ok()?), id.parse().ok()?))
    }
}

#[derive(Template)]
#[template(path = "alerts.html")]
struct Center {
    frame: Frame,
    base: String,
    is_of_list: bool,
    page: AlertPage,
    groups: Vec<Group>,
    chosen: Option<Group>,
    is_first: bool,
    recipients: usize,
}

impl Center {
    fn next(&self) -> Option<String> {
        let (at, id) = self.page.next?;
        let group = self.chosen.map_or("", Group::name);
        let at = at.as_millis();
        Some(format!("{}?group={group}&before={at}-{id}", self.base))
    }

    fn is_chosen(&self, group: &Group) -> bool {
        self.chosen == Some(*group)
    }
}

async fn center(
    State(site): State<Site>,
    visitor: Visitor,
    scope: Scope,
    Query(asked): Query<Asked>,
) -> Result<Response, UiError> {
    let id = scope.map(|Path(id)| id);
    let (service, actor) = (&site.service, &visitor.actor);
    let list = service.alert_scope(actor, id).await?;
    let chosen = Group::from_name(&asked.group);
    let found = service.alerts(actor, id, chosen, asked.before(), ALERTS_ON_A_PAGE);
    let found = found.await?;
    let settings = service.alert_settings(actor, id).await?;
    Ok(page(&Center {
        frame: frame(&site, &visitor, list.as_ref(), "Alerts"),
        base: base(id),
        is_of_list: id.is_some(),
        page: found,
        groups: groups_of(id),
        chosen,
        is_first: asked.before.is_empty(),
        recipients: settings.recipients.len(),
    }))
}

/// What can concern a list, or the relay.
fn groups_of(list: Option<i64>) -> Vec<Group> {
    let all = GROUPS.into_iter();
    all.filter(|group| list.is_none() || group.concerns_lists())
        .collect()
}

#[derive(Template)]
#[template(path = "alert_settings.html")]
struct SettingsPage {
    frame: Frame,
    base: String,
    groups: Vec<Group>,
    form: Form,
    invalid: Invalid,
}

/// What stands in the form, as it was kept or as it was sent.
#[derive(Clone, Debug, Default)]
struct Form {
    groups: Vec<String>,
    recipients: String,
    pace: String,
    daily_at: String,
    quiet: String,
    offset: String,
    critical_passes: bool,
}

impl Form {
    fn of(settings: &AlertSettings) -> Self {
        let quiet: Vec<String> = settings.quiet.iter().map(ToString::to_string).collect();
        let pace = match settings.pace {
            Pace::AtOnce => "at-once",
            Pace::Hourly => "hourly",
            Pace::Daily => "daily",
        };
        let groups = settings.groups.iter().map(|group| group.name().to_owned());
        Self {
            groups: groups.collect(),
            recipients: settings.recipients.join("; "),
            pace: pace.to_owned(),
            daily_at: settings.daily_at.to_string(),
            quiet: quiet.join("; "),
            offset: settings.offset.to_string(),
            critical_passes: settings.critical_passes,
        }
    }

    fn sent(fields: &Fields) -> Self {
        Self {
            groups: fields.all("groups").to_vec(),
            recipients: fields.text("recipients").to_owned(),
            pace: fields.text("pace").to_owned(),
            daily_at: fields.text("daily_at").to_owned(),
            quiet: fields.text("quiet").to_owned(),
            offset: fields.text("offset").to_owned(),
            critical_passes: fields.is_checked("critical_passes"),
        }
    }

    fn settings(&self) -> Result<AlertSettings, Invalid> {
        let mut invalid = Invalid::default();
        let names = self.groups.iter();
        let mut settings = AlertSettings {
            groups: names.filter_map(|name| Group::from_name(name)).collect(),
            pace: match self.pace.as_str() {
                "hourly" => Pace::Hourly,
                "daily" => Pace::Daily,
                _ => Pace::AtOnce,
            },
            critical_passes: self.critical_passes,
            ..AlertSettings::default()
        };
        invalid.read("daily_at", &self.daily_at, &mut settings.daily_at);
        invalid.read("offset", &self.offset, &mut settings.offset);
        if let Err(problem) = settings.set_recipients(&self.recipients) {
            invalid.add(problem.field, problem.message);
            settings.recipients.clear();
        }
        if let Err(problem) = settings.set_quiet(&self.quiet) {
            invalid.add(problem.field, problem.message);
        }
        if invalid.is_empty() {
            Ok(settings)
        } else {
            Err(invalid)
        }
    }

    fn has(&self, group: &Group) -> bool {
        self.groups.iter().any(|name| name == group.name())
    }
}

async fn edit(
    State(site): State<Site>,
    visitor: Visitor,
    scope: Scope,
) -> Result<Response, UiError> {
    let id = scope.map(|Path(id)| id);
    let list = site.service.alert_scope(&visitor.actor, id).await?;
    let settings = site.service.alert_settings(&visitor.actor, id).await?;
    let form = Form::of(&settings);
    let form = settings_page(&site, &visitor, list.as_ref(), form, Invalid::default());
    Ok(page(&form))
}

async fn save(
    State(site): State<Site>,
    visitor: Visitor,
    scope: Scope,
    fields: Fields,
) -> Result<Response, UiError> {
    let id = scope.map(|Path(id)| id);
    let list = site.service.alert_scope(&visitor.actor, id).await?;
    let form = Form::sent(&fields);
    let saved = match form.settings() {
        Ok(settings) => {
            let saved = site
                .service
                .set_alert_settings(&visitor.actor, id, settings);
            saved.await
        }
        Err(invalid) => Err(ServiceError::Invalid(invalid)),
    };
    match saved {
        Ok(()) => {
            let flash = Flash::done("Saved. Send a test to see that it arrives.");
            Ok(visitor.visit.say(see_other(&base(id)), &flash))
        }
        Err(ServiceError::Invalid(invalid)) => {
            let form = settings_page(&site, &visitor, list.as_ref(), form, invalid);
            Ok(page_with(StatusCode::UNPROCESSABLE_ENTITY, &form))
        }
        Err(error) => Err(error.into()),
    }
}

fn settings_page(
    site: &Site,
    visitor: &Visitor,
    list: Option<&List>,
    form: Form,
    invalid: Invalid,
) -> SettingsPage {
    let id = list.map(|list| list.id);
    SettingsPage {
        frame: frame(site, visitor, list, "Alert settings"),
        base: base(id),
        groups: groups_of(id),
        form,
        invalid,
    }
}

async fn test(
    State(site): State<Site>,
    visitor: Visitor,
    scope: Scope,
) -> Result<Response, UiError> {
    let id = scope.map(|Path(id)| id);
    site.service.test_alert(&visitor.actor, id).await?;
    let settings = site.service.alert_settings(&visitor.actor, id).await?;
    let flash = match settings.recipients.len() {
        0 => Flash::done("A test alert is raised. Nobody is named yet who is told of it by mail."),
        1 => Flash::done("A test alert is raised; one address gets it within seconds."),
        more => Flash::done(format!(
            "A test alert is raised; {more} addresses get it within seconds."
        )),
    };
    Ok(visitor.visit.say(see_other(&base(id)), &flash))
}
