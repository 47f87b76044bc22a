//! What a sender can do about a failure, by its enhanced status code (RFC 3463).

use super::{Action, Told};

/// One sentence.
pub(super) fn for_failure(failure: &Told) -> &'static str {
    let status = failure.enhanced_status();
    let detail = status.get(2..).unwrap_or_default();
    let subject = detail.split('.').next().unwrap_or_default();
    match (subject, detail) {
        (_, "1.10") => "the domain takes no mail at all; ask the recipient for another address.",
        ("1", _) => {
            "check the address for typing errors, and ask the recipient if it still exists."
        }
        (_, "2.2") => {
            "the recipient's mailbox is full; tell the recipient, and send it again later."
        }
        ("2", _) => "ask the recipient whether the mailbox is still in use.",
        (_, "3.4") => "send a smaller message, or share large files in another way.",
        (_, "6.1") => "send it as text or base64 instead of binary.",
        (_, "6.3") => {
            "send it without signing or encrypting it, or ask the recipient for another address."
        }
        (_, "6.7") => {
            "the recipient's system knows no addresses beyond ASCII; ask for another one."
        }
        (_, "7.30") => {
            "the way to the recipient is not protected as you asked; send it without requiring TLS."
        }
        ("7", _) => {
            "the recipient's system refuses it by its own rules; show its words to your administrator."
        }
        _ if failure.action == Action::Expired => {
            "send it again later; if it keeps failing, show this message to your administrator."
        }
        _ => "show this message to your administrator, or to the recipient's postmaster.",
    }
}
