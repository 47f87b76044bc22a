//! One `[[listener]]` of the config.

use std::net::{IpAddr, Ipv4Addr};

use serde::Deserialize;

use super::PortRange;
use crate::fetch::Network;
use crate::tls::MinVersion;

/// Where clients connect and how they are encrypted.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// The address to listen on. Default `0.0.0.0`, every IPv4 address of the machine.
    pub address: IpAddr,
    /// Ports and ranges of ports. Default `["25", "1025-5000"]`.
    pub ports: Vec<PortRange>,
    /// Encryption. Default `starttls`: offered, and optional unless `require-tls` is set.
    pub tls: TlsMode,
    /// True refuses everything but EHLO, NOOP, STARTTLS and QUIT on an unencrypted connection
    /// (RFC 3207 §4). Default false.
    pub require_tls: bool,
    /// The oldest version of TLS that is spoken. Default `"1.2"`.
    pub min_tls_version: MinVersion,
    /// True refuses credentials on an unencrypted connection. Default true.
    pub require_tls_for_auth: bool,
    /// Proxies in front of the listener, like `["10.0.0.0/8", "127.0.0.1"]`: connections from there must
    /// begin with a PROXY protocol header, version 1 or 2, and the client is who it says. From elsewhere
    /// none is read. Default none.
    pub proxy_protocol: Vec<Network>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            ports: vec![PortRange::single(25), PortRange::new(1025, 5000)],
            tls: TlsMode::StartTls,
            require_tls: false,
            min_tls_version: MinVersion::default(),
            require_tls_for_auth: true,
            proxy_protocol: Vec::new(),
        }
    }
}

/// How a listener encrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// STARTTLS is offered (RFC 3207).
    StartTls,
    /// TLS from the first octet (RFC 8314 §3.3), as on port 465.
    Implicit,
    /// No encryption at all.
    None,
}
