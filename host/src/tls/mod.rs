//! Prepares TLS for both sides: the certificate we show and the certificates we trust.
//!
//! Every configuration names its cryptography provider (aws-lc-rs), so that no process-wide default
//! can surprise it. TLS 1.2 and 1.3 alone are spoken (RFC 8996).

mod acme;
mod certificates;
mod client;
mod config;
mod dane;
mod error;
mod loaded;
mod self_signed;
mod server;

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub use self::acme::Acme;
pub use self::certificates::Certificates;
pub use self::client::{Roots, Verification, client_config, root_store};
pub use self::config::{Config, MinVersion, Pair};
pub use self::dane::{Association, Matching, Selector, Usage, dane_config};
pub use self::error::TlsError;
pub use self::loaded::{Facts, Loaded};
pub use self::self_signed::{SelfSigned, self_signed};
pub use self::server::server_config;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let malformed = |source| TlsError::Pem {
        what: "certificates",
        path: path.to_owned(),
        source,
    };
    let found = CertificateDer::pem_file_iter(path)
        .map_err(malformed)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(malformed)?;
    if found.is_empty() {
        return Err(TlsError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(found)
}

/// A new folder for the files of one test.
#[cfg(test)]
fn scratch() -> std::path::PathBuf {
    let dir = std::env::temp_dir().join(format!("gatepost-tls-{}", crate::id::session_id()));
    std::fs::create_dir(&dir).expect("the temporary folder is writable");
    dir
}
