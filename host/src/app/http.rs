//! Starts what is served over HTTP, and the certificate that depends on it.

use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::describe;
use crate::acme::{Challenges, Renewal};
use crate::config::Config;
use crate::http::Bound;
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::tls::Certificates;
use crate::web;

/// What HTTP shares with the rest of the relay.
pub(super) struct Shared<'a> {
    pub(super) config: &'a Config,
    pub(super) acceptor: Option<TlsAcceptor>,
    pub(super) certificates: Option<&'a Certificates>,
    pub(super) store: &'a Store,
    pub(super) shutdown: &'a Shutdown,
}

impl Shared<'_> {
    /// Serves the addresses, and renews the certificate when an authority is configured.
    pub(super) fn start(&self, bound: Vec<Bound>, tasks: &mut JoinSet<()>) {
        let challenges = Challenges::default();
        let server = web::server(
            &self.config.web,
            describe(self.config),
            challenges.clone(),
            self.acceptor.clone(),
            self.shutdown.clone(),
        );
        for address in bound {
            tasks.spawn(server.clone().run(address));
        }
        if let Some(renewal) = self.renewal(challenges) {
            tasks.spawn(renewal.run(self.shutdown.clone()));
        }
    }

    fn renewal(&self, challenges: Challenges) -> Option<Renewal> {
        let acme = Some(&self.config.tls.acme).filter(|acme| acme.enabled)?;
        Some(Renewal::new(
            acme,
            &self.config.hostname,
            &self.config.data_folder(),
            challenges,
            self.certificates?.clone(),
            self.store.clone(),
        ))
    }
}
