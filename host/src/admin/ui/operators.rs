//! Pages of operators: who may sign in, what they reach, and links for those without a password.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::Site;
use super::answer::{page, page_with, see_other};
use super::confirm::Confirm;
use super::errors::{UiError, obstacle};
use super::fields::Fields;
use super::frame::{Flash, Frame};
use super::html;
use super::visit::Visitor;
use crate::accounts::List;
use crate::admin::service::{Invalid, ServiceError};
use crate::operators::{NewOperator, Operator, Role, Token};
use crate::secret::Secret;

/// Their paths.
pub fn routes() -> Router<Site> {
    Router::new()
        .route("/operators", get(operators))
        .route("/operators/new", get(new).post(add))
        .route("/operators/{id}", get(edit).post(save))
        .route("/operators/{id}/reset", get(ask_reset).post(reset))
        .route("/operators/{id}/delete", get(ask_delete).post(delete))
        .route("/operators/{id}/sign-out", post(sign_out))
}

#[derive(Template)]
#[template(path = "operators.html")]
struct OperatorsPage {
    frame: Frame,
    operators: Vec<Operator>,
    lists: Vec<List>,
    own: i64,
}

impl OperatorsPage {
    /// The first of its lists by name, and how many there are beside them.
    fn lists_of(&self, operator: &Operator) -> String {
        super::lists::named(&self.lists, &operator.lists)
    }
}

#[derive(Template)]
#[template(path = "operator.html")]
struct OperatorPage {
    frame: Frame,
    heading: String,
    action: String,
    /// None while it is being added.
    operator: Option<Operator>,
    /// Shown once.
    link: Option<Secret<String>>,
    form: Form,
    lists: Vec<List>,
    invalid: Invalid,
}

/// What stands in the form.
#[derive(Clone, Debug)]
struct Form {
    name: String,
    role: Role,
    lists: Vec<i64>,
    active: bool,
}

impl Form {
    fn of(operator: &Operator) -> Self {
        Self {
            name: operator.name.clone(),
            role: operator.role,
            lists: operator.lists.clone(),
            active: operator.active,
        }
    }

    fn sent(fields: &Fields) -> Self {
        let lists = fields.all("lists").iter();
        Self {
            name: fields.text("name").to_owned(),
            // What is not understood gives less, not more.
            role: Role::from_word(fields.text("role")).unwrap_or(Role::ListManager),
            lists: lists.filter_map(|id| id.parse().ok()).collect(),
            active: fields.is_checked("active"),
        }
    }

    fn has(&self, id: &i64) -> bool {
        self.lists.contains(id)
    }
}

async fn operators(State(site): State<Site>, visitor: Visitor) -> Result<Response, UiError> {
    let operators = site.service.operators(&visitor.actor).await?;
    let lists = site.service.all_lists(&visitor.actor).await?;
    Ok(page(&OperatorsPage {
        frame: site.frame(&visitor, "Operators", "operators"),
        operators,
        lists,
        own: visitor.actor.id,
    }))
}

async fn new(State(site): State<Site>, visitor: Visitor) -> Result<Response, UiError> {
    if !visitor.actor.is_operator() {
        return Err(ServiceError::Forbidden.into());
    }
    let form = Form {
        name: String::new(),
        role: Role::ListManager,
        lists: Vec::new(),
        active: true,
    };
    let made = operator_page(&site, &visitor, None, form, Invalid::default());
    Ok(page(&made.await?))
}

async fn add(
    State(site): State<Site>,
    visitor: Visitor,
    fields: Fields,
) -> Result<Response, UiError> {
    let form = Form::sent(&fields);
    let new = NewOperator {
        name: form.name.clone(),
        role: form.role,
        lists: form.lists.clone(),
    };
    match site.service.add_operator(&visitor.actor, new).await {
        Ok((operator, link)) => {
            let flash = Flash::done(format!("{} is there.", operator.name));
            Ok(show_once(&site, &visitor, operator.id, &link, &flash))
        }
        Err(ServiceError::Invalid(invalid)) => {
            let made = operator_page(&site, &visitor, None, form, invalid).await?;
            Ok(page_with(StatusCode::UNPROCESSABLE_ENTITY, &made))
        }
        Err(error) => Err(error.into()),
    }
}

