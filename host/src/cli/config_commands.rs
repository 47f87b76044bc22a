//! `gatepost config …`

use clap::Subcommand;
use serde_json::json;

use super::{Failure, Output};
use crate::app::StartError;
use crate::config::Config;
use crate::delivery::Delivery;
use crate::policy::PolicySet;
use crate::tls;

/// `gatepost config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration and load its policies, without opening or changing anything
    Check,
}

/// Runs the command; the configuration itself was checked when it was read.
pub async fn run(command: &ConfigCommand, config: &Config, output: Output) -> Result<(), Failure> {
    let ConfigCommand::Check = command;
    let policies = PolicySet::load(&config.policy, &config.folder)
        .await
        .map_err(StartError::from)?;
    Delivery::new(&config.delivery, &config.hostname).map_err(StartError::from)?;
    if let (Some(certificate), Some(key)) = (&config.tls.certificate, &config.tls.key) {
        tls::server_config(certificate, key).map_err(StartError::from)?;
    }
    let names: Vec<String> = policies
        .policies()
        .map(|policy| format!("{} {}", policy.name, policy.version))
        .collect();
    output.print(&json!({ "ok": true, "policies": names }), || {
        format!("ok: policies {}", names.join(", "))
    })
}
