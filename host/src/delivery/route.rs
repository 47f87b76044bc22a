//! What all attempts have in common: where mail goes, how it is encrypted, who we say we are.

use std::collections::HashMap;

use hickory_resolver::TokioResolver;
use lettre::transport::smtp::authentication::Credentials;

use super::bandwidth::Bandwidth;
use super::config::{Config, Mode, Route, Smarthost, Tls};
use super::mx;
use super::outgoing::Outbox;
use super::smtp::connection::{Security, Target, Terms};
use super::smtp::reply::deferred;
use crate::dkim::Signer;
use crate::queue::{Destination, Outcome, Way, canonical_domain};
use crate::smtp::Mailbox;
use crate::tls::{self, Roots, TlsError, Verification};

/// Bytes per second that `delivery.bandwidth` is at least: less would be taken for kilobytes.
const MIN_BANDWIDTH: u32 = 1000;

/// Why delivery cannot work as configured.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The mode needs a setting that is missing.
    #[error("delivery.mode is `smarthost`, but delivery.smarthost is not set")]
    NoSmarthost,
    /// A user name without a password, or a password without a user name.
    #[error("delivery.{of} needs both `username` and `password`, or neither")]
    HalfLogin {
        /// The smarthost.
        of: String,
    },
    /// A route's name is no word, or another route's.
    #[error("delivery.route: `{name}` cannot be the name of a route: {problem}")]
    RouteName {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A limit that would stop all mail.
    #[error("delivery.{key} must be at least 1")]
    Zero {
        /// The setting.
        key: &'static str,
    },
    /// A bandwidth over which nothing arrives in time.
    #[error("delivery.bandwidth is {bandwidth}, less than {MIN_BANDWIDTH} bytes per second")]
    Bandwidth {
        /// The setting.
        bandwidth: u32,
    },
    /// The name in EHLO would break the command.
    #[error("`{name}` cannot be the name in EHLO")]
    HelloName {
        /// The name.
        name: String,
    },
    /// TLS cannot be prepared.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system's resolver configuration cannot be read.
    #[error("cannot prepare DNS lookups")]
    Resolver(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl SetupError {
    /// What an administrator can do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoSmarthost => {
                "set smarthost = { host = \"...\" }, or mode = \"mx\" or \"maildir\""
            }
            Self::HalfLogin { .. } => "a smarthost that needs no login takes neither",
            Self::RouteName { .. } => "give each [[delivery.route]] a name of its own",
            Self::Zero { .. } => "leave it out for the default",
            Self::Bandwidth { .. } => {
                "it counts bytes per second: 1000000 is 8 Mbit/s; leave it out for no limit"
            }
            Self::HelloName { .. } => "set delivery.hello-name to this relay's domain name",
            Self::Tls(error) => error.hint(),
            Self::Resolver(_) => {
                "/etc/resolv.conf must name a resolver; mode = \"smarthost\" needs none"
            }
        }
    }
}

/// The next hop of a route.
#[derive(Debug)]
struct Hop {
    smarthost: Smarthost,
    terms: Terms,
}

/// How mail leaves: made once from the configuration, used by every attempt.
#[derive(Debug)]
pub struct Delivery {
    pub(super) config: Config,
    terms: Terms,
    routes: HashMap<String, Hop>,
    resolver: Option<TokioResolver>,
    pub(super) outbox: Outbox,
}

impl Delivery {
    /// Prepares delivery; `hostname` is the name in EHLO unless the configuration has another.
    ///
    /// # Errors
    /// When a setting is missing or contradicts another, or TLS or DNS cannot be prepared.
    pub fn new(config: &Config, hostname: &str) -> Result<Self, SetupError> {
        for (key, value) in [
            ("max-concurrency", config.max_concurrency),
            ("per-destination", config.per_destination),
            (
                "messages-per-connection",
                config.messages_per_connection as usize,
            ),
            ("max-pause-s", usize::from(config.max_pause_s > 0)),
        ] {
            if value == 0 {
                return Err(SetupError::Zero { key });
            }
        }
        if config
            .destination
            .iter()
            .any(|one| one.concurrency == Some(0))
        {
            let key = "destination.concurrency";
            return Err(SetupError::Zero { key });
        }
        let bandwidth = bandwidth(config)?;
        let hello = hello_name(config, hostname)?;
        let terms = Terms {
            hello,
            security: security(config, default_tls(config)?)?,
            credentials: default_credentials(config)?,
            timeouts: config.timeouts(),
            bandwidth,
        };
        Ok(Self {
            routes: routes(config, &terms)?,
            terms,
            resolver: resolver(config)?,
            config: config.clone(),
            outbox: Outbox::default(),
        })
    }

