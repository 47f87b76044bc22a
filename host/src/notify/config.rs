//! The `[notify]` section: how alerts reach people and programs.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::fetch::Network;

/// The `[notify]` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// The From address of mails that tell of alerts. Default: `postmaster@` and this relay's name. They leave
    /// with a null reverse-path, so that nothing answers them.
    pub sender: Option<String>,
    /// Their priority, 1 to 5. Default 2: before newsletters, behind what is very urgent.
    pub priority: u8,
    /// Seconds between two mails to the same recipients; what happens meanwhile is told in one. Default 300.
    pub pause_s: u64,
    /// Mails within an hour for one list. Default 6; what is more is told in the next.
    pub max_mails_per_hour: u32,
    /// Seconds after which a destination that cannot be reached is a delivery problem. Default 900: restarts of a
    /// mail server are over by then.
    pub delivery_problem_after_s: u64,
    /// Seconds that mail may be due without anything leaving until the queue is stalled. Default 1800.
    pub stalled_after_s: u64,
    /// The same for mail of priority 1 and 2. Default 300.
    pub urgent_stalled_after_s: u64,
    /// Days before its end that a certificate raises an alert. Default 14: time for two working weeks' tries.
    pub certificate_days: u64,
    /// Networks beside the public ones that webhooks may lead to, for example `["10.1.2.0/24"]`; plain `http://`
    /// may be used there as well. Default: none.
    pub allow_private: Vec<Network>,
    /// A PEM file of the authorities that webhooks are trusted by. Default: the system's.
    pub ca_file: Option<PathBuf>,
    /// Seconds for one post to a webhook, from its connection to the end of its answer. Default 15.
    pub webhook_timeout_s: u64,
    /// Posts to one webhook at a time. Default 4.
    pub webhook_concurrency: usize,
    /// Hours that an event is posted again until somebody takes it. Default 72, a long weekend.
    pub webhook_keep_h: u32,
    /// Events that wait for one webhook; beyond it the oldest are given up. Default 100,000, about 60 MB.
    pub webhook_max_waiting: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sender: None,
            priority: 2,
            pause_s: 300,
            max_mails_per_hour: 6,
            delivery_problem_after_s: 900,
            stalled_after_s: 1800,
            urgent_stalled_after_s: 300,
            certificate_days: 14,
            allow_private: Vec::new(),
            ca_file: None,
            webhook_timeout_s: 15,
            webhook_concurrency: 4,
            webhook_keep_h: 72,
            webhook_max_waiting: 100_000,
        }
    }
}

impl Config {
    pub(super) const fn pause(&self) -> Duration {
        Duration::from_secs(self.pause_s)
    }

    pub(super) fn webhook_keep(&self) -> Duration {
        Duration::from_secs(u64::from(self.webhook_keep_h) * 3600)
    }
}
