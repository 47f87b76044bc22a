//! Port lists as people write them: `"25"`, `"1025-5000"`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// One port, or a range of ports with both ends. Port 0 asks for any free one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortRange(RangeInclusive<u16>);

impl PortRange {
    /// One port.
    pub const fn single(port: u16) -> Self {
        Self(port..=port)
    }

    /// From `first` to `last`, both included.
    pub const fn new(first: u16, last: u16) -> Self {
        Self(first..=last)
    }

    /// The ports.
    pub fn iter(&self) -> impl Iterator<Item = u16> + use<> {
        self.0.clone()
    }

    /// From its first port to its last.
    pub fn span(&self) -> RangeInclusive<u16> {
        self.0.clone()
    }

    /// True when the port is one of them.
    pub fn contains(&self, port: u16) -> bool {
        self.0.contains(&port)
    }

    /// True when a port is in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let any_free = |range: &Self| range.0.contains(&0);
        !any_free(self) && self.0.start() <= other.0.end() && other.0.start() <= self.0.end()
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.start() == self.0.end() {
            write!(f, "{}", self.0.start())
        } else {
            write!(f, "{}-{}", self.0.start(), self.0.end())
        }
    }
}

/// The text is neither a port nor a range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a port like \"25\" or a range like \"1025-5000\"")]
pub struct ParsePortsError(String);

impl FromStr for PortRange {
    type Err = ParsePortsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || ParsePortsError(text.to_owned());
        let port = |part: &str| part.trim().parse::<u16>().map_err(|_| malformed());
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (port(first)?, port(last)?),
            None => (port(text)?, port(text)?),
        };
        if first > last || (first == 0 && last > 0) {
            return Err(malformed());
        }
        Ok(Self::new(first, last))
    }
}

/// A port may be written as a number too.
impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u16),
            Text(String),
        }
        match Written::deserialize(deserializer) {
            Ok(Written::Number(port)) => Ok(Self::single(port)),
            Ok(Written::Text(text)) => text.parse().map_err(serde::de::Error::custom),
            Err(_) => Err(serde::de::Error::custom(
                "expected a port like \"25\" or a range like \"1025-5000\"",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_ranges_are_read() {
        let cases = [
            ("25", Some(25..=25)),
            ("1025-5000", Some(1025..=5000)),
            (" 587 ", Some(587..=587)),
            ("0", Some(0..=0)),
            ("5000-1025", None),
            ("0-10", None),
            ("65536", None),
            ("smtp", None),
            ("", None),
            ("1-2-3", None),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse().ok(), expected.map(PortRange), "{text}");
        }
    }

    #[test]
    fn the_default_ports_are_3977() {
        let ports = super::super::Config::default().ports;
        assert_eq!(ports.iter().flat_map(PortRange::iter).count(), 3977);
    }

    #[test]
    fn overlaps_are_found_but_any_free_port_is_not_one() {
        let range = PortRange::new(1025, 5000);
        assert!(range.overlaps(&PortRange::single(2525)));
        assert!(!range.overlaps(&PortRange::single(25)));
        assert!(!PortRange::single(0).overlaps(&PortRange::single(0)));
    }
}
