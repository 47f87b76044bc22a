//! What `[tls.acme]` can say; the room `acme` does it.

use std::path::PathBuf;

use serde::Deserialize;

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// The `[tls.acme]` section: a certificate from an authority (RFC 8555), proven by HTTP-01.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Acme {
    /// True asks the authority for a certificate. Default false.
    pub enabled: bool,
    /// Must be true: the administrator accepts the authority's terms of service.
    pub accept_terms: bool,
    /// Addresses the authority may write to. Default: none.
    pub contact: Vec<String>,
    /// Where the authority's directory is. Default: Let's Encrypt.
    pub directory_url: String,
    /// Names for the certificate. Default: the relay's own.
    pub domains: Vec<String>,
    /// PEM file of the root to trust for a private authority. Default: the system's.
    pub ca_file: Option<PathBuf>,
    /// Seconds for one attempt as a whole. Default 300.
    pub attempt_timeout_s: u64,
    /// Seconds between two orders at least, whatever happens; authorities limit their number. Default 3,600.
    pub min_interval_s: u64,
    /// Seconds until a failed attempt is repeated; doubles with each. Default 900, for five failures
    /// in an hour is what Let's Encrypt allows.
    pub retry_first_s: u64,
    /// Seconds until a failed attempt is repeated, at most. Default 43,200.
    pub retry_max_s: u64,
}

impl Default for Acme {
    fn default() -> Self {
        Self {
            enabled: false,
            accept_terms: false,
            contact: Vec::new(),
            directory_url: LETS_ENCRYPT.to_owned(),
            domains: Vec::new(),
            ca_file: None,
            attempt_timeout_s: 300,
            min_interval_s: 3600,
            retry_first_s: 900,
            retry_max_s: 43_200,
        }
    }
}

impl Acme {
    /// The names for the certificate in lower case, `hostname` when none is configured.
    pub fn names(&self, hostname: &str) -> Vec<String> {
        let names: Vec<String> = self
            .domains
            .iter()
            .map(|name| name.to_ascii_lowercase())
            .collect();
        if names.is_empty() {
            return vec![hostname.to_ascii_lowercase()];
        }
        names
    }
}
