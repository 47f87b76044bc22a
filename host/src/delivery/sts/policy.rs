//! What a domain says about its mail exchangers: the TXT record and the policy of RFC 8461.

use std::time::Duration;

/// The longest that a policy holds (RFC 8461 §3.2): about a year.
const MAX_AGE_S: u64 = 31_557_600;

/// What happens to a host that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It gets no mail.
    Enforce,
    /// It gets its mail; the log tells.
    Testing,
    /// The domain has taken its policy back.
    None,
}

/// A policy that a domain has published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::delivery) struct Policy {
    pub(super) mode: Mode,
    pub(super) max_age: Duration,
    hosts: Vec<String>,
}

/// A text that is no policy, and why.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the policy {0}")]
pub(super) struct NotAPolicy(&'static str);

impl Policy {
    /// Reads the text of a policy (RFC 8461 §3.2): the first of a key counts, unknown ones do not.
    ///
    /// # Errors
    /// When a key is missing or makes no sense.
    pub(super) fn parse(text: &str) -> Result<Self, NotAPolicy> {
        let pairs = || {
            let pairs = text.lines().filter_map(|line| line.split_once(':'));
            pairs.map(|(key, value)| (key.trim(), value.trim()))
        };
        let first = |wanted: &str| {
            pairs()
                .find(|(key, _)| *key == wanted)
                .map(|(_, value)| value)
        };
        if pairs().next() != Some(("version", "STSv1")) {
            return Err(NotAPolicy("does not begin with `version: STSv1`"));
        }
        let mode = match first("mode") {
            Some("enforce") => Mode::Enforce,
            Some("testing") => Mode::Testing,
            Some("none") => Mode::None,
            _ => return Err(NotAPolicy("has no `mode`")),
        };
        let max_age = first("max_age").and_then(|text| text.parse::<u64>().ok());
        let max_age = max_age.ok_or(NotAPolicy("has no `max_age`"))?;
        let hosts = pairs().filter(|(key, _)| *key == "mx");
        let hosts: Vec<String> = hosts.map(|(_, host)| host.to_ascii_lowercase()).collect();
        if hosts.is_empty() && mode != Mode::None {
            return Err(NotAPolicy("names no `mx`"));
        }
        Ok(Self {
            mode,
            max_age: Duration::from_secs(max_age.min(MAX_AGE_S)),
            hosts,
        })
    }

    /// Whether a host is one of the domain's (RFC 8461 §4.1): `*` stands for one label.
    pub(in crate::delivery) fn names(&self, host: &str) -> bool {
        self.hosts
            .iter()
            .any(|pattern| match pattern.strip_prefix("*.") {
                Some(rest) => host.split_once('.').is_some_and(|(_, above)| above == rest),
                None => host == pattern,
            })
    }

    /// Whether a host that does not fit gets no mail.
    pub(in crate::delivery) fn is_enforced(&self) -> bool {
        self.mode == Mode::Enforce
    }
}

/// The id in the TXT records at `_mta-sts.DOMAIN` (RFC 8461 §3.1); none unless exactly one is a record of this kind.
pub(super) fn published_id<'a>(records: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut ours = records.filter(|record| {
        let rest = record.strip_prefix("v=STSv1");
        rest.is_some_and(|rest| rest.trim_start().is_empty() || rest.trim_start().starts_with(';'))
    });
    let record = ours.next().filter(|_| ours.next().is_none())?;
    let fields = record.split(';').filter_map(|field| field.split_once('='));
    let mut ids = fields.filter(|(key, _)| key.trim() == "id");
    let id = ids.next()?.1.trim();
    let is_id =
        (1..=32).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_alphanumeric());
    is_id.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.Example.net\r\n\
                        max_age: 604800\r\nfuture: x\r\n";

    #[test]
    fn a_policy_is_read_whatever_its_line_ends_and_additions() {
        for text in [TEXT.to_owned(), TEXT.replace('\r', "")] {
            let policy = Policy::parse(&text).expect("valid");
            assert!(policy.is_enforced());
            assert_eq!(policy.max_age, Duration::from_secs(604_800));
        }
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let policy = Policy::parse(TEXT).expect("valid");
        for (host, is_named) in [
            ("mail.example.com", true),
            ("a.mail.example.com", false),
            ("mx1.example.net", true),
            ("a.mx1.example.net", false),
            ("example.net", false),
        ] {
            assert_eq!(policy.names(host), is_named, "{host}");
        }
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for text in [
            "",
            "<html>",
            "mode: enforce\nversion: STSv1\nmx: a\nmax_age: 1",
            "version: STSv2\nmode: enforce\nmx: a\nmax_age: 1",
            "version: STSv1\nmx: a\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmx: a\nmax_age: soon",
        ] {
            assert!(Policy::parse(text).is_err(), "{text}");
        }
        assert!(Policy::parse("version: STSv1\nmode: none\nmax_age: 1").is_ok());
    }

    #[test]
    fn a_policy_holds_a_year_at_most() {
        let text = TEXT.replace("604800", "99999999999");
        let policy = Policy::parse(&text).expect("valid");
        assert_eq!(policy.max_age, Duration::from_secs(MAX_AGE_S));
    }

    #[test]
    fn exactly_one_record_with_an_id_publishes_it() {
        let id = |records: &[&str]| published_id(records.iter().copied());
        assert_eq!(
            id(&["v=STSv1; id=20260101T1;"]).as_deref(),
            Some("20260101T1")
        );
        assert_eq!(id(&["spf", "v=STSv1;id=a"]).as_deref(), Some("a"));
        for records in [
            &["v=STSv1; id=a", "v=STSv1; id=b"][..],
            &["v=STSv10; id=a"],
            &["v=STSv1; id=a-b"],
            &["v=STSv1"],
            &[],
        ] {
            assert_eq!(id(records), None, "{records:?}");
        }
    }
}
