//! What a client may ask of us, and for how long.

use std::time::Duration;

use serde::Deserialize;

use crate::guard::Logins;

/// The `[submission]` section.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Sessions at the same time. Default 10,000; more are told 421.
    pub max_connections: usize,
    /// Sessions at the same time from one IPv4 address or IPv6 /64. Default 200: an office or a farm
    /// of web servers behind one address fits, and it takes fifty addresses to take every place.
    pub max_connections_per_address: usize,
    /// Sessions at the same time of one user. Default 100: as many workers as a busy shop has, and
    /// one user alone cannot take the places of all.
    pub max_connections_per_user: usize,
    /// Seconds a client may let us wait, in all, until it has logged in. Default 120.
    pub login_timeout_s: u64,
    /// Seconds to wait for a command. Default 300 (RFC 5321 §4.5.3.2.7).
    pub command_timeout_s: u64,
    /// Seconds from the first octet of a command line to its end. Default 60: a client writes a line
    /// at once, a person at a terminal in a minute.
    pub command_line_timeout_s: u64,
    /// Seconds to wait for the next octets of content. Default 180 (RFC 5321 §4.5.3.2.5).
    pub content_timeout_s: u64,
    /// Octets of content per second, on average over the window. Default 100: a hundredth of what a
    /// bad mobile connection brings.
    pub min_content_octets_per_s: u64,
    /// Seconds of that window, which are also the grace at the beginning. Default 180: at the least rate
    /// a whole TLS record (16 KiB, of which nothing is seen before its end) fits.
    pub content_window_s: u64,
    /// Seconds for a TLS handshake, and for the PROXY protocol header of an upstream. Default 30.
    pub handshake_timeout_s: u64,
    /// Seconds to wait until a client takes a reply. Default 60.
    pub reply_timeout_s: u64,
    /// Seconds for messages on their way in to end when the relay is told to; idle sessions end at once.
    /// Default 30: a message of the usual size arrives, and no supervisor has lost its patience yet.
    pub drain_s: u64,
    /// Milliseconds until a client has its reply when a policy failed on its message. Default 1,000: a program that tries
    /// again at once has the policy fail once a second, not thousands of times, and who waits for minutes does not notice.
    pub policy_failure_pause_ms: u64,
    /// What failed logins come to.
    pub logins: Logins,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_connections_per_address: 200,
            max_connections_per_user: 100,
            login_timeout_s: 120,
            command_timeout_s: 300,
            command_line_timeout_s: 60,
            content_timeout_s: 180,
            min_content_octets_per_s: 100,
            content_window_s: 180,
            handshake_timeout_s: 30,
            reply_timeout_s: 60,
            drain_s: 30,
            policy_failure_pause_ms: 1000,
            logins: Logins::default(),
        }
    }
}

impl Config {
    pub(super) const fn handshake_timeout(&self) -> Duration {
        Duration::from_secs(self.handshake_timeout_s)
    }

    pub(super) const fn reply_timeout(&self) -> Duration {
        Duration::from_secs(self.reply_timeout_s)
    }

    pub(super) const fn policy_failure_pause(&self) -> Duration {
        Duration::from_millis(self.policy_failure_pause_ms)
    }

    /// How long sessions may take to end after the shutdown is announced.
    pub const fn drain_time(&self) -> Duration {
        Duration::from_secs(self.drain_s)
    }
}
