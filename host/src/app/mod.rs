//! Wires the rooms into a running relay, and takes it down again. The only reader of the whole `Config`.

mod certificates;
mod counters;
mod description;
mod error;
mod http;
mod reload;
mod upkeep;
mod watch;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

pub use self::certificates::Named;
pub use self::counters::resources;
pub use self::description::describe;
pub use self::error::StartError;
use self::reload::Reloader;
use self::watch::Watch;
use crate::accounts::{Verifier, scram};
use crate::causes::with_causes;
use crate::config::Config;
use crate::delivery::Delivery;
use crate::dkim;
use crate::id::QueueIds;
use crate::intake::{Directory, Intake};
use crate::listener::{self, Bound, Open, TlsMode};
use crate::policy::{CodeCache, Counters, Policies, PolicySet, Resources, ShadowQueue};
use crate::scheduler::{Scheduler, Setup};
use crate::shutdown::Shutdown;
use crate::smtp::{AuthPolicy, SessionConfig};
use crate::store::{QueueLock, Store};
use crate::submission::{Door, Entrance, Rooms, Submission};
use crate::tls::{self, Certificates};
use crate::web;

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
        // Before anything is read, so that no later change is taken for what was read.
        let watch = Watch::new(config.files());
        let (resources, cache) = (resources(config), code_cache(config));
        let policies = policies(config, &resources, cache).await?;
        let policies = Policies::new(policies);
        let shadows = ShadowQueue::start(config.policy.shadow_queue)?;
        let signer = dkim::Signer::new(dkim::Keys::read(&config.dkim)?);
        let delivery = Delivery::new(&config.delivery, &config.hostname)?;
        let delivery = delivery.listening(listening(&config.listener));
        let delivery = Arc::new(delivery.signing(signer.clone()));
        let bound = claim(&config.listener)?;
        let web_bound = web::Bound::claim(&config.web)?;
        let store = Store::open(&config.store).await?;
        let lock = store.lock_queue()?;
        store.discard_orphaned_chunks().await?;
        let counters = resources.counters;
        counters::restore(&counters, &store).await?;
        let (certificates, facts) = certificates::at_start(config)?;
        let doors = doors(config, certificates.as_ref())?;
        let web_acceptor = web_acceptor(certificates.as_ref())?;
        let opened = open(bound)?;
        let shutdown = Shutdown::new();
        let ids = Arc::new(QueueIds::after(store.newest_message().await?));
        let scheduler = Scheduler::start(Setup {
            config: config.scheduler.clone(),
            store: store.clone(),
            delivery,
            ids: Arc::clone(&ids),
            hostname: config.hostname.clone(),
            newest_order: store.newest_order().await?,
        });
        let intake = intake(config, &store, (policies.clone(), shadows), ids);
        let submission = submission(config, intake.clone(), &store, &scheduler, &shutdown).await?;
        let mut tasks = JoinSet::new();
        let mut addresses = Vec::new();
        let mut entrances = Vec::new();
        for (door, ports) in doors.into_iter().zip(opened) {
            let entrance = Entrance::new(door);
            for port in ports {
                addresses.push(port.address());
                tasks.spawn(port.run(submission.clone(), entrance.clone(), shutdown.clone()));
            }
            entrances.push(entrance);
        }
        let http = http::Shared {
            config,
            acceptor: web_acceptor,
            certificates: certificates.as_ref(),
            store: &store,
            shutdown: &shutdown,
        };
        http.start(web_bound, &mut tasks);
        tasks.spawn(upkeep::run(
            store.clone(),
            config.store.clone(),
            policies.clone(),
            shutdown.clone(),
        ));
        tasks.spawn(counters::run(
            Arc::clone(&counters),
            store.clone(),
            shutdown.clone(),
        ));
        let reload = Arc::new(Notify::new());
        let reloader = Reloader {
            running: config.clone(),
            certificates: certificates.clone(),
            facts,
            entrances,
            submission: submission.clone(),
            intake,
            policies,
            signer,
            watch,
            store: store.clone(),
        };
        tasks.spawn(reload::run(reloader, Arc::clone(&reload), shutdown.clone()));
        announce(config, &addresses);
        Ok(Self {
            addresses,
            scheduler,
            store,
            certificates,
            reload,
            shutdown,
            submission,
            counters,
            tasks,
            _lock: lock,
        })
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

/// The policies of the configuration, compiled or found so.
async fn policies(
    config: &Config,
    resources: &Resources,
    cache: Option<CodeCache>,
) -> Result<PolicySet, StartError> {
    let (policy, folder) = (&config.policy, &config.folder);
    let set = PolicySet::load_cached(policy, folder, resources, cache.clone()).await?;
    let found_compiled = cache.map_or(0, |cache| cache.hits());
    info!(
        policies = set.policies().count(),
        found_compiled, "policies loaded"
    );
    Ok(set)
}

