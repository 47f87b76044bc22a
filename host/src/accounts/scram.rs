//! What SCRAM needs of accounts: verifiers made with passwords, and one for each name that is nobody's.

use super::User;
use crate::secret::Secret;
use crate::smtp::scram::{SALT_OCTETS, ScramVerifier};

/// Keys the salts of names that are nobody's. Kept in the store, so that they outlive a restart.
pub type SaltKey = Secret<[u8; 32]>;

/// What all verifiers of a store have in common.
#[derive(Clone, Debug)]
pub struct Basis {
    /// Keys the salts of names that are nobody's.
    pub key: SaltKey,
    /// Iterations of every verifier (RFC 5802 §5.1), from the first one on: if they changed, names that are
    /// nobody's would show one count and users whose passwords are older another.
    pub iterations: u32,
}

/// Makes the verifier of a new password, with a fresh salt; as it is stored.
///
/// # Panics
/// When the operating system has no random numbers.
pub fn new_verifier(password: &Secret<String>, basis: &Basis) -> Secret<String> {
    let mut salt = [0; SALT_OCTETS];
    getrandom::fill(&mut salt).expect("the operating system has random numbers");
    ScramVerifier::derive(password, salt, basis.iterations).to_stored()
}

/// What a proof for `username` is judged by, and the version of the credential it belongs to.
///
/// A name without a user, and a user whose password is older than SCRAM here, get a verifier that nothing
/// fits. It looks like any other and is the same each time, so that nobody learns who there is.
pub fn verifier_of(user: Option<&User>, username: &str, basis: &Basis) -> (ScramVerifier, i64) {
    let stored = user.and_then(|user| Some((stored(user)?, user.credential_version)));
    stored.unwrap_or_else(|| {
        let salt = nobodys_salt(username, &basis.key);
        (ScramVerifier::nobody(salt, basis.iterations), 0)
    })
}

/// Whether the user's password can be used by SCRAM; by every other mechanism it always can.
pub fn is_possible(user: &User) -> bool {
    stored(user).is_some()
}

fn stored(user: &User) -> Option<ScramVerifier> {
    user.scram_verifier.as_ref()?.expose().parse().ok()
}

fn nobodys_salt(username: &str, key: &SaltKey) -> [u8; SALT_OCTETS] {
    let digest = blake3::keyed_hash(key.expose(), username.to_lowercase().as_bytes());
    let mut salt = [0; SALT_OCTETS];
    salt.copy_from_slice(&digest.as_bytes()[..SALT_OCTETS]);
    salt
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basis(key: u8) -> Basis {
        Basis {
            key: Secret::new([key; 32]),
            iterations: 10_000,
        }
    }

    #[test]
    fn a_name_that_is_nobodys_has_a_salt_of_its_own_that_stays() {
        let of = |name| verifier_of(None, name, &basis(7)).0;
        assert_eq!(of("s1_1"), of("S1_1"));
        assert_ne!(of("s1_1"), of("s1_2"));
        assert_ne!(of("s1_1"), verifier_of(None, "s1_1", &basis(8)).0);
    }

    #[test]
    fn a_new_verifier_has_a_fresh_salt() {
        let password = Secret::new("pencil".to_owned());
        let made = || new_verifier(&password, &basis(7));
        assert_ne!(made().expose(), made().expose());
        assert!(made().expose().starts_with("SCRAM-SHA-256$10000:"));
    }
}
