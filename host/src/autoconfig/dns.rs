//! The DNS records by which clients find the relay.

use std::fmt;

use serde::Serialize;

use super::{Encryption, Relay};

/// A record to publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The owner, with the dot at its end.
    pub name: String,
    /// `SRV` or `CNAME`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its data as a zone file has it.
    pub value: String,
}

/// One line of a zone file.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} IN {} {}", self.name, self.kind, self.value)
    }
}

/// The records of one mail domain, given as A-labels; `https_port` is where autodiscover is served.
pub fn records(relay: &Relay, domain: &str, https_port: u16) -> Vec<Record> {
    let host = &relay.hostname;
    let record = |label: &str, kind, value| Record {
        name: format!("{label}.{domain}."),
        kind,
        value,
    };
    let service = |label: &str, encryption| record(label, "SRV", service(relay, encryption));
    vec![
        // RFC 6186 §3.1
        service("_submission._tcp", Encryption::StartTls),
        // RFC 8314 §5.1
        service("_submissions._tcp", Encryption::Implicit),
        record(
            "_autodiscover._tcp",
            "SRV",
            format!("0 0 {https_port} {host}."),
        ),
        record("autodiscover", "CNAME", format!("{host}.")),
        record("autoconfig", "CNAME", format!("{host}.")),
    ]
}

/// The recommended port has the better, lower priority (RFC 6186 §3.3).
fn service(relay: &Relay, encryption: Encryption) -> String {
    let port = relay
        .ports
        .iter()
        .find(|port| port.encryption == encryption);
    match port {
        Some(port) => {
            let priority = if relay.recommended() == Some(*port) {
                0
            } else {
                10
            };
            format!("{priority} 1 {} {}.", port.number, relay.hostname)
        }
        // RFC 6186 §3.4: a target of "." says that there is no such service.
        None => "0 0 0 .".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{ports, relay};
    use super::*;

    #[test]
    fn the_recommended_port_has_the_better_priority() {
        let lines: Vec<String> = records(&relay(), "example.com", 443)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            lines,
            [
                "_submission._tcp.example.com. IN SRV 0 1 587 relay.example.com.",
                "_submissions._tcp.example.com. IN SRV 10 1 465 relay.example.com.",
                "_autodiscover._tcp.example.com. IN SRV 0 0 443 relay.example.com.",
                "autodiscover.example.com. IN CNAME relay.example.com.",
                "autoconfig.example.com. IN CNAME relay.example.com.",
            ]
        );
    }

    #[test]
    fn a_service_that_is_not_there_is_told_so() {
        let relay = Relay {
            ports: ports(&[(465, Encryption::Implicit)]),
            ..relay()
        };
        let records = records(&relay, "example.com", 443);
        assert_eq!(records[0].value, "0 0 0 .");
        assert_eq!(records[1].value, "0 1 465 relay.example.com.");
    }
}
