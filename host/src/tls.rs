//! Prepares TLS for both sides: the certificate we show and the certificates we trust.
//!
//! Every configuration names its cryptography provider (aws-lc-rs), so that no process-wide default
//! can surprise it. TLS 1.2 and 1.3 alone are spoken (RFC 8996).

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use serde::Deserialize;

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
            Self::NoRoots => "install the package ca-certificates, or set delivery.ca-file",
            Self::SelfSigned { .. } => {
                "set `hostname` to a plain domain name, or configure a certificate"
            }
            Self::Write { .. } => "the folder must be writable by this user",
            Self::Setup(_) => "this build supports TLS 1.2 and 1.3 by aws-lc-rs",
        }
    }
}

/// The `[tls]` section: what clients are shown. Without it a self-signed certificate is made.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// PEM file of the certificate chain, the server's own certificate first.
    pub certificate: Option<PathBuf>,
    /// PEM file of its private key.
    pub key: Option<PathBuf>,
}

/// Where the certificate authorities that we trust come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// The operating system's own.
    System,
    /// Those of a PEM file, and no others.
    File(PathBuf),
}

/// Whether a next hop must prove who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// The certificate must be valid for the host's name.
    Required,
    /// Any certificate will do: opportunistic security (RFC 7435), as MX delivery uses it.
    None,
}

/// A certificate that we made ourselves, and where it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfSigned {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM, readable by its owner alone.
    pub key: PathBuf,
    /// False when both were there already.
    pub created: bool,
}

/// The server side: shows the certificate chain of `certificate`.
///
/// # Errors
/// When a file cannot be read, or the key does not belong to the certificate.
pub fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(certificate)?;
    let private_key = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::Pem {
        what: "a private key",
        path: key.to_owned(),
        source,
    })?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_no_client_auth()
        .with_single_cert(chain, private_key)
        .map_err(|source| TlsError::Mismatch {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            source,
        })?;
    Ok(Arc::new(config))
}

/// The self-signed certificate kept in `dir`, made now if it is not there yet.
///
/// # Errors
/// When the name cannot stand in a certificate or the files cannot be written.
pub fn self_signed(dir: &Path, hostname: &str) -> Result<SelfSigned, TlsError> {
    let certificate = dir.join("self-signed.crt");
    let key = dir.join("self-signed.key");
    let created = !(certificate.exists() && key.exists());
    if created {
        let made =
            rcgen::generate_simple_self_signed(vec![hostname.to_owned()]).map_err(|source| {
                TlsError::SelfSigned {
                    hostname: hostname.to_owned(),
                    source,
                }
            })?;
        write_with_mode(&key, 0o600, &made.signing_key.serialize_pem())?;
        write_with_mode(&certificate, 0o644, &made.cert.pem())?;
    }
    Ok(SelfSigned {
        certificate,
        key,
        created,
    })
}

/// The client side, for connections to a next hop.
///
/// # Errors
/// When verification is required and there is nothing to verify by.
pub fn client_config(
    roots: &Roots,
    verification: Verification,
) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?;
    let config = match verification {
        Verification::Required => builder.with_root_certificates(root_store(roots)?),
        Verification::None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider()))),
    };
    Ok(Arc::new(config.with_no_client_auth()))
}

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

/// The certificate authorities that `roots` names.
///
/// # Errors
/// When there are none, or the file cannot be read.
pub fn root_store(roots: &Roots) -> Result<RootCertStore, TlsError> {
    let found = match roots {
        Roots::System => rustls_native_certs::load_native_certs().certs,
        Roots::File(path) => certificates(path)?,
    };
    let mut store = RootCertStore::empty();
    let (added, _unusable) = store.add_parsable_certificates(found);
    match (added, roots) {
        (0, Roots::System) => Err(TlsError::NoRoots),
        (0, Roots::File(path)) => Err(TlsError::NoCertificate { path: path.clone() }),
        _ => Ok(store),
    }
}

/// Replaces `path` by a file that never was readable by more than `mode` allows.
fn write_with_mode(path: &Path, mode: u32, text: &str) -> Result<(), TlsError> {
    let write = || -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| TlsError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Accepts every certificate, but only from a peer that holds its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn scratch() -> PathBuf {
        let dir = std::env::temp_dir().join(format!("gatepost-tls-{}", crate::id::session_id()));
        fs::create_dir(&dir).expect("the temporary folder is writable");
        dir
    }

    #[test]
    fn a_self_signed_certificate_is_made_once_and_its_key_is_private() {
        let dir = scratch();
        let made = self_signed(&dir, "relay.example.com").expect("a plain name");
        assert!(made.created);
        let mode = fs::metadata(&made.key)
            .expect("it was written")
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let first = fs::read(&made.certificate).expect("it was written");
        let again = self_signed(&dir, "relay.example.com").expect("it is there");
        assert!(!again.created);
        assert_eq!(fs::read(&again.certificate).expect("still there"), first);
        assert!(server_config(&made.certificate, &made.key).is_ok());
        let roots = Roots::File(made.certificate.clone());
        assert!(client_config(&roots, Verification::Required).is_ok());
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, other) = (scratch(), scratch());
        let mine = self_signed(&one, "a.example").expect("a plain name");
        let theirs = self_signed(&other, "b.example").expect("a plain name");
        let refused = server_config(&mine.certificate, &theirs.key);
        assert!(matches!(refused, Err(TlsError::Mismatch { .. })));
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let dir = scratch();
        let empty = dir.join("empty.pem");
        fs::write(&empty, "").expect("the temporary folder is writable");
        let error = server_config(&empty, &empty).expect_err("it is empty");
        assert!(error.to_string().contains("empty.pem"), "{error}");
        assert!(!error.hint().is_empty());
    }
}
