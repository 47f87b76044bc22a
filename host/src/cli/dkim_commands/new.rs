//! `gatepost dkim new`: a key, its DNS record, and the lines of the configuration.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::{Failure, Output};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::dkim::{Algorithm, KeyConfig, Keys, PrivateKey, Record};

/// Makes the key.
pub fn run(
    domain: &str,
    selector: Option<String>,
    algorithm: Algorithm,
    out: Option<PathBuf>,
    config: &Config,
    output: Output,
) -> Result<ExitCode, Failure> {
    let selector = selector.unwrap_or_else(this_month);
    let (domain, selector) = Keys::names(domain, &selector)?;
    let is_known = |key: &KeyConfig| {
        Keys::names(&key.domain, &key.selector).is_ok_and(|(d, s)| d == domain && s == selector)
    };
    if config.dkim.key.iter().any(is_known) {
        let text = format!("the configuration has a key {selector} of {domain} already");
        return Err(Failure::message(text).hint("choose another one with --selector"));
    }
    let path = out.unwrap_or_else(|| config.folder.join(format!("{domain}.{selector}.pem")));
    write(&path, &PrivateKey::make(algorithm)?)?;
    let path = fs::canonicalize(&path).unwrap_or(path);
    let record = Record::new(&selector, &domain, &PrivateKey::read(&path)?);
    let value = json!({
        "domain": domain,
        "selector": selector,
        "algorithm": algorithm.name(),
        "file": path,
        "record": { "name": record.name, "type": "TXT", "text": record.text, "zone": record.zone_line() },
    });
    output.print(&value, || text(&domain, &selector, &path, &record))?;
    Ok(ExitCode::SUCCESS)
}

/// `s202611`: selectors are replaced from time to time, and nobody has to remember why.
fn this_month() -> String {
    let today = Timestamp::now().to_whole_seconds();
    let digits: String = today.chars().filter(char::is_ascii_digit).take(6).collect();
    format!("s{digits}")
}

/// Writes a file that nobody else can read, and never over another one.
fn write(path: &Path, pem: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    let written = opened.and_then(|mut file| {
        file.write_all(pem.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| {
        let what = format!("cannot write the private key {}", path.display());
        Failure::from(anyhow::Error::new(error).context(what))
            .hint("an existing key is never overwritten; name another file with --out")
    })
}

fn text(domain: &str, selector: &str, path: &Path, record: &Record) -> String {
    format!(
        "made the private key {path}\n\n\
         1. Publish this TXT record:\n\n\
         name  {name}\ntext  {text}\n\n\
         In a zone file:\n\n{zone}\n\n\
         2. Add to the configuration; the relay's user must be able to read the file:\n\n\
         [[dkim.key]]\ndomain = \"{domain}\"\nselector = \"{selector}\"\nprivate-key = {quoted:?}\n\n\
         3. When the record is to be seen (gatepost dkim check {domain}), let the relay read it: it does so by itself,\n   \
         or on `gatepost policy reload`.",
        path = path.display(),
        quoted = path.display().to_string(),
        name = record.name,
        text = record.text,
        zone = record.zone_line(),
    )
}
