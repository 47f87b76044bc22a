//! Keeps everything that must survive: accounts, the queue, its content, attempts and alerts.
//!
//! All SQL is in this room. Reads go through a small pool; every write is a job for a writer task,
//! which commits what waits in one transaction and answers after the commit. The room decides
//! nothing: statuses, due times and alerts come from its callers.
//!
//! Neighbours: `accounts`, `queue`, `decision`, `statistics` and `alert` define what is kept; `intake`, `scheduler` and
//! `admin` use it.

mod accounts;
mod alerts;
mod attempts;
mod bulk;
mod census;
mod changes;
mod claims;
mod columns;
mod config;
mod content;
mod copying;
mod counts;
mod database;
mod decisions;
mod desks;
mod error;
mod filters;
mod handle;
mod jobs;
mod ledger;
mod listing;
mod lock;
mod log;
mod membership;
mod merging;
mod messages;
mod nodes;
mod notices;
mod operators;
mod orders;
mod postgres;
mod reloads;
mod reports;
mod rows;
mod rush;
mod schema;
mod search;
mod sent;
mod sql;
mod sqlite;
mod statistics;
mod stops;
mod sts;
mod suppressions;
mod suspensions;
mod sweep;
mod telling;
#[cfg(test)]
mod tests;
mod together;
mod tokens;
mod upkeep;
mod wal_index;
mod webhooks;
mod writer;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{Notify, OnceCell, OwnedSemaphorePermit, Semaphore, oneshot};

pub use self::accounts::NewUser;
pub use self::census::{Census, Counted, Pace, QueuePage};
pub use self::claims::{GivenBack, WaitsFor};
pub use self::config::{Config, DatabaseTls, StoreUrl};
pub use self::copying::Copied;
pub use self::error::StoreError;
pub use self::handle::Standing;
pub use self::lock::QueueLock;
pub use self::membership::{HEARTBEAT, LEASE, SOON};
pub use self::nodes::{Ending, Node, NodeFacts, usual_policies};
pub use self::postgres::Server;
pub use self::reloads::{ReloadCause, ReloadFailure, ReloadOutcome};
pub use self::reports::OpenCount;
pub use self::search::{FoundMessage, FoundPage, Search, SearchStatus};
pub use self::sts::StsPolicy;
pub use self::telling::{PendingAlert, Told};
pub use self::tokens::{EarlierRequest, RequestKey};
pub use crate::statistics::Period;

use self::accounts::Edit;
use self::changes::{Changes, Stamp};
use self::database::Database;
use self::desks::Desks;
use self::jobs::{Done, Job, Work};
use self::membership::Membership;
use self::merging::Merger;
use self::sql::Pool;
use self::webhooks::Hooks;
use self::writer::Opened;
use crate::trace::Follower;

/// A handle to the store; clones share it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    keep: Keep,
    /// The folder of the log that content lies in; none where it lies in the database.
    content: Option<PathBuf>,
    search_index: PathBuf,
    readers: Pool,
    desks: Desks,
    octets: Arc<Semaphore>,
    max_waiting_octets: u32,
    /// Opened when it is first needed.
    search: OnceCell<search::Index>,
    changes: Changes,
    /// The generation of the accounts, and the time that it was read.
    generation: Mutex<Option<(Stamp, i64)>>,
    /// Chains of policies that are known to be kept.
    chains: Mutex<HashSet<i64>>,
    /// Who wants to be told of which events.
    hooks: ArcSwap<Hooks>,
    merger: Merger,
    /// Told when there are events to be posted.
    events: Notify,
    /// Its place among the nodes, where it has joined them.
    membership: Membership,
    /// Who follows what is committed.
    follower: OnceLock<Follower>,
}

/// How long it is kept.
struct Keep {
    alerts: Duration,
    hourly_statistics: Duration,
    daily_statistics: Duration,
}

impl Keep {
    fn of(config: &Config) -> Self {
        let days = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
        Self {
            alerts: days(config.keep_alerts_days),
            hourly_statistics: days(config.keep_hourly_statistics_days),
            daily_statistics: days(config.keep_daily_statistics_days),
        }
    }
}

