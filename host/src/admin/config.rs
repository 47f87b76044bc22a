//! The `[panel]` section: where the control panel is served, to whom, and how long a sign-in holds.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::guard::Logins;
use crate::http::Limits;
use crate::operators::Token;

/// Where the panel is when nothing is configured at all.
const EMBEDDED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// The `[panel]` section.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// An address with its port, or several. Default: none, so that no panel is served.
    #[serde(deserialize_with = "one_or_several")]
    pub address: Vec<SocketAddr>,
    /// Whether it is served over HTTPS with the relay's certificate. Default false: for loopback, or
    /// behind a proxy that speaks HTTPS.
    pub https: bool,
    /// Lets it be served over plain HTTP beyond loopback though no proxy is named. Default false:
    /// passwords would cross the network in clear.
    pub allow_plain_http: bool,
    /// Proxies in front of it: what they say of the client in X-Forwarded-For and X-Forwarded-Proto is
    /// believed. Default: none.
    pub proxies: Vec<IpAddr>,
    /// What people type into their browser, for links. Default: what the addresses say.
    pub url: Option<String>,
    /// Minutes without a request after which a sign-in ends. Default 60: a lunch.
    pub session_idle_min: u64,
    /// Hours after which it ends in any case. Default 12: a working day.
    pub session_max_h: u64,
    /// Hours for which a one-time link to sign in holds. Default 24.
    pub link_lifetime_h: u64,
    /// Connections at the same time, in all; more are closed at once. Default 512.
    pub max_connections: usize,
    /// Connections at the same time from one address. Default 128: a browser has six, an office some
    /// browsers.
    pub max_connections_per_address: usize,
    /// Octets of a request's header section, 8,192 at least. Default 16,384.
    pub max_header_octets: usize,
    /// Octets of a form. Default 1,048,576: the longest authorized domains and senders, percent-encoded.
    pub max_body_octets: usize,
    /// Octets of a form with files, of people who are signed in alone. Default 16,777,216: what mail programs commonly take,
    /// and two at a time fit into memory.
    pub max_upload_octets: usize,
    /// Seconds for a TLS handshake. Default 10.
    pub handshake_timeout_s: u64,
    /// Seconds until a request's header section is complete, and until the next request comes. Default 30.
    pub header_timeout_s: u64,
    /// Seconds until a request's body is complete. Default 60.
    pub body_timeout_s: u64,
    /// Seconds for a connection as a whole. Default 600; browsers open another.
    pub connection_timeout_s: u64,
    /// Octets of a document of the API. Default 16,777,216: attachments of twelve megabytes, in base64. Some are in memory
    /// at the same time, whole.
    pub max_api_body_octets: usize,
    /// Requests of one token in a minute; 0 is unlimited. Default 600.
    pub api_requests_per_minute: u32,
    /// What failed sign-ins come to.
    pub logins: Logins,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: Vec::new(),
            https: false,
            allow_plain_http: false,
            proxies: Vec::new(),
            url: None,
            session_idle_min: 60,
            session_max_h: 12,
            link_lifetime_h: 24,
            max_connections: 512,
            max_connections_per_address: 128,
            max_header_octets: 16_384,
            max_body_octets: 1_048_576,
            max_upload_octets: 16_777_216,
            handshake_timeout_s: 10,
            header_timeout_s: 30,
            body_timeout_s: 60,
            connection_timeout_s: 600,
            max_api_body_octets: 16_777_216,
            api_requests_per_minute: 600,
            logins: Logins::default(),
        }
    }
}

impl Config {
    /// What holds without a configuration file: a panel on loopback.
    pub fn embedded() -> Self {
        Self {
            address: vec![EMBEDDED],
            ..Self::default()
        }
    }

    /// True when passwords would cross a network in clear and nobody said that they may.
    pub fn is_exposed(&self) -> bool {
        let beyond_loopback = self.address.iter().any(|one| !one.ip().is_loopback());
        beyond_loopback && !self.https && !self.allow_plain_http && self.proxies.is_empty()
    }

    /// What connections may cost.
    pub(super) const fn limits(&self) -> Limits {
        Limits {
            connections: self.max_connections,
            connections_per_address: self.max_connections_per_address,
            header_octets: self.max_header_octets,
            handshake: Duration::from_secs(self.handshake_timeout_s),
            header: Duration::from_secs(self.header_timeout_s),
            connection: Duration::from_secs(self.connection_timeout_s),
            keep_alive: true,
        }
    }

