//! Why TLS could not be prepared, and what to do about it.

use std::io;
use std::path::PathBuf;

use rustls::pki_types::pem;

use crate::clock::Timestamp;

/// Why TLS could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM file is missing or malformed.
    #[error("cannot read {what} from {}", path.display())]
    Pem {
        /// What the file should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: pem::Error,
    },
    /// A PEM file holds no certificate.
    #[error("no certificate in {}", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The certificate and the key do not fit, or a kind is not supported.
    #[error("cannot use the certificate {} with the key {}", certificate.display(), key.display())]
    Mismatch {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
    /// The certificate is not valid any more.
    #[error("the certificate {} has expired: it was valid until {since}", path.display())]
    Expired {
        /// The certificate file.
        path: PathBuf,
        /// When it ended.
        since: Timestamp,
    },
    /// The system has no certificate authorities installed.
    #[error("no trusted certificate authority was found on this system")]
    NoRoots,
    /// No self-signed certificate could be made for this name.
    #[error("cannot make a self-signed certificate for `{hostname}`")]
    SelfSigned {
        /// The name it was to be made for.
        hostname: String,
        /// The cause.
        source: rcgen::Error,
    },
    /// The self-signed certificate could not be kept.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The provider refused the protocol versions.
    #[error("cannot prepare TLS")]
    Setup(#[source] rustls::Error),
}

impl TlsError {
    /// What an administrator can do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Pem { .. } | Self::NoCertificate { .. } => {
                "the file must be readable by this user and in PEM form (-----BEGIN ...)"
            }
            Self::Mismatch { .. } => {
                "the key must belong to the first certificate of the file; the chain follows it"
            }
            Self::Expired { .. } => "renew it, and put the new chain and key in its place",
            Self::NoRoots => "install the package ca-certificates, or set delivery.ca-file",
            Self::SelfSigned { .. } => {
                "set `hostname` to a plain domain name, or configure a certificate"
            }
            Self::Write { .. } => "the folder must be writable by this user",
            Self::Setup(_) => "this build supports TLS 1.2 and 1.3 by aws-lc-rs",
        }
    }
}
