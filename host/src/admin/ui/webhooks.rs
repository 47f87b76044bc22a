//! The webhook of a list, or of the relay: where it leads, what is posted, and what came of it.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::Site;
use super::alert_words as words;
use super::alerts::{Scope, base, frame};
use super::answer::{page, page_with, see_other};
use super::errors::UiError;
use super::fields::Fields;
use super::frame::{Flash, Frame};
use super::html;
use super::visit::Visitor;
use crate::accounts::List;
use crate::admin::service::{HookView, Invalid, ServiceError};
use crate::alert::{EVENT_KINDS, EventKind};
use crate::notify::HookChange;

/// Their paths.
pub fn routes() -> Router<Site> {
    Router::new()
        .route("/alerts/webhook", get(edit).post(save))
        .route("/alerts/webhook/delete", post(delete))
        .route("/lists/{id}/alerts/webhook", get(edit).post(save))
        .route("/lists/{id}/alerts/webhook/delete", post(delete))
}

#[derive(Template)]
#[template(path = "webhook.html")]
struct HookPage {
    frame: Frame,
    base: String,
    is_of_list: bool,
    view: Option<HookView>,
    form: Form,
    invalid: Invalid,
    /// The key, right after it was made.
    secret: Option<String>,
}

/// What stands in the form, as it was kept or as it was sent.
#[derive(Clone, Debug, Default)]
struct Form {
    url: String,
    events: Vec<String>,
    new_secret: bool,
}

impl Form {
    fn of(view: Option<&HookView>) -> Self {
        let names = |kinds: &mut dyn Iterator<Item = EventKind>| -> Vec<String> {
            kinds.map(|kind| kind.name().to_owned()).collect()
        };
        match view {
            Some(view) => Self {
                url: view.hook.url.clone(),
                events: names(&mut view.hook.events.iter()),
                new_secret: false,
            },
            None => Self {
                events: names(&mut EVENT_KINDS.into_iter()),
                ..Self::default()
            },
        }
    }

    fn sent(fields: &Fields) -> Self {
        Self {
            url: fields.text("url").to_owned(),
            events: fields.all("events").to_vec(),
            new_secret: fields.is_checked("new_secret"),
        }
    }

    fn change(&self) -> HookChange {
        let kinds = self.events.iter();
        HookChange {
            url: Some(self.url.clone()),
            events: Some(
                kinds
                    .filter_map(|name| EventKind::from_name(name))
                    .collect(),
            ),
            new_secret: self.new_secret,
        }
    }

    fn has(&self, kind: &EventKind) -> bool {
        self.events.iter().any(|name| name == kind.name())
    }
}

async fn edit(
    State(site): State<Site>,
    visitor: Visitor,
    scope: Scope,
) -> Result<Response, UiError> {
    let id = scope.map(|Path(id)| id);
    let list = site.service.alert_scope(&visitor.actor, id).await?;
    let view = site.service.webhook(&visitor.actor, id).await?;
    let form = Form::of(view.as_ref());
    Ok(page(&hook_page(
        &site,
        &visitor,
        list.as_ref(),
        (view, form),
    )))
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
    let saved = site.service.set_webhook(&visitor.actor, id, form.change());
    let saved = saved.await;
    let view = site.service.webhook(&visitor.actor, id).await?;
    match saved {
        Ok(None) => {
            let response = see_other(&format!("{}/webhook", base(id)));
            Ok(visitor.visit.say(response, &Flash::done("Saved.")))
        }
        Ok(Some(secret)) => {
            // It is shown here and nowhere else, so it cannot wait for another page.
            let form = Form::of(view.as_ref());
            let mut shown = hook_page(&site, &visitor, list.as_ref(), (view, form));
            shown.secret = Some(secret.expose().clone());
            Ok(page(&shown))
        }
        Err(ServiceError::Invalid(invalid)) => {
            let mut shown = hook_page(&site, &visitor, list.as_ref(), (view, form));
            shown.invalid = invalid;
            Ok(page_with(StatusCode::UNPROCESSABLE_ENTITY, &shown))
        }
        Err(error) => Err(error.into()),
    }
}

async fn delete(
    State(site): State<Site>,
    visitor: Visitor,
    scope: Scope,
) -> Result<Response, UiError> {
    let id = scope.map(|Path(id)| id);
    site.service.delete_webhook(&visitor.actor, id).await?;
    let response = see_other(&format!("{}/webhook", base(id)));
    let flash = Flash::done("The webhook is removed, with what waited for it.");
    Ok(visitor.visit.say(response, &flash))
}

fn hook_page(
    site: &Site,
    visitor: &Visitor,
    list: Option<&List>,
    (view, form): (Option<HookView>, Form),
) -> HookPage {
    let id = list.map(|list| list.id);
    HookPage {
        frame: frame(site, visitor, list, "Webhook"),
        base: base(id),
        is_of_list: id.is_some(),
        view,
        form,
        invalid: Invalid::default(),
        secret: None,
    }
}
