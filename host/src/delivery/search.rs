//! Goes from host to host of a destination until one takes a connection that is good enough.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::dane::{self, Promise};
use super::dns::{Dns, Located, Miss};
use super::mx::{self, Exchanger};
use super::outlet::{Next, Outlet};
use super::pool::{Pool, Relay};
use super::route::Delivery;
use super::smtp::connection::{Connection, Fault, Proof, Security, Setback, Target, Terms};
use super::smtp::dial::{Pace, dial, interleaved};
use super::smtp::reply::{deferred, failed};
use crate::queue::{Destination, MessageMeta, Outcome};
use crate::store::Store;
use crate::tls;

/// What a message asks of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    /// TLS with a peer that is known, and that asks the same of others (RFC 8689).
    pub requires_tls: bool,
}

/// A host that was tried in vain.
#[derive(Debug, Clone)]
pub(super) struct Tried {
    /// `mx.example.net:25`.
    pub host: String,
    pub setback: Setback,
}

/// Why there is no connection at all.
#[derive(Debug)]
pub(super) struct NoConnection {
    /// Who was asked, in that order.
    pub tried: Vec<Tried>,
    /// For every recipient.
    pub outcome: Outcome,
}

/// One search for a connection.
pub(super) struct Search<'a> {
    pub delivery: &'a Delivery,
    pub destination: &'a Destination,
    /// Keeps what domains promise.
    pub store: &'a Store,
    pub need: Need,
}

impl Need {
    /// Of this message.
    pub const fn of(meta: &MessageMeta) -> Self {
        Self {
            requires_tls: meta.parameters.require_tls,
        }
    }

    /// Whether a connection is good enough.
    pub fn is_met_by(self, connection: &Connection) -> bool {
        !self.requires_tls || connection.requires_tls()
    }
}

impl From<Outcome> for NoConnection {
    fn from(outcome: Outcome) -> Self {
        Self {
            tried: Vec::new(),
            outcome,
        }
    }
}

