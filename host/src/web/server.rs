//! Ports and connections: each connection serves one request, and nothing of it lasts long.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::places::Place;
use super::{Config, Web};

/// Connections the kernel keeps for us until we take them. Default 128.
const BACKLOG: i32 = 128;
/// Pause after a failed accept: without descriptors, trying at once would only burn time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What running requests get at shutdown. Default 2 s.
const DRAIN_TIME: Duration = Duration::from_secs(2);
/// Header fields of a request. Default 64.
const MAX_HEADERS: usize = 64;

/// Why an address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for the web")]
pub struct ListenError {
    /// The address and port.
    pub address: SocketAddr,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

impl ListenError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        let port = self.address.port();
        match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                format!("another program uses port {port}; stop it, or use another port in [web]")
            }
            io::ErrorKind::PermissionDenied => {
                format!("port {port} needs privileges: grant CAP_NET_BIND_SERVICE")
            }
            _ => "see `http` and `https` of [web]".to_owned(),
        }
    }
}

/// An address that is ours; clients wait until [`Web::run`].
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    is_https: bool,
}

impl Bound {
    /// Claims every address of the section, or none.
    ///
    /// # Errors
    /// The first address that cannot be had.
    pub fn claim(config: &Config) -> Result<Vec<Self>, ListenError> {
        let plain = config.http.iter().map(|address| (*address, false));
        let encrypted = config.https.iter().map(|address| (*address, true));
        let mut bound = Vec::new();
        for (address, is_https) in plain.chain(encrypted) {
            let listener = bind(address).map_err(|source| ListenError { address, source })?;
            bound.push(Self { listener, is_https });
        }
        Ok(bound)
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` stay two addresses, whatever the system's default is.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

impl Web {
    /// Accepts connections until the shutdown is announced, and serves each in a task of its own.
    pub async fn run(self, bound: Bound) {
        if let Ok(address) = bound.listener.local_addr() {
            info!(%address, https = bound.is_https, "serving HTTP");
        }
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = bound.listener.accept() => match accepted {
                    Ok((stream, client)) => self.spawn(&mut connections, stream, client, bound.is_https),
                    Err(error) => {
                        warn!(%error, "a web connection cannot be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
                () = self.shutdown.announced() => break,
            }
        }
        drop(bound);
        let drained = async { while connections.join_next().await.is_some() {} };
        if timeout(DRAIN_TIME, drained).await.is_err() {
            connections.shutdown().await;
        }
    }

    fn spawn(
        &self,
        connections: &mut JoinSet<()>,
        stream: TcpStream,
        client: SocketAddr,
        is_https: bool,
    ) {
        let Some(place) = self.places.take(client.ip()) else {
            debug!(%client, "too many web connections");
            return;
        };
        let web = self.clone();
        connections.spawn(async move { web.serve(stream, client, is_https, place).await });
    }

    async fn serve(self, stream: TcpStream, client: SocketAddr, is_https: bool, _place: Place) {
        let limit = self.config.connection_timeout();
        let served = timeout(limit, async {
            if is_https {
                self.serve_tls(stream).await
            } else {
                self.serve_http(stream).await
            }
        });
        match served.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%client, %error, "a web connection failed"),
            Err(_) => debug!(%client, "a web connection took too long"),
        }
    }

    async fn serve_tls(&self, stream: TcpStream) -> io::Result<()> {
        let Some(acceptor) = &self.tls else {
            return Err(io::Error::other("no certificate"));
        };
        let handshake = timeout(self.config.handshake_timeout(), acceptor.accept(stream));
        let stream = handshake.await.map_err(|_| io::ErrorKind::TimedOut)??;
        self.serve_http(stream).await
    }

    async fn serve_http(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let service = TowerToHyperService::new(self.router.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.config.header_timeout())
            .max_headers(MAX_HEADERS)
            .max_buf_size(self.config.max_header_octets)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        connection.await.map_err(io::Error::other)
    }
}
