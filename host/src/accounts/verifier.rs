//! Verifies credentials at a bounded cost: argon2 off the async threads and few at a time, and not
//! again for a client that logs in for each message.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

use super::Config;
use super::password::{self, PasswordError};
use crate::secret::Secret;

/// Credentials could be neither confirmed nor denied.
#[derive(Debug, thiserror::Error)]
pub enum VerifierError {
    /// Too many others wait: `454 4.7.0`.
    #[error("could not verify a password within {wait_s} s, too many are waiting")]
    Busy {
        /// The configured wait, in seconds.
        wait_s: u64,
    },
    /// The computation failed.
    #[error("could not verify a password")]
    Password(#[from] PasswordError),
    /// The thread that computed ended early.
    #[error("could not verify a password, its computation was ended")]
    Ended(#[from] JoinError),
}

/// Verifies credentials for every session of this process.
#[derive(Debug)]
pub struct Verifier {
    config: Config,
    permits: Arc<Semaphore>,
    verified: VerifiedCredentials,
}

impl Verifier {
    /// With an empty cache and a fresh random key for it.
    ///
    /// # Panics
    /// When the operating system has no random numbers.
    pub fn new(config: Config) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(config.concurrent_hashes.max(1))),
            verified: VerifiedCredentials::new(&config),
            config,
        }
    }

    /// True when the password is the one behind the PHC string of that user.
    ///
    /// A credential that was verified a short while ago costs microseconds. Failures are not remembered.
    ///
    /// # Errors
    /// [`VerifierError::Busy`] when its turn does not come in time, others when argon2 fails.
    ///
    /// # Cancel safety
    /// May be dropped; a computation that has begun goes on, and keeps its place until it ends.
    pub async fn verify(
        &self,
        user_id: i64,
        credential_version: i64,
        phc: &str,
        password: &Secret<String>,
    ) -> Result<bool, VerifierError> {
        let digest = self
            .verified
            .digest(user_id, credential_version, phc, password);
        if self.verified.contains(user_id, digest, Instant::now()) {
            return Ok(true);
        }
        let permit = self.permit().await?;
        // A client that opens many connections at once is computed for once.
        if self.verified.contains(user_id, digest, Instant::now()) {
            return Ok(true);
        }
        let (phc, password) = (phc.to_owned(), password.clone());
        let is_right = on_own_thread(permit, move || password::matches(&phc, &password)).await?;
        if is_right {
            self.verified.insert(user_id, digest, Instant::now());
        }
        Ok(is_right)
    }

    /// True when the password was verified a short while ago, so that [`Verifier::verify`] takes no time.
    pub fn remembers(
        &self,
        user_id: i64,
        credential_version: i64,
        phc: &str,
        password: &Secret<String>,
    ) -> bool {
        let digest = self
            .verified
            .digest(user_id, credential_version, phc, password);
        self.verified.contains(user_id, digest, Instant::now())
    }

    /// Always false, after the work of a verification: the time to an answer does not tell whether a
    /// user name exists.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    ///
    /// # Cancel safety
    /// As [`Verifier::verify`].
    pub async fn verify_nobody(&self, password: &Secret<String>) -> Result<bool, VerifierError> {
        let permit = self.permit().await?;
        let (config, password) = (self.config.clone(), password.clone());
        on_own_thread(permit, move || password::hash(&password, &config)).await?;
        Ok(false)
    }

    /// Forgets what was verified for a user, so that the next login is computed again.
    pub fn forget(&self, user_id: i64) {
        self.verified.entries.lock().remove(&user_id);
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, VerifierError> {
        let wait_s = self.config.wait_s;
        let permit = Arc::clone(&self.permits).acquire_owned();
        tokio::time::timeout(Duration::from_secs(wait_s), permit)
            .await
            .map_err(|_| VerifierError::Busy { wait_s })
            .map(|permit| permit.expect("the semaphore is never closed"))
    }
}

/// Computes on a blocking thread, which gives the permit back when it is done.
async fn on_own_thread<T: Send + 'static>(
    permit: OwnedSemaphorePermit,
    compute: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
) -> Result<T, VerifierError> {
    let computed = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        compute()
    });
    Ok(computed.await??)
}

/// Credentials verified a short while ago, as keyed digests: neither passwords nor anything that could
/// be searched for one outside this process.
struct VerifiedCredentials {
    key: [u8; blake3::KEY_LEN],
    ttl: Duration,
    max_entries: usize,
    entries: Mutex<HashMap<i64, VerifiedCredential>>,
}

/// A user has one right password at a time.
struct VerifiedCredential {
    digest: blake3::Hash,
    until: Instant,
}

impl VerifiedCredentials {
    fn new(config: &Config) -> Self {
        let mut key = [0; blake3::KEY_LEN];
        getrandom::fill(&mut key).expect("the operating system has random numbers");
        Self {
            key,
            ttl: Duration::from_secs(config.cache_ttl_s),
            max_entries: config.cache_entries,
            entries: Mutex::default(),
        }
    }

    /// Covers everything the answer depends on, so that an entry made before a reset means nothing after.
    fn digest(
        &self,
        user_id: i64,
        credential_version: i64,
        phc: &str,
        password: &Secret<String>,
    ) -> blake3::Hash {
        let phc_length = u64::try_from(phc.len()).expect("a length fits 64 bits");
        blake3::Hasher::new_keyed(&self.key)
            .update(&user_id.to_le_bytes())
            .update(&credential_version.to_le_bytes())
            .update(&phc_length.to_le_bytes())
            .update(phc.as_bytes())
            .update(password.expose().as_bytes())
            .finalize()
    }

    fn contains(&self, user_id: i64, digest: blake3::Hash, now: Instant) -> bool {
        // `blake3::Hash` compares in constant time.
        self.entries
            .lock()
            .get(&user_id)
            .is_some_and(|entry| entry.digest == digest && now < entry.until)
    }

    fn insert(&self, user_id: i64, digest: blake3::Hash, now: Instant) {
        let mut entries = self.entries.lock();
        if entries.len() >= self.max_entries && !entries.contains_key(&user_id) {
            make_room(&mut entries, now);
        }
        if entries.len() < self.max_entries || entries.contains_key(&user_id) {
            let until = now.checked_add(self.ttl).unwrap_or(now);
            entries.insert(user_id, VerifiedCredential { digest, until });
        }
    }
}

/// Drops what has expired, or else any entry: its user pays for argon2 once more.
fn make_room(entries: &mut HashMap<i64, VerifiedCredential>, now: Instant) {
    let before = entries.len();
    entries.retain(|_, entry| now < entry.until);
    if entries.len() == before
        && let Some(&any) = entries.keys().next()
    {
        entries.remove(&any);
    }
}

impl std::fmt::Debug for VerifiedCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifiedCredentials")
            .field("entries", &self.entries.lock().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
