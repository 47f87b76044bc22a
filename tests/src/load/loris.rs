//! Clients that keep a session busy with next to nothing: an octet every few seconds.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinSet, LocalSet};
use tokio_rustls::TlsConnector;

use super::Load;
use super::session::Session;
use crate::client::trust::trusting_config;

/// Time between two octets.
const BETWEEN_OCTETS: Duration = Duration::from_secs(3);
/// Time before a client that was cut comes again.
const BEFORE_RETURN: Duration = Duration::from_millis(100);
/// Sessions that are opened at the same time.
const AT_A_TIME: usize = 32;
/// The beginning of a TLS record with a ClientHello of 512 octets, most of which never come.
const CLIENT_HELLO: [u8; 11] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

/// Where a session gets stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the first command, before the login.
    Greeting,
    /// In a command after the login.
    Command,
    /// In the content after DATA.
    Content,
    /// In the TLS handshake after STARTTLS.
    Handshake,
}

const PLACES: [Place; 4] = [
    Place::Greeting,
    Place::Command,
    Place::Content,
    Place::Handshake,
];

/// A crowd of them, on a thread of its own. It ends when it is dropped.
pub struct Lorises {
    hanging: Arc<AtomicUsize>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Lorises {
    /// Starts `count` clients that log in as the load says, as many for every place; who is cut comes again.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn start(load: &Load, count: usize) -> io::Result<Self> {
        let hanging = Arc::new(AtomicUsize::new(0));
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (load, counted) = (load.clone(), Arc::clone(&hanging));
        let thread = std::thread::Builder::new()
            .name("lorises".into())
            .spawn(move || {
                let crowd = crowd(load, count, counted);
                LocalSet::new().block_on(&runtime, async {
                    tokio::select! { () = crowd => {}, _ = ended => {} }
                });
            })?;
        Ok(Self {
            hanging,
            end: Some(end),
            thread: Some(thread),
        })
    }

    /// How many hang at this moment.
    pub fn hanging(&self) -> usize {
        self.hanging.load(Ordering::Relaxed)
    }
}

impl Drop for Lorises {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the clients share.
struct Shared {
    load: Load,
    tls: TlsConnector,
    opening: Semaphore,
    hanging: Arc<AtomicUsize>,
}

async fn crowd(load: Load, count: usize, hanging: Arc<AtomicUsize>) {
    let shared = Rc::new(Shared {
        load,
        tls: TlsConnector::from(trusting_config()),
        opening: Semaphore::new(AT_A_TIME),
        hanging,
    });
    let mut clients = JoinSet::new();
    for place in PLACES.into_iter().cycle().take(count) {
        clients.spawn_local(client(Rc::clone(&shared), place));
    }
    while clients.join_next().await.is_some() {}
}

/// One client that comes again whenever it is cut.
async fn client(shared: Rc<Shared>, place: Place) {
    loop {
        // Being cut is what it is here for.
        let _ = shared.hang(place).await;
        tokio::time::sleep(BEFORE_RETURN).await;
    }
}

impl Shared {
    async fn hang(&self, place: Place) -> io::Result<()> {
        let mut session = {
            let _turn = self.opening.acquire().await.map_err(io::Error::other)?;
            self.open(place).await?
        };
        let _hanging = Hanging::new(&self.hanging);
        let octet = if place == Place::Handshake { 0 } else { b'x' };
        session.drip(octet, BETWEEN_OCTETS).await
    }

    /// A session in which only single octets are left to come.
    async fn open(&self, place: Place) -> io::Result<Session> {
        match place {
            Place::Greeting => Session::greeted(&self.load).await,
            Place::Command => Session::open(&self.load, &self.tls).await,
            Place::Content => {
                let mut session = Session::open(&self.load, &self.tls).await?;
                session.begin().await?;
                Ok(session)
            }
            Place::Handshake => {
                let mut session = Session::greeted(&self.load).await?;
                session.ehlo().await?;
                session.ask_for_tls().await?;
                session.write(&CLIENT_HELLO).await?;
                Ok(session)
            }
        }
    }
}

/// Counts a client for as long as it hangs.
struct Hanging<'a>(&'a AtomicUsize);

impl<'a> Hanging<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
