//! Whom names are asked of, and whether the answers are proven.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

/// Whether answers are validated by DNSSEC, without which there is no DANE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dnssec {
    /// Where the resolver hands out what validation needs; a warning tells when it does not.
    #[default]
    Auto,
    /// Always: without it no mail leaves by mail exchangers.
    Required,
    /// Never.
    Off,
}

/// The section `[delivery.dns]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Dns {
    /// Resolvers, as addresses with or without a port. Default: those of `/etc/resolv.conf`.
    pub servers: Vec<Server>,
    /// Seconds to wait for an answer. Default 5.
    pub timeout_s: u64,
    /// How often a question is asked again that was not answered. Default 2.
    pub attempts: usize,
    /// Default `auto`.
    pub dnssec: Dnssec,
    /// DNSKEY records of the root, one a line, to trust instead of the ones built in.
    pub trust_anchor_file: Option<PathBuf>,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout_s: 5,
            attempts: 2,
            dnssec: Dnssec::default(),
            trust_anchor_file: None,
        }
    }
}

/// `192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53` or `[2001:db8::53]:5353`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Server(pub SocketAddr);

/// A text that is no address of a resolver.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not the address of a resolver; write it like \"192.0.2.53\" or \"[2001:db8::53]:5353\""
)]
pub struct NotAServer(String);

impl TryFrom<String> for Server {
    type Error = NotAServer;

    fn try_from(text: String) -> Result<Self, NotAServer> {
        let usual = |ip: IpAddr| SocketAddr::new(ip, 53);
        let address = text.parse::<IpAddr>().map(usual);
        let address = address.or_else(|_| text.parse::<SocketAddr>());
        address.map(Self).map_err(|_| NotAServer(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_the_usual_port_unless_it_says_another() {
        for (text, address) in [
            ("192.0.2.53", Some("192.0.2.53:53")),
            ("192.0.2.53:5353", Some("192.0.2.53:5353")),
            ("2001:db8::53", Some("[2001:db8::53]:53")),
            ("[2001:db8::53]:5353", Some("[2001:db8::53]:5353")),
            ("dns.example", None),
        ] {
            let found = Server::try_from(text.to_owned()).ok();
            assert_eq!(
                found.map(|it| it.0.to_string()).as_deref(),
                address,
                "{text}"
            );
        }
    }
}
