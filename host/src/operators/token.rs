//! Random tokens: what a browser or a link holds, and the digest that is kept of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::secret::Secret;

/// Octets of a token: 256 random bits, which nobody searches.
const TOKEN_OCTETS: usize = 32;

/// What is kept of a token. It cannot be turned back, so that a copy of the store lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// From what the store keeps; none when it is none.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self)
    }

    /// Of something else than a token.
    pub fn of(octets: &[u8]) -> Self {
        Self(Sha256::digest(octets).into())
    }

    /// What the store keeps.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

/// A token as its holder presents it. Does not print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(Secret<String>);

impl Token {
    /// A fresh one: 43 characters of base64url.
    ///
    /// # Panics
    /// When the operating system has no random numbers.
    pub fn generate() -> Self {
        let mut octets = [0; TOKEN_OCTETS];
        getrandom::fill(&mut octets).expect("the operating system has random numbers");
        Self(Secret::new(URL_SAFE_NO_PAD.encode(octets)))
    }

    /// What somebody presents; none when it cannot be a token.
    pub fn parse(text: &str) -> Option<Self> {
        let octets = URL_SAFE_NO_PAD.decode(text).ok()?;
        (octets.len() == TOKEN_OCTETS).then(|| Self(Secret::new(text.to_owned())))
    }

    /// The text itself; every call is a place to look at in review.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What is kept of it.
    pub fn digest(&self) -> Digest {
        Digest(Sha256::digest(self.expose().as_bytes()).into())
    }

    /// A value for one purpose that only who holds the token can show, in 43 characters: forms carry
    /// one, so that no other site can submit them.
    pub fn derived(&self, purpose: &str) -> String {
        self.seal(purpose, "")
    }

    /// The same over a text: who does not hold the token cannot make it.
    pub fn seal(&self, purpose: &str, text: &str) -> String {
        let key = blake3::derive_key(purpose, self.expose().as_bytes());
        URL_SAFE_NO_PAD.encode(blake3::keyed_hash(&key, text.as_bytes()).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text_and_does_not_print() {
        let token = Token::generate();
        assert_eq!(token.expose().len(), 43);
        let parsed = Token::parse(token.expose()).expect("a token");
        assert_eq!(parsed.digest(), token.digest());
        assert_ne!(Token::generate().digest(), token.digest());
        assert!(!format!("{token:?}").contains(token.expose()));
        let kept = Digest::from_octets(token.digest().octets());
        assert_eq!(kept, Some(token.digest()));
    }

    #[test]
    fn text_that_is_no_token_is_refused() {
        for text in ["", "x", &"A".repeat(42), &"A".repeat(44), &"*".repeat(43)] {
            assert!(Token::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_derived_depends_on_token_purpose_and_text() {
        let (one, other) = (Token::generate(), Token::generate());
        assert_eq!(one.derived("forms"), one.derived("forms"));
        assert_ne!(one.derived("forms"), other.derived("forms"));
        assert_ne!(one.derived("forms"), one.derived("notes"));
        assert_ne!(one.seal("notes", "a"), one.seal("notes", "b"));
    }
}
