//! What `[tls]` can say.

use std::path::PathBuf;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use serde::Deserialize;

use super::Acme;

/// The `[tls]` section: what clients are shown. Without it a self-signed certificate is made.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// PEM file of the certificate chain, the server's own certificate first.
    pub certificate: Option<PathBuf>,
    /// PEM file of its private key.
    pub key: Option<PathBuf>,
    /// More certificates, each shown to clients that ask for one of its names. Default: none.
    pub additional: Vec<Pair>,
    /// A certificate from an authority, instead of `certificate`. Default: off.
    pub acme: Acme,
}

/// A certificate and its key, in files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pair {
    /// PEM file of the certificate chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
}

impl Config {
    /// The default certificate, when both files are named.
    pub fn default_pair(&self) -> Option<Pair> {
        let (certificate, key) = self.certificate.clone().zip(self.key.clone())?;
        Some(Pair { certificate, key })
    }

    /// Every file that the section names.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let additional = self.additional.iter();
        let additional = additional.flat_map(|pair| [&pair.certificate, &pair.key]);
        self.certificate.iter().chain(&self.key).chain(additional)
    }

    /// The same, to be changed.
    pub fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let additional = self.additional.iter_mut();
        let additional = additional.flat_map(|pair| [&mut pair.certificate, &mut pair.key]);
        self.certificate
            .iter_mut()
            .chain(&mut self.key)
            .chain(additional)
            .chain(&mut self.acme.ca_file)
    }
}

static BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
static NEWEST: &[&SupportedProtocolVersion] = &[&TLS13];

/// The oldest version of TLS that a listener speaks. Older than 1.2 is never spoken (RFC 8996).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub enum MinVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 alone.
    #[serde(rename = "1.3")]
    Tls13,
}

impl MinVersion {
    pub(super) const fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Tls12 => BOTH,
            Self::Tls13 => NEWEST,
        }
    }
}
