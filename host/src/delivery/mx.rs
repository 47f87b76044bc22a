//! Finds the hosts that take a domain's mail (RFC 5321 §5.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_resolver::proto::rr::{RData, RecordType};

use super::dns::{Answer, Dns, Miss, host_name};
use super::ourselves::Ourselves;
use super::smtp::reply::{deferred, failed};
use crate::queue::Outcome;

/// A host that takes mail for a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exchanger {
    /// Smaller is tried first.
    pub preference: u16,
    /// Its name, in canonical form.
    pub host: String,
    /// DNS proves that this is a host of the domain.
    pub is_secure: bool,
}

/// The hosts to try for `domain`, best first; never empty.
///
/// # Errors
/// With the outcome for every recipient of the domain, when there is none.
pub(super) async fn exchangers(
    dns: &Dns,
    domain: &str,
    ourselves: &Ourselves,
) -> Result<Vec<Exchanger>, Outcome> {
    match dns.lookup(domain, RecordType::MX).await {
        Ok(answer) => ordered(domain, &answer, ourselves, || getrandom::u64().unwrap_or(0)),
        // RFC 5321 §5.1: without MX records the domain itself is the host.
        Err(Miss::NoRecords) => Ok(vec![implicit(domain)]),
        Err(Miss::NoName) => Err(failed(format!("5.1.2 the domain {domain} does not exist"))),
        Err(Miss::Trouble(trouble)) => Err(unresolved(domain, &trouble)),
    }
}

/// The name comes from the recipient's address, which is as good as proven.
fn implicit(domain: &str) -> Exchanger {
    Exchanger {
        preference: 0,
        host: domain.to_owned(),
        is_secure: true,
    }
}

/// By preference; at random among equals, to spread the load (RFC 5321 §5.1).
fn ordered(
    domain: &str,
    answer: &Answer,
    ourselves: &Ourselves,
    mut random: impl FnMut() -> u64,
) -> Result<Vec<Exchanger>, Outcome> {
    let mut found: Vec<Exchanger> = answer
        .data()
        .filter_map(|data| match data {
            RData::MX(mx) => Some(Exchanger {
                preference: mx.preference,
                host: host_name(&mx.exchange),
                is_secure: answer.is_secure,
            }),
            _ => None,
        })
        .collect();
    // RFC 7505: a single exchanger that is the root means that the domain takes no mail.
    if found.len() == 1 && found[0].host.is_empty() {
        return Err(failed(format!(
            "5.1.10 the domain {domain} does not accept mail (null MX)"
        )));
    }
    found.retain(|exchanger| !exchanger.host.is_empty());
    if found.is_empty() {
        return Ok(vec![implicit(domain)]);
    }
    found.sort_by_cached_key(|exchanger| (exchanger.preference, random()));
    before_ourselves(domain, found, ourselves)
}

/// RFC 5321 §5.1: whoever is an exchanger itself hands mail only to those that are better.
fn before_ourselves(
    domain: &str,
    mut found: Vec<Exchanger>,
    ourselves: &Ourselves,
) -> Result<Vec<Exchanger>, Outcome> {
    let own = found.iter().find(|one| ourselves.is_named(&one.host));
    let Some(own) = own.cloned() else {
        return Ok(found);
    };
    found.retain(|exchanger| exchanger.preference < own.preference);
    if found.is_empty() {
        return Err(looping(domain, &own.host));
    }
    Ok(found)
}

/// The domain's mail would come back.
pub(super) fn looping(domain: &str, host: &str) -> Outcome {
    failed(format!(
        "5.4.6 mail for {domain} would loop: its mail exchanger {host} is this relay"
    ))
}

/// Nobody knows where the name leads.
pub(super) fn unresolved(name: &str, trouble: &str) -> Outcome {
    deferred(format!("4.4.3 cannot look up {name}: {trouble}"))
}

/// RFC 5321 §4.1.3: `[192.0.2.1]` or `[IPv6:2001:db8::1]`; none when the domain is no literal.
///
/// # Errors
/// With the outcome for every recipient, when it is a literal of something else.
pub(super) fn literal(domain: &str) -> Option<Result<IpAddr, Outcome>> {
    let inside = domain.strip_prefix('[')?.trim_end_matches(']');
    let ip = match inside.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("ipv6:") => {
            inside[5..].parse::<Ipv6Addr>().map(IpAddr::V6).ok()
        }
        _ => inside.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
    };
    let wrong = || failed(format!("5.1.2 {domain} is not an address literal"));
    Some(ip.ok_or_else(wrong))
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::rdata::MX;
    use hickory_resolver::proto::rr::{Name, Record};

    use super::*;

    fn answer(records: &[(u16, &str)]) -> Answer {
        let name = |text: &str| Name::from_ascii(text).expect("a name");
        let records = records.iter().map(|&(preference, host)| {
            let data = RData::MX(MX::new(preference, name(host)));
            Record::from_rdata(name("example."), 60, data)
        });
        Answer {
            records: records.collect(),
            is_secure: false,
        }
    }

    fn hosts(records: &[(u16, &str)], own: &str) -> Result<Vec<String>, Outcome> {
        let ourselves = Ourselves {
            names: vec![own.to_owned()],
            ..Ourselves::default()
        };
        let mut numbers = [3, 1, 2].into_iter();
        let random = || numbers.next().unwrap_or(0);
        let found = ordered("example", &answer(records), &ourselves, random)?;
        Ok(found.into_iter().map(|one| one.host).collect())
    }

    #[test]
    fn the_smallest_preference_comes_first() {
        let records = [(20, "b.example."), (10, "A.example."), (30, "c.example.")];
        let expected = ["a.example", "b.example", "c.example"].map(str::to_owned);
        assert_eq!(hosts(&records, ""), Ok(expected.to_vec()));
    }

    #[test]
    fn equals_come_in_random_order() {
        let records = [(10, "a."), (10, "b."), (5, "c.")];
        assert_eq!(
            hosts(&records, ""),
            Ok(["c", "b", "a"].map(str::to_owned).to_vec())
        );
    }

    #[test]
    fn a_null_mx_fails_for_good() {
        let outcome = hosts(&[(0, ".")], "").expect_err("no mail");
        assert!(matches!(&outcome, Outcome::Failed(reply) if reply.text.starts_with("5.1.10")));
    }

    #[test]
    fn without_an_exchanger_the_domain_itself_is_tried() {
        assert_eq!(hosts(&[], ""), Ok(vec!["example".to_owned()]));
    }

    #[test]
    fn an_exchanger_hands_mail_only_to_better_ones() {
        let records = [(10, "a."), (20, "relay."), (20, "b."), (30, "c.")];
        assert_eq!(hosts(&records, "relay"), Ok(vec!["a".to_owned()]));
        let outcome = hosts(&records[1..], "relay").expect_err("a loop");
        assert!(matches!(&outcome, Outcome::Failed(reply) if reply.text.starts_with("5.4.6")));
    }

    #[test]
    fn address_literals_need_no_lookup() {
        for (text, address) in [
            ("[192.0.2.1]", Some("192.0.2.1")),
            ("[IPv6:2001:db8::1]", Some("2001:db8::1")),
            ("[ipv6:::1]", Some("::1")),
            ("[example]", None),
            ("[]", None),
        ] {
            let found = literal(text).expect("it is a literal");
            let found = found.ok().map(|ip| ip.to_string());
            assert_eq!(found.as_deref(), address, "{text}");
        }
        assert!(literal("example").is_none());
    }
}
