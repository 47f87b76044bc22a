//! The socket of one session, in plain text or encrypted.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// A handshake failed.
    Gone,
}

impl Wire {
    pub async fn read(&mut self, input: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_buf(input).await,
            Self::Tls(stream) => stream.read_buf(input).await,
            Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(octets).await,
            Self::Tls(stream) => {
                stream.write_all(octets).await?;
                stream.flush().await
            }
            Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub async fn encrypt(&mut self, acceptor: &TlsAcceptor) -> io::Result<()> {
        if let Self::Plain(stream) = std::mem::replace(self, Self::Gone) {
            *self = Self::Tls(Box::new(acceptor.accept(stream).await?));
        }
        Ok(())
    }

    pub const fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Where the other side comes from.
    pub fn peer(&self) -> Option<IpAddr> {
        let address = match self {
            Self::Plain(stream) => stream.peer_addr(),
            Self::Tls(stream) => stream.get_ref().0.peer_addr(),
            Self::Gone => return None,
        };
        address.ok().map(|address| address.ip())
    }
}
