//! Mailboxes as they stand in MAIL and RCPT (RFC 5321 §4.1.2).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// RFC 5321 §4.5.3.1.1
const MAX_LOCAL_PART_OCTETS: usize = 64;
/// RFC 5321 §4.5.3.1.2
const MAX_DOMAIN_OCTETS: usize = 255;
/// RFC 1035 §2.3.4
const MAX_LABEL_OCTETS: usize = 63;
/// RFC 5321 §4.5.3.1.3: a path has 256 octets, its angle brackets included.
const MAX_MAILBOX_OCTETS: usize = 254;

/// A valid `Local-part@Domain`, kept as it was received, without the dot some write at its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mailbox {
    text: Box<str>,
    at: usize,
}

/// A text is not a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a mailbox: {problem}")]
pub struct MailboxError {
    text: String,
    problem: MailboxProblem,
}

impl MailboxError {
    /// What is wrong with the text.
    pub fn problem(&self) -> MailboxProblem {
        self.problem
    }
}

/// What is wrong with a text that is not a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailboxProblem {
    /// It has no `@` outside quotes.
    #[error("it has no domain")]
    NoDomain,
    /// The local-part is neither a dot-string nor a quoted-string.
    #[error("what stands before the @ is malformed")]
    LocalPart,
    /// The local-part has more than 64 octets.
    #[error("what stands before the @ is longer than 64 octets")]
    LocalPartTooLong,
    /// The domain is not a sequence of labels.
    #[error("the domain is malformed")]
    Domain,
    /// The address literal is neither IPv4 nor IPv6.
    #[error("the address literal is malformed")]
    AddressLiteral,
    /// It has more than 254 octets.
    #[error("it is longer than 254 octets")]
    TooLong,
    /// It has a character that is not US-ASCII, which takes SMTPUTF8 (RFC 6531).
    #[error("it has a character that is not US-ASCII")]
    NotAscii,
}

/// Which characters a mailbox may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    Ascii,
    Utf8,
}

impl Mailbox {
    /// Reads a mailbox that may have non-ASCII characters (RFC 6531 §3.3).
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse_utf8(text: &str) -> Result<Self, MailboxError> {
        Self::parse(text, Alphabet::Utf8)
    }

    /// The local-part, with its quotes if it has any.
    pub fn local_part(&self) -> &str {
        &self.text[..self.at]
    }

    /// The domain, or an address literal with its brackets.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// `local-part@domain`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn parse(text: &str, alphabet: Alphabet) -> Result<Self, MailboxError> {
        Self::check(text, alphabet).map_err(|problem| MailboxError {
            text: text.to_owned(),
            problem,
        })
    }

    fn check(text: &str, alphabet: Alphabet) -> Result<Self, MailboxProblem> {
        if alphabet == Alphabet::Ascii && !text.is_ascii() {
            return Err(MailboxProblem::NotAscii);
        }
        let at = local_part_octets(text)?;
        let domain = &text[at + 1..];
        if at > MAX_LOCAL_PART_OCTETS {
            return Err(MailboxProblem::LocalPartTooLong);
        }
        let domain = if domain.starts_with('[') {
            check_literal(domain)?;
            domain
        } else {
            let domain = domain.strip_suffix('.').unwrap_or(domain);
            check_domain(domain)?;
            domain
        };
        let text = &text[..at + 1 + domain.len()];
        if text.len() > MAX_MAILBOX_OCTETS {
            return Err(MailboxProblem::TooLong);
        }
        Ok(Self {
            text: text.into(),
            at,
        })
    }
}

impl FromStr for Mailbox {
    type Err = MailboxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, Alphabet::Ascii)
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The length of the valid local-part before the `@` that ends it.
fn local_part_octets(text: &str) -> Result<usize, MailboxProblem> {
    let octets = if text.starts_with('"') {
        quoted_string_octets(text).ok_or(MailboxProblem::LocalPart)?
    } else {
        let octets = text.find('@').ok_or(MailboxProblem::NoDomain)?;
        if !text[..octets].split('.').all(is_atom) {
            return Err(MailboxProblem::LocalPart);
        }
        octets
    };
    match text.as_bytes().get(octets) {
        Some(b'@') => Ok(octets),
        Some(_) => Err(MailboxProblem::LocalPart),
        None => Err(MailboxProblem::NoDomain),
    }
}

