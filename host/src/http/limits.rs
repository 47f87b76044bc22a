//! What connections may cost.

use std::time::Duration;

/// How many connections there may be, and how long each wait may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at the same time, in all; more are closed at once.
    pub connections: usize,
    /// Connections at the same time from one address.
    pub connections_per_address: usize,
    /// Octets of a request's header section.
    pub header_octets: usize,
    /// For a TLS handshake.
    pub handshake: Duration,
    /// Until a request's header section is complete; with `keep_alive` also the wait for the next request.
    pub header: Duration,
    /// For a connection as a whole.
    pub connection: Duration,
    /// True when a connection serves one request after another.
    pub keep_alive: bool,
}