    pub(super) const fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_s)
    }

    pub(super) const fn session_idle(&self) -> Duration {
        Duration::from_secs(self.session_idle_min.saturating_mul(60))
    }

    pub(super) const fn session_max(&self) -> Duration {
        Duration::from_secs(self.session_max_h.saturating_mul(3600))
    }

    /// For how long a one-time link holds.
    pub const fn link_lifetime(&self) -> Duration {
        Duration::from_secs(self.link_lifetime_h.saturating_mul(3600))
    }

    /// The link by which an operator chooses a password.
    pub fn welcome_link(&self, hostname: &str, token: &Token) -> String {
        let address = self.address.first().copied().unwrap_or(EMBEDDED);
        let url = self.public_url(address, hostname);
        format!("{url}/welcome/{}", token.expose())
    }

    /// What people type into their browser, when the configuration says it; without a trailing slash.
    pub fn named_url(&self) -> Option<&str> {
        let url = self.url.as_deref();
        url.map(|url| url.trim_end_matches('/'))
    }

    /// What mail may link to: what the configuration says, or the host name when the panel is served beyond this machine.
    pub fn url_for_mail(&self, hostname: &str) -> Option<String> {
        let named = self.named_url().map(str::to_owned);
        let is_reached = |address: &&SocketAddr| !address.ip().is_loopback() && address.port() != 0;
        let address = self.address.iter().find(is_reached);
        named.or_else(|| address.map(|address| self.public_url(*address, hostname)))
    }

    /// Where people find the panel that is served at `address`; without a trailing slash.
    pub fn public_url(&self, address: SocketAddr, hostname: &str) -> String {
        if let Some(url) = self.named_url() {
            return url.to_owned();
        }
        let scheme = if self.https { "https" } else { "http" };
        if address.ip().is_loopback() {
            return format!("{scheme}://{address}");
        }
        format!("{scheme}://{hostname}:{}", address.port())
    }
}

/// `"127.0.0.1:8080"` or `["127.0.0.1:8080", "[::1]:8080"]`.
fn one_or_several<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<SocketAddr>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "an address with its port, like \"127.0.0.1:8080\", or several"
    )]
    enum Addresses {
        One(SocketAddr),
        Several(Vec<SocketAddr>),
    }
    Ok(match Addresses::deserialize(source)? {
        Addresses::One(address) => vec![address],
        Addresses::Several(addresses) => addresses,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Config {
        toml::from_str(text).expect("a section")
    }

    #[test]
    fn an_address_may_be_one_or_several() {
        let one = parse("address = \"127.0.0.1:8080\"");
        assert_eq!(one.address, [EMBEDDED]);
        let several = parse("address = [\"127.0.0.1:8080\", \"[::1]:8080\"]");
        assert_eq!(several.address.len(), 2);
        assert!(toml::from_str::<Config>("address = \"localhost\"").is_err());
    }

    #[test]
    fn plain_http_beyond_loopback_must_be_said() {
        assert!(!Config::embedded().is_exposed());
        let exposed = "address = \"0.0.0.0:8080\"\n";
        assert!(parse(exposed).is_exposed());
        for excuse in [
            "https = true",
            "allow-plain-http = true",
            "proxies = [\"10.0.0.1\"]",
        ] {
            assert!(
                !parse(&format!("{exposed}{excuse}")).is_exposed(),
                "{excuse}"
            );
        }
    }

    #[test]
    fn links_say_what_people_type() {
        let elsewhere = "192.0.2.1:8443".parse().expect("an address");
        let url = |config: &Config, address| config.public_url(address, "relay.example.com");
        assert_eq!(url(&parse(""), EMBEDDED), "http://127.0.0.1:8080");
        assert_eq!(
            url(&parse("https = true"), elsewhere),
            "https://relay.example.com:8443"
        );
        let named = parse("url = \"https://panel.example.com/\"");
        assert_eq!(url(&named, elsewhere), "https://panel.example.com");
    }

    #[test]
    fn mail_links_to_what_others_can_reach() {
        for (config, expected) in [
            ("", None),
            ("address = \"127.0.0.1:8080\"", None),
            (
                "address = [\"127.0.0.1:8080\", \"192.0.2.1:8443\"]\nhttps = true",
                Some("https://relay.example.com:8443"),
            ),
            (
                "address = \"127.0.0.1:8080\"\nurl = \"https://panel.example.com/\"",
                Some("https://panel.example.com"),
            ),
        ] {
            let url = parse(config).url_for_mail("relay.example.com");
            assert_eq!(url.as_deref(), expected, "{config}");
        }
    }
}
