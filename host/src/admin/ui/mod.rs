//! The pages: made on the server, whole without JavaScript, a little quicker with it.
//!
//! `visit` looks at every request before a page does; the rest is one file for each kind of thing.

mod account;
mod alert_words;
mod alerts;
mod answer;
mod assets;
mod confirm;
mod cookies;
mod csv;
mod errors;
mod fields;
mod form;
mod frame;
mod html;
mod kept;
mod lists;
mod messages;
mod nodes;
mod once;
mod operators;
mod policies;
mod queue;
mod queue_ask;
mod setup;
mod sign_in;
mod smtp;
mod statistics;
mod timeline;
mod tokens;
mod trial;
mod twice;
mod user_form;
mod users;
mod visit;
mod webhooks;
mod words;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;

pub(super) use self::answer::{page_with, with_security_fields};
pub(super) use self::assets::{CSS, ICON};
pub(super) use self::html::marked;
use self::kept::Kept;
use self::once::Once;
use self::twice::Twice;
pub(super) use self::visit::client;
use super::{Config, Service};

/// What every page is made from. Cheap to clone.
#[derive(Clone)]
struct Site {
    service: Service,
    config: Arc<Config>,
    once: Once,
    kept: Kept,
    twice: Twice,
    uploads: Arc<Semaphore>,
}

/// Every path; all others are 404.
pub fn router(config: &Config, service: Service) -> Router {
    let site = Site {
        service,
        config: Arc::new(config.clone()),
        once: Once::default(),
        kept: Kept::default(),
        twice: Twice::default(),
        uploads: Arc::new(Semaphore::new(form::UPLOADS)),
    };
    let pages = Router::new()
        .merge(lists::routes())
        .merge(messages::routes())
        .merge(statistics::routes())
        .merge(smtp::routes())
        .merge(users::routes())
        .merge(trial::routes())
        .merge(operators::routes())
        .merge(account::routes())
        .merge(tokens::routes())
        .merge(write::routes())
        .merge(queue::routes())
        .merge(nodes::routes())
        .merge(policies::routes())
        .merge(alerts::routes())
        .merge(webhooks::routes())
        .route("/sign-out", post(sign_in::sign_out))
        .fallback(errors::nothing_here)
        .layer(from_fn(visit::only_signed_in));
    let open = Router::new()
        .route("/sign-in", get(sign_in::form).post(sign_in::sign_in))
        .route(
            "/welcome/{link}",
            get(sign_in::welcome).post(sign_in::use_link),
        );
    let looked_at = pages
        .merge(open)
        .layer(from_fn_with_state(site.clone(), visit::look));
    Router::new()
        .route("/assets/{name}", get(assets::asset))
        .merge(looked_at)
        .with_state(site)
        .layer(map_response(with_security_fields))
}
