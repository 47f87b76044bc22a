//! The `[autoconfig]` section: what clients are told that the relay cannot know by itself.

use serde::Deserialize;

use super::{Encryption, Incoming, Port};

/// How mail is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncomingProtocol {
    /// RFC 9051.
    Imap,
    /// RFC 1939.
    Pop3,
}

impl IncomingProtocol {
    /// The port that IANA assigned.
    const fn usual_port(self, encryption: Encryption) -> u16 {
        match (self, encryption) {
            (Self::Imap, Encryption::Implicit) => 993,
            (Self::Imap, _) => 143,
            (Self::Pop3, Encryption::Implicit) => 995,
            (Self::Pop3, _) => 110,
        }
    }
}

/// The `[autoconfig]` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// What people call this service. Default: the host name.
    pub display_name: Option<String>,
    /// Mail domains whose addresses are configured here. Default: any.
    pub domains: Vec<String>,
    /// The port to recommend. Default: 587 with STARTTLS if there is one, else 465 with TLS, else the first.
    pub port: Option<u16>,
    /// The user name, with `%EMAILADDRESS%`, `%EMAILLOCALPART%` or `%EMAILDOMAIN%`. Default: none, for
    /// generated names cannot be told from an address; then the client asks.
    pub username: Option<String>,
    /// Where mail is read: Gatepost only sends, but most clients want both at once. Default: not told.
    pub incoming_host: Option<String>,
    /// How mail is read there. Default `imap`.
    pub incoming_protocol: IncomingProtocol,
    /// Its port. Default: the usual one of protocol and encryption.
    pub incoming_port: Option<u16>,
    /// Its encryption. Default `implicit`.
    pub incoming_tls: Encryption,
    /// Its user name, with placeholders. Default: the address.
    pub incoming_username: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            display_name: None,
            domains: Vec::new(),
            port: None,
            username: None,
            incoming_host: None,
            incoming_protocol: IncomingProtocol::Imap,
            incoming_port: None,
            incoming_tls: Encryption::Implicit,
            incoming_username: "%EMAILADDRESS%".to_owned(),
        }
    }
}

impl Config {
    /// The incoming server, when one is named.
    pub(super) fn incoming(&self) -> Option<Incoming> {
        let usual = self.incoming_protocol.usual_port(self.incoming_tls);
        Some(Incoming {
            protocol: self.incoming_protocol,
            host: self.incoming_host.clone()?,
            port: Port {
                number: self.incoming_port.unwrap_or(usual),
                encryption: self.incoming_tls,
            },
            username: self.incoming_username.clone(),
        })
    }
}
