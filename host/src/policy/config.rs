//! What an administrator may say about the policies: the `[policy]` table.

use std::path::PathBuf;

use serde::Deserialize;

/// The `[policy]` table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// What happens to a message on which no policy had an opinion. Default `accept`.
    pub default: DefaultDecision,
    /// Chains evaluated at the same time; each holds one live instance. Default 64: with the
    /// default memory limit that is at most 4 GiB in the worst case, and about 4 MiB in practice.
    pub concurrency: u32,
    /// Milliseconds a chain waits for its turn before the client is told to try again.
    /// Default 2000, well within the ten minutes of RFC 5321 §4.5.3.2.6.
    pub queue_wait_ms: u64,
    /// Counters one policy may have. Default 50,000: some for each of thousands of users, at most
    /// 50 MiB. When there are more, those it asked for least recently are forgotten.
    pub counters_per_policy: usize,
    /// Mebibytes of a module, 1 to 1024. Default 64: interpreted languages need 12 to 18.
    pub max_module_mib: u32,
    /// Seconds that one module may take to be compiled, 1 to 3600; then a reload keeps what there is, and
    /// a start ends. Default 120: interpreted languages take some ten seconds on a busy machine.
    pub compile_timeout_s: u32,
    /// Where the relay keeps compiled policies between starts: a folder that only its user can write
    /// to. Default: `policy-cache` beside the store; empty: nowhere. Read at the start alone.
    pub cache_folder: Option<PathBuf>,
    /// Mebibytes of compiled policies that are kept. Default 512: some forty modules of interpreted
    /// languages. Read at the start alone.
    pub cache_max_mib: u64,
    /// Messages that wait for the policies in mode `shadow`; with more, they are not asked about the
    /// rest. Default 256, at most 40 MiB. Read at the start alone.
    pub shadow_queue: usize,
    /// How long what the policies decided is kept.
    pub decisions: DecisionsConfig,
    /// Which requests are recorded, to be replayed later.
    pub record: RecordConfig,
    /// The policies in the order they are asked. Default: the built-in sender rules.
    pub chain: Vec<PolicyConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            default: DefaultDecision::Accept,
            concurrency: 64,
            queue_wait_ms: 2000,
            counters_per_policy: 50_000,
            max_module_mib: 64,
            compile_timeout_s: 120,
            cache_folder: None,
            cache_max_mib: 512,
            shadow_queue: 256,
            decisions: DecisionsConfig::default(),
            record: RecordConfig::default(),
            chain: vec![PolicyConfig::new("sender-rules", "builtin:sender-rules")],
        }
    }
}

/// The `[policy.decisions]` table: what the policies decided, kept for whoever asks why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct DecisionsConfig {
    /// Days that decisions are kept. Default 30: a month's questions.
    pub keep_days: u32,
    /// Decisions that are kept, refused ones included. Default 1,000,000, some 400 MiB.
    pub max_rows: u64,
}

impl Default for DecisionsConfig {
    fn default() -> Self {
        Self {
            keep_days: 30,
            max_rows: 1_000_000,
        }
    }
}

/// The `[policy.record]` table: complete requests, the input of `gatepost policy diff`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RecordConfig {
    /// Whether requests are recorded. Default false: they hold header fields and addresses.
    pub enabled: bool,
    /// The part of all decisions whose requests are recorded, above 0 and up to 1. Default 1: all.
    pub sample: f64,
    /// What is recorded as `(masked)`. Default nothing.
    pub mask: Vec<Mask>,
    /// Days that requests are kept. Default 7.
    pub keep_days: u32,
    /// Mebibytes of requests that are kept. Default 256: some hundred thousand.
    pub max_mib: u32,
}

impl Default for RecordConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            sample: 1.0,
            mask: Vec::new(),
            keep_days: 7,
            max_mib: 256,
        }
    }
}

impl RecordConfig {
    /// Names the first value out of range, with the range.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let is_part = self.sample > 0.0 && self.sample <= 1.0;
        (!is_part).then_some("policy.record.sample must be above 0 and at most 1")
    }
}

/// What of a request can be recorded as `(masked)`. Rules that do not look at it replay exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mask {
    /// The subject, also among the header fields.
    Subject,
    /// The values of all header fields, but for names and order; also Message-ID and Date.
    Headers,
    /// The client's address, port and EHLO name.
    Client,
    /// The administrator's note about the user.
    Note,
}

