//! The client side: whom we trust when we connect to a next hop.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::{TlsError, certificates, provider};

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

/// Accepts every certificate, but only from a peer that holds its key.
#[derive(Debug)]
pub(super) struct AnyCertificate(pub(super) Arc<CryptoProvider>);

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
