//! A small SMTP client for tests: every command names the reply it expects, and a reply that is not
//! the expected one ends the test with the whole dialogue.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

use self::trust::trusting_config;

mod pieces;
pub mod scram;
pub mod trust;

/// How long one reply may take.
const REPLY_LIMIT: Duration = Duration::from_secs(60);
/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A reply with all its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The reply code.
    pub code: u16,
    /// The text of each line, without code and line end.
    pub lines: Vec<String>,
}

impl Reply {
    /// The lines joined by a space.
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// True for 2yz and 3yz.
    pub const fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// The queue id of `250 2.0.0 queued as <id>`.
    pub fn queue_id(&self) -> Option<&str> {
        let (_, id) = self.lines.first()?.split_once("queued as ")?;
        id.split_whitespace().next()
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text())
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// Between the two, while TLS is negotiated; never seen by a read or write.
    Switching,
}

impl Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
            Self::Switching => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn write_all(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(octets),
            Self::Tls(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
            Self::Switching => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// One SMTP connection.
///
/// The methods that return a [`Reply`] panic when the connection fails; those that begin with
/// `try_` return the error, for tests in which the relay is killed.
pub struct Client {
    stream: Stream,
    input: Vec<u8>,
    dialogue: String,
}

impl Client {
    /// Connects to a port of loopback and reads the greeting.
    ///
    /// # Panics
    /// Without a 220 greeting.
    #[track_caller]
    pub fn connect(port: u16) -> Self {
        match Self::try_connect(port) {
            Ok(client) => client,
            Err(error) => panic!("connecting to port {port}: {error}"),
        }
    }

    /// Connects to a port of loopback and reads the greeting.
    ///
    /// # Errors
    /// When there is no connection or no 220 greeting.
    pub fn try_connect(port: u16) -> io::Result<Self> {
        let mut client = Self::open(port)?;
        client.try_expect("220")?;
        Ok(client)
    }

    /// Connects from this address of loopback, as another machine would, and reads the greeting.
    ///
    /// # Errors
    /// When there is no connection or no 220 greeting.
    pub fn try_connect_from(source: Ipv4Addr, port: u16) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.bind((source, 0).into())?;
            let stream = socket.connect(([127, 0, 0, 1], port).into()).await?;
            stream.into_std()
        })?;
        stream.set_nonblocking(false)?;
        let mut client = Self::over(stream)?;
        client.try_expect("220")?;
        Ok(client)
    }

    /// Connects by implicit TLS and reads the greeting.
    ///
    /// # Errors
    /// When there is no connection, no TLS or no 220 greeting.
    pub fn try_connect_tls(port: u16) -> io::Result<Self> {
        let mut client = Self::open(port)?;
        client.switch_to_tls()?;
        client.try_expect("220")?;
        Ok(client)
    }

    /// Connects, sends these pieces as a proxy does, each on its own, and reads the greeting.
    ///
    /// # Errors
    /// When there is no connection or no 220 greeting.
    pub fn try_connect_behind(port: u16, pieces: &[&[u8]]) -> io::Result<Self> {
        let mut client = Self::open(port)?;
        for piece in pieces {
            client.try_send(piece)?;
        }
        client.try_expect("220")?;
        Ok(client)
    }

    /// The same by implicit TLS.
    ///
    /// # Errors
    /// When there is no connection, no TLS or no 220 greeting.
    pub fn try_connect_tls_behind(port: u16, header: &[u8]) -> io::Result<Self> {
        let mut client = Self::open(port)?;
        client.try_send(header)?;
        client.switch_to_tls()?;
        client.try_expect("220")?;
        Ok(client)
    }

    fn open(port: u16) -> io::Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self::over(TcpStream::connect_timeout(&address, CONNECT_LIMIT)?)
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_LIMIT))?;
        stream.set_write_timeout(Some(REPLY_LIMIT))?;
        Ok(Self {
            stream: Stream::Plain(stream),
            input: Vec::new(),
            dialogue: String::new(),
        })
    }

    /// Says one command line and expects a reply that begins with `expected`, for example `"250"` or
    /// `"550 5.7.1"`.
    ///
    /// # Panics
    /// When the reply is another one.
    #[track_caller]
    pub fn say(&mut self, line: &str, expected: &str) -> Reply {
        let reply = self
            .try_send(format!("{line}\r\n").as_bytes())
            .and_then(|()| self.try_reply());
        self.check(reply, expected)
    }

    /// Sends octets as they are and expects a reply that begins with `expected`.
    ///
    /// # Panics
    /// When the reply is another one.
    #[track_caller]
    pub fn send(&mut self, octets: &[u8], expected: &str) -> Reply {
        let reply = self.try_send(octets).and_then(|()| self.try_reply());
        self.check(reply, expected)
    }

    /// Expects one more reply, of a pipelined command.
    ///
    /// # Panics
    /// When the reply is another one.
    #[track_caller]
    pub fn expect(&mut self, expected: &str) -> Reply {
        let reply = self.try_reply();
        self.check(reply, expected)
    }

    /// Expects that the other side has closed the connection.
    ///
    /// # Panics
    /// When something comes instead.
    #[track_caller]
    pub fn expect_end(&mut self) {
        if let Ok(reply) = self.try_reply() {
            panic!("a reply instead of the end: {reply}\n{}", self.dialogue);
        }
    }

    /// Greets with EHLO: the keywords of the reply.
    #[track_caller]
    pub fn ehlo(&mut self) -> Vec<String> {
        self.say("EHLO client.example.com", "250").lines
    }

    /// Turns the connection into a TLS connection and greets again: the keywords of the reply.
    #[track_caller]
    pub fn starttls(&mut self) -> Vec<String> {
        self.say("STARTTLS", "220");
        self.handshake();
        self.ehlo()
    }

    /// The TLS handshake after the reply to STARTTLS.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn handshake(&mut self) {
        if let Err(error) = self.switch_to_tls() {
            panic!("TLS failed: {error}\n{}", self.dialogue);
        }
    }

    /// The certificate that the other side showed, DER.
    ///
    /// # Panics
    /// When the connection is not encrypted.
    #[track_caller]
    pub fn certificate(&self) -> Vec<u8> {
        let Stream::Tls(stream) = &self.stream else {
            panic!("no TLS\n{}", self.dialogue);
        };
        let chain = stream.conn.peer_certificates().unwrap_or_default();
        chain.first().expect("a server shows one").to_vec()
    }

    /// What a login over this connection can be bound to: `tls-exporter` (RFC 9266 §2).
    ///
    /// # Panics
    /// When the connection is not encrypted.
    #[track_caller]
    pub fn channel_binding(&self) -> Vec<u8> {
        let Stream::Tls(stream) = &self.stream else {
            panic!("no TLS\n{}", self.dialogue);
        };
        let label = b"EXPORTER-Channel-Binding";
        let exported = stream
            .conn
            .export_keying_material([0; 32], label, Some(&[]));
        exported.expect("the handshake is over").to_vec()
    }

    /// Greets and logs in by AUTH PLAIN with an initial response.
    #[track_caller]
    pub fn login(&mut self, user: &str, password: &str) {
        self.ehlo();
        self.say(&auth_plain(user, password), "235");
    }

    /// Submits one message and returns the reply to the final dot, which must begin with `expected`.
    /// The content gets its dots stuffed.
    #[track_caller]
    pub fn submit(&mut self, from: &str, to: &[&str], content: &str, expected: &str) -> Reply {
        self.say(&format!("MAIL FROM:<{from}>"), "250");
        for to in to {
            self.say(&format!("RCPT TO:<{to}>"), "250");
        }
        self.say("DATA", "354");
        self.send(&stuffed(content), expected)
    }

    /// Submits one message: the first reply that refuses, or the reply to the final dot.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn try_submit(&mut self, from: &str, to: &str, content: &str) -> io::Result<Reply> {
        let commands = [
            format!("MAIL FROM:<{from}>\r\n"),
            format!("RCPT TO:<{to}>\r\n"),
            "DATA\r\n".to_owned(),
        ];
        for command in commands {
            self.try_send(command.as_bytes())?;
            let reply = self.try_reply()?;
            if !reply.is_positive() {
                return Ok(reply);
            }
        }
        self.try_send(&stuffed(content))?;
        self.try_reply()
    }

    /// Greets and logs in.
    ///
    /// # Errors
    /// When the connection fails or the login is refused.
    pub fn try_login(&mut self, user: &str, password: &str) -> io::Result<()> {
        self.try_send(b"EHLO client.example.com\r\n")?;
        self.try_expect("250")?;
        self.try_send(format!("{}\r\n", auth_plain(user, password)).as_bytes())?;
        self.try_expect("235").map(drop)
    }

    /// Sends octets as they are.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn try_send(&mut self, octets: &[u8]) -> io::Result<()> {
        let shown = &octets[..octets.len().min(200)];
        for line in String::from_utf8_lossy(shown).lines() {
            self.dialogue.push_str(&format!("C: {line}\n"));
        }
        self.stream.write_all(octets)
    }

    /// Reads one reply, however many lines it has.
    ///
    /// # Errors
    /// When the connection fails or what comes is not a reply.
    pub fn try_reply(&mut self) -> io::Result<Reply> {
        let mut lines = Vec::new();
        loop {
            let line = self.read_line()?;
            self.dialogue.push_str(&format!("S: {line}\n"));
            let (code, last, text) = parse(&line).ok_or_else(|| malformed(&line))?;
            lines.push(text.to_owned());
            if last {
                return Ok(Reply { code, lines });
            }
        }
    }

    /// What was said so far.
    pub fn dialogue(&self) -> &str {
        &self.dialogue
    }

    fn try_expect(&mut self, expected: &str) -> io::Result<Reply> {
        let reply = self.try_reply()?;
        if reply.to_string().starts_with(expected) {
            return Ok(reply);
        }
        Err(io::Error::other(format!("{reply} instead of {expected}")))
    }

    #[track_caller]
    fn check(&self, reply: io::Result<Reply>, expected: &str) -> Reply {
        match reply {
            Ok(reply) if reply.to_string().starts_with(expected) => reply,
            Ok(reply) => panic!("{reply}\ninstead of {expected}\n{}", self.dialogue),
            Err(error) => panic!("{error}\ninstead of {expected}\n{}", self.dialogue),
        }
    }

    fn read_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.input) {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.input.extend_from_slice(&buffer[..count]),
            }
        }
    }

    fn switch_to_tls(&mut self) -> io::Result<()> {
        let Stream::Plain(stream) = std::mem::replace(&mut self.stream, Stream::Switching) else {
            return Err(io::ErrorKind::AlreadyExists.into());
        };
        let name = ServerName::try_from("relay.example.com").map_err(io::Error::other)?;
        let connection =
            ClientConnection::new(trusting_config(), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        stream.conn.complete_io(&mut stream.sock)?;
        self.stream = Stream::Tls(Box::new(stream));
        Ok(())
    }
}

/// The AUTH PLAIN command with an initial response.
pub fn auth_plain(user: &str, password: &str) -> String {
    let response = BASE64_STANDARD.encode(format!("\0{user}\0{password}"));
    format!("AUTH PLAIN {response}")
}

/// The content with its dots stuffed (RFC 5321 §4.5.2) and the final dot.
fn stuffed(content: &str) -> Vec<u8> {
    let mut octets = content.replace("\r\n.", "\r\n..").into_bytes();
    if !octets.ends_with(b"\r\n") {
        octets.extend_from_slice(b"\r\n");
    }
    octets.extend_from_slice(b".\r\n");
    octets
}

/// Code, whether it is the last line, and text.
fn parse(line: &str) -> Option<(u16, bool, &str)> {
    let code = line.get(..3)?.parse().ok()?;
    let last = match line.as_bytes().get(3) {
        None | Some(b' ') => true,
        Some(b'-') => false,
        Some(_) => return None,
    };
    Some((code, last, line.get(4..).unwrap_or_default()))
}

fn malformed(line: &str) -> io::Error {
    io::Error::other(format!("not a reply: {line:?}"))
}
