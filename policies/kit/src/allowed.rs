//! What a user may send as, and whether an address is among it.
//!
//! Nothing here trusts an entry: whatever is no domain and no address matches nothing. It still
//! counts, so that a field full of useless entries never means "everyone".

/// Longest domain, in octets (RFC 1035 §2.3.4).
const MAX_DOMAIN: usize = 253;
/// Longest label of a domain, in octets (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;
/// What opens an entry that covers all subdomains.
const WILDCARD: &str = "*.";

/// The sender addresses a user may use.
#[derive(Debug, PartialEq, Eq)]
pub enum Allowed<'a> {
    /// Both fields are empty.
    Everyone,
    /// At least one field has an entry, usable or not.
    Only(Vec<Entry<'a>>),
}

/// A usable entry of the authorized domains or senders.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// Every address at exactly this domain.
    Domain(&'a str),
    /// Every address at any depth below this domain, not at the domain itself.
    Subdomains(&'a str),
    /// One address.
    Address {
        /// In lower case.
        local_part: String,
        /// As entered and as the host normalised it.
        domain: &'a str,
        /// What to show.
        full: &'a str,
    },
}

impl<'a> Allowed<'a> {
    /// Reads the two fields of a user: its `authorized-domains` and its `authorized-senders`.
    pub fn of(domains: &'a [String], senders: &'a [String]) -> Self {
        if domains.is_empty() && senders.is_empty() {
            return Self::Everyone;
        }
        let domains = domains.iter().filter_map(|text| Entry::domain(text));
        let senders = senders.iter().filter_map(|text| Entry::address(text));
        Self::Only(domains.chain(senders).collect())
    }

    /// True when a user may send as the address of this local-part and this domain.
    pub fn covers(&self, local_part: &str, address_domain: &str) -> bool {
        match self {
            Self::Everyone => true,
            Self::Only(entries) => {
                let local_part = lower_case(local_part);
                let covers = |entry: &Entry| entry.covers(&local_part, address_domain);
                entries.iter().any(covers)
            }
        }
    }

    /// True when every sender is authorized.
    pub fn is_everyone(&self) -> bool {
        matches!(self, Self::Everyone)
    }
}

impl<'a> Entry<'a> {
    /// A usable entry of the authorized domains.
    pub fn domain(text: &'a str) -> Option<Self> {
        match text.strip_prefix(WILDCARD) {
            Some(parent) if is_domain(parent) && parent.contains('.') => {
                Some(Self::Subdomains(parent))
            }
            Some(_) => None,
            None => (is_domain(text) || is_literal(text)).then_some(Self::Domain(text)),
        }
    }

    /// A usable entry of the authorized senders.
    pub fn address(text: &'a str) -> Option<Self> {
        let (local_part, domain) = text.rsplit_once('@')?;
        (is_local_part(local_part) && (is_domain(domain) || is_literal(domain))).then(|| {
            Self::Address {
                local_part: lower_case(local_part),
                domain,
                full: text,
            }
        })
    }

    /// True when an address of this local-part, in lower case, and this domain is meant.
    fn covers(&self, lower_local_part: &str, address_domain: &str) -> bool {
        match self {
            Self::Domain(domain) => domain.eq_ignore_ascii_case(address_domain),
            Self::Subdomains(parent) => is_below(address_domain, parent),
            Self::Address {
                local_part, domain, ..
            } => domain.eq_ignore_ascii_case(address_domain) && local_part == lower_local_part,
        }
    }

    /// The entry as it was entered.
    pub fn shown(&self) -> String {
        match self {
            Self::Domain(domain) => (*domain).to_owned(),
            Self::Subdomains(parent) => format!("{WILDCARD}{parent}"),
            Self::Address { full, .. } => (*full).to_owned(),
        }
    }
}

/// True when `domain` ends in a dot and `parent`, with at least one label before.
fn is_below(domain: &str, parent: &str) -> bool {
    let (domain, parent) = (domain.as_bytes(), parent.as_bytes());
    let Some(dot) = domain.len().checked_sub(parent.len() + 1) else {
        return false;
    };
    dot > 0 && domain[dot] == b'.' && domain[dot + 1..].eq_ignore_ascii_case(parent)
}

/// True for labels of letters, digits, hyphens and underscores, joined by single dots. The host
/// has put every real domain into this form (A-labels, no trailing dot).
fn is_domain(text: &str) -> bool {
    text.len() <= MAX_DOMAIN && text.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let known = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    !label.is_empty() && label.len() <= MAX_LABEL && label.bytes().all(known)
}

/// True for an address literal such as `[192.0.2.1]` (RFC 5321 §4.1.3).
fn is_literal(domain: &str) -> bool {
    let inner = domain
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| {
        !inner.is_empty()
            && inner
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b':' | b'.' | b'-'))
    })
}

