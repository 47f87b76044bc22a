//! `gatepost config …`

use clap::Subcommand;
use serde_json::json;
use tracing::warn;

use super::{Failure, Output};
use crate::app::{Named, StartError, resources};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::delivery::Delivery;
use crate::dkim::Keys;
use crate::policy::{PolicyInfo, PolicySet};

/// `gatepost config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration and load its policies and certificates, without opening or changing anything
    Check,
}

/// Runs the command; the configuration itself was checked when it was read.
pub async fn run(command: &ConfigCommand, config: &Config, output: Output) -> Result<(), Failure> {
    let ConfigCommand::Check = command;
    let policies = PolicySet::load_with(&config.policy, &config.folder, &resources(config))
        .await
        .map_err(StartError::from)?;
    Delivery::new(&config.delivery, &config.hostname).map_err(StartError::from)?;
    Keys::read(&config.dkim).map_err(StartError::from)?;
    let certificates = Named::read(&config.tls).map_err(StartError::from)?;
    let expired = certificates.expired(Timestamp::now());
    let warnings: Vec<String> = expired.iter().map(ToString::to_string).collect();
    for error in &expired {
        warn!(hint = error.hint(), "{error}");
    }
    let notes: Vec<String> = policies.policies().flat_map(unused_grants).collect();
    for note in &notes {
        warn!("{note}");
    }
    let warnings: Vec<String> = warnings.into_iter().chain(notes).collect();
    let names: Vec<String> = policies
        .policies()
        .map(|policy| format!("{} {}", policy.name, policy.version))
        .collect();
    output.print(
        &json!({ "ok": true, "policies": names, "warnings": warnings }),
        || format!("ok: policies {}", names.join(", ")),
    )
}

/// A grant that is not used is harmless, but perhaps not what was meant.
fn unused_grants(policy: &PolicyInfo) -> Vec<String> {
    let unused = policy.unused_grants();
    let note = |grant| {
        format!(
            "policy {} is granted {grant} and does not import it; it can be left out of grants",
            policy.name
        )
    };
    unused.map(note).collect()
}
