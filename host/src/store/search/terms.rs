//! What a message is found by, as terms: small texts of one shape, whatever they stand for.
//!
//! A term is the digest of a kind and a value, so that it has no characters a tokenizer could stumble over, and
//! so that the index tells nobody an address. Who searches makes the same terms and asks for messages with all of them.

use std::collections::HashSet;

use super::{Search, SearchStatus};
use crate::queue::MessageStatus;

/// Words of a subject that are looked for and found. Default 40: more than a line of it.
const MAX_WORDS: usize = 40;

/// Base 32 in lower case: what the tokenizer leaves alone.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Characters of a term: 60 bits, so that no two of many millions are the same.
const LENGTH: usize = 12;

/// Terms, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms(HashSet<[u8; LENGTH]>);

impl Terms {
    /// Adds one.
    fn add(&mut self, kind: &str, value: &str) {
        self.0.insert(term(kind, value));
    }

    /// The era by its beginning.
    pub(super) fn era(&mut self, begins: i64) {
        self.add("era", &begins.to_string());
    }

    /// The list by number.
    pub(super) fn list(&mut self, id: i64) {
        self.add("list", &id.to_string());
    }

    /// The user by name.
    pub(super) fn user(&mut self, name: &str) {
        self.add("user", &name.trim().to_lowercase());
    }

    /// A Message-ID.
    pub(super) fn message_id(&mut self, id: &str) {
        let id = id.trim().trim_start_matches('<').trim_end_matches('>');
        self.add("message-id", &id.to_lowercase());
    }

    /// The words of a subject.
    pub(super) fn subject(&mut self, subject: &str) {
        let lower = subject.to_lowercase();
        let words = lower.split(|c: char| !c.is_alphanumeric());
        for word in words.filter(|word| !word.is_empty()).take(MAX_WORDS) {
            self.add("word", word);
        }
    }

    /// What a sender is found by: the address, what stands before its `@`, and its domain.
    pub(super) fn sender(&mut self, address: &str) {
        self.address("sender", address);
    }

    /// What a recipient is found by, likewise.
    pub(super) fn recipient(&mut self, address: &str) {
        self.address("recipient", address);
    }

    fn address(&mut self, kind: &str, address: &str) {
        let address = folded(address);
        self.add(kind, &address);
        if let Some((local_part, domain)) = address.rsplit_once('@') {
            self.add(kind, local_part);
            self.add(kind, &format!("@{domain}"));
        }
    }

    /// Where it stands, of those statuses that the index knows.
    pub(super) fn status(&mut self, status: SearchStatus) {
        if let Some(name) = indexed_name(status) {
            self.add("status", name);
        }
    }

    /// What a search looks for.
    pub(super) fn of(search: &Search) -> Self {
        let mut terms = Self::default();
        if let Some(list) = search.list {
            terms.list(list);
        }
        if let Some(user) = &search.user {
            terms.user(user);
        }
        if let Some(sender) = &search.sender {
            terms.add("sender", &folded(sender));
        }
        if let Some(recipient) = &search.recipient {
            terms.add("recipient", &folded(recipient));
        }
        if let Some(subject) = &search.subject {
            terms.subject(subject);
        }
        if let Some(message_id) = &search.message_id {
            terms.message_id(message_id);
        }
        if let Some(status) = search.status {
            terms.status(status);
        }
        terms
    }

    /// Whether all of these are among them.
    pub(super) fn contain(&self, wanted: &Self) -> bool {
        wanted.0.is_subset(&self.0)
    }

    /// As the index keeps them.
    pub(super) fn document(&self) -> String {
        self.joined(" ")
    }

    /// As the index is asked for messages of an era with all of them.
    pub(super) fn expression(&self, era: i64) -> String {
        let mut terms = self.clone();
        terms.era(era);
        terms.joined(" AND ")
    }

    fn joined(&self, between: &str) -> String {
        let terms = self.0.iter().map(|term| {
            std::str::from_utf8(term).expect("a term is made of letters and digits of ASCII")
        });
        terms.collect::<Vec<_>>().join(between)
    }
}

