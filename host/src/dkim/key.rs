//! Private keys: read from files that are nobody else's, and made.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use mail_auth::common::crypto::{DkimKey, Ed25519Key, RsaKey, Sha256};
use rcgen::{KeyPair, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::DkimError;

/// Permissions that a key file must not have: any of others, and to be changed by its group.
const FORBIDDEN_MODE: u32 = 0o027;
/// `AlgorithmIdentifier` of RSA keys in DER: rsaEncryption, NULL (RFC 3279 §2.3.1).
const RSA_ENCRYPTION: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
const DER_SEQUENCE: u8 = 0x30;
const DER_BIT_STRING: u8 = 0x03;

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// rsa-sha256: what every verifier knows.
    Rsa,
    /// ed25519-sha256 (RFC 8463): small keys, not known everywhere, so it signs beside RSA.
    Ed25519,
}

impl Algorithm {
    /// Its name in a record (RFC 6376 §3.6.1, `k=`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// A private key, ready to sign. Cheap to clone.
#[derive(Clone)]
pub struct PrivateKey {
    pub(super) key: Arc<DkimKey>,
    algorithm: Algorithm,
    /// As a record publishes it.
    public: Vec<u8>,
}

impl PrivateKey {
    /// Reads a PEM file, PKCS #8 or, for RSA, PKCS #1.
    ///
    /// # Errors
    /// When it cannot be read, when others could, or when it holds no key that can sign.
    pub fn read(path: &Path) -> Result<Self, DkimError> {
        let metadata = fs::metadata(path).map_err(|source| DkimError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & FORBIDDEN_MODE != 0 {
            return Err(DkimError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        let der = PrivateKeyDer::from_pem_file(path).map_err(|source| DkimError::Pem {
            path: path.to_owned(),
            source,
        })?;
        Self::from_der(&der).map_err(|reason| DkimError::Unusable {
            path: path.to_owned(),
            reason,
        })
    }

    /// From PEM text.
    ///
    /// # Errors
    /// Why it cannot sign.
    #[cfg(test)]
    pub(crate) fn from_pem(pem: &str) -> Result<Self, String> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|e| e.to_string())?;
        Self::from_der(&der)
    }

    fn from_der(der: &PrivateKeyDer<'_>) -> Result<Self, String> {
        if let PrivateKeyDer::Pkcs8(pkcs8) = der
            && let Ok(key) = Ed25519Key::from_pkcs8_maybe_unchecked_der(pkcs8.secret_pkcs8_der())
        {
            return Ok(Self {
                // RFC 8463 §4.2: the public key itself, 32 octets.
                public: key.public_key(),
                key: Arc::new(key.into()),
                algorithm: Algorithm::Ed25519,
            });
        }
        let key = RsaKey::<Sha256>::from_key_der(der.clone_key()).map_err(|e| e.to_string())?;
        Ok(Self {
            public: subject_public_key_info(&key.public_key()),
            key: Arc::new(key.into()),
            algorithm: Algorithm::Rsa,
        })
    }

    /// A new key as PEM. RSA has 2048 bits: what RFC 8301 asks for, and what fits into DNS.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn make(algorithm: Algorithm) -> Result<String, DkimError> {
        let made = match algorithm {
            Algorithm::Rsa => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
            Algorithm::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
        };
        Ok(made.map_err(DkimError::Make)?.serialize_pem())
    }

    /// How it signs.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its public half as a record publishes it (`p=`).
    pub fn public(&self) -> &[u8] {
        &self.public
    }
}

/// The algorithm, never the key.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.algorithm.name())
    }
}

/// RFC 6376 §3.6.1, erratum 3017: verifiers take a SubjectPublicKeyInfo, which is what others publish too.
fn subject_public_key_info(rsa_public_key: &[u8]) -> Vec<u8> {
    let bits = [&[0][..], rsa_public_key].concat();
    let content = [&RSA_ENCRYPTION[..], &der(DER_BIT_STRING, &bits)].concat();
    der(DER_SEQUENCE, &content)
}

/// One element of DER: tag, length, content.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().take_while(|&&octet| octet == 0).count()..];
    let mut element = vec![tag];
    match significant {
        [] => element.push(0),
        [short] if *short < 0x80 => element.push(*short),
        _ => {
            element.push(0x80 | u8::try_from(significant.len()).unwrap_or(8));
            element.extend_from_slice(significant);
        }
    }
    element.extend_from_slice(content);
    element
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dkim::scratch;

    fn file(mode: u32, text: &str) -> std::path::PathBuf {
        let path = scratch().join("key.pem");
        fs::write(&path, text).expect("writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
        path
    }

    #[test]
    fn a_made_key_is_read_back_and_others_may_not_see_it() {
        for algorithm in [Algorithm::Rsa, Algorithm::Ed25519] {
            let pem = PrivateKey::make(algorithm).expect("random numbers");
            for mode in [0o600, 0o640, 0o400] {
                let key = PrivateKey::read(&file(mode, &pem)).expect("a key");
                assert_eq!(key.algorithm(), algorithm);
                assert!(!format!("{key:?}").contains("BEGIN"));
            }
            for mode in [0o644, 0o660, 0o604] {
                let error = PrivateKey::read(&file(mode, &pem)).expect_err("others see it");
                assert!(error.hint().contains("chmod 600"), "{error}");
            }
        }
    }

    #[test]
    fn what_is_no_key_is_told_by_its_file() {
        let certificate = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for text in ["", "hello", certificate] {
            let path = file(0o600, text);
            let error = PrivateKey::read(&path).expect_err("no key");
            assert!(error.to_string().contains("key.pem"), "{error}");
        }
    }

    #[test]
    fn a_public_rsa_key_is_published_as_x509_has_it() {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("made");
        let key = PrivateKey::from_pem(&pair.serialize_pem()).expect("a key");
        assert_eq!(
            key.public(),
            rcgen::PublicKeyData::subject_public_key_info(&pair)
        );
    }
}
