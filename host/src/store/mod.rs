//! Keeps everything that must survive: accounts, the queue, its content, attempts and alerts.
//!
//! All SQL is in this room. Reads go through a small pool; every write is a job for one writer task,
//! which commits what waits in one transaction and answers after the commit. The room decides
//! nothing: statuses, due times and alerts come from its callers.
//!
//! Neighbours: `accounts`, `queue` and `alert` define what is kept; `intake`, `scheduler` and `admin` use it.

mod accounts;
mod administration;
mod alerts;
mod attempts;
mod bulk;
mod columns;
mod config;
mod content;
mod counts;
mod decisions;
mod error;
mod filters;
mod jobs;
mod lock;
mod messages;
mod orders;
mod reloads;
mod reports;
mod rows;
mod schema;
mod sent;
mod sqlite;
mod stops;
mod sts;
mod suppressions;
mod suspensions;
#[cfg(test)]
mod tests;
mod upkeep;
mod writer;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use sqlx::Connection;
use sqlx::sqlite::SqlitePool;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use self::accounts::NewUser;
pub use self::config::Config;
pub use self::error::StoreError;
pub use self::lock::QueueLock;
pub use self::reloads::{ReloadCause, ReloadFailure, ReloadOutcome};
pub use self::sts::StsPolicy;

use self::accounts::Edit;
use self::decisions::Kept;
use self::jobs::{Chunk, Job, Work};
use self::reloads::ReloadWork;
use self::suspensions::NewSuspension;
use self::upkeep::PURGE_STEP;
use self::writer::Writer;
use crate::accounts::{Account, List, Suspension, Usage, User, scram};
use crate::alert::{Alert, NewAlert};
use crate::clock::Timestamp;
use crate::decision::{Decision, DecisionFilter, Findings, NewDecision, Recorded, Retention};
use crate::id::QueueId;
use crate::queue::{
    AttemptRecord, MessageDetails, MessageFilter, MessageSummary, NewMessage, OpenMessage,
    PolicyCount,
};
use crate::secret::Secret;

/// A handle to the store; clones share it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    keep_alerts: Duration,
    readers: SqlitePool,
    jobs: mpsc::Sender<Job>,
    octets: Arc<Semaphore>,
    max_waiting_octets: u32,
    accepting: watch::Receiver<bool>,
    closing: Arc<Notify>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Chains of policies that are known to be kept.
    chains: Mutex<HashSet<i64>>,
}

/// Opening, closing, and whether it works.
impl Store {
    /// Opens the store, making it if there is none, and brings it to this release's schema.
    ///
    /// # Errors
    /// The URL is not usable, the file cannot be made or written, is not a store, or is a newer one.
    pub async fn open(config: &Config) -> Result<Self, StoreError> {
        let path = config.path()?;
        sqlite::create_file(&path)?;
        let options = sqlite::writer_options(config, &path);
        let mut connection = sqlite::connect(&options)
            .await
            .map_err(|error| StoreError::opening(path.clone(), error))?;
        if let Err(error) = schema::migrate(&mut connection, &path).await {
            // Its own failure to close adds nothing to the error that is returned.
            let _ = connection.close().await;
            return Err(error);
        }
        let (jobs, waiting) = mpsc::channel(config.max_waiting_jobs.max(1));
        let (accepts, accepting) = watch::channel(true);
        let closing = Arc::new(Notify::new());
        let writer = Writer::new(
            connection,
            options,
            config,
            waiting,
            accepts,
            Arc::clone(&closing),
        );
        let max_waiting_octets = u32::try_from(config.max_waiting_octets.max(1))
            .unwrap_or(u32::MAX)
            .min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Ok(Self {
            shared: Arc::new(Shared {
                readers: sqlite::reader_pool(config, &path),
                path,
                keep_alerts: Duration::from_secs(u64::from(config.keep_alerts_days) * 86_400),
                jobs,
                octets: Arc::new(Semaphore::new(max_waiting_octets as usize)),
                max_waiting_octets,
                accepting,
                closing,
                writer: Mutex::new(Some(tokio::spawn(writer.run()))),
                chains: Mutex::default(),
            }),
        })
    }

