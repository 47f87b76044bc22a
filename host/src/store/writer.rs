//! A task that writes: it gathers what waits, commits it together, and only then answers.
//!
//! After a failure nothing is known about the database until a probe has been written and committed;
//! until then everything is refused.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout_at};

use super::desks::Failing;
use super::error::is_read_only;
use super::jobs::{Done, Job, Task, Work, apply, begin_and_apply, command};
use super::log::{Log, Writing};
use super::rush::Rush;
use super::sql::{self, Connection, Connector, Dialect};
use super::wal_index::WalIndex;
use super::{Config, StoreError};
use crate::causes::with_causes;
use crate::metrics;

/// Whether another process writes is known at once, not when there is something to write.
pub(super) const BEGIN_SQLITE: &str = "BEGIN IMMEDIATE";
/// Nodes write side by side, but not while one of them seals what the statistics have counted: whatever has a number
/// below the seal is committed then, although numbers are given before commits.
const BEGIN_POSTGRES: &str = "BEGIN; SELECT pg_advisory_xact_lock_shared(7236284, 3)";
const BEGIN_SEALING: &str = "BEGIN; SELECT pg_advisory_xact_lock(7236284, 3)";
const COMMIT: &str = "COMMIT";
const ALIVE: &str = "SELECT 1";
const ROLLBACK: &str = "ROLLBACK";
const SAVE: &str = "SAVEPOINT job";
const RELEASE: &str = "RELEASE SAVEPOINT job";
const UNDO: &str = "ROLLBACK TO SAVEPOINT job";
const WRITE_PROBE: &str = "INSERT INTO probe (id, octets) VALUES (1, $1) \
     ON CONFLICT (id) DO UPDATE SET octets = excluded.octets";
const DELETE_PROBE: &str = "DELETE FROM probe";

/// How often a transaction that collides with another node's is done again. Default 5: each time one of them gets on.
const COLLISIONS: u32 = 5;
/// Octets a probe writes: room for more than a commit record, so that a full disk is noticed.
const PROBE_OCTETS: usize = 256 * 1024;
/// How long outcomes wait for company. Default 10 ms: a window for duplicates after a crash that
/// is no longer than a slow commit.
const OUTCOMES_HELD: Duration = Duration::from_millis(10);
/// How long a group for a server waits for company where groups are large. Default 1 ms: less than a commit takes there,
/// and each group costs as many trips however small it is.
const COMPANY_HELD: Duration = Duration::from_millis(1);
/// Jobs of the group before from which on one waits for company.
const COMPANY: usize = 4;
/// The first pause between two probes.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between two probes: how late the end of an outage may be noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A connection that writes, and how to make another.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) connector: Connector,
    /// The folder of the log; none where content lies in the database.
    pub(super) content: Option<PathBuf>,
    /// Where it says what it commits.
    pub(super) wal_index: Option<Arc<WalIndex>>,
}

/// The writing side of the store.
pub(super) struct Writer {
    connection: Option<Connection>,
    connector: Connector,
    /// The folder of the log; none where content lies in the database.
    content: Option<PathBuf>,
    log: Option<Log>,
    wal_index: Option<Arc<WalIndex>>,
    jobs: mpsc::Receiver<Job>,
    failing: Failing,
    /// Failures of all writers when the connection was last known to be good.
    known_failures: u64,
    closing: Arc<Notify>,
    rush: Arc<Rush>,
    max_batch_jobs: usize,
    max_batch_octets: usize,
    /// How many the last group had.
    last_jobs: usize,
}

/// Jobs that will be committed together.
struct Batch {
    jobs: Vec<Job>,
    /// Octets of content in all of them.
    octets: usize,
    /// True while nobody waits for any of them.
    is_patient: bool,
    /// Messages that come in with them.
    messages: usize,
}

impl Batch {
    fn of(first: Job) -> Self {
        let mut batch = Self {
            jobs: Vec::new(),
            octets: 0,
            is_patient: true,
            messages: 0,
        };
        batch.push(first);
        batch
    }

    fn push(&mut self, job: Job) {
        self.octets += job.work.octets();
        self.is_patient &= job.work.is_patient();
        self.messages += usize::from(job.work.takes_in());
        self.jobs.push(job);
    }
}

