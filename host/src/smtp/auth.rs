//! AUTH PLAIN (RFC 4616) and AUTH LOGIN as SASL exchanges over SMTP (RFC 4954).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::reply::Reply;
use crate::secret::Secret;

/// The mechanisms, as EHLO lists them.
pub(super) const MECHANISMS: &str = "PLAIN LOGIN";
/// `Username:` in base64.
const USERNAME_CHALLENGE: &str = "VXNlcm5hbWU6";
/// `Password:` in base64.
const PASSWORD_CHALLENGE: &str = "UGFzc3dvcmQ6";

/// What a client gave to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `PLAIN` or `LOGIN`.
    pub mechanism: &'static str,
    /// The authentication identity; not empty, and without NUL.
    pub username: String,
    /// The password.
    pub password: Secret<String>,
}

/// What the client is to say next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    Plain,
    LoginUsername,
    LoginPassword { username: String },
}

/// What an AUTH command or a response came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The client is to answer a challenge.
    Challenge(Exchange, Reply),
    /// All is said.
    Complete(Credentials),
    /// The exchange is over.
    Failed(Reply),
}

/// Begins an exchange with what follows AUTH.
pub(super) fn begin(argument: &str) -> Progress {
    let (mechanism, initial_response) = match argument.split_once(' ') {
        Some((mechanism, response)) => (mechanism, Some(response.trim_start_matches(' '))),
        None => (argument, None),
    };
    let exchange = match mechanism.to_ascii_uppercase().as_str() {
        "" => return Progress::Failed(Reply::new(501, (5, 5, 4), "Syntax: AUTH mechanism")),
        "PLAIN" => Exchange::Plain,
        "LOGIN" => Exchange::LoginUsername,
        _ => return Progress::Failed(unknown_mechanism()),
    };
    match initial_response {
        None => exchange.challenge(),
        // RFC 4954 §4: a single equals sign is an empty initial response.
        Some("=") => exchange.respond(b""),
        Some(response) => exchange.respond(response.as_bytes()),
    }
}

fn unknown_mechanism() -> Reply {
    let text = format!("Mechanism not known; this server has {MECHANISMS}");
    Reply::new(504, (5, 5, 4), text)
}

impl Exchange {
    fn challenge(self) -> Progress {
        let text = match self {
            // RFC 4954 §4: PLAIN has no challenge; the reply is `334` and a space.
            Self::Plain => "",
            Self::LoginUsername => USERNAME_CHALLENGE,
            Self::LoginPassword { .. } => PASSWORD_CHALLENGE,
        };
        Progress::Challenge(self, Reply::bare(334, text))
    }

    /// Takes the client's next response, in base64.
    pub(super) fn respond(self, response: &[u8]) -> Progress {
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
        password: Secret::new(password.to_owned()),
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
        password: Secret::new(password),
    })
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
        let mut progress = begin(lines[0]);
        let mut said = String::new();
        for response in &lines[1..] {
            let Progress::Challenge(exchange, reply) = progress else {
                panic!("over before `{response}`");
            };
            said.push_str(&format!("{reply}; "));
            progress = exchange.respond(response.as_bytes());
        }
        said + &match progress {
            Progress::Challenge(_, reply) => reply.to_string(),
            Progress::Failed(reply) => reply.to_string().chars().take(9).collect(),
            Progress::Complete(credentials) => {
                let password = credentials.password.expose();
                format!(
                    "{} {} {password}",
                    credentials.mechanism, credentials.username
                )
            }
        }
    }

    #[test]
    fn exchanges_follow_rfc_4954() {
        let cases: [(&[&str], &str); 33] = [
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
        let Progress::Complete(credentials) = begin("PLAIN AHUAc2VzYW1l") else {
            panic!("not complete");
        };
        assert_eq!(credentials.password.expose(), "sesame");
        assert!(!format!("{credentials:?}").contains("sesame"));
    }
}