    /// True while writes are known to work. False: answer `421` or `451` and accept nothing.
    pub fn accepting(&self) -> bool {
        *self.shared.accepting.borrow() && !self.shared.jobs.is_closed()
    }

    /// Returns when writes are known to work; at once while they do.
    ///
    /// # Errors
    /// The store is closed.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn wait_until_accepting(&self) -> Result<(), StoreError> {
        let mut accepting = self.shared.accepting.clone();
        let waited = accepting.wait_for(|accepting| *accepting).await;
        waited.map(drop).map_err(|_| StoreError::Closed)
    }

    /// Takes the queue for this process, so that no second server delivers from it.
    ///
    /// # Errors
    /// Another process holds it, or the lock file cannot be made.
    pub fn lock_queue(&self) -> Result<QueueLock, StoreError> {
        lock::lock(&self.shared.path)
    }

    /// Whether some process has taken the queue: a relay is running, or another command looks.
    ///
    /// # Errors
    /// The lock file cannot be looked at.
    pub fn is_queue_locked(&self) -> Result<bool, StoreError> {
        lock::is_held(&self.shared.path)
    }

    /// Commits what waits, answers it, and closes the database. Later calls fail with `Closed`.
    pub async fn close(&self) {
        self.shared.closing.notify_one();
        let writer = self.shared.writer.lock().take();
        // The readers go first: the writer, closing last, folds the log back into the file.
        self.shared.readers.close().await;
        if let Some(writer) = writer
            && let Err(error) = writer.await
        {
            tracing::error!(%error, "the store's writer ended badly");
        }
    }

    /// Hands work to the writer and waits for its commit.
    async fn write(&self, work: Work) -> Result<i64, StoreError> {
        let share = self.share(work.octets()).await?;
        let (reply, answer) = oneshot::channel();
        let job = Job {
            work,
            reply,
            _share: share,
        };
        let sent = self.shared.jobs.send(job).await;
        sent.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
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
        self.write(Work::Edit(edit)).await
    }
}

/// Lists and users.
impl Store {
    /// Makes a list.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when one of that name exists.
    pub async fn create_list(&self, name: &str) -> Result<List, StoreError> {
        let id = self.edit(Edit::CreateList(name.to_owned())).await?;
        let made = accounts::list(&self.shared.readers, id).await?;
        made.ok_or_else(|| gone("list", id))
    }