/// True for a dot-string or a quoted string (RFC 5321 §4.1.2, with the characters of RFC 6531).
/// A `*` is valid there, but whoever enters one means a pattern: it matches nothing.
fn is_local_part(text: &str) -> bool {
    let quoted = text.len() > 2 && text.starts_with('"') && text.ends_with('"');
    let valid = if quoted {
        !text.chars().any(char::is_control)
    } else {
        text.split('.').all(is_atom)
    };
    valid && !text.contains('*')
}

fn is_atom(atom: &str) -> bool {
    let known = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '!' | '#'..='\'' | '*' | '+' | '-' | '/' | '=' | '?' | '^'..='`' | '{'..='~')
            || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
    };
    !atom.is_empty() && atom.chars().all(known)
}

/// Lower case without regard to the neighbours of a character, so that equal texts stay equal.
fn lower_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Authorized domains and senders of a user.
    type Fields = (Vec<String>, Vec<String>);

    fn fields(domains: &[&str], senders: &[&str]) -> Fields {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        (owned(domains), owned(senders))
    }

    fn allowed((domains, senders): &Fields) -> Allowed<'_> {
        Allowed::of(domains, senders)
    }

    fn covers(fields: &Fields, address: &str) -> bool {
        let (local_part, domain) = address.rsplit_once('@').expect("a test address");
        allowed(fields).covers(local_part, domain)
    }

    fn assert_covers(cases: &[(&str, &str, bool)], fields: impl Fn(&str) -> Fields) {
        for (entry, sender, expected) in cases {
            let covered = covers(&fields(entry), sender);
            assert_eq!(covered, *expected, "entry {entry:?}, sender {sender:?}");
        }
    }

    #[test]
    fn two_empty_fields_authorize_everyone() {
        let fields = fields(&[], &[]);
        assert!(allowed(&fields).is_everyone());
        assert!(covers(&fields, "any@where.example"));
    }

    #[test]
    fn a_domain_covers_exactly_itself() {
        let cases = [
            ("example.com", "a@example.com", true),
            ("example.com", "A.B+c@example.com", true),
            ("Example.COM", "a@example.com", true),
            ("example.com", "a@EXAMPLE.com", true),
            ("marketing.example.com", "a@marketing.example.com", true),
            ("xn--mnchen-3ya.de", "a@xn--mnchen-3ya.de", true),
            ("localhost", "a@localhost", true),
            ("[192.0.2.1]", "a@[192.0.2.1]", true),
            ("[192.0.2.1]", "a@192.0.2.1", false),
            ("under_score.example", "a@under_score.example", true),
            ("example.com", "a@marketing.example.com", false),
            ("marketing.example.com", "a@example.com", false),
            ("marketing.example.com", "a@sales.example.com", false),
            ("example.com", "a@example.com.evil.net", false),
            ("example.com", "a@notexample.com", false),
            ("example.com", "a@example.co", false),
            ("example.com", "a@example.comm", false),
            ("example.com", "a@xexample.com", false),
            ("example.com", "example.com@evil.net", false),
            ("example.com", "\"a@example.com\"@evil.net", false),
            ("example.com", "a@com", false),
            ("com", "a@example.com", false),
            ("example.com", "a@exa\u{fffd}mple.com", false),
            ("xn--mnchen-3ya.de", "a@munchen.de", false),
        ];
        assert_covers(&cases, |entry| fields(&[entry], &[]));
    }

    #[test]
    fn a_wildcard_covers_every_depth_below_and_not_the_apex() {
        let cases = [
            ("*.example.com", "a@marketing.example.com", true),
            ("*.example.com", "a@x.y.z.example.com", true),
            ("*.EXAMPLE.com", "a@x.example.COM", true),
            ("*.co.uk", "a@example.co.uk", true),
            ("*.xn--mnchen-3ya.de", "a@x.xn--mnchen-3ya.de", true),
            ("*.example.com", "a@example.com", false),
            ("*.example.com", "a@.example.com", false),
            ("*.example.com", "a@notexample.com", false),
            ("*.example.com", "a@x.notexample.com", false),
            ("*.example.com", "a@x.example.com.evil.net", false),
            ("*.com", "a@example.com", false),
            ("*", "a@example.com", false),
            ("*.", "a@example.com", false),
            ("*.*.com", "a@b.example.com", false),
            ("**.example.com", "a@b.example.com", false),
            ("*example.com", "a@notexample.com", false),
            ("*example.com", "a@example.com", false),
            ("a.*.com", "a@a.example.com", false),
        ];
        assert_covers(&cases, |entry| fields(&[entry], &[]));
    }

    #[test]
    fn what_is_not_a_domain_matches_nothing_and_still_counts() {
        let entries = [
            "a@example.com",
            "@example.com",
            "https://example.com",
            "example.com/",
            "example.com:25",
            ".example.com",
            "example.com.",
            "example..com",
            "exa mple.com",
            "example.com,example.org",
            "example.com example.org",
            "m\u{fc}nchen.de",
            "\"example.com\"",
            "<example.com>",
            "[]",
            "*.[192.0.2.1]",
            " example.com",
            ".",
            "",
        ];
        for entry in entries {
            let fields = fields(&[entry], &[]);
            assert_eq!(allowed(&fields), Allowed::Only(Vec::new()), "{entry:?}");
            for domain in ["example.com", "example.org", entry] {
                let covered = allowed(&fields).covers("a", domain);
                assert!(!covered, "{entry:?} {domain:?}");
            }
        }
    }

    #[test]
    fn an_address_covers_itself_without_regard_to_case() {
        let cases = [
            ("info@example.com", "info@example.com", true),
            ("info@example.com", "INFO@example.com", true),
            ("Info@example.com", "info@EXAMPLE.com", true),
            ("j\u{f6}rg@example.com", "J\u{d6}RG@example.com", true),
            (
                "\u{3a3}\u{391}\u{3a3}@example.com",
                "\u{3c3}\u{3b1}\u{3c3}@example.com",
                true,
            ),
            ("john.smith@example.com", "John.Smith@example.com", true),
            (
                "\"john smith\"@example.com",
                "\"John Smith\"@example.com",
                true,
            ),
            ("a+tag@example.com", "a+TAG@example.com", true),
            ("root@[192.0.2.1]", "root@[192.0.2.1]", true),
            ("root@[IPv6:2001:db8::1]", "root@[ipv6:2001:db8::1]", true),
            ("info@localhost", "info@localhost", true),
            ("info@example.com", "sales@example.com", false),
            ("info@example.com", "info@marketing.example.com", false),
            ("info@example.com", "info@example.com.evil.net", false),
            ("info@example.com", "info@notexample.com", false),
            ("info@example.com", "xinfo@example.com", false),
            ("info@example.com", "info+tag@example.com", false),
            ("info+tag@example.com", "info@example.com", false),
            ("john.smith@example.com", "johnsmith@example.com", false),
            ("info@example.com", "\"info@example.com\"@evil.net", false),
            ("k@example.com", "\u{138}@example.com", false),
            ("i@example.com", "\u{131}@example.com", false),
            ("stra\u{df}e@example.com", "strasse@example.com", false),
        ];
        assert_covers(&cases, |entry| fields(&[], &[entry]));
    }

    #[test]
    fn what_is_not_an_address_matches_nothing_and_still_counts() {
        let entries = [
            "*@example.com",
            "info*@example.com",
            "\"*\"@example.com",
            "@example.com",
            "info@",
            "@",
            "info",
            "example.com",
            "<info@example.com>",
            "Info <info@example.com>",
            "info@example.com,sales@example.com",
            "info@example.com sales@example.com",
            "info @example.com",
            "info@ example.com",
            "info@@example.com",
            "info@*.example.com",
            ".info@example.com",
            "in..fo@example.com",
            "info@example.com.",
            "info@m\u{fc}nchen.de",
            "\"\"@example.com",
            "\"@example.com",
            "info@[]",
            "mailto:info@example.com",
            "",
        ];
        for entry in entries {
            let fields = fields(&[], &[entry]);
            assert_eq!(allowed(&fields), Allowed::Only(Vec::new()), "{entry:?}");
            for sender in ["info@example.com", "*@example.com", "info*@example.com"] {
                assert!(!covers(&fields, sender), "{entry:?}");
            }
        }
    }

    #[test]
    fn a_field_does_not_borrow_from_the_other() {
        let fields = fields(&["info@example.com"], &["example.org"]);
        for sender in ["info@example.com", "info@example.org", "a@example.com"] {
            assert!(!covers(&fields, sender), "{sender}");
        }
    }

    #[test]
    fn either_field_is_enough() {
        let fields = fields(&["example.com", "*.example.org"], &["a@example.net"]);
        let cases = [
            ("x@example.com", true),
            ("x@m.example.org", true),
            ("A@example.net", true),
            ("x@example.org", false),
            ("b@example.net", false),
        ];
        for (sender, expected) in cases {
            let covered = covers(&fields, sender);
            assert_eq!(covered, expected, "{sender}");
        }
    }
}
