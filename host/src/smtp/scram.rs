//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), the server's side.
//!
//! The server keeps no password: what it has is enough to recognise a proof and to prove itself, and not
//! enough to log in elsewhere.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::secret::Secret;

/// Octets of a key: the output of SHA-256.
const KEY_OCTETS: usize = 32;
/// Octets of a salt.
pub const SALT_OCTETS: usize = 16;
/// RFC 7677 §4: at least so many iterations.
const MIN_ITERATIONS: u32 = 4096;
/// Octets of a client's nonce: more is no nonce.
const MAX_NONCE_OCTETS: usize = 256;

/// What is kept of a password (RFC 5803).
#[derive(Clone, PartialEq, Eq)]
pub struct ScramVerifier {
    iterations: u32,
    salt: [u8; SALT_OCTETS],
    stored_key: [u8; KEY_OCTETS],
    server_key: [u8; KEY_OCTETS],
}

/// A stored text is not a verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not read a stored SCRAM verifier")]
pub struct ParseVerifierError;

/// What the first message of a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientFirst {
    pub username: String,
    /// What the client will have to repeat, in clear: its GS2 header and the channel binding.
    binding: Vec<u8>,
    bare: String,
    nonce: String,
}

/// What is needed to judge the final message.
#[derive(Clone)]
pub(super) struct Challenge {
    pub username: String,
    binding: Vec<u8>,
    nonce: String,
    /// `client-first-message-bare "," server-first-message`
    said: String,
    verifier: ScramVerifier,
}

/// A message that does not follow the grammar, or a binding that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    Malformed(&'static str),
    /// Somebody between client and server hid from this user that channel binding is offered
    /// (RFC 5802 §6).
    Downgrade(String),
}

impl ScramVerifier {
    /// Derives it from a password. Takes milliseconds for ten thousand iterations.
    pub fn derive(password: &Secret<String>, salt: [u8; SALT_OCTETS], iterations: u32) -> Self {
        let iterations = iterations.max(MIN_ITERATIONS);
        // RFC 5802 §2.2: SASLprep; what it refuses is taken as it is, as it can never be typed otherwise.
        let password = password.expose();
        let prepared = stringprep::saslprep(password).unwrap_or(password.as_str().into());
        let mut salted = [0; KEY_OCTETS];
        pbkdf2::pbkdf2_hmac::<Sha256>(prepared.as_bytes(), &salt, iterations, &mut salted);
        let client_key = hmac(&salted, b"Client Key");
        Self {
            iterations,
            salt,
            stored_key: Sha256::digest(client_key).into(),
            server_key: hmac(&salted, b"Server Key"),
        }
    }

    /// A verifier that no password fits, for a user there is not: the same every time it is asked for.
    pub fn nobody(salt: [u8; SALT_OCTETS], iterations: u32) -> Self {
        Self {
            iterations: iterations.max(MIN_ITERATIONS),
            salt,
            // Nobody knows an octet string that hashes to this.
            stored_key: [0; KEY_OCTETS],
            server_key: [0; KEY_OCTETS],
        }
    }
}

/// `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>` (RFC 5803 §3), to be stored.
impl ScramVerifier {
    /// The text that [`FromStr`] reads.
    pub fn to_stored(&self) -> Secret<String> {
        Secret::new(format!(
            "SCRAM-SHA-256${}:{}${}:{}",
            self.iterations,
            STANDARD.encode(self.salt),
            STANDARD.encode(self.stored_key),
            STANDARD.encode(self.server_key)
        ))
    }
}

impl FromStr for ScramVerifier {
    type Err = ParseVerifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let rest = text.strip_prefix("SCRAM-SHA-256$")?;
            let (cost, keys) = rest.split_once('$')?;
            let (iterations, salt) = cost.split_once(':')?;
            let (stored_key, server_key) = keys.split_once(':')?;
            Some(Self {
                iterations: iterations.parse().ok()?,
                salt: decode(salt)?,
                stored_key: decode(stored_key)?,
                server_key: decode(server_key)?,
            })
        };
        read().ok_or(ParseVerifierError)
    }
}

/// Without the keys: whoever has them can pose as this server.
impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramVerifier").finish_non_exhaustive()
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge").finish_non_exhaustive()
    }
}

