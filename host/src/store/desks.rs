//! Where work waits for the tasks that write it.
//!
//! A file has one writer. A server has two, each with a connection of its own: one for what somebody waits for, and one for
//! what nobody does, outcomes of deliveries above all. So the one group is written while the other is committed, and no
//! client waits for outcomes. They are to each other as two nodes are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use super::jobs::{Job, Work};
use super::rush::Rush;
use super::sql::Connector;
use super::writer::{Opened, Writer};
use super::{Config, StoreError};

/// All of them.
pub(super) struct Desks {
    prompt: Desk,
    /// None: everything is the other's.
    patient: Option<Desk>,
    failing: watch::Receiver<usize>,
    rush: Arc<Rush>,
}

struct Desk {
    jobs: mpsc::Sender<Job>,
    closing: Arc<Notify>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// How many writers do not know that they can write.
#[derive(Clone)]
pub(super) struct Failing {
    count: Arc<watch::Sender<usize>>,
    times: Arc<AtomicU64>,
}

impl Failing {
    /// One more; true when it is the first.
    pub(super) fn begin(&self) -> bool {
        self.times.fetch_add(1, Ordering::AcqRel);
        let mut before = 0;
        self.count.send_modify(|count| {
            before = *count;
            *count += 1;
        });
        before == 0
    }

    /// How many times one of them has failed.
    pub(super) fn times(&self) -> u64 {
        self.times.load(Ordering::Acquire)
    }

    /// One fewer; true when it was the last.
    pub(super) fn end(&self) -> bool {
        let mut after = 0;
        self.count.send_modify(|count| {
            *count -= 1;
            after = *count;
        });
        after == 0
    }
}

impl Desks {
    /// Begins to write: to what is opened, and beside it to another, where there is one.
    pub(super) fn open(config: &Config, prompt: Opened, patient: Option<Opened>) -> Self {
        let (count, heard) = watch::channel(0);
        let failing = Failing {
            count: Arc::new(count),
            times: Arc::default(),
        };
        let rush = Arc::new(Rush::new());
        let desk = |opened| Desk::open(config, opened, failing.clone(), Arc::clone(&rush));
        Self {
            prompt: desk(prompt),
            patient: patient.map(desk),
            failing: heard,
            rush,
        }
    }

    /// True while writes are known to work.
    pub(super) fn are_accepting(&self) -> bool {
        *self.failing.borrow() == 0 && self.all().all(|desk| !desk.jobs.is_closed())
    }

    /// True while more mail comes in than is written at once.
    pub(super) fn are_in_a_rush(&self) -> bool {
        self.rush.is_on()
    }

    /// Returns when writes are known to work.
    ///
    /// # Errors
    /// They are closed.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn wait_until_accepting(&self) -> Result<(), StoreError> {
        let mut failing = self.failing.clone();
        let waited = failing.wait_for(|failing| *failing == 0).await;
        waited.map(drop).map_err(|_| StoreError::Closed)
    }

    /// Hands work to who writes it, once there is room for it.
    ///
    /// # Errors
    /// They are closed.
    pub(super) async fn send(&self, job: Job) -> Result<(), StoreError> {
        let sent = self.of(&job.work).jobs.send(job).await;
        sent.map_err(|_| StoreError::Closed)
    }

    fn of(&self, work: &Work) -> &Desk {
        let patient = self.patient.as_ref().filter(|_| work.is_patient());
        patient.unwrap_or(&self.prompt)
    }

    /// Takes no more work; what waits is written.
    pub(super) fn close(&self) {
        for desk in self.all() {
            desk.closing.notify_one();
        }
    }

    /// Waits until everything is written and the connections are closed.
    pub(super) async fn join(&self) {
        for desk in self.all() {
            let writer = desk.writer.lock().take();
            if let Some(writer) = writer
                && let Err(error) = writer.await
            {
                tracing::error!(%error, "the store's writer ended badly");
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = &Desk> {
        self.patient.iter().chain([&self.prompt])
    }
}

impl Desk {
    fn open(config: &Config, opened: Opened, failing: Failing, rush: Arc<Rush>) -> Self {
        let (jobs, waiting) = mpsc::channel(config.max_waiting_jobs.max(1));
        let closing = Arc::new(Notify::new());
        let is_file = matches!(opened.connector, Connector::Sqlite(_));
        let shared = (failing, Arc::clone(&closing), rush);
        let writer = Writer::new(opened, config, waiting, shared);
        let writer = match is_file {
            // On a thread of its own, which the statements' answers wake at once: as a task it would wait for its turn
            // behind sessions, several times for each group.
            true => {
                let runtime = Handle::current();
                tokio::task::spawn_blocking(move || runtime.block_on(writer.run()))
            }
            false => tokio::spawn(writer.run()),
        };
        Self {
            jobs,
            closing,
            writer: Mutex::new(Some(writer)),
        }
    }
}
