//! Who this relay is in DNS and on the network, so that it does not hand mail to itself.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

/// The names and addresses of this relay.
#[derive(Debug, Clone, Default)]
pub(super) struct Ourselves {
    pub names: Vec<String>,
    pub listening: Vec<(IpAddr, RangeInclusive<u16>)>,
}

impl Ourselves {
    /// Whether a host of this name, in canonical form, is this relay.
    pub fn is_named(&self, host: &str) -> bool {
        self.names.iter().any(|name| name == host)
    }

    /// Whether whoever connects there meets this relay.
    pub fn listens(&self, target: SocketAddr) -> bool {
        let mut at_port = self
            .listening
            .iter()
            .filter(|(_, ports)| ports.contains(&target.port()));
        at_port.any(|(address, _)| {
            *address == target.ip() || (address.is_unspecified() && is_here(target.ip()))
        })
    }
}

/// An address can be bound where it belongs to an interface, and nowhere else.
fn is_here(ip: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(address: &str) -> Ourselves {
        Ourselves {
            names: Vec::new(),
            listening: vec![(address.parse().expect("an address"), 20..=30)],
        }
    }

    #[test]
    fn a_listener_is_met_at_its_address_and_ports() {
        for (address, target, is_met) in [
            ("127.0.0.1", "127.0.0.1:25", true),
            ("127.0.0.1", "127.0.0.1:31", false),
            ("127.0.0.1", "127.0.0.2:25", false),
            ("0.0.0.0", "127.0.0.2:25", true),
            ("0.0.0.0", "192.0.2.1:25", false),
        ] {
            let target = target.parse().expect("an address");
            assert_eq!(
                listening(address).listens(target),
                is_met,
                "{address} {target}"
            );
        }
    }
}
