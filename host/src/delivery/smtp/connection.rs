//! Opens a connection that is ready for transactions: greeting, EHLO, STARTTLS, AUTH.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::Auth;
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use rustls::ClientConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::extensions::Extensions;
use super::reply::Reply;
use super::wire::Wire;
use crate::delivery::bandwidth::Bandwidth;
use crate::delivery::config::Timeouts;
use crate::queue::RemoteReply;

/// When and how a connection is encrypted.
#[derive(Debug, Clone)]
pub(crate) enum Security {
    /// Not at all.
    None,
    /// By STARTTLS when it is offered.
    Opportunistic(Arc<ClientConfig>),
    /// By STARTTLS, or there is no connection.
    Required(Arc<ClientConfig>),
    /// From the first octet.
    Implicit(Arc<ClientConfig>),
}

/// One address of a host to connect to.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The name, for messages and for the certificate.
    pub host: String,
    /// The address.
    pub address: SocketAddr,
}

impl Target {
    /// `mx.example.net:25`, for people.
    pub fn name(&self) -> String {
        format!("{}:{}", self.host, self.address.port())
    }
}

/// What does not change from connection to connection.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// Our name in EHLO.
    pub hello: String,
    /// When to encrypt.
    pub security: Security,
    /// Whom to log in as, if at all.
    pub credentials: Option<Credentials>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Where content waits for its turn.
    pub bandwidth: Bandwidth,
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) struct ConnectError {
    /// The peer's words, or ours with code 0.
    pub reply: RemoteReply,
    /// The TLS handshake was what failed.
    pub is_tls: bool,
}

/// The connection broke, or the peer was silent for too long or not to be understood.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Lost(pub String);

/// An open connection. Dropping it closes the socket without a word.
pub(crate) struct Connection {
    smtp: AsyncSmtpConnection,
    pub(super) wire: Wire,
    pub(super) extensions: Extensions,
    /// Encrypted, with a certificate that is valid for the host's name.
    pub(super) verified: bool,
    pub(super) timeouts: Timeouts,
    pub(super) bandwidth: Bandwidth,
    /// A 421 was received; nothing can follow.
    pub(super) closing: Option<Reply>,
    /// The peer may still have a transaction open.
    pub(super) needs_rset: bool,
    /// The connection must not be used again.
    pub(super) broken: bool,
    /// Transactions so far.
    pub(super) transactions: u32,
    /// Its memory is used by message after message.
    pub(super) outbound: Vec<u8>,
    name: String,
}

impl Connection {
    /// Connects and gets everything out of the way that comes ahead of MAIL.
    ///
    /// # Errors
    /// With what to tell about it, when the peer cannot be reached, does not want us, cannot
    /// encrypt as it must, or refuses the login.
    pub async fn open(target: &Target, terms: &Terms) -> Result<Self, ConnectError> {
        let wire = dial(target, terms).await?;
        if let Security::Implicit(config) = &terms.security {
            encrypt(&wire, config, target, terms).await?;
        }
        let mut connection = Self::greet(wire, target, terms).await?;
        connection.starttls(target, terms).await?;
        // These two alone ask for a valid certificate.
        let is_strict = matches!(
            terms.security,
            Security::Required(_) | Security::Implicit(_)
        );
        connection.verified = is_strict && connection.wire.is_encrypted();
        if let Some(credentials) = &terms.credentials {
            connection.may_log_in(terms)?;
            connection.log_in(credentials).await?;
        }
        Ok(connection)
    }

    /// RFC 4954 §14: a password is not shown to whoever listens, unless the configuration says so.
    fn may_log_in(&self, terms: &Terms) -> Result<(), ConnectError> {
        if self.wire.is_encrypted() || matches!(terms.security, Security::None) {
            return Ok(());
        }
        let name = &self.name;
        Err(ours(format!(
            "{name} does not offer STARTTLS, without which no password is sent"
        )))
    }

