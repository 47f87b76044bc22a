//! A scripted next hop: accepts mail at next to no cost, remembers what came, and fails on demand.
//!
//! It runs on a thread of its own, so a test may block while mail arrives. It shares the machine with
//! the relay that is measured, so it keeps no more of a message than it is told to.

mod log;
mod session;
mod wire;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

pub use self::log::{Delivery, Log};
use crate::wait;

/// Where a session ends when the script hangs up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Before the greeting.
    Greeting,
    /// In place of the reply to MAIL.
    Mail,
    /// In place of the reply to RCPT.
    Recipient,
    /// In place of the reply to DATA.
    Data,
    /// In place of the reply to the final dot, after the content has been remembered.
    Content,
}

/// What the sink does other than to accept everything at once.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// The reply to RCPT when the forward-path contains the first text, for example
    /// `("full@", "452 4.2.2 mailbox full")`. The first that matches counts.
    pub recipients: Vec<(String, String)>,
    /// The reply to the final dot in place of `250`.
    pub content: Option<String>,
    /// The session is dropped here.
    pub hang_up: Option<Point>,
    /// Time before the reply to the final dot.
    pub delay: Duration,
    /// The reply to the final dot waits until a script without this is set.
    pub paused: bool,
    /// Octets of each message that are kept for the test to read.
    pub keep: usize,
    /// More keywords of its reply to EHLO, for example `"DSN"` or `"DELIVERBY 60"`.
    pub offers: Vec<&'static str>,
    /// Keywords that it would offer by itself and does not, for example `"8BITMIME"`.
    pub withholds: Vec<&'static str>,
    /// More keywords once the session is encrypted, for example `"REQUIRETLS"`.
    pub offers_encrypted: Vec<&'static str>,
    /// What happens to whoever wants TLS; without it STARTTLS is not offered.
    pub starttls: Option<StartTls>,
}

/// What the sink makes of STARTTLS.
#[derive(Clone)]
pub enum StartTls {
    /// TLS with this certificate.
    With(TlsAcceptor),
    /// It says yes, and then no sensible word.
    Broken,
}

impl fmt::Debug for StartTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::With(_) => "With(..)",
            Self::Broken => "Broken",
        })
    }
}

impl Script {
    /// Accepts everything and keeps the first 64 KiB of each message.
    pub fn reading() -> Self {
        Self {
            keep: 64 * 1024,
            ..Self::default()
        }
    }

    /// The same, over TLS for whoever wants it.
    #[must_use]
    pub fn encrypted(mut self, server: Arc<ServerConfig>) -> Self {
        self.starttls = Some(StartTls::With(TlsAcceptor::from(server)));
        self
    }

