//! What DNS says about the relay's name: addresses, services (RFC 6186, RFC 8314), reverse names.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::time::timeout;

use super::finding::Finding;
use super::port::Place;

/// The services that mail clients look for.
const SERVICES: [(&str, u16); 2] = [("_submission", 587), ("_submissions", 465)];
/// Records of one answer that are looked at.
const MAX_RECORDS: usize = 16;

/// What kind of name the relay goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// An address: nothing to look up.
    Address(IpAddr),
    /// This machine alone knows it (RFC 6761 §6.3).
    Localhost,
    /// A name of DNS, as A-labels.
    Domain(String),
}

impl HostName {
    /// Reads a name or an address, with or without brackets.
    pub fn of(text: &str) -> Self {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = bare.parse() {
            return Self::Address(ip);
        }
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        if name == "localhost" || name.ends_with(".localhost") {
            return Self::Localhost;
        }
        Self::Domain(name)
    }
}

/// What came of a lookup; an error is a text for people.
type Answers<T> = Result<Vec<T>, String>;

/// A service by its name, its usual port, and its targets with their ports.
type Service = (String, u16, Answers<(String, u16)>);

/// What DNS said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsFacts {
    /// A and AAAA records.
    pub addresses: Answers<IpAddr>,
    /// What mail clients look for.
    pub services: Vec<Service>,
    /// The names of each address.
    pub reverse: Vec<(IpAddr, Answers<String>)>,
}

/// Asks DNS about `name`, and about the services of `domain`; waits `patience` for each round.
pub async fn look_up(name: &str, domain: &str, patience: Duration) -> DnsFacts {
    let resolver = TokioResolver::builder_tokio().and_then(|mut builder| {
        builder.options_mut().attempts = 1;
        builder.build()
    });
    let resolver = match resolver {
        Ok(resolver) => Asker { resolver, patience },
        Err(error) => {
            return DnsFacts {
                addresses: Err(format!("this machine's resolver cannot be used: {error}")),
                services: Vec::new(),
                reverse: Vec::new(),
            };
        }
    };
    let services = SERVICES.map(|(service, port)| resolver.service(service, port, domain));
    let (addresses, services) = tokio::join!(resolver.addresses(name), join_all(services));
    let known = addresses.as_deref().unwrap_or_default();
    let reverse = join_all(known.iter().map(|&ip| resolver.reverse(ip))).await;
    DnsFacts {
        addresses,
        services,
        reverse,
    }
}

struct Asker {
    resolver: TokioResolver,
    patience: Duration,
}