impl Writer {
    pub(super) fn new(
        opened: Opened,
        config: &Config,
        jobs: mpsc::Receiver<Job>,
        (failing, closing, rush): (Failing, Arc<Notify>, Arc<Rush>),
    ) -> Self {
        let Opened {
            connection,
            connector,
            content,
            wal_index,
        } = opened;
        Self {
            connection: Some(connection),
            connector,
            log: content.clone().map(Log::within),
            content,
            wal_index,
            jobs,
            known_failures: failing.times(),
            failing,
            closing,
            rush,
            max_batch_jobs: config.max_batch_jobs.max(1),
            max_batch_octets: config.max_batch_octets.max(1),
            last_jobs: 0,
        }
    }

    /// Writes until the store is closed and everything that waited is answered.
    pub(super) async fn run(mut self) {
        while let Some(batch) = self.gather().await {
            for group in self.apart(batch) {
                if self.connection.is_none() {
                    refuse(group, &StoreError::Closed);
                } else if let Err((error, group)) = self.commit(group).await {
                    self.recover(&error, group).await;
                }
            }
        }
        self.failing.begin();
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the store was not closed cleanly; it repairs itself when it is next opened");
        }
    }

    /// Waits for a job and takes along what waits behind it. None: the store is closed.
    ///
    /// Nobody waits for an outcome, so a batch of outcomes alone is held for a moment: a client's
    /// message that comes meanwhile shares its commit instead of waiting for it. A busy server is spared small groups.
    async fn gather(&mut self) -> Option<Vec<Job>> {
        let mut batch = Batch::of(self.next_job().await?);
        self.take_waiting(&mut batch);
        let began = Instant::now();
        let awaits_company =
            self.last_jobs >= COMPANY && !matches!(self.connector, Connector::Sqlite(_));
        while self.has_room(&batch) {
            let held = match batch.is_patient {
                true => OUTCOMES_HELD,
                false if awaits_company => COMPANY_HELD,
                false => break,
            };
            let held_until = began + held;
            match timeout_at(held_until, self.next_job()).await {
                Ok(Some(job)) => batch.push(job),
                Ok(None) | Err(_) => break,
            }
            self.take_waiting(&mut batch);
        }
        self.last_jobs = batch.jobs.len();
        self.rush.note(batch.messages);
        Some(batch.jobs)
    }

    fn take_waiting(&mut self, batch: &mut Batch) {
        while self.has_room(batch) {
            let Ok(job) = self.jobs.try_recv() else { break };
            batch.push(job);
        }
    }

    const fn has_room(&self, batch: &Batch) -> bool {
        batch.jobs.len() < self.max_batch_jobs && batch.octets < self.max_batch_octets
    }

    async fn next_job(&mut self) -> Option<Job> {
        let closing = Arc::clone(&self.closing);
        tokio::select! {
            // Closing is looked at first: under load there is always a job.
            biased;
            () = closing.notified() => {
                self.jobs.close();
                self.jobs.recv().await
            }
            job = self.jobs.recv() => job,
        }
    }

    /// Where others write beside it, sums are sealed in a transaction of their own: the others wait for its end.
    fn apart(&self, batch: Vec<Job>) -> Vec<Vec<Job>> {
        let is_sealing = |job: &Job| matches!(*job.work, Work::SumUp(_));
        if matches!(self.connector, Connector::Sqlite(_)) || !batch.iter().any(is_sealing) {
            return vec![batch];
        }
        let (sealing, others): (Vec<Job>, Vec<Job>) = batch.into_iter().partition(is_sealing);
        let groups = [others, sealing].into_iter();
        groups.filter(|group| !group.is_empty()).collect()
    }

    /// Commits a batch and answers everyone in it.
    ///
    /// # Errors
    /// The database failed; nobody has been told.
    async fn commit(&mut self, batch: Vec<Job>) -> Result<(), (StoreError, Vec<Job>)> {
        let began = Instant::now();
        let written = match self.look_after_others().await {
            Ok(()) => self.write(&batch).await,
            Err(error) => Err(error),
        };
        match written {
            Ok(answers) => {
                metrics::committed(batch.len(), began.elapsed());
                // By a task: the next group need not wait for it.
                tokio::spawn(async move { answer(batch, answers) });
                Ok(())
            }
            Err(error) => {
                metrics::store_failed();
                Err((error, batch))
            }
        }
    }

    /// What was cut from another writer may be cut from this one, which has not noticed.
    async fn look_after_others(&mut self) -> Result<(), StoreError> {
        let failures = self.failing.times();
        if failures == self.known_failures {
            return Ok(());
        }
        if let Some(connection) = &mut self.connection
            && command(connection, ALIVE).await.is_err()
        {
            let connected = self.connector.connect().await;
            let unavailable = |error| StoreError::writing("commit", error);
            self.connection = Some(connected.map_err(unavailable)?);
        }
        self.known_failures = failures;
        Ok(())
    }

    /// The transaction: all together, or one by one when one of them spoils it for the others.
    async fn write(&mut self, batch: &[Job]) -> Result<Vec<Answer>, StoreError> {
        let connection = self
            .connection
            .as_mut()
            .expect("a writer that is not recovering is connected");
        let (tasks, mut writing) = begin_writing(self.log.as_mut(), batch).await?;
        let own = self
            .wal_index
            .as_deref()
            .filter(|_| is_of_no_interest(batch));
        let mut written = write_together(connection, &tasks, &mut writing, own).await;
        for _ in 0..COLLISIONS {
            if !written.as_ref().is_err_and(StoreError::is_collision) {
                break;
            }
            command(connection, ROLLBACK).await?;
            written = write_together(connection, &tasks, &mut writing, own).await;
        }
        match written {
            Ok(numbers) => {
                let done = numbers.into_iter().zip(&tasks);
                Ok(done.map(|(number, task)| Ok(task.done(number))).collect())
            }
            Err(error) if error.is_fault_of_job() => {
                command(connection, ROLLBACK).await?;
                match batch {
                    [_] => Ok(vec![Err(error)]),
                    _ => write_one_by_one(connection, &tasks, &mut writing).await,
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Refuses everything until a probe can be written and committed again. Whoever is told of the failure finds that
    /// nothing is accepted.
    async fn recover(&mut self, error: &StoreError, batch: Vec<Job>) {
        if self.failing.begin() {
            tracing::error!(
                error = with_causes(error),
                hint = error.hint(),
                "the store cannot be written; nothing is accepted until it can"
            );
        }
        refuse(batch, error);
        self.connection = None;
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut error = error.clone();
        while let Some(probed) = self.refuse_until_probed(pause, &error).await {
            match probed {
                Ok((connection, log)) => {
                    self.connection = Some(connection);
                    self.known_failures = self.failing.times();
                    // Held until now: nobody knew whether what refers to its segment is committed.
                    self.log = log;
                    if self.failing.end() {
                        let outage_ms = began.elapsed().as_millis();
                        tracing::warn!(outage_ms, "the store can be written again");
                    }
                    return;
                }
                Err(found) => error = still_unwritten(error, found),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Probes after a pause and refuses what comes in meanwhile. None: the store is closed.
    async fn refuse_until_probed(
        &mut self,
        pause: Duration,
        error: &StoreError,
    ) -> Option<Result<(Connection, Option<Log>), sqlx::Error>> {
        let (connector, content) = (self.connector.clone(), self.content.clone());
        let probed = async move {
            tokio::time::sleep(pause).await;
            probe(&connector, content).await
        };
        tokio::pin!(probed);
        loop {
            tokio::select! {
                probed = &mut probed => return Some(probed),
                job = self.next_job() => refuse(vec![job?], error),
            }
        }
    }
}

/// What is wrong by now, said once: what was a crash of the server may have become one that takes no writes.
fn still_unwritten(error: StoreError, found: sqlx::Error) -> StoreError {
    if error.is_read_only() || !is_read_only(&found) {
        tracing::debug!(%found, "the store still cannot be written");
        return error;
    }
    let error = StoreError::writing("commit", found);
    tracing::error!(
        error = with_causes(&error),
        hint = error.hint(),
        "the server of the store answers, but takes no writes; nothing is accepted until it does"
    );
    error
}

/// What a job is told.
type Answer = Result<Done, StoreError>;

/// Sends the content of accepted messages on its way to the disk.
async fn begin_writing<'a>(
    log: Option<&mut Log>,
    batch: &'a [Job],
) -> Result<(Vec<Task<'a>>, Writing), StoreError> {
    let Some(log) = log else {
        let tasks = batch.iter().map(|job| Task {
            work: &job.work,
            place: None,
        });
        return Ok((tasks.collect(), Writing::nothing()));
    };
    let contents = batch.iter().filter_map(|job| job.work.head()).collect();
    let (places, writing) = log.append(contents).await.map_err(unwritten)?;
    let mut places = places.into_iter();
    let tasks = batch.iter().map(|job| Task {
        work: &job.work,
        place: job.work.head().and_then(|_| places.next()),
    });
    Ok((tasks.collect(), writing))
}

fn unwritten(error: std::io::Error) -> StoreError {
    StoreError::Unavailable {
        attempt: "write content",
        source: Arc::new(sqlx::Error::Io(error)),
    }
}

async fn write_together(
    connection: &mut Connection,
    tasks: &[Task<'_>],
    writing: &mut Writing,
    own: Option<&WalIndex>,
) -> Result<Vec<i64>, StoreError> {
    let begin = begin(connection, tasks);
    let answers = begin_and_apply(connection, begin, tasks).await?;
    writing.done().await.map_err(unwritten)?;
    if let Some(index) = own {
        index.committing();
    }
    let committed = command(connection, COMMIT).await;
    if let Some(index) = own {
        index.committed(committed.is_ok());
    }
    committed.map(|()| answers)
}

/// True when nobody who looks whether accounts have changed need know that these are committed: they change none, and
/// surely write something, so that SQLite counts them as one transaction.
fn is_of_no_interest(batch: &[Job]) -> bool {
    batch.iter().all(|job| job.work.leaves_accounts())
        && batch.iter().any(|job| job.work.takes_in())
}

/// One transaction all the same, in which each job can fail for itself.
async fn write_one_by_one(
    connection: &mut Connection,
    tasks: &[Task<'_>],
    writing: &mut Writing,
) -> Result<Vec<Answer>, StoreError> {
    let mut answers = Vec::with_capacity(tasks.len());
    command(connection, begin(connection, tasks)).await?;
    for task in tasks {
        command(connection, SAVE).await?;
        let answer = apply(connection, std::slice::from_ref(task)).await;
        match &answer {
            Ok(_) => {}
            Err(error) if error.is_fault_of_job() => command(connection, UNDO).await?,
            Err(error) => return Err(error.clone()),
        }
        command(connection, RELEASE).await?;
        answers.push(answer.map(|numbers| task.done(numbers[0])));
    }
    writing.done().await.map_err(unwritten)?;
    command(connection, COMMIT).await?;
    Ok(answers)
}

fn begin(connection: &Connection, tasks: &[Task<'_>]) -> &'static str {
    let is_sealing = tasks.iter().any(|task| matches!(task.work, Work::SumUp(_)));
    match connection.dialect() {
        Dialect::Sqlite => BEGIN_SQLITE,
        Dialect::Postgres if is_sealing => BEGIN_SEALING,
        Dialect::Postgres => BEGIN_POSTGRES,
    }
}

fn answer(batch: Vec<Job>, answers: Vec<Answer>) {
    for (job, answer) in batch.into_iter().zip(answers) {
        // Whoever has gone away does not need the answer.
        let _ = job.reply.send(answer);
    }
}

fn refuse(batch: Vec<Job>, error: &StoreError) {
    for job in batch {
        let _ = job.reply.send(Err(unavailable(&job.work, error)));
    }
}

/// The same failure in the words of one who waited.
fn unavailable(work: &Work, error: &StoreError) -> StoreError {
    match error {
        StoreError::Unavailable { source, .. } => StoreError::Unavailable {
            attempt: work.attempt(),
            source: Arc::clone(source),
        },
        other => other.clone(),
    }
}

/// Opens a new connection and, where there is a log, a new segment, and proves that both can be written.
async fn probe(
    connector: &Connector,
    content: Option<PathBuf>,
) -> Result<(Connection, Option<Log>), sqlx::Error> {
    let mut connection = connector.connect().await?;
    connection.command(begin(&connection, &[])).await?;
    sql::query(WRITE_PROBE)
        .bind(vec![0_u8; PROBE_OCTETS])
        .execute(&mut connection)
        .await?;
    connection.command(COMMIT).await?;
    connection.command(DELETE_PROBE).await?;
    let mut log = content.map(Log::within);
    if let Some(log) = &mut log {
        log.probe(PROBE_OCTETS).await?;
    }
    Ok((connection, log))
}
