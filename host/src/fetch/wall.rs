//! Which addresses may be asked when somebody else chose the URL: those of the public network alone, and what is
//! explicitly allowed. So a URL cannot reach what trusts this machine (server-side request forgery).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Network;

/// Lets through what is public, or allowed.
#[derive(Clone, Debug, Default)]
pub struct Wall {
    allowed: Vec<Network>,
}

impl Wall {
    /// Beside public addresses, those of these networks may be asked.
    pub const fn allowing(allowed: Vec<Network>) -> Self {
        Self { allowed }
    }

    /// Lets an address through.
    ///
    /// # Errors
    /// Why it is not let through, for people.
    pub fn check(&self, address: IpAddr) -> Result<(), String> {
        if self.allows(address) {
            return Ok(());
        }
        match why_closed(address) {
            Some(kind) => Err(format!("{address} is {kind}")),
            None => Ok(()),
        }
    }

    /// Whether an address is one of those that are explicitly allowed.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|network| network.contains(address))
    }
}

/// What an address is that is not a public one's; none for the others.
fn why_closed(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => closed_v4(address),
        IpAddr::V6(address) => closed_v6(address),
    }
}

/// The special registry of IPv4 (RFC 6890), and multicast.
fn closed_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("an address of this machine (0.0.0.0/8)"),
        [127, ..] => Some("a loopback address"),
        [10, ..] | [192, 168, ..] => Some("a private address"),
        [172, second, ..] if second & 0xf0 == 16 => Some("a private address"),
        [169, 254, ..] => Some("a link-local address"),
        [100, second, ..] if second & 0xc0 == 64 => Some("an address behind a carrier's NAT"),
        [192, 0, 0, _] => Some("an address for protocols (192.0.0.0/24)"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Some("an address for documentation")
        }
        [192, 88, 99, _] => Some("an address of 6to4 relays"),
        [198, second, ..] if second & 0xfe == 18 => Some("an address for benchmarks"),
        [first, ..] if first & 0xf0 == 224 => Some("a multicast address"),
        [first, ..] if first & 0xf0 == 240 => Some("a reserved address"),
        _ => None,
    }
}

/// What is not global unicast (2000::/3), and what carries an IPv4 address, which would be another way to it.
fn closed_v6(address: Ipv6Addr) -> Option<&'static str> {
    let segments = address.segments();
    match segments {
        _ if address.to_ipv4_mapped().is_some() => Some("a mapped IPv4 address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("a loopback address"),
        [0, 0, 0, 0, 0, 0, ..] => Some("an address of this machine"),
        [0x64, 0xff9b, ..] => Some("an IPv4 address behind NAT64"),
        [0x2002, ..] => Some("an IPv4 address behind 6to4"),
        [0x2001, second, ..] if second < 0x200 => Some("an address for protocols (2001::/23)"),
        [0x2001, 0xdb8, ..] => Some("an address for documentation"),
        [0x3fff, second, ..] if second < 0x1000 => Some("an address for documentation"),
        [first, ..] if first & 0xfe00 == 0xfc00 => Some("a private address"),
        [first, ..] if first & 0xffc0 == 0xfe80 => Some("a link-local address"),
        [first, ..] if first & 0xff00 == 0xff00 => Some("a multicast address"),
        [first, ..] if first & 0xe000 != 0x2000 => Some("no public address"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_open(wall: &Wall, address: &str) -> bool {
        wall.check(address.parse().expect("an address")).is_ok()
    }

    #[test]
    fn only_public_addresses_are_let_through() {
        let wall = Wall::default();
        for address in [
            "1.1.1.1",
            "100.63.0.1",
            "172.32.0.1",
            "198.20.0.1",
            "2a00:1450::1",
        ] {
            assert!(is_open(&wall, address), "{address}");
        }
        for address in [
            "127.0.0.1",
            "127.255.0.9",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:1.1.1.1",
            "::1.1.1.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "100::1",
            "3fff::1",
            "4000::1",
        ] {
            assert!(!is_open(&wall, address), "{address}");
        }
    }

    #[test]
    fn what_is_allowed_is_let_through_and_nothing_beside_it() {
        let wall = Wall::allowing(vec!["10.0.0.0/24".parse().expect("a network")]);
        assert!(is_open(&wall, "10.0.0.9") && is_open(&wall, "1.1.1.1"));
        assert!(!is_open(&wall, "10.0.1.9") && !is_open(&wall, "127.0.0.1"));
    }
}