impl Asker {
    async fn addresses(&self, name: &str) -> Answers<IpAddr> {
        let (v4, v6) = tokio::join!(
            self.ask(name, RecordType::A, RData::ip_addr),
            self.ask(name, RecordType::AAAA, RData::ip_addr)
        );
        match (v4, v6) {
            (Ok(v4), Ok(v6)) => Ok([v4, v6].concat()),
            // Half an answer serves as long as it has an address.
            (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    async fn service(&self, service: &str, port: u16, domain: &str) -> Service {
        let name = format!("{service}._tcp.{domain}");
        let target = |data: &RData| match data {
            RData::SRV(srv) => Some((host_name(&srv.target), srv.port)),
            _ => None,
        };
        let found = self.ask(&name, RecordType::SRV, target).await;
        (name, port, found)
    }

    async fn reverse(&self, ip: IpAddr) -> (IpAddr, Answers<String>) {
        let name = Name::from(ip).to_ascii();
        let target = |data: &RData| match data {
            RData::PTR(ptr) => Some(host_name(&ptr.0)),
            _ => None,
        };
        (ip, self.ask(&name, RecordType::PTR, target).await)
    }

    /// The records of one kind; no such name and no such record are both an empty answer.
    async fn ask<T>(
        &self,
        name: &str,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Answers<T> {
        let mut asked =
            Name::from_ascii(name).map_err(|_| format!("`{name}` is no name of DNS"))?;
        asked.set_fqdn(true);
        match timeout(self.patience, self.resolver.lookup(asked, kind)).await {
            Ok(Ok(found)) => {
                let records = found.answers().iter().take(MAX_RECORDS);
                Ok(records.filter_map(|record| read(&record.data)).collect())
            }
            Ok(Err(error)) if error.is_no_records_found() || error.is_nx_domain() => Ok(Vec::new()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }
}

fn host_name(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

/// What is found about a name that needs no lookup.
pub fn without_lookup(name: &HostName) -> Option<Finding> {
    match name {
        HostName::Address(ip) => Some(
            Finding::skipped("dns", format!("{ip} is an address"))
                .fix("give clients a name: certificates are for names"),
        ),
        HostName::Localhost => Some(
            Finding::skipped("dns", "localhost is a name for this machine alone").fix(
                "set `hostname` to a name that resolves to this relay, like relay.example.com",
            ),
        ),
        HostName::Domain(_) => None,
    }
}

/// What is found about a name of DNS.
pub fn judge(name: &str, facts: &DnsFacts, place: Place) -> Vec<Finding> {
    let mut findings = vec![addresses(name, &facts.addresses, place)];
    if facts
        .addresses
        .as_ref()
        .is_ok_and(|found| !found.is_empty())
    {
        findings.extend(facts.services.iter().map(|it| service(name, it)));
    }
    findings.extend(facts.reverse.iter().map(|(ip, names)| reverse(*ip, names)));
    findings
}

/// From here the relay is reached without its name, so that a name that does not resolve is no failure.
fn addresses(name: &str, found: &Answers<IpAddr>, place: Place) -> Finding {
    let check = "dns addresses";
    let worse = |detail: String| match place {
        Place::Here => Finding::warning(check, detail),
        Place::Elsewhere => Finding::failed(check, detail),
    };
    match found {
        Ok(found) if found.is_empty() => {
            let fix = format!(
                "publish an A (and AAAA) record for {name}, or set `hostname` to a name that has one"
            );
            worse(format!("{name} has no address")).fix(fix)
        }
        Ok(found) => {
            let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
            let detail = format!("{name} is {}", shown.join(", "));
            let loopback = found.iter().all(IpAddr::is_loopback);
            if loopback && place == Place::Here {
                let fix = format!(
                    "see that clients elsewhere find {name} in DNS, not in /etc/hosts alone"
                );
                return Finding::warning(check, detail).fix(fix);
            }
            Finding::ok(check, detail)
        }
        Err(reason) => worse(format!("{name} cannot be looked up: {reason}"))
            .fix("check this machine's resolver: /etc/resolv.conf"),
    }
}

/// Services are a convenience: clients that look for them set themselves up.
fn service(name: &str, (service, port, found): &Service) -> Finding {
    let check = "dns service";
    match found {
        Ok(targets) if targets.is_empty() => {
            let fix = format!(
                "so that clients find it by themselves, publish (`gatepost autoconfig dns` has all): {service}. SRV 0 1 {port} {name}."
            );
            Finding::skipped(check, format!("{service} is not published")).fix(fix)
        }
        Ok(targets) => {
            let shown = targets.iter().map(|(host, port)| match host.as_str() {
                "" => "not offered".to_owned(),
                host => format!("{host}:{port}"),
            });
            let shown: Vec<String> = shown.collect();
            Finding::ok(check, format!("{service} is {}", shown.join(", ")))
        }
        Err(reason) => Finding::skipped(check, format!("{service}: {reason}")),
    }
}

fn reverse(ip: IpAddr, names: &Answers<String>) -> Finding {
    let check = "dns reverse";
    match names {
        _ if is_private(ip) => Finding::skipped(check, format!("{ip} is not public")),
        Ok(names) if names.is_empty() => {
            let fix = format!(
                "ask the provider of {ip} for a PTR record: next hops distrust senders without one"
            );
            Finding::warning(check, format!("{ip} has no name")).fix(fix)
        }
        Ok(names) => Finding::ok(check, format!("{ip} is {}", names.join(", "))),
        Err(reason) => Finding::skipped(check, format!("{ip}: {reason}")),
    }
}

fn is_private(ip: IpAddr) -> bool {
    let private_v4 = |ip: Ipv4Addr| ip.is_loopback() || ip.is_private() || ip.is_link_local();
    match ip {
        IpAddr::V4(ip) => private_v4(ip),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict::{self, Failed, Ok as Fine, Skipped, Warning};

    fn facts(addresses: Answers<IpAddr>) -> DnsFacts {
        DnsFacts {
            addresses,
            services: Vec::new(),
            reverse: Vec::new(),
        }
    }

    #[test]
    fn names_are_told_apart() {
        let address = |text: &str| HostName::Address(text.parse().expect("an address"));
        let cases = [
            ("192.0.2.1", address("192.0.2.1")),
            ("[2001:db8::1]", address("2001:db8::1")),
            ("localhost", HostName::Localhost),
            ("relay.localhost.", HostName::Localhost),
            (
                "Relay.Example.COM.",
                HostName::Domain("relay.example.com".into()),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(HostName::of(text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_without_an_address_is_a_failure_elsewhere_and_a_warning_here() {
        let public = || Ok(vec![IpAddr::from([192, 0, 2, 1])]);
        let own = || Ok(vec![IpAddr::from([127, 0, 0, 1])]);
        let cases: [(Answers<IpAddr>, Place, Verdict); 6] = [
            (public(), Place::Elsewhere, Fine),
            (own(), Place::Here, Warning),
            (Ok(vec![]), Place::Elsewhere, Failed),
            (Ok(vec![]), Place::Here, Warning),
            (Err("no answer".into()), Place::Elsewhere, Failed),
            (Err("no answer".into()), Place::Here, Warning),
        ];
        for (addresses, place, expected) in cases {
            let found = judge("relay.example.com", &facts(addresses), place);
            assert_eq!(found[0].result, expected, "{found:?}");
            assert_eq!(found[0].fix.is_empty(), expected == Fine);
        }
    }

    #[test]
    fn services_that_are_missing_are_offered_as_lines_to_publish() {
        let name = "_submission._tcp.example.com".to_owned();
        let missing = service("relay.example.com", &(name.clone(), 587, Ok(vec![])));
        assert_eq!(missing.result, Skipped);
        let line = "_submission._tcp.example.com. SRV 0 1 587 relay.example.com.";
        assert!(missing.fix.ends_with(line), "{}", missing.fix);
        let there = (name, 587, Ok(vec![("relay.example.com".into(), 587)]));
        assert_eq!(service("relay.example.com", &there).result, Fine);
    }

    #[test]
    fn public_addresses_want_a_reverse_name() {
        let ip = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(reverse(ip, &Ok(vec![])).result, Warning);
        assert_eq!(reverse(ip, &Ok(vec!["a.example".into()])).result, Fine);
        let private = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(reverse(private, &Ok(vec![])).result, Skipped);
    }
}
