//! `gatepost dkim check`: whether receivers find the keys that we sign with.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use serde::Serialize;
use tokio::time::timeout;

use super::{Failure, Output};
use crate::config::Config;
use crate::dkim::{Keys, PrivateKey, Published, record_name};

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was found about one key.
#[derive(Debug, Serialize)]
struct Finding {
    domain: String,
    selector: String,
    algorithm: &'static str,
    record: String,
    ok: bool,
    finding: String,
}

/// Looks up every key; fails when one is not published as it is.
pub async fn run(
    domain: Option<&str>,
    server: Option<SocketAddr>,
    config: &Config,
    output: Output,
) -> Result<ExitCode, Failure> {
    // Everything that a start would refuse is refused here too.
    Keys::read(&config.dkim)?;
    let wanted = match domain {
        Some(domain) => Some(Keys::names(domain, "s")?.0),
        None => None,
    };
    let resolver = resolver(server)?;
    let mut findings = Vec::new();
    for key in &config.dkim.key {
        let (domain, selector) = Keys::names(&key.domain, &key.selector)?;
        if wanted.as_ref().is_some_and(|wanted| *wanted != domain) {
            continue;
        }
        let own = PrivateKey::read(&key.private_key)?;
        let record = record_name(&selector, &domain);
        let (ok, finding) = match published(&resolver, &record).await {
            Ok(texts) => {
                let found = Published::judge(&texts, &own);
                (found.is_good(), found.describe().to_owned())
            }
            Err(error) => (false, format!("cannot be looked up: {error}")),
        };
        findings.push(Finding {
            domain,
            selector,
            algorithm: own.algorithm().name(),
            record,
            ok,
            finding,
        });
    }
    if findings.is_empty() {
        let of = domain.map_or_else(String::new, |domain| format!(" for {domain}"));
        let hint = "make one with `gatepost dkim new DOMAIN`";
        return Err(Failure::message(format!("the configuration has no key{of}")).hint(hint));
    }
    output.print(&findings, || {
        let line = |one: &Finding| {
            let mark = if one.ok { "ok    " } else { "failed" };
            format!(
                "{mark}  {} ({}): {}",
                one.record, one.algorithm, one.finding
            )
        };
        findings.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    let is_good = findings.iter().all(|one| one.ok);
    Ok(if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver, Failure> {
    let builder = match server {
        None => TokioResolver::builder_tokio(),
        Some(address) => {
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            for connection in &mut server.connections {
                connection.port = address.port();
            }
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
            Ok(TokioResolver::builder_with_config(
                config,
                TokioRuntimeProvider::default(),
            ))
        }
    };
    let built = builder.and_then(|mut builder| {
        builder.options_mut().attempts = 1;
        builder.build()
    });
    built.map_err(|error| {
        Failure::new(error)
            .context("cannot prepare DNS lookups")
            .hint("/etc/resolv.conf must name a resolver, or name a server with --server")
    })
}

/// The texts of the TXT records of a name, the strings of each joined (RFC 6376 §3.6.2.2).
async fn published(resolver: &TokioResolver, name: &str) -> Result<Vec<String>, String> {
    let mut asked = Name::from_ascii(name).map_err(|_| "it is no name of DNS".to_owned())?;
    asked.set_fqdn(true);
    match timeout(PATIENCE, resolver.lookup(asked, RecordType::TXT)).await {
        Ok(Ok(found)) => {
            let texts = found
                .answers()
                .iter()
                .filter_map(|record| match &record.data {
                    RData::TXT(txt) => Some(txt.txt_data.concat()),
                    _ => None,
                });
            Ok(texts
                .map(|text| String::from_utf8_lossy(&text).into_owned())
                .collect())
        }
        Ok(Err(error)) if error.is_no_records_found() || error.is_nx_domain() => Ok(Vec::new()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}
