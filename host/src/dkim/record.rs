//! The DNS record that publishes a key (RFC 6376 §3.6), and whether what is published is it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::PrivateKey;

/// Octets of one string of a TXT record (RFC 1035 §3.3).
const MAX_STRING: usize = 255;

/// Where the record of a key stands, without the root's dot.
pub fn record_name(selector: &str, domain: &str) -> String {
    format!("{selector}._domainkey.{domain}")
}

/// The record of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name, without the root's dot.
    pub name: String,
    /// Its text in one piece, as web forms of DNS providers take it.
    pub text: String,
}

/// What DNS has under the name of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// This key: what it signs can be verified.
    Matches {
        /// `t=y`: the domain is testing, and verifiers are not to mind a missing signature.
        is_testing: bool,
    },
    /// Nothing.
    Missing,
    /// Several records, of which verifiers may take any (RFC 6376 §3.6.2.2).
    Several,
    /// A record without a key: it is revoked.
    Revoked,
    /// Another key.
    Differs,
    /// No record of a key.
    Malformed,
}

impl Record {
    /// The record that publishes this key.
    pub fn new(selector: &str, domain: &str, key: &PrivateKey) -> Self {
        let public = BASE64_STANDARD.encode(key.public());
        Self {
            name: record_name(selector, domain),
            text: format!("v=DKIM1; k={}; p={public}", key.algorithm().name()),
        }
    }

    /// As it stands in a zone file: strings of at most 255 octets.
    pub fn zone_line(&self) -> String {
        let strings = self.text.as_bytes().chunks(MAX_STRING);
        let strings = strings.map(|part| format!("\"{}\"", String::from_utf8_lossy(part)));
        let strings: Vec<String> = strings.collect();
        format!("{}. IN TXT ( {} )", self.name, strings.join(" "))
    }
}

impl Published {
    /// What these texts, each the joined strings of a TXT record, are to this key.
    pub fn judge(texts: &[String], key: &PrivateKey) -> Self {
        let texts: Vec<&String> = texts.iter().filter(|text| text.contains("p=")).collect();
        match texts.as_slice() {
            [] => Self::Missing,
            [text] => Self::of(text, key),
            _ => Self::Several,
        }
    }

    fn of(text: &str, key: &PrivateKey) -> Self {
        let tag = |name: &str| {
            let mut tags = text.split(';').filter_map(|tag| tag.split_once('='));
            tags.find(|(tag, _)| tag.trim() == name)
                .map(|(_, value)| value.replace(|c: char| c.is_ascii_whitespace(), ""))
        };
        let version = tag("v").unwrap_or_else(|| "DKIM1".to_owned());
        let algorithm = tag("k").unwrap_or_else(|| "rsa".to_owned());
        let Some(public) = tag("p").filter(|_| version == "DKIM1") else {
            return Self::Malformed;
        };
        if public.is_empty() {
            return Self::Revoked;
        }
        match BASE64_STANDARD.decode(&public) {
            Err(_) => Self::Malformed,
            Ok(octets) if algorithm == key.algorithm().name() && octets == key.public() => {
                let flags = tag("t").unwrap_or_default();
                Self::Matches {
                    is_testing: flags.split(':').any(|flag| flag == "y"),
                }
            }
            Ok(_) => Self::Differs,
        }
    }

    /// True when what is signed with the key can be verified.
    pub const fn is_good(&self) -> bool {
        matches!(self, Self::Matches { .. })
    }

    /// One sentence for people.
    pub const fn describe(&self) -> &'static str {
        match self {
            Self::Matches { is_testing: false } => "published, and it is this key",
            Self::Matches { is_testing: true } => {
                "published, and it is this key, but marked as a test (t=y)"
            }
            Self::Missing => "not published",
            Self::Several => "published several times; verifiers may take the wrong record",
            Self::Revoked => "revoked: the record has an empty p=",
            Self::Differs => "another key is published",
            Self::Malformed => "what is published is no record of a key",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dkim::Algorithm;

    fn key(algorithm: Algorithm) -> PrivateKey {
        let pem = PrivateKey::make(algorithm).expect("random numbers");
        PrivateKey::from_pem(&pem).expect("a key")
    }

    #[test]
    fn a_record_is_recognised_as_the_keys_own_and_as_no_other() {
        let (rsa, ed25519) = (key(Algorithm::Rsa), key(Algorithm::Ed25519));
        for (mine, other) in [(&rsa, &ed25519), (&ed25519, &rsa)] {
            let text = Record::new("s", "example.com", mine).text;
            let good = Published::Matches { is_testing: false };
            assert_eq!(Published::judge(std::slice::from_ref(&text), mine), good);
            assert_eq!(
                Published::judge(std::slice::from_ref(&text), other),
                Published::Differs
            );
            let spaced = text.replace("; ", " ;\t").replace("p=", "p = ");
            assert_eq!(
                Published::judge(&[spaced.replace("p = ", "p= ")], mine),
                good
            );
        }
        let text = Record::new("s", "example.com", &rsa).text;
        let cases = [
            (vec![], Published::Missing),
            (vec!["v=spf1 -all".to_owned()], Published::Missing),
            (vec!["v=DKIM1; p=".to_owned()], Published::Revoked),
            (vec!["v=DKIM1; p=%%".to_owned()], Published::Malformed),
            (vec!["v=DKIM2; p=AAAA".to_owned()], Published::Malformed),
            (vec![text.clone(), text.clone()], Published::Several),
            (
                vec![format!("{text}; t=s:y")],
                Published::Matches { is_testing: true },
            ),
        ];
        for (texts, expected) in cases {
            assert_eq!(Published::judge(&texts, &rsa), expected, "{texts:?}");
        }
    }

    #[test]
    fn a_long_record_is_cut_into_strings_that_dns_takes() {
        let record = Record::new("s1", "example.com", &key(Algorithm::Rsa));
        let line = record.zone_line();
        assert!(
            line.starts_with("s1._domainkey.example.com. IN TXT ( \"v=DKIM1; k=rsa; p="),
            "{line}"
        );
        let strings: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        assert!(strings.len() > 1 && strings.iter().all(|one| one.len() <= MAX_STRING));
        assert_eq!(strings.concat(), record.text);
    }
}
