//! What a client may ask of us, and for how long.

use std::time::Duration;

use serde::Deserialize;

/// The `[submission]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Sessions at the same time. Default 10,000; more are told 421.
    pub max_connections: usize,
    /// Seconds to wait for a command. Default 300 (RFC 5321 §4.5.3.2.7).
    pub command_timeout_s: u64,
    /// Seconds to wait for the next octets of content. Default 180 (RFC 5321 §4.5.3.2.5).
    pub content_timeout_s: u64,
    /// Seconds for a TLS handshake. Default 30.
    pub handshake_timeout_s: u64,
    /// Seconds to wait until a client takes a reply. Default 60.
    pub reply_timeout_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            command_timeout_s: 300,
            content_timeout_s: 180,
            handshake_timeout_s: 30,
            reply_timeout_s: 60,
        }
    }
}

impl Config {
    pub(super) const fn read_timeout(&self, in_content: bool) -> Duration {
        Duration::from_secs(if in_content {
            self.content_timeout_s
        } else {
            self.command_timeout_s
        })
    }

    pub(super) const fn handshake_timeout(&self) -> Duration {
        Duration::from_secs(self.handshake_timeout_s)
    }

    pub(super) const fn reply_timeout(&self) -> Duration {
        Duration::from_secs(self.reply_timeout_s)
    }
}
