//! Brings addresses and domains into the one form in which they are compared.

use std::borrow::Cow;
use std::fmt;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::lexer;
use crate::smtp::Mailbox;

/// Octets of a domain before mapping. A name of 253 octets (RFC 1035 §2.3.4) is shorter than this in
/// any spelling that is not padded with characters the mapping drops.
const MAX_DOMAIN_OCTETS: usize = 1024;

/// ASCII that no host name holds. The underscore is let through: it is not a host name's either, but
/// people do send from such domains.
const DENIED: AsciiDenyList = AsciiDenyList::new(true, "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~");

/// Maps a domain to lower-case A-labels without a trailing dot (UTS 46, non-transitional).
///
/// None when it is no domain: an empty label, a label over 63 octets, a name over 253, a character
/// that no domain holds. An address literal is kept as it is, in lower case with its brackets.
pub fn domain_to_ascii(domain: &str) -> Option<String> {
    if domain.len() > MAX_DOMAIN_OCTETS {
        return None;
    }
    if domain.starts_with('[') {
        return literal_to_ascii(domain);
    }
    let mapped = Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            DENIED,
            Hyphens::Allow,
            DnsLength::VerifyAllowRootDot,
        )
        .ok()?;
    let name = mapped.strip_suffix('.').unwrap_or(&mapped);
    (!name.is_empty()).then(|| name.to_owned())
}

/// RFC 5321 §4.1.3, without the characters that no address in use has.
fn literal_to_ascii(domain: &str) -> Option<String> {
    let inner = domain.strip_prefix('[')?.strip_suffix(']')?;
    let is_dcontent =
        |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b':' | b'-');
    (!inner.is_empty() && inner.bytes().all(is_dcontent)).then(|| domain.to_ascii_lowercase())
}

/// An address in the form in which addresses are compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// NFC, quoted only where it must be; case kept as received.
    pub local_part: String,
    /// Lower-case A-labels without a trailing dot, or an address literal with its brackets.
    pub domain: String,
}

impl Address {
    /// `local-part@domain`.
    pub fn full(&self) -> String {
        [&self.local_part, "@", &self.domain].concat()
    }

    /// From a mailbox of the envelope; none when its domain does not survive UTS 46.
    pub fn from_mailbox(mailbox: &Mailbox) -> Option<Self> {
        let content = unquoted(mailbox.local_part())?;
        Self::from_parts(content, mailbox.domain())
    }

    /// From a bare `local-part@domain`: no comment, no angle brackets, no space outside quotes.
    pub fn parse(text: &str) -> Option<Self> {
        let (local_part, domain) = text.rsplit_once('@')?;
        Self::from_parts(unquoted(local_part)?, domain)
    }

    /// From the meaning of a local-part (quotes and backslashes resolved) and a domain as it was written.
    pub(super) fn from_parts(content: Cow<'_, str>, domain: &str) -> Option<Self> {
        Some(Self {
            local_part: normal_local_part(content)?,
            domain: domain_to_ascii(domain)?,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local_part, self.domain)
    }
}

/// What a local-part means: a dot-atom is itself, a quoted string is what it quotes.
fn unquoted(local_part: &str) -> Option<Cow<'_, str>> {
    if is_dot_atom(local_part) {
        return Some(local_part.into());
    }
    let inner = local_part.strip_prefix('"')?;
    let mut content = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => content.push(characters.next()?),
            other => content.push(other),
        }
    }
    characters.as_str().is_empty().then(|| content.into())
}

/// NFC first: it turns a few characters into ASCII ones (U+037E into `;`) that need quotes.
fn normal_local_part(content: Cow<'_, str>) -> Option<String> {
    let normal = if content.is_ascii() || is_nfc(&content) {
        content.into_owned()
    } else {
        content.nfc().collect()
    };
    if is_dot_atom(&normal) {
        return Some(normal);
    }
    (!normal.chars().any(char::is_control)).then(|| quoted(&normal))
}

fn quoted(content: &str) -> String {
    let mut text = String::with_capacity(content.len() + 2);
    text.push('"');
    for character in content.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
    text
}

