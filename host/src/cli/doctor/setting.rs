//! Which relay is examined: the one of this machine's configuration, or a named one.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::Doctor;
use super::dns::HostName;
use super::finding::Finding;
use super::port::Place;
use super::report::Report;
use crate::causes::with_causes;
use crate::cli::Failure;
use crate::config::Config;
use crate::{acme, tls};

/// The relay.
pub struct Setting {
    /// Its name, as clients type it.
    pub name: String,
    /// What kind of name that is.
    pub kind: HostName,
    /// Where it is reached: from this machine without its name, or like everyone else.
    pub place: Place,
    /// Its configuration, when it is this machine's.
    pub config: Option<Config>,
}

impl Setting {
    /// Finds the relay, and reports on its configuration; none when that cannot be read.
    pub fn find(
        doctor: &Doctor,
        named: Option<&Path>,
        report: &mut Report,
    ) -> Result<Option<Self>, Failure> {
        if doctor.host.is_none() || named.is_some() {
            return Ok(Self::of_config(doctor, named, report));
        }
        let name = doctor.host.clone().unwrap_or_default();
        report.add(Finding::skipped(
            "configuration",
            format!("{name} is examined from outside"),
        ));
        Ok(Some(Self::new(name, Place::Elsewhere, None)))
    }

    fn of_config(doctor: &Doctor, named: Option<&Path>, report: &mut Report) -> Option<Self> {
        match Config::load(named) {
            Ok(config) => {
                report.add(configuration(&config));
                let (name, place) = match &doctor.host {
                    Some(name) => (name.clone(), Place::Elsewhere),
                    None => (config.hostname.clone(), Place::Here),
                };
                Some(Self::new(name, place, Some(config)))
            }
            Err(error) => {
                report.add(Finding::failed("configuration", with_causes(&error)).fix(error.hint()));
                None
            }
        }
    }

    fn new(name: String, place: Place, config: Option<Config>) -> Self {
        Self {
            kind: HostName::of(&name),
            name,
            place,
            config,
        }
    }

    /// The certificates that the relay of this configuration may show.
    pub fn own_certificates(&self) -> Vec<CertificateDer<'static>> {
        let Some(config) = &self.config else {
            return Vec::new();
        };
        let acme = &config.tls.acme;
        let kept = acme
            .enabled
            .then(|| acme::kept(acme, &config.data_folder()))
            .flatten();
        let kept = kept.and_then(|kept| kept.key.cert.first().cloned());
        let files = certificate_files(config);
        let from_files = files.filter_map(|path| CertificateDer::from_pem_file(path).ok());
        from_files.chain(kept).collect()
    }
}

/// Those that are named, and the self-signed one beside the store.
fn certificate_files(config: &Config) -> impl Iterator<Item = PathBuf> {
    let additional = config.tls.additional.iter();
    let named = config.tls.certificate.iter();
    let named = named
        .chain(additional.map(|pair| &pair.certificate))
        .cloned();
    named.chain([config.data_folder().join("self-signed.crt")])
}

/// What is found about a configuration that could be read.
fn configuration(config: &Config) -> Finding {
    let check = "configuration";
    if let (Some(certificate), Some(key)) = (&config.tls.certificate, &config.tls.key)
        && let Err(error) = tls::server_config(certificate, key)
    {
        return Finding::failed(check, with_causes(&error)).fix(error.hint());
    }
    let detail = format!(
        "valid: {} with {} listener(s); `gatepost config check` loads its policies too",
        config.hostname,
        config.listener.len()
    );
    Finding::ok(check, detail)
}