    /// The list of that name, without regard to case.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn list_by_name(&self, name: &str) -> Result<Option<List>, StoreError> {
        accounts::list_by_name(&self.shared.readers, name).await
    }

    /// All lists, in the order they were made.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn lists(&self) -> Result<Vec<List>, StoreError> {
        accounts::lists(&self.shared.readers).await
    }

    /// Changes a list's name and settings.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another has that name, [`StoreError::NotFound`].
    pub async fn update_list(&self, list: &List) -> Result<(), StoreError> {
        self.edit(Edit::UpdateList(list.clone())).await.map(drop)
    }

    /// Deletes a list; its number is never given again.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while it has users or open messages, [`StoreError::NotFound`].
    pub async fn delete_list(&self, id: i64) -> Result<(), StoreError> {
        self.edit(Edit::DeleteList(id)).await.map(drop)
    }

    /// Makes a user and gives it a name that no user of the list has ever had.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such list.
    pub async fn create_user(&self, user: NewUser) -> Result<User, StoreError> {
        let id = self.edit(Edit::CreateUser(user)).await?;
        let made = accounts::user(&self.shared.readers, id).await?;
        made.ok_or_else(|| gone("user", id))
    }

    /// The user of that name, without regard to case.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn user_by_name(&self, username: &str) -> Result<Option<User>, StoreError> {
        accounts::user_by_name(&self.shared.readers, username).await
    }

    /// All users, or those of one list, in the order they were made.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn users(&self, list: Option<i64>) -> Result<Vec<User>, StoreError> {
        accounts::users(&self.shared.readers, list).await
    }

    /// Changes what an administrator may edit: never the name, the list or the credential. A user
    /// that was suspended and becomes active is no more, and begins with nothing sent.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn update_user(&self, user: &User) -> Result<(), StoreError> {
        self.edit(Edit::UpdateUser(user.clone())).await.map(drop)
    }

    /// Deletes a user; messages it has submitted stay.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete_user(&self, id: i64) -> Result<(), StoreError> {
        self.edit(Edit::DeleteUser(id)).await.map(drop)
    }

    /// Makes an active user inactive and raises the alert, both or none; true when that was done,
    /// false when it is not active or not there. [`Store::update_user`] makes it active again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn suspend_user(
        &self,
        user_id: i64,
        suspension: Suspension,
        alert: NewAlert,
    ) -> Result<bool, StoreError> {
        let new = NewSuspension {
            user_id,
            suspension,
            alert,
        };
        self.write(Work::Suspend(new)).await.map(|count| count > 0)
    }

    /// How many messages of a user were accepted within a day, or since its suspension was lifted.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn usage(&self, username: &str, now: Timestamp) -> Result<Usage, StoreError> {
        sent::usage(&self.shared.readers, username, now).await
    }

    /// Replaces a user's credential, the password's hash and what SCRAM needs of it, and raises its version.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn set_password(
        &self,
        user_id: i64,
        hash: Secret<String>,
        scram_verifier: Option<Secret<String>>,
    ) -> Result<(), StoreError> {
        self.edit(Edit::SetPasswordHash(user_id, hash, scram_verifier))
            .await
            .map(drop)
    }

    /// What SCRAM verifiers have in common; made with the store, but for the iterations: the first ones ever
    /// wanted hold for good.
    ///
    /// # Errors
    /// The store cannot be read or written, or what it says cannot be.
    pub async fn scram_basis(&self, iterations: u32) -> Result<scram::Basis, StoreError> {
        let settled = self.edit(Edit::SettleScramIterations(iterations)).await?;
        accounts::scram_basis(&self.shared.readers, settled).await
    }

    /// A number that grows with every change of a list or user, also one made by another process.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn accounts_generation(&self) -> Result<i64, StoreError> {
        accounts::generation(&self.shared.readers).await
    }

    /// The user of that name with its list, without regard to case.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn account(&self, username: &str) -> Result<Option<Account>, StoreError> {
        accounts::account(&self.shared.readers, username).await
    }
}

/// The queue.
///
/// # Cancel safety
/// A write whose future is dropped is either not made or made in full; others are not concerned.
impl Store {
    /// Stores a part of a message that is still being received.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], or [`StoreError::Refused`] when the part is there already.
    pub async fn stage_chunk(
        &self,
        id: QueueId,
        index: u32,
        octets: Bytes,
    ) -> Result<(), StoreError> {
        let chunk = Chunk { id, index, octets };
        self.write(Work::Stage(chunk)).await.map(drop)
    }

    /// Forgets the parts of a message that will not be accepted. Parts of an accepted one stay.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; the parts are forgotten at the next start then.
    pub async fn discard_chunks(&self, id: QueueId) -> Result<(), StoreError> {
        self.write(Work::Discard(id)).await.map(drop)
    }

    /// Accepts a message, with what its verdict leaves behind. When this returns `Ok` it is on the disk.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it is not accepted; [`StoreError::Refused`]: the id is taken.
    pub async fn accept(
        &self,
        message: Arc<NewMessage>,
        findings: impl Into<Findings>,
    ) -> Result<(), StoreError> {
        let Findings { alerts, decision } = findings.into();
        let kept = decision.map(|decision| self.kept(decision));
        let chain = kept.as_ref().map(new_chain);
        self.write(Work::Accept(message, alerts, kept)).await?;
        self.chain_is_kept(chain.flatten());
        Ok(())
    }

    /// Records what an attempt came to. When no recipient is open any more, the message is finished
    /// and its content deleted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: ask again when the store is accepting, or a recipient that was
    /// served will be served twice. Recording the same attempt twice does no harm.
    pub async fn record(&self, record: AttemptRecord) -> Result<(), StoreError> {
        self.write(Work::Record(record)).await.map(drop)
    }

