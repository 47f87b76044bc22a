//! Finds what is well-formed but cannot be meant, before anything is opened.

use std::fmt;

use super::Config;
use crate::listener::{self, TlsMode};
use crate::tls::MinVersion;

/// What is wrong with a configuration, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, for example `listener[0].ports`.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
    /// How to mend it.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

pub(super) fn problem(
    key: impl Into<String>,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Result<(), Problem> {
    Err(Problem {
        key: key.into(),
        message: message.into(),
        hint: hint.into(),
    })
}

/// Counts of which none can be 0; `if_zero` says what that would come to.
pub(super) fn none_is_zero<'a>(
    counts: impl IntoIterator<Item = (&'a str, u64)>,
    if_zero: &str,
) -> Result<(), Problem> {
    match counts.into_iter().find(|(_, count)| *count == 0) {
        Some((key, _)) => problem(key, if_zero, "use 1 or more"),
        None => Ok(()),
    }
}

/// The first problem, if there is any.
pub fn check(config: &Config) -> Result<(), Problem> {
    hostname(config)?;
    listeners(config)?;
    overlaps(config)?;
    tls(config)?;
    super::check_web::check(config)?;
    super::check_panel::check(config)?;
    super::check_notify::check(config)?;
    super::check_telemetry::check(config)?;
    limits(config)
}

fn hostname(config: &Config) -> Result<(), Problem> {
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'.';
    if config.hostname.is_empty() || !config.hostname.bytes().all(allowed) {
        let message = format!("`{}` is not a host name", config.hostname);
        return problem(
            "hostname",
            message,
            "use a name that resolves to this relay, like relay.example.com",
        );
    }
    Ok(())
}

fn listeners(config: &Config) -> Result<(), Problem> {
    if config.listener.is_empty() {
        return problem("listener", "there is none", "add a [[listener]] section");
    }
    for (index, listener) in config.listener.iter().enumerate() {
        if listener.ports.is_empty() {
            return problem(
                format!("listener[{index}].ports"),
                "the list is empty",
                "name a port, like [\"587\"]",
            );
        }
        if listener.tls == TlsMode::None {
            unencrypted(index, listener)?;
        }
    }
    Ok(())
}

/// What contradicts `tls = "none"`.
fn unencrypted(index: usize, listener: &listener::Config) -> Result<(), Problem> {
    if listener.require_tls {
        return problem(
            format!("listener[{index}].require-tls"),
            "nobody could do anything: TLS is required and not offered",
            "use tls = \"starttls\" or \"implicit\", or leave require-tls out",
        );
    }
    if listener.min_tls_version != MinVersion::default() {
        return problem(
            format!("listener[{index}].min-tls-version"),
            "it has no meaning without TLS",
            "use tls = \"starttls\" or \"implicit\", or leave min-tls-version out",
        );
    }
    if listener.require_tls_for_auth {
        return problem(
            format!("listener[{index}].require-tls-for-auth"),
            "nobody could log in: TLS is required and not offered",
            "use tls = \"starttls\", or set require-tls-for-auth = false on a trusted network",
        );
    }
    Ok(())
}

fn overlaps(config: &Config) -> Result<(), Problem> {
    let ranges: Vec<_> = config
        .listener
        .iter()
        .enumerate()
        .flat_map(|(index, listener)| {
            listener
                .ports
                .iter()
                .map(move |range| (index, listener.address, range))
        })
        .collect();
    for (position, (index, address, range)) in ranges.iter().enumerate() {
        let earlier = ranges[..position]
            .iter()
            .find(|(_, other, known)| other == address && known.overlaps(range));
        if let Some((_, _, known)) = earlier {
            let message = format!("{range} overlaps with {known} on {address}");
            return problem(
                format!("listener[{index}].ports"),
                message,
                "name every port once for each address",
            );
        }
    }
    Ok(())
}

fn tls(config: &Config) -> Result<(), Problem> {
    match (&config.tls.certificate, &config.tls.key) {
        (Some(_), None) => problem(
            "tls.key",
            "a certificate without its key",
            "set tls.key to the PEM file of the key",
        ),
        (None, Some(_)) => problem(
            "tls.certificate",
            "a key without its certificate",
            "set tls.certificate to the PEM file of the chain",
        ),
        _ => Ok(()),
    }
}

fn limits(config: &Config) -> Result<(), Problem> {
    let (smtp, submission) = (&config.smtp, &config.submission);
    if config.intake.memory_octets < smtp.max_header_octets {
        return problem(
            "intake.memory-octets",
            "smaller than smtp.max-header-octets, so that a header might not fit",
            "raise it to at least smtp.max-header-octets",
        );
    }
    if smtp.max_header_octets < 1000 {
        return problem(
            "smtp.max-header-octets",
            "no header fits into less than 1,000",
            "leave it out for the default",
        );
    }
    if smtp.max_command_octets < 512 {
        return problem(
            "smtp.max-command-octets",
            "RFC 5321 §4.5.3.1.4 asks for at least 512",
            "use 512 or more",
        );
    }
    if config.accounts.scram_iterations < 4096 {
        return problem(
            "accounts.scram-iterations",
            "RFC 7677 §4 asks for at least 4096",
            "use 4096 or more, or leave it out for the default",
        );
    }
    if !(1..=100).contains(&config.limits.alert_percent) {
        return problem(
            "limits.alert-percent",
            format!("{} is no part of a limit", config.limits.alert_percent),
            "use 1 to 100, or leave it out for the default",
        );
    }
    let counts = [
        ("smtp.max-recipients", smtp.max_recipients as u64),
        (
            "smtp.max-session-recipients",
            smtp.max_session_recipients as u64,
        ),
        (
            "submission.max-connections",
            submission.max_connections as u64,
        ),
        (
            "submission.max-connections-per-address",
            submission.max_connections_per_address as u64,
        ),
        (
            "submission.max-connections-per-user",
            submission.max_connections_per_user as u64,
        ),
    ];
    none_is_zero(counts, "0 would let nobody in")
}
