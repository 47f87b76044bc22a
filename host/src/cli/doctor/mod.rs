//! `gatepost doctor`: plays a mail client against a running relay, and says what to type or fix.
//!
//! Facts are gathered by `database`, `visit`, `dns`, `account`, `message` and `follow`; what they mean is judged by pure
//! functions beside them. Every wait ends, replies are bounded, and a password leaves only towards a relay
//! that has proven who it is.

mod account;
mod certificate;
mod client;
mod database;
mod dialogue;
mod dns;
mod examination;
mod finding;
mod follow;
mod message;
mod password;
mod plan;
mod port;
mod report;
mod setting;
mod visit;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use self::account::Account;
use self::examination::Examination;
use self::message::{Extent, Letter};
use self::password::Source;
use self::report::Report;
use self::setting::Setting;
use super::{Failure, Output};
use crate::listener::TlsMode;
use crate::smtp::Mailbox;

/// `gatepost doctor`
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// The relay's name or address [default: what the configuration says, reached from this machine]
    #[arg(value_name = "HOST", value_parser = host)]
    host: Option<String>,
    /// A port to try; may be repeated [default: those of the configuration, else 587, 465 and 25]
    #[arg(long = "port", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    ports: Vec<u16>,
    /// Log in as this user; the password comes from GATEPOST_PASSWORD, or is asked for
    #[arg(long, value_name = "NAME", value_parser = user)]
    user: Option<String>,
    /// Read the password from the first line of standard input
    #[arg(long, requires = "user")]
    password_stdin: bool,
    /// Try this sender
    #[arg(long, value_name = "ADDRESS", requires = "user")]
    from: Option<Mailbox>,
    /// Try this recipient [default: the sender]
    #[arg(long, value_name = "ADDRESS", requires = "from")]
    to: Option<Mailbox>,
    /// Send a small test message, and follow it when the relay is this machine's
    #[arg(long, requires = "from")]
    send: bool,
    /// Use STARTTLS on every port [default: as configured, else implicit TLS on 465 and STARTTLS elsewhere]
    #[arg(long, conflicts_with = "implicit")]
    starttls: bool,
    /// Use TLS from the first octet on every port
    #[arg(long)]
    implicit: bool,
    /// Trust the certificate authorities of this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Seconds to wait for anything: a connection, a reply, the first outcome of the test message
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout_s: u64,
    /// Show the dialogue on stderr, without passwords
    #[arg(long)]
    verbose: bool,
}

impl Doctor {
    fn tls(&self) -> Option<TlsMode> {
        match (self.starttls, self.implicit) {
            (true, _) => Some(TlsMode::StartTls),
            (_, true) => Some(TlsMode::Implicit),
            _ => None,
        }
    }

    const fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }

    /// Asks for the password when a user is named.
    fn account(&self) -> Result<Option<Account>, Failure> {
        let Some(user) = &self.user else {
            return Ok(None);
        };
        let source = if self.password_stdin {
            Source::Stdin
        } else {
            Source::Usual
        };
        let password = password::password(source, user)?;
        let user = user.clone();
        Ok(password.map(|password| Account { user, password }))
    }

    fn letter(&self) -> Option<Letter> {
        let from = self.from.clone()?;
        let extent = if self.send {
            Extent::Message
        } else {
            Extent::Envelope
        };
        let to = self.to.clone().unwrap_or_else(|| from.clone());
        Some(Letter { from, to, extent })
    }
}

/// Runs the examination; 1 when something failed.
pub async fn run(
    doctor: Doctor,
    config: Option<&Path>,
    output: Output,
) -> Result<ExitCode, Failure> {
    let mut report = Report::default();
    let account = doctor.account()?;
    let setting = Setting::find(&doctor, config, &mut report)?;
    if let Some(setting) = setting {
        let config = setting.config.as_ref();
        if let Some(config) = config.filter(|_| doctor.host.is_none()) {
            report.extend(database::look(config).await);
        }
        let examination = Examination::new(&doctor, setting, account)?;
        examination.run(&mut report).await;
    }
    report.print(output)
}

/// A name or an address; `name:port` is a usual mistake.
fn host(text: &str) -> Result<String, String> {
    let is_address = text
        .trim_matches(['[', ']'])
        .parse::<std::net::IpAddr>()
        .is_ok();
    if is_address {
        return Ok(text.trim_matches(['[', ']']).to_owned());
    }
    if text.contains("://") {
        return Err("this is a URL; type the name alone".to_owned());
    }
    if let Some((name, port)) = text.split_once(':') {
        return Err(format!("type the port apart: {name} --port {port}"));
    }
    let name = idna::domain_to_ascii(text).unwrap_or_default();
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
    if name.is_empty() || !name.bytes().all(allowed) {
        return Err("this is neither a host name nor an address".to_owned());
    }
    Ok(name)
}

/// RFC 4616 §2: a user name has no NUL; other controls are mistakes of whoever pasted it.
fn user(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(char::is_control) {
        return Err("a user name is not empty and has no control characters".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses_and_mistakes_are_explained() {
        let cases = [
            ("relay.example.com", Ok("relay.example.com")),
            ("Bücher.example", Ok("xn--bcher-kva.example")),
            ("192.0.2.1", Ok("192.0.2.1")),
            ("[2001:db8::1]", Ok("2001:db8::1")),
            ("relay.example.com:587", Err("--port 587")),
            ("smtp://relay.example.com", Err("URL")),
            ("two words", Err("neither")),
            ("", Err("neither")),
        ];
        for (text, expected) in cases {
            match (host(text), expected) {
                (Ok(name), Ok(expected)) => assert_eq!(name, expected),
                (Err(said), Err(words)) => assert!(said.contains(words), "{text}: {said}"),
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
    }
}
