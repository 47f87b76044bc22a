//! `gatepost policy …`: the tools of whoever writes a policy or puts one into force.
//!
//! They load and ask a module with the very code of the relay; none of them touches a running one.

mod check;
mod module;

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use self::module::Module;
use super::{Failure, Output};

/// `gatepost policy …`
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Load a module as the relay would, and say what is wrong with it or its settings
    Check(check::Check),
}

/// Runs the command. `config` is the configuration file that was named, for the commands that read one.
pub async fn run(
    command: PolicyCommand,
    _config: Option<&Path>,
    output: Output,
) -> Result<ExitCode, Failure> {
    match command {
        PolicyCommand::Check(check) => check::run(&check, output).await,
    }
}
