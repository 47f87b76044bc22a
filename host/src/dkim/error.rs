//! Why keys cannot be used, and what to do about it.

use std::io;
use std::path::PathBuf;

use rustls::pki_types::pem;

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DkimError {
    /// The text is no domain.
    #[error("`{domain}` is no domain that could sign")]
    Domain {
        /// The text.
        domain: String,
    },
    /// The text is no selector.
    #[error("`{selector}` cannot be a selector")]
    Selector {
        /// The text.
        selector: String,
    },
    /// Two keys are published under one name.
    #[error("two keys have the selector `{selector}` of {domain}")]
    Twice {
        /// The selector.
        selector: String,
        /// The domain.
        domain: String,
    },
    /// The default domain has no key.
    #[error("dkim.default-domain is {domain}, for which there is no key")]
    NoDefaultKey {
        /// The domain.
        domain: String,
    },
    /// The file cannot be looked at.
    #[error("cannot read the private key {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Others than its owner could read or change the file.
    #[error("the private key {} can be read or changed by others (mode {mode:03o})", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file is no PEM file of a private key.
    #[error("cannot read a private key from {}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: pem::Error,
    },
    /// It is no key that can sign.
    #[error("the private key {} cannot sign: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the library says.
        reason: String,
    },
    /// No key could be made.
    #[error("cannot make a key")]
    Make(#[source] rcgen::Error),
    /// The signature could not be computed.
    #[error("cannot sign for {domain}: {reason}")]
    Sign {
        /// The domain.
        domain: String,
        /// What the library says.
        reason: String,
    },
}

impl DkimError {
    /// What an administrator can do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Domain { .. } => "write it like example.com",
            Self::Selector { .. } => "use letters, digits and -, like s2026",
            Self::Twice { .. } => "give each [[dkim.key]] of a domain a selector of its own",
            Self::NoDefaultKey { .. } => "add a [[dkim.key]] for it, or leave default-domain out",
            Self::Read { .. } => {
                "make one with `gatepost dkim new DOMAIN`; this user must be able to read it"
            }
            Self::Exposed { .. } => "chmod 600 it, or 640 with the relay's group",
            Self::Pem { .. } => "the file must be in PEM form (-----BEGIN PRIVATE KEY-----)",
            Self::Unusable { .. } => {
                "RSA of 2048 to 8192 bits and Ed25519 can sign; make one with `gatepost dkim new DOMAIN`"
            }
            Self::Make(_) | Self::Sign { .. } => "please report this; the key itself was readable",
        }
    }
}
