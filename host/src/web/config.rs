//! The `[web]` section: where HTTP is served, and how much of it.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use crate::http::Limits;

/// The `[web]` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Addresses with ports for plain HTTP. Default: none, so that nothing is served.
    pub http: Vec<SocketAddr>,
    /// Addresses with ports for HTTPS with the relay's certificate. Default: none.
    pub https: Vec<SocketAddr>,
    /// Connections at the same time, in all; more are closed at once. Default 256.
    pub max_connections: usize,
    /// Connections at the same time from one address. Default 32.
    pub max_connections_per_address: usize,
    /// Octets of a request's header section, 8,192 at least. Default 16,384.
    pub max_header_octets: usize,
    /// Octets of a request's body. Default 65,536; an Autodiscover request has about 500.
    pub max_body_octets: usize,
    /// Seconds for a TLS handshake. Default 10.
    pub handshake_timeout_s: u64,
    /// Seconds until a request's header section is complete. Default 10.
    pub header_timeout_s: u64,
    /// Seconds until a request's body is complete. Default 10.
    pub body_timeout_s: u64,
    /// Seconds for a connection as a whole; each serves one request. Default 30.
    pub connection_timeout_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http: Vec::new(),
            https: Vec::new(),
            max_connections: 256,
            max_connections_per_address: 32,
            max_header_octets: 16_384,
            max_body_octets: 65_536,
            handshake_timeout_s: 10,
            header_timeout_s: 10,
            body_timeout_s: 10,
            connection_timeout_s: 30,
        }
    }
}

impl Config {
    /// What connections may cost.
    pub(super) const fn limits(&self) -> Limits {
        Limits {
            connections: self.max_connections,
            connections_per_address: self.max_connections_per_address,
            header_octets: self.max_header_octets,
            handshake: Duration::from_secs(self.handshake_timeout_s),
            header: Duration::from_secs(self.header_timeout_s),
            connection: Duration::from_secs(self.connection_timeout_s),
            keep_alive: false,
        }
    }

    pub(super) const fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_s)
    }
}
