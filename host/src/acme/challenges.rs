//! The answers to the authority's HTTP-01 challenges (RFC 8555 §8.3).

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// Tokens and what is answered to them while an order runs. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Challenges {
    answers: Arc<Mutex<HashMap<String, String>>>,
}

impl Challenges {
    /// The key authorization of a token; none when no such challenge is open.
    pub fn answer(&self, token: &str) -> Option<String> {
        self.answers.lock().get(token).cloned()
    }

    /// Answers a token from now on. There are as many as an order has names.
    pub(super) fn open(&self, token: &str, key_authorization: &str) {
        let mut answers = self.answers.lock();
        answers.insert(token.to_owned(), key_authorization.to_owned());
    }

    /// Answers nothing any more.
    pub(super) fn clear(&self) {
        self.answers.lock().clear();
    }
}
