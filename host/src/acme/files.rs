//! What is kept beside the store: the account, the certificate with its key, and what was tried.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tracing::warn;

use super::AcmeError;
use super::plan::Attempts;
use crate::tls::Loaded;

/// The folder of one authority: the account of another one is of no use there, and its certificate
/// may be one that nobody trusts.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder for the authority with this directory.
    pub fn of(data_folder: &Path, directory_url: &str) -> Self {
        let hash = Sha256::digest(directory_url.as_bytes());
        let name: String = hash[..8]
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        Self {
            path: data_folder.join("acme").join(name),
        }
    }

    /// The certificate that was kept; none if there is none.
    pub fn certificate(&self) -> Result<Option<Loaded>, AcmeError> {
        let path = self.certificate_path();
        if !path.exists() {
            return Ok(None);
        }
        Ok(Some(Loaded::read(&path, &path)?))
    }

    /// Keeps a chain and its key in one file, so that both change at once, after they have proven to
    /// be a pair.
    pub fn keep_certificate(&self, pem: &str) -> Result<Loaded, AcmeError> {
        let next = self.path.join("certificate.next");
        self.write(&next, pem.as_bytes())?;
        let loaded = Loaded::read(&next, &next)?;
        self.rename(&next, &self.certificate_path())?;
        Ok(loaded)
    }

    /// The account that was kept; none if there is none.
    pub fn account(&self) -> Result<Option<AccountCredentials>, AcmeError> {
        let path = self.path.join("account.json");
        let Some(text) = read(&path)? else {
            return Ok(None);
        };
        let account = serde_json::from_slice(&text);
        account
            .map(Some)
            .map_err(|source| AcmeError::Account { path, source })
    }

    /// Keeps the account with its key.
    pub fn keep_account(&self, account: &AccountCredentials) -> Result<(), AcmeError> {
        self.keep_json("account.json", account)
    }

    /// What was tried for these names; nothing for others, whose failures are no reason to wait.
    pub fn attempts(&self, names: &[String]) -> Attempts {
        let kept = match read(&self.path.join("attempts.json")) {
            Ok(text) => text.and_then(|text| serde_json::from_slice::<Attempts>(&text).ok()),
            Err(error) => {
                warn!(error = %error.with_causes(), "it is not known what was tried");
                None
            }
        };
        let none = || Attempts {
            names: names.to_owned(),
            ..Attempts::default()
        };
        kept.filter(|kept| kept.names == names).unwrap_or_else(none)
    }

    /// Keeps what was tried.
    pub fn keep_attempts(&self, attempts: &Attempts) -> Result<(), AcmeError> {
        self.keep_json("attempts.json", attempts)
    }

    fn certificate_path(&self) -> PathBuf {
        self.path.join("certificate.pem")
    }

    fn keep_json(&self, name: &str, value: &impl Serialize) -> Result<(), AcmeError> {
        let path = self.path.join(name);
        let next = path.with_extension("next");
        let text = serde_json::to_vec(value)
            .map_err(|error| failed("write", &path, io::Error::other(error)))?;
        self.write(&next, &text)?;
        self.rename(&next, &path)
    }

    /// Writes a file that never is readable by others.
    fn write(&self, path: &Path, octets: &[u8]) -> Result<(), AcmeError> {
        let write = || -> io::Result<()> {
            let mut folder = DirBuilder::new();
            folder.recursive(true).mode(0o700).create(&self.path)?;
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)?;
            file.write_all(octets)?;
            file.sync_all()
        };
        write().map_err(|source| failed("write", path, source))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), AcmeError> {
        let rename = || -> io::Result<()> {
            fs::rename(from, to)?;
            fs::File::open(&self.path)?.sync_all()
        };
        rename().map_err(|source| failed("write", to, source))
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, AcmeError> {
    match fs::read(path) {
        Ok(octets) => Ok(Some(octets)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed("read", path, source)),
    }
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> AcmeError {
    AcmeError::File {
        doing,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::clock::Timestamp;

    fn folder() -> Folder {
        let name = format!("gatepost-acme-{}", crate::id::session_id());
        let data_folder = std::env::temp_dir().join(name);
        Folder::of(&data_folder, "https://ca.example/directory")
    }

    /// A key and a certificate that belong together.
    fn pair() -> (String, String) {
        let names = vec!["a.example".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a plain name");
        (made.signing_key.serialize_pem(), made.cert.pem())
    }

    fn mode(path: &Path) -> u32 {
        let permissions = fs::metadata(path).expect("it is there").permissions();
        permissions.mode() & 0o777
    }

    #[test]
    fn a_certificate_and_its_key_are_kept_for_their_owner_alone() {
        let folder = folder();
        assert!(folder.certificate().expect("no folder").is_none());
        let (key, chain) = pair();
        let kept = folder.keep_certificate(&(key + &chain)).expect("a pair");
        let read = folder.certificate().expect("readable").expect("kept");
        assert_eq!(read.facts, kept.facts);
        assert_eq!(mode(&folder.certificate_path()), 0o600);
        assert_eq!(mode(&folder.path), 0o700);
    }

    #[test]
    fn what_is_no_pair_does_not_replace_what_is_kept() {
        let folder = folder();
        let ((key, chain), (_, stranger)) = (pair(), pair());
        let first = folder.keep_certificate(&(key.clone() + &chain));
        let serial = first.expect("a pair").facts.serial;
        assert!(folder.keep_certificate(&(key + &stranger)).is_err());
        let read = folder.certificate().expect("readable").expect("kept");
        assert_eq!(read.facts.serial, serial);
    }

    #[test]
    fn attempts_are_kept_and_forgotten_for_other_names() {
        let folder = folder();
        let names = vec!["a.example".to_owned()];
        let tried = folder.attempts(&names);
        let tried = tried.one_more(Timestamp::from_millis(5), 7);
        folder.keep_attempts(&tried).expect("a folder");
        assert_eq!(folder.attempts(&names), tried);
        let others = vec!["b.example".to_owned()];
        assert_eq!(folder.attempts(&others).failures, 0);
    }
}
