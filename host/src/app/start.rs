//! Starting a relay, step by step. Everything that can be wrong is found before the first client is let in.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use super::reload::{self, Reloader};
use super::watch::Watch;
use super::{
    App, PanelPlace, StartError, certificates, counters, http, ledger, node, panel, ports, upkeep,
};
use crate::accounts::{Verifier, scram};
use crate::admin;
use crate::causes::with_causes;
use crate::config::Config;
use crate::delivery::Delivery;
use crate::dkim;
use crate::id::QueueIds;
use crate::intake::{Directory, Intake};
use crate::listener::{Bound, Open};
use crate::monitor;
use crate::notify;
use crate::policy::{CodeCache, Counters, Policies, PolicySet, Resources, ShadowQueue};
use crate::scheduler::{Facts, Scheduler, Setup};
use crate::shutdown::Shutdown;
use crate::store::{QueueLock, Store};
use crate::submission::{Door, Entrance, Rooms, Submission};
use crate::telemetry;
use crate::tls::{self, Certificates};
use crate::web;

/// Starts a relay; see [`App::start`].
pub(super) async fn relay(config: &Config) -> Result<App, StartError> {
    // Before anything is read, so that no later change is taken for what was read.
    let watch = Watch::new(config.files());
    let parts = Parts::new(config).await?;
    let (store, lock) = open_store(config, &parts.counters).await?;
    let (certificates, facts) = certificates::at_start(config)?;
    let doors = ports::doors(config, certificates.as_ref())?;
    let web_acceptor = web_acceptor(certificates.as_ref())?;
    let opened = ports::open(parts.ports)?;
    let shutdown = Shutdown::new();
    let ids = Arc::new(QueueIds::after(store.newest_message().await?));
    let as_node = node::join(config, &store, &parts.policies, &ids).await?;
    let scheduler = scheduler(config, &store, (parts.delivery, as_node), &ids).await?;
    let notifying = notifying(config, &store, &scheduler, &ids, certificates.as_ref());
    let intake = intake(config, &store, (parts.policies.clone(), parts.shadows), ids);
    let submission = submission(config, intake.clone(), &store, &scheduler, &shutdown).await?;
    let mut tasks = Tasks::new(&shutdown);
    notify::start(notifying, &mut tasks.running, &shutdown)?;
    let tracing = (&mut tasks.running, &shutdown);
    telemetry::start(&config.telemetry, &config.hostname, &store, tracing)?;
    let (addresses, entrances) = tasks.serve(&submission, doors.into_iter().zip(opened));
    let http = http::Shared {
        config,
        acceptor: web_acceptor,
        certificates: certificates.as_ref(),
        store: &store,
        shutdown: &shutdown,
    };
    let service = panel::service(config, &store, (&intake, &parts.policies, &scheduler));
    let watched = monitor::Watched {
        store: store.clone(),
        scheduler: scheduler.clone(),
        policies: parts.policies.clone(),
        shutdown: shutdown.clone(),
    };
    let panel = tasks.pages(http, (&service, watched), parts.pages).await?;
    tasks.look_after(&store, config, &parts.policies, &parts.counters);
    let reload = tasks.reload(Reloader {
        running: config.clone(),
        certificates: certificates.clone(),
        facts,
        entrances,
        submission: submission.clone(),
        intake,
        policies: parts.policies,
        admin: panel.is_some().then_some(service),
        signer: parts.signer,
        watch,
        store: store.clone(),
    });
    ports::announce(config, &addresses);
    Ok(App {
        addresses,
        scheduler,
        store,
        panel,
        certificates,
        reload,
        shutdown,
        submission,
        counters: parts.counters,
        tasks: tasks.running,
        _lock: lock,
    })
}

/// What the configuration alone decides, made before the store is touched.
struct Parts {
    policies: Policies,
    shadows: ShadowQueue,
    counters: Arc<Counters>,
    signer: dkim::Signer,
    delivery: Arc<Delivery>,
    ports: Vec<Vec<Bound>>,
    pages: Pages,
}

/// Where HTTP is spoken.
struct Pages {
    web: Vec<crate::http::Bound>,
    panel: Vec<crate::http::Bound>,
    monitor: Vec<crate::http::Bound>,
}

impl Parts {
    async fn new(config: &Config) -> Result<Self, StartError> {
        let resources = counters::resources(config);
        let policies = policies(config, &resources, code_cache(config)).await?;
        let shadows = ShadowQueue::start(config.policy.shadow_queue)?;
        let signer = dkim::Signer::new(dkim::Keys::read(&config.dkim)?);
        let delivery = Delivery::new(&config.delivery, &config.hostname)?;
        let delivery = delivery.listening(ports::listening(&config.listener));
        Ok(Self {
            policies: Policies::new(policies),
            shadows,
            counters: resources.counters,
            delivery: Arc::new(delivery.signing(signer.clone())),
            signer,
            ports: ports::claim(&config.listener)?,
            pages: Pages {
                web: web::claim(&config.web)?,
                panel: admin::claim(&config.panel)?,
                monitor: monitor::claim(&config.monitor)?,
            },
        })
    }
}

