//! Networks as people write them: `"10.0.0.0/8"`, `"127.0.0.1"`, `"2001:db8::/32"`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// One address, or all that share its first bits (RFC 4632 §3.1, RFC 4291 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u32,
}

impl Network {
    /// True when the address is in the network. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.address.is_ipv4() == address.is_ipv4()
            && differing_bits(self.address, address, self.prefix_bits) == 0
    }
}

/// The bits of the prefix in which the two differ: zero when they agree in all of it.
fn differing_bits(one: IpAddr, other: IpAddr, prefix_bits: u32) -> u128 {
    let differing = bits(one) ^ bits(other);
    differing
        .checked_shr(width(one) - prefix_bits)
        .unwrap_or_default()
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

const fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

/// Why a text names no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseNetworkError {
    /// Neither an address nor an address with a prefix length.
    #[error("`{0}` is neither an address like \"127.0.0.1\" nor a network like \"10.0.0.0/8\"")]
    Malformed(String),
    /// Bits behind the prefix are set: another network is meant, or one address.
    #[error("`{text}` has bits behind its prefix; the network is \"{network}\"")]
    HostBits {
        /// What is written.
        text: String,
        /// The network it lies in.
        network: Network,
    },
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || ParseNetworkError::Malformed(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| malformed())?;
        let prefix_bits = match prefix {
            Some(digits) if digits.bytes().all(|octet| octet.is_ascii_digit()) => {
                digits.parse().map_err(|_| malformed())?
            }
            Some(_) => return Err(malformed()),
            None => width(address),
        };
        if prefix_bits > width(address) || address.to_canonical() != address {
            return Err(malformed());
        }
        let network = Self {
            address: masked(address, prefix_bits),
            prefix_bits,
        };
        if network.address == address {
            Ok(network)
        } else {
            let text = text.to_owned();
            Err(ParseNetworkError::HostBits { text, network })
        }
    }
}

fn masked(address: IpAddr, prefix_bits: u32) -> IpAddr {
    let behind = width(address) - prefix_bits;
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(behind).unwrap_or_default();
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(behind).unwrap_or_default();
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        let network: Network = network.parse().expect("a network");
        network.contains(address.parse().expect("an address"))
    }

    #[test]
    fn a_network_contains_what_shares_its_prefix() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("::/0", "2001:db8::1", "203.0.113.9"),
        ] {
            assert!(contains(network, inside), "{inside} in {network}");
            assert!(!contains(network, outside), "{outside} in {network}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "localhost",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0/8",
            "10.0.0.0/8/8",
            "::ffff:10.0.0.0/104",
        ] {
            let error = text.parse::<Network>().expect_err(text);
            assert_eq!(error, ParseNetworkError::Malformed(text.to_owned()));
        }
    }

    #[test]
    fn bits_behind_the_prefix_are_refused_with_the_network_they_lie_in() {
        let error = "10.1.2.3/8".parse::<Network>().expect_err("host bits");
        assert!(error.to_string().contains("\"10.0.0.0/8\""), "{error}");
        let error = "2001:db8::1/64".parse::<Network>().expect_err("host bits");
        assert!(error.to_string().contains("\"2001:db8::/64\""), "{error}");
    }
}