/// The length of the quoted-string that `text` begins with, quotes included.
pub(super) fn quoted_string_octets(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (index, character) in text.char_indices().skip(1) {
        match character {
            _ if character.is_control() => return None,
            // RFC 5321 §4.1.2: quoted-pairSMTP is a backslash and a printable US-ASCII character.
            _ if escaped && !character.is_ascii() => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(index + 1),
            _ => {}
        }
    }
    None
}

/// RFC 5322 §3.2.3 `atext`, with RFC 6531's UTF8-non-ascii.
fn is_atom(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|character| match character {
            _ if !character.is_ascii() => !character.is_control() && !character.is_whitespace(),
            _ => character.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(character),
        })
}

/// Checks a domain name: labels of letters, digits, hyphens and, as practice has it, underscores.
///
/// # Errors
/// [`MailboxProblem::Domain`].
pub(super) fn check_domain(domain: &str) -> Result<(), MailboxProblem> {
    let is_valid = if domain.is_ascii() {
        domain.len() <= MAX_DOMAIN_OCTETS && domain.split('.').all(is_label)
    } else {
        idna::domain_to_ascii_strict(domain).is_ok_and(|ascii| ascii.split('.').all(is_label))
            && !domain.contains(|c: char| c.is_control() || c.is_whitespace())
    };
    is_valid.then_some(()).ok_or(MailboxProblem::Domain)
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL_OCTETS).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
}

