//! Makes the documents by which mail clients configure themselves, from a description of the relay.
//!
//! Opens no sockets: `web` serves the documents, `cli` prints them. What a client sent is escaped by
//! the XML writer wherever it is echoed, and is a valid mailbox before it gets here.

mod apple;
mod config;
mod dns;
mod outlook;
mod page;
mod thunderbird;
mod xml;

pub use self::apple::apple;
pub use self::config::{Config, IncomingProtocol};
pub use self::dns::{Record, records};
pub use self::outlook::{RequestError, outlook, read_outlook_request};
pub use self::page::page;
pub use self::thunderbird::thunderbird;
use crate::message::domain_to_ascii;
use crate::smtp::Mailbox;

/// How a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// STARTTLS after a plain greeting (RFC 3207).
    StartTls,
    /// TLS from the first octet (RFC 8314 §3.3).
    Implicit,
    /// None.
    None,
}

impl Encryption {
    /// What a person calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StartTls => "STARTTLS",
            Self::Implicit => "TLS from the start (SSL/TLS)",
            Self::None => "none",
        }
    }
}

/// A port for submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The number.
    pub number: u16,
    /// How it is encrypted.
    pub encryption: Encryption,
}

/// The server that mail is read from, which is another program's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// IMAP or POP3.
    pub protocol: IncomingProtocol,
    /// Its name.
    pub host: String,
    /// Where it listens, and how it is encrypted.
    pub port: Port,
    /// The user name, with placeholders.
    pub username: String,
}

/// The relay as a client must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// The name for people.
    pub display_name: String,
    /// The name to connect to.
    pub hostname: String,
    /// The mail domains that are served, as lower-case A-labels; empty: any.
    pub domains: Vec<String>,
    /// Ports for submission, the recommended one first, one of each encryption at most.
    pub ports: Vec<Port>,
    /// The user name, with placeholders; none when it cannot be told from the address.
    pub username: Option<String>,
    /// Where mail is read, when that is known.
    pub incoming: Option<Incoming>,
}

impl Relay {
    /// Combines the `[autoconfig]` section with where the relay listens. `ports` are in the order in
    /// which they are recommended; the port the section names comes before them all.
    pub fn new(config: &Config, hostname: &str, mut ports: Vec<Port>) -> Self {
        ports.sort_by_key(|port| Some(port.number) != config.port);
        Self {
            display_name: (config.display_name.clone()).unwrap_or_else(|| hostname.to_owned()),
            hostname: hostname.to_owned(),
            domains: config
                .domains
                .iter()
                .filter_map(|d| domain_to_ascii(d))
                .collect(),
            ports: one_of_each_encryption(ports),
            username: config.username.clone(),
            incoming: config.incoming(),
        }
    }

    /// True when addresses of this mailbox's domain are configured here.
    pub fn serves(&self, mailbox: &Mailbox) -> bool {
        self.domains.is_empty()
            || domain(mailbox).is_some_and(|domain| self.domains.contains(&domain))
    }

    /// The port a client should use.
    pub fn recommended(&self) -> Option<Port> {
        self.ports.first().copied()
    }
}

/// A port without TLS is worth a word only where there is no other.
fn one_of_each_encryption(ports: Vec<Port>) -> Vec<Port> {
    let mut chosen: Vec<Port> = Vec::new();
    for port in ports {
        if chosen
            .iter()
            .all(|known| known.encryption != port.encryption)
        {
            chosen.push(port);
        }
    }
    if chosen.len() > 1 {
        let recommended = chosen[0];
        chosen.retain(|port| port.encryption != Encryption::None || *port == recommended);
    }
    chosen
}

/// The domain as lower-case A-labels; none for an address literal.
fn domain(mailbox: &Mailbox) -> Option<String> {
    domain_to_ascii(mailbox.domain())
}

/// Replaces the placeholders of a user name by the parts of the address; without an address they stay,
/// and the client replaces them.
fn fill(username: &str, mailbox: Option<&Mailbox>) -> String {
    let Some(mailbox) = mailbox else {
        return username.to_owned();
    };
    username
        .replace("%EMAILADDRESS%", mailbox.as_str())
        .replace("%EMAILLOCALPART%", mailbox.local_part())
        .replace("%EMAILDOMAIN%", mailbox.domain())
}

#[cfg(test)]
pub(crate) mod fixtures {
    use super::*;

    /// A relay on 587 and 465 for two domains, without an incoming server.
    pub fn relay() -> Relay {
        let config = Config {
            display_name: Some("Mail & <More>".to_owned()),
            domains: vec!["Example.com".to_owned(), "bücher.example".to_owned()],
            ..Config::default()
        };
        Relay::new(
            &config,
            "relay.example.com",
            ports(&[(587, Encryption::StartTls), (465, Encryption::Implicit)]),
        )
    }

    /// The same with an IMAP server.
    pub fn with_incoming() -> Relay {
        let config = Config {
            incoming_host: Some("imap.example.com".to_owned()),
            ..Config::default()
        };
        Relay {
            incoming: config.incoming(),
            ..relay()
        }
    }

    pub fn ports(list: &[(u16, Encryption)]) -> Vec<Port> {
        list.iter()
            .map(|&(number, encryption)| Port { number, encryption })
            .collect()
    }

    pub fn mailbox(text: &str) -> Mailbox {
        Mailbox::parse_utf8(text).expect("a mailbox")
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::{mailbox, ports, relay};
    use super::*;

    #[test]
    fn domains_are_compared_as_a_labels() {
        let relay = relay();
        for (address, served) in [
            ("a@example.com", true),
            ("a@EXAMPLE.com", true),
            ("a@bücher.example", true),
            ("a@xn--bcher-kva.example", true),
            ("a@sub.example.com", false),
            ("a@[127.0.0.1]", false),
        ] {
            assert_eq!(relay.serves(&mailbox(address)), served, "{address}");
        }
        let anyone = Relay {
            domains: Vec::new(),
            ..relay
        };
        assert!(anyone.serves(&mailbox("a@anything.example")));
    }

    #[test]
    fn the_named_port_comes_first_and_each_encryption_once() {
        let all = [
            (587, Encryption::StartTls),
            (465, Encryption::Implicit),
            (25, Encryption::StartTls),
            (2525, Encryption::None),
        ];
        let numbers = |config: &Config, all: &[(u16, Encryption)]| -> Vec<u16> {
            let relay = Relay::new(config, "relay.example.com", ports(all));
            relay.ports.iter().map(|port| port.number).collect()
        };
        assert_eq!(numbers(&Config::default(), &all), [587, 465]);
        let named = Config {
            port: Some(465),
            ..Config::default()
        };
        assert_eq!(numbers(&named, &all), [465, 587]);
        assert_eq!(numbers(&Config::default(), &all[3..]), [2525]);
    }

    #[test]
    fn placeholders_are_replaced_by_the_parts_of_the_address() {
        let anna = mailbox("anna@example.com");
        assert_eq!(
            fill("%EMAILLOCALPART%.%EMAILDOMAIN%", Some(&anna)),
            "anna.example.com"
        );
        assert_eq!(fill("%EMAILADDRESS%", Some(&anna)), "anna@example.com");
        assert_eq!(fill("%EMAILADDRESS%", None), "%EMAILADDRESS%");
    }
}
