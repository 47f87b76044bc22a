//! Connects as a mail client does, up to the point where it would log in, and notes what it sees.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{AlertDescription, ClientConfig};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificate::{TlsFacts, Trust};
use super::dialogue::{Dialogue, Reply, Show, Trouble};
use super::plan::Endpoint;
use crate::listener::TlsMode;

/// What every visit needs.
pub struct Visitor {
    /// No wait is longer.
    pub patience: Duration,
    /// Shows the dialogue on stderr.
    pub verbose: bool,
    /// Takes any certificate, so that every one can be looked at.
    pub tls: Arc<ClientConfig>,
    /// What certificates are judged by.
    pub trust: Trust,
}

/// What was seen, as far as the visit came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How long the connection took.
    pub connected: Option<Duration>,
    /// The greeting, and how long it took.
    pub greeting: Option<(Reply, Duration)>,
    /// The reply to EHLO before TLS.
    pub hello: Option<Reply>,
    /// What the handshake showed.
    pub tls: Option<TlsFacts>,
    /// The reply to EHLO under TLS.
    pub hello_under_tls: Option<Reply>,
}

/// Where a visit can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The server speaks first.
    Greeting,
    /// EHLO, before or under TLS.
    Hello,
    /// STARTTLS.
    StartTls,
}

/// Why a visit ended before its goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// There is no connection.
    Connect(ConnectFault),
    /// There is no reply.
    NoReply(Stage, Trouble),
    /// The reply is negative.
    Refused(Stage, Reply),
    /// STARTTLS is not offered.
    NoStartTls,
    /// There is no TLS.
    Handshake(HandshakeFault),
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectFault {
    /// Nobody listens.
    Refused,
    /// Nothing came back.
    Filtered,
    /// There is no way to this address from here.
    Unreachable,
    /// The operating system's words.
    Other(String),
}

/// Why there is no TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeFault {
    /// Nothing came in time.
    Silent,
    /// The peer hung up.
    Closed,
    /// The peer speaks something else.
    NotTls,
    /// The peer knows neither TLS 1.2 nor 1.3, or no cipher of ours.
    Outdated,
    /// The TLS library's words.
    Other(String),
}

/// A connection that is ready for AUTH.
pub type Encrypted = Dialogue<TlsStream<TcpStream>>;

/// A connection that has been greeted.
pub enum Session {
    /// Without TLS, as the listener is configured.
    Plain(Box<Dialogue<TcpStream>>),
    /// Under TLS.
    Encrypted(Box<Encrypted>),
}

impl Session {
    /// Says goodbye; nobody minds when the server does not answer.
    pub async fn quit(self) {
        let _ = match self {
            Self::Plain(mut dialogue) => dialogue.say("QUIT").await,
            Self::Encrypted(mut dialogue) => dialogue.say("QUIT").await,
        };
    }
}

impl Visitor {
    /// Visits the endpoint and notes in `seen` what it shows.
    ///
    /// # Errors
    /// Where and why the visit ended early; `seen` has what came before.
    pub async fn visit(&self, endpoint: &Endpoint, seen: &mut Seen) -> Result<Session, Stop> {
        let stream = self.connect(endpoint, seen).await?;
        let name = hello_name(&stream);
        match endpoint.door.tls {
            TlsMode::Implicit => {
                let mut dialogue = self.encrypt(stream, endpoint, seen).await?;
                self.greet(&mut dialogue, seen).await?;
                seen.hello_under_tls = Some(hello(&mut dialogue, &name).await?);
                Ok(Session::Encrypted(Box::new(dialogue)))
            }
            TlsMode::StartTls => {
                let dialogue = self.introduce(stream, endpoint, &name, seen).await?;
                let mut dialogue = self.start_tls(dialogue, endpoint, seen).await?;
                seen.hello_under_tls = Some(hello(&mut dialogue, &name).await?);
                Ok(Session::Encrypted(Box::new(dialogue)))
            }
            TlsMode::None => {
                let dialogue = self.introduce(stream, endpoint, &name, seen).await?;
                Ok(Session::Plain(Box::new(dialogue)))
            }
        }
    }

    async fn connect(&self, endpoint: &Endpoint, seen: &mut Seen) -> Result<TcpStream, Stop> {
        let begin = Instant::now();
        let connected = timeout(self.patience, TcpStream::connect(endpoint.address)).await;
        let fault = match connected {
            Ok(Ok(stream)) => {
                seen.connected = Some(begin.elapsed());
                return Ok(stream);
            }
            Ok(Err(error)) => ConnectFault::from(error),
            Err(_) => ConnectFault::Filtered,
        };
        Err(Stop::Connect(fault))
    }

