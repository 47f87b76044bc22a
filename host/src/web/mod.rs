//! Serves HTTP: what clients configure themselves by, and what an ACME authority looks for.
//!
//! Knows no accounts and takes no credentials: everything here is public. `autoconfig` makes the
//! documents, `acme` the answers to challenges, `http` serves the connections.

mod answer;
mod config;
mod routes;

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

pub use self::config::Config;
use crate::acme::Challenges;
use crate::autoconfig::Relay;
use crate::http::{Bound, ListenError, Server};
use crate::shutdown::Shutdown;

/// What the pages are made from.
#[derive(Clone)]
struct Site {
    config: Arc<Config>,
    relay: Arc<Relay>,
    challenges: Challenges,
}

/// Claims every address of the section, or none.
///
/// # Errors
/// The first address that cannot be had.
pub fn claim(config: &Config) -> Result<Vec<Bound>, ListenError> {
    Bound::claim("[web]", &config.http, &config.https)
}

/// Connections end when `shutdown` is announced; `tls` is for the addresses of `web.https`.
pub fn server(
    config: &Config,
    relay: Relay,
    challenges: Challenges,
    tls: Option<TlsAcceptor>,
    shutdown: Shutdown,
) -> Server {
    let site = Site {
        config: Arc::new(config.clone()),
        relay: Arc::new(relay),
        challenges,
    };
    Server::new(config.limits(), routes::router(site), tls, shutdown)
}
