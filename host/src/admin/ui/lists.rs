//! Pages of lists: the table, the form, and the question before one is deleted.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::Site;
use super::answer::{page, page_with, see_other};
use super::confirm::Confirm;
use super::errors::{UiError, obstacle};
use super::fields::Fields;
use super::frame::{Flash, Frame, Wanted};
use super::html;
use super::visit::Visitor;
use crate::accounts::{List, PolicySettings, Unauthorized};
use crate::admin::service::{Invalid, ListPage, ListSettings, ServiceError};

/// Their paths.
pub fn routes() -> Router<Site> {
    Router::new()
        .route("/", get(front))
        .route("/lists", get(lists))
        .route("/lists/new", get(new).post(add))
        .route("/lists/{id}/edit", get(edit).post(save))
        .route("/lists/{id}/delete", get(ask).post(delete))
}

/// Lists that a line of a table names. Default 20.
const MAX_NAMED: usize = 20;

#[derive(Template)]
#[template(path = "lists.html")]
struct ListsPage {
    frame: Frame,
    page: ListPage,
    wanted: Wanted,
    may_add: bool,
}

#[derive(Template)]
#[template(path = "list_form.html")]
struct ListForm {
    frame: Frame,
    heading: String,
    action: String,
    cancel: String,
    form: Form,
    invalid: Invalid,
    routes: Vec<String>,
    may_route: bool,
    may_delete: bool,
    existing: Option<List>,
}

/// What stands in the form, as it was kept or as it was sent.
#[derive(Clone, Debug, Default)]
struct Form {
    name: String,
    unauthorized: String,
    check: Vec<String>,
    display_importance: bool,
    suppress_bounces: bool,
    route: String,
    policy_settings: String,
}

impl Form {
    fn of(settings: &ListSettings) -> Self {
        let unauthorized = match settings.unauthorized {
            Some(Unauthorized::Block) => "block",
            Some(Unauthorized::Alert) => "alert",
            None => "",
        };
        Self {
            name: settings.name.clone(),
            unauthorized: unauthorized.to_owned(),
            check: settings.check.clone().unwrap_or_default(),
            display_importance: settings.display_importance,
            suppress_bounces: settings.suppress_bounces,
            route: settings.route.clone().unwrap_or_default(),
            policy_settings: settings.policy_settings.lines(),
        }
    }

    fn sent(fields: &Fields) -> Self {
        Self {
            name: fields.text("name").to_owned(),
            unauthorized: fields.text("unauthorized").to_owned(),
            check: fields.all("check").to_vec(),
            display_importance: fields.is_checked("display_importance"),
            suppress_bounces: fields.is_checked("suppress_bounces"),
            route: fields.text("route").to_owned(),
            policy_settings: fields.raw("policy_settings").to_owned(),
        }
    }

    /// What it says; `route` is the present one, for whom may not choose.
    fn settings(&self, route: Option<String>) -> Result<ListSettings, ServiceError> {
        let policy_settings = PolicySettings::from_lines(&self.policy_settings);
        let policy_settings = policy_settings
            .map_err(|error| ServiceError::invalid("policy_settings", error.to_string()))?;
        Ok(ListSettings {
            name: self.name.clone(),
            unauthorized: match self.unauthorized.as_str() {
                "block" => Some(Unauthorized::Block),
                "alert" => Some(Unauthorized::Alert),
                _ => None,
            },
            check: (!self.check.is_empty()).then(|| self.check.clone()),
            display_importance: self.display_importance,
            suppress_bounces: self.suppress_bounces,
            route,
            policy_settings,
        })
    }

    fn checks(&self, identity: &str) -> bool {
        self.check.iter().any(|known| known == identity)
    }

    /// Whether what is usually hidden should be seen.
    fn is_special(&self, invalid: &Invalid) -> bool {
        let hidden = ["check", "route", "policy_settings"];
        !self.check.is_empty()
            || !self.route.is_empty()
            || !self.policy_settings.is_empty()
            || hidden.iter().any(|field| !invalid.of(field).is_empty())
    }
}

/// Some lists by name, of very many the first ones and how many there are beside them; `all` is in the order of ids.
pub fn named(all: &[List], ids: &[i64]) -> String {
    let name = |id: &i64| {
        let known = all.binary_search_by_key(id, |list| list.id);
        known.map_or_else(|_| id.to_string(), |place| all[place].name.clone())
    };
    let mut names: Vec<String> = ids.iter().take(MAX_NAMED).map(name).collect();
    if ids.len() > MAX_NAMED {
        names.push(format!("and {} more", ids.len() - MAX_NAMED));
    }
    names.join(", ")
}

async fn front() -> Response {
    see_other("/lists")
}

async fn lists(
    State(site): State<Site>,
    visitor: Visitor,
    query: Query<Wanted>,
) -> Result<Response, UiError> {
    let wanted = Wanted::of(query);
    let found = site
        .service
        .lists(&visitor.actor, &wanted.q, wanted.number());
    Ok(page(&ListsPage {
        frame: site.frame(&visitor, "Lists", "lists"),
        page: found.await?,
        wanted,
        may_add: visitor.actor.is_operator(),
    }))
}

