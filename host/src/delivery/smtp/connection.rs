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

pub(crate) use super::envelope::Chunking;
use super::extensions::Extensions;
use super::protection::Protection;
pub(crate) use super::protection::{Proof, Security};
use super::reply::Reply;
use super::wire::Wire;
use crate::delivery::bandwidth::Bandwidth;
use crate::delivery::config::Timeouts;
use crate::queue::RemoteReply;

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
    /// How content goes to peers that take chunks.
    pub chunking: Chunking,
    /// The peer must promise to protect mail from there on (RFC 8689).
    pub requires_tls: bool,
}

/// What stands in the way of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It cannot be reached, or does not want us.
    Unreachable,
    /// TLS was tried and failed.
    Tls,
    /// It refused the login.
    Login,
    /// We cannot come from where we should.
    Source,
    /// It cannot protect mail as its sender requires (RFC 8689).
    Unprotected,
    /// It is this relay itself.
    Ourselves,
}

/// Why there is no connection.
#[derive(Debug, Clone)]
pub(crate) struct Setback {
    /// The peer's words, or ours with code 0.
    pub reply: RemoteReply,
    /// What stands in the way.
    pub fault: Fault,
}

impl Setback {
    /// In our own words.
    pub fn ours(text: String) -> Self {
        Self {
            reply: RemoteReply { code: 0, text },
            fault: Fault::Unreachable,
        }
    }

    /// A refusal in words is one of the login; a connection that broke is not.
    fn at_login(self) -> Self {
        let is_refusal = self.reply.code >= 500 || self.fault == Fault::Login;
        if is_refusal {
            self.with(Fault::Login)
        } else {
            self
        }
    }

    /// The same words for another fault.
    pub fn with(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }
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
    /// How it is encrypted.
    pub(super) protection: Protection,
    pub(super) timeouts: Timeouts,
    pub(super) bandwidth: Bandwidth,
    pub(super) chunking: Chunking,
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
    /// Gets everything out of the way that comes ahead of MAIL.
    ///
    /// # Errors
    /// With what to tell about it, when the peer does not want us, cannot encrypt as it must, or
    /// refuses the login.
    pub async fn open(stream: TcpStream, target: &Target, terms: &Terms) -> Result<Self, Setback> {
        let lost =
            |error| Setback::ours(format!("connection to {} failed: {error}", target.name()));
        let wire = Wire::new(stream).map_err(lost)?;
        let mut protection = Protection::NONE;
        if let Security::Implicit(config, _) = &terms.security {
            protection = encrypt(&wire, config, target, terms).await?;
        }
        let mut connection = Self::greet(wire, target, terms).await?;
        connection.protection = protection;
        connection.starttls(target, terms).await?;
        connection.may_require_tls(terms)?;
        if let Some(credentials) = &terms.credentials {
            connection.may_log_in(terms)?;
            let login = connection.log_in(credentials).await;
            login.map_err(|setback| setback.at_login())?;
        }
        Ok(connection)
    }

    /// RFC 8689 §4.2.1: whoever does not promise it gets nothing that requires it.
    fn may_require_tls(&self, terms: &Terms) -> Result<(), Setback> {
        if !terms.requires_tls || self.requires_tls() {
            return Ok(());
        }
        let name = &self.name;
        let text = format!("5.7.30 {name} does not promise to require TLS (REQUIRETLS)");
        Err(Setback::ours(text).with(Fault::Unprotected))
    }

    /// Whether mail can be sent here that requires TLS (RFC 8689).
    pub fn requires_tls(&self) -> bool {
        self.protection.is_verified() && self.extensions.require_tls
    }

    /// How it is encrypted.
    pub const fn protection(&self) -> &Protection {
        &self.protection
    }

    /// Notes why it is not encrypted.
    pub fn unprotected_because(&mut self, reason: String) {
        self.protection.missed = Some(reason);
    }

    /// RFC 4954 §14: a password is not shown to whoever listens, unless the configuration says so.
    fn may_log_in(&self, terms: &Terms) -> Result<(), Setback> {
        if self.wire.is_encrypted() || matches!(terms.security, Security::None) {
            return Ok(());
        }
        let name = &self.name;
        let text =
            format!("4.7.4 {name} does not offer STARTTLS, without which no password is sent");
        Err(Setback::ours(text).with(Fault::Login))
    }

