//! The add/edit user window: credentials on top, then everything that can be set, and who may send.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::Site;
use super::answer::{page, page_with, see_other};
use super::confirm::Confirm;
use super::errors::UiError;
use super::fields::Fields;
use super::frame::{Flash, Frame};
use super::html;
use super::setup::Setup;
use super::user_form::{Form, LimitRow, limit_rows};
use super::visit::Visitor;
use crate::accounts::{List, User};
use crate::admin::Door;
use crate::admin::service::{EntryAdvice, Invalid, ServiceError, advise_domains, advise_senders};
use crate::autoconfig::Encryption;
use crate::queue::Priority;
use crate::secret::Secret;

/// Their paths.
pub fn routes() -> Router<Site> {
    Router::new()
        .route("/lists/{id}/users/new", get(new).post(add))
        .route("/lists/{id}/users/{user}", get(edit).post(save))
        .route(
            "/lists/{id}/users/{user}/reset-password",
            get(ask_reset).post(reset),
        )
        .route(
            "/lists/{id}/users/{user}/delete",
            get(ask_delete).post(delete),
        )
        .route("/check/domains", post(check_domains))
        .route("/check/senders", post(check_senders))
}

#[derive(Template)]
#[template(path = "user.html")]
struct UserPage {
    frame: Frame,
    list: List,
    heading: String,
    action: String,
    /// None while it is being added.
    user: Option<User>,
    /// Shown once.
    password: Option<Secret<String>>,
    setup: Setup,
    ports: String,
    form: Form,
    limits: Vec<LimitRow>,
    invalid: Invalid,
    advice: EntryAdvice,
}

#[derive(Template)]
#[template(path = "entry_advice.html")]
struct AdvicePage {
    told: EntryAdvice,
}

