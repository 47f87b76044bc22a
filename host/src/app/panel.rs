//! Starts the control panel, and tells where it is.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::warn;

use super::StartError;
use super::description::{describe, encryption};
use crate::admin::{self, Door, MessageLimits, Rooms, Service};
use crate::config::Config;
use crate::http::Bound;
use crate::intake::Intake;
use crate::listener;
use crate::policy::Policies;
use crate::scheduler::Scheduler;
use crate::shutdown::Shutdown;
use crate::store::Store;

/// Between two looks for sessions that are over. Default ten minutes; they are refused long before.
const TIDY_EVERY: Duration = Duration::from_secs(600);

/// The panel of a running relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanelPlace {
    /// What people type into their browser.
    pub url: String,
    /// A one-time link for the first operator, while there is none who could sign in.
    pub first_link: Option<String>,
}

/// The operations of the panel.
pub(super) fn service(
    config: &Config,
    store: &Store,
    (intake, policies, scheduler): (&Intake, &Policies, &Scheduler),
) -> Service {
    let rooms = Rooms {
        config: config.panel.clone(),
        accounts: config.accounts.clone(),
        store: store.clone(),
        intake: intake.clone(),
        policies: policies.clone(),
        scheduler: scheduler.clone(),
        relay: describe(config),
        doors: config.listener.iter().map(door).collect(),
        routes: routes(config),
        message: MessageLimits {
            octets: config.smtp.max_message_octets,
            recipients: config.smtp.max_recipients,
            hold: Duration::from_secs(config.smtp.max_hold_s),
        },
    };
    Service::new(rooms, config.limits.clone())
}

/// What it takes to serve the panel.
pub(super) struct Start<'a> {
    pub(super) config: &'a Config,
    pub(super) service: &'a Service,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) bound: Vec<Bound>,
    pub(super) shutdown: &'a Shutdown,
}

impl Start<'_> {
    /// Serves the panel; nothing when it has no address.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub(super) async fn start(
        self,
        tasks: &mut JoinSet<()>,
    ) -> Result<Option<PanelPlace>, StartError> {
        let Some(address) = self.bound.first().and_then(Bound::address) else {
            return Ok(None);
        };
        let (config, service) = (self.config, self.service);
        let url = config.panel.public_url(address, &config.hostname);
        let first = service.first_link().await?;
        let first_link = first.map(|token| format!("{url}/welcome/{}", token.expose()));
        let shutdown = self.shutdown.clone();
        let server = admin::server(&config.panel, service.clone(), self.tls, shutdown);
        for address in self.bound {
            tasks.spawn(server.clone().run(address));
        }
        tasks.spawn(keep_tidy(service.clone(), self.shutdown.clone()));
        Ok(Some(PanelPlace { url, first_link }))
    }
}

async fn keep_tidy(service: Service, shutdown: Shutdown) {
    loop {
        if let Err(error) = service.tidy().await {
            warn!(%error, "old sessions of the panel cannot be removed");
        }
        tokio::select! {
            () = tokio::time::sleep(TIDY_EVERY) => {}
            () = shutdown.announced() => return,
        }
    }
}

fn door(listener: &listener::Config) -> Door {
    let ports: Vec<String> = listener.ports.iter().map(ToString::to_string).collect();
    Door {
        ports: ports.join(", "),
        encryption: encryption(listener.tls),
        must_encrypt: listener.require_tls || listener.require_tls_for_auth,
    }
}

fn routes(config: &Config) -> Vec<String> {
    let routes = config.delivery.route.iter();
    routes.map(|route| route.name.clone()).collect()
}
