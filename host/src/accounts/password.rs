//! Makes passwords, hashes them and computes whether one matches a hash. A password is known when it is
//! made and never again; the hash is what is kept.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use super::Config;
use crate::secret::Secret;

/// Lower case and digits without `0 1 l o`, which are mistaken for others.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Five bits each: 26 of them hold 130 bits. No separators, so that a double click takes all of it.
const LENGTH: usize = 26;

/// A password could not be hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The configured cost is not one argon2 works with.
    #[error(
        "could not hash a password with {memory_kib} KiB, {iterations} iterations and {parallelism} lanes"
    )]
    Cost {
        /// Memory as configured, in KiB.
        memory_kib: u32,
        /// Iterations as configured.
        iterations: u32,
        /// Lanes as configured.
        parallelism: u32,
        /// What is wrong with it.
        #[source]
        source: argon2::Error,
    },
    /// Hashing failed.
    #[error("could not hash a password with argon2id")]
    Hash(#[source] argon2::password_hash::Error),
    /// What is stored in place of a hash is not one.
    #[error("could not read a stored password hash")]
    StoredHash(#[source] argon2::password_hash::phc::Error),
}

/// Makes a password of 26 characters, 130 random bits.
///
/// # Panics
/// When the operating system has no random numbers.
pub fn generate() -> Secret<String> {
    let mut octets = [0; LENGTH];
    getrandom::fill(&mut octets).expect("the operating system has random numbers");
    let text = octets
        .iter()
        .map(|octet| char::from(ALPHABET[usize::from(octet & 31)]))
        .collect();
    Secret::new(text)
}

/// Hashes a password with argon2id and a fresh salt; returns the PHC string. Takes tens of
/// milliseconds and the configured memory: not for an async thread.
///
/// # Errors
/// [`PasswordError::Cost`] when the configuration cannot be met.
pub fn hash(password: &Secret<String>, config: &Config) -> Result<String, PasswordError> {
    let hash = argon2(config)?
        .hash_password(password.expose().as_bytes())
        .map_err(PasswordError::Hash)?;
    Ok(hash.to_string())
}

/// True when the password is the one behind the PHC string. As expensive as [`hash`].
///
/// # Errors
/// [`PasswordError::StoredHash`] when the string is not one, [`PasswordError::Hash`] when it asks for
/// something that cannot be computed.
pub fn matches(phc: &str, password: &Secret<String>) -> Result<bool, PasswordError> {
    let stored = PasswordHash::new(phc).map_err(PasswordError::StoredHash)?;
    // The cost is the stored hash's own.
    match Argon2::default().verify_password(password.expose().as_bytes(), &stored) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(PasswordError::Hash(error)),
    }
}

fn argon2(config: &Config) -> Result<Argon2<'static>, PasswordError> {
    let Config {
        memory_kib,
        iterations,
        parallelism,
        ..
    } = *config;
    let params = Params::new(memory_kib, iterations, parallelism, None).map_err(|source| {
        PasswordError::Cost {
            memory_kib,
            iterations,
            parallelism,
            source,
        }
    })?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap() -> Config {
        Config {
            memory_kib: 64,
            iterations: 1,
            ..Config::default()
        }
    }

    #[test]
    fn generated_passwords_are_long_unambiguous_and_different() {
        let made: std::collections::HashSet<String> =
            (0..1000).map(|_| generate().expose().clone()).collect();
        assert_eq!(made.len(), 1000);
        for password in made {
            assert_eq!(password.len(), LENGTH);
            assert!(!password.contains(['0', '1', 'l', 'o']), "{password}");
        }
    }

    #[test]
    fn the_alphabet_has_no_character_twice() {
        let distinct: std::collections::HashSet<_> = ALPHABET.iter().collect();
        assert_eq!(distinct.len(), 32);
    }

    #[test]
    fn a_hash_is_argon2id_and_matches_its_password_alone() {
        let password = generate();
        let phc = hash(&password, &cheap()).expect("the cost is valid");
        assert!(phc.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{phc}");
        assert!(!phc.contains(password.expose()));
        assert!(matches(&phc, &password).expect("the hash is valid"));
        assert!(!matches(&phc, &generate()).expect("the hash is valid"));
        assert_ne!(phc, hash(&password, &cheap()).expect("the cost is valid"));
    }

    #[test]
    fn a_stored_text_that_is_no_hash_is_an_error() {
        for phc in ["", "x", "$argon2id$", "$1$abc$def"] {
            assert!(matches(phc, &generate()).is_err(), "{phc:?}");
        }
    }

    #[test]
    fn a_cost_argon2_cannot_work_with_is_an_error() {
        let config = Config {
            memory_kib: 1,
            ..Config::default()
        };
        let error = hash(&generate(), &config).expect_err("one KiB is too little");
        assert!(error.to_string().contains("1 KiB"), "{error}");
    }
}