/// Opening, closing, and whether it works.
impl Store {
    /// Opens the store, making it if there is none, and brings it to this release's schema.
    ///
    /// # Errors
    /// The URL is not usable, the file cannot be made or written, is not a store, or is a newer one.
    pub async fn open(config: &Config) -> Result<Self, StoreError> {
        let database = Database::of(config)?;
        let connector = database.connector(config)?;
        let failed = |error| StoreError::opening(database.name(), error);
        let mut connection = connector.connect().await.map_err(failed)?;
        if let Err(error) = schema::migrate(&mut connection, &database.name()).await {
            // Its own failure to close adds nothing to the error that is returned.
            let _ = connection.close().await;
            return Err(error);
        }
        let second = match database {
            Database::Sqlite(_) => None,
            Database::Postgres(_) => Some(connector.connect().await.map_err(failed)?),
        };
        let changes = database.changes(config)?;
        let opened = |connection| Opened {
            connection,
            connector: connector.clone(),
            content: database.content_folder(),
            wal_index: changes.wal_index(),
        };
        let desks = Desks::open(config, opened(connection), second.map(opened));
        let max_waiting_octets = u32::try_from(config.max_waiting_octets.max(1))
            .unwrap_or(u32::MAX)
            .min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        let store = Self {
            shared: Arc::new(Shared {
                readers: database.readers(config)?,
                content: database.content_folder(),
                search_index: database.search_index(config),
                changes,
                generation: Mutex::default(),
                database,
                keep: Keep::of(config),
                desks,
                octets: Arc::new(Semaphore::new(max_waiting_octets as usize)),
                max_waiting_octets,
                search: OnceCell::new(),
                chains: Mutex::default(),
                hooks: ArcSwap::default(),
                merger: Merger::default(),
                events: Notify::new(),
                membership: Membership::default(),
                follower: OnceLock::new(),
            }),
        };
        store.refresh_hooks().await?;
        Ok(store)
    }

    /// True while writes are known to work. False: answer `421` or `451` and accept nothing.
    pub fn accepting(&self) -> bool {
        self.shared.desks.are_accepting()
    }

    /// True while more mail comes in than is written at once: what nobody waits for should give way.
    pub fn is_in_a_rush(&self) -> bool {
        self.shared.desks.are_in_a_rush()
    }

    /// Returns when writes are known to work; at once while they do.
    ///
    /// # Errors
    /// The store is closed.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn wait_until_accepting(&self) -> Result<(), StoreError> {
        self.shared.desks.wait_until_accepting().await
    }

    /// True where nodes share the queue: each has to join, and sends what it claims.
    pub fn is_shared(&self) -> bool {
        self.shared.database.path().is_none()
    }

    /// Takes the queue for this process, so that no second server delivers from it.
    ///
    /// # Errors
    /// Another process holds it, or the lock file cannot be made.
    pub fn lock_queue(&self) -> Result<QueueLock, StoreError> {
        self.shared.database.lock_queue()
    }

    /// Whether some process has taken the queue: a relay is running, or another command looks.
    ///
    /// # Errors
    /// The lock file cannot be looked at.
    pub fn is_queue_locked(&self) -> Result<bool, StoreError> {
        match &self.shared.database {
            Database::Sqlite(path) => lock::is_held(path),
            // Nodes come and go; whether one is there is seen by what it does.
            Database::Postgres(_) => Ok(true),
        }
    }

    /// Commits what waits, answers it, and closes the database. Later calls fail with `Closed`.
    pub async fn close(&self) {
        self.store_waiting_alerts().await;
        self.shared.desks.close();
        if let Some(search) = self.shared.search.get() {
            search.close().await;
        }
        self.shared.changes.close().await;
        // The readers go first: the writer, closing last, folds the log back into the file.
        self.shared.readers.close().await;
        self.shared.desks.join().await;
    }

    /// Hands work to the writer and waits for its commit.
    ///
    /// In a box at once: it is some hundred octets, which would be in every future on its way.
    fn write(&self, work: Work) -> impl Future<Output = Result<i64, StoreError>> + Send {
        let written = self.write_whole(Box::new(work));
        async move { written.await.map(|done| done.number) }
    }

    async fn write_whole(&self, work: Box<Work>) -> Result<Done, StoreError> {
        let share = self.share(work.octets()).await?;
        let has_events = matches!(*work, Work::With(..));
        let (reply, answer) = oneshot::channel();
        let job = Job {
            work,
            reply,
            _share: share,
        };
        self.shared.desks.send(job).await?;
        let answer = answer.await.map_err(|_| StoreError::Closed)?;
        if has_events {
            self.shared.events.notify_one();
        }
        answer
    }

    /// Waits for room for so many octets among those that wait for the writer.
    async fn share(&self, octets: usize) -> Result<Option<OwnedSemaphorePermit>, StoreError> {
        if octets == 0 {
            return Ok(None);
        }
        let octets = u32::try_from(octets)
            .unwrap_or(u32::MAX)
            .min(self.shared.max_waiting_octets);
        let semaphore = Arc::clone(&self.shared.octets);
        let permit = semaphore.acquire_many_owned(octets).await;
        permit.map(Some).map_err(|_| StoreError::Closed)
    }

    async fn edit(&self, edit: Edit) -> Result<i64, StoreError> {
        let answer = self.write(Work::Edit(edit)).await;
        self.shared.changes.touch();
        answer
    }
}
