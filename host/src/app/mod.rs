//! Wires the rooms into a running relay, and takes it down again. The only reader of the whole `Config`.

mod description;
mod error;
mod http;
mod upkeep;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

pub use self::description::describe;
pub use self::error::StartError;
use crate::accounts::Verifier;
use crate::acme;
use crate::config::Config;
use crate::delivery::Delivery;
use crate::id::QueueIds;
use crate::intake::{Directory, Intake};
use crate::listener::{self, Bound, Open, TlsMode};
use crate::policy::PolicySet;
use crate::scheduler::{Scheduler, Setup};
use crate::shutdown::Shutdown;
use crate::smtp::{AuthPolicy, SessionConfig};
use crate::store::{QueueLock, Store};
use crate::submission::{Door, Rooms, Submission};
use crate::tls::{self, Certificates, Loaded, MinVersion};
use crate::web;

/// How long sessions and deliveries may take to end after the shutdown is announced.
const DRAIN_TIME: Duration = Duration::from_secs(30);

/// A running relay.
pub struct App {
    /// Where clients can connect.
    pub addresses: Vec<SocketAddr>,
    /// For stopping and starting deliveries.
    pub scheduler: Scheduler,
    /// For looking at what is kept.
    pub store: Store,
    /// What clients are shown, to be replaced at any time; none when no listener encrypts.
    pub certificates: Option<Certificates>,
    shutdown: Shutdown,
    tasks: JoinSet<()>,
    _lock: QueueLock,
}

impl App {
    /// Starts a relay. Everything that can be wrong is found before the first client is let in.
    ///
    /// # Errors
    /// What is wrong, with a hint; nothing is left running.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        let policies = Arc::new(PolicySet::load(&config.policy, &config.folder).await?);
        let delivery = Arc::new(Delivery::new(&config.delivery, &config.hostname)?);
        let bound = claim(&config.listener)?;
        let web_bound = web::Bound::claim(&config.web)?;
        let store = Store::open(&config.store).await?;
        let lock = store.lock_queue()?;
        store.discard_orphaned_chunks().await?;
        let certificates = certificates(config)?;
        let acceptor = acceptor(certificates.as_ref())?;
        let opened = open(bound)?;
        let shutdown = Shutdown::new();
        let ids = Arc::new(QueueIds::after(store.newest_message().await?));
        let scheduler = Scheduler::start(Setup {
            config: config.scheduler.clone(),
            store: store.clone(),
            delivery,
            ids: Arc::clone(&ids),
            hostname: config.hostname.clone(),
        });
        let intake = intake(config, &store, policies, ids);
        let submission = submission(config, intake, &store, &scheduler, &shutdown);
        let mut tasks = JoinSet::new();
        let mut addresses = Vec::new();
        for (listener, ports) in config.listener.iter().zip(opened) {
            let door = Arc::new(door(config, listener, acceptor.as_ref()));
            for port in ports {
                addresses.push(port.address());
                tasks.spawn(port.run(submission.clone(), Arc::clone(&door), shutdown.clone()));
            }
        }
        let http = http::Shared {
            config,
            acceptor: acceptor.as_ref(),
            certificates: certificates.as_ref(),
            store: &store,
            shutdown: &shutdown,
        };
        http.start(web_bound, &mut tasks);
        tasks.spawn(upkeep::run(
            store.clone(),
            config.store.clone(),
            shutdown.clone(),
        ));
        announce(config, &addresses);
        Ok(Self {
            addresses,
            scheduler,
            store,
            certificates,
            shutdown,
            tasks,
            _lock: lock,
        })
    }

    /// Ends sessions and deliveries at their next boundary, then closes the store. Nothing is lost:
    /// what is not delivered by then waits in the store.
    pub async fn stop(mut self) {
        info!("shutting down");
        self.shutdown.announce();
        let drained = tokio::time::timeout(DRAIN_TIME, async {
            while self.tasks.join_next().await.is_some() {}
        })
        .await;
        if drained.is_err() {
            warn!("some sessions did not end in time; they are cut");
            self.tasks.shutdown().await;
        }
        self.scheduler.shutdown().await;
        self.store.close().await;
        info!("stopped");
    }
}

fn claim(listeners: &[listener::Config]) -> Result<Vec<Vec<Bound>>, StartError> {
    raise_descriptor_limit();
    let claimed = listeners
        .iter()
        .map(|listener| Bound::claim(listener.address, &listener.ports));
    Ok(claimed.collect::<Result<_, _>>()?)
}

