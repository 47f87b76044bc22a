//! "Who may send?": a form that asks the real policies about a sender.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::Site;
use super::answer::page_with;
use super::errors::UiError;
use super::frame::Frame;
use super::html;
use super::setup::Setup;
use super::visit::Visitor;
use crate::accounts::{List, User};
use crate::admin::service::{Invalid, Question, ServiceError, Verdict};
use crate::queue::Priority;

/// Its path.
pub fn routes() -> Router<Site> {
    Router::new().route("/lists/{id}/users/{user}/try", get(try_sender))
}

#[derive(Template)]
#[template(path = "try.html")]
struct TryPage {
    frame: Frame,
    list: List,
    user: User,
    asked: Asked,
    verdict: Option<Verdict>,
    invalid: Invalid,
}

/// The question as it was typed. It changes nothing, so it stands in the address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    from: Option<String>,
    sender: String,
    envelope: String,
    priority: String,
}

impl Asked {
    fn question(&self, from: &str) -> Question {
        Question {
            from: from.trim().to_owned(),
            sender: self.sender.trim().to_owned(),
            envelope: self.envelope.trim().to_owned(),
            priority: self.priority.parse().ok(),
        }
    }

    /// Whether the fields that are usually hidden should be seen.
    fn is_special(&self) -> bool {
        let more = [&self.sender, &self.envelope, &self.priority];
        more.iter().any(|text| !text.is_empty())
    }
}

async fn try_sender(
    State(site): State<Site>,
    visitor: Visitor,
    Path((id, name)): Path<(i64, String)>,
    Query(mut asked): Query<Asked>,
) -> Result<Response, UiError> {
    let list = site.service.list(&visitor.actor, id).await?;
    let user = site.service.user(&visitor.actor, id, &name).await?;
    let (verdict, invalid) = match &asked.from {
        None => (None, Invalid::default()),
        Some(from) => {
            let (client, question) = (visitor.visit.client, asked.question(from));
            let actor = &visitor.actor;
            let tried = site
                .service
                .who_may_send(actor, id, &name, client, &question);
            match tried.await {
                Ok(verdict) => (Some(verdict), Invalid::default()),
                Err(ServiceError::Invalid(invalid)) => (None, invalid),
                Err(error) => return Err(error.into()),
            }
        }
    };
    if asked.from.is_none() {
        let setup = Setup::new(site.service.relay(), Some(&user));
        asked.from = Some(setup.sender);
    }
    let status = if invalid.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let page = TryPage {
        frame: site.list_frame(&visitor, &list, "Who may send?", "settings"),
        list,
        user,
        asked,
        verdict,
        invalid,
    };
    Ok(page_with(status, &page))
}