async fn new(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, UiError> {
    let list = site.service.list(&visitor.actor, id).await?;
    let form = Form::default();
    let invalid = Invalid::default();
    Ok(page(&add_page(&site, &visitor, list, form, invalid)))
}

async fn add(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
    fields: Fields,
) -> Result<Response, UiError> {
    let list = site.service.list(&visitor.actor, id).await?;
    let form = Form::sent(&fields);
    let added = match form.settings() {
        Ok(settings) => site.service.add_user(&visitor.actor, id, settings).await,
        Err(error) => Err(error),
    };
    match added {
        Ok((user, password)) => {
            let flash = Flash::done(format!("User {} is there.", user.username));
            Ok(show_once(&site, &visitor, &user, password, &flash))
        }
        Err(ServiceError::Invalid(invalid)) => {
            let page = add_page(&site, &visitor, list, form, invalid);
            Ok(page_with(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(error) => Err(error.into()),
    }
}

async fn edit(
    State(site): State<Site>,
    visitor: Visitor,
    Path((id, name)): Path<(i64, String)>,
) -> Result<Response, UiError> {
    let list = site.service.list(&visitor.actor, id).await?;
    let user = site.service.user(&visitor.actor, id, &name).await?;
    let form = Form::of(&user);
    let session = visitor.signed.session.digest;
    let password = site.once.take(session, &user.username);
    let mut shown = edit_page(&site, &visitor, (list, user), form, Invalid::default()).await?;
    shown.password = password;
    Ok(page(&shown))
}

async fn save(
    State(site): State<Site>,
    visitor: Visitor,
    Path((id, name)): Path<(i64, String)>,
    fields: Fields,
) -> Result<Response, UiError> {
    let list = site.service.list(&visitor.actor, id).await?;
    let user = site.service.user(&visitor.actor, id, &name).await?;
    let form = Form::sent(&fields);
    let saved = match form.settings() {
        Ok(settings) => {
            let edited = site.service.edit_user(&visitor.actor, id, &name, settings);
            edited.await
        }
        Err(error) => Err(error),
    };
    match saved {
        Ok(user) => {
            let response = see_other(&path_of(&user));
            let flash = Flash::done("Saved. It counts from the user's next command on.");
            Ok(visitor.visit.say(response, &flash))
        }
        Err(ServiceError::Invalid(invalid)) => {
            let page = edit_page(&site, &visitor, (list, user), form, invalid).await?;
            Ok(page_with(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(error) => Err(error.into()),
    }
}

async fn ask_reset(
    State(site): State<Site>,
    visitor: Visitor,
    Path((id, name)): Path<(i64, String)>,
) -> Result<Response, UiError> {
    let list = site.service.list(&visitor.actor, id).await?;
    let user = site.service.user(&visitor.actor, id, &name).await?;
    Ok(page(&Confirm {
        frame: site.list_frame(&visitor, &list, "Reset password", "settings"),
        question: format!("Reset the password of {}?", user.username),
        text: "The new password is shown once, on the next page. The old one stops working at once, also in \
               sessions that are open: have the mail client or application at hand."
            .to_owned(),
        yes: "Reset password",
        action: format!("{}/reset-password", path_of(&user)),
        cancel: path_of(&user),
    }))
}

async fn reset(
    State(site): State<Site>,
    visitor: Visitor,
    Path((id, name)): Path<(i64, String)>,
) -> Result<Response, UiError> {
    let password = site
        .service
        .reset_password(&visitor.actor, id, &name)
        .await?;
    let user = site.service.user(&visitor.actor, id, &name).await?;
    let flash = Flash::done(format!("User {} has a new password.", user.username));
    Ok(show_once(&site, &visitor, &user, password, &flash))
}

async fn ask_delete(
    State(site): State<Site>,
    visitor: Visitor,
    Path((id, name)): Path<(i64, String)>,
) -> Result<Response, UiError> {
    let list = site.service.list(&visitor.actor, id).await?;
    let user = site.service.user(&visitor.actor, id, &name).await?;
    Ok(page(&Confirm {
        frame: site.list_frame(&visitor, &list, "Delete user", "settings"),
        question: format!("Delete the user {}?", user.username),
        text:
            "It cannot log in any more, and its name is never given again. What it has sent stays."
                .to_owned(),
        yes: "Delete the user",
        action: format!("{}/delete", path_of(&user)),
        cancel: path_of(&user),
    }))
}

async fn delete(
    State(site): State<Site>,
    visitor: Visitor,
    Path((id, name)): Path<(i64, String)>,
) -> Result<Response, UiError> {
    let user = site.service.delete_user(&visitor.actor, id, &name).await?;
    let response = see_other(&format!("/lists/{id}/smtp"));
    let flash = Flash::done(format!("User {} is deleted.", user.username));
    Ok(visitor.visit.say(response, &flash))
}

async fn check_domains(_: Visitor, fields: Fields) -> Response {
    let told = advise_domains(fields.raw("text"));
    page(&AdvicePage { told })
}

async fn check_senders(_: Visitor, fields: Fields) -> Response {
    let told = advise_senders(fields.raw("text"));
    page(&AdvicePage { told })
}

/// Goes to the user's page, which shows the password once.
fn show_once(
    site: &Site,
    visitor: &Visitor,
    user: &User,
    password: Secret<String>,
    flash: &Flash,
) -> Response {
    let session = visitor.signed.session.digest;
    site.once.keep(session, &user.username, password);
    visitor.visit.say(see_other(&path_of(user)), flash)
}

fn path_of(user: &User) -> String {
    format!("/lists/{}/users/{}", user.list_id, user.username)
}

fn add_page(site: &Site, visitor: &Visitor, list: List, form: Form, invalid: Invalid) -> UserPage {
    let setup = Setup::new(site.service.relay(), None);
    UserPage {
        frame: site.list_frame(visitor, &list, "Add new user", "settings"),
        heading: "Add new user".to_owned(),
        action: format!("/lists/{}/users/new", list.id),
        user: None,
        password: None,
        ports: ports(site.service.doors(), setup.encryption),
        setup,
        limits: limit_rows(&site.service.limits(), None),
        advice: advise_domains(&form.authorized_domains),
        list,
        form,
        invalid,
    }
}

async fn edit_page(
    site: &Site,
    visitor: &Visitor,
    (list, user): (List, User),
    form: Form,
    invalid: Invalid,
) -> Result<UserPage, UiError> {
    let sent = site
        .service
        .sent(&visitor.actor, list.id, &user.username)
        .await?;
    let setup = Setup::new(site.service.relay(), Some(&user));
    Ok(UserPage {
        frame: site.list_frame(visitor, &list, user.username.clone(), "settings"),
        heading: format!("User {}", user.username),
        action: path_of(&user),
        ports: ports(site.service.doors(), setup.encryption),
        setup,
        password: None,
        limits: limit_rows(&site.service.limits(), Some(&sent)),
        advice: advise_domains(&form.authorized_domains),
        user: Some(user),
        list,
        form,
        invalid,
    })
}

/// Every port that is encrypted as the recommended one, on one line.
fn ports(doors: &[Door], encryption: Encryption) -> String {
    let alike = doors.iter().filter(|door| door.encryption == encryption);
    let texts: Vec<String> = alike.map(|door| door.ports.replace('-', "–")).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_another_encryption_are_not_told_beside_the_recommended_one() {
        let door = |ports: &str, encryption| Door {
            ports: ports.to_owned(),
            encryption,
            must_encrypt: true,
        };
        let doors = [
            door("25, 1025-5000", Encryption::StartTls),
            door("465", Encryption::Implicit),
            door("587", Encryption::StartTls),
        ];
        assert_eq!(ports(&doors, Encryption::StartTls), "25, 1025–5000, 587");
        assert_eq!(ports(&doors, Encryption::Implicit), "465");
    }
}
