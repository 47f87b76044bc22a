//! What failed logins come to, as the configuration says.

use std::time::Duration;

use serde::Deserialize;

/// The sections `[submission.logins]` and `[panel.logins]`: what failed logins of an address and of a user name come to.
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
