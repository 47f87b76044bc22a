//! Answers monitors: the metrics, whether the process lives, and whether it takes mail.
//!
//! Has addresses of its own and is on none by default: what it tells is not secret, but nobody's business.
//! `metrics` counts, `scheduler` knows the queue, `store` whether it can be written.

mod config;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;

pub use self::config::Config;
use crate::http::{Bound, ListenError, Server};
use crate::metrics::{self, Depth};
use crate::policy::Policies;
use crate::scheduler::Scheduler;
use crate::shutdown::Shutdown;
use crate::store::Store;

/// The text form that Prometheus asks for (OpenMetrics 1.0).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// What is looked at.
#[derive(Clone)]
pub struct Watched {
    /// Whether it can be written.
    pub store: Store,
    /// How long the queue is.
    pub scheduler: Scheduler,
    /// What decides.
    pub policies: Policies,
    /// Whether it is about to end.
    pub shutdown: Shutdown,
}

/// Claims every address of the section, or none.
///
/// # Errors
/// The first address that cannot be had.
pub fn claim(config: &Config) -> Result<Vec<Bound>, ListenError> {
    Bound::claim("[monitor]", &config.address, &[])
}

/// Serves once clients can connect; connections end when the shutdown is announced.
pub fn server(config: &Config, watched: Watched) -> Server {
    let shutdown = watched.shutdown.clone();
    let router = Router::new()
        .route("/metrics", get(show))
        .route("/healthz", get(lives))
        .route("/readyz", get(is_ready))
        .with_state(watched);
    Server::new(config.limits(), router, None, shutdown)
}

async fn show(State(watched): State<Watched>) -> impl IntoResponse {
    let snapshot = watched.scheduler.snapshot();
    let depth = Depth {
        ready: snapshot.counts.ready,
        waiting: snapshot.counts.waiting,
        running: snapshot.counts.running,
    };
    let text = metrics::text(&depth, watched.store.accepting());
    (fields(OPEN_METRICS), text)
}

/// The process answers.
async fn lives() -> impl IntoResponse {
    (fields(TEXT), "alive\n")
}

/// Whether mail is taken: every condition on a line of its own.
async fn is_ready(State(watched): State<Watched>) -> impl IntoResponse {
    let conditions = watched.conditions();
    let status = if conditions.iter().all(|(_, holds)| *holds) {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let lines =
        conditions.map(|(what, holds)| format!("{} {what}\n", if holds { "ok" } else { "no" }));
    (status, fields(TEXT), lines.concat())
}

impl Watched {
    /// What must hold so that a client's message is taken. It is only asked once everything has started.
    fn conditions(&self) -> [(&'static str, bool); 3] {
        [
            ("the store can be written", self.store.accepting()),
            (
                "policies are loaded",
                self.policies.current().generation() > 0,
            ),
            ("clients are let in", !self.shutdown.is_announced()),
        ]
    }
}

fn fields(kind: &'static str) -> [(HeaderName, &'static str); 2] {
    [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")]
}