    async fn greet(wire: Wire, target: &Target, terms: &Terms) -> Result<Self, ConnectError> {
        let hello = ClientId::Domain(terms.hello.clone());
        let greeting = AsyncSmtpConnection::connect_with_transport(Box::new(wire.clone()), &hello);
        let smtp = match timeout(terms.timeouts.command.saturating_mul(2), greeting).await {
            Ok(Ok(smtp)) => smtp,
            Ok(Err(error)) => return Err(refusal(&error, &target.name(), "the greeting")),
            Err(_) => return Err(silence(&target.name(), "the greeting")),
        };
        let hello = wire.take_hello();
        let lines = hello.lines().filter_map(|line| line.strip_prefix("250"));
        Ok(Self {
            smtp,
            wire,
            extensions: Extensions::parse(lines.filter_map(|line| line.get(1..))),
            verified: false,
            timeouts: terms.timeouts,
            bandwidth: terms.bandwidth.clone(),
            closing: None,
            needs_rset: false,
            broken: false,
            transactions: 0,
            outbound: Vec::new(),
            name: target.name(),
        })
    }

    async fn starttls(&mut self, target: &Target, terms: &Terms) -> Result<(), ConnectError> {
        let config = match &terms.security {
            Security::None | Security::Implicit(_) => return Ok(()),
            Security::Opportunistic(_) if !self.extensions.starttls => return Ok(()),
            Security::Required(_) if !self.extensions.starttls => {
                let name = &self.name;
                return Err(ours(format!(
                    "{name} does not offer STARTTLS, which is required"
                )));
            }
            Security::Opportunistic(config) | Security::Required(config) => config,
        };
        // A peer that offers STARTTLS and then refuses it, or fails right after it, cannot do TLS.
        let as_tls = |error| ConnectError {
            is_tls: true,
            ..error
        };
        let started = self.greeting_command("STARTTLS\r\n", "STARTTLS").await;
        started.map_err(as_tls)?;
        encrypt(&self.wire, config, target, terms).await?;
        // RFC 3207 §4.2: what was said ahead of the handshake is forgotten.
        let hello = format!("EHLO {}\r\n", terms.hello);
        let response = self.greeting_command(&hello, "EHLO").await;
        let response = response.map_err(as_tls)?;
        self.extensions = Extensions::parse(response.message());
        Ok(())
    }

    async fn log_in(&mut self, credentials: &Credentials) -> Result<(), ConnectError> {
        let mechanism = if self.extensions.auth_plain {
            Mechanism::Plain
        } else if self.extensions.auth_login {
            Mechanism::Login
        } else {
            let name = &self.name;
            return Err(ours(format!(
                "{name} offers neither AUTH PLAIN nor AUTH LOGIN"
            )));
        };
        let unusable = |_| ours("the next hop's AUTH challenge is not to be understood".to_owned());
        let first = Auth::new(mechanism, credentials.clone(), None).map_err(unusable)?;
        let mut response = self.greeting_command(&first.to_string(), "AUTH").await?;
        // LOGIN asks twice: for the name and for the password.
        for _challenge in 0..2 {
            if !response.has_code(334) {
                break;
            }
            let answer = Auth::new_from_response(mechanism, credentials.clone(), &response);
            let line = answer.map_err(unusable)?.to_string();
            response = self.greeting_command(&line, "AUTH").await?;
        }
        if response.has_code(334) {
            return Err(ours(format!("{} asks for more than a password", self.name)));
        }
        Ok(())
    }

    async fn greeting_command(&mut self, line: &str, what: &str) -> Result<Response, ConnectError> {
        let name = self.name.clone();
        match timeout(self.timeouts.command, self.smtp.command(line)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(refusal(&error, &name, what)),
            Err(_) => Err(silence(&name, what)),
        }
    }

