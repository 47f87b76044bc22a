//! Recipients that are not tried again because they do not exist.

use unicode_normalization::UnicodeNormalization;

use super::canonical_domain;
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::smtp::Mailbox;

/// A recipient that did not exist when mail of a list was sent to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// The list.
    pub list_id: i64,
    /// The recipient as it was written.
    pub address: Mailbox,
    /// The message that bounced.
    pub message: QueueId,
    /// What the next hop said.
    pub reply: String,
    /// When.
    pub at: Timestamp,
}

/// An address in the form in which addresses are compared: without regard to case, the domain in A-labels.
pub fn address_key(address: &Mailbox) -> String {
    let local_part: String = address.local_part().nfc().collect();
    let domain = canonical_domain(address.domain());
    format!("{}@{domain}", local_part.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_compare_without_regard_to_case_and_spelling_of_the_domain() {
        for (text, key) in [
            ("Ann@Example.NET", "ann@example.net"),
            ("ann@bücher.example", "ann@xn--bcher-kva.example"),
            ("a@[192.0.2.1]", "a@[192.0.2.1]"),
        ] {
            let address = Mailbox::parse_utf8(text).expect("a mailbox");
            assert_eq!(address_key(&address), key);
        }
    }
}
