//! Carries the submission protocol over a socket: reads, writes, waits, and asks the rooms below.
//!
//! All rules of the dialogue are in `smtp`; all rules about mail are in `intake` and the policies.
//! `listener` hands connections in; accepted messages go to the scheduler.

mod admission;
mod authenticate;
mod config;
mod connection;
mod entrance;
mod logins;
mod outage;
mod pace;
mod proxy;
mod scram;
mod stream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use self::admission::Admission;
pub use self::config::Config;
pub use self::entrance::Entrance;
use self::outage::Outage;
use crate::accounts::{Verifier, scram as verifiers};
use crate::fetch::Network;
use crate::guard::Guard;
use crate::intake::{Directory, Intake};
use crate::scheduler::Scheduler;
use crate::shutdown::Shutdown;
use crate::smtp::SessionConfig;
use crate::store::Store;

/// Serves submission sessions. Cheap to clone.
#[derive(Clone)]
pub struct Submission {
    shared: Arc<Shared>,
}

struct Shared {
    /// What the next session gets.
    config: RwLock<Arc<Config>>,
    intake: Intake,
    directory: Directory,
    verifier: RwLock<Arc<Verifier>>,
    scheduler: Scheduler,
    store: Store,
    scram: verifiers::Basis,
    admission: Admission,
    guard: Guard,
    outage: Outage,
    refusals: Semaphore,
    shutdown: Shutdown,
}

/// What sessions of one listener have in common.
pub struct Door {
    /// The protocol's settings.
    pub session: Arc<SessionConfig>,
    /// TLS for STARTTLS and implicit TLS; none when the listener offers neither.
    pub tls: Option<TlsAcceptor>,
    /// True when TLS comes before the greeting (RFC 8314 §3.3).
    pub implicit_tls: bool,
    /// Proxies that must tell their client's address in a PROXY protocol header; nobody else is heard.
    pub upstreams: Vec<Network>,
}

/// The rooms a session asks.
pub struct Rooms {
    /// Takes messages in.
    pub intake: Intake,
    /// Knows the accounts.
    pub directory: Directory,
    /// Verifies passwords.
    pub verifier: Verifier,
    /// Takes over accepted messages.
    pub scheduler: Scheduler,
    /// Keeps alerts.
    pub store: Store,
    /// What SCRAM verifiers have in common.
    pub scram: verifiers::Basis,
}

impl Submission {
    /// Sessions end when `shutdown` is announced.
    pub fn new(config: Config, rooms: Rooms, shutdown: Shutdown) -> Self {
        let Rooms {
            intake,
            directory,
            verifier,
            scheduler,
            store,
            scram,
        } = rooms;
        Self {
            shared: Arc::new(Shared {
                admission: Admission::new(),
                guard: Guard::new(),
                outage: Outage::default(),
                refusals: Semaphore::new(connection::MAX_REFUSALS),
                config: RwLock::new(Arc::new(config)),
                intake,
                directory,
                verifier: RwLock::new(Arc::new(verifier)),
                scheduler,
                store,
                scram,
                shutdown,
            }),
        }
    }

    /// Other limits, from the next session on; who is in stays in, also beyond a lower limit.
    pub fn limit(&self, config: Config) {
        *self.shared.config.write() = Arc::new(config);
    }

    /// Verifies by another verifier from the next login on.
    pub fn verify_by(&self, verifier: Verifier) {
        *self.shared.verifier.write() = Arc::new(verifier);
    }

    /// How long sessions may take to end after the shutdown is announced.
    pub fn drain_time(&self) -> Duration {
        self.shared.config().drain_time()
    }

    /// Serves one connection to its end. Never fails: whatever happens concerns this client alone.
    pub async fn serve(
        &self,
        stream: TcpStream,
        client: SocketAddr,
        server_port: u16,
        door: Arc<Door>,
    ) {
        connection::serve(&self.shared, stream, client, server_port, &door).await;
    }
}

impl Shared {
    /// The limits that hold now.
    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read())
    }

    fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.verifier.read())
    }
}
