//! One session of the load generator: as few writes and reads as the protocol allows.

use std::io;
use std::time::{Duration, Instant};

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Load;
use crate::client::auth_plain;

/// How long one reply may take.
const REPLY_LIMIT: Duration = Duration::from_secs(60);

/// A plain or an encrypted connection.
trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// A session that is logged in.
pub(super) struct Session {
    stream: Box<dyn Stream>,
    input: Vec<u8>,
    /// MAIL, RCPT and DATA, line by line.
    envelope: [String; 3],
    pipelining: bool,
}

impl Session {
    /// Connects, greets, and logs in.
    pub(super) async fn open(load: &Load, tls: &TlsConnector) -> io::Result<Self> {
        let mut session = Self::greeted(load).await?;
        let mut offers = session.ehlo().await?;
        if load.tls {
            session.ask_for_tls().await?;
            session = session.encrypt(tls).await?;
            offers = session.ehlo().await?;
        }
        if !load.user.is_empty() {
            let command = format!("{}\r\n", auth_plain(&load.user, &load.password));
            session.write(command.as_bytes()).await?;
            session.expect(235).await?;
        }
        session.envelope = [
            format!("MAIL FROM:<{}>\r\n", load.from),
            format!("RCPT TO:<{}>\r\n", load.to),
            "DATA\r\n".into(),
        ];
        session.pipelining = load.pipelining && offers.contains("PIPELINING");
        Ok(session)
    }

    /// Connects and reads the greeting, without TLS.
    pub(super) async fn greeted(load: &Load) -> io::Result<Self> {
        let stream = TcpStream::connect(load.address).await?;
        stream.set_nodelay(true)?;
        let mut session = Self::new(stream);
        session.expect(220).await?;
        Ok(session)
    }

    fn new(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            input: Vec::with_capacity(4096),
            envelope: Default::default(),
            pipelining: false,
        }
    }

    /// Submits one message: the time from its final dot to the reply.
    pub(super) async fn submit(&mut self, content: &[u8]) -> io::Result<Duration> {
        self.begin().await?;
        self.write(content).await?;
        let sent = Instant::now();
        self.expect(250).await?;
        Ok(sent.elapsed())
    }

    /// Submits content without its final dot and takes every answer to it.
    pub(super) async fn try_submit(&mut self, content: &str) -> io::Result<()> {
        self.begin().await?;
        self.write(content.as_bytes()).await?;
        self.write(b".\r\n").await?;
        tokio::time::timeout(REPLY_LIMIT, self.reply()).await??;
        Ok(())
    }

    /// MAIL, RCPT and DATA.
    pub(super) async fn begin(&mut self) -> io::Result<()> {
        const REPLIES: [u16; 3] = [250, 250, 354];
        if self.pipelining {
            self.stream
                .write_all(self.envelope.concat().as_bytes())
                .await?;
            for code in REPLIES {
                self.expect(code).await?;
            }
        } else {
            for (line, code) in self.envelope.clone().iter().zip(REPLIES) {
                self.write(line.as_bytes()).await?;
                self.expect(code).await?;
            }
        }
        Ok(())
    }

    /// Asks whether the session still lives.
    pub(super) async fn noop(&mut self) -> io::Result<()> {
        self.write(b"NOOP\r\n").await?;
        self.expect(250).await.map(drop)
    }

    /// Asks for TLS and leaves the handshake to the caller.
    pub(super) async fn ask_for_tls(&mut self) -> io::Result<()> {
        self.write(b"STARTTLS\r\n").await?;
        self.expect(220).await.map(drop)
    }

    /// Sends this octet again and again until the relay says something or hangs up.
    pub(super) async fn drip(&mut self, octet: u8, pause: Duration) -> io::Result<()> {
        let mut ignored = [0; 512];
        loop {
            self.write(&[octet]).await?;
            tokio::select! {
                read = self.stream.read(&mut ignored) => return read.map(drop),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Ends the session.
    pub(super) async fn quit(mut self) -> io::Result<()> {
        self.write(b"QUIT\r\n").await?;
        self.expect(221).await.map(drop)
    }

    pub(super) async fn ehlo(&mut self) -> io::Result<String> {
        self.write(b"EHLO load.example.com\r\n").await?;
        self.expect(250).await
    }

    async fn encrypt(self, tls: &TlsConnector) -> io::Result<Self> {
        let name = ServerName::try_from("relay.example.com").map_err(io::Error::other)?;
        Ok(Self::new(tls.connect(name, self.stream).await?))
    }

    pub(super) async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets).await?;
        self.stream.flush().await
    }

    /// Reads one reply, which must have this code; its text.
    async fn expect(&mut self, code: u16) -> io::Result<String> {
        let reply = tokio::time::timeout(REPLY_LIMIT, self.reply()).await??;
        if reply.get(..3).and_then(|digits| digits.parse().ok()) == Some(code) {
            return Ok(reply);
        }
        Err(io::Error::other(format!(
            "{} instead of {code}",
            reply.trim_end()
        )))
    }

    async fn reply(&mut self) -> io::Result<String> {
        let mut reply = String::new();
        loop {
            while let Some(end) = memchr(b'\n', &self.input) {
                let last = self.input.get(3) != Some(&b'-');
                reply.push_str(&String::from_utf8_lossy(&self.input[..=end]));
                self.input.drain(..=end);
                if last {
                    return Ok(reply);
                }
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}