/// One entry of `[[policy.chain]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PolicyConfig {
    /// What logs, alerts and rules call it; unique in the chain, at most 64 of `A-Z a-z 0-9 . _ -`.
    pub name: String,
    /// `builtin:sender-rules`, or the path of a component, relative to the configuration file.
    pub module: String,
    /// Handed to the policy as a JSON document. Default: an empty object.
    #[serde(default)]
    pub settings: toml::Table,
    /// Whether the policy is asked at all. Default `enforce`.
    #[serde(default)]
    pub mode: Mode,
    /// The share of the messages that a policy in mode `shadow` is asked about, 0 to 1. Default 1.
    #[serde(default = "whole")]
    pub shadow_sample: f64,
    /// What happens to a message when the policy fails. Default `defer`.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// What one evaluation may use.
    #[serde(default)]
    pub limits: Limits,
    /// The part of WASI it may import. Default `none`.
    #[serde(default)]
    pub wasi: Wasi,
    /// What it may import beyond `log`. Default: nothing.
    #[serde(default)]
    pub grants: Vec<Grant>,
    /// SHA-256 of the component in hexadecimal; any other content is refused. Default: not pinned.
    #[serde(default)]
    pub sha256: Option<String>,
}

impl PolicyConfig {
    /// An entry with every optional key at its default.
    pub fn new(name: impl Into<String>, module: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            module: module.into(),
            settings: toml::Table::new(),
            mode: Mode::default(),
            shadow_sample: whole(),
            on_failure: OnFailure::default(),
            limits: Limits::default(),
            wasi: Wasi::default(),
            grants: Vec::new(),
            sha256: None,
        }
    }
}

/// What happens to a message on which no policy had an opinion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DefaultDecision {
    /// It is accepted.
    #[default]
    Accept,
    /// It is refused with `550 5.7.1`.
    Reject,
}

/// Whether a policy is asked at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Its verdicts count.
    #[default]
    Enforce,
    /// It is asked after the client has its reply, and what it says is kept but never counts.
    Shadow,
    /// It is not even loaded.
    Off,
}

impl Mode {
    /// The name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
            Self::Off => "off",
        }
    }
}

/// The part of WASI that a policy may import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wasi {
    /// None: a policy needs none.
    #[default]
    None,
    /// One with nothing in it, for languages that cannot start without: no files, environment or
    /// network, a clock that stands, randomness that is made from the request.
    Inert,
}

impl std::str::FromStr for Wasi {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "none" => Ok(Self::None),
            "inert" => Ok(Self::Inert),
            _ => Err("use none or inert"),
        }
    }
}

const fn whole() -> f64 {
    1.0
}

/// What a policy may do beyond deciding: an interface it may import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// Keep sums over sliding windows.
    Counters,
    /// Change a message, and choose its way.
    Effects,
    /// Read the raw message.
    Content,
}

impl Grant {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Counters, Self::Effects, Self::Content];

    /// The name of the interface, and of the grant in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counters => "counters",
            Self::Effects => "effects",
            Self::Content => "content",
        }
    }

    /// The grant that an import takes; none when it takes none, or there is none.
    pub(super) fn of_import(import: &str) -> Option<Self> {
        let (name, _) = import
            .strip_prefix("gatepost:policy/")?
            .split_once("@0.1.")?;
        Self::ALL.into_iter().find(|grant| grant.as_str() == name)
    }
}

impl std::str::FromStr for Grant {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|grant| grant.as_str() == name);
        found.ok_or("use counters, effects or content")
    }
}

impl std::fmt::Display for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happens to a message when a policy fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The client is told to try again, `451 4.7.1`.
    #[default]
    Defer,
    /// The message is refused, `550 5.7.1`.
    Reject,
    /// The message goes on as if the policy had accepted it.
    Accept,
}

/// What one evaluation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Fuel, roughly WebAssembly instructions; the same request always takes the same. Default
    /// 50 million: the built-in rules take some ten thousand, an interpreted language a few million.
    pub fuel: u64,
    /// Milliseconds from instantiation to verdict, 10 to 10000. Default 250, a thousand times what
    /// a compiled policy takes: fuel is the budget, this is the fuse.
    pub time_ms: u64,
    /// Mebibytes of linear memory, 1 to 1024. Default 64, enough for an interpreter's heap.
    pub memory_mib: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: 50_000_000,
            time_ms: 250,
            memory_mib: 64,
        }
    }
}