    /// Sends octets as they are.
    pub(super) async fn write(&mut self, octets: &[u8], limit: Duration) -> Result<(), Lost> {
        let mut wire = self.wire.clone();
        let write = async {
            wire.write_all(octets).await?;
            wire.flush().await
        };
        let result = match timeout(limit, write).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => format!("connection to {} lost: {error}", self.name),
            Err(_) => format!("{} takes no data for {} s", self.name, limit.as_secs()),
        };
        self.broken = true;
        Err(Lost(result))
    }

    /// Reads the next reply.
    pub(super) async fn reply(&mut self, limit: Duration, what: &str) -> Result<Reply, Lost> {
        let lost = match timeout(limit, self.smtp.read_response()).await {
            Ok(Ok(response)) => {
                let text = response.message().collect::<Vec<_>>().join(" ");
                return Ok(Reply::new(response.code().into(), &text));
            }
            Ok(Err(error)) => match negative(&error) {
                Some(reply) => return Ok(self.note_closing(reply)),
                None => format!(
                    "connection to {} lost in wait of the reply to {what}: {}",
                    self.name,
                    cause(&error)
                ),
            },
            Err(_) => format!(
                "no reply to {what} from {} within {} s",
                self.name,
                limit.as_secs()
            ),
        };
        self.broken = true;
        match &self.closing {
            Some(reply) => Err(Lost(format!("{} {}", reply.code, reply.text))),
            None => Err(Lost(lost)),
        }
    }

    fn note_closing(&mut self, reply: Reply) -> Reply {
        if reply.is_closing() {
            self.broken = true;
            self.closing.get_or_insert_with(|| reply.clone());
        }
        reply
    }

    /// Whether it can be used for one more transaction.
    pub const fn is_usable(&self) -> bool {
        !self.broken
    }

    /// How many transactions it has carried.
    pub const fn transactions(&self) -> u32 {
        self.transactions
    }

    /// `mx.example.net:25`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it tells senders itself what became of their messages (RFC 3461).
    pub const fn notifies(&self) -> bool {
        self.extensions.dsn
    }

    /// Whether it keeps deadlines (RFC 2852).
    pub const fn keeps_deadlines(&self) -> bool {
        self.extensions.deliver_by.is_some()
    }

    /// Takes leave. A peer that does not answer within a second is left alone.
    pub async fn quit(mut self) {
        if self.is_usable() {
            let _farewell = timeout(Duration::from_secs(1), self.smtp.quit()).await;
        }
    }
}

async fn dial(target: &Target, terms: &Terms) -> Result<Wire, ConnectError> {
    let connected = timeout(terms.timeouts.connect, TcpStream::connect(target.address)).await;
    let name = target.name();
    match connected {
        Ok(Ok(stream)) => Wire::new(stream)
            .map_err(|error| ours(format!("connection to {name} {}", describe(&error)))),
        Ok(Err(error)) => Err(ours(format!("connection to {name} {}", describe(&error)))),
        Err(_) => Err(ours(format!("connection to {name} timed out"))),
    }
}

async fn encrypt(
    wire: &Wire,
    config: &Arc<ClientConfig>,
    target: &Target,
    terms: &Terms,
) -> Result<(), ConnectError> {
    let handshake = wire.upgrade(config.clone(), &target.host);
    let reason = match timeout(terms.timeouts.connect, handshake).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "timed out".to_owned(),
    };
    Err(ConnectError {
        is_tls: true,
        ..ours(format!(
            "TLS handshake with {} failed: {reason}",
            target.name()
        ))
    })
}

fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused".to_owned(),
        io::ErrorKind::TimedOut => "timed out".to_owned(),
        _ => format!("failed: {error}"),
    }
}

fn ours(text: String) -> ConnectError {
    ConnectError {
        reply: RemoteReply { code: 0, text },
        is_tls: false,
    }
}

fn silence(name: &str, what: &str) -> ConnectError {
    ours(format!("{name} was silent for too long ({what})"))
}

fn refusal(error: &lettre::transport::smtp::Error, name: &str, what: &str) -> ConnectError {
    match negative(error) {
        Some(Reply { code, text }) => ConnectError {
            reply: RemoteReply { code, text },
            is_tls: false,
        },
        None => ours(format!(
            "connection to {name} lost at {what}: {}",
            cause(error)
        )),
    }
}

/// The reply inside an error, if there is one.
fn negative(error: &lettre::transport::smtp::Error) -> Option<Reply> {
    let code = error.status()?;
    let text = error.source().map(ToString::to_string).unwrap_or_default();
    Some(Reply::new(code.into(), &text))
}

fn cause(error: &lettre::transport::smtp::Error) -> String {
    match error.source() {
        Some(source) if source.to_string() == "incomplete response" => {
            "closed by the peer".to_owned()
        }
        Some(source) if is_end(source) => "closed by the peer".to_owned(),
        Some(_) if error.is_response() => "what it says is no reply".to_owned(),
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}

/// The end of a TLS connection without its farewell, which many peers do not take.
fn is_end(source: &(dyn std::error::Error + 'static)) -> bool {
    let error = source.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
}
