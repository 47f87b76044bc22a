//! What cannot be meant in `[web]`, `[autoconfig]` and `[tls.acme]`.

use super::Config;
use super::check::{Problem, none_is_zero, problem};
use crate::listener::{PortRange, TlsMode};
use crate::message::domain_to_ascii;

/// Below it the HTTP library does not work.
const MIN_HEADER_OCTETS: usize = 8192;

/// The first problem, if there is any.
pub fn check(config: &Config) -> Result<(), Problem> {
    web(config)?;
    autoconfig(config)?;
    acme(config)
}

fn web(config: &Config) -> Result<(), Problem> {
    if config.web.max_header_octets < MIN_HEADER_OCTETS {
        let message = "smaller than what one request may need";
        return problem("web.max-header-octets", message, "use 8192 or more");
    }
    let counts = [
        ("web.max-connections", config.web.max_connections as u64),
        (
            "web.max-connections-per-address",
            config.web.max_connections_per_address as u64,
        ),
    ];
    none_is_zero(counts, "0 would let nobody in")
}

fn autoconfig(config: &Config) -> Result<(), Problem> {
    let autoconfig = &config.autoconfig;
    let mut names = autoconfig.domains.iter().chain(&autoconfig.incoming_host);
    if let Some(name) = names.find(|name| domain_to_ascii(name).is_none()) {
        let message = format!("{name:?} is not a domain");
        return problem("autoconfig", message, "use names like example.com");
    }
    let mut ranges = config.listener.iter().flat_map(|listener| &listener.ports);
    let Some(port) = autoconfig.port else {
        return Ok(());
    };
    if !ranges.any(|range: &PortRange| range.contains(port)) {
        let message = format!("no listener has the port {port}");
        return problem("autoconfig.port", message, "name a port of a [[listener]]");
    }
    Ok(())
}

fn acme(config: &Config) -> Result<(), Problem> {
    let acme = &config.tls.acme;
    if !acme.enabled {
        return Ok(());
    }
    if config.tls.certificate.is_some() {
        let message = "there is tls.certificate too, and only one of them can be shown";
        return problem("tls.acme.enabled", message, "remove one of the two");
    }
    if !acme.accept_terms {
        let message = "the authority's terms of service must be accepted";
        let hint = "read them, then set it to true";
        return problem("tls.acme.accept-terms", message, hint);
    }
    if config.web.http.is_empty() {
        let message = "the authority could not look whether the names are ours: no HTTP is served";
        let hint = "set web.http = [\"0.0.0.0:80\"]";
        return problem("tls.acme.enabled", message, hint);
    }
    let is_http_encrypted = !config.web.https.is_empty() || config.panel.https;
    if config.listener.iter().all(|one| one.tls == TlsMode::None) && !is_http_encrypted {
        let message = "nobody would be shown the certificate: no listener encrypts";
        return problem("tls.acme.enabled", message, "set it to false");
    }
    acme_values(config)
}

fn acme_values(config: &Config) -> Result<(), Problem> {
    let acme = &config.tls.acme;
    let names = acme.names(&config.hostname);
    let is_usable =
        |name: &String| domain_to_ascii(name).as_ref() == Some(name) && !name.contains('*');
    if let Some(name) = names.iter().find(|name| !is_usable(name)) {
        let message = format!("HTTP-01 cannot prove {name:?}");
        return problem("tls.acme.domains", message, "use plain names as A-labels");
    }
    if !acme.directory_url.starts_with("https://") {
        let message = "ACME is spoken over HTTPS alone (RFC 8555 §6.1)";
        return problem("tls.acme.directory-url", message, "begin it with https://");
    }
    if acme.retry_first_s == 0 || acme.min_interval_s == 0 {
        let message = "without a wait the authority would be stormed";
        let hint = "leave retry-first-s and min-interval-s out for the defaults";
        return problem("tls.acme", message, hint);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::TextError;

    const ACME: &str = "hostname = \"relay.example.com\"\n[web]\nhttp = [\"127.0.0.1:80\"]\n\
                        [tls.acme]\nenabled = true\naccept-terms = true\n";

    #[track_caller]
    fn refused(text: &str, key: &str) {
        match Config::parse(text, PathBuf::new()) {
            Err(TextError::Check(problem)) => assert_eq!(problem.key, key, "{text}"),
            other => panic!("{text}: {:?}", other.map(drop)),
        }
    }

    #[test]
    fn what_acme_needs_is_demanded() {
        assert!(Config::parse(ACME, PathBuf::new()).is_ok());
        refused(
            &ACME.replace("accept-terms = true", ""),
            "tls.acme.accept-terms",
        );
        refused(&ACME.replace("\"127.0.0.1:80\"", ""), "tls.acme.enabled");
        refused(
            &(ACME.replace(
                "[tls.acme]",
                "[tls]\ncertificate = \"a\"\nkey = \"b\"\n[tls.acme]",
            )),
            "tls.acme.enabled",
        );
        refused(
            &(ACME.to_owned() + "domains = [\"*.example.com\"]"),
            "tls.acme.domains",
        );
        refused(
            &(ACME.to_owned() + "directory-url = \"http://a\""),
            "tls.acme.directory-url",
        );
        refused(&(ACME.to_owned() + "retry-first-s = 0"), "tls.acme");
    }

    #[test]
    fn a_port_or_domain_that_cannot_be_is_named() {
        refused("[autoconfig]\nport = 80\n", "autoconfig.port");
        refused("[autoconfig]\ndomains = [\"a b\"]\n", "autoconfig");
        refused("[web]\nmax-header-octets = 100\n", "web.max-header-octets");
    }
}
