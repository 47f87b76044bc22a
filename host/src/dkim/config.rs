//! Which keys sign for which domains.

use std::path::PathBuf;

use serde::Deserialize;

/// The section `[dkim]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// The domain whose keys sign messages from domains without keys. Default: those leave unsigned.
    pub default_domain: Option<String>,
    /// Messages whose signatures, and encodings for lesser next hops, are remembered for their other next
    /// hops and later attempts, some 2 KiB each. Default 1,000: what is under way at a time.
    pub remembered_messages: usize,
    /// The keys; several of one domain sign each message side by side. Default: none, nothing is signed.
    pub key: Vec<KeyConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            default_domain: None,
            remembered_messages: 1000,
            key: Vec::new(),
        }
    }
}

/// A key: `[[dkim.key]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeyConfig {
    /// The domain it signs for, and for those below it that have no key of their own.
    pub domain: String,
    /// The name that its public half is published under: `<selector>._domainkey.<domain>`.
    pub selector: String,
    /// PEM file of the private half, RSA or Ed25519; readable by its owner and group alone.
    pub private_key: PathBuf,
}

impl Config {
    /// The files of the private keys.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.key.iter().map(|key| &key.private_key)
    }

    /// The same, to be changed.
    pub fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.key.iter_mut().map(|key| &mut key.private_key)
    }
}
