//! Hears on a connection of its own what nodes tell each other with their commits (LISTEN and NOTIFY).
//!
//! A notice can be lost with its connection, so nobody relies on it alone: whoever looks learns at least once a second
//! that something may have changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::postgres::{PgListener, PgPool};
use tokio::task::JoinHandle;

use crate::clock::Timestamp;

/// What notices are told on.
const CHANNEL: &str = "gatepost";
/// How long to wait before the next attempt to listen. Default 1 s.
const PAUSE: Duration = Duration::from_secs(1);
/// For how long silence is believed. Default 500 ms: with what it takes to ask, a change is noticed within a second.
const BELIEVED_MS: i64 = 500;

/// What was heard up to a time. Two are alike when nothing was told in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    count: u64,
    /// The stretch of time in which silence is believed.
    stretch: i64,
}

/// Listens until it is closed.
pub(super) struct Notices {
    ear: Arc<Ear>,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Ear {
    count: AtomicU64,
    is_listening: AtomicBool,
}

impl Notices {
    /// Begins to listen.
    pub(super) fn hear(pool: PgPool) -> Self {
        let ear = Arc::new(Ear::default());
        let task = tokio::spawn(listen(pool, Arc::clone(&ear)));
        Self {
            ear,
            task: Mutex::new(Some(task)),
        }
    }

    /// What was heard up to now; none while nobody listens.
    pub(super) fn heard(&self) -> Option<Heard> {
        let heard = Heard {
            count: self.ear.count.load(Ordering::Acquire),
            stretch: Timestamp::now().as_millis() / BELIEVED_MS,
        };
        self.ear
            .is_listening
            .load(Ordering::Acquire)
            .then_some(heard)
    }

    /// As if a notice had come.
    pub(super) fn touch(&self) {
        self.ear.count.fetch_add(1, Ordering::AcqRel);
    }

    /// Ends listening.
    pub(super) async fn close(&self) {
        let task = self.task.lock().take();
        if let Some(task) = task {
            task.abort();
            // That it was ended is all it says.
            let _ = task.await;
        }
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
    }
}

impl Ear {
    fn hears(&self, is_listening: bool) {
        self.is_listening.store(is_listening, Ordering::Release);
        self.count.fetch_add(1, Ordering::AcqRel);
    }
}

async fn listen(pool: PgPool, ear: Arc<Ear>) {
    loop {
        if let Err(error) = hear(&pool, &ear).await {
            tracing::debug!(%error, "notices of other nodes cannot be heard; the store is asked instead");
        }
        ear.hears(false);
        tokio::time::sleep(PAUSE).await;
    }
}

async fn hear(pool: &PgPool, ear: &Ear) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    ear.hears(true);
    // None: the connection is lost.
    while listener.try_recv().await?.is_some() {
        ear.hears(true);
    }
    Ok(())
}