/// A thousand ports and ten thousand sessions need more descriptors than the usual soft limit.
fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised) {
        warn!(%error, "the limit of open files cannot be raised");
    }
}

/// What clients are shown; none when no listener encrypts.
fn certificates(config: &Config) -> Result<Option<Certificates>, StartError> {
    let listeners = &config.listener;
    if listeners.iter().all(|one| one.tls == TlsMode::None) && config.web.https.is_empty() {
        return Ok(None);
    }
    let default = match config.tls.default_pair() {
        Some(pair) => Loaded::read(&pair.certificate, &pair.key)?,
        None => kept_or_self_signed(config)?,
    };
    let additional = config.tls.additional.iter();
    let additional = additional
        .map(|pair| Loaded::read(&pair.certificate, &pair.key))
        .collect::<Result<Vec<_>, _>>()?;
    let certificates = Certificates::new(default.key);
    certificates.replace_additional(additional);
    Ok(Some(certificates))
}

/// Until an authority's certificate is there, a self-signed one is shown.
fn kept_or_self_signed(config: &Config) -> Result<Loaded, StartError> {
    let acme = &config.tls.acme;
    let folder = config.data_folder();
    match acme.enabled.then(|| acme::kept(acme, &folder)) {
        Some(Some(kept)) => Ok(kept),
        Some(None) | None => self_signed(config),
    }
}

fn self_signed(config: &Config) -> Result<Loaded, StartError> {
    let made = tls::self_signed(&config.data_folder(), &config.hostname)?;
    let certificate = made.certificate.display();
    warn!(%certificate, "clients are shown a self-signed certificate; set tls.certificate and tls.key, or tls.acme");
    Ok(Loaded::read(&made.certificate, &made.key)?)
}

fn acceptor(certificates: Option<&Certificates>) -> Result<Option<TlsAcceptor>, StartError> {
    let config = certificates.map(|shown| shown.server_config(MinVersion::default()));
    Ok(config.transpose()?.map(TlsAcceptor::from))
}

fn submission(
    config: &Config,
    intake: Intake,
    store: &Store,
    scheduler: &Scheduler,
    shutdown: &Shutdown,
) -> Submission {
    let rooms = Rooms {
        intake,
        directory: Directory::new(store.clone()),
        verifier: Verifier::new(config.accounts.clone()),
        scheduler: scheduler.clone(),
        store: store.clone(),
    };
    Submission::new(config.submission.clone(), rooms, shutdown.clone())
}

fn intake(config: &Config, store: &Store, policies: Arc<PolicySet>, ids: Arc<QueueIds>) -> Intake {
    let lifetime = config.scheduler.expire_after();
    Intake::new(
        config.intake.clone(),
        config.hostname.clone(),
        lifetime,
        store.clone(),
        policies,
        ids,
    )
}

/// Lets clients connect; they wait until the sessions are served.
fn open(bound: Vec<Vec<Bound>>) -> Result<Vec<Vec<Open>>, StartError> {
    let opened = bound
        .into_iter()
        .map(|ports| ports.into_iter().map(Bound::open).collect());
    Ok(opened.collect::<Result<_, _>>()?)
}

fn door(config: &Config, listener: &listener::Config, acceptor: Option<&TlsAcceptor>) -> Door {
    let session = SessionConfig {
        hostname: config.hostname.clone(),
        starttls: listener.tls == TlsMode::StartTls,
        auth: if listener.require_tls_for_auth {
            AuthPolicy::TlsOnly
        } else {
            AuthPolicy::Always
        },
        ..config.smtp.clone()
    };
    Door {
        session: Arc::new(session),
        tls: acceptor.filter(|_| listener.tls != TlsMode::None).cloned(),
        implicit_tls: listener.tls == TlsMode::Implicit,
    }
}

/// One line that says where clients can connect, however many ports there are.
fn announce(config: &Config, addresses: &[SocketAddr]) {
    let listeners = config.listener.iter().map(|listener| {
        let ports: Vec<String> = listener.ports.iter().map(ToString::to_string).collect();
        format!("{}:{}", listener.address, ports.join(","))
    });
    let listeners: Vec<String> = listeners.collect();
    info!(
        hostname = config.hostname,
        ports = addresses.len(),
        "ready for mail on {}",
        listeners.join(" ")
    );
}