impl Search<'_> {
    /// The first connection that can be had, and who was tried before in vain.
    ///
    /// # Errors
    /// When nobody takes one.
    pub async fn run(&self) -> Result<(Connection, Vec<Tried>), NoConnection> {
        let Some(outlet) = self.delivery.outlet(self.destination) else {
            return Err(no_outlet(self.destination).into());
        };
        match (&outlet.next, self.destination) {
            (Next::Smarthosts(pool), _) => self.smarthosts(pool, outlet).await,
            (
                Next::Exchangers,
                Destination::Domain(domain) | Destination::RouteDomain { domain, .. },
            ) => self.exchangers(domain, outlet).await,
            (Next::Exchangers, other) => Err(no_outlet(other).into()),
        }
    }

    async fn smarthosts(
        &self,
        pool: &Pool,
        outlet: &Outlet,
    ) -> Result<(Connection, Vec<Tried>), NoConnection> {
        let mut tried = Vec::new();
        for relay in pool.order(Instant::now()) {
            match self.smarthost(relay, outlet).await {
                Ok(connection) => {
                    relay.succeeded();
                    return Ok((connection, tried));
                }
                Err(setback) => {
                    if setback.fault != Fault::Unprotected {
                        relay.failed(Instant::now());
                    }
                    let host = relay.smarthost.name();
                    tried.push(Tried { host, setback });
                }
            }
        }
        Err(given_up(tried))
    }

    async fn smarthost(&self, relay: &Relay, outlet: &Outlet) -> Result<Connection, Setback> {
        let host = relay
            .smarthost
            .host
            .trim_start_matches('[')
            .trim_end_matches(']');
        let addresses = self.addresses(host).await?;
        let terms = self.smarthost_terms(relay)?;
        let door = Door {
            host,
            port: relay.smarthost.port,
            addresses: &addresses,
            terms: &terms,
        };
        self.open(&door, outlet).await
    }

    /// Where a certificate is not asked for otherwise, a message that requires TLS asks for it.
    fn smarthost_terms(&self, relay: &Relay) -> Result<Terms, Setback> {
        let mut terms = relay.terms.clone();
        terms.requires_tls = self.need.requires_tls;
        if self.need.requires_tls && matches!(terms.security, Security::Opportunistic(_)) {
            terms.security = self.verified(Proof::Certificate)?;
        }
        Ok(terms)
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Setback> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![ip]);
        }
        let unknown =
            |trouble: String| Setback::ours(format!("4.4.3 cannot look up {host}: {trouble}"));
        if let Some(dns) = self
            .delivery
            .dns
            .as_ref()
            .filter(|_| !self.delivery.config.dns.servers.is_empty())
        {
            let located = dns.locate(host).await;
            return located
                .map(|it| it.addresses)
                .map_err(|miss| unknown(missing(&miss)));
        }
        let found = tokio::net::lookup_host((host, 0)).await;
        let found = found.map_err(|error| unknown(error.to_string()))?;
        Ok(found.map(|address| address.ip()).collect())
    }

    async fn exchangers(
        &self,
        domain: &str,
        outlet: &Outlet,
    ) -> Result<(Connection, Vec<Tried>), NoConnection> {
        if let Some(literal) = mx::literal(domain) {
            return self.at_literal(literal?, outlet).await;
        }
        let Some(dns) = &self.delivery.dns else {
            return Err(no_outlet(self.destination).into());
        };
        let exchangers = mx::exchangers(dns, domain, &self.delivery.ourselves).await?;
        let mut tried = Vec::new();
        let mut nowhere = true;
        for exchanger in exchangers.iter().take(self.delivery.config.max_mx_hosts) {
            let setback = match dns.locate(&exchanger.host).await {
                // It does not exist; the next may.
                Err(Miss::NoName | Miss::NoRecords) => continue,
                Err(Miss::Trouble(trouble)) => unknown_host(&exchanger.host, &trouble),
                Ok(located) => match self
                    .exchanger(dns, domain, exchanger, &located, outlet)
                    .await
                {
                    Ok(connection) => return Ok((connection, tried)),
                    Err(setback) => setback,
                },
            };
            nowhere = false;
            // RFC 5321 §5.1: those that are no better than this relay are not asked.
            let is_loop = setback.fault == Fault::Ourselves;
            let host = format!("{}:{}", exchanger.host, self.delivery.config.mx_port);
            tried.push(Tried { host, setback });
            if is_loop && tried.len() == 1 {
                return Err(mx::looping(domain, &exchanger.host).into());
            } else if is_loop {
                break;
            }
        }
        if nowhere {
            return Err(failed(format!("5.1.2 no host of {domain} has an address")).into());
        }
        Err(given_up(tried))
    }

    async fn at_literal(
        &self,
        ip: IpAddr,
        outlet: &Outlet,
    ) -> Result<(Connection, Vec<Tried>), NoConnection> {
        let host = ip.to_string();
        let opened = async {
            if self.need.requires_tls {
                return Err(unproven(&host));
            }
            let door = Door {
                host: &host,
                port: self.delivery.config.mx_port,
                addresses: &[ip],
                terms: &self.delivery.terms,
            };
            self.open(&door, outlet).await
        };
        match opened.await {
            Ok(connection) => Ok((connection, Vec::new())),
            Err(setback) => Err(given_up(vec![Tried {
                host: format!("{host}:{}", self.delivery.config.mx_port),
                setback,
            }])),
        }
    }

    async fn exchanger(
        &self,
        dns: &Dns,
        domain: &str,
        exchanger: &Exchanger,
        located: &Located,
        outlet: &Outlet,
    ) -> Result<Connection, Setback> {
        let terms = Terms {
            security: self.security(dns, domain, exchanger, located).await?,
            requires_tls: self.need.requires_tls,
            ..self.delivery.terms.clone()
        };
        let door = Door {
            host: &exchanger.host,
            port: self.delivery.config.mx_port,
            addresses: &located.addresses,
            terms: &terms,
        };
        self.open(&door, outlet).await
    }

    /// What DNS and the domain's policy ask of a connection to this host, and what the message does.
    async fn security(
        &self,
        dns: &Dns,
        domain: &str,
        exchanger: &Exchanger,
        located: &Located,
    ) -> Result<Security, Setback> {
        let host = &exchanger.host;
        let promise = if exchanger.is_secure {
            let port = self.delivery.config.mx_port;
            dane::promise(dns, host, located, port).await
        } else {
            Ok(Promise::Nothing)
        };
        match promise {
            Err(trouble) => {
                let text = format!("4.7.5 cannot look up the TLSA records of {host}: {trouble}");
                return Err(Setback::ours(text).with(Fault::Tls));
            }
            Ok(Promise::Certificate(associations, name)) => {
                let names = vec![name, host.clone(), domain.to_owned()];
                let client = tls::dane_config(associations, names);
                let client = client.map_err(|error| Setback::ours(error.to_string()))?;
                return Ok(Security::Required(client, Proof::Dane));
            }
            Ok(Promise::Tls) if !self.need.requires_tls => {
                let any = self.delivery.clients.any.clone();
                return Ok(Security::Required(any, Proof::Nothing));
            }
            Ok(Promise::Tls | Promise::Nothing) => {}
        }
        if let Some(security) = self.promised(dns, domain, host).await? {
            return Ok(security);
        }
        match (
            self.need.requires_tls,
            exchanger.is_secure && located.is_secure,
        ) {
            (false, _) => Ok(self.delivery.terms.security.clone()),
            (true, true) => self.verified(Proof::Certificate),
            (true, false) => Err(unproven(host)),
        }
    }

    /// What the domain's policy asks of a connection to this host, if it has one (RFC 8461 §5).
    async fn promised(
        &self,
        dns: &Dns,
        domain: &str,
        host: &str,
    ) -> Result<Option<Security>, Setback> {
        let promises = &self.delivery.promises;
        let Some(policy) = promises.of(domain, dns, self.store).await else {
            return Ok(None);
        };
        match (policy.is_enforced(), policy.names(host)) {
            (true, true) => self.verified(Proof::MtaSts).map(Some),
            (true, false) => {
                let text = format!(
                    "4.7.5 the MTA-STS policy of {domain} does not name its mail exchanger {host}"
                );
                Err(Setback::ours(text).with(Fault::Tls))
            }
            (false, is_named) => {
                tracing::debug!(
                    domain,
                    host,
                    is_named,
                    "MTA-STS: a policy that is being tested"
                );
                Ok(None)
            }
        }
    }

    fn verified(&self, proof: Proof) -> Result<Security, Setback> {
        let none = || {
            Setback::ours(
                "4.3.5 there is no certificate authority to verify by; set delivery.ca-file"
                    .to_owned(),
            )
        };
        let client = self.delivery.clients.verified.clone().ok_or_else(none)?;
        Ok(Security::Required(client, proof))
    }

    /// A connection to one of the host's addresses.
    async fn open(&self, door: &Door<'_>, outlet: &Outlet) -> Result<Connection, Setback> {
        let mut left = self.reachable(door, outlet)?;
        let mut last = None;
        while !left.is_empty() {
            let (stream, address) =
                match dial(&mut left, door.host, &outlet.sources, self.pace()).await {
                    Ok(connected) => connected,
                    // What was said by a host is more telling than that another address is silent.
                    Err(setback) => return Err(last.unwrap_or(setback)),
                };
            let target = Target {
                host: door.host.to_owned(),
                address,
            };
            match Connection::open(stream, &target, door.terms).await {
                Ok(connection) => return Ok(connection),
                Err(setback) if may_be_plain(&setback, door.terms) => {
                    match self.in_plain_text(door, &target, outlet, setback).await {
                        Ok(connection) => return Ok(connection),
                        Err(setback) => last = Some(setback),
                    }
                }
                Err(setback) => last = Some(setback),
            }
        }
        Err(last.unwrap_or_else(|| Setback::ours(format!("4.4.3 {} has no address", door.host))))
    }

    /// Where encryption is opportunistic, a failed handshake is followed by plain text (RFC 7435: some
    /// protection most of the time).
    async fn in_plain_text(
        &self,
        door: &Door<'_>,
        target: &Target,
        outlet: &Outlet,
        failure: Setback,
    ) -> Result<Connection, Setback> {
        let terms = Terms {
            security: Security::None,
            ..door.terms.clone()
        };
        let mut again = vec![target.address];
        let (stream, _) = dial(&mut again, door.host, &outlet.sources, self.pace()).await?;
        let mut connection = Connection::open(stream, target, &terms).await?;
        connection.unprotected_because(failure.reply.to_string());
        Ok(connection)
    }

    /// The addresses to try, best first.
    fn reachable(&self, door: &Door<'_>, outlet: &Outlet) -> Result<Vec<SocketAddr>, Setback> {
        let serves = |ip: &IpAddr| outlet.sources.serves(*ip);
        let usable: Vec<IpAddr> = door.addresses.iter().copied().filter(serves).collect();
        let limit = self.delivery.config.max_host_addresses;
        let targets = interleaved(&usable, limit).into_iter();
        let targets: Vec<SocketAddr> = targets.map(|ip| SocketAddr::new(ip, door.port)).collect();
        let host = door.host;
        if targets
            .iter()
            .any(|target| self.delivery.ourselves.listens(*target))
        {
            let text = format!("4.4.6 {host}:{} is this relay itself", door.port);
            return Err(Setback::ours(text).with(Fault::Ourselves));
        }
        if targets.is_empty() && !door.addresses.is_empty() {
            let text =
                format!("4.4.1 {host} has no address that one of source-addresses can reach");
            return Err(Setback::ours(text).with(Fault::Source));
        }
        Ok(targets)
    }

    const fn pace(&self) -> Pace {
        Pace {
            connect: self.delivery.terms.timeouts.connect,
            next_address: Duration::from_millis(self.delivery.config.next_address_ms),
        }
    }
}

