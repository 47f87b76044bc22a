//! Serves HTTP: what clients configure themselves by, and what an ACME authority looks for.
//!
//! Knows no accounts and takes no credentials: everything here is public. `autoconfig` makes the
//! documents, `acme` the answers to challenges.

mod answer;
mod config;
mod places;
mod routes;
mod server;

use std::sync::Arc;

use axum::Router;
use tokio_rustls::TlsAcceptor;

pub use self::config::Config;
use self::places::Places;
pub use self::server::{Bound, ListenError};
use crate::acme::Challenges;
use crate::autoconfig::Relay;
use crate::shutdown::Shutdown;

/// Serves HTTP connections. Cheap to clone.
#[derive(Clone)]
pub struct Web {
    config: Arc<Config>,
    router: Router,
    tls: Option<TlsAcceptor>,
    places: Places,
    shutdown: Shutdown,
}

/// What the pages are made from.
#[derive(Clone)]
struct Site {
    config: Arc<Config>,
    relay: Arc<Relay>,
    challenges: Challenges,
}

impl Web {
    /// Connections end when `shutdown` is announced; `tls` is for the addresses of `web.https`.
    pub fn new(
        config: &Config,
        relay: Relay,
        challenges: Challenges,
        tls: Option<TlsAcceptor>,
        shutdown: Shutdown,
    ) -> Self {
        let config = Arc::new(config.clone());
        let site = Site {
            config: Arc::clone(&config),
            relay: Arc::new(relay),
            challenges,
        };
        Self {
            router: routes::router(site),
            tls,
            places: Places::new(&config),
            config,
            shutdown,
        }
    }
}
