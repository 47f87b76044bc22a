//! Passwords on their way to the page that shows them: once, to the session that made them, and soon.
//!
//! They are in memory alone, in no address, cookie or form, so that neither history nor going back shows them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::operators::Digest;
use crate::secret::Secret;

/// How long a password waits to be shown. Default a minute: the browser comes at once.
const PATIENCE: Duration = Duration::from_secs(60);
/// Passwords that wait at most. Default 1,000; then the oldest go.
const MAX_WAITING: usize = 1000;

/// For whom a password is: the session, and the user whose it is.
type Key = (Digest, String);

/// A password, and since when it waits.
type Waiting = (Secret<String>, Instant);

/// Passwords that wait to be shown. Cheap to clone; all clones share them.
#[derive(Clone, Debug, Default)]
pub struct Once(Arc<Mutex<HashMap<Key, Waiting>>>);

impl Once {
    /// Keeps a password for the next page about this user.
    pub fn keep(&self, session: Digest, user: &str, password: Secret<String>) {
        let now = Instant::now();
        let mut waiting = self.0.lock();
        waiting.retain(|_, (_, since)| now.saturating_duration_since(*since) < PATIENCE);
        if waiting.len() >= MAX_WAITING {
            let oldest = waiting.iter().min_by_key(|(_, (_, since))| *since);
            let oldest = oldest.map(|(key, _)| key.clone());
            oldest.map(|key| waiting.remove(&key));
        }
        waiting.insert((session, user.to_owned()), (password, now));
    }

    /// Takes it, so that nobody gets it again.
    pub fn take(&self, session: Digest, user: &str) -> Option<Secret<String>> {
        let taken = self.0.lock().remove(&(session, user.to_owned()));
        let (password, since) = taken?;
        (since.elapsed() < PATIENCE).then_some(password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::Token;

    #[test]
    fn a_password_is_shown_once_and_to_its_own_session() {
        let once = Once::default();
        let (own, other) = (Token::generate().digest(), Token::generate().digest());
        once.keep(own, "s1_1", Secret::new("hush".to_owned()));
        assert_eq!(once.take(other, "s1_1"), None);
        assert_eq!(once.take(own, "s1_2"), None);
        let shown = once.take(own, "s1_1").expect("it waits");
        assert_eq!(shown.expose(), "hush");
        assert_eq!(once.take(own, "s1_1"), None);
    }

    #[test]
    fn few_wait() {
        let once = Once::default();
        let session = Token::generate().digest();
        for number in 0..=MAX_WAITING {
            once.keep(session, &number.to_string(), Secret::default());
        }
        assert_eq!(once.0.lock().len(), MAX_WAITING);
        assert_eq!(once.take(session, "0"), None);
    }
}