/// Where compiled policies are kept between starts; none when the configuration says so, or when it
/// would not be safe.
fn code_cache(config: &Config) -> Option<CodeCache> {
    let folder = config.policy_cache_folder()?;
    match CodeCache::open(&folder, config.policy.cache_max_mib) {
        Ok(cache) => Some(cache),
        Err(error) => {
            let (reason, hint) = (with_causes(&error), error.hint());
            warn!(
                hint,
                "compiled policies are not kept, each start compiles them again: {reason}"
            );
            None
        }
    }
}

/// Where mail of ours would come back to us.
fn listening(listeners: &[listener::Config]) -> Vec<(IpAddr, RangeInclusive<u16>)> {
    let ranges = listeners.iter().flat_map(|listener| {
        let ports = listener.ports.iter();
        ports.map(|range| (listener.address, range.span()))
    });
    ranges.collect()
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

/// One for each listener, in their order.
fn doors(config: &Config, certificates: Option<&Certificates>) -> Result<Vec<Door>, tls::TlsError> {
    let doors = config.listener.iter().map(|listener| {
        let acceptor = acceptor(listener, certificates)?;
        Ok(door(config, listener, acceptor))
    });
    doors.collect()
}

fn web_acceptor(certificates: Option<&Certificates>) -> Result<Option<TlsAcceptor>, tls::TlsError> {
    let config = certificates.map(|shown| shown.server_config(tls::MinVersion::default()));
    Ok(config.transpose()?.map(TlsAcceptor::from))
}

/// None when the listener does not encrypt.
fn acceptor(
    listener: &listener::Config,
    certificates: Option<&Certificates>,
) -> Result<Option<TlsAcceptor>, tls::TlsError> {
    let certificates = certificates.filter(|_| listener.tls != TlsMode::None);
    let config = certificates.map(|shown| shown.server_config(listener.min_tls_version));
    Ok(config.transpose()?.map(TlsAcceptor::from))
}

async fn submission(
    config: &Config,
    intake: Intake,
    store: &Store,
    scheduler: &Scheduler,
    shutdown: &Shutdown,
) -> Result<Submission, StartError> {
    let rooms = Rooms {
        intake,
        directory: Directory::new(store.clone()),
        verifier: Verifier::new(config.accounts.clone()),
        scheduler: scheduler.clone(),
        store: store.clone(),
        scram: scram_basis(store, config.accounts.scram_iterations).await?,
    };
    let config = config.submission.clone();
    Ok(Submission::new(config, rooms, shutdown.clone()))
}

/// What SCRAM verifiers have in common. Iterations that come too late for this store are told.
async fn scram_basis(store: &Store, wanted: u32) -> Result<scram::Basis, StartError> {
    let basis = store.scram_basis(wanted).await?;
    if basis.iterations != wanted {
        warn!(
            wanted,
            kept = basis.iterations,
            "accounts.scram-iterations is for a new store; this one keeps those it began with"
        );
    }
    Ok(basis)
}

fn intake(
    config: &Config,
    store: &Store,
    policies: (Policies, ShadowQueue),
    ids: Arc<QueueIds>,
) -> Intake {
    let lifetime = config.scheduler.expire_after();
    let intake = Intake::new(
        config.intake.clone(),
        config.hostname.clone(),
        lifetime,
        store.clone(),
        policies,
        ids,
    );
    intake.limit(config.limits.clone());
    intake
}

/// Lets clients connect; they wait until the sessions are served.
fn open(bound: Vec<Vec<Bound>>) -> Result<Vec<Vec<Open>>, StartError> {
    let opened = bound
        .into_iter()
        .map(|ports| ports.into_iter().map(Bound::open).collect());
    Ok(opened.collect::<Result<_, _>>()?)
}

fn door(config: &Config, listener: &listener::Config, tls: Option<TlsAcceptor>) -> Door {
    let session = SessionConfig {
        hostname: config.hostname.clone(),
        starttls: listener.tls == TlsMode::StartTls,
        require_tls: listener.require_tls,
        auth: if listener.require_tls_for_auth {
            AuthPolicy::TlsOnly
        } else {
            AuthPolicy::Always
        },
        ..config.smtp.clone()
    };
    Door {
        session: Arc::new(session),
        tls,
        implicit_tls: listener.tls == TlsMode::Implicit,
        upstreams: listener.proxy_protocol.clone(),
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
