//! What an administrator may set about delivery, each limit with its unit, default and reason.

mod dns;
mod route;
mod smarthost;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

pub use self::dns::{Dns, Dnssec, Server};
pub use self::route::{DomainPattern, Route};
pub use self::smarthost::{Smarthost, Smarthosts, Tls};
use super::named::NamedDestination;
use super::smtp::connection::Chunking;
use crate::accounts::Limit;
use crate::queue::Priority;

/// How mail leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Everything goes to one relay.
    Smarthost,
    /// Each domain's mail exchangers are looked up.
    Mx,
    /// Everything is written to files: until it is told where, mail goes nowhere else.
    #[default]
    Maildir,
}

/// The section `[delivery]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Default `maildir`.
    pub mode: Mode,
    /// Needed by the mode `smarthost`: one, or several of which the first that works is taken.
    pub smarthost: Smarthosts,
    /// Seconds until a smarthost that failed is tried again before others. Default 60.
    pub smarthost_retry_s: u64,
    /// Ways out that lists, recipient domains and policies can choose. Default: none.
    pub route: Vec<Route>,
    /// Addresses of this machine that connections come from, in turn. Default: the system's choice.
    pub source_addresses: Vec<IpAddr>,
    /// How names are looked up.
    pub dns: Dns,
    /// Where the mode `maildir` writes: `<maildir>/<domain>/<local-part>/new/`. Default `maildir`.
    pub maildir: PathBuf,
    /// Transactions at a time over all destinations. Default 100: plenty for a relay, few for a kernel.
    pub max_concurrency: usize,
    /// Transactions at a time to one destination. Default 20, what large receivers accept of one client.
    pub per_destination: usize,
    /// Messages a second to one destination. Default 0, without limit: what a peer wants is learned from its replies.
    pub per_destination_rate: f64,
    /// Other limits for some destinations. Default: none.
    pub destination: Vec<NamedDestination>,
    /// Messages over one connection. Default 1,000; a new connection spreads load over the next hop's nodes.
    pub messages_per_connection: u32,
    /// Seconds an idle connection is kept for the next message. Default 10.
    pub idle_keep_s: u64,
    /// Seconds to wait for a TCP connection, and for a TLS handshake. Default 30.
    pub connect_timeout_s: u64,
    /// Seconds to wait for the greeting and for the reply to a command. Default 300 (RFC 5321 §4.5.3.2).
    pub command_timeout_s: u64,
    /// Seconds to wait while a block of content is sent. Default 180 (RFC 5321 §4.5.3.2.5).
    pub data_block_timeout_s: u64,
    /// Seconds to wait for the reply to the final dot. Default 600 (RFC 5321 §4.5.3.2.6).
    pub data_end_timeout_s: u64,
    /// Whether content goes as one chunk, unchanged, to next hops that offer CHUNKING (RFC 3030), or after DATA wherever it
    /// can. Default true; false is for peers that offer what they cannot do.
    pub chunking: bool,
    /// Octets of content that go out along with the envelope, in one write and ahead of any reply, to next hops that take
    /// it so (CHUNKING and PIPELINING); 0: none. Default 16,384: what a new connection may send at once anyway.
    pub eager_octets: u64,
    /// Bytes per second of content to all next hops together, given out strictly by priority: a large transfer stops in the
    /// middle of its content while more urgent ones need the line. Default unlimited: only you know your line.
    pub bandwidth: Limit,
    /// Seconds that a transfer stands still for the sake of more urgent ones; then it may send a little. Default 10: peers
    /// wait for 180 s (RFC 5321 §4.5.3.2.5), busy ones for less, and a kilobyte in ten seconds is next to nothing.
    pub max_pause_s: u64,
    /// Whether what waits becomes more urgent. Default: it does not.
    pub ageing: Ageing,
    /// PEM file of the certificate authorities to trust; default the system's.
    pub ca_file: Option<PathBuf>,
    /// The port of mail exchangers. Default 25.
    pub mx_port: u16,
    /// The port that MTA-STS policies of other domains are fetched from. Default 443.
    pub mta_sts_port: u16,
    /// Mail exchangers tried in one attempt. Default 5; RFC 5321 §5.1 asks for two at least.
    pub max_mx_hosts: usize,
    /// Addresses tried of one host in one attempt. Default 4, two of each family.
    pub max_host_addresses: usize,
    /// Milliseconds until the next address of a host is tried beside one that is silent. Default 250 (RFC 8305 §5).
    pub next_address_ms: u64,
    /// The name in EHLO. Default the relay's `hostname`.
    pub hello_name: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            smarthost: Smarthosts::default(),
            smarthost_retry_s: 60,
            route: Vec::new(),
            source_addresses: Vec::new(),
            dns: Dns::default(),
            maildir: PathBuf::from("maildir"),
            max_concurrency: 100,
            per_destination: 20,
            per_destination_rate: 0.0,
            destination: Vec::new(),
            messages_per_connection: 1000,
            idle_keep_s: 10,
            connect_timeout_s: 30,
            command_timeout_s: 300,
            data_block_timeout_s: 180,
            data_end_timeout_s: 600,
            chunking: true,
            eager_octets: 16 * 1024,
            bandwidth: Limit::UNLIMITED,
            max_pause_s: 10,
            ageing: Ageing::default(),
            ca_file: None,
            mx_port: 25,
            mta_sts_port: 443,
            max_mx_hosts: 5,
            max_host_addresses: 4,
            next_address_ms: 250,
            hello_name: None,
        }
    }
}

/// The section `[delivery.ageing]`: what waits becomes more urgent, so that a steady stream of urgent mail does not keep
/// the rest waiting for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Ageing {
    /// Seconds of waiting for its turn that are worth one priority. Default 0, none: the order is strict.
    pub step_s: u64,
    /// The priority that nothing goes beyond by waiting. Default 2, so that 1 stays what it is.
    pub up_to: Priority,
}

impl Default for Ageing {
    fn default() -> Self {
        Self {
            step_s: 0,
            up_to: Priority::High,
        }
    }
}

/// The waits of one connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    pub connect: Duration,
    pub command: Duration,
    pub data_block: Duration,
    pub data_end: Duration,
}

impl Config {
    /// How long a smarthost that failed comes after the others.
    pub(super) const fn smarthost_retry(&self) -> Duration {
        Duration::from_secs(self.smarthost_retry_s)
    }

    /// How long an idle connection is kept.
    pub const fn idle_keep(&self) -> Duration {
        Duration::from_secs(self.idle_keep_s)
    }

    /// How long a transfer pauses at most.
    pub(super) const fn max_pause(&self) -> Duration {
        Duration::from_secs(self.max_pause_s)
    }

    pub(super) const fn chunking(&self) -> Chunking {
        Chunking {
            preferred: self.chunking,
            eager_octets: self.eager_octets,
        }
    }

    pub(super) const fn timeouts(&self) -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(self.connect_timeout_s),
            command: Duration::from_secs(self.command_timeout_s),
            data_block: Duration::from_secs(self.data_block_timeout_s),
            data_end: Duration::from_secs(self.data_end_timeout_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused() {
        for text in ["speed = 1", "smarthost = { host = \"a\", ports = 1 }"] {
            assert!(toml::from_str::<Config>(text).is_err(), "{text}");
        }
    }
}