impl ClientFirst {
    /// Reads `gs2-header client-first-message-bare` (RFC 5802 §7). `binding` is the channel's, when there is
    /// one; `is_plus` tells which mechanism the client named.
    pub(super) fn parse(
        message: &str,
        is_plus: bool,
        binding: Option<&[u8]>,
    ) -> Result<Self, Defect> {
        let malformed =
            || Defect::Malformed("The first message is not gs2-header, n=name, r=nonce");
        let mut parts = message.splitn(3, ',');
        let (Some(flag), Some(authorization), Some(bare)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed());
        };
        let mut fields = bare.split(',');
        let name = fields.next().and_then(|field| field.strip_prefix("n="));
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        let (Some(name), Some(nonce)) = (name, nonce) else {
            return Err(malformed());
        };
        let username = unescape(name).ok_or_else(malformed)?;
        if username.is_empty() || username.contains('\0') || !is_nonce(nonce) {
            return Err(malformed());
        }
        check_authorization(authorization, &username)?;
        let mut repeated = format!("{flag},{authorization},").into_bytes();
        match channel(flag, is_plus, binding)? {
            Channel::Bound(octets) => repeated.extend_from_slice(octets),
            Channel::Hidden => return Err(Defect::Downgrade(username)),
        }
        Ok(Self {
            username,
            binding: repeated,
            bare: bare.to_owned(),
            nonce: nonce.to_owned(),
        })
    }

    /// The server's first message, and what its answer will be judged by.
    pub(super) fn challenge(self, verifier: ScramVerifier, nonce: &str) -> (Challenge, String) {
        let nonce = self.nonce + nonce;
        let (salt, iterations) = (STANDARD.encode(verifier.salt), verifier.iterations);
        let message = format!("r={nonce},s={salt},i={iterations}");
        let challenge = Challenge {
            username: self.username,
            binding: self.binding,
            said: format!("{},{message}", self.bare),
            nonce,
            verifier,
        };
        (challenge, message)
    }
}

impl Challenge {
    /// Judges `c=binding,r=nonce,p=proof`: the server's final message when the proof is right.
    ///
    /// # Errors
    /// What is malformed.
    pub(super) fn judge(&self, message: &str) -> Result<Option<String>, &'static str> {
        let malformed = "The final message is not c=binding, r=nonce, p=proof";
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(malformed)?;
        let mut fields = without_proof.split(',');
        let binding = fields.next().and_then(|field| field.strip_prefix("c="));
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        let (Some(binding), Some(nonce)) = (binding, nonce) else {
            return Err(malformed);
        };
        let binding = STANDARD.decode(binding).map_err(|_| malformed)?;
        let proof: [u8; KEY_OCTETS] = decode(proof).ok_or(malformed)?;
        let said = format!("{},{without_proof}", self.said);
        let is_right = self.is_proven(&said, &proof);
        let is_same = binding == self.binding && nonce == self.nonce;
        Ok((is_right && is_same).then(|| {
            let signature = hmac(&self.verifier.server_key, said.as_bytes());
            format!("v={}", STANDARD.encode(signature))
        }))
    }

    /// RFC 5802 §3: `ClientKey = ClientProof XOR ClientSignature`, and its hash is the stored key.
    fn is_proven(&self, said: &str, proof: &[u8; KEY_OCTETS]) -> bool {
        let mut client_key = hmac(&self.verifier.stored_key, said.as_bytes());
        for (octet, proof) in client_key.iter_mut().zip(proof) {
            *octet ^= proof;
        }
        let stored_key: [u8; KEY_OCTETS] = Sha256::digest(client_key).into();
        stored_key.ct_eq(&self.verifier.stored_key).into()
    }
}

/// What the client binds to.
enum Channel<'a> {
    /// The channel, or nothing.
    Bound(&'a [u8]),
    /// The client could bind, and was told that we cannot.
    Hidden,
}

fn channel<'a>(
    flag: &str,
    is_plus: bool,
    binding: Option<&'a [u8]>,
) -> Result<Channel<'a>, Defect> {
    match (flag, is_plus, binding) {
        ("p=tls-exporter", true, Some(binding)) => Ok(Channel::Bound(binding)),
        ("y", false, Some(_)) => Ok(Channel::Hidden),
        ("n" | "y", false, _) => Ok(Channel::Bound(&[])),
        _ => Err(Defect::Malformed(
            "The channel binding must be tls-exporter with -PLUS, and none without",
        )),
    }
}

fn check_authorization(field: &str, username: &str) -> Result<(), Defect> {
    let is_same = |name: &str| unescape(name).is_some_and(|name| name == username);
    if field.is_empty() || field.strip_prefix("a=").is_some_and(is_same) {
        return Ok(());
    }
    Err(Defect::Malformed(
        "The authorization identity must be empty or the user name",
    ))
}

/// RFC 5802 §5.1: `=2C` is a comma, `=3D` an equals sign, and nothing else follows one.
fn unescape(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut unescaped = parts.next()?.to_owned();
    for part in parts {
        if let Some(rest) = part.strip_prefix("2C") {
            unescaped.push(',');
            unescaped.push_str(rest);
        } else {
            unescaped.push('=');
            unescaped.push_str(part.strip_prefix("3D")?);
        }
    }
    Some(unescaped)
}

