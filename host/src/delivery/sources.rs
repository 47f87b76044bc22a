//! The addresses of this machine that connections come from.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One after the other for each family; without any the system chooses.
#[derive(Debug, Default)]
pub(super) struct Sources {
    addresses: Vec<IpAddr>,
    turn: AtomicUsize,
}

/// Where a connection may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// From where the system says.
    Any,
    /// From this address.
    From(IpAddr),
    /// From nowhere: there are addresses, but none of the target's family.
    Nowhere,
}

impl Sources {
    pub fn new(addresses: &[IpAddr]) -> Self {
        Self {
            addresses: addresses.to_vec(),
            turn: AtomicUsize::new(0),
        }
    }

    /// The next one for a target.
    pub fn next(&self, target: IpAddr) -> Source {
        if self.addresses.is_empty() {
            return Source::Any;
        }
        let of_family: Vec<IpAddr> = self.of_family(target).collect();
        if of_family.is_empty() {
            return Source::Nowhere;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        Source::From(of_family[turn % of_family.len()])
    }

    /// Whether a target of this family can be reached at all.
    pub fn serves(&self, target: IpAddr) -> bool {
        self.addresses.is_empty() || self.of_family(target).next().is_some()
    }

    fn of_family(&self, target: IpAddr) -> impl Iterator<Item = IpAddr> {
        let is_same = move |one: &IpAddr| one.is_ipv4() == target.is_ipv4();
        self.addresses.iter().copied().filter(is_same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn addresses_take_turns_within_their_family() {
        let sources = Sources::new(&[ip("192.0.2.1"), ip("2001:db8::1"), ip("192.0.2.2")]);
        let target = ip("198.51.100.1");
        let taken = [(); 3].map(|()| sources.next(target));
        let [first, second] = ["192.0.2.1", "192.0.2.2"].map(|text| Source::From(ip(text)));
        assert_eq!(taken, [first, second, first]);
        let v6 = sources.next(ip("2001:db8::2"));
        assert_eq!(v6, Source::From(ip("2001:db8::1")));
    }

    #[test]
    fn without_one_of_the_family_there_is_no_way() {
        let sources = Sources::new(&[ip("192.0.2.1")]);
        assert_eq!(sources.next(ip("2001:db8::2")), Source::Nowhere);
        assert!(!sources.serves(ip("2001:db8::2")));
        assert_eq!(Sources::default().next(ip("2001:db8::2")), Source::Any);
    }
}
