//! What credentials may cost.

use serde::Deserialize;

/// How passwords are hashed and how verifications are bounded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Memory of one argon2id hash, in KiB. Default 19,456, with two iterations what OWASP recommends.
    pub memory_kib: u32,
    /// Passes over that memory. Default 2.
    pub iterations: u32,
    /// Lanes of one hash. Default 1: passwords are verified beside one another instead.
    pub parallelism: u32,
    /// Iterations of a SCRAM verifier (RFC 7677). Default 10,000, at least 4,096: generated passwords have
    /// 130 random bits, and a client computes all of them at each login. Counts for a new store; its first
    /// start or password fixes them, for different counts would tell who exists.
    pub scram_iterations: u32,
    /// Hashes computed at the same time. Default 2: enough for logins, and guessing cannot take every
    /// processor or more than 2 times `memory-kib`.
    pub concurrent_hashes: usize,
    /// Seconds a login waits for its turn before it is told to come again. Default 10: clients wait
    /// longer than that for a reply (RFC 5321 §4.5.3.2).
    pub wait_s: u64,
    /// Seconds a verified credential is remembered. Default 300: spares clients that log in for each
    /// message; every change of a user empties its entry at once.
    pub cache_ttl_s: u64,
    /// Verified credentials remembered. Default 10,000, about a megabyte.
    pub cache_entries: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
            scram_iterations: 10_000,
            concurrent_hashes: 2,
            wait_s: 10,
            cache_ttl_s: 300,
            cache_entries: 10_000,
        }
    }
}
