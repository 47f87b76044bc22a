//! Sessions that submit messages without a pause, whatever they are told: those that a policy misbehaves on.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};
use tokio_rustls::TlsConnector;

use super::Load;
use super::session::Session;
use crate::client::trust::trusting_config;

/// Time before a session that has ended begins again.
const BEFORE_RETURN: Duration = Duration::from_millis(100);

/// The sessions, on a thread of its own. They end when this is dropped.
pub struct Rowdies {
    answered: Arc<AtomicU64>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Rowdies {
    /// Starts as many sessions as the load has connections, each of which submits all `contents` in turn, again and
    /// again. A content is as it goes after DATA, without the final dot.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn start(load: &Load, contents: Vec<String>) -> io::Result<Self> {
        let answered = Arc::new(AtomicU64::new(0));
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (load, counted) = (load.clone(), Arc::clone(&answered));
        let thread = std::thread::Builder::new()
            .name("rowdies".into())
            .spawn(move || {
                let sessions = sessions(load, contents, counted);
                LocalSet::new().block_on(&runtime, async {
                    tokio::select! { () = sessions => {}, _ = ended => {} }
                });
            })?;
        Ok(Self {
            answered,
            end: Some(end),
            thread: Some(thread),
        })
    }

    /// How many messages have had an answer so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

impl Drop for Rowdies {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn sessions(load: Load, contents: Vec<String>, answered: Arc<AtomicU64>) {
    let contents = Rc::new(contents);
    let mut sessions = JoinSet::new();
    for number in 0..load.connections {
        let (load, contents, answered) =
            (load.clone(), Rc::clone(&contents), Arc::clone(&answered));
        sessions.spawn_local(async move {
            let tls = TlsConnector::from(trusting_config());
            let mut next = number;
            loop {
                // That a session ends is no reason to stop.
                let _ = session(&load, &tls, &contents, &mut next, &answered).await;
                tokio::time::sleep(BEFORE_RETURN).await;
            }
        });
    }
    while sessions.join_next().await.is_some() {}
}

async fn session(
    load: &Load,
    tls: &TlsConnector,
    contents: &[String],
    next: &mut usize,
    answered: &AtomicU64,
) -> io::Result<()> {
    let mut session = Session::open(load, tls).await?;
    loop {
        let content = &contents[*next % contents.len()];
        *next += 1;
        session.try_submit(content).await?;
        answered.fetch_add(1, Ordering::Relaxed);
    }
}
