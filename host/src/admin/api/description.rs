//! The description of the API: OpenAPI 3.1 for programs, and a page for people.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use utoipa::openapi::OpenApi as Description;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::admin::ui::{CSS, ICON, page_with};

/// What is said of the API as a whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Gatepost",
        description = "Lists, users, messages, the queue, statistics, alerts and policies of this relay. Show a token as `Authorization: Bearer gp_…`; operators \
                       make them in the panel or by `gatepost token add`. What goes wrong is told as \
                       `application/problem+json` (RFC 9457). Listings come in pages: pass `next` as `cursor`. Times are in UTC.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/api/v1")),
    tags(
        (name = "Token", description = "What a token may do"),
        (name = "Lists", description = "Groups of users with their settings"),
        (name = "Users", description = "What clients log in with"),
        (name = "Messages", description = "Sending and finding"),
        (name = "Queue", description = "What waits: holding, deleting, stopping"),
        (name = "Suppressions", description = "Recipients that do not exist"),
        (name = "Statistics", description = "What happened"),
        (name = "Alerts", description = "What administrators should know of"),
        (name = "Webhooks", description = "Where events are posted"),
        (name = "Policies", description = "What decides about mail"),
        (name = "Nodes", description = "The relays that share a store"),
        (name = "Operators", description = "Who uses the panel"),
    ),
    security(("token" = [])),
    modifiers(&TokenScheme),
)]
struct Base;

struct TokenScheme;

impl Modify for TokenScheme {
    fn modify(&self, document: &mut Description) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A token with the scopes `read`, `write`, `send` or `operators`",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The description without its operations.
pub fn base() -> Description {
    Base::openapi()
}

/// The description in both forms.
pub struct Described {
    json: String,
    groups: Vec<Group>,
}

struct Group {
    name: String,
    description: String,
    operations: Vec<Operation>,
}

struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    description: String,
    parameters: Vec<Named>,
    fields: Vec<Named>,
    responses: Vec<Named>,
}

/// Something with a name and a text.
struct Named {
    name: String,
    text: String,
}

#[derive(Template)]
#[template(path = "api.html")]
struct Page<'a> {
    css: &'static str,
    icon: &'static str,
    groups: &'a [Group],
}

impl Described {
    /// Of this document.
    pub fn new(document: &Description) -> Self {
        let value = serde_json::to_value(document).unwrap_or_default();
        Self {
            json: value.to_string(),
            groups: groups(&value),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn groups(document: &Value) -> Vec<Group> {
    let tags = document["tags"].as_array().into_iter().flatten();
    let group = |tag: &Value| Group {
        name: text(&tag["name"]),
        description: text(&tag["description"]),
        operations: operations(document, &tag["name"]),
    };
    tags.map(group).collect()
}

fn operations(document: &Value, tag: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (path, method, operation))
    });
    let own = all.filter(|(_, _, operation)| operation["tags"][0] == *tag);
    own.map(|(path, method, operation)| Operation {
        id: text(&operation["operationId"]),
        method: method.to_uppercase(),
        path: format!("{}{path}", super::PATH),
        summary: text(&operation["summary"]),
        description: text(&operation["description"]),
        parameters: parameters(operation),
        fields: fields(document, operation),
        responses: responses(operation),
    })
    .collect()
}

fn parameters(operation: &Value) -> Vec<Named> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let named = |one: &Value| Named {
        name: text(&one["name"]),
        text: text(&one["description"]),
    };
    parameters.map(named).collect()
}

/// The fields of the document that is sent.
fn fields(document: &Value, operation: &Value) -> Vec<Named> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    let pointer = schema.as_str().and_then(|text| text.strip_prefix('#'));
    let schema = pointer.and_then(|pointer| document.pointer(pointer));
    let fields = schema.and_then(|schema| schema["properties"].as_object());
    let named = |(name, field): (&String, &Value)| Named {
        name: name.clone(),
        text: text(&field["description"]),
    };
    fields.into_iter().flatten().map(named).collect()
}

fn responses(operation: &Value) -> Vec<Named> {
    let responses = operation["responses"].as_object().into_iter().flatten();
    let named = |(status, response): (&String, &Value)| Named {
        name: status.clone(),
        text: text(&response["description"]),
    };
    responses.map(named).collect()
}

/// For programs.
pub async fn document(State(described): State<Arc<Described>>) -> Response {
    let kind = [(CONTENT_TYPE, "application/json")];
    (kind, described.json.clone()).into_response()
}

/// For people.
pub async fn page(State(described): State<Arc<Described>>) -> Response {
    let page = Page {
        css: &CSS.path,
        icon: &ICON.path,
        groups: &described.groups,
    };
    page_with(StatusCode::OK, &page)
}
