//! Judges a next hop's certificate by what its domain says in DNS: DANE for SMTP (RFC 7672).

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};
use sha2::{Digest, Sha256, Sha512};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::client::AnyCertificate;
use super::{TlsError, provider};

/// What a certificate is to do with an association (RFC 7671 §4). PKIX-TA and PKIX-EE are of no use to SMTP
/// (RFC 7672 §3.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// DANE-TA(2): an authority of the chain that the next hop shows.
    Authority,
    /// DANE-EE(3): the next hop's own certificate, whatever its names and dates.
    EndEntity,
}

/// Which part of a certificate counts (RFC 6698 §2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selector {
    /// The whole certificate.
    Certificate,
    /// Its public key: SubjectPublicKeyInfo.
    PublicKey,
}

/// How that part is written in DNS (RFC 6698 §2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// As it is.
    Exact,
    /// Its SHA-256.
    Sha256,
    /// Its SHA-512.
    Sha512,
}

/// A usable TLSA record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Association {
    /// What it is about.
    pub usage: Usage,
    /// Which part of the certificate.
    pub selector: Selector,
    /// How that is written.
    pub matching: Matching,
    /// The part, or its digest.
    pub data: Vec<u8>,
}

/// The client side for a next hop with these associations; below an authority of theirs the certificate must
/// be valid for one of `names`.
///
/// # Errors
/// When the cryptography provider has no version of TLS.
pub fn dane_config(
    associations: Vec<Association>,
    names: Vec<String>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let verifier = Verifier {
        associations,
        names,
        holder: AnyCertificate(provider()),
    };
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// No certificate is what DNS says.
#[derive(Debug, thiserror::Error)]
#[error("the certificate is not the one that DNS promises (TLSA)")]
struct Mismatch;

#[derive(Debug)]
struct Verifier {
    associations: Vec<Association>,
    names: Vec<String>,
    /// Says whether the peer holds the key of the certificate it shows.
    holder: AnyCertificate,
}

impl Association {
    fn fits(&self, certificate: &CertificateDer<'_>) -> bool {
        let Some(part) = self.part(certificate) else {
            return false;
        };
        match self.matching {
            Matching::Exact => part == self.data.as_slice(),
            Matching::Sha256 => Sha256::digest(part).as_slice() == self.data,
            Matching::Sha512 => Sha512::digest(part).as_slice() == self.data,
        }
    }

    fn part<'a>(&self, certificate: &'a CertificateDer<'_>) -> Option<&'a [u8]> {
        match self.selector {
            Selector::Certificate => Some(certificate.as_ref()),
            Selector::PublicKey => {
                let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
                Some(parsed.tbs_certificate.subject_pki.raw)
            }
        }
    }

    /// The authority itself, where the record holds it whole: it need not be among what is shown.
    fn whole(&self) -> Option<CertificateDer<'_>> {
        let is_whole = self.selector == Selector::Certificate && self.matching == Matching::Exact;
        is_whole.then(|| CertificateDer::from(self.data.as_slice()))
    }
}

impl Verifier {
    fn of(&self, usage: Usage) -> impl Iterator<Item = &Association> {
        self.associations
            .iter()
            .filter(move |one| one.usage == usage)
    }

    /// Those of the chain, and of the records, that an association makes an authority.
    fn authorities(&self, chain: &[CertificateDer<'_>]) -> RootCertStore {
        let mut store = RootCertStore::empty();
        for association in self.of(Usage::Authority) {
            let shown = chain.iter().filter(|one| association.fits(one)).cloned();
            for authority in shown.chain(association.whole()) {
                // What cannot be parsed is nobody's authority.
                let _added = store.add(authority.into_owned());
            }
        }
        store
    }

    /// RFC 7672 §3.1.2: the chain leads to the authority, and the certificate has one of our names for the host.
    fn below_authority(
        &self,
        end_entity: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut refusal = mismatch();
        let authorities = self.authorities(chain);
        if authorities.is_empty() {
            return Err(refusal);
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::new(authorities),
            Arc::clone(&self.holder.0),
        );
        let verifier = verifier
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        for name in &self.names {
            let Ok(name) = ServerName::try_from(name.as_str()) else {
                continue;
            };
            match verifier.verify_server_cert(end_entity, chain, &name, &[], now) {
                Ok(verified) => return Ok(verified),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }
}

fn mismatch() -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(Mismatch))).into()
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // RFC 7672 §3.1.1: neither its names nor its dates count.
        if self.of(Usage::EndEntity).any(|one| one.fits(end_entity)) {
            return Ok(ServerCertVerified::assertion());
        }
        self.below_authority(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.holder.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.holder.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.holder.supported_verify_schemes()
    }
}

#[cfg(test)]
#[path = "dane_tests.rs"]
mod tests;
