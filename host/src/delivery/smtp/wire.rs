//! The octets of one connection, shared between the protocol library and our own content writer.
//!
//! A [`Wire`] is a handle: every clone speaks over the same socket. It hands out what it reads one
//! line at a time, so that nobody above it ever holds octets that came after the current reply;
//! what a peer sends ahead of a TLS handshake is thereby seen and refused (RFC 3207 §6).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::BytesMut;
use lettre::transport::smtp::client::AsyncTokioStream;
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Silence after which the system asks whether the peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Octets of a reply line. RFC 5321 §4.5.3.1.5 allows 512; peers exceed it.
const MAX_REPLY_LINE: usize = 996;
/// Octets of the greeting and the first reply to EHLO that are kept to read the extensions from.
const MAX_HELLO: usize = 16 * 1024;
/// Octets of one reply, all its lines. Default 32 KiB: replies to EHLO have one or two.
const MAX_REPLY: usize = 32 * 1024;
const READ_SIZE: usize = 4096;

/// A handle on one connection.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Mutex<Inner>>);

struct Inner {
    transport: Transport,
    peer: SocketAddr,
    /// Read from the transport, not yet handed out.
    inbound: BytesMut,
    /// What was handed out before `take_hello`.
    hello: Option<Vec<u8>>,
    /// Octets of the reply that has not ended yet.
    reply_octets: usize,
}

enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// A handshake failed, or is under way.
    Gone,
}

impl Wire {
    /// Takes over a connected socket.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        // A peer that lost its power is noticed before the reply's own limit of ten minutes.
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        Ok(Self(Arc::new(Mutex::new(Inner {
            peer: stream.peer_addr()?,
            transport: Transport::Plain(stream),
            inbound: BytesMut::new(),
            hello: Some(Vec::new()),
            reply_octets: 0,
        }))))
    }

    /// Goes on encrypted, for every handle; returns the version of TLS.
    ///
    /// # Errors
    /// When the peer sent something ahead of the handshake, or the handshake fails; the wire is dead then.
    ///
    /// # Cancel safety
    /// A cancelled handshake leaves a dead wire.
    pub async fn upgrade(&self, config: Arc<ClientConfig>, name: &str) -> io::Result<&'static str> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "not a name for TLS"))?;
        let plain = self.take_plain()?;
        let encrypted = TlsConnector::from(config).connect(name, plain).await?;
        let version = match encrypted.get_ref().1.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "1.3",
        };
        self.0.lock().transport = Transport::Tls(Box::new(encrypted));
        Ok(version)
    }

    fn take_plain(&self) -> io::Result<TcpStream> {
        let mut inner = self.0.lock();
        if !inner.inbound.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the peer sent plaintext ahead of the TLS handshake",
            ));
        }
        match std::mem::replace(&mut inner.transport, Transport::Gone) {
            Transport::Plain(stream) => Ok(stream),
            other => {
                inner.transport = other;
                Err(io::ErrorKind::NotConnected.into())
            }
        }
    }

    /// True after a handshake.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.0.lock().transport, Transport::Tls(_))
    }

    /// True while the peer has neither said anything unasked nor closed the connection. What it said
    /// ahead of a command would be taken for the reply to it.
    pub fn is_quiet(&self) -> bool {
        let mut inner = self.0.lock();
        let mut context = Context::from_waker(Waker::noop());
        inner.inbound.is_empty() && inner.poll_fill(&mut context).is_pending()
    }

    /// What the peer said up to now (its greeting and reply to EHLO); nothing is kept afterwards.
    pub fn take_hello(&self) -> String {
        let octets = self.0.lock().hello.take().unwrap_or_default();
        String::from_utf8_lossy(&octets).into_owned()
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wire({})", self.0.lock().peer)
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.lock().peer)
    }
}

impl Inner {
    /// Hands out at most one line.
    fn poll_line(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some(end) = self.inbound.iter().position(|&octet| octet == b'\n') {
                let line = self.inbound.split_to(end + 1);
                return Poll::Ready(self.hand_out(&line, out));
            }
            if self.inbound.len() > MAX_REPLY_LINE {
                let text = "the peer's reply line is too long";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
            }
            if ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// One line as RFC 5321 §4.2 wants it: CRLF at its end, and a space after a code without text.
    fn hand_out(&mut self, line: &[u8], out: &mut ReadBuf<'_>) -> io::Result<()> {
        let text = line.trim_ascii_end();
        let separator: &[u8] = if text.len() == 3 { b" " } else { b"" };
        self.reply_octets += line.len();
        if self.reply_octets > MAX_REPLY {
            let text = "the peer's reply does not end";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        if text.get(3) != Some(&b'-') {
            self.reply_octets = 0;
        }
        if out.remaining() < text.len() + separator.len() + 2 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        for part in [text, separator, b"\r\n"] {
            out.put_slice(part);
            if let Some(hello) = self.hello.as_mut().filter(|kept| kept.len() < MAX_HELLO) {
                hello.extend_from_slice(part);
            }
        }
        Ok(())
    }

    /// Reads what there is; 0 at the end of the connection.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut octets = [0; READ_SIZE];
        let mut buffer = ReadBuf::new(&mut octets);
        ready!(match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Transport::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        })?;
        let filled = buffer.filled();
        // Replies are ASCII (RFC 5321 §4.2); other octets are words in an unknown charset.
        let ascii = |&octet: &u8| if octet.is_ascii() { octet } else { b'?' };
        self.inbound.extend(filled.iter().map(ascii));
        Poll::Ready(Ok(filled.len()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.lock().poll_line(cx, out)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0.lock().transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(cx, octets),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, octets),
            Transport::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0.lock().transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0.lock().transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Gone => Poll::Ready(Ok(())),
        }
    }
}
