//! The control panel: operators sign in and manage lists, users and mail with a browser.
//!
//! Three floors: `service` holds the operations and who may reach what, and knows no HTTP; `ui` makes pages
//! of it, `api` documents for programs. Decides nothing about mail: the policies do.

mod api;
mod config;
pub mod service;
mod ui;

use tokio_rustls::TlsAcceptor;

pub use self::config::Config;
pub use self::service::{Door, MessageLimits, Rooms, Service};
use crate::http::{Bound, ListenError, Server};
use crate::shutdown::Shutdown;

/// Claims every address of the section, or none.
///
/// # Errors
/// The first address that cannot be had.
pub fn claim(config: &Config) -> Result<Vec<Bound>, ListenError> {
    let (plain, encrypted) = if config.https {
        (&[][..], config.address.as_slice())
    } else {
        (config.address.as_slice(), &[][..])
    };
    Bound::claim("[panel]", plain, encrypted)
}

/// Connections end when `shutdown` is announced; `tls` is for `panel.https`.
pub fn server(
    config: &Config,
    service: Service,
    tls: Option<TlsAcceptor>,
    shutdown: Shutdown,
) -> Server {
    let api = api::router(config, service.clone());
    let router = ui::router(config, service).nest(api::PATH, api);
    Server::new(config.limits(), router, tls, shutdown)
}
