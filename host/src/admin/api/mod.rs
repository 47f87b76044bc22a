//! The API for programs: JSON over HTTP at `/api/v1`, described by itself in OpenAPI 3.1.
//!
//! Thin over `service`, as the pages are. `access` finds out who asks and how often, `request` reads what is
//! asked, `problem` says what went wrong (RFC 9457); the rest is one file for each kind of thing. Nothing
//! here looks at a cookie, so that no other site can use a browser's sign-in.

mod access;
mod alerts;
mod description;
mod lists;
mod messages;
mod once;
mod page;
mod problem;
mod queue;
mod refusals;
mod request;
mod send;
mod users;

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
        .routes(routes!(messages::all))
        .routes(routes!(messages::one))
        .routes(routes!(queue::order))
        .routes(routes!(alerts::latest))
        .routes(routes!(send::send))
}

#[cfg(test)]
mod tests;
