//! A certificate with its key, read from files and checked before anyone is shown it.

use std::path::{Path, PathBuf};

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::{TlsError, certificates, provider};
use crate::clock::Timestamp;

/// A certificate whose key belongs to it.
#[derive(Debug)]
pub struct Loaded {
    /// The chain and the key.
    pub key: CertifiedKey,
    /// What the certificate says of itself.
    pub facts: Facts,
    /// The file it came from.
    pub path: PathBuf,
}

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its DNS names in lower case; the first label may be `*`.
    pub names: Vec<String>,
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// When it begins to be valid.
    pub not_before: Timestamp,
    /// When it ends to be valid.
    pub not_after: Timestamp,
}

impl Loaded {
    /// Reads the PEM files of a chain, the server's own certificate first, and of its key.
    ///
    /// # Errors
    /// When a file cannot be read, or the key does not belong to the certificate. An expired one
    /// is no error; see [`Loaded::must_be_valid`].
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = certificates(certificate)?;
        let private_key = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::Pem {
            what: "a private key",
            path: key.to_owned(),
            source,
        })?;
        let key = CertifiedKey::from_der(chain, private_key, &provider()).map_err(|source| {
            TlsError::Mismatch {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
                source,
            }
        })?;
        let facts = Facts::of(&key).ok_or_else(|| TlsError::NoCertificate {
            path: certificate.to_owned(),
        })?;
        Ok(Self {
            key,
            facts,
            path: certificate.to_owned(),
        })
    }

    /// Whether it is still valid at `now`.
    ///
    /// # Errors
    /// When it has expired.
    pub fn must_be_valid(&self, now: Timestamp) -> Result<(), TlsError> {
        if self.facts.not_after < now {
            return Err(TlsError::Expired {
                path: self.path.clone(),
                since: self.facts.not_after,
            });
        }
        Ok(())
    }
}

impl Facts {
    /// None when the chain holds no certificate that can be read.
    pub fn of(key: &CertifiedKey) -> Option<Self> {
        let certificate = parsed(key)?;
        let seconds = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1000));
        Some(Self {
            names: names(&certificate),
            serial: hexadecimal(certificate.raw_serial()),
            not_before: seconds(certificate.validity().not_before.timestamp()),
            not_after: seconds(certificate.validity().not_after.timestamp()),
        })
    }

    /// Whole days from `now` until it expires; 0 when it has.
    pub fn days_left(&self, now: Timestamp) -> u64 {
        self.not_after.since(now).as_secs() / 86_400
    }
}

/// The serial number in hexadecimal.
pub(super) fn serial(key: &CertifiedKey) -> Option<String> {
    parsed(key).map(|certificate| hexadecimal(certificate.raw_serial()))
}

fn parsed(key: &CertifiedKey) -> Option<X509Certificate<'_>> {
    let own = key.cert.first()?;
    X509Certificate::from_der(own)
        .ok()
        .map(|(_, parsed)| parsed)
}

/// RFC 9525 §6.3: names are those of subjectAltName; the common name is none.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = extension.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tls::{scratch, self_signed};

    #[test]
    fn the_facts_of_a_certificate_are_read() {
        let made = self_signed(&scratch(), "Relay.Example.com").expect("a plain name");
        let loaded = Loaded::read(&made.certificate, &made.key).expect("they fit");
        assert_eq!(loaded.facts.names, ["relay.example.com"]);
        assert!(!loaded.facts.serial.is_empty());
        assert!(loaded.facts.days_left(Timestamp::now()) > 365);
    }

    #[test]
    fn an_expired_certificate_is_refused_by_name() {
        let made = self_signed(&scratch(), "relay.example.com").expect("a plain name");
        let loaded = Loaded::read(&made.certificate, &made.key).expect("they fit");
        let later = loaded.facts.not_after + Duration::from_secs(1);
        assert_eq!(loaded.facts.days_left(later), 0);
        let error = loaded.must_be_valid(later).expect_err("it has expired");
        assert!(error.to_string().contains("self-signed.crt"), "{error}");
    }
}
