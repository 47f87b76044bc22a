//! What an administrator may set about the order of sending and about retries.

use std::time::Duration;

use serde::Deserialize;

use super::retry::Schedule;

/// The section `[scheduler]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Waits between attempts, separated by commas; the last one repeats.
    /// Default `1m,5m,15m,30m,1h,2h,4h`: soon at first, for most trouble is short.
    pub retry: Schedule,
    /// How far a wait is moved by chance, in per cent. Default 10, so that a backlog does not return at once.
    pub retry_jitter_percent: u8,
    /// Hours until an undelivered recipient is given up. Default 120, five days (RFC 5321 §4.5.4.1).
    pub expire_after_h: u32,
    /// Hours until a sender who asked for it (`NOTIFY=DELAY`) is told that a recipient is late. Default 4.
    pub delay_notice_after_h: u32,
    /// Transactions beyond `delivery.max-concurrency` and `delivery.per-destination` that only
    /// priorities 1 and 2 may use, the last quarter only 1; while less urgent mail fills the places, 3 may
    /// use half of them and 4 a quarter. Default 10, so that slow transfers never keep urgent mail waiting.
    pub urgent_reserve: usize,
    /// Seconds until a destination that could not be reached is tried again; doubled each time.
    /// Default 5.
    pub unreachable_first_s: u64,
    /// The longest such wait in seconds. Default 60: a next hop that returns is noticed within a minute.
    pub unreachable_max_s: u64,
    /// Seconds that a destination is left alone when it says "slow down"; doubled each time. Default 1. It gets half
    /// as many transactions at a time as well, and one more for every 20 messages that it takes.
    pub slow_down_first_s: u64,
    /// The longest such pause in seconds. Default 300: what limits by the hour is found open within minutes.
    pub slow_down_max_s: u64,
    /// Octets of content kept in memory for messages that wait. Default 32 MiB, a quarter of it for what comes next;
    /// beyond it the content is read from the store when its turn comes, mostly from the system's cache. While much mail
    /// comes in, less urgent mail waits until it has twelve times as many, or uses three quarters of `ready-envelopes`.
    pub ready_content_octets: usize,
    /// Waiting messages whose envelope is kept in memory, about 1 KiB each. Default 100,000; beyond
    /// it only their place in the order is kept, about 200 octets.
    pub ready_envelopes: usize,
    /// Outcomes waiting for their commit. Default 1,024; beyond it deliveries wait.
    pub unrecorded_outcomes: usize,
    /// Seconds that running transactions have at shutdown. Default 30.
    pub shutdown_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retry: Schedule::default(),
            retry_jitter_percent: 10,
            expire_after_h: 120,
            delay_notice_after_h: 4,
            urgent_reserve: 10,
            unreachable_first_s: 5,
            unreachable_max_s: 60,
            slow_down_first_s: 1,
            slow_down_max_s: 300,
            ready_content_octets: 32 * 1024 * 1024,
            ready_envelopes: 100_000,
            unrecorded_outcomes: 1024,
            shutdown_s: 30,
        }
    }
}

/// The section `[node]`: this process among those that share a store. A store of this machine alone has no nodes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NodeConfig {
    /// The name that people tell it by. Default empty: the name of the relay, `hostname`.
    pub name: String,
    /// Messages that it claims at a time; it holds four times as many at most, and of urgent mail one batch more.
    /// Default 256: some ten milliseconds of the database, and the order of priorities is that of one node to within as
    /// many.
    pub claim_batch: usize,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            claim_batch: 256,
        }
    }
}

impl Config {
    /// How long a message is tried for.
    pub fn expire_after(&self) -> Duration {
        Duration::from_secs(u64::from(self.expire_after_h) * 3600)
    }

    /// When a sender who asked for it is told that a recipient is late.
    pub fn delay_notice_after(&self) -> Duration {
        Duration::from_secs(u64::from(self.delay_notice_after_h) * 3600)
    }
}
