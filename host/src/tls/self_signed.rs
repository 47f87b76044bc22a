//! The certificate we make ourselves when none is configured.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::TlsError;

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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::tls::{Roots, Verification, client_config, scratch, server_config};

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
}