    /// The same with what signs messages; without, none is signed.
    #[must_use]
    pub fn signing(mut self, signer: Signer) -> Self {
        self.outbox.signer = signer;
        self
    }

    /// What it was made from.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What a recipient's mail shares connections and limits by. A route leads there by its name, also
    /// when the configuration has it no more: then it waits.
    pub fn destination(&self, way: &Way, recipient: &Mailbox) -> Destination {
        if let Some(route) = &way.route {
            return Destination::Route(route.clone());
        }
        match self.config.mode {
            Mode::Smarthost => Destination::Smarthost,
            Mode::Maildir => Destination::Maildir,
            Mode::Mx => Destination::Domain(canonical_domain(recipient.domain())),
        }
    }

    /// How a connection to a destination is made.
    pub(super) fn terms(&self, destination: &Destination) -> &Terms {
        match destination {
            Destination::Route(name) => self.routes.get(name).map_or(&self.terms, |hop| &hop.terms),
            _ => &self.terms,
        }
    }

    /// The addresses to connect to for a destination, best first.
    pub(super) async fn targets(&self, destination: &Destination) -> Result<Vec<Target>, Outcome> {
        match (destination, &self.config.smarthost, &self.resolver) {
            (Destination::Smarthost, Some(smarthost), _) => addresses(smarthost).await,
            (Destination::Domain(domain), _, Some(resolver)) => {
                mx::targets(resolver, domain, self.config.mx_port).await
            }
            (Destination::Route(name), ..) if self.routes.contains_key(name) => {
                addresses(&self.routes[name].smarthost).await
            }
            (Destination::Route(name), ..) => Err(deferred(format!(
                "4.3.5 there is no [[delivery.route]] called {name} in the configuration"
            ))),
            _ => Err(deferred(
                "4.3.5 there is no way to this destination in the configuration",
            )),
        }
    }
}

fn bandwidth(config: &Config) -> Result<Bandwidth, SetupError> {
    let limit = config.bandwidth.0;
    if let Some(bandwidth) = limit.filter(|limit| limit.get() < MIN_BANDWIDTH) {
        let bandwidth = bandwidth.get();
        return Err(SetupError::Bandwidth { bandwidth });
    }
    Ok(Bandwidth::new(limit, config.max_pause()))
}

fn hello_name(config: &Config, hostname: &str) -> Result<String, SetupError> {
    let name = config.hello_name.as_deref().unwrap_or(hostname);
    let is_usable = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic());
    if is_usable {
        Ok(name.to_owned())
    } else {
        Err(SetupError::HelloName {
            name: name.to_owned(),
        })
    }
}

fn routes(config: &Config, terms: &Terms) -> Result<HashMap<String, Hop>, SetupError> {
    let mut routes = HashMap::new();
    for Route { name, smarthost } in &config.route {
        let wrong = |problem| SetupError::RouteName {
            name: name.clone(),
            problem,
        };
        let is_word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !(1..=64).contains(&name.len()) || !name.chars().all(is_word) {
            return Err(wrong(
                "it is not 1 to 64 of the characters A-Z a-z 0-9 . _ -",
            ));
        }
        let hop = Hop {
            smarthost: smarthost.clone(),
            terms: Terms {
                security: security(config, smarthost.tls)?,
                credentials: credentials(smarthost, || format!("route {name}"))?,
                ..terms.clone()
            },
        };
        if routes.insert(name.clone(), hop).is_some() {
            return Err(wrong("another route has it"));
        }
    }
    Ok(routes)
}