    /// A page of the messages still to be served, oldest first, without their heads.
    ///
    /// A page shorter than `limit` is the last.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn open_messages(
        &self,
        after: Option<QueueId>,
        limit: u32,
    ) -> Result<Vec<OpenMessage>, StoreError> {
        messages::open(&self.shared.readers, after, limit, false).await
    }

    /// As [`Store::open_messages`], of priorities 1 and 2 alone.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn urgent_messages(
        &self,
        after: Option<QueueId>,
        limit: u32,
    ) -> Result<Vec<OpenMessage>, StoreError> {
        messages::open(&self.shared.readers, after, limit, true).await
    }

    /// The head of an open message.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the message is finished or unknown.
    pub async fn head(&self, id: QueueId) -> Result<Bytes, StoreError> {
        content::head(&self.shared.readers, id).await
    }

    /// The id of the newest message, finished ones included; none in an empty store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn newest_message(&self) -> Result<Option<QueueId>, StoreError> {
        messages::newest(&self.shared.readers).await
    }

    /// A staged part of an open message.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the message is finished or has no such part.
    pub async fn chunk(&self, id: QueueId, index: u32) -> Result<Bytes, StoreError> {
        content::chunk(&self.shared.readers, id, index).await
    }

    /// A page of messages, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn messages(&self, filter: MessageFilter) -> Result<Vec<MessageSummary>, StoreError> {
        reports::messages(&self.shared.readers, &filter).await
    }

    /// Everything about one message.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn message(&self, id: QueueId) -> Result<Option<MessageDetails>, StoreError> {
        reports::message(&self.shared.readers, id).await
    }
}

/// Decisions of the policies.
impl Store {
    /// Keeps what a verdict leaves behind that no message carries with it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn keep(&self, findings: Findings) -> Result<(), StoreError> {
        let Some(decision) = findings.decision else {
            return self.raise(findings.alerts).await;
        };
        let kept = self.kept(decision);
        let chain = new_chain(&kept);
        self.write(Work::Decide(kept, findings.alerts)).await?;
        self.chain_is_kept(chain);
        Ok(())
    }

    /// A page of decisions, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn decisions(&self, filter: &DecisionFilter) -> Result<Vec<Decision>, StoreError> {
        decisions::select(&self.shared.readers, filter).await
    }

    /// The decisions about one message or command: the one that counted, then those in shadow.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn decisions_about(&self, id: QueueId) -> Result<Vec<Decision>, StoreError> {
        decisions::of(&self.shared.readers, id).await
    }

    /// A page of decisions about messages and commands on which a policy in shadow decided too, those of one
    /// together and the oldest first, from the one after `after` on.
    ///
    /// A page shorter than the filter's limit is the last.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn decisions_beside_shadows(
        &self,
        filter: &DecisionFilter,
        after: Option<QueueId>,
    ) -> Result<Vec<Decision>, StoreError> {
        decisions::beside_shadows(&self.shared.readers, filter, after).await
    }

    /// The recorded request of a decision, a JSON document; none when it was not recorded.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn recorded_request(&self, id: QueueId) -> Result<Option<String>, StoreError> {
        decisions::request(&self.shared.readers, id).await
    }

    /// A page of decisions whose requests were recorded, the oldest first, from the one after `after` on.
    ///
    /// A page shorter than the filter's limit is the last.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn recordings(
        &self,
        filter: &DecisionFilter,
        after: Option<QueueId>,
    ) -> Result<Vec<Recorded>, StoreError> {
        decisions::recorded(&self.shared.readers, filter, after).await
    }

    /// Deletes decisions and recorded requests that are too old or too many, in small steps; returns
    /// how many of both.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn purge_decisions(&self, retention: Retention) -> Result<u64, StoreError> {
        let recordings = self.in_steps(|| Work::PurgeRecordings(retention)).await?;
        let decisions = self.in_steps(|| Work::PurgeDecisions(retention)).await?;
        Ok(recordings + decisions)
    }

    fn kept(&self, decision: Box<NewDecision>) -> Kept {
        let chain = decision.decision.chain.id();
        Kept {
            with_chain: !self.shared.chains.lock().contains(&chain),
            decision,
        }
    }

    fn chain_is_kept(&self, chain: Option<i64>) {
        if let Some(chain) = chain {
            self.shared.chains.lock().insert(chain);
        }
    }
}

