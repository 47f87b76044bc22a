//! The own account: password, and one-time codes.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::Site;
use super::answer::{page, page_with, see_other};
use super::errors::UiError;
use super::fields::Fields;
use super::frame::{Flash, Frame};
use super::html::{self, Html};
use super::visit::Visitor;
use crate::admin::service::{Invalid, ServiceError};
use crate::operators::{Operator, TotpKey, code_of};
use crate::secret::Secret;

/// Its paths.
pub fn routes() -> Router<Site> {
    Router::new()
        .route("/account", get(account))
        .route("/account/password", post(change_password))
        .route("/account/codes", get(codes).post(turn_codes_on))
        .route("/account/codes/off", post(turn_codes_off))
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    own: Operator,
    invalid: Invalid,
}

#[derive(Template)]
#[template(path = "codes.html")]
struct CodesPage {
    frame: Frame,
    key: TotpKey,
    picture: Option<Html>,
    invalid: Invalid,
}

impl CodesPage {
    fn new(site: &Site, visitor: &Visitor, key: TotpKey, invalid: Invalid) -> Self {
        let relay = &site.service.relay().hostname;
        Self {
            picture: html::qr_code(&key.url(relay, &visitor.actor.name)),
            frame: site.frame(visitor, "One-time codes", "account"),
            key,
            invalid,
        }
    }

    /// The key in groups of four, as a person reads it.
    fn grouped(&self) -> String {
        let characters: Vec<char> = self.key.expose().chars().collect();
        let groups: Vec<String> = characters
            .chunks(4)
            .map(|four| four.iter().collect())
            .collect();
        groups.join(" ")
    }
}

async fn account(State(site): State<Site>, visitor: Visitor) -> Result<Response, UiError> {
    Ok(page(
        &account_page(&site, &visitor, Invalid::default()).await?,
    ))
}

async fn account_page(
    site: &Site,
    visitor: &Visitor,
    invalid: Invalid,
) -> Result<AccountPage, UiError> {
    Ok(AccountPage {
        frame: site.frame(visitor, "Your account", "account"),
        own: site.service.own_account(&visitor.actor).await?,
        invalid,
    })
}

async fn change_password(
    State(site): State<Site>,
    visitor: Visitor,
    fields: Fields,
) -> Result<Response, UiError> {
    let present = Secret::new(fields.raw("present").to_owned());
    let new = Secret::new(fields.raw("new").to_owned());
    let changed = if fields.raw("new") == fields.raw("again") {
        site.service
            .change_password(&visitor.actor, &present, &new)
            .await
    } else {
        Err(ServiceError::invalid(
            "again",
            "this is not the same password",
        ))
    };
    match changed {
        // Every session has ended, this one too.
        Ok(()) => Ok(see_other("/sign-in")),
        Err(ServiceError::Invalid(invalid)) => {
            let made = account_page(&site, &visitor, invalid).await?;
            Ok(page_with(StatusCode::UNPROCESSABLE_ENTITY, &made))
        }
        Err(error) => Err(error.into()),
    }
}

async fn codes(State(site): State<Site>, visitor: Visitor) -> Result<Response, UiError> {
    if site
        .service
        .own_account(&visitor.actor)
        .await?
        .totp
        .is_some()
    {
        return Ok(see_other("/account"));
    }
    let key = TotpKey::generate();
    Ok(page(&CodesPage::new(
        &site,
        &visitor,
        key,
        Invalid::default(),
    )))
}

async fn turn_codes_on(
    State(site): State<Site>,
    visitor: Visitor,
    fields: Fields,
) -> Result<Response, UiError> {
    let key = TotpKey::parse(fields.text("key")).unwrap_or_else(TotpKey::generate);
    let code = code_of(fields.raw("code"));
    let turned = site
        .service
        .turn_codes_on(&visitor.actor, key.clone(), &code);
    match turned.await {
        Ok(()) => {
            let flash = Flash::done("One-time codes are on: from now on you sign in with one.");
            Ok(visitor.visit.say(see_other("/account"), &flash))
        }
        Err(ServiceError::Invalid(invalid)) => {
            let made = CodesPage::new(&site, &visitor, key, invalid);
            Ok(page_with(StatusCode::UNPROCESSABLE_ENTITY, &made))
        }
        Err(error) => Err(error.into()),
    }
}

async fn turn_codes_off(
    State(site): State<Site>,
    visitor: Visitor,
    fields: Fields,
) -> Result<Response, UiError> {
    let present = Secret::new(fields.raw("codes_present").to_owned());
    match site.service.turn_codes_off(&visitor.actor, &present).await {
        Ok(()) => {
            let flash = Flash::done("One-time codes are off.");
            Ok(visitor.visit.say(see_other("/account"), &flash))
        }
        Err(ServiceError::Invalid(invalid)) => {
            let made = account_page(&site, &visitor, invalid).await?;
            Ok(page_with(StatusCode::UNPROCESSABLE_ENTITY, &made))
        }
        Err(error) => Err(error.into()),
    }
}
