//! The ports of the listeners: how they are taken and opened, and what clients find behind them.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use super::StartError;
use crate::config::Config;
use crate::listener::{self, Bound, Open, TlsMode};
use crate::smtp::{AuthPolicy, SessionConfig};
use crate::submission::Door;
use crate::tls::{self, Certificates};

/// Where mail of ours would come back to us.
pub(super) fn listening(listeners: &[listener::Config]) -> Vec<(IpAddr, RangeInclusive<u16>)> {
    let ranges = listeners.iter().flat_map(|listener| {
        let ports = listener.ports.iter();
        ports.map(|range| (listener.address, range.span()))
    });
    ranges.collect()
}

/// Takes the ports of all listeners; nobody can connect yet.
pub(super) fn claim(listeners: &[listener::Config]) -> Result<Vec<Vec<Bound>>, StartError> {
    raise_descriptor_limit();
    let claimed = listeners
        .iter()
        .map(|listener| Bound::claim(listener.address, &listener.ports));
    Ok(claimed.collect::<Result<_, _>>()?)
}

/// A thousand ports and ten thousand sessions need more descriptors than the usual soft limit.
fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised) {
        warn!(%error, "the limit of open files cannot be raised");
    }
}

/// Lets clients connect; they wait until the sessions are served.
pub(super) fn open(bound: Vec<Vec<Bound>>) -> Result<Vec<Vec<Open>>, StartError> {
    let opened = bound
        .into_iter()
        .map(|ports| ports.into_iter().map(Bound::open).collect());
    Ok(opened.collect::<Result<_, _>>()?)
}

/// One for each listener, in their order.
pub(super) fn doors(
    config: &Config,
    certificates: Option<&Certificates>,
) -> Result<Vec<Door>, tls::TlsError> {
    let doors = config.listener.iter().map(|listener| {
        let acceptor = acceptor(listener, certificates)?;
        Ok(door(config, listener, acceptor))
    });
    doors.collect()
}

/// None when the listener does not encrypt.
fn acceptor(
    listener: &listener::Config,
    certificates: Option<&Certificates>,
) -> Result<Option<TlsAcceptor>, tls::TlsError> {
    let certificates = certificates.filter(|_| listener.tls != TlsMode::None);
    let config = certificates.map(|shown| shown.server_config(listener.min_tls_version));
    Ok(config.transpose()?.map(TlsAcceptor::from))
}

fn door(config: &Config, listener: &listener::Config, tls: Option<TlsAcceptor>) -> Door {
    let session = SessionConfig {
        hostname: config.hostname.clone(),
        starttls: listener.tls == TlsMode::StartTls,
        require_tls: listener.require_tls,
        auth: if listener.require_tls_for_auth {
            AuthPolicy::TlsOnly
        } else {
            AuthPolicy::Always
        },
        ..config.smtp.clone()
    };
    Door {
        session: Arc::new(session),
        tls,
        implicit_tls: listener.tls == TlsMode::Implicit,
        upstreams: listener.proxy_protocol.clone(),
    }
}

/// One line that says where clients can connect, however many ports there are.
pub(super) fn announce(config: &Config, addresses: &[SocketAddr]) {
    let listeners = config.listener.iter().map(|listener| {
        let ports: Vec<String> = listener.ports.iter().map(ToString::to_string).collect();
        format!("{}:{}", listener.address, ports.join(","))
    });
    let listeners: Vec<String> = listeners.collect();
    info!(
        hostname = config.hostname,
        ports = addresses.len(),
        "ready for mail on {}",
        listeners.join(" ")
    );
}
