//! What `[tls]` can say.

use std::path::PathBuf;

use serde::Deserialize;

/// The `[tls]` section: what clients are shown. Without it a self-signed certificate is made.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// PEM file of the certificate chain, the server's own certificate first.
    pub certificate: Option<PathBuf>,
    /// PEM file of its private key.
    pub key: Option<PathBuf>,
}
