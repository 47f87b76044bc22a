//! Why there is no certificate from the authority, and what to do about it.

use std::path::PathBuf;

use crate::causes::with_causes;
use crate::tls::TlsError;

/// Why there is no certificate from the authority.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// A conversation with the authority failed.
    #[error("the authority did not {doing}")]
    Authority {
        /// What it was asked, as `accept the order`.
        doing: &'static str,
        /// The cause.
        source: instant_acme::Error,
    },
    /// The authority offers no HTTP-01 for a name.
    #[error("the authority offers no HTTP-01 challenge for {name}")]
    NoHttpChallenge {
        /// The name.
        name: String,
    },
    /// The authority could not validate a name.
    #[error("the authority could not validate {name}: {reason}")]
    Invalid {
        /// The name.
        name: String,
        /// What the authority said.
        reason: String,
    },
    /// An attempt took too long.
    #[error("the authority did not finish within {limit_s} s")]
    TimedOut {
        /// `tls.acme.attempt-timeout-s`
        limit_s: u64,
    },
    /// A name cannot stand in a certificate.
    #[error("cannot make a certificate request")]
    Request(#[from] rcgen::Error),
    /// A file cannot be read or written.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// `read` or `write`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The account's file is not what we wrote.
    #[error("{} is no ACME account", path.display())]
    Account {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// What the authority sent, or what was kept, is no certificate with its key.
    #[error(transparent)]
    Certificate(#[from] TlsError),
}

impl AcmeError {
    /// Names what the authority was asked.
    pub(super) fn doing(doing: &'static str) -> impl FnOnce(instant_acme::Error) -> Self {
        move |source| Self::Authority { doing, source }
    }

    /// What an administrator can do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Authority { .. } | Self::TimedOut { .. } => {
                "is tls.acme.directory-url reachable, and trusted by the system or tls.acme.ca-file?"
            }
            Self::NoHttpChallenge { .. } => "only names without `*` are validated by HTTP-01",
            Self::Invalid { .. } => {
                "the name must resolve to this relay, and its port 80 must reach an address of web.http"
            }
            Self::Request(_) => "tls.acme.domains must be plain domain names",
            Self::File { .. } => "the folder `acme` beside the store must be writable by this user",
            Self::Account { .. } => "remove the file; a new account is made",
            Self::Certificate(error) => error.hint(),
        }
    }

    /// The error with its causes on one line; a cause that was told already is left out.
    pub fn with_causes(&self) -> String {
        with_causes(self).replace(char::is_control, " ")
    }
}
