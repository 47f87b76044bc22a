//! Wires the rooms into a running relay, and takes it down again. The only reader of the whole `Config`.

mod certificates;
mod counters;
mod description;
mod error;
mod http;
mod ledger;
mod node;
mod panel;
mod ports;
mod reload;
mod start;
mod upkeep;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::{info, warn};

pub use self::certificates::Named;
pub use self::counters::resources;
pub use self::description::describe;
pub use self::error::StartError;
pub use self::panel::PanelPlace;
use crate::config::Config;
use crate::policy::Counters;
use crate::scheduler::Scheduler;
use crate::shutdown::Shutdown;
use crate::store::{QueueLock, Store};
use crate::submission::Submission;
use crate::tls::Certificates;

/// A running relay.
pub struct App {
    /// Where clients can connect.
    pub addresses: Vec<SocketAddr>,
    /// For stopping and starting deliveries.
    pub scheduler: Scheduler,
    /// For looking at what is kept.
    pub store: Store,
    /// Where the control panel is; none when it is not served.
    pub panel: Option<PanelPlace>,
    /// What clients are shown, to be replaced at any time; none when no listener encrypts.
    pub certificates: Option<Certificates>,
    reload: Arc<Notify>,
    shutdown: Shutdown,
    submission: Submission,
    counters: Arc<Counters>,
    tasks: JoinSet<()>,
    _lock: QueueLock,
}

impl App {
    /// Starts a relay. Everything that can be wrong is found before the first client is let in.
    ///
    /// # Errors
    /// What is wrong, with a hint; nothing is left running.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        start::relay(config).await
    }

    /// Reads the configuration and the certificates again, soon and in the background. What changed
    /// holds for new sessions; if anything is wrong, everything stays as it was and an alert tells.
    pub fn reload(&self) {
        self.reload.notify_one();
    }

    /// Ends sessions and deliveries at their next boundary, then closes the store. Nothing is lost:
    /// what is not delivered by then waits in the store.
    pub async fn stop(mut self) {
        info!("shutting down");
        self.shutdown.announce();
        let drained = tokio::time::timeout(self.submission.drain_time(), async {
            while self.tasks.join_next().await.is_some() {}
        })
        .await;
        if drained.is_err() {
            warn!("some sessions did not end in time; they are cut");
            self.tasks.shutdown().await;
        }
        self.scheduler.shutdown().await;
        counters::write(&self.counters, &self.store).await;
        self.store.close().await;
        info!("stopped");
    }
}
