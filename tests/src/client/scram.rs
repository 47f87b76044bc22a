//! SCRAM-SHA-256 and its -PLUS (RFC 5802, RFC 7677), the client's side, in steps that a test can bend.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// The client's part of a nonce: one exchange is like another.
const NONCE: &str = "fyko+d2lbbFgONRv9qkxdawL";

/// An exchange before its first message.
#[derive(Clone, Debug)]
pub struct Scram<'a> {
    /// The user name, without `,` and `=`.
    pub username: &'a str,
    /// The password.
    pub password: &'a str,
    /// The GS2 header: `n,,` (no binding), `y,,` (could bind, none was offered) or `p=tls-exporter,,`.
    pub header: &'a str,
    /// What the channel is bound to; empty without a binding.
    pub binding: &'a [u8],
}

/// What the server said first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFirst {
    /// The message as it came.
    pub message: String,
    /// Both nonces.
    pub nonce: String,
    /// The salt.
    pub salt: Vec<u8>,
    /// How often the password is hashed.
    pub iterations: u32,
}

impl Scram<'_> {
    /// The command that begins it.
    pub fn auth(&self) -> String {
        let mechanism = if self.header.starts_with('p') {
            "SCRAM-SHA-256-PLUS"
        } else {
            "SCRAM-SHA-256"
        };
        let message = format!("{}{}", self.header, self.bare());
        format!("AUTH {mechanism} {}", BASE64_STANDARD.encode(message))
    }

    fn bare(&self) -> String {
        format!("n={},r={NONCE}", self.username)
    }

    /// The final message, and the last one that the server must then say; both in base64.
    pub fn proof(&self, first: &ServerFirst) -> (String, String) {
        let bound = [self.header.as_bytes(), self.binding].concat();
        let channel = BASE64_STANDARD.encode(bound);
        let without_proof = format!("c={channel},r={}", first.nonce);
        let said = format!("{},{},{without_proof}", self.bare(), first.message);
        let mut salted = [0; 32];
        let password = self.password.as_bytes();
        pbkdf2::pbkdf2_hmac::<Sha256>(password, &first.salt, first.iterations, &mut salted);
        let client_key = hmac(&salted, b"Client Key");
        let signature = hmac(&Sha256::digest(client_key), said.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(signature)
            .map(|(key, signature)| key ^ signature)
            .collect();
        let message = format!("{without_proof},p={}", BASE64_STANDARD.encode(proof));
        let of_server = hmac(&hmac(&salted, b"Server Key"), said.as_bytes());
        let expected = format!("v={}", BASE64_STANDARD.encode(of_server));
        (
            BASE64_STANDARD.encode(message),
            BASE64_STANDARD.encode(expected),
        )
    }
}

impl ServerFirst {
    /// Reads the challenge in base64.
    ///
    /// # Panics
    /// When it is none, or does not continue the client's nonce.
    #[track_caller]
    pub fn parse(challenge: &str) -> Self {
        let octets = BASE64_STANDARD.decode(challenge).expect("base64");
        let message = String::from_utf8(octets).expect("UTF-8");
        let fields: Vec<&str> = message.split(',').collect();
        let [nonce, salt, iterations] = fields[..] else {
            panic!("not a first message: {message}");
        };
        let value = |field: &str, name| field.strip_prefix(name).expect("in this order").to_owned();
        let nonce = value(nonce, "r=");
        assert!(nonce.len() > NONCE.len() && nonce.starts_with(NONCE));
        Self {
            nonce,
            salt: BASE64_STANDARD
                .decode(value(salt, "s="))
                .expect("a salt in base64"),
            iterations: value(iterations, "i=").parse().expect("a number"),
            message,
        }
    }
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}