async fn new(State(site): State<Site>, visitor: Visitor) -> Result<Response, UiError> {
    if !visitor.actor.is_operator() {
        return Err(ServiceError::Forbidden.into());
    }
    let form = Form::of(&ListSettings::default());
    Ok(page(&add_form(&site, &visitor, form, Invalid::default())))
}

async fn add(
    State(site): State<Site>,
    visitor: Visitor,
    fields: Fields,
) -> Result<Response, UiError> {
    let form = Form::sent(&fields);
    let added = match form.settings(chosen_route(&form)) {
        Ok(settings) => site.service.add_list(&visitor.actor, settings).await,
        Err(error) => Err(error),
    };
    match added {
        Ok(list) => {
            let flash = Flash::done(format!("List {} is there. Now give it a user.", list.name));
            let response = see_other(&format!("/lists/{}", list.id));
            Ok(visitor.visit.say(response, &flash))
        }
        Err(ServiceError::Invalid(invalid)) => {
            let form = add_form(&site, &visitor, form, invalid);
            Ok(page_with(StatusCode::UNPROCESSABLE_ENTITY, &form))
        }
        Err(error) => Err(error.into()),
    }
}

async fn edit(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, UiError> {
    let list = site.service.list(&visitor.actor, id).await?;
    let settings = site.service.list_settings(&visitor.actor, id).await?;
    let form = Form::of(&settings);
    let invalid = Invalid::default();
    Ok(page(&edit_form(&site, &visitor, list, form, invalid)))
}

async fn save(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
    fields: Fields,
) -> Result<Response, UiError> {
    let list = site.service.list(&visitor.actor, id).await?;
    let form = Form::sent(&fields);
    let route = if visitor.actor.is_operator() {
        chosen_route(&form)
    } else {
        list.route.clone()
    };
    let saved = match form.settings(route) {
        Ok(settings) => site.service.edit_list(&visitor.actor, id, settings).await,
        Err(error) => Err(error),
    };
    match saved {
        Ok(_) => {
            let response = see_other(&format!("/lists/{id}/edit"));
            Ok(visitor.visit.say(response, &Flash::done("Saved.")))
        }
        Err(ServiceError::Invalid(invalid)) => {
            let form = edit_form(&site, &visitor, list, form, invalid);
            Ok(page_with(StatusCode::UNPROCESSABLE_ENTITY, &form))
        }
        Err(error) => Err(error.into()),
    }
}

async fn ask(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, UiError> {
    let list = site.service.list(&visitor.actor, id).await?;
    if !visitor.actor.is_operator() {
        return Err(ServiceError::Forbidden.into());
    }
    Ok(page(&Confirm {
        frame: site.list_frame(&visitor, &list, "Delete", "settings"),
        question: format!("Delete the list {}?", list.name),
        text: "Its settings and its alerts' settings are gone then; what was sent stays in the record \
               until it is old."
            .to_owned(),
        yes: "Delete the list",
        action: format!("/lists/{id}/delete"),
        cancel: format!("/lists/{id}/edit"),
    }))
}

async fn delete(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, UiError> {
    match site.service.delete_list(&visitor.actor, id).await {
        Ok(list) => {
            let flash = Flash::done(format!("List {} is deleted.", list.name));
            Ok(visitor.visit.say(see_other("/lists"), &flash))
        }
        Err(error) => {
            let response = see_other(&format!("/lists/{id}/edit"));
            Ok(visitor.visit.say(response, &obstacle(error)?))
        }
    }
}

fn chosen_route(form: &Form) -> Option<String> {
    (!form.route.is_empty()).then(|| form.route.clone())
}

fn add_form(site: &Site, visitor: &Visitor, form: Form, invalid: Invalid) -> ListForm {
    ListForm {
        frame: site.frame(visitor, "Add a list", "lists"),
        heading: "Add a list".to_owned(),
        action: "/lists/new".to_owned(),
        cancel: "/lists".to_owned(),
        routes: site.service.routes().to_vec(),
        may_route: visitor.actor.is_operator()
            && (!site.service.routes().is_empty() || !form.route.is_empty()),
        may_delete: false,
        existing: None,
        form,
        invalid,
    }
}

fn edit_form(site: &Site, visitor: &Visitor, list: List, form: Form, invalid: Invalid) -> ListForm {
    let is_operator = visitor.actor.is_operator();
    let mut routes = site.service.routes().to_vec();
    if let Some(own) = list.route.clone().filter(|own| !routes.contains(own)) {
        routes.push(own);
    }
    ListForm {
        frame: site.list_frame(visitor, &list, "List settings", "settings"),
        heading: "List settings".to_owned(),
        action: format!("/lists/{}/edit", list.id),
        cancel: format!("/lists/{}", list.id),
        may_route: is_operator && (!routes.is_empty() || !form.route.is_empty()),
        routes,
        may_delete: is_operator,
        existing: Some(list),
        form,
        invalid,
    }
}
