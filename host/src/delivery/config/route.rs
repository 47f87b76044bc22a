//! Named ways out, apart from where all mail goes.

use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;

use super::Smarthosts;

/// A way out with a name: `[[delivery.route]]`. Lists, recipient domains and policies choose it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Route {
    /// What lists and policies call it: 1 to 64 of `A-Z a-z 0-9 . _ -`, each once.
    pub name: String,
    /// The relay it is, or several. Default: each domain's mail exchangers are looked up.
    #[serde(default)]
    pub smarthost: Smarthosts,
    /// Recipient domains whose mail takes it, where neither a policy nor the list chose another.
    #[serde(default)]
    pub domains: Vec<DomainPattern>,
    /// Addresses of this machine that its connections come from. Default: those of `[delivery]`.
    #[serde(default)]
    pub source_addresses: Vec<IpAddr>,
}

/// `example.com`, or `*.example.com` for every domain below it; compared as A-labels.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DomainPattern {
    domain: String,
    is_below: bool,
}

/// A text that is no pattern of domains.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a domain; write it like \"example.com\", or \"*.example.com\" for all below it"
)]
pub struct NotAPattern(String);

impl TryFrom<String> for DomainPattern {
    type Error = NotAPattern;

    fn try_from(text: String) -> Result<Self, NotAPattern> {
        let (name, is_below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text.as_str(), false),
        };
        let name = name.trim_end_matches('.');
        let domain = idna::domain_to_ascii_strict(name).unwrap_or_default();
        if domain.is_empty() {
            return Err(NotAPattern(text));
        }
        Ok(Self { domain, is_below })
    }
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.is_below { "*." } else { "" };
        write!(f, "{prefix}{}", self.domain)
    }
}

impl DomainPattern {
    /// How closely it fits a domain in canonical form: more is closer, none is not at all.
    pub(in crate::delivery) fn fit(&self, domain: &str) -> Option<usize> {
        if !self.is_below {
            return (domain == self.domain).then_some(usize::MAX);
        }
        let above = domain.strip_suffix(&self.domain)?.strip_suffix('.')?;
        (!above.is_empty()).then_some(self.domain.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Option<DomainPattern> {
        DomainPattern::try_from(text.to_owned()).ok()
    }

    #[test]
    fn a_pattern_fits_its_domain_or_those_below() {
        let fits = |text: &str, domain: &str| pattern(text).expect(text).fit(domain).is_some();
        assert!(fits("Example.COM", "example.com"));
        assert!(fits("bücher.example.", "xn--bcher-kva.example"));
        assert!(!fits("example.com", "a.example.com"));
        assert!(fits("*.example.com", "b.a.example.com"));
        assert!(!fits("*.example.com", "example.com"));
        assert!(!fits("*.example.com", "anexample.com"));
    }

    #[test]
    fn the_longer_pattern_fits_more_closely() {
        let domain = "b.a.example.com";
        let fit = |text: &str| pattern(text).expect(text).fit(domain);
        assert!(fit("*.a.example.com") > fit("*.example.com"));
        assert!(fit(domain) > fit("*.a.example.com"));
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        for text in ["", "*", "*.", "a b", "x@example.com", "*.*.com"] {
            assert!(pattern(text).is_none(), "{text}");
        }
    }
}
