//! Ports and connections: each has a place and a deadline, and a task of its own.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use super::Limits;
use super::places::{Place, Places};
use crate::shutdown::Shutdown;

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
#[error("cannot listen on {address} for {section}")]
pub struct ListenError {
    /// The address and port.
    pub address: SocketAddr,
    /// The section of the configuration that names it, for example `[web]`.
    pub section: &'static str,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

impl ListenError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        let (port, section) = (self.address.port(), self.section);
        match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                format!(
                    "another program uses port {port}; stop it, or use another port in {section}"
                )
            }
            io::ErrorKind::PermissionDenied => {
                format!("port {port} needs privileges: grant CAP_NET_BIND_SERVICE")
            }
            _ => format!("see the addresses of {section}"),
        }
    }
}

/// An address that is ours; clients wait until [`Server::run`].
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    is_https: bool,
}

impl Bound {
    /// Claims every address, or none; `section` of the configuration names them.
    ///
    /// # Errors
    /// The first address that cannot be had.
    pub fn claim(
        section: &'static str,
        http: &[SocketAddr],
        https: &[SocketAddr],
    ) -> Result<Vec<Self>, ListenError> {
        let plain = http.iter().map(|address| (*address, false));
        let encrypted = https.iter().map(|address| (*address, true));
        let mut bound = Vec::new();
        for (address, is_https) in plain.chain(encrypted) {
            let listener = bind(address).map_err(|source| ListenError {
                address,
                section,
                source,
            })?;
            bound.push(Self { listener, is_https });
        }
        Ok(bound)
    }

    /// Where it is; the port that the system chose when 0 was asked for.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
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

/// Who asks, as every request of a connection finds it among its extensions.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Its address and port.
    pub address: SocketAddr,
    /// True over TLS.
    pub is_https: bool,
}

/// Serves HTTP connections. Cheap to clone.
#[derive(Clone)]
pub struct Server {
    limits: Limits,
    router: Router,
    tls: Option<TlsAcceptor>,
    places: Places,
    shutdown: Shutdown,
}

impl Server {
    /// Connections end when `shutdown` is announced; `tls` is for what was claimed for HTTPS.
    pub fn new(
        limits: Limits,
        router: Router,
        tls: Option<TlsAcceptor>,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            places: Places::new(limits.connections, limits.connections_per_address),
            limits,
            router,
            tls,
            shutdown,
        }
    }

    /// Accepts connections until the shutdown is announced, and serves each in a task of its own.
    pub async fn run(self, bound: Bound) {
        if let Some(address) = bound.address() {
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
        address: SocketAddr,
        is_https: bool,
    ) {
        let Some(place) = self.places.take(address.ip()) else {
            debug!(client = %address, "too many web connections");
            return;
        };
        let server = self.clone();
        let client = Client { address, is_https };
        connections.spawn(async move { server.serve(stream, client, place).await });
    }

    async fn serve(self, stream: TcpStream, client: Client, _place: Place) {
        let served = timeout(self.limits.connection, async {
            if client.is_https {
                self.serve_tls(stream, client).await
            } else {
                self.serve_http(stream, client).await
            }
        });
        let address = client.address;
        match served.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(client = %address, %error, "a web connection failed"),
            Err(_) => debug!(client = %address, "a web connection took too long"),
        }
    }

    async fn serve_tls(&self, stream: TcpStream, client: Client) -> io::Result<()> {
        let Some(acceptor) = &self.tls else {
            return Err(io::Error::other("no certificate"));
        };
        let handshake = timeout(self.limits.handshake, acceptor.accept(stream));
        let stream = handshake.await.map_err(|_| io::ErrorKind::TimedOut)??;
        self.serve_http(stream, client).await
    }

    async fn serve_http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        client: Client,
    ) -> io::Result<()> {
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(client);
            router.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header)
            .max_headers(MAX_HEADERS)
            .max_buf_size(self.limits.header_octets)
            .keep_alive(self.limits.keep_alive)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            served = connection.as_mut() => return served.map_err(io::Error::other),
            () = self.shutdown.announced() => {}
        }
        // A request that runs is answered, an idle connection ends at once.
        connection.as_mut().graceful_shutdown();
        connection.await.map_err(io::Error::other)
    }
}