/// The statuses of messages that are few and do not change any more; the others are looked up.
const fn indexed_name(status: SearchStatus) -> Option<&'static str> {
    match status {
        SearchStatus::Refused => Some("refused"),
        SearchStatus::Is(MessageStatus::Partial) => Some("partial"),
        SearchStatus::Is(MessageStatus::Failed) => Some("failed"),
        SearchStatus::Is(MessageStatus::Expired) => Some("expired"),
        SearchStatus::Is(MessageStatus::Cancelled) => Some("cancelled"),
        SearchStatus::Is(
            MessageStatus::Held
            | MessageStatus::Scheduled
            | MessageStatus::Queued
            | MessageStatus::Deferred
            | MessageStatus::Delivered,
        ) => None,
    }
}

/// Whether the index alone tells who has this status.
pub(super) const fn is_indexed(status: SearchStatus) -> bool {
    indexed_name(status).is_some()
}

/// An address as it is compared: in lower case, domains as A-labels.
fn folded(address: &str) -> String {
    let address = address.trim().to_lowercase();
    let address = match address.as_str() {
        "<>" => return address,
        other => other.trim_start_matches('<').trim_end_matches('>'),
    };
    match address.rsplit_once('@') {
        Some((local_part, domain)) if !domain.is_ascii() => {
            let domain = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_owned());
            format!("{local_part}@{domain}")
        }
        _ => address.to_owned(),
    }
}

fn term(kind: &str, value: &str) -> [u8; LENGTH] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(kind.as_bytes());
    hasher.update(&[0]);
    hasher.update(value.as_bytes());
    let digest = hasher.finalize();
    let mut bits = u64::from_le_bytes(
        digest.as_bytes()[..8]
            .try_into()
            .expect("a digest is longer than eight octets"),
    );
    std::array::from_fn(|_| {
        let digit = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
        digit
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Set<'a> = &'a dyn Fn(&mut Search);

    fn document() -> Terms {
        let mut terms = Terms::default();
        terms.list(7);
        terms.user("s7_1");
        terms.sender("Info@Bücher.example");
        terms.recipient("john.smith@example.com");
        terms.subject("Rechnung Nr. 42: Äpfel & Birnen");
        terms.message_id("<A1@example.com>");
        terms
    }

    #[test]
    fn a_message_is_found_by_all_that_is_known_of_it() {
        let cases: [(&str, Set, bool); 13] = [
            ("nothing", &|_| {}, true),
            ("its list", &|it| it.list = Some(7), true),
            ("another list", &|it| it.list = Some(8), false),
            ("its user", &|it| it.user = Some("S7_1".to_owned()), true),
            (
                "words in another order",
                &|it| it.subject = Some("BIRNEN rechnung".to_owned()),
                true,
            ),
            (
                "a part of a word",
                &|it| it.subject = Some("Rech".to_owned()),
                false,
            ),
            (
                "the domain",
                &|it| it.recipient = Some("@example.com".to_owned()),
                true,
            ),
            (
                "the local-part",
                &|it| it.recipient = Some("John.Smith".to_owned()),
                true,
            ),
            (
                "the address",
                &|it| it.recipient = Some("<john.smith@EXAMPLE.com>".to_owned()),
                true,
            ),
            (
                "the sender as recipient",
                &|it| it.recipient = Some("info@bücher.example".to_owned()),
                false,
            ),
            (
                "a domain in A-labels",
                &|it| it.sender = Some("@xn--bcher-kva.example".to_owned()),
                true,
            ),
            (
                "its Message-ID",
                &|it| it.message_id = Some("a1@example.com".to_owned()),
                true,
            ),
            (
                "a status it does not have",
                &|it| it.status = Some(SearchStatus::Refused),
                false,
            ),
        ];
        for (what, set, fits) in cases {
            let mut search = Search::default();
            set(&mut search);
            assert_eq!(document().contain(&Terms::of(&search)), fits, "{what}");
        }
    }

    #[test]
    fn terms_have_no_character_that_means_something() {
        let text = document().document();
        assert!(
            text.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == ' ')
        );
    }
}
