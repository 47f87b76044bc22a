//! Asks other servers over HTTP: one request, with a limit on everything. No redirect is followed.
//!
//! `delivery` fetches MTA-STS policies by it, `notify` posts to webhooks, `telemetry` to a collector of traces. Who may be asked is decided by
//! [`Wall`], for requests whose address somebody else has chosen.

mod network;
mod target;
mod wall;

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use self::network::{Network, ParseNetworkError};
pub use self::target::Target;
pub use self::wall::Wall;

/// Time for one address to answer.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection to the first of these addresses that answers.
///
/// # Errors
/// With what went wrong at the last of them, for people.
pub async fn connect(addresses: &[IpAddr], port: u16) -> Result<TcpStream, String> {
    let mut last = "it has no address".to_owned();
    for &ip in addresses {
        match timeout(CONNECT, TcpStream::connect(SocketAddr::new(ip, port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => "it does not answer".clone_into(&mut last),
        }
    }
    Err(last)
}

/// The connection encrypted, with a peer that proves to be `host`.
///
/// # Errors
/// With what went wrong, for people.
pub async fn encrypt(
    stream: TcpStream,
    client: Arc<ClientConfig>,
    host: &str,
) -> Result<TlsStream<TcpStream>, String> {
    let name =
        ServerName::try_from(host.to_owned()).map_err(|_| "not a name for TLS".to_owned())?;
    let stream = TlsConnector::from(client).connect(name, stream).await;
    stream.map_err(|error| format!("TLS failed: {error}"))
}

/// A connection that one request after the other can be sent over.
#[derive(Debug)]
pub struct Link(http1::SendRequest<String>);

impl Link {
    /// Over this stream.
    ///
    /// # Errors
    /// With what went wrong, for people.
    pub async fn over<S>(stream: S) -> Result<Self, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| error.to_string())?;
        // It ends with the link and the body that it serves.
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Sends a request, when the body of the answer before was read.
    ///
    /// # Errors
    /// With what went wrong, for people; the link is of no use any more.
    pub async fn ask(&mut self, request: Request<String>) -> Result<Response<Incoming>, String> {
        let ready = self.0.ready().await;
        ready.map_err(|error| error.to_string())?;
        let response = self.0.send_request(request).await;
        response.map_err(|error| error.to_string())
    }

    /// Whether the other side has not closed it yet.
    pub fn is_open(&self) -> bool {
        !self.0.is_closed()
    }
}

/// What is read of a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Read {
    /// The octets, at most as many as were asked for.
    pub octets: Vec<u8>,
    /// There were more.
    pub is_cut: bool,
}

/// Reads a body, or its first octets.
///
/// # Errors
/// With what went wrong, for people.
pub async fn read(mut body: Incoming, max_octets: usize) -> Result<Read, String> {
    let mut octets = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| error.to_string())?;
        if let Some(data) = frame.data_ref() {
            octets.extend_from_slice(data);
        }
        if octets.len() > max_octets {
            octets.truncate(max_octets);
            return Ok(Read {
                octets,
                is_cut: true,
            });
        }
    }
    Ok(Read {
        octets,
        is_cut: false,
    })
}
