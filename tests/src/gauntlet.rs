//! A next hop that dies once, at the operation it is told to, in the way it is told to, and is well ever after.
//!
//! Each lives at an address of loopback of its own, so that a relay in the mode `mx` can be sent past
//! hundreds of them at a time. What a peer has taken into its care it remembers before it says so.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::message::ID_FIELD;

/// How a peer dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It closes the connection in place of its reply.
    Close,
    /// It resets the connection in place of its reply.
    Reset,
    /// It says nothing more.
    Silence,
    /// It says what is no reply.
    Garbage,
    /// It says 421 and closes.
    GoAway,
    /// It replies, and closes then.
    CloseAfter,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Close,
        Self::Reset,
        Self::Silence,
        Self::Garbage,
        Self::GoAway,
        Self::CloseAfter,
    ];
}

/// How a peer talks.
#[derive(Clone)]
pub struct Style {
    /// For people.
    pub name: &'static str,
    /// More keywords of its reply to EHLO.
    pub offers: &'static [&'static str],
    /// It offers STARTTLS.
    pub tls: Option<TlsAcceptor>,
}

/// What a peer has done.
#[derive(Debug, Default)]
pub struct Record {
    /// Replies, pieces of content and handshakes so far.
    pub operations: usize,
    /// At what it died; none while it has not.
    pub died_at: Option<&'static str>,
    /// The id of each message that it took into its care, with the forward-path of each recipient.
    pub taken: Vec<(String, String)>,
}

/// A peer that runs until its gauntlet is dropped.
pub struct Peer {
    /// Where it listens; also the domain of its recipients, as a literal.
    pub ip: Ipv4Addr,
    /// The operation at which it dies, from 0, and how; none: it never does.
    pub death: Option<(usize, Fault)>,
    record: Arc<Mutex<Record>>,
}

impl Peer {
    /// What it has done so far.
    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often it took the message for this recipient.
    pub fn copies(&self, id: &str, to: &str) -> usize {
        let record = self.record();
        let is_it = |taken: &&(String, String)| taken.0 == id && taken.1.contains(to);
        record.taken.iter().filter(is_it).count()
    }
}

/// A thread with peers, all on one port.
pub struct Gauntlet {
    /// The port of all of them.
    pub port: u16,
    add: tokio::sync::mpsc::UnboundedSender<(std::net::TcpListener, Served)>,
    thread: Option<std::thread::JoinHandle<()>>,
    end: Option<oneshot::Sender<()>>,
}

/// What the sessions of a peer share.
#[derive(Clone)]
struct Served {
    style: Style,
    death: Option<(usize, Fault)>,
    record: Arc<Mutex<Record>>,
}

impl Gauntlet {
    /// Nobody is there yet.
    ///
    /// # Panics
    /// When no thread can be had.
    pub fn new(port: u16) -> Self {
        let (add, mut added) =
            tokio::sync::mpsc::unbounded_channel::<(std::net::TcpListener, Served)>();
        let (end, mut ended) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let thread = std::thread::spawn(move || {
            LocalSet::new().block_on(&runtime, async move {
                loop {
                    tokio::select! {
                        Some((listener, served)) = added.recv() => {
                            tokio::task::spawn_local(listen(listener, served));
                        }
                        _ = &mut ended => return,
                    }
                }
            });
        });
        Self {
            port,
            add,
            thread: Some(thread),
            end: Some(end),
        }
    }

    /// One more peer.
    ///
    /// # Panics
    /// When its address cannot be had.
    pub fn add(&self, ip: Ipv4Addr, style: Style, death: Option<(usize, Fault)>) -> Peer {
        let address = SocketAddr::from((ip, self.port));
        let listener = std::net::TcpListener::bind(address).expect("an address of loopback");
        listener.set_nonblocking(true).expect("a socket");
        let record = Arc::default();
        let served = Served {
            style,
            death,
            record: Arc::clone(&record),
        };
        assert!(self.add.send((listener, served)).is_ok(), "the thread runs");
        Peer { ip, death, record }
    }
}

impl Drop for Gauntlet {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn listen(listener: std::net::TcpListener, served: Served) {
    let listener = TcpListener::from_std(listener).expect("a socket");
    while let Ok((stream, _)) = listener.accept().await {
        let session = Session {
            served: served.clone(),
            stream: Stream::Plain(stream),
            input: Vec::new(),
            to: Vec::new(),
        };
        tokio::task::spawn_local(async move {
            // However it ends, that is what the relay is tested with.
            let _ = session.run().await;
        });
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// A handshake is under way.
    Gone,
}

/// The connection is over.
struct Over;

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Self {
        Self
    }
}

struct Session {
    served: Served,
    stream: Stream,
    input: Vec<u8>,
    to: Vec<String>,
}

impl Session {
    async fn run(mut self) -> Result<(), Over> {
        self.reply("greeting", "220 gauntlet ESMTP\r\n").await?;
        loop {
            let line = self.line().await?;
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => self.hello().await?,
                "STAR" => self.starttls().await?,
                "MAIL" => {
                    self.to.clear();
                    self.reply("MAIL", "250 2.1.0 ok\r\n").await?;
                }
                "RCPT" => self.recipient(&line).await?,
                "DATA" if self.to.is_empty() => {
                    self.reply("DATA", "503 5.5.1 nobody\r\n").await?;
                }
                "DATA" => {
                    self.reply("DATA", "354 go\r\n").await?;
                    self.content(None).await?;
                }
                "BDAT" => {
                    let size = line.split(' ').nth(1).and_then(|size| size.parse().ok());
                    self.content(Some(size.ok_or(Over)?)).await?;
                }
                "QUIT" => {
                    self.write(b"221 2.0.0 bye\r\n").await?;
                    return Ok(());
                }
                _ => self.reply("RSET", "250 2.0.0 ok\r\n").await?,
            }
        }
    }

