//! One-time codes (RFC 6238): six digits, new every 30 seconds, as every authenticator app shows them.

use totp_rs::{Builder, Totp};

use crate::clock::Timestamp;
use crate::secret::Secret;

/// Octets of a key: 160 bits, as RFC 4226 §4 recommends.
const KEY_OCTETS: usize = 20;

/// What codes are made from. Does not print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotpKey(Secret<String>);

impl TotpKey {
    /// A fresh one.
    ///
    /// # Panics
    /// When the operating system has no random numbers.
    pub fn generate() -> Self {
        let mut octets = [0; KEY_OCTETS];
        getrandom::fill(&mut octets).expect("the operating system has random numbers");
        let secret = totp_rs::Secret::from(octets.to_vec());
        Self(Secret::new(secret.to_base32()))
    }

    /// From base 32, as the store keeps it and forms carry it; none when it is no key.
    pub fn parse(base32: &str) -> Option<Self> {
        let key = Self(Secret::new(base32.to_owned()));
        key.totp().map(|_| key)
    }

    /// In base 32, as a person types it into an app; every call is a place to look at in review.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What the picture for an app says.
    pub fn url(&self, issuer: &str, name: &str) -> String {
        let (issuer, name) = (percent(issuer), percent(name));
        format!(
            "otpauth://totp/{issuer}:{name}?secret={}&issuer={issuer}",
            self.expose()
        )
    }

    /// The step of the code, when it is right now or was within the neighbouring 30 seconds: clocks
    /// differ. A step may be used once (RFC 6238 §5.2).
    pub fn step_of(&self, code: &str, now: Timestamp) -> Option<i64> {
        let seconds = u64::try_from(now.as_millis() / 1000).ok()?;
        let step = self.totp()?.check(code, seconds)?;
        i64::try_from(step).ok()
    }

    fn totp(&self) -> Option<Totp> {
        let secret = totp_rs::Secret::try_from_base32(self.expose()).ok()?;
        Builder::new().with_secret(secret).build().ok()
    }
}

/// The six digits that somebody typed, without the blanks that apps show between them.
pub fn code_of(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Everything but unreserved characters (RFC 3986 §2.3) as `%XX`.
fn percent(text: &str) -> String {
    let octet = |octet: u8| match octet {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(octet).to_string()
        }
        _ => format!("%{octet:02X}"),
    };
    text.bytes().map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 6238 Appendix B: `12345678901234567890`.
    const RFC: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn the_codes_of_rfc_6238_are_right_and_their_neighbours_too() {
        let key = TotpKey::parse(RFC).expect("a key");
        assert_eq!(key.step_of("287082", at(59)), Some(1));
        assert_eq!(key.step_of("081804", at(1_111_111_109)), Some(37_037_036));
        assert_eq!(key.step_of("287082", at(89)), Some(1));
        assert_eq!(key.step_of("287082", at(90)), None);
        assert_eq!(key.step_of("287083", at(59)), None);
        assert_eq!(key.step_of("", at(59)), None);
    }

    #[test]
    fn a_key_survives_its_text_and_does_not_print() {
        let key = TotpKey::generate();
        assert_eq!(TotpKey::parse(key.expose()), Some(key.clone()));
        assert!(!format!("{key:?}").contains(key.expose()));
        assert_eq!(TotpKey::parse("short"), None);
        assert_eq!(code_of(" 287 082\n"), "287082");
    }

    #[test]
    fn the_picture_names_relay_and_person() {
        let key = TotpKey::parse(RFC).expect("a key");
        assert_eq!(
            key.url("relay.example.com", "Anna M"),
            format!(
                "otpauth://totp/relay.example.com:Anna%20M?secret={RFC}&issuer=relay.example.com"
            )
        );
    }
}