/// RFC 5321 §4.1.3
fn check_literal(domain: &str) -> Result<(), MailboxProblem> {
    let inside = domain
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .ok_or(MailboxProblem::AddressLiteral)?;
    let is_valid = match inside.split_once(':') {
        None => inside.parse::<Ipv4Addr>().is_ok(),
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6") => {
            address.parse::<Ipv6Addr>().is_ok()
        }
        // A General-address-literal needs a registered tag, and IPv6 is the only one there is.
        Some(_) => false,
    };
    is_valid.then_some(()).ok_or(MailboxProblem::AddressLiteral)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_mailboxes_are_taken_apart() {
        let cases = [
            ("a@example.com", "a", "example.com"),
            (
                "first.last+tag@sub.example.com",
                "first.last+tag",
                "sub.example.com",
            ),
            (
                "!#$%&'*+-/=?^_`{|}~@example.com",
                "!#$%&'*+-/=?^_`{|}~",
                "example.com",
            ),
            ("\"\"@example.com", "\"\"", "example.com"),
            ("\"a b\"@example.com", "\"a b\"", "example.com"),
            ("\"a@b\"@example.com", "\"a@b\"", "example.com"),
            ("\"a\\\"b>\"@example.com", "\"a\\\"b>\"", "example.com"),
            ("\"\\\\\"@example.com", "\"\\\\\"", "example.com"),
            ("a@localhost", "a", "localhost"),
            ("a@EXAMPLE.Com", "a", "EXAMPLE.Com"),
            ("a@example.com.", "a", "example.com"),
            ("a@_dmarc.ex_ample.com", "a", "_dmarc.ex_ample.com"),
            ("a@xn--bcher-kva.example", "a", "xn--bcher-kva.example"),
            ("a@3com.com", "a", "3com.com"),
            ("a@[192.0.2.1]", "a", "[192.0.2.1]"),
            ("a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]"),
            ("a@[ipv6:::ffff:192.0.2.1]", "a", "[ipv6:::ffff:192.0.2.1]"),
        ];
        for (text, local_part, domain) in cases {
            let mailbox: Mailbox = text.parse().expect(text);
            assert_eq!(
                (mailbox.local_part(), mailbox.domain()),
                (local_part, domain),
                "{text}"
            );
            assert_eq!(mailbox.as_str().parse(), Ok(mailbox), "{text}");
        }
    }

    #[test]
    fn invalid_mailboxes_are_refused_with_the_problem() {
        use MailboxProblem::{AddressLiteral, Domain, LocalPart, NoDomain, NotAscii};
        let cases = [
            ("", NoDomain),
            ("a", NoDomain),
            ("postmaster", NoDomain),
            ("\"a\"", NoDomain),
            ("@example.com", LocalPart),
            (".a@example.com", LocalPart),
            ("a.@example.com", LocalPart),
            ("a..b@example.com", LocalPart),
            ("a b@example.com", LocalPart),
            ("a,b@example.com", LocalPart),
            ("a(b)@example.com", LocalPart),
            ("<a@example.com", LocalPart),
            ("a\0@example.com", LocalPart),
            ("a\r\n@example.com", LocalPart),
            ("\"a@example.com", LocalPart),
            ("\"a\\\"@example.com", LocalPart),
            ("\"a\"b@example.com", LocalPart),
            ("\"a\nb\"@example.com", LocalPart),
            ("\"a\\\tb\"@example.com", LocalPart),
            ("a\"b\"@example.com", LocalPart),
            ("a@", Domain),
            ("a@.", Domain),
            ("a@b@example.com", Domain),
            ("a@.example.com", Domain),
            ("a@example..com", Domain),
            ("a@example.com..", Domain),
            ("a@-example.com", Domain),
            ("a@example-.com", Domain),
            ("a@exa mple.com", Domain),
            ("a@example.com>", Domain),
            ("a@example.com\r", Domain),
            ("a@example.com\0", Domain),
            ("a@example.com:25", Domain),
            ("a@[", AddressLiteral),
            ("a@[]", AddressLiteral),
            ("a@[192.0.2]", AddressLiteral),
            ("a@[192.0.2.256]", AddressLiteral),
            ("a@[192.0.2.1].", AddressLiteral),
            ("a@[IPv6:192.0.2.1]", AddressLiteral),
            ("a@[2001:db8::1]x", AddressLiteral),
            ("a@[IPv6:fe80::1%eth0]", AddressLiteral),
            ("a@[tag:x]", AddressLiteral),
            ("a@[tag:<x]", AddressLiteral),
            ("\u{e9}@example.com", NotAscii),
            ("a@b\u{fc}cher.example", NotAscii),
        ];
        for (text, problem) in cases {
            assert_eq!(
                text.parse::<Mailbox>().map_err(|error| error.problem()),
                Err(problem),
                "{text:?}"
            );
        }
    }

    #[test]
    fn lengths_are_limited() {
        let domain = |octets: usize| format!("{}x", "x.".repeat(octets / 2));
        let cases = [
            (format!("{}@example.com", "a".repeat(64)), None),
            (
                format!("{}@example.com", "a".repeat(65)),
                Some(MailboxProblem::LocalPartTooLong),
            ),
            (format!("a@{}.com", "x".repeat(63)), None),
            (
                format!("a@{}.com", "x".repeat(64)),
                Some(MailboxProblem::Domain),
            ),
            (format!("a@{}", domain(251)), None),
            (format!("a@{}", domain(253)), Some(MailboxProblem::TooLong)),
            (format!("a@{}", domain(257)), Some(MailboxProblem::Domain)),
        ];
        for (text, problem) in cases {
            assert_eq!(
                text.parse::<Mailbox>()
                    .map_err(|error| error.problem())
                    .err(),
                problem,
                "{text}"
            );
        }
    }

    #[test]
    fn utf8_is_taken_where_it_is_asked_for() {
        for text in [
            "\u{e9}@example.com",
            "a@b\u{fc}cher.example",
            "\"\u{e9} \"@\u{4f8b}.example",
            "a@b.c",
        ] {
            assert_eq!(
                Mailbox::parse_utf8(text).map(|mailbox| mailbox.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in [
            "\u{85}@example.com",
            "a\u{2028}@example.com",
            "a@b\u{2028}.example",
            "\"\\\u{e9}\"@a.b",
            "a@\u{e9} .b",
        ] {
            assert!(Mailbox::parse_utf8(text).is_err(), "{text:?}");
        }
    }
}
