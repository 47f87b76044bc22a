//! `gatepost policy check`: what a reload does with a module, without a relay.

use std::process::ExitCode;

use serde_json::json;

use super::Module;
use crate::cli::{Failure, Output};
use crate::policy::Grant;

/// `gatepost policy check`
#[derive(Debug, clap::Args)]
pub struct Check {
    #[command(flatten)]
    module: Module,
    /// What it is granted beyond `log`: counters, effects or content, once for each
    #[arg(long = "grant", value_name = "POWER")]
    grants: Vec<Grant>,
}

/// Loads the module and prints what it is.
pub async fn run(check: &Check, output: Output) -> Result<ExitCode, Failure> {
    let bench = check.module.load_granted(&check.grants).await?;
    let policy = bench.info();
    let value = json!({
        "ok": true,
        "title": policy.title,
        "version": policy.version,
        "stages": policy.stages,
        "sha256": policy.sha256,
    });
    output.print(&value, || {
        let (title, version) = (&policy.title, &policy.version);
        let stages = policy.stages.join(", ");
        format!("ok: {title} {version} ({stages}), sha256 {}", policy.sha256)
    })?;
    Ok(ExitCode::SUCCESS)
}
