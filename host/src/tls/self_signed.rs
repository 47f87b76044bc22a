//! The certificate we make ourselves when none is configured.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};

use super::{Loaded, TlsError};
use crate::clock::{Timestamp, civil_date};

/// Days that the certificate is valid. 820: Apple's programs refuse one of more than 825 days even where
/// somebody has trusted it.
const VALID_DAYS: i64 = 820;
/// Days before its end from which a start makes another one.
const RENEWAL_DAYS: u64 = 30;
/// Octets of a common name (RFC 5280 appendix A, `ub-common-name`).
const MAX_COMMON_NAME_OCTETS: usize = 64;
const DAY_MS: i64 = 86_400_000;
/// 4096-01-01, in days since 1970.
const LAST_DAY: i64 = 776_506;

/// A certificate that we made ourselves, and where it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfSigned {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM, readable by its owner alone.
    pub key: PathBuf,
    /// False when both were there already and are valid for a while.
    pub created: bool,
}

/// The self-signed certificate kept in `dir`, made now if it is not there yet or about to expire.
///
/// # Errors
/// When the name cannot stand in a certificate or the files cannot be written.
pub fn self_signed(dir: &Path, hostname: &str) -> Result<SelfSigned, TlsError> {
    self_signed_at(dir, hostname, Timestamp::now())
}

fn self_signed_at(dir: &Path, hostname: &str, now: Timestamp) -> Result<SelfSigned, TlsError> {
    let certificate = dir.join("self-signed.crt");
    let key = dir.join("self-signed.key");
    let created = !(certificate.exists() && key.exists() && lasts(&certificate, &key, now));
    if created {
        let (made_key, made) = make(hostname, now).map_err(|source| TlsError::SelfSigned {
            hostname: hostname.to_owned(),
            source,
        })?;
        write_with_mode(&key, 0o600, &made_key)?;
        write_with_mode(&certificate, 0o644, &made)?;
    }
    Ok(SelfSigned {
        certificate,
        key,
        created,
    })
}

/// False when it ends soon. One that cannot be read stays, for whoever put it there to hear of it.
fn lasts(certificate: &Path, key: &Path, now: Timestamp) -> bool {
    Loaded::read(certificate, key).map_or(true, |kept| kept.facts.days_left(now) >= RENEWAL_DAYS)
}

/// A key and a certificate for it, PEM.
fn make(hostname: &str, now: Timestamp) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(vec![hostname.to_owned()])?;
    let fits = hostname.len() <= MAX_COMMON_NAME_OCTETS;
    let common_name = if fits { hostname } else { "Gatepost" };
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    // From midnight: a client whose clock is a little behind has no reason to complain.
    let today = now.as_millis().div_euclid(DAY_MS);
    let midnight = |days| {
        let (year, month, day) = date(days);
        rcgen::date_time_ymd(year, month, day)
    };
    params.not_before = midnight(today);
    params.not_after = midnight(today.saturating_add(VALID_DAYS));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((key.serialize_pem(), certificate.pem()))
}

/// Year, month and day so many days after 1970-01-01; a clock beyond [`LAST_DAY`] is wrong.
fn date(days: i64) -> (i32, u8, u8) {
    let (year, month, day) = civil_date(days.clamp(0, LAST_DAY));
    let small = |number| u8::try_from(number).unwrap_or(1);
    (
        i32::try_from(year).unwrap_or(1970),
        small(month),
        small(day),
    )
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
    fn a_certificate_is_valid_as_long_as_clients_bear_and_made_anew_before_it_ends() {
        let (dir, now) = (scratch(), Timestamp::now());
        let days = |days: u64| std::time::Duration::from_secs(days * 86_400);
        let made = self_signed_at(&dir, "relay.example.com", now).expect("a plain name");
        let facts = || {
            Loaded::read(&made.certificate, &made.key)
                .expect("they fit")
                .facts
        };
        let first = facts();
        assert!(first.not_before <= now);
        let validity = first.not_after.since(first.not_before);
        assert_eq!(validity, days(820), "no more than 825");
        let later = now + days(780);
        let kept = self_signed_at(&dir, "relay.example.com", later).expect("it is there");
        assert!(!kept.created);
        let later = now + days(800);
        let renewed = self_signed_at(&dir, "relay.example.com", later).expect("a plain name");
        assert!(renewed.created);
        assert!(facts().not_after > first.not_after);
        assert_ne!(facts().serial, first.serial);
    }

    #[test]
    fn a_clock_that_is_far_off_and_a_long_name_do_no_harm() {
        let long = format!("{}.example.com", "a".repeat(60));
        for millis in [0, i64::MAX, i64::MIN] {
            make(&long, Timestamp::from_millis(millis)).expect("a name");
        }
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
}
