//! The server side for one certificate that never changes.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;

use super::{Certificates, Loaded, MinVersion, TlsError};

/// Shows the certificate chain of `certificate`.
///
/// # Errors
/// When a file cannot be read, or the key does not belong to the certificate.
pub fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let loaded = Loaded::read(certificate, key)?;
    Certificates::new(loaded.key).server_config(MinVersion::Tls12)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tls::{scratch, self_signed};

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
