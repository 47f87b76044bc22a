//! AUTH PLAIN (RFC 4616), LOGIN and SCRAM (RFC 7677) as SASL exchanges over SMTP (RFC 4954).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::reply::Reply;
use super::scram::{Challenge, ClientFirst, Defect, ScramVerifier};
use crate::secret::Secret;

/// The mechanisms, as EHLO lists them, the best first: clients that know it show no password.
pub(super) const MECHANISMS: &str = "SCRAM-SHA-256 PLAIN LOGIN";
/// Likewise, where the channel can be bound to (RFC 5802 §6).
pub(super) const MECHANISMS_WITH_BINDING: &str = "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN";
const SCRAM: &str = "SCRAM-SHA-256";
const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";
/// `Username:` in base64.
const USERNAME_CHALLENGE: &str = "VXNlcm5hbWU6";
/// `Password:` in base64.
const PASSWORD_CHALLENGE: &str = "UGFzc3dvcmQ6";

/// What a client gave to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `PLAIN`, `LOGIN`, `SCRAM-SHA-256` or `SCRAM-SHA-256-PLUS`.
    pub mechanism: &'static str,
    /// The authentication identity; not empty, and without NUL.
    pub username: String,
    /// What shall show that it is true.
    pub evidence: Evidence,
}

/// What a client shows for its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The password itself, to be compared.
    Password(Secret<String>),
    /// A proof, judged by the verifier that the shell gave for this version of the user's credential.
    Proof {
        /// Whether it holds.
        is_right: bool,
        /// What [`VerifierFound::version`] said.
        version: i64,
    },
    /// Nothing: the client was made to believe that the channel cannot be bound to (RFC 5802 §6). Whoever
    /// did that may be after the password, so that it is a failed login.
    Downgraded,
}

/// The shell's answer about a user name: a verifier, also where there is no such user.
#[derive(Clone, Debug)]
pub struct VerifierFound {
    /// What its proof is judged by.
    pub verifier: ScramVerifier,
    /// The version of the user's credential; 0 without one.
    pub version: i64,
    /// Random printable characters without a comma.
    pub nonce: String,
}

/// What the client is to say next.
#[derive(Debug)]
pub(super) enum Exchange {
    Plain,
    LoginUsername,
    LoginPassword {
        username: String,
    },
    ScramFirst {
        is_plus: bool,
    },
    ScramFinal {
        mechanism: &'static str,
        challenge: Box<Challenge>,
        version: i64,
    },
    /// The client is to acknowledge the server's signature (RFC 4954 §4: with an empty response).
    ScramEnd(Credentials),
}

/// What an AUTH command or a response came to.
#[derive(Debug)]
pub(super) enum Progress {
    /// The client is to answer a challenge.
    Challenge(Exchange, Reply),
    /// The verifier of this user is needed.
    LookUp(LookedUp),
    /// All is said.
    Complete(Credentials),
    /// The exchange is over.
    Failed(Reply),
}

/// A SCRAM exchange that waits for the verifier of its user.
#[derive(Debug)]
pub(super) struct LookedUp {
    mechanism: &'static str,
    first: ClientFirst,
}

/// Begins an exchange with what follows AUTH. `binding` is the channel's, when there is one to bind to.
pub(super) fn begin(argument: &str, binding: Option<&[u8]>) -> Progress {
    let (mechanism, initial_response) = match argument.split_once(' ') {
        Some((mechanism, response)) => (mechanism, Some(response.trim_start_matches(' '))),
        None => (argument, None),
    };
    let exchange = match mechanism.to_ascii_uppercase().as_str() {
        "" => return Progress::Failed(Reply::new(501, (5, 5, 4), "Syntax: AUTH mechanism")),
        "PLAIN" => Exchange::Plain,
        "LOGIN" => Exchange::LoginUsername,
        SCRAM => Exchange::ScramFirst { is_plus: false },
        SCRAM_PLUS if binding.is_some() => Exchange::ScramFirst { is_plus: true },
        _ => return Progress::Failed(unknown_mechanism()),
    };
    match initial_response {
        None => exchange.challenge(),
        // RFC 4954 §4: a single equals sign is an empty initial response.
        Some("=") => exchange.respond(b"", binding),
        Some(response) => exchange.respond(response.as_bytes(), binding),
    }
}

fn unknown_mechanism() -> Reply {
    let text = format!("Mechanism not known; this server has {MECHANISMS}");
    Reply::new(504, (5, 5, 4), text)
}

impl Exchange {
    fn challenge(self) -> Progress {
        let text = match self {
            Self::LoginUsername => USERNAME_CHALLENGE,
            Self::LoginPassword { .. } => PASSWORD_CHALLENGE,
            // RFC 4954 §4: the client speaks first; the reply is `334` and a space.
            _ => "",
        };
        Progress::Challenge(self, Reply::bare(334, text))
    }

