//! `gatepost policy …`: the tools of whoever writes a policy or puts one into force.
//!
//! They load and ask a module with the very code of the relay; none of them touches a running one.

mod cases;
mod check;
mod module;
mod test;

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
    /// Ask a module what cases ask, and compare what comes with what they expect
    Test(test::Test),
}

/// Runs the command. `config` is the configuration file that was named, for the commands that read one.
pub async fn run(
    command: PolicyCommand,
    _config: Option<&Path>,
    output: Output,
) -> Result<ExitCode, Failure> {
    match command {
        PolicyCommand::Check(check) => check::run(&check, output).await,
        PolicyCommand::Test(test) => test::run(&test, output).await,
    }
}