impl Limits {
    /// Names the first limit out of range, with the range.
    pub(super) fn problem(self) -> Option<&'static str> {
        if self.fuel == 0 {
            return Some("limits.fuel must be at least 1");
        }
        if !(10..=10_000).contains(&self.time_ms) {
            return Some("limits.time-ms must be from 10 to 10000");
        }
        if !(1..=1024).contains(&self.memory_mib) {
            return Some("limits.memory-mib must be from 1 to 1024");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_is_the_builtin_rules_with_the_defaults() {
        let config: Config = toml::from_str("").expect("empty is valid");
        assert_eq!(config.default, DefaultDecision::Accept);
        assert_eq!((config.concurrency, config.queue_wait_ms), (64, 2000));
        assert_eq!(config.chain.len(), 1);
        assert_eq!(config.chain[0].module, "builtin:sender-rules");
        assert_eq!(config.chain[0].limits, Limits::default());
    }

    #[test]
    fn every_key_is_read() {
        let text = r#"
            default = "reject"
            concurrency = 8
            queue-wait-ms = 100
            counters-per-policy = 5
            max-module-mib = 8
            compile-timeout-s = 7
            cache-folder = "cache"
            cache-max-mib = 64
            shadow-queue = 5
            [decisions]
            keep-days = 3
            max-rows = 1000
            [record]
            enabled = true
            sample = 0.5
            mask = ["subject", "headers", "client", "note"]
            keep-days = 2
            max-mib = 10
            [[chain]]
            name = "a"
            module = "a.wasm"
            mode = "off"
            wasi = "inert"
            shadow-sample = 0.25
            on-failure = "accept"
            grants = ["counters", "effects", "content"]
            sha256 = "00"
            limits = { fuel = 1000, time-ms = 20, memory-mib = 2 }
            settings = { unauthorized = "block" }
        "#;
        let config: Config = toml::from_str(text).expect("every key is known");
        assert_eq!(
            (config.decisions.keep_days, config.decisions.max_rows),
            (3, 1000)
        );
        assert!(config.record.enabled && config.record.mask.contains(&Mask::Note));
        let policy = &config.chain[0];
        assert_eq!(config.default, DefaultDecision::Reject);
        assert_eq!(config.cache_folder, Some(PathBuf::from("cache")));
        assert_eq!((config.max_module_mib, config.compile_timeout_s), (8, 7));
        assert_eq!((config.cache_max_mib, config.shadow_queue), (64, 5));
        assert_eq!(policy.mode, Mode::Off);
        assert_eq!(policy.shadow_sample, 0.25);
        assert_eq!(policy.wasi, Wasi::Inert);
        assert_eq!(policy.on_failure, OnFailure::Accept);
        assert_eq!(policy.limits.time_ms, 20);
        assert_eq!(policy.grants, Grant::ALL);
        assert_eq!(policy.settings["unauthorized"].as_str(), Some("block"));
    }

    #[test]
    fn unknown_keys_are_refused() {
        for text in [
            "x = 1",
            "[[chain]]\nname = 'a'\nmodule = 'b'\nfail = 'open'",
            "[[chain]]\nname = 'a'\nmodule = 'b'\ngrants = ['files']",
            "[[chain]]\nname = 'a'\nmodule = 'b'\nlimits = { fuel-ms = 1 }",
        ] {
            assert!(toml::from_str::<Config>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_sample_is_a_part_of_all() {
        for (sample, is_usable) in [
            (0.0, false),
            (0.01, true),
            (1.0, true),
            (1.1, false),
            (f64::NAN, false),
        ] {
            let record = RecordConfig {
                sample,
                ..RecordConfig::default()
            };
            assert_eq!(record.problem().is_none(), is_usable, "{sample}");
        }
    }

    #[test]
    fn limits_out_of_range_are_named() {
        let cases = [
            (0, 250, 64, "fuel"),
            (1, 9, 64, "time-ms"),
            (1, 10_001, 64, "time-ms"),
            (1, 250, 0, "memory-mib"),
            (1, 250, 1025, "memory-mib"),
        ];
        for (fuel, time_ms, memory_mib, key) in cases {
            let limits = Limits {
                fuel,
                time_ms,
                memory_mib,
            };
            let problem = limits.problem().expect("out of range");
            assert!(problem.contains(key), "{problem}");
        }
        assert_eq!(Limits::default().problem(), None);
    }
}
