//! Finds the hosts that take a domain's mail (RFC 5321 §5.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{Name, RData};

use super::smtp::connection::Target;
use super::smtp::reply::{deferred, failed};
use crate::queue::Outcome;

/// Addresses tried in one attempt. RFC 5321 §5.1 asks for two at least.
const MAX_TARGETS: usize = 10;

/// An exchanger with its preference; smaller is tried first.
type Exchanger = (u16, String);

/// The addresses to try for `domain`, best first; never empty.
///
/// # Errors
/// With the outcome for every recipient of the domain, when there is no host to connect to.
pub(super) async fn targets(
    resolver: &TokioResolver,
    domain: &str,
    port: u16,
) -> Result<Vec<Target>, Outcome> {
    if domain.starts_with('[') {
        return literal(domain, port);
    }
    let name = fully_qualified(domain)?;
    let hosts = match resolver.mx_lookup(name).await {
        Ok(found) => exchangers(domain, found.answers().iter().map(|record| &record.data))?,
        Err(error) if error.is_nx_domain() => return Err(no_such_domain(domain)),
        Err(error) if error.is_no_records_found() => vec![domain.to_owned()],
        Err(error) => return Err(unresolved(domain, &error)),
    };
    addresses(resolver, domain, &hosts, port).await
}

fn fully_qualified(domain: &str) -> Result<Name, Outcome> {
    let mut name = Name::from_ascii(domain).map_err(|_| no_such_domain(domain))?;
    name.set_fqdn(true);
    Ok(name)
}

/// The exchangers in the order to try; the domain itself when there is none.
fn exchangers<'a>(
    domain: &str,
    answers: impl Iterator<Item = &'a RData>,
) -> Result<Vec<String>, Outcome> {
    let mut found: Vec<Exchanger> = answers
        .filter_map(|data| match data {
            RData::MX(mx) => Some((mx.preference, host_name(&mx.exchange))),
            _ => None,
        })
        .collect();
    // RFC 7505: a single exchanger that is the root means that the domain takes no mail.
    if found.len() == 1 && found[0].1.is_empty() {
        return Err(failed(format!(
            "5.1.10 the domain {domain} does not accept mail (null MX)"
        )));
    }
    found.retain(|(_, host)| !host.is_empty());
    if found.is_empty() {
        return Ok(vec![domain.to_owned()]);
    }
    order(&mut found, || getrandom::u64().unwrap_or(0));
    Ok(found.into_iter().map(|(_, host)| host).collect())
}

/// By preference; at random among equals, to spread the load (RFC 5321 §5.1).
fn order(exchangers: &mut [Exchanger], mut random: impl FnMut() -> u64) {
    exchangers.sort_by_cached_key(|(preference, _)| (*preference, random()));
}

fn host_name(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

async fn addresses(
    resolver: &TokioResolver,
    domain: &str,
    hosts: &[String],
    port: u16,
) -> Result<Vec<Target>, Outcome> {
    let mut targets = Vec::new();
    let mut trouble = None;
    for host in hosts {
        let Ok(name) = fully_qualified(host) else {
            continue;
        };
        // Each family by itself: of two failures a combined lookup tells only one, and "no IPv6
        // address" must not hide that the IPv4 address could not be looked up.
        let (v4, v6) = tokio::join!(
            resolver.ipv4_lookup(name.clone()),
            resolver.ipv6_lookup(name)
        );
        for found in [v4, v6] {
            match found {
                Ok(found) => {
                    let addresses = found
                        .answers()
                        .iter()
                        .filter_map(|record| record.data.ip_addr());
                    targets.extend(addresses.map(|ip| target(host, ip, port)));
                }
                Err(error) if error.is_no_records_found() => {}
                Err(error) => trouble = Some(unresolved(host, &error)),
            }
        }
        if targets.len() >= MAX_TARGETS {
            break;
        }
    }
    targets.truncate(MAX_TARGETS);
    match (targets.is_empty(), trouble) {
        (false, _) => Ok(targets),
        (true, Some(outcome)) => Err(outcome),
        (true, None) => Err(failed(format!("5.1.2 no host of {domain} has an address"))),
    }
}

fn target(host: &str, ip: IpAddr, port: u16) -> Target {
    Target {
        host: host.to_owned(),
        address: SocketAddr::new(ip, port),
    }
}

/// RFC 5321 §4.1.3: `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
fn literal(domain: &str, port: u16) -> Result<Vec<Target>, Outcome> {
    let inside = domain.trim_start_matches('[').trim_end_matches(']');
    let ip = match inside.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("ipv6:") => {
            inside[5..].parse::<Ipv6Addr>().map(IpAddr::V6).ok()
        }
        _ => inside.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
    };
    match ip {
        Some(ip) => Ok(vec![target(&ip.to_string(), ip, port)]),
        None => Err(failed(format!("5.1.2 {domain} is not an address literal"))),
    }
}

fn no_such_domain(domain: &str) -> Outcome {
    failed(format!("5.1.2 the domain {domain} does not exist"))
}

fn unresolved(name: &str, error: &NetError) -> Outcome {
    deferred(format!("4.4.3 cannot look up {name}: {error}"))
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::rdata::MX;

    use super::*;

    fn record(preference: u16, host: &str) -> RData {
        RData::MX(MX::new(preference, Name::from_ascii(host).expect("a name")))
    }

    #[test]
    fn the_smallest_preference_comes_first() {
        let records = [
            record(20, "b.example."),
            record(10, "A.example."),
            record(30, "c.example."),
        ];
        let hosts = exchangers("example", records.iter());
        assert_eq!(
            hosts,
            Ok(vec![
                "a.example".into(),
                "b.example".into(),
                "c.example".into()
            ])
        );
    }

    #[test]
    fn equals_come_in_random_order() {
        let mut found = vec![
            (10, "a".to_owned()),
            (10, "b".to_owned()),
            (5, "c".to_owned()),
        ];
        let mut numbers = [3, 1, 2].into_iter();
        order(&mut found, || numbers.next().expect("three are asked for"));
        let hosts: Vec<&str> = found.iter().map(|(_, host)| host.as_str()).collect();
        assert_eq!(hosts, ["c", "b", "a"]);
    }

    #[test]
    fn a_null_mx_fails_for_good() {
        let outcome = exchangers("example", [record(0, ".")].iter()).expect_err("no mail");
        assert!(matches!(&outcome, Outcome::Failed(reply) if reply.text.starts_with("5.1.10")));
    }

    #[test]
    fn without_an_exchanger_the_domain_itself_is_tried() {
        assert_eq!(
            exchangers("example", [].iter()),
            Ok(vec!["example".to_owned()])
        );
    }

    #[test]
    fn address_literals_need_no_lookup() {
        let cases = [
            ("[192.0.2.1]", Some("192.0.2.1:25")),
            ("[IPv6:2001:db8::1]", Some("[2001:db8::1]:25")),
            ("[ipv6:::1]", Some("[::1]:25")),
            ("[example]", None),
            ("[]", None),
        ];
        for (text, address) in cases {
            let found = literal(text, 25)
                .ok()
                .map(|found| found[0].address.to_string());
            assert_eq!(found.as_deref(), address, "{text}");
        }
    }
}
