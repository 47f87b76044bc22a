//! What all attempts have in common: where mail goes, how it is encrypted, who we say we are.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use rustls::ClientConfig;

use super::bandwidth::Bandwidth;
use super::config::{Config, DomainPattern, Mode};
use super::dns::Dns;
use super::named::NamedDestination;
use super::ourselves::Ourselves;
use super::outgoing::Outbox;
use super::outlet::{self, Outlet};
use super::setup::SetupError;
use super::smtp::connection::{Security, Terms};
use super::sts::Promises;
use crate::dkim::Signer;
use crate::queue::{Destination, Way, canonical_domain};
use crate::smtp::Mailbox;
use crate::tls::{self, Roots, TlsError, Verification};

/// Bytes per second that `delivery.bandwidth` is at least: less would be taken for kilobytes.
pub(super) const MIN_BANDWIDTH: u32 = 1000;

/// The client side of TLS, for those of whom nothing is known beforehand.
#[derive(Debug)]
pub(super) struct Clients {
    /// Any certificate will do.
    pub any: Arc<ClientConfig>,
    /// Valid for the host's name; none where there is no authority to trust.
    pub verified: Option<Arc<ClientConfig>>,
}

/// How mail leaves: made once from the configuration, used by every attempt.
#[derive(Debug)]
pub struct Delivery {
    pub(super) config: Config,
    /// What every connection has in common, as to an exchanger of whom nothing is known.
    pub(super) terms: Terms,
    pub(super) clients: Clients,
    pub(super) ourselves: Ourselves,
    pub(super) dns: Option<Dns>,
    pub(super) promises: Promises,
    /// None writes into files.
    outlet: Option<Outlet>,
    routes: HashMap<String, Outlet>,
    pub(super) outbox: Outbox,
}

impl Delivery {
    /// Prepares delivery; `hostname` is the name in EHLO unless the configuration has another.
    ///
    /// # Errors
    /// When a setting is missing or contradicts another, or TLS or DNS cannot be prepared.
    pub fn new(config: &Config, hostname: &str) -> Result<Self, SetupError> {
        check_limits(config)?;
        check_domains(config)?;
        let bandwidth = bandwidth(config)?;
        let clients = clients(config)?;
        let terms = Terms {
            hello: hello_name(config, hostname)?,
            security: Security::Opportunistic(Arc::clone(&clients.any)),
            credentials: None,
            timeouts: config.timeouts(),
            bandwidth,
            chunking: config.chunking(),
            requires_tls: false,
        };
        let ourselves = Ourselves {
            names: vec![canonical_domain(hostname), canonical_domain(&terms.hello)],
            listening: Vec::new(),
        };
        Ok(Self {
            outlet: outlet::general(config, &terms, &clients)?,
            routes: outlet::routes(config, &terms, &clients)?,
            dns: dns(config)?,
            promises: Promises::new(clients.verified.clone(), config.mta_sts_port),
            config: config.clone(),
            terms,
            clients,
            ourselves,
            outbox: Outbox::default(),
        })
    }

    /// The same with what signs messages; without, none is signed.
    #[must_use]
    pub fn signing(mut self, signer: Signer) -> Self {
        self.outbox.signer = signer;
        self
    }

    /// Notes where this relay itself listens, so that it hands no mail to itself.
    #[must_use]
    pub fn listening(mut self, at: Vec<(IpAddr, RangeInclusive<u16>)>) -> Self {
        self.ourselves.listening = at;
        self
    }

    /// What it was made from.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// True when all mail goes one way, whomever it is for.
    pub fn has_one_destination(&self) -> bool {
        self.config.mode != Mode::Mx && self.config.route.is_empty()
    }

