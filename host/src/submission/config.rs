//! What a client may ask of us, and for how long.

use std::time::Duration;

use serde::Deserialize;

/// The `[submission]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Octets of a message, header included. Default 52,428,800 (50 MiB); announced by SIZE (RFC 1870).
    pub max_message_octets: u64,
    /// Octets of the header section of a message. Default 262,144.
    pub max_header_octets: usize,
    /// Octets of a text line, CRLF included. Default 1,000 (RFC 5321 §4.5.3.1.6).
    pub max_text_line_octets: usize,
    /// Octets of a command line, CRLF included. Default 2,048: the 512 of RFC 5321 §4.5.3.1.4 and room for parameters.
    pub max_command_octets: usize,
    /// Recipients per message. Default 100, the minimum RFC 5321 §4.5.3.1.8 asks for.
    pub max_recipients: usize,
    /// Messages per session. Default 1,000; then 421.
    pub max_messages_per_session: u32,
    /// Commands in a session that we could not make sense of. Default 20; then 421.
    pub max_bad_commands: u32,
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
            max_message_octets: 50 * 1024 * 1024,
            max_header_octets: 256 * 1024,
            max_text_line_octets: 1000,
            max_command_octets: 2048,
            max_recipients: 100,
            max_messages_per_session: 1000,
            max_bad_commands: 20,
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
