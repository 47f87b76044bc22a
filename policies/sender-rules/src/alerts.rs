//! What the operator is told: one sentence with the address, where it stands, the user, and what
//! became of the message.

use policy_kit::text;

use crate::bindings::gatepost::policy::types::{Alert, Severity};
use crate::rules::{Claim, Malformed};
use crate::settings::Unauthorized;

/// The code of the alert about an unauthorized sender.
pub const SENDER_NOT_AUTHORIZED: &str = "sender-not-authorized";
/// The code of the alert about originator fields that are missing or cannot be read.
pub const ORIGINATOR_MALFORMED: &str = "originator-malformed";

/// Longest address shown, in octets: three of them and the rest of the sentence stay below the 500
/// characters that the host keeps of a summary.
const MAX_ADDRESS: usize = 120;
/// Longest user name shown, in octets.
const MAX_USERNAME: usize = 40;
/// Addresses named in one alert; further ones are not counted.
pub const MAX_CLAIMS: usize = 3;

/// What became of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was sent all the same.
    Sent,
    /// It was refused after its upload.
    Blocked,
    /// Its MAIL command was refused.
    BlockedAtMail,
}

impl Outcome {
    /// The outcome at the end of the message.
    pub const fn of(unauthorized: Unauthorized) -> Self {
        match unauthorized {
            Unauthorized::Block => Self::Blocked,
            Unauthorized::Alert => Self::Sent,
        }
    }

    const fn clause(self) -> &'static str {
        match self {
            Self::Sent => "the message was sent",
            Self::Blocked => "the message was blocked",
            Self::BlockedAtMail => "the message was blocked before its upload",
        }
    }
}

/// `sender-not-authorized`, for at least one unauthorized address.
pub fn not_authorized(claims: &[Claim], username: &str, outcome: Outcome) -> Alert {
    let mut who = String::new();
    for (index, claim) in claims.iter().take(MAX_CLAIMS).enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        let address = text::printable(&claim.address.full, MAX_ADDRESS);
        who += &format!("{separator}{address} ({})", claim.place.label());
    }
    if claims.len() > MAX_CLAIMS {
        who += " and others";
    }
    let verb = if claims.len() > 1 {
        "are not authorized senders"
    } else {
        "is not an authorized sender"
    };
    warning(
        SENDER_NOT_AUTHORIZED,
        &format!("{who} {verb}"),
        username,
        outcome,
    )
}

/// `sender-not-authorized`, for a message whose sender cannot be told.
pub fn unknown_sender(malformed: Malformed, username: &str, outcome: Outcome) -> Alert {
    let what = match malformed {
        Malformed::Missing => "a message without a From address has no authorized sender",
        Malformed::Unreadable => {
            "a message whose From or Sender cannot be read has no authorized sender"
        }
    };
    warning(SENDER_NOT_AUTHORIZED, what, username, outcome)
}

/// `originator-malformed`.
pub fn malformed(malformed: Malformed, username: &str, outcome: Outcome) -> Alert {
    let what = match malformed {
        Malformed::Missing => "there is no From address in a message",
        Malformed::Unreadable => "the From or Sender field cannot be read in a message",
    };
    warning(ORIGINATOR_MALFORMED, what, username, outcome)
}

fn warning(code: &str, what: &str, username: &str, outcome: Outcome) -> Alert {
    let username = text::printable(username, MAX_USERNAME);
    Alert {
        severity: Severity::Warning,
        code: code.to_owned(),
        summary: format!("{what} of user {username}; {}", outcome.clause()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::gatepost::policy::types::Address;
    use crate::settings::Place;

    fn address(full: &str) -> Address {
        Address {
            full: full.to_owned(),
            local_part: String::new(),
            domain: String::new(),
        }
    }

    fn summary(addresses: &[Address], outcome: Outcome) -> String {
        let claims: Vec<_> = addresses
            .iter()
            .map(|address| Claim {
                place: Place::From,
                address,
            })
            .collect();
        not_authorized(&claims, "s1_2", outcome).summary
    }

    #[test]
    fn the_summary_is_a_sentence_about_address_place_user_and_outcome() {
        let one = [address("bob@example.net")];
        let cases = [
            (Outcome::Sent, "the message was sent"),
            (Outcome::Blocked, "the message was blocked"),
            (
                Outcome::BlockedAtMail,
                "the message was blocked before its upload",
            ),
        ];
        for (outcome, clause) in cases {
            let sentence = "bob@example.net (From) is not an authorized sender of user s1_2; ";
            assert_eq!(summary(&one, outcome), format!("{sentence}{clause}"));
        }
    }

    #[test]
    fn several_addresses_are_named_up_to_a_limit() {
        let addresses = ["a@x", "b@x", "c@x", "d@x"].map(address);
        assert_eq!(
            summary(&addresses[..2], Outcome::Sent),
            "a@x (From), b@x (From) are not authorized senders of user s1_2; the message was sent"
        );
        assert!(
            summary(&addresses, Outcome::Sent)
                .starts_with("a@x (From), b@x (From), c@x (From) and others are not")
        );
    }

    #[test]
    fn a_summary_is_bounded_and_has_no_control_characters() {
        let nasty = address(&format!("a\r\nb\u{202e}{}@x", "\u{f6}".repeat(5000)));
        let addresses = [(); 4].map(|()| nasty.clone());
        let text = summary(&addresses, Outcome::BlockedAtMail);
        assert!(text.len() <= 500, "{}", text.len());
        assert!(!text.chars().any(char::is_control));
    }
}