    /// Takes the client's next response, in base64.
    pub(super) fn respond(self, response: &[u8], binding: Option<&[u8]>) -> Progress {
        // RFC 4954 §4: a single asterisk cancels the exchange.
        if response == b"*" {
            return Progress::Failed(Reply::new(501, (5, 7, 0), "Authentication cancelled"));
        }
        let Ok(octets) = STANDARD.decode(response) else {
            return Progress::Failed(malformed("The response is not base64"));
        };
        let Ok(text) = String::from_utf8(octets) else {
            return Progress::Failed(malformed("The response is not UTF-8"));
        };
        match self {
            Self::Plain => plain(&text),
            Self::LoginUsername => login_username(text),
            Self::LoginPassword { username } => login_password(username, text),
            Self::ScramFirst { is_plus } => scram_first(&text, is_plus, binding),
            Self::ScramFinal {
                mechanism,
                challenge,
                version,
            } => scram_final(&text, mechanism, &challenge, version),
            Self::ScramEnd(credentials) if text.is_empty() => Progress::Complete(credentials),
            Self::ScramEnd(_) => Progress::Failed(malformed("The last response must be empty")),
        }
    }
}

/// RFC 4616 §2: `[authzid] NUL authcid NUL passwd`
fn plain(message: &str) -> Progress {
    let parts: Vec<&str> = message.split('\0').collect();
    let [authorization, username, password] = parts[..] else {
        return Progress::Failed(malformed(
            "The response is not [authzid] NUL authcid NUL passwd",
        ));
    };
    if username.is_empty() || password.is_empty() {
        return Progress::Failed(malformed("The user name or the password is empty"));
    }
    if !authorization.is_empty() && authorization != username {
        return Progress::Failed(Reply::new(
            535,
            (5, 7, 8),
            "The authorization identity must be empty or the user name",
        ));
    }
    Progress::Complete(Credentials {
        mechanism: "PLAIN",
        username: username.to_owned(),
        evidence: Evidence::Password(Secret::new(password.to_owned())),
    })
}

fn login_username(username: String) -> Progress {
    if username.is_empty() || username.contains('\0') {
        return Progress::Failed(malformed("The user name is empty or has a NUL octet"));
    }
    Exchange::LoginPassword { username }.challenge()
}

fn login_password(username: String, password: String) -> Progress {
    if password.is_empty() || password.contains('\0') {
        return Progress::Failed(malformed("The password is empty or has a NUL octet"));
    }
    Progress::Complete(Credentials {
        mechanism: "LOGIN",
        username,
        evidence: Evidence::Password(Secret::new(password)),
    })
}

fn scram_first(message: &str, is_plus: bool, binding: Option<&[u8]>) -> Progress {
    let mechanism = if is_plus { SCRAM_PLUS } else { SCRAM };
    match ClientFirst::parse(message, is_plus, binding) {
        Ok(first) => Progress::LookUp(LookedUp { mechanism, first }),
        Err(Defect::Downgrade(username)) => Progress::Complete(Credentials {
            mechanism,
            username,
            evidence: Evidence::Downgraded,
        }),
        Err(Defect::Malformed(text)) => Progress::Failed(malformed(text)),
    }
}

impl LookedUp {
    /// Whose verifier is needed.
    pub(super) fn username(&self) -> &str {
        &self.first.username
    }

    /// Goes on with the server's first message.
    pub(super) fn found(self, found: VerifierFound) -> Progress {
        let VerifierFound {
            verifier,
            version,
            nonce,
        } = found;
        let (challenge, message) = self.first.challenge(verifier, &nonce);
        let exchange = Exchange::ScramFinal {
            mechanism: self.mechanism,
            challenge: Box::new(challenge),
            version,
        };
        Progress::Challenge(exchange, Reply::bare(334, STANDARD.encode(message)))
    }
}

fn scram_final(
    message: &str,
    mechanism: &'static str,
    challenge: &Challenge,
    version: i64,
) -> Progress {
    let signature = match challenge.judge(message) {
        Ok(signature) => signature,
        Err(text) => return Progress::Failed(malformed(text)),
    };
    let credentials = Credentials {
        mechanism,
        username: challenge.username.clone(),
        evidence: Evidence::Proof {
            is_right: signature.is_some(),
            version,
        },
    };
    match signature {
        Some(signature) => {
            let reply = Reply::bare(334, STANDARD.encode(signature));
            Progress::Challenge(Exchange::ScramEnd(credentials), reply)
        }
        None => Progress::Complete(credentials),
    }
}