    /// What a recipient's mail shares connections and limits by. A route leads there by its name, also
    /// when the configuration has it no more: then it waits.
    pub fn destination(&self, way: &Way, recipient: &Mailbox) -> Destination {
        let domain = || canonical_domain(recipient.domain());
        match way.route.as_deref().or_else(|| self.route_of(recipient)) {
            Some(route) if self.routes.get(route).is_some_and(Outlet::is_by_domain) => {
                Destination::RouteDomain {
                    route: route.to_owned(),
                    domain: domain(),
                }
            }
            Some(route) => Destination::Route(route.to_owned()),
            None => match self.config.mode {
                Mode::Smarthost => Destination::Smarthost,
                Mode::Maildir => Destination::Maildir,
                Mode::Mx => Destination::Domain(domain()),
            },
        }
    }

    /// The route that has the recipient's domain; of several the one whose pattern is closest.
    fn route_of(&self, recipient: &Mailbox) -> Option<&str> {
        let mut routes = self
            .config
            .route
            .iter()
            .filter(|one| !one.domains.is_empty())
            .peekable();
        routes.peek()?;
        let domain = canonical_domain(recipient.domain());
        let fits = routes.flat_map(|route| {
            let fit = |pattern: &DomainPattern| Some((pattern.fit(&domain)?, route.name.as_str()));
            route.domains.iter().filter_map(fit)
        });
        fits.max_by_key(|(fit, _)| *fit).map(|(_, route)| route)
    }

    /// The way out for a destination; none when the configuration has none.
    pub(super) fn outlet(&self, destination: &Destination) -> Option<&Outlet> {
        match destination {
            Destination::Route(route) | Destination::RouteDomain { route, .. } => {
                self.routes.get(route)
            }
            Destination::Smarthost | Destination::Domain(_) => self.outlet.as_ref(),
            Destination::Maildir => None,
        }
    }
}

fn check_limits(config: &Config) -> Result<(), SetupError> {
    for (key, value) in [
        ("max-concurrency", config.max_concurrency),
        ("per-destination", config.per_destination),
        (
            "messages-per-connection",
            config.messages_per_connection as usize,
        ),
        ("max-pause-s", usize::from(config.max_pause_s > 0)),
        ("max-mx-hosts", config.max_mx_hosts),
        ("max-host-addresses", config.max_host_addresses),
    ] {
        if value == 0 {
            return Err(SetupError::Zero { key });
        }
    }
    let is_zero = |one: &NamedDestination| one.concurrency == Some(0);
    if config.destination.iter().any(is_zero) {
        let key = "destination.concurrency";
        return Err(SetupError::Zero { key });
    }
    Ok(())
}

/// Mail for a domain goes one way.
fn check_domains(config: &Config) -> Result<(), SetupError> {
    let mut known: HashMap<String, &str> = HashMap::new();
    for route in &config.route {
        for domain in &route.domains {
            let other = known.insert(domain.to_string(), &route.name);
            if let Some(one) = other.filter(|other| *other != route.name) {
                return Err(SetupError::SharedDomain {
                    one: one.to_owned(),
                    other: route.name.clone(),
                    domain: domain.to_string(),
                });
            }
        }
    }
    Ok(())
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

fn clients(config: &Config) -> Result<Clients, SetupError> {
    let roots = match &config.ca_file {
        Some(path) => Roots::File(path.clone()),
        None => Roots::System,
    };
    let verified = match tls::client_config(&roots, Verification::Required) {
        Ok(client) => Some(client),
        // Whoever needs them says so; other mail can go without.
        Err(TlsError::NoRoots) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(Clients {
        any: tls::client_config(&roots, Verification::None)?,
        verified,
    })
}

/// Smarthosts are looked up by the system, unless resolvers are named.
fn dns(config: &Config) -> Result<Option<Dns>, SetupError> {
    let by_domain = config.route.iter().any(|route| route.smarthost.is_empty());
    let is_needed = config.mode == Mode::Mx || by_domain || !config.dns.servers.is_empty();
    is_needed.then(|| Dns::new(&config.dns)).transpose()
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