    /// The same, offering more extensions.
    #[must_use]
    pub fn offering(mut self, keywords: &[&'static str]) -> Self {
        self.offers.extend_from_slice(keywords);
        self
    }

    /// The same, not offering these extensions.
    #[must_use]
    pub fn withholding(mut self, keywords: &[&'static str]) -> Self {
        self.withholds.extend_from_slice(keywords);
        self
    }
}

/// What the sessions and the owner share.
struct Shared {
    log: Mutex<Log>,
    script: watch::Sender<Script>,
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running next hop on loopback. It ends when it is dropped.
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
    up: watch::Sender<bool>,
    listening: watch::Receiver<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
    end: Option<oneshot::Sender<()>>,
}

impl Sink {
    /// Starts on a free port of loopback.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(script: Script) -> io::Result<Self> {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0)), script)
    }

    /// Starts on this address; port 0 is a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn start_on(address: SocketAddr, script: Script) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            log: Mutex::default(),
            script: watch::channel(script).0,
        });
        let (up, up_seen) = watch::channel(true);
        let (tell, listening) = watch::channel(true);
        let (end, ended) = oneshot::channel();
        let served = Arc::clone(&shared);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("sink".into())
            .spawn(move || {
                let server = serve(listener, address, served, up_seen, tell);
                LocalSet::new().block_on(&runtime, async {
                    tokio::select! { () = server => {}, _ = ended => {} }
                });
            })?;
        Ok(Self {
            address,
            shared,
            up,
            listening,
            thread: Some(thread),
            end: Some(end),
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port it listens on, or listened on before [`Sink::stop`].
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes what it does from now on; sessions under way see it at their next step.
    pub fn set(&self, script: Script) {
        self.shared.script.send_replace(script);
    }

    /// Closes the port and every session. What has been remembered stays.
    pub fn stop(&self) {
        self.switch(false);
    }

    /// Listens again on the same port.
    pub fn restart(&self) {
        self.switch(true);
    }

    fn switch(&self, up: bool) {
        self.up.send_replace(up);
        wait::until("the sink has switched", wait::PATIENCE, || {
            *self.listening.borrow() == up
        });
    }

    /// Looks at what came. Keep it short: the sessions wait meanwhile.
    pub fn log<T>(&self, look: impl FnOnce(&Log) -> T) -> T {
        look(&self.shared.log())
    }

    /// What was delivered so far, in the order of arrival.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.log(|log| log.deliveries().to_vec())
    }

    /// How many messages have been answered `250`, duplicates included.
    pub fn count(&self) -> usize {
        self.log(|log| log.deliveries().len())
    }

    /// Waits until `count` messages have been delivered.
    ///
    /// # Panics
    /// When they have not within `limit`.
    pub fn wait_for(&self, count: usize, limit: Duration) {
        wait::until("all messages have reached the sink", limit, || {
            self.count() >= count
        });
    }

    /// Waits for the delivery with this id.
    ///
    /// # Panics
    /// When there is none within [`wait::PATIENCE`].
    pub fn delivery(&self, id: &str) -> Delivery {
        let what = format!("message {id} has reached the sink");
        wait::until_some(&what, wait::PATIENCE, || {
            self.log(|log| log.deliveries().iter().find(|it| it.id == id).cloned())
        })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Listens while `up` says so.
async fn serve(
    listener: std::net::TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    mut up: watch::Receiver<bool>,
    listening: watch::Sender<bool>,
) {
    let mut next = TcpListener::from_std(listener).ok();
    while let Some(listener) = next.take() {
        listening.send_replace(true);
        {
            let mut sessions = JoinSet::new();
            tokio::select! {
                () = accept(&listener, &shared, &mut sessions) => {}
                _ = up.wait_for(|up| !up) => {}
            }
        }
        drop(listener);
        listening.send_replace(false);
        if up.wait_for(|up| *up).await.is_err() {
            return;
        }
        next = rebind(address).await;
    }
}

async fn accept(listener: &TcpListener, shared: &Arc<Shared>, sessions: &mut JoinSet<()>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        while sessions.try_join_next().is_some() {}
        let shared = Arc::clone(shared);
        sessions.spawn_local(async move { converse(stream, &shared).await });
    }
}

/// A session that breaks is the relay's concern; the sink only notes that there was one.
async fn converse(stream: TcpStream, shared: &Shared) {
    let number = shared.log().connected();
    let _ = stream.set_nodelay(true);
    let _ = session::run(stream, shared, number).await;
    shared.log().arrived(number);
}

/// The port may be held for a moment by what was just closed.
async fn rebind(address: SocketAddr) -> Option<TcpListener> {
    for _ in 0..500 {
        match TcpListener::bind(address).await {
            Ok(listener) => return Some(listener),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use crate::message;

    fn submit(sink: &Sink, number: u64) -> io::Result<crate::client::Reply> {
        let id = message::id("s", number);
        let content = message::short("a@example.com", "b@example.net", &id);
        let mut client = Client::try_connect(sink.port())?;
        client.try_submit("a@example.com", "b@example.net", &content)
    }

    #[test]
    fn it_remembers_what_it_accepted() {
        let sink = Sink::start(Script::reading()).expect("a port");
        assert_eq!(submit(&sink, 1).expect("a reply").code, 250);
        let delivery = sink.delivery(&message::id("s", 1));
        assert_eq!(delivery.from, "<a@example.com>");
        assert_eq!(delivery.to, ["<b@example.net>"]);
        assert_eq!(delivery.fields("subject"), ["a test"]);
        assert!(delivery.text().ends_with("\r\n\r\nHello.\r\n"));
    }

    #[test]
    fn it_refuses_as_its_script_says() {
        let script = Script {
            recipients: vec![("b@".into(), "452 4.2.2 mailbox full".into())],
            ..Script::default()
        };
        let sink = Sink::start(script).expect("a port");
        assert_eq!(submit(&sink, 1).expect("a reply").code, 452);
        sink.set(Script {
            content: Some("451 4.3.0 try later".into()),
            ..Script::default()
        });
        assert_eq!(submit(&sink, 1).expect("a reply").code, 451);
        assert_eq!(sink.count(), 0);
    }

    #[test]
    fn it_hangs_up_where_its_script_says() {
        let points = [
            (Point::Greeting, 0),
            (Point::Mail, 0),
            (Point::Recipient, 0),
            (Point::Data, 0),
            (Point::Content, 1),
        ];
        for (point, remembered) in points {
            let script = Script {
                hang_up: Some(point),
                ..Script::default()
            };
            let sink = Sink::start(script).expect("a port");
            submit(&sink, 1).expect_err("no reply");
            assert_eq!(sink.count(), remembered, "{point:?}");
        }
    }

    #[test]
    fn stopped_it_refuses_connections_and_restarted_it_has_its_port_again() {
        let sink = Sink::start(Script::default()).expect("a port");
        sink.stop();
        submit(&sink, 1).expect_err("no connection");
        sink.restart();
        assert_eq!(submit(&sink, 1).expect("a reply").code, 250);
    }

    #[test]
    fn paused_it_answers_when_it_is_resumed() {
        let paused = Script {
            paused: true,
            ..Script::default()
        };
        let sink = Sink::start(paused).expect("a port");
        std::thread::scope(|scope| {
            let reply = scope.spawn(|| submit(&sink, 1));
            wait::until("the final dot is held", wait::PATIENCE, || {
                sink.log(Log::waiting) == 1
            });
            assert_eq!(sink.count(), 0);
            sink.set(Script::default());
            let reply = reply.join().expect("no panic").expect("a reply");
            assert_eq!(reply.code, 250);
        });
        assert_eq!(sink.count(), 1);
    }
}