/// RFC 4954 §4: what cannot be decoded is a 501.
fn malformed(text: &'static str) -> Reply {
    Reply::new(501, (5, 5, 2), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an exchange comes to when `lines` are the AUTH argument and the responses.
    fn run(lines: &[&str]) -> String {
        let mut progress = begin(lines[0], None);
        let mut said = String::new();
        for response in &lines[1..] {
            let Progress::Challenge(exchange, reply) = progress else {
                panic!("over before `{response}`");
            };
            said.push_str(&format!("{reply}; "));
            progress = exchange.respond(response.as_bytes(), None);
        }
        said + &match progress {
            Progress::Challenge(_, reply) => reply.to_string(),
            Progress::Failed(reply) => reply.to_string().chars().take(9).collect(),
            Progress::LookUp(looked_up) => format!("look up {}", looked_up.username()),
            Progress::Complete(credentials) => {
                let password = password(&credentials);
                format!(
                    "{} {} {password}",
                    credentials.mechanism, credentials.username
                )
            }
        }
    }

    fn password(credentials: &Credentials) -> &str {
        match &credentials.evidence {
            Evidence::Password(password) => password.expose(),
            other => panic!("not a password: {other:?}"),
        }
    }

    #[test]
    fn exchanges_follow_rfc_4954() {
        let cases: [(&[&str], &str); 37] = [
            (&["SCRAM-SHA-256 biwsbj11c2VyLHI9eA=="], "look up user"),
            (
                &["scram-sha-256", "biwsbj11c2VyLHI9eA=="],
                "334 ; look up user",
            ),
            (&["SCRAM-SHA-256 bm9ib2R5"], "501 5.5.2"),
            (&["SCRAM-SHA-256-PLUS biwsbj11c2VyLHI9eA=="], "504 5.5.4"),
            (&["PLAIN AHUAcA=="], "PLAIN u p"),
            (&["plain AHUAcA=="], "PLAIN u p"),
            (&["PLAIN  AHUAcA=="], "PLAIN u p"),
            (&["PLAIN", "AHUAcA=="], "334 ; PLAIN u p"),
            (&["PLAIN dQB1AHA="], "PLAIN u p"),
            (&["PLAIN eAB1AHA="], "535 5.7.8"),
            (&["PLAIN ="], "501 5.5.2"),
            (&["PLAIN", "="], "334 ; 501 5.5.2"),
            (&["PLAIN", ""], "334 ; 501 5.5.2"),
            (&["PLAIN *"], "501 5.7.0"),
            (&["PLAIN", "*"], "334 ; 501 5.7.0"),
            (&["PLAIN !!!!"], "501 5.5.2"),
            (&["PLAIN AHUAcA"], "501 5.5.2"),
            (&["PLAIN AHUAcA== x"], "501 5.5.2"),
            (&["PLAIN dXA="], "501 5.5.2"),
            (&["PLAIN AHVw"], "501 5.5.2"),
            (&["PLAIN AAB1AHA="], "501 5.5.2"),
            (&["PLAIN AHUAcABx"], "501 5.5.2"),
            (&["PLAIN AABw"], "501 5.5.2"),
            (&["PLAIN AHUA"], "501 5.5.2"),
            (&["PLAIN AP8AcA=="], "501 5.5.2"),
            (
                &["LOGIN", "dQ==", "cA=="],
                "334 VXNlcm5hbWU6; 334 UGFzc3dvcmQ6; LOGIN u p",
            ),
            (&["login dQ==", "cA=="], "334 UGFzc3dvcmQ6; LOGIN u p"),
            (&["LOGIN"], "334 VXNlcm5hbWU6"),
            (&["LOGIN ="], "501 5.5.2"),
            (&["LOGIN", "*"], "334 VXNlcm5hbWU6; 501 5.7.0"),
            (&["LOGIN dQ==", "*"], "334 UGFzc3dvcmQ6; 501 5.7.0"),
            (&["LOGIN dQ==", ""], "334 UGFzc3dvcmQ6; 501 5.5.2"),
            (&["LOGIN dQ==", "AA=="], "334 UGFzc3dvcmQ6; 501 5.5.2"),
            (&["LOGIN dQB1"], "501 5.5.2"),
            (&["CRAM-MD5"], "504 5.5.4"),
            (&["XOAUTH2 AHUAcA=="], "504 5.5.4"),
            (&[""], "501 5.5.4"),
        ];
        for (lines, expected) in cases {
            assert_eq!(run(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn credentials_do_not_print_the_password() {
        let Progress::Complete(credentials) = begin("PLAIN AHUAc2VzYW1l", None) else {
            panic!("not complete");
        };
        assert_eq!(password(&credentials), "sesame");
        assert!(!format!("{credentials:?}").contains("sesame"));
    }
}
