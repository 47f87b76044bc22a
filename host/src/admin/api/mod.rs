//! The API for programs: JSON over HTTP at `/api/v1`, described by itself in OpenAPI 3.1.
//!
//! Thin over `service`, as the pages are. `access` finds out who asks and how often, `request` reads what is
//! asked, `problem` says what went wrong (RFC 9457); the rest is one file for each kind of thing. Nothing
//! here looks at a cookie, so that no other site can use a browser's sign-in.

mod access;
mod alerts;
mod description;
mod lists;
mod message_documents;
mod messages;
mod nodes;
mod once;
mod operators;
mod page;
mod policies;
mod problem;
mod queue;
mod refusals;
mod request;
mod send;
mod statistics;
mod stops;
mod suppressions;
mod trial;
mod users;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::get;
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::access::Rates;
use self::description::{Described, base};
use super::ui::with_security_fields;
use super::{Config, Service};

/// Where it is, below the panel's address.
pub const PATH: &str = "/api/v1";

/// Bodies of more than a few octets that are in memory at the same time. Default 4: with the default limit of a
/// body, and what is made of it, less than 300 MiB.
const BODIES: usize = 4;

/// What every operation works with. Cheap to clone.
#[derive(Clone)]
struct Api {
    service: Service,
    config: Arc<Config>,
    rates: Arc<Rates>,
    bodies: Arc<Semaphore>,
}

/// Every path below [`PATH`].
pub fn router(config: &Config, service: Service) -> Router {
    let api = Api {
        service,
        config: Arc::new(config.clone()),
        rates: Arc::new(Rates::new(config.api_requests_per_minute)),
        bodies: Arc::new(Semaphore::new(BODIES)),
    };
    let (operations, document) = operations().split_for_parts();
    let operations = operations
        .fallback(problem::nothing_here)
        .method_not_allowed_fallback(problem::not_that_way)
        .layer(from_fn_with_state(api.clone(), access::authenticate))
        .with_state(api);
    let described = Arc::new(Described::new(&document));
    let open = Router::new()
        .route("/openapi.json", get(description::document))
        .route("/docs", get(description::page))
        .with_state(described);
    open.merge(operations)
        .layer(map_response(with_security_fields))
}

fn operations() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(base())
        .routes(routes!(access::me))
        .routes(routes!(lists::all, lists::add))
        .routes(routes!(lists::one, lists::replace, lists::delete))
        .routes(routes!(users::all, users::add))
        .routes(routes!(users::one, users::replace, users::delete))
        .routes(routes!(users::reset_password))
        .routes(routes!(users::sent))
        .routes(routes!(trial::ask))
        .routes(routes!(trial::server))
        .merge(mail())
        .merge(overview())
        .merge(administration())
}

/// Messages and the queue.
fn mail() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(messages::all, send::send))
        .routes(routes!(messages::one))
        .routes(routes!(messages::of_list))
        .routes(routes!(messages::one_of_list))
        .routes(routes!(queue::all))
        .routes(routes!(queue::of_list))
        .routes(routes!(queue::count))
        .routes(routes!(queue::count_of_list))
        .routes(routes!(queue::order))
        .routes(routes!(queue::order_of_list))
        .routes(routes!(stops::all))
        .routes(routes!(stops::put, stops::delete))
        .routes(routes!(stops::of_list))
        .routes(routes!(stops::put_list, stops::delete_list))
        .routes(routes!(suppressions::all))
        .routes(routes!(suppressions::delete))
}

/// What happened, and who is told of it.
fn overview() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(statistics::of_all))
        .routes(routes!(statistics::of_list))
        .routes(routes!(statistics::by_name))
        .routes(routes!(statistics::today))
        .routes(routes!(alerts::all))
        .routes(routes!(alerts::of_list))
        .routes(routes!(alerts::show_settings, alerts::replace_settings))
        .routes(routes!(
            alerts::show_settings_of_list,
            alerts::replace_settings_of_list
        ))
        .routes(routes!(alerts::test))
        .routes(routes!(alerts::test_of_list))
        .routes(routes!(webhooks::one, webhooks::put, webhooks::delete))
        .routes(routes!(
            webhooks::of_list,
            webhooks::put_list,
            webhooks::delete_list
        ))
}

/// What is the operators'.
fn administration() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(nodes::report))
        .routes(routes!(policies::report))
        .routes(routes!(policies::ask_for_reload))
        .routes(routes!(operators::all, operators::add))
        .routes(routes!(
            operators::one,
            operators::replace,
            operators::delete
        ))
        .routes(routes!(operators::reset))
        .routes(routes!(operators::end_sessions))
}

#[cfg(test)]
mod tests;
