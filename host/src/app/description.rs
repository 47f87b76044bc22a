//! Describes the relay to its clients: from where it listens to which port they should use.

use crate::autoconfig::{Encryption, Port, Relay};
use crate::config::Config;
use crate::listener::{PortRange, TlsMode};

/// RFC 6409 §3.1
const SUBMISSION: u16 = 587;
/// RFC 8314 §7.3
const SUBMISSIONS: u16 = 465;

/// The relay as clients must know it.
pub fn describe(config: &Config) -> Relay {
    Relay::new(&config.autoconfig, &config.hostname, ports(config))
}

/// Those that are recommended first: 587 with STARTTLS, 465 with TLS, then every first port, and at
/// last what is not encrypted.
fn ports(config: &Config) -> Vec<Port> {
    let wanted = config.autoconfig.port;
    let mut ports: Vec<Port> = config
        .listener
        .iter()
        .flat_map(|listener| {
            let encryption = encryption(listener.tls);
            let first = listener.ports.iter().flat_map(PortRange::iter).next();
            let known = [wanted, Some(SUBMISSION), Some(SUBMISSIONS)];
            let known = known
                .into_iter()
                .flatten()
                .filter(|known| listener.ports.iter().any(|range| range.contains(*known)));
            known
                .chain(first)
                .map(move |number| Port { number, encryption })
        })
        .collect();
    ports.sort_by_key(rank);
    ports
}

const fn rank(port: &Port) -> u8 {
    match (port.number, port.encryption) {
        (SUBMISSION, Encryption::StartTls) => 0,
        (SUBMISSIONS, Encryption::Implicit) => 1,
        (_, Encryption::StartTls | Encryption::Implicit) => 2,
        (_, Encryption::None) => 3,
    }
}

pub(super) const fn encryption(mode: TlsMode) -> Encryption {
    match mode {
        TlsMode::StartTls => Encryption::StartTls,
        TlsMode::Implicit => Encryption::Implicit,
        TlsMode::None => Encryption::None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn numbers(listeners: &str) -> Vec<u16> {
        let config = Config::parse(listeners, PathBuf::new()).expect("a config");
        describe(&config)
            .ports
            .iter()
            .map(|port| port.number)
            .collect()
    }

    #[test]
    fn the_usual_ports_are_recommended_first() {
        let all = "[[listener]]\nports = [\"465\"]\ntls = \"implicit\"\n\
                   [[listener]]\nports = [\"25\", \"500-600\"]\n";
        assert_eq!(numbers(all), [587, 465]);
        assert_eq!(numbers(""), [25]);
        assert_eq!(
            numbers("[[listener]]\nports = [2525, 587]\ntls = \"implicit\"\n"),
            [587]
        );
        let named = "[autoconfig]\nport = 2000\n";
        assert_eq!(numbers(named), [2000]);
    }
}
