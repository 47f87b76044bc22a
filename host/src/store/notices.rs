//! Hears on a connection of its own what nodes tell each other with their commits (LISTEN and NOTIFY).
//!
//! There are two kinds: that accounts or orders may have changed, and that mail is left to whoever has time.
//!
//! A notice can be lost with its connection, so nobody relies on it alone: whoever looks learns at least once a second
//! that something may have changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::sql::{Pool, query};
use crate::clock::Timestamp;

/// What notices are told on.
const CHANNEL: &str = "gatepost";
/// That mail is left; on a channel of its own, for it says nothing of accounts.
const MAIL_CHANNEL: &str = "gatepost_mail";
/// Nothing is written by it that a crash could lose, so nobody waits for the disk.
const TELL_OF_MAIL: &str =
    "SELECT set_config('synchronous_commit', 'off', TRUE), pg_notify('gatepost_mail', '')";
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
    /// Told when mail is left.
    mail: Notify,
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

    /// Returns when another node has left mail to whoever has time.
    pub(super) async fn mail(&self) {
        self.ear.mail.notified().await;
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

/// Tells all nodes that mail is left to whoever has time.
pub(super) async fn tell_of_mail(readers: &Pool) -> Result<(), sqlx::Error> {
    query(TELL_OF_MAIL).fetch_one(readers).await.map(drop)
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
    listener.listen_all([CHANNEL, MAIL_CHANNEL]).await?;
    ear.hears(true);
    // None: the connection is lost.
    while let Some(notice) = listener.try_recv().await? {
        if notice.channel() == MAIL_CHANNEL {
            ear.mail.notify_one();
        } else {
            ear.hears(true);
        }
    }
    Ok(())
}
