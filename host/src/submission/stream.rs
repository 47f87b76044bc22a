//! A client's connection, plain or under TLS, with a limit on every wait.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a client may take to notice that the session is over.
const LINGER_TIME: Duration = Duration::from_secs(2);
/// How much it may still send before it does.
const LINGER_OCTETS: usize = 64 * 1024;

/// The transport of one session.
pub enum Stream {
    /// Before STARTTLS, or where there is none.
    Plain(TcpStream),
    /// Under TLS.
    Tls(Box<TlsStream<TcpStream>>),
    /// A handshake failed; nothing can be read or written any more.
    Closed,
}

impl Stream {
    /// Reads what is there, at most the capacity of `buffer`; 0 is the end.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer).await,
            Self::Tls(stream) => stream.read(buffer).await,
            Self::Closed => Ok(0),
        }
    }

    /// Appends what is there to `buffer`, at most what it has room for; 0 is the end.
    ///
    /// # Cancel safety
    /// Nothing is taken unless this returns.
    pub async fn append(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_buf(buffer).await,
            Self::Tls(stream) => stream.read_buf(buffer).await,
            Self::Closed => Ok(0),
        }
    }

    /// Reads what is there, at most `size` octets, and holds no buffer while there is nothing: a client
    /// that is silent costs none. 0 is the end.
    ///
    /// # Cancel safety
    /// Nothing is taken unless this returns.
    pub async fn read_lazily(&mut self, buffer: &mut Vec<u8>, size: usize) -> io::Result<usize> {
        loop {
            buffer.resize(size, 0);
            if let Some(read) = self.read_now(buffer).await {
                return read;
            }
            *buffer = Vec::new();
            self.readable().await?;
        }
    }

    /// What a read comes to at once; none when it would wait.
    async fn read_now(&mut self, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        let mut read = pin!(self.read(buffer));
        poll_fn(|context| {
            Poll::Ready(match read.as_mut().poll(context) {
                Poll::Ready(read) => Some(read),
                Poll::Pending => None,
            })
        })
        .await
    }

    /// Waits until octets have arrived, which under TLS may be too few to read any.
    async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.readable().await,
            Self::Tls(stream) => stream.get_ref().0.readable().await,
            Self::Closed => Ok(()),
        }
    }

    /// Writes all of `octets`.
    pub async fn write(&mut self, octets: &[u8], limit: Duration) -> io::Result<()> {
        let write = async {
            match self {
                Self::Plain(stream) => stream.write_all(octets).await,
                Self::Tls(stream) => {
                    stream.write_all(octets).await?;
                    stream.flush().await
                }
                Self::Closed => Err(io::ErrorKind::NotConnected.into()),
            }
        };
        timeout(limit, write)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Says goodbye in the way of the transport; what the client makes of it does not matter.
    pub async fn close(&mut self, limit: Duration) {
        let close = async {
            match self {
                Self::Plain(stream) => stream.shutdown().await,
                Self::Tls(stream) => stream.shutdown().await,
                Self::Closed => Ok(()),
            }
        };
        if let Ok(Err(error)) = timeout(limit, close).await {
            tracing::trace!(%error, "the client had gone before the close");
        }
        // Its time may run out: then the client is one that goes on sending.
        let _ = timeout(LINGER_TIME, self.linger()).await;
    }

    /// Reads away what still comes: octets left unread would make the system reset the connection,
    /// and the client might never see our last reply.
    async fn linger(&mut self) {
        // Not an array: it would be part of every session's state.
        let mut buffer = vec![0; 4096];
        let mut left = LINGER_OCTETS;
        while let Ok(octets @ 1..) = self.read(&mut buffer).await {
            left = left.saturating_sub(octets);
            if left == 0 {
                return;
            }
        }
    }

    /// Takes the server's part in a TLS handshake.
    pub async fn accept_tls(self, acceptor: &TlsAcceptor, limit: Duration) -> io::Result<Self> {
        match self {
            Self::Plain(stream) => {
                let handshake = timeout(limit, acceptor.accept(stream)).await;
                let stream = handshake.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
                Ok(Self::Tls(Box::new(stream)))
            }
            Self::Tls(_) | Self::Closed => Err(io::Error::other("TLS is already in use")),
        }
    }

    /// Protocol version and cipher suite, for example `TLSv1.3` and `TLS13_AES_256_GCM_SHA384`.
    pub fn tls_parameters(&self) -> Option<(String, String)> {
        let Self::Tls(stream) = self else { return None };
        let (_, connection) = stream.get_ref();
        let version = match connection.protocol_version()? {
            rustls::ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
            rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
            other => format!("{other:?}"),
        };
        let cipher = format!("{:?}", connection.negotiated_cipher_suite()?.suite());
        Some((version, cipher))
    }
}