/// A host, where it is, and how to talk to it.
struct Door<'a> {
    host: &'a str,
    port: u16,
    addresses: &'a [IpAddr],
    terms: &'a Terms,
}

fn may_be_plain(setback: &Setback, terms: &Terms) -> bool {
    setback.fault == Fault::Tls
        && matches!(terms.security, Security::Opportunistic(_))
        && terms.credentials.is_none()
}

fn no_outlet(destination: &Destination) -> Outcome {
    match destination {
        Destination::Route(name) | Destination::RouteDomain { route: name, .. } => deferred(
            format!("4.3.5 there is no [[delivery.route]] called {name} in the configuration"),
        ),
        _ => deferred("4.3.5 there is no way to this destination in the configuration"),
    }
}

/// RFC 8689 §4.2.1: the host must be known to be one of the domain's.
fn unproven(host: &str) -> Setback {
    let text = format!(
        "5.7.30 neither DNSSEC nor MTA-STS proves that {host} takes mail for this domain (REQUIRETLS)"
    );
    Setback::ours(text).with(Fault::Unprotected)
}

fn unknown_host(host: &str, trouble: &str) -> Setback {
    Setback::ours(format!("4.4.3 cannot look up {host}: {trouble}"))
}

fn missing(miss: &Miss) -> String {
    match miss {
        Miss::NoName => "there is no such name".to_owned(),
        Miss::NoRecords => "it has no address".to_owned(),
        Miss::Trouble(trouble) => trouble.clone(),
    }
}

/// A host that refuses us all is no verdict on the message, whatever its code. What no host can protect as
/// its sender requires is returned (RFC 8689 §4.2.1).
fn given_up(tried: Vec<Tried>) -> NoConnection {
    let is_hopeless = tried
        .iter()
        .all(|one| one.setback.fault == Fault::Unprotected);
    let outcome = match tried.iter().max_by_key(|one| telling(&one.setback)) {
        None => deferred("4.4.3 there is no host to connect to"),
        Some(one) if is_hopeless => Outcome::Failed(one.setback.reply.clone()),
        Some(one) => Outcome::Deferred(one.setback.reply.clone()),
    };
    NoConnection { tried, outcome }
}

/// Of several setbacks, the one that somebody can mend is told.
const fn telling(setback: &Setback) -> u8 {
    match setback.fault {
        Fault::Ourselves => 0,
        Fault::Unreachable => 1,
        Fault::Unprotected => 2,
        Fault::Tls => 3,
        Fault::Login | Fault::Source => 4,
    }
}
