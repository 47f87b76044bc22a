//! A certificate authority of the tests' own, and what DNS says about the certificates it issues.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PublicKeyData};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::relay::new_folder;

/// An authority. Its files go when it is dropped.
pub struct Authority {
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate for some names, with its key.
pub struct Issued {
    certificate: rcgen::Certificate,
    authority: CertificateDer<'static>,
    key: KeyPair,
}

impl Authority {
    /// Makes one that nobody knows yet.
    ///
    /// # Panics
    /// When the system has no random numbers, or its files cannot be written.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are fine");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("random numbers");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let folder = new_folder();
        fs::write(folder.join("ca.pem"), issuer.pem()).expect("a file");
        Self { folder, issuer }
    }

    /// The PEM file of its own certificate, for `ca-file`.
    pub fn file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Issues a certificate for these names or addresses.
    ///
    /// # Panics
    /// When one of them cannot stand in a certificate.
    pub fn issue(&self, names: &[&str]) -> Issued {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let params = CertificateParams::new(names).expect("names");
        let key = KeyPair::generate().expect("random numbers");
        Issued {
            certificate: params.signed_by(&key, &self.issuer).expect("a certificate"),
            authority: self.issuer.der().clone(),
            key,
        }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Issued {
    /// What a server that shows it, with the authority's own, needs.
    ///
    /// # Panics
    /// Never, as the two fit.
    pub fn server(&self) -> Arc<ServerConfig> {
        let folder = new_folder();
        let (certificate, key) = self.write(&folder);
        let server = gatepost::tls::server_config(&certificate, &key).expect("they fit");
        let _ = fs::remove_dir_all(folder);
        server
    }

    /// Writes chain and key as PEM into a folder; returns their paths.
    ///
    /// # Panics
    /// When the folder cannot be written to.
    pub fn write(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join("chain.pem"), folder.join("key.pem"));
        let chain = self.certificate.pem() + &pem(&self.authority);
        fs::write(&certificate, chain).expect("a file");
        fs::write(&key, self.key.serialize_pem()).expect("a file");
        (certificate, key)
    }

    /// `3 1 1 …`: the SHA-256 of its own key.
    pub fn tlsa(&self) -> String {
        format!(
            "3 1 1 {}",
            hex(&Sha256::digest(self.key.subject_public_key_info()))
        )
    }

    /// `2 0 1 …`: the SHA-256 of its authority's certificate.
    pub fn authority_tlsa(&self) -> String {
        format!("2 0 1 {}", hex(&Sha256::digest(&self.authority)))
    }
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).expect("base64 is ASCII"))
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}
