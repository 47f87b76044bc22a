//! What an administrator may set about delivery, each limit with its unit, default and reason.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::named::NamedDestination;
use crate::accounts::Limit;
use crate::queue::Priority;
use crate::secret::Secret;

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

/// How the connection to the smarthost is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// STARTTLS with a valid certificate, or no delivery.
    #[default]
    Required,
    /// STARTTLS when it is offered, with any certificate.
    Opportunistic,
    /// TLS from the first octet, usually on port 465 (RFC 8314).
    Implicit,
    /// Never; for a relay on the same machine.
    None,
}

/// The one relay that everything goes to.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Smarthost {
    /// Its name or IP address.
    pub host: String,
    /// Default 587, submission (RFC 6409).
    #[serde(default = "submission_port")]
    pub port: u16,
    /// Default `required`.
    #[serde(default)]
    pub tls: Tls,
    /// With it comes a password; without it no AUTH is tried.
    #[serde(default)]
    pub username: Option<String>,
    /// The password of `username`.
    #[serde(default)]
    pub password: Option<Secret<String>>,
}

const fn submission_port() -> u16 {
    587
}

/// A next hop that policies can choose instead of where all mail goes: `[[delivery.route]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Route {
    /// What policies call it: 1 to 64 of `A-Z a-z 0-9 . _ -`, each once.
    pub name: String,
    /// The relay it is.
    pub smarthost: Smarthost,
}

/// The section `[delivery]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Default `maildir`.
    pub mode: Mode,
    /// Needed by the mode `smarthost`.
    pub smarthost: Option<Smarthost>,
    /// Next hops that policies can choose. Default: none.
    pub route: Vec<Route>,
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
    /// The name in EHLO. Default the relay's `hostname`.
    pub hello_name: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            smarthost: None,
            route: Vec::new(),
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
            bandwidth: Limit::UNLIMITED,
            max_pause_s: 10,
            ageing: Ageing::default(),
            ca_file: None,
            mx_port: 25,
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
    /// How long an idle connection is kept.
    pub const fn idle_keep(&self) -> Duration {
        Duration::from_secs(self.idle_keep_s)
    }

    /// How long a transfer pauses at most.
    pub(super) const fn max_pause(&self) -> Duration {
        Duration::from_secs(self.max_pause_s)
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
    fn a_smarthost_needs_its_host_alone() {
        let config: Config =
            toml::from_str("smarthost = { host = \"smtp.example.net\" }").expect("valid");
        let smarthost = config.smarthost.expect("it was set");
        assert_eq!((smarthost.port, smarthost.tls), (587, Tls::Required));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        for text in ["speed = 1", "smarthost = { host = \"a\", ports = 1 }"] {
            assert!(toml::from_str::<Config>(text).is_err(), "{text}");
        }
    }
}
