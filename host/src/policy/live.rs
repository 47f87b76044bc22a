//! The set in force, and how another follows it while messages are decided.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use super::compile;
use super::config::{Config, Mode, PolicyConfig};
use super::load::{self, Compiled};
use super::load_error::LoadError;
use super::module::PolicyInfo;
use super::{PolicySet, runtime};

/// Octets of a digest that a change is told with, in hexadecimal.
const SHOWN_DIGEST_CHARS: usize = 12;

/// Hands out the set in force. Cheap to clone; all clones hand out the same.
///
/// Whoever decides about a message takes the set once, where the transaction begins, and asks that
/// one to its end.
#[derive(Clone, Debug)]
pub struct Policies(Arc<ArcSwap<PolicySet>>);

impl Policies {
    /// Hands out `set`.
    pub fn new(set: PolicySet) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(set)))
    }

    /// The set that a transaction which begins now is decided by.
    pub fn current(&self) -> Arc<PolicySet> {
        self.0.load_full()
    }

    /// Hands out another one from now on; who holds the old one keeps it.
    pub fn replace(&self, set: PolicySet) {
        self.0.store(Arc::new(set));
    }
}

impl PolicySet {
    /// Loads and checks the set that is to follow this one, with what changes by it; none when
    /// nothing does. The engine and what it has compiled are taken over where they fit.
    ///
    /// # Errors
    ///
    /// As [`PolicySet::load`]; this set is not concerned.
    pub async fn successor(
        &self,
        config: &Config,
        base_dir: &Path,
    ) -> Result<Option<(Self, Vec<Change>)>, LoadError> {
        let (runtime, compiled) = if self.runtime.fits(config) {
            (Arc::clone(&self.runtime), self.compiled())
        } else {
            (runtime(config, self.cache.as_ref())?, Compiled::new())
        };
        let resources = self.resources.clone();
        let next = Self {
            generation: self.generation + 1,
            config: config.clone(),
            chain: load::chain(&runtime, config, base_dir, compiled, &resources).await?,
            runtime,
            resources,
            record: OnceLock::new(),
            cache: self.cache.clone(),
        };
        let changes = next.changes_since(self);
        Ok((!changes.is_empty()).then_some((next, changes)))
    }

    fn compiled(&self) -> Compiled {
        let compiled = self.chain.iter().map(|policy| {
            let component = policy.asked.pre.component().clone();
            (policy.info.sha256.clone(), component)
        });
        compiled.collect()
    }

    /// What is different from `old`, for people.
    fn changes_since(&self, old: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        for policy in old.policies() {
            if self.info(&policy.name).is_none() {
                changes.push(Change::Removed(Identity::of(policy)));
            }
        }
        for policy in self.policies() {
            match old.info(&policy.name) {
                None => changes.push(Change::Added(Identity::of(policy))),
                Some(before) if before.sha256 != policy.sha256 => {
                    changes.push(Change::Module(Identity::of(before), Identity::of(policy)));
                }
                Some(_) => {}
            }
            let keys = differing_keys(old.entry(&policy.name), self.entry(&policy.name));
            if !keys.is_empty() {
                changes.push(Change::Entry(policy.name.clone(), keys));
            }
        }
        if changes.is_empty() && self.config != old.config {
            changes.push(Change::Chain);
        }
        changes
    }

    /// A digest of the chain, in hexadecimal: alike where the same modules decide by the same configuration.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for policy in self.policies() {
            let entry = format!("{:?}", self.entry(&policy.name));
            for part in [policy.name.as_str(), policy.sha256.as_str(), entry.as_str()] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part.as_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    fn info(&self, name: &str) -> Option<&PolicyInfo> {
        self.policies().find(|policy| policy.name == name)
    }

    fn entry(&self, name: &str) -> Option<&PolicyConfig> {
        self.config.chain.iter().find(|entry| entry.name == name)
    }
}

impl Config {
    /// The module files of the policies that are loaded; relative paths start at `base_dir`.
    pub fn files(&self, base_dir: &Path) -> Vec<PathBuf> {
        let loaded = self.chain.iter().filter(|entry| entry.mode != Mode::Off);
        let files = loaded.filter(|entry| !entry.module.starts_with(compile::BUILTIN));
        files.map(|entry| base_dir.join(&entry.module)).collect()
    }
}

/// The keys in which two entries of one name differ; none when there are not two.
fn differing_keys(old: Option<&PolicyConfig>, new: Option<&PolicyConfig>) -> Vec<&'static str> {
    let (Some(old), Some(new)) = (old, new) else {
        return Vec::new();
    };
    let PolicyConfig {
        name: _,
        module,
        settings,
        mode,
        shadow_sample,
        wasi,
        on_failure,
        limits,
        grants,
        sha256,
    } = old;
    let keys = [
        ("module", *module != new.module),
        ("settings", *settings != new.settings),
        ("mode", *mode != new.mode),
        ("wasi", *wasi != new.wasi),
        ("shadow-sample", *shadow_sample != new.shadow_sample),
        ("on-failure", *on_failure != new.on_failure),
        ("limits", *limits != new.limits),
        ("grants", *grants != new.grants),
        ("sha256", *sha256 != new.sha256),
    ];
    let differing = keys.into_iter().filter(|(_, differs)| *differs);
    differing.map(|(key, _)| key).collect()
}

/// One difference between a set and the one before it. Its text is a line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A policy is asked that was not asked before.
    Added(Identity),
    /// A policy is no longer asked.
    Removed(Identity),
    /// A policy is another module now: before and after.
    Module(Identity, Identity),
    /// The keys of a policy's entry that changed. Their values may be secret.
    Entry(String, Vec<&'static str>),
    /// The order of the policies, or what holds for all of them.
    Chain,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(new) => write!(f, "policy {}: added, {new}", new.policy),
            Self::Removed(old) => write!(f, "policy {}: removed, {old}", old.policy),
            Self::Module(old, new) => write!(f, "policy {}: {old} -> {new}", new.policy),
            Self::Entry(name, keys) => write!(f, "policy {name}: {} changed", keys.join(", ")),
            Self::Chain => f.write_str("the order of the policies, or what holds for all of them"),
        }
    }
}

/// Which module a policy is. Its text has the beginning of the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The policy by its name in the configuration.
    pub policy: String,
    /// The version the module states.
    pub version: String,
    /// SHA-256 of the module in lower-case hexadecimal.
    pub sha256: String,
}

impl Identity {
    fn of(info: &PolicyInfo) -> Self {
        Self {
            policy: info.name.clone(),
            version: info.version.clone(),
            sha256: info.sha256.clone(),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.sha256.get(..SHOWN_DIGEST_CHARS);
        let shown = shown.unwrap_or(&self.sha256);
        write!(f, "version {} sha256 {shown}", self.version)
    }
}