/// RFC 5322 §3.2.3 with the non-ASCII atext of RFC 6532 §3.2.
fn is_dot_atom(text: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.bytes().all(lexer::is_atext)
            && (atom.is_ascii() || !atom.chars().any(char::is_control))
    };
    text.split('.').all(is_atom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_become_a_labels() {
        let cases = [
            ("example.com", Some("example.com")),
            ("EXAMPLE.Com", Some("example.com")),
            ("example.com.", Some("example.com")),
            ("localhost", Some("localhost")),
            ("b\u{fc}cher.example", Some("xn--bcher-kva.example")),
            ("B\u{dc}CHER.example", Some("xn--bcher-kva.example")),
            ("bu\u{308}cher.example", Some("xn--bcher-kva.example")),
            ("XN--BCHER-KVA.example", Some("xn--bcher-kva.example")),
            ("stra\u{df}e.example", Some("xn--strae-oqa.example")),
            ("example\u{3002}com", Some("example.com")),
            ("example\u{ff0e}com", Some("example.com")),
            ("ｅｘａｍｐｌｅ.com", Some("example.com")),
            ("exa\u{ad}mple.com", Some("example.com")),
            ("my_host.example.com", Some("my_host.example.com")),
            ("r3---sn.example.com", Some("r3---sn.example.com")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("[192.0.2.1]", Some("[192.0.2.1]")),
            ("[IPv6:2001:DB8::1]", Some("[ipv6:2001:db8::1]")),
            ("", None),
            (".", None),
            ("..", None),
            (".example.com", None),
            ("example..com", None),
            ("example.com..", None),
            ("exa mple.com", None),
            (" example.com", None),
            ("example.com,", None),
            ("a@example.com", None),
            ("\u{ff20}example.com", None),
            ("exam\u{a0}ple.com", None),
            ("example.com\0", None),
            ("*.example.com", None),
            ("xn--zzzzzz-99999999.example", None),
            ("\u{ad}", None),
            ("\u{80}.example", None),
            ("[", None),
            ("[]", None),
            ("[192.0.2.1", None),
            ("[192.0.2.1].example.com", None),
            ("[a@b]", None),
        ];
        for (domain, expected) in cases {
            assert_eq!(domain_to_ascii(domain).as_deref(), expected, "{domain:?}");
        }
    }

    #[test]
    fn names_and_labels_have_the_lengths_of_dns() {
        let label = |length: usize| "a".repeat(length);
        let name = |last: usize| [label(63), label(63), label(63), label(last)].join(".");
        assert!(domain_to_ascii(&label(63)).is_some());
        assert!(domain_to_ascii(&label(64)).is_none());
        assert!(domain_to_ascii(&name(61)).is_some());
        assert!(domain_to_ascii(&(name(61) + ".")).is_some());
        assert!(domain_to_ascii(&name(62)).is_none());
        assert!(domain_to_ascii(&"\u{ad}".repeat(100_000)).is_none());
    }

    #[test]
    fn addresses_have_one_form() {
        let cases = [
            ("user@example.com", Some("user@example.com")),
            ("User@EXAMPLE.com.", Some("User@example.com")),
            ("\"user\"@example.com", Some("user@example.com")),
            ("\"u\\ser\"@example.com", Some("user@example.com")),
            ("\"a b\"@example.com", Some("\"a b\"@example.com")),
            ("\"a\\\"b\"@example.com", Some("\"a\\\"b\"@example.com")),
            ("\"a@b\"@example.com", Some("\"a@b\"@example.com")),
            ("\"a..b\"@example.com", Some("\"a..b\"@example.com")),
            ("\"\"@example.com", Some("\"\"@example.com")),
            ("user+tag@example.com", Some("user+tag@example.com")),
            ("cafe\u{301}@example.com", Some("caf\u{e9}@example.com")),
            ("a\u{37e}b@example.com", Some("\"a;b\"@example.com")),
            (
                "user@b\u{fc}cher.example",
                Some("user@xn--bcher-kva.example"),
            ),
            ("user@[192.0.2.1]", Some("user@[192.0.2.1]")),
            ("", None),
            ("@", None),
            ("user", None),
            ("user@", None),
            ("@example.com", None),
            ("a b@example.com", None),
            ("a@b@example.com", None),
            ("<user@example.com>", None),
            (" user@example.com", None),
            ("user@example.com ", None),
            ("user@example.com,", None),
            (".user@example.com", None),
            ("us..er@example.com", None),
            ("\"user@example.com", None),
            ("\"user\\\"@example.com", None),
            ("\"us\"er@example.com", None),
            ("us\u{85}er@example.com", None),
            ("\"us\ner\"@example.com", None),
            ("user@exa mple.com", None),
        ];
        for (text, expected) in cases {
            let full = Address::parse(text).map(|address| address.full());
            assert_eq!(full.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_mailbox_of_the_envelope_has_the_same_form() {
        let mailbox: Mailbox = "\"User\"@Example.COM".parse().expect("it is a mailbox");
        let address = Address::from_mailbox(&mailbox).expect("its domain is valid");
        assert_eq!(address.to_string(), "User@example.com");
    }
}