    /// Greeting and EHLO on an unencrypted connection.
    async fn introduce(
        &self,
        stream: TcpStream,
        endpoint: &Endpoint,
        name: &str,
        seen: &mut Seen,
    ) -> Result<Dialogue<TcpStream>, Stop> {
        let mut dialogue = Dialogue::new(stream, self.patience, self.show(endpoint));
        match self.greet(&mut dialogue, seen).await {
            // A web server waits for us to speak first: what it says to EHLO gives it away.
            Err(Stop::NoReply(Stage::Greeting, Trouble::Silent)) => {
                let trouble = match dialogue.say(&format!("EHLO {name}")).await {
                    Err(trouble @ (Trouble::NotSmtp(_) | Trouble::Tls)) => trouble,
                    _ => Trouble::Silent,
                };
                return Err(Stop::NoReply(Stage::Greeting, trouble));
            }
            greeted => greeted?,
        }
        seen.hello = Some(hello(&mut dialogue, name).await?);
        Ok(dialogue)
    }

    async fn greet<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
        &self,
        dialogue: &mut Dialogue<S>,
        seen: &mut Seen,
    ) -> Result<(), Stop> {
        let begin = Instant::now();
        let greeting = positive(Stage::Greeting, dialogue.reply().await)?;
        seen.greeting = Some((greeting, begin.elapsed()));
        Ok(())
    }

    async fn start_tls(
        &self,
        mut dialogue: Dialogue<TcpStream>,
        endpoint: &Endpoint,
        seen: &mut Seen,
    ) -> Result<Encrypted, Stop> {
        let offered = (seen.hello.as_ref()).and_then(|hello| hello.extension("STARTTLS"));
        if offered.is_none() {
            let _ = dialogue.say("QUIT").await;
            return Err(Stop::NoStartTls);
        }
        positive(Stage::StartTls, dialogue.say("STARTTLS").await)?;
        let stream = dialogue
            .into_stream()
            .map_err(|trouble| Stop::NoReply(Stage::StartTls, trouble))?;
        self.encrypt(stream, endpoint, seen).await
    }

    async fn encrypt(
        &self,
        stream: TcpStream,
        endpoint: &Endpoint,
        seen: &mut Seen,
    ) -> Result<Encrypted, Stop> {
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let handshake = connector.connect(self.trust.name.clone(), stream);
        let fault = match timeout(self.patience, handshake).await {
            Ok(Ok(stream)) => {
                seen.tls = Some(TlsFacts::of(stream.get_ref().1, &self.trust));
                return Ok(Dialogue::new(stream, self.patience, self.show(endpoint)));
            }
            Ok(Err(error)) => HandshakeFault::from(error),
            Err(_) => HandshakeFault::Silent,
        };
        Err(Stop::Handshake(fault))
    }

    fn show(&self, endpoint: &Endpoint) -> Show {
        Show {
            label: self.verbose.then(|| endpoint.label.clone()),
        }
    }
}

async fn hello<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    dialogue: &mut Dialogue<S>,
    name: &str,
) -> Result<Reply, Stop> {
    positive(Stage::Hello, dialogue.say(&format!("EHLO {name}")).await)
}

fn positive(stage: Stage, reply: Result<Reply, Trouble>) -> Result<Reply, Stop> {
    match reply {
        Ok(reply) if reply.is_positive() => Ok(reply),
        Ok(reply) => Err(Stop::Refused(stage, reply)),
        Err(trouble) => Err(Stop::NoReply(stage, trouble)),
    }
}

/// RFC 5321 §4.1.3: a client without a name of its own says its address.
fn hello_name(stream: &TcpStream) -> String {
    match stream.local_addr().map(|address| address.ip()) {
        Ok(IpAddr::V6(ip)) => format!("[IPv6:{ip}]"),
        Ok(IpAddr::V4(ip)) => format!("[{ip}]"),
        Err(_) => "[127.0.0.1]".to_owned(),
    }
}

impl From<io::Error> for ConnectFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::Filtered,
            io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::AddrNotAvailable => Self::Unreachable,
            _ => Self::Other(error.to_string()),
        }
    }
}

impl From<io::Error> for HandshakeFault {
    fn from(error: io::Error) -> Self {
        use rustls::Error::{AlertReceived, InvalidMessage, PeerIncompatible};
        let tls = error
            .get_ref()
            .and_then(|cause| cause.downcast_ref::<rustls::Error>());
        match tls {
            Some(InvalidMessage(_)) => Self::NotTls,
            Some(PeerIncompatible(_)) => Self::Outdated,
            Some(AlertReceived(alert)) => match alert {
                AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure => {
                    Self::Outdated
                }
                _ => Self::Other(format!("the server sent the alert {alert:?}")),
            },
            Some(other) => Self::Other(other.to_string()),
            None => match error.kind() {
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe => Self::Closed,
                _ => Self::Other(error.to_string()),
            },
        }
    }
}