/// What runs beside the sessions until the shutdown is announced.
struct Tasks {
    running: JoinSet<()>,
    shutdown: Shutdown,
}

impl Tasks {
    fn new(shutdown: &Shutdown) -> Self {
        Self {
            running: JoinSet::new(),
            shutdown: shutdown.clone(),
        }
    }

    /// Lets sessions begin; returns where clients can connect, and what a reload changes of it.
    fn serve(
        &mut self,
        submission: &Submission,
        doors: impl Iterator<Item = (Door, Vec<Open>)>,
    ) -> (Vec<SocketAddr>, Vec<Entrance>) {
        let (mut addresses, mut entrances) = (Vec::new(), Vec::new());
        for (door, ports) in doors {
            let entrance = Entrance::new(door);
            for port in ports {
                addresses.push(port.address());
                let (submission, entrance) = (submission.clone(), entrance.clone());
                self.running
                    .spawn(port.run(submission, entrance, self.shutdown.clone()));
            }
            entrances.push(entrance);
        }
        (addresses, entrances)
    }

    /// Serves what mail programs ask for, the panel and the metrics; returns where the panel is.
    async fn pages(
        &mut self,
        shared: http::Shared<'_>,
        (service, watched): (&admin::Service, monitor::Watched),
        bound: Pages,
    ) -> Result<Option<PanelPlace>, StartError> {
        shared.start(bound.web, &mut self.running);
        let panel = panel::Start {
            config: shared.config,
            service,
            tls: shared.acceptor,
            bound: bound.panel,
            shutdown: shared.shutdown,
        };
        let panel = panel.start(&mut self.running).await?;
        let server = monitor::server(&shared.config.monitor, watched);
        for address in bound.monitor {
            self.running.spawn(server.clone().run(address));
        }
        Ok(panel)
    }

    /// Keeps the store tidy, sums up what happened, and keeps what policies count.
    fn look_after(
        &mut self,
        store: &Store,
        config: &Config,
        policies: &Policies,
        counters: &Arc<Counters>,
    ) {
        self.running.spawn(upkeep::run(
            store.clone(),
            config.store.clone(),
            policies.clone(),
            self.shutdown.clone(),
        ));
        let ledger = ledger::sum_up(store.clone(), self.shutdown.clone());
        self.running.spawn(ledger);
        let index = ledger::index(store.clone(), self.shutdown.clone());
        self.running.spawn(index);
        let sweep = upkeep::sweep(store.clone(), self.shutdown.clone());
        self.running.spawn(sweep);
        self.running.spawn(counters::run(
            Arc::clone(counters),
            store.clone(),
            self.shutdown.clone(),
        ));
    }

    /// Reloads when it is asked to, also by who notifies what this returns.
    fn reload(&mut self, reloader: Reloader) -> Arc<Notify> {
        let asked = Arc::new(Notify::new());
        let run = reload::run(reloader, Arc::clone(&asked), self.shutdown.clone());
        self.running.spawn(run);
        asked
    }
}

/// The store of this relay alone, without what a dead one left half done.
async fn open_store(
    config: &Config,
    counters: &Counters,
) -> Result<(Store, QueueLock), StartError> {
    let store = Store::open(&config.store).await?;
    let lock = store.lock_queue()?;
    store.discard_orphaned_chunks().await?;
    counters::restore(counters, &store).await?;
    Ok((store, lock))
}

/// What brings alerts to people and events to programs.
fn notifying(
    config: &Config,
    store: &Store,
    scheduler: &Scheduler,
    ids: &Arc<QueueIds>,
    certificates: Option<&Certificates>,
) -> notify::Setup {
    notify::Setup {
        config: config.notify.clone(),
        hostname: config.hostname.clone(),
        public_url: config.panel.url_for_mail(&config.hostname),
        store: store.clone(),
        scheduler: scheduler.clone(),
        ids: Arc::clone(ids),
        certificates: certificates.cloned(),
    }
}

async fn scheduler(
    config: &Config,
    store: &Store,
    (delivery, facts): (Arc<Delivery>, Option<Facts>),
    ids: &Arc<QueueIds>,
) -> Result<Scheduler, StartError> {
    Ok(Scheduler::start(Setup {
        config: config.scheduler.clone(),
        store: store.clone(),
        delivery,
        ids: Arc::clone(ids),
        hostname: config.hostname.clone(),
        facts,
        node: config.node.clone(),
        newest_order: store.newest_order().await?,
    }))
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

fn web_acceptor(certificates: Option<&Certificates>) -> Result<Option<TlsAcceptor>, tls::TlsError> {
    let config = certificates.map(|shown| shown.server_config(tls::MinVersion::default()));
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