    async fn hello(&mut self) -> Result<(), Over> {
        let mut text = "250-gauntlet\r\n".to_owned();
        for keyword in self.served.style.offers {
            text.push_str(&format!("250-{keyword}\r\n"));
        }
        if self.served.style.tls.is_some() && matches!(self.stream, Stream::Plain(_)) {
            text.push_str("250-STARTTLS\r\n");
        }
        text.push_str("250 ENHANCEDSTATUSCODES\r\n");
        self.reply("EHLO", &text).await
    }

    async fn starttls(&mut self) -> Result<(), Over> {
        self.reply("STARTTLS", "220 2.0.0 go\r\n").await?;
        let fault = self.strikes("handshake");
        if let Some(fault) = fault.filter(|fault| *fault != Fault::CloseAfter) {
            return self.die(fault).await;
        }
        let acceptor = self.served.style.tls.clone().ok_or(Over)?;
        let Stream::Plain(plain) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(Over);
        };
        self.stream = Stream::Tls(Box::new(acceptor.accept(plain).await?));
        match fault {
            Some(_) => Err(Over),
            None => Ok(()),
        }
    }

    /// Who is `bad` is refused for good, who is `later` once.
    async fn recipient(&mut self, line: &str) -> Result<(), Over> {
        let to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let was_here = {
            let mut record = self.record();
            let mark = ("later".to_owned(), to.clone());
            let was_here = record.taken.contains(&mark);
            if to.starts_with("later") && !was_here {
                record.taken.push(mark);
            }
            was_here
        };
        if to.starts_with("bad") {
            return self.reply("RCPT", "550 5.1.1 no such user\r\n").await;
        }
        if to.starts_with("later") && !was_here {
            return self.reply("RCPT", "450 4.2.0 come again\r\n").await;
        }
        self.to.push(to);
        self.reply("RCPT", "250 2.1.5 ok\r\n").await
    }

    /// Content up to its final dot, or of a known size; then it is taken, and then that is said.
    async fn content(&mut self, size: Option<usize>) -> Result<(), Over> {
        if self.input.is_empty() {
            self.fill().await?;
        }
        if let Some(fault) = self.strikes("content") {
            return self.die(fault).await;
        }
        let end = loop {
            let found = match size {
                Some(size) => (self.input.len() >= size).then_some(size),
                None => memmem::find(&self.input, b"\r\n.\r\n").map(|at| at + 5),
            };
            match found {
                Some(end) => break end,
                None => self.fill().await?,
            }
        };
        let content: Vec<u8> = self.input.drain(..end).collect();
        let fault = self.strikes("the final reply");
        // Who says 421 has not taken it; about anybody else nobody can know who heard no reply.
        if fault != Some(Fault::GoAway) {
            let id = id(&content);
            let to = std::mem::take(&mut self.to);
            let taken = to.into_iter().map(|to| (id.clone(), to));
            self.record().taken.extend(taken);
        }
        self.answer(fault, "250 2.0.0 taken\r\n").await
    }

    async fn reply(&mut self, what: &'static str, text: &str) -> Result<(), Over> {
        let fault = self.strikes(what);
        self.answer(fault, text).await
    }

    async fn answer(&mut self, fault: Option<Fault>, text: &str) -> Result<(), Over> {
        match fault {
            None => self.write(text.as_bytes()).await,
            Some(Fault::CloseAfter) => {
                self.write(text.as_bytes()).await?;
                Err(Over)
            }
            Some(fault) => self.die(fault).await,
        }
    }

    async fn die(&mut self, fault: Fault) -> Result<(), Over> {
        match fault {
            Fault::Close | Fault::CloseAfter => {}
            Fault::Reset => match &self.stream {
                Stream::Plain(stream) => stream.set_zero_linger()?,
                Stream::Tls(stream) => stream.get_ref().0.set_zero_linger()?,
                Stream::Gone => {}
            },
            Fault::Silence => self.wait_for_the_end().await?,
            Fault::Garbage => {
                self.write(b"\0\xff what?\r\n\r\n").await?;
                self.wait_for_the_end().await?;
            }
            Fault::GoAway => self.write(b"421 4.3.2 going down\r\n").await?,
        }
        Err(Over)
    }

    async fn wait_for_the_end(&mut self) -> Result<(), Over> {
        loop {
            self.input.clear();
            self.fill().await?;
        }
    }

    /// Counts one more operation; how it dies at this one, if it does.
    fn strikes(&self, what: &'static str) -> Option<Fault> {
        let mut record = self.record();
        let number = record.operations;
        record.operations += 1;
        let (_, fault) = self.served.death.filter(|(at, _)| *at == number)?;
        record.died_at = Some(what);
        Some(fault)
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.served
            .record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn line(&mut self) -> Result<String, Over> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.input) {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Over> {
        let read = match &mut self.stream {
            Stream::Plain(stream) => stream.read_buf(&mut self.input).await?,
            Stream::Tls(stream) => stream.read_buf(&mut self.input).await?,
            Stream::Gone => 0,
        };
        if read == 0 { Err(Over) } else { Ok(()) }
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), Over> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(octets).await?,
            Stream::Tls(stream) => {
                stream.write_all(octets).await?;
                stream.flush().await?;
            }
            Stream::Gone => return Err(Over),
        }
        Ok(())
    }
}

/// The value of its id field.
fn id(content: &[u8]) -> String {
    let at = memmem::find(content, ID_FIELD.as_bytes());
    let value = at.map_or(&[][..], |at| &content[at + ID_FIELD.len()..]);
    let end = memchr::memchr(b'\r', value).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}
