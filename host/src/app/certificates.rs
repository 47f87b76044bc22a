//! From the files of `[tls]` to what clients are shown, at start and at each reload.

use tracing::warn;

use super::StartError;
use crate::acme;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::listener::TlsMode;
use crate::tls::{self, Certificates, Facts, Loaded, TlsError};

/// The certificates that `[tls]` names, each with a key that belongs to it.
#[derive(Debug)]
pub struct Named {
    /// For everyone; none when the section names none.
    pub default: Option<Loaded>,
    /// For clients that ask for one of their names.
    pub additional: Vec<Loaded>,
}

impl Named {
    /// Reads every file that the section names.
    ///
    /// # Errors
    /// The first certificate that cannot be used. An expired one is no error; see [`Named::expired`].
    pub fn read(config: &tls::Config) -> Result<Self, TlsError> {
        let read = |pair: &tls::Pair| Loaded::read(&pair.certificate, &pair.key);
        Ok(Self {
            default: config.default_pair().as_ref().map(read).transpose()?,
            additional: config
                .additional
                .iter()
                .map(read)
                .collect::<Result<_, _>>()?,
        })
    }

    /// What is wrong with those that are not valid at `now`.
    pub fn expired(&self, now: Timestamp) -> Vec<TlsError> {
        let expired = self.all().filter_map(|one| one.must_be_valid(now).err());
        expired.collect()
    }

    /// What they say of themselves.
    pub(super) fn facts(&self) -> Vec<Facts> {
        self.all().map(|one| one.facts.clone()).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Loaded> {
        self.default.iter().chain(&self.additional)
    }
}

/// What clients are shown, and what the named certificates say of themselves; none when no listener
/// encrypts.
pub(super) fn at_start(config: &Config) -> Result<(Option<Certificates>, Vec<Facts>), StartError> {
    let listeners = &config.listener;
    let is_http_encrypted = !config.web.https.is_empty() || config.panel.https;
    if listeners.iter().all(|one| one.tls == TlsMode::None) && !is_http_encrypted {
        return Ok((None, Vec::new()));
    }
    let named = Named::read(&config.tls)?;
    for error in named.expired(Timestamp::now()) {
        warn!("{error}");
    }
    let facts = named.facts();
    let default = named
        .default
        .map_or_else(|| kept_or_self_signed(config), Ok)?;
    let certificates = Certificates::new(default.key);
    certificates.replace_additional(named.additional);
    Ok((Some(certificates), facts))
}

/// Until an authority's certificate is there, a self-signed one is shown.
fn kept_or_self_signed(config: &Config) -> Result<Loaded, StartError> {
    let acme = &config.tls.acme;
    let kept = acme
        .enabled
        .then(|| acme::kept(acme, &config.data_folder()));
    kept.flatten().map_or_else(|| self_signed(config), Ok)
}

fn self_signed(config: &Config) -> Result<Loaded, StartError> {
    let made = tls::self_signed(&config.data_folder(), &config.hostname)?;
    let certificate = made.certificate.display();
    warn!(%certificate, "clients are shown a self-signed certificate; set tls.certificate and tls.key, or tls.acme");
    Ok(Loaded::read(&made.certificate, &made.key)?)
}
