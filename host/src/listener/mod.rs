//! Opens the ports and hands connections to `submission`. Reads no protocol.

mod config;
mod ports;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tracing::{info, warn};

pub use self::config::{Config, TlsMode};
pub use self::ports::{ParsePortsError, PortRange};
use crate::shutdown::Shutdown;
use crate::submission::{Entrance, Submission};

/// Connections the kernel keeps for us until we take them. Default 1,024.
const BACKLOG: i32 = 1024;
/// Pause after a failed accept: without descriptors, trying at once would only burn time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a port cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
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
                format!(
                    "another program uses port {port}; stop it, or leave the port out of `ports`"
                )
            }
            io::ErrorKind::PermissionDenied => {
                format!(
                    "port {port} needs privileges: grant CAP_NET_BIND_SERVICE, or use a port from 1024 up"
                )
            }
            io::ErrorKind::AddrNotAvailable => {
                format!(
                    "{} is no address of this machine; see `address` of the listener",
                    self.address.ip()
                )
            }
            _ => "see `address` and `ports` of the listener".to_owned(),
        }
    }
}

/// A port that is ours but not open yet: clients are refused until [`Bound::open`].
#[derive(Debug)]
pub struct Bound {
    socket: Socket,
    address: SocketAddr,
}

impl Bound {
    /// Claims every port of the listener, or none.
    ///
    /// # Errors
    /// The first port that cannot be had.
    pub fn claim(address: IpAddr, ports: &[PortRange]) -> Result<Vec<Self>, ListenError> {
        let addresses = ports
            .iter()
            .flat_map(PortRange::iter)
            .map(|port| SocketAddr::new(address, port));
        addresses
            .map(|address| bind(address).map_err(|source| ListenError { address, source }))
            .collect()
    }

    /// Lets clients in.
    ///
    /// # Errors
    /// When the operating system refuses after all.
    pub fn open(self) -> Result<Open, ListenError> {
        let address = self.address;
        let listen = || -> io::Result<TcpListener> {
            self.socket.listen(BACKLOG)?;
            TcpListener::from_std(self.socket.into())
        };
        listen()
            .map(|listener| Open { listener, address })
            .map_err(|source| ListenError { address, source })
    }
}

fn bind(address: SocketAddr) -> io::Result<Bound> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // `::` and `0.0.0.0` stay two listeners, whatever the system's default is.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    let address = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok(Bound { socket, address })
}

/// An open port.
#[derive(Debug)]
pub struct Open {
    listener: TcpListener,
    address: SocketAddr,
}

impl Open {
    /// The address with the real port, also when port 0 was asked for.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections until the shutdown is announced, and serves each in a task of its own.
    pub async fn run(self, submission: Submission, entrance: Entrance, shutdown: Shutdown) {
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, client)) => self.spawn(&mut sessions, stream, client, &submission, &entrance),
                    Err(error) => {
                        warn!(address = %self.address, %error, "a connection cannot be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = sessions.join_next() => {}
                () = shutdown.announced() => break,
            }
        }
        drop(self.listener);
        while sessions.join_next().await.is_some() {}
    }

    fn spawn(
        &self,
        sessions: &mut JoinSet<()>,
        stream: TcpStream,
        client: SocketAddr,
        submission: &Submission,
        entrance: &Entrance,
    ) {
        if let Err(error) = stream.set_nodelay(true) {
            info!(%client, %error, "a connection closed at once");
            return;
        }
        let (submission, door, port) = (submission.clone(), entrance.door(), self.address.port());
        sessions.spawn(async move { submission.serve(stream, client, port, door).await });
    }
}