/// The chain that a decision brings with it.
fn new_chain(kept: &Kept) -> Option<i64> {
    kept.with_chain.then(|| kept.decision.decision.chain.id())
}

/// What policies count.
impl Store {
    /// Adds to what policies have counted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn add_counts(&self, counts: Vec<PolicyCount>) -> Result<(), StoreError> {
        if counts.is_empty() {
            return Ok(());
        }
        self.write(Work::Count(counts)).await.map(drop)
    }

    /// What policies have counted that still counts at `now`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn policy_counts(&self, now: Timestamp) -> Result<Vec<PolicyCount>, StoreError> {
        counts::live(&self.shared.readers, now).await
    }
}

/// Alerts and upkeep.
impl Store {
    /// Stores alerts; what is the same within a day is counted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn raise(&self, alerts: Vec<NewAlert>) -> Result<(), StoreError> {
        if alerts.is_empty() {
            return Ok(());
        }
        self.write(Work::Raise(alerts)).await.map(drop)
    }

    /// The most recent alerts, of one list or of all.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn alerts(&self, list: Option<i64>, limit: u32) -> Result<Vec<Alert>, StoreError> {
        alerts::select(&self.shared.readers, list, limit).await
    }

    /// Deletes uploads that a dead process left behind; returns how many parts.
    ///
    /// Only the owner of the queue may ask, before it accepts messages.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn discard_orphaned_chunks(&self) -> Result<u64, StoreError> {
        let count = self.write(Work::DiscardOrphans).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Deletes messages that were finished before, and alerts that have not happened for long,
    /// in small steps; returns how many messages.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let now = Timestamp::now();
        self.in_steps(|| Work::PurgeCounts(now)).await?;
        self.in_steps(|| Work::PurgePolicyCounts(now)).await?;
        self.in_steps(|| Work::PurgeStsPolicies(now)).await?;
        let alerts_before = now - self.shared.keep_alerts;
        self.in_steps(|| Work::PurgeAlerts(alerts_before)).await?;
        self.in_steps(|| Work::PurgeMessages(before)).await
    }

    /// Repeats a step until it finds less than it could delete.
    async fn in_steps(&self, step: impl Fn() -> Work) -> Result<u64, StoreError> {
        let mut total = 0;
        loop {
            let count = self.write(step()).await?;
            total += u64::try_from(count).unwrap_or(0);
            if count < PURGE_STEP {
                return Ok(total);
            }
        }
    }
}

/// Reloads.
impl Store {
    /// Asks the relay that owns the queue to reload; returns the number of the request.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn request_reload(&self) -> Result<i64, StoreError> {
        let request = ReloadWork::Request(Timestamp::now());
        self.write(Work::Reload(request)).await
    }

    /// The newest request that is not answered.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn requested_reload(&self) -> Result<Option<i64>, StoreError> {
        reloads::requested(&self.shared.readers).await
    }

    /// Notes what came of a reload, and so answers the requests that caused it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn end_reload(
        &self,
        cause: ReloadCause,
        outcome: ReloadOutcome,
    ) -> Result<(), StoreError> {
        let end = ReloadWork::End(cause, outcome);
        self.write(Work::Reload(end)).await.map(drop)
    }

    /// What came of a request; none while it is not answered.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn reload_answer(&self, request: i64) -> Result<Option<ReloadOutcome>, StoreError> {
        reloads::answer(&self.shared.readers, request).await
    }

    /// What came of the last reload; none before the first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn last_reload(&self) -> Result<Option<ReloadOutcome>, StoreError> {
        reloads::last(&self.shared.readers).await
    }
}

/// What was made has been deleted by someone else before it could be read.
fn gone(what: &str, id: i64) -> StoreError {
    StoreError::NotFound {
        what: format!("{what} number {id}"),
    }
}