async fn edit(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, UiError> {
    let operator = site.service.operator(&visitor.actor, id).await?;
    let form = Form::of(&operator);
    let made = operator_page(&site, &visitor, Some(operator), form, Invalid::default());
    let mut made = made.await?;
    let session = visitor.signed.session.digest;
    made.link = site.once.take(session, &once_key(id));
    Ok(page(&made))
}

async fn save(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
    fields: Fields,
) -> Result<Response, UiError> {
    let operator = site.service.operator(&visitor.actor, id).await?;
    let form = Form::sent(&fields);
    let changed = Operator {
        name: form.name.clone(),
        role: form.role,
        lists: form.lists.clone(),
        active: form.active,
        ..operator.clone()
    };
    let response = see_other(&format!("/operators/{id}"));
    match site.service.edit_operator(&visitor.actor, changed).await {
        Ok(()) => Ok(visitor.visit.say(response, &Flash::done("Saved."))),
        Err(ServiceError::Invalid(invalid)) => {
            let made = operator_page(&site, &visitor, Some(operator), form, invalid).await?;
            Ok(page_with(StatusCode::UNPROCESSABLE_ENTITY, &made))
        }
        Err(error) => Ok(visitor.visit.say(response, &obstacle(error)?)),
    }
}

async fn ask_reset(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, UiError> {
    let operator = site.service.operator(&visitor.actor, id).await?;
    Ok(page(&Confirm {
        frame: site.frame(&visitor, "Reset", "operators"),
        question: format!("Reset the sign-in of {}?", operator.name),
        text: "The password and the one-time codes are forgotten, and every session ends. The next page shows a \
               link, once, by which they choose another password."
            .to_owned(),
        yes: "Reset the sign-in",
        action: format!("/operators/{id}/reset"),
        cancel: format!("/operators/{id}"),
    }))
}

async fn reset(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, UiError> {
    let link = site.service.reset_operator(&visitor.actor, id).await?;
    let flash = Flash::done("The sign-in is reset.");
    Ok(show_once(&site, &visitor, id, &link, &flash))
}

async fn ask_delete(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, UiError> {
    let operator = site.service.operator(&visitor.actor, id).await?;
    Ok(page(&Confirm {
        frame: site.frame(&visitor, "Delete", "operators"),
        question: format!("Delete {}?", operator.name),
        text: "They cannot sign in any more. What they did stays in the record.".to_owned(),
        yes: "Delete",
        action: format!("/operators/{id}/delete"),
        cancel: format!("/operators/{id}"),
    }))
}

async fn delete(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, UiError> {
    match site.service.delete_operator(&visitor.actor, id).await {
        Ok(operator) => {
            let flash = Flash::done(format!("{} is deleted.", operator.name));
            Ok(visitor.visit.say(see_other("/operators"), &flash))
        }
        Err(error) => {
            let response = see_other(&format!("/operators/{id}"));
            Ok(visitor.visit.say(response, &obstacle(error)?))
        }
    }
}

async fn sign_out(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, UiError> {
    site.service.end_sessions(&visitor.actor, id).await?;
    let response = see_other(&format!("/operators/{id}"));
    let flash = Flash::done("Every session of theirs is ended.");
    Ok(visitor.visit.say(response, &flash))
}

/// Goes to the operator's page, which shows the link once.
fn show_once(site: &Site, visitor: &Visitor, id: i64, link: &Token, flash: &Flash) -> Response {
    let hostname = &site.service.relay().hostname;
    let link = site.config.welcome_link(hostname, link);
    let session = visitor.signed.session.digest;
    site.once.keep(session, &once_key(id), Secret::new(link));
    visitor
        .visit
        .say(see_other(&format!("/operators/{id}")), flash)
}

fn once_key(id: i64) -> String {
    format!("operator {id}")
}

async fn operator_page(
    site: &Site,
    visitor: &Visitor,
    operator: Option<Operator>,
    form: Form,
    invalid: Invalid,
) -> Result<OperatorPage, UiError> {
    let lists = site.service.all_lists(&visitor.actor).await?;
    let heading = operator.as_ref().map(|one| one.name.clone());
    let heading = heading.unwrap_or_else(|| "Add somebody".to_owned());
    let action = operator
        .as_ref()
        .map(|one| format!("/operators/{}", one.id));
    Ok(OperatorPage {
        frame: site.frame(visitor, heading.clone(), "operators"),
        heading,
        action: action.unwrap_or_else(|| "/operators/new".to_owned()),
        operator,
        link: None,
        form,
        lists,
        invalid,
    })
}