/// RFC 5802 §7: `printable = %x21-2B / %x2D-7E`
fn is_nonce(text: &str) -> bool {
    (1..=MAX_NONCE_OCTETS).contains(&text.len())
        && text
            .bytes()
            .all(|octet| octet.is_ascii_graphic() && octet != b',')
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; KEY_OCTETS] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 §3.
    const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
    const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    fn verifier() -> ScramVerifier {
        let salt = decode(SALT).expect("the RFC's salt");
        ScramVerifier::derive(&Secret::new("pencil".to_owned()), salt, 4096)
    }

    fn challenge() -> (Challenge, String) {
        let first = ClientFirst::parse(CLIENT_FIRST, false, None).expect("the RFC's message");
        first.challenge(verifier(), SERVER_NONCE)
    }

    #[test]
    fn the_example_of_rfc_7677_logs_in() {
        let (challenge, message) = challenge();
        assert_eq!(
            message,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let last = challenge.judge(CLIENT_FINAL).expect("well-formed");
        assert_eq!(
            last.as_deref(),
            Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
        );
    }

    #[test]
    fn a_wrong_proof_nonce_or_binding_does_not() {
        let (challenge, _) = challenge();
        for (from, to) in [("p=dH", "p=dI"), ("k0,", "k1,"), ("c=biws", "c=eSws")] {
            let message = CLIENT_FINAL.replace(from, to);
            assert_eq!(challenge.judge(&message), Ok(None), "{message}");
        }
        let first = ClientFirst::parse(CLIENT_FIRST, false, None).expect("the RFC's message");
        let salt = decode(SALT).expect("the RFC's salt");
        let (nobody, _) = first.challenge(ScramVerifier::nobody(salt, 4096), SERVER_NONCE);
        assert_eq!(nobody.judge(CLIENT_FINAL), Ok(None));
    }

    #[test]
    fn malformed_messages_are_told() {
        for message in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=user",
            "n,,n=,r=x",
            "n,,n=us=er,r=x",
            "n,,r=x,n=user",
            "n,,n=user,r=",
            "n,,m=x,n=user,r=x",
            "n,a=other,n=user,r=x",
            "x,,n=user,r=x",
            "p=tls-unique,,n=user,r=x",
            "n,,n=user,r=\u{e9}",
        ] {
            let parsed = ClientFirst::parse(message, false, None);
            assert!(matches!(parsed, Err(Defect::Malformed(_))), "{message}");
        }
        let (challenge, _) = challenge();
        for message in [
            "",
            "c=biws",
            "c=biws,r=x",
            "c=!,r=x,p=AAAA",
            "c=biws,r=x,p=AAAA",
            "r=x,c=biws,p=AAAA",
        ] {
            assert!(challenge.judge(message).is_err(), "{message}");
        }
    }

    #[test]
    fn a_channel_binding_is_part_of_the_proof() {
        let binding: &[u8] = b"exported";
        let plus = ClientFirst::parse("p=tls-exporter,,n=user,r=x", true, Some(binding));
        assert_eq!(
            plus.expect("well-formed").binding,
            b"p=tls-exporter,,exported"
        );
        let hidden = ClientFirst::parse("y,,n=user,r=x", false, Some(binding));
        assert_eq!(hidden, Err(Defect::Downgrade("user".to_owned())));
        assert!(ClientFirst::parse("y,,n=user,r=x", false, None).is_ok());
        for (message, is_plus, binding) in [
            ("n,,n=user,r=x", true, Some(binding)),
            ("p=tls-exporter,,n=user,r=x", false, Some(binding)),
            ("p=tls-exporter,,n=user,r=x", true, None),
        ] {
            assert!(
                ClientFirst::parse(message, is_plus, binding).is_err(),
                "{message}"
            );
        }
    }

    #[test]
    fn names_are_unescaped() {
        let first = ClientFirst::parse("n,a=a=2Cb=3Dc,n=a=2Cb=3Dc,r=x", false, None);
        assert_eq!(first.expect("well-formed").username, "a,b=c");
    }

    #[test]
    fn a_verifier_is_stored_and_shown_to_nobody() {
        let verifier = verifier();
        let stored = verifier.to_stored();
        assert!(
            stored
                .expose()
                .starts_with("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
        );
        assert_eq!(stored.expose().parse(), Ok(verifier.clone()));
        assert_eq!(format!("{verifier:?}"), "ScramVerifier { .. }");
        for text in [
            "",
            "SCRAM-SHA-256$",
            "SCRAM-SHA-256$4096:x$y:z",
            "SCRAM-SHA-1$1:a$b:c",
        ] {
            assert!(text.parse::<ScramVerifier>().is_err(), "{text}");
        }
    }
}
