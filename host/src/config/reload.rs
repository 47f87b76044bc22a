//! When the files are read again.

use std::time::Duration;

use serde::Deserialize;

/// The `[reload]` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Reload {
    /// Seconds between two looks at the configuration file, the certificates and the policy modules.
    /// Default 5; 0 looks never, so that only SIGHUP and `gatepost policy reload` reload. A change is taken up when two looks agree on it.
    pub poll_s: u64,
}

impl Default for Reload {
    fn default() -> Self {
        Self { poll_s: 5 }
    }
}

impl Reload {
    /// Time between two looks; none when there are none.
    pub const fn poll(&self) -> Option<Duration> {
        match self.poll_s {
            0 => None,
            seconds => Some(Duration::from_secs(seconds)),
        }
    }
}