    async fn greet(wire: Wire, target: &Target, terms: &Terms) -> Result<Self, Setback> {
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
            protection: Protection::NONE,
            timeouts: terms.timeouts,
            bandwidth: terms.bandwidth.clone(),
            chunking: terms.chunking,
            closing: None,
            needs_rset: false,
            broken: false,
            transactions: 0,
            outbound: Vec::new(),
            name: target.name(),
        })
    }

    async fn starttls(&mut self, target: &Target, terms: &Terms) -> Result<(), Setback> {
        let config = match &terms.security {
            Security::None | Security::Implicit(..) => return Ok(()),
            Security::Opportunistic(_) if !self.extensions.starttls => return Ok(()),
            Security::Required(..) if !self.extensions.starttls => {
                return Err(self.no_starttls(terms));
            }
            Security::Opportunistic(config) | Security::Required(config, _) => config,
        };
        // A peer that offers STARTTLS and then refuses it, or fails right after it, cannot do TLS.
        let as_tls = |setback: Setback| setback.with(Fault::Tls);
        let started = self.greeting_command("STARTTLS\r\n", "STARTTLS").await;
        started.map_err(as_tls)?;
        self.protection = encrypt(&self.wire, config, target, terms).await?;
        // RFC 3207 §4.2: what was said ahead of the handshake is forgotten.
        let hello = format!("EHLO {}\r\n", terms.hello);
        let response = self.greeting_command(&hello, "EHLO").await;
        let response = response.map_err(as_tls)?;
        self.extensions = Extensions::parse(response.message());
        Ok(())
    }

    fn no_starttls(&self, terms: &Terms) -> Setback {
        let (name, demand) = (&self.name, terms.security.demand());
        if terms.requires_tls {
            let text = format!("5.7.30 {name} does not offer STARTTLS (REQUIRETLS)");
            return Setback::ours(text).with(Fault::Unprotected);
        }
        let text = format!("4.7.4 {name} does not offer STARTTLS, {demand}");
        Setback::ours(text).with(Fault::Tls)
    }

    async fn log_in(&mut self, credentials: &Credentials) -> Result<(), Setback> {
        let mechanism = if self.extensions.auth_plain {
            Mechanism::Plain
        } else if self.extensions.auth_login {
            Mechanism::Login
        } else {
            let name = &self.name;
            return Err(Setback::ours(format!(
                "{name} offers neither AUTH PLAIN nor AUTH LOGIN"
            )));
        };
        let unusable =
            |_| Setback::ours("the next hop's AUTH challenge is not to be understood".to_owned());
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
            return Err(Setback::ours(format!(
                "{} asks for more than a password",
                self.name
            )));
        }
        Ok(())
    }

    async fn greeting_command(&mut self, line: &str, what: &str) -> Result<Response, Setback> {
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

async fn encrypt(
    wire: &Wire,
    config: &Arc<ClientConfig>,
    target: &Target,
    terms: &Terms,
) -> Result<Protection, Setback> {
    let handshake = wire.upgrade(config.clone(), &target.host);
    let reason = match timeout(terms.timeouts.connect, handshake).await {
        Ok(Ok(version)) => {
            return Ok(Protection {
                version: Some(version),
                proof: terms.security.proof(),
                missed: None,
            });
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "timed out".to_owned(),
    };
    let text = format!(
        "4.7.5 TLS handshake with {} failed: {reason}",
        target.name()
    );
    Err(Setback::ours(text).with(Fault::Tls))
}

fn silence(name: &str, what: &str) -> Setback {
    Setback::ours(format!("{name} was silent for too long ({what})"))
}

fn refusal(error: &lettre::transport::smtp::Error, name: &str, what: &str) -> Setback {
    match negative(error) {
        Some(Reply { code, text }) => Setback {
            reply: RemoteReply { code, text },
            fault: Fault::Unreachable,
        },
        None => Setback::ours(format!(
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