const fn default_tls(config: &Config) -> Result<Tls, SetupError> {
    match (config.mode, &config.smarthost) {
        (Mode::Maildir, _) => Ok(Tls::None),
        (Mode::Mx, _) => Ok(Tls::Opportunistic),
        (Mode::Smarthost, Some(smarthost)) => Ok(smarthost.tls),
        (Mode::Smarthost, None) => Err(SetupError::NoSmarthost),
    }
}

fn security(config: &Config, tls: Tls) -> Result<Security, SetupError> {
    let roots = match &config.ca_file {
        Some(path) => Roots::File(path.clone()),
        None => Roots::System,
    };
    let client = |verification| tls::client_config(&roots, verification);
    Ok(match tls {
        Tls::None => Security::None,
        Tls::Opportunistic => Security::Opportunistic(client(Verification::None)?),
        Tls::Required => Security::Required(client(Verification::Required)?),
        Tls::Implicit => Security::Implicit(client(Verification::Required)?),
    })
}

fn default_credentials(config: &Config) -> Result<Option<Credentials>, SetupError> {
    match (&config.smarthost, config.mode) {
        (Some(smarthost), Mode::Smarthost) => credentials(smarthost, || "smarthost".to_owned()),
        _ => Ok(None),
    }
}

fn credentials(
    smarthost: &Smarthost,
    name: impl Fn() -> String,
) -> Result<Option<Credentials>, SetupError> {
    match (&smarthost.username, &smarthost.password) {
        (Some(username), Some(password)) => Ok(Some(Credentials::new(
            username.clone(),
            password.expose().clone(),
        ))),
        (None, None) => Ok(None),
        _ => Err(SetupError::HalfLogin { of: name() }),
    }
}

fn resolver(config: &Config) -> Result<Option<TokioResolver>, SetupError> {
    if config.mode != Mode::Mx {
        return Ok(None);
    }
    let unusable = |error| SetupError::Resolver(Box::new(error));
    let builder = TokioResolver::builder_tokio().map_err(unusable)?;
    builder.build().map(Some).map_err(unusable)
}

async fn addresses(smarthost: &Smarthost) -> Result<Vec<Target>, Outcome> {
    let host = smarthost.host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((host, smarthost.port)).await;
    let targets: Vec<Target> = found
        .map_err(|error| deferred(format!("4.4.3 cannot look up {host}: {error}")))?
        .map(|address| Target {
            host: host.to_owned(),
            address,
        })
        .collect();
    if targets.is_empty() {
        return Err(deferred(format!("4.4.3 {host} has no address")));
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn smarthost() -> Smarthost {
        Smarthost {
            host: "127.0.0.1".to_owned(),
            port: 587,
            tls: Tls::None,
            username: None,
            password: None,
        }
    }

    fn unfinished() -> Config {
        Config {
            mode: Mode::Smarthost,
            ..Config::default()
        }
    }

    #[test]
    fn contradictions_are_found_before_anything_is_sent() {
        let half = Smarthost {
            password: Some(Secret::new("x".to_owned())),
            ..smarthost()
        };
        let cases = [
            (unfinished(), "smarthost is not set"),
            (
                Config {
                    smarthost: Some(half),
                    ..unfinished()
                },
                "or neither",
            ),
            (
                Config {
                    smarthost: Some(smarthost()),
                    per_destination: 0,
                    ..unfinished()
                },
                "per-destination",
            ),
            (
                Config {
                    smarthost: Some(smarthost()),
                    hello_name: Some("a\r\nb".to_owned()),
                    ..unfinished()
                },
                "EHLO",
            ),
        ];
        for (config, words) in cases {
            let error = Delivery::new(&config, "relay.example").expect_err(words);
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn domains_meet_in_one_form() {
        for (domain, canonical) in [
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("[IPv6:::1]", "[ipv6:::1]"),
        ] {
            assert_eq!(canonical_domain(domain), canonical);
        }
    }
}
