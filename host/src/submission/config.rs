//! What a client may ask of us, and for how long.

use std::time::Duration;

use serde::Deserialize;

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
    /// What failed logins come to.
    pub logins: Logins,
}

/// The `[submission.logins]` section: what failed logins of an address and of a user name come to.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Logins {
    /// Failures after which nothing happens yet. Default 3: people mistype.
    pub free_failures: u32,
    /// Milliseconds that the login after them waits; doubled by every further failure. Default 1,000.
    pub first_delay_ms: u64,
    /// Seconds a login waits at most because of its address. Default 30: less than any client's patience.
    pub max_delay_s: u64,
    /// Seconds a login waits at most because of its user name. Default 5: whoever is attacked from
    /// elsewhere still gets in.
    pub max_user_delay_s: u64,
    /// Seconds after which one failure is forgotten. Default 60.
    pub forget_one_after_s: u64,
    /// Failures of an address or a user name that raise an alert. Default 20.
    pub alert_after: u32,
    /// Failures that block an address. Default 100; the same wrong password again does not count.
    pub block_after: u32,
    /// Seconds an address is blocked: what it sends is told 421, but for users who are known there
    /// (`known-s`). Default 900.
    pub block_s: u64,
    /// Seconds since a login within which the same user gets in from the same address though that is
    /// blocked, and does not wait for its failures. Default 604,800, a week: an office that is closed at
    /// weekends is known on Monday. `free-failures` wrong passwords more, and a user is unknown there.
    pub known_s: u64,
    /// Addresses, and user names, whose failures and logins are remembered. Default 10,000 each, about three
    /// megabytes in all; then the oldest are forgotten.
    pub remembered: usize,
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
            logins: Logins::default(),
        }
    }
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            free_failures: 3,
            first_delay_ms: 1000,
            max_delay_s: 30,
            max_user_delay_s: 5,
            forget_one_after_s: 60,
            alert_after: 20,
            block_after: 100,
            block_s: 900,
            known_s: 7 * 86_400,
            remembered: 10_000,
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

    /// How long sessions may take to end after the shutdown is announced.
    pub const fn drain_time(&self) -> Duration {
        Duration::from_secs(self.drain_s)
    }
}

/// The longest time that is added to the present, so that its end is a time that can be.
const CENTURY_S: u64 = 100 * 366 * 86_400;

impl Logins {
    pub(super) const fn first_delay(&self) -> Duration {
        Duration::from_millis(self.first_delay_ms)
    }

    pub(super) const fn max_delay(&self) -> Duration {
        Duration::from_secs(self.max_delay_s)
    }

    pub(super) const fn max_user_delay(&self) -> Duration {
        Duration::from_secs(self.max_user_delay_s)
    }

    /// At least a second, so that failures are forgotten one by one.
    pub(super) fn forget_one_after(&self) -> Duration {
        Duration::from_secs(self.forget_one_after_s.max(1))
    }

    pub(super) fn block(&self) -> Duration {
        Duration::from_secs(self.block_s.min(CENTURY_S))
    }

    pub(super) fn known(&self) -> Duration {
        Duration::from_secs(self.known_s.min(CENTURY_S))
    }
}
