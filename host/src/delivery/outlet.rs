//! The ways out of this relay: who is asked, from which addresses, and under which terms.

use std::collections::HashMap;
use std::sync::Arc;

use lettre::transport::smtp::authentication::Credentials;

use super::config::{Config, Mode, Route, Smarthost, Smarthosts, Tls};
use super::pool::Pool;
use super::route::Clients;
use super::setup::SetupError;
use super::smtp::connection::{Proof, Security, Terms};
use super::sources::Sources;
use crate::tls::TlsError;

/// A way out.
#[derive(Debug)]
pub(super) struct Outlet {
    /// Who is asked.
    pub next: Next,
    /// Where connections come from.
    pub sources: Sources,
}

/// Who is asked to take mail.
#[derive(Debug)]
pub(super) enum Next {
    /// These relays.
    Smarthosts(Pool),
    /// The mail exchangers of the recipient's domain.
    Exchangers,
}

impl Outlet {
    /// Whether each domain's mail goes to other hosts.
    pub const fn is_by_domain(&self) -> bool {
        matches!(self.next, Next::Exchangers)
    }
}

/// Where all mail goes; none when it is written into files.
pub(super) fn general(
    config: &Config,
    terms: &Terms,
    clients: &Clients,
) -> Result<Option<Outlet>, SetupError> {
    let next = match config.mode {
        Mode::Maildir => return Ok(None),
        Mode::Mx => Next::Exchangers,
        Mode::Smarthost if config.smarthost.is_empty() => return Err(SetupError::NoSmarthost),
        Mode::Smarthost => {
            let pool = pool(config, &config.smarthost, terms, clients, "smarthost")?;
            Next::Smarthosts(pool)
        }
    };
    Ok(Some(Outlet {
        next,
        sources: Sources::new(&config.source_addresses),
    }))
}

/// The named ones.
pub(super) fn routes(
    config: &Config,
    terms: &Terms,
    clients: &Clients,
) -> Result<HashMap<String, Outlet>, SetupError> {
    let mut routes = HashMap::new();
    for route in &config.route {
        check_name(&route.name)?;
        let outlet = named(config, route, terms, clients)?;
        if routes.insert(route.name.clone(), outlet).is_some() {
            return Err(wrong_name(&route.name, "another route has it"));
        }
    }
    Ok(routes)
}

fn named(
    config: &Config,
    route: &Route,
    terms: &Terms,
    clients: &Clients,
) -> Result<Outlet, SetupError> {
    let sources = match route.source_addresses.as_slice() {
        [] => &config.source_addresses,
        own => own,
    };
    let next = if route.smarthost.is_empty() {
        Next::Exchangers
    } else {
        let of = format!("route {}", route.name);
        Next::Smarthosts(pool(config, &route.smarthost, terms, clients, &of)?)
    };
    Ok(Outlet {
        next,
        sources: Sources::new(sources),
    })
}

fn check_name(name: &str) -> Result<(), SetupError> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(is_word) {
        return Ok(());
    }
    Err(wrong_name(
        name,
        "it is not 1 to 64 of the characters A-Z a-z 0-9 . _ -",
    ))
}

fn wrong_name(name: &str, problem: &'static str) -> SetupError {
    SetupError::RouteName {
        name: name.to_owned(),
        problem,
    }
}

fn pool(
    config: &Config,
    smarthosts: &Smarthosts,
    terms: &Terms,
    clients: &Clients,
    of: &str,
) -> Result<Pool, SetupError> {
    let relay = |smarthost: &Smarthost| {
        let terms = Terms {
            security: security(smarthost.tls, clients)?,
            credentials: credentials(smarthost, of)?,
            ..terms.clone()
        };
        Ok((smarthost.clone(), terms))
    };
    let relays: Result<Vec<_>, SetupError> = smarthosts.iter().map(relay).collect();
    Ok(Pool::new(relays?, config.smarthost_retry()))
}

fn security(tls: Tls, clients: &Clients) -> Result<Security, SetupError> {
    let verified = || clients.verified.clone().ok_or(TlsError::NoRoots);
    Ok(match tls {
        Tls::None => Security::None,
        Tls::Opportunistic => Security::Opportunistic(Arc::clone(&clients.any)),
        Tls::Required => Security::Required(verified()?, Proof::Certificate),
        Tls::Implicit => Security::Implicit(verified()?, Proof::Certificate),
    })
}

fn credentials(smarthost: &Smarthost, of: &str) -> Result<Option<Credentials>, SetupError> {
    match (&smarthost.username, &smarthost.password) {
        (Some(username), Some(password)) => Ok(Some(Credentials::new(
            username.clone(),
            password.expose().clone(),
        ))),
        (None, None) => Ok(None),
        _ => Err(SetupError::HalfLogin { of: of.to_owned() }),
    }
}
