//! Where a client comes from, as far as its failures count.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Bits of an IPv6 address that count: a host is given at least a /64 (RFC 6177 §2).
const IPV6_PREFIX_BITS: u32 = 64;

/// What counts as one address: an IPv4 address, or the /64 of an IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(IpAddr);

impl Origin {
    /// The one a client belongs to.
    pub fn of(client: IpAddr) -> Self {
        Self(match client.to_canonical() {
            IpAddr::V6(address) => {
                let kept = u128::MAX << (128 - IPV6_PREFIX_BITS);
                Ipv6Addr::from_bits(address.to_bits() & kept).into()
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(prefix) => write!(f, "{prefix}/{IPV6_PREFIX_BITS}"),
        }
    }
}
