//! Makes a credential: the password that is shown once, and what is kept of it.

use super::Config;
use super::password::{self, PasswordError};
use super::scram::{Basis, new_verifier};
use crate::secret::Secret;

/// A new credential.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The password, to be shown once.
    pub password: Secret<String>,
    /// Its argon2id hash in PHC form.
    pub password_hash: Secret<String>,
    /// What SCRAM judges proofs by.
    pub scram_verifier: Secret<String>,
}

/// Makes one. Takes as long as a login: not for an async thread.
///
/// # Errors
/// The configured cost cannot be met.
pub fn generate(config: &Config, basis: &Basis) -> Result<Credential, PasswordError> {
    let password = password::generate();
    let hash = password::hash(&password, config)?;
    Ok(Credential {
        password_hash: Secret::new(hash),
        scram_verifier: new_verifier(&password, basis),
        password,
    })
}
