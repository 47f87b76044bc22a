//! The `[monitor]` section: where metrics are served.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use crate::http::Limits;

/// Octets of a request's header section: a monitor sends little.
const HEADER_OCTETS: usize = 8192;
/// For the header section, and for the next request of a connection: longer than between two looks of most monitors.
const HEADER_TIMEOUT: Duration = Duration::from_secs(75);
/// For a connection as a whole.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(3600);

/// The `[monitor]` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Addresses with ports, plain HTTP. Default: none, so that nothing is served.
    pub address: Vec<SocketAddr>,
    /// Connections at the same time; more are closed at once. Default 32: some monitors, some people.
    pub max_connections: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: Vec::new(),
            max_connections: 32,
        }
    }
}

impl Config {
    pub(super) const fn limits(&self) -> Limits {
        Limits {
            connections: self.max_connections,
            connections_per_address: self.max_connections,
            header_octets: HEADER_OCTETS,
            handshake: HEADER_TIMEOUT,
            header: HEADER_TIMEOUT,
            connection: CONNECTION_TIMEOUT,
            keep_alive: true,
        }
    }
}
