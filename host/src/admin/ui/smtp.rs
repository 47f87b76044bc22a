//! Settings > List settings > SMTP+ > Settings: what clients must know, who may send, and a test message.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::Site;
use super::answer::{page, page_with, see_other};
use super::errors::UiError;
use super::fields::Fields;
use super::frame::{Flash, Frame};
use super::html;
use super::setup::Setup;
use super::visit::Visitor;
use crate::accounts::List;
use crate::admin::Door;
use crate::admin::service::{Invalid, ServiceError, Submitted, TestMessage, UserPage};
use crate::autoconfig::{self, Encryption};

/// Their paths.
pub fn routes() -> Router<Site> {
    Router::new()
        .route("/lists/{id}/smtp", get(settings))
        .route("/lists/{id}/smtp/test", post(send_test))
        .route("/lists/{id}/smtp/thunderbird.xml", get(thunderbird))
}

#[derive(Template)]
#[template(path = "smtp.html")]
struct SmtpPage {
    frame: Frame,
    list: List,
    /// The path of this page.
    here: String,
    doors: Vec<DoorRow>,
    page: UserPage,
    wanted: Asked,
    setup: Setup,
    test: TestMessage,
    invalid: Invalid,
    answer: Option<String>,
}

/// Ports of one kind, in words.
struct DoorRow {
    ports: String,
    encryption: &'static str,
    must_encrypt: bool,
}

impl DoorRow {
    fn of(door: &Door) -> Self {
        Self {
            ports: door.ports.replace('-', "–"),
            encryption: match door.encryption {
                Encryption::StartTls => "STARTTLS",
                Encryption::Implicit => "SSL/TLS from the start",
                Encryption::None => "none",
            },
            must_encrypt: door.must_encrypt && door.encryption == Encryption::StartTls,
        }
    }
}

/// What the page is asked by.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
    page: Option<u32>,
    user: String,
}

async fn settings(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
    Query(wanted): Query<Asked>,
) -> Result<Response, UiError> {
    let invalid = Invalid::default();
    let test = TestMessage::default();
    let made = smtp_page(&site, &visitor, id, wanted, (test, invalid, None)).await?;
    Ok(page(&made))
}

async fn smtp_page(
    site: &Site,
    visitor: &Visitor,
    id: i64,
    wanted: Asked,
    (mut test, invalid, answer): (TestMessage, Invalid, Option<String>),
) -> Result<SmtpPage, UiError> {
    let service = &site.service;
    let list = service.list(&visitor.actor, id).await?;
    let (q, number) = (wanted.q.trim(), wanted.page.unwrap_or(1));
    let found = service.users(&visitor.actor, id, q, number).await?;
    let named = found.users.iter().find(|user| user.username == wanted.user);
    let active = || found.users.iter().find(|user| user.active);
    let shown = named.or_else(active).or(found.users.first());
    if test.username.is_empty() {
        test.username = shown.map(|user| user.username.clone()).unwrap_or_default();
    }
    let setup = Setup::new(service.relay(), shown);
    if test.from.is_empty() {
        test.from.clone_from(&setup.sender);
    }
    Ok(SmtpPage {
        frame: site.list_frame(visitor, &list, "SMTP+ settings", "settings"),
        here: format!("/lists/{id}/smtp"),
        doors: service.doors().iter().map(DoorRow::of).collect(),
        setup,
        page: found,
        list,
        wanted,
        test,
        invalid,
        answer,
    })
}

async fn send_test(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
    fields: Fields,
) -> Result<Response, UiError> {
    let test = TestMessage {
        username: fields.text("username").to_owned(),
        from: fields.text("from").to_owned(),
        to: fields.text("to").to_owned(),
    };
    let client = visitor.visit.client;
    let sent = site.service.send_test(&visitor.actor, id, client, &test);
    let (invalid, answer) = match sent.await {
        Ok(Submitted::Queued(message)) => {
            let response = see_other(&format!("/messages/{message}"));
            let flash = Flash::done("The test message is on its way.");
            return Ok(visitor.visit.say(response, &flash));
        }
        Ok(Submitted::Refused(reply)) => (Invalid::default(), Some(reply)),
        Err(ServiceError::Invalid(invalid)) => (invalid, None),
        Err(ServiceError::Conflict(text)) => (Invalid::default(), Some(text)),
        Err(error) => return Err(error.into()),
    };
    let wanted = Asked::default();
    let made = smtp_page(&site, &visitor, id, wanted, (test, invalid, answer)).await?;
    Ok(page_with(StatusCode::UNPROCESSABLE_ENTITY, &made))
}

/// The document that Thunderbird configures itself by, with this list's user name in it.
async fn thunderbird(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
    Query(wanted): Query<Asked>,
) -> Result<Response, UiError> {
    let user = site.service.user(&visitor.actor, id, &wanted.user).await?;
    let mut relay = site.service.relay().clone();
    relay.username = Some(user.username);
    let document = autoconfig::thunderbird(&relay, None);
    let fields = [
        (CONTENT_TYPE, "application/xml; charset=utf-8"),
        (
            CONTENT_DISPOSITION,
            "attachment; filename=\"config-v1.1.xml\"",
        ),
    ];
    Ok((fields, document).into_response())
}
