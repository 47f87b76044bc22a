//! `gatepost policy …`: the tools of whoever writes a policy or puts one into force.
//!
//! They load and ask a module with the very code of the relay; only `reload` touches a running one.

mod bench;
mod build;
mod cases;
mod check;
mod decisions;
mod diff;
mod explain;
mod inspect;
mod module;
mod new;
mod records;
mod reload;
mod run;
mod sample;
mod templates;
mod test;

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use self::module::Module;
use super::{Failure, Output};

/// `gatepost policy …`
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Make a project: a policy that builds and passes its cases at once
    New(new::New),
    /// Make a module of a project, with the toolchain of its language
    Build(build::Build),
    /// Load a module as the relay would, and say what is wrong with it or its settings
    Check(check::Check),
    /// Say what a module is, what it can do and what it costs
    Inspect(inspect::Inspect),
    /// Ask a module about one message, and show what a client would be told
    Run(run::Run),
    /// Ask a module what cases ask, and compare what comes with what they expect
    Test(test::Test),
    /// Measure what asking a module costs, beside the built-in rules
    Bench(bench::Bench),
    /// List what the policies decided about mail, refused mail included, the most recent first
    Decisions(decisions::Decisions),
    /// Show one decision, why it was made, and whether it would be made again
    Explain(explain::Explain),
    /// Ask recorded requests of two policies or chains, and tell what differs
    Diff(Box<diff::Diff>),
    /// Look at recorded requests
    #[command(subcommand)]
    Records(records::RecordsCommand),
    /// Have the running relay take up the configuration, certificates and policies as they are now
    Reload(reload::Reload),
}

/// Runs the command. `config` is the configuration file that was named, for the commands that read one.
pub async fn run(
    command: PolicyCommand,
    config: Option<&Path>,
    output: Output,
) -> Result<ExitCode, Failure> {
    match command {
        PolicyCommand::New(new) => new::run(&new, output),
        PolicyCommand::Build(build) => build::run(&build, output).await,
        PolicyCommand::Check(check) => check::run(&check, output).await,
        PolicyCommand::Reload(reload) => reload::run(&reload, config, output).await,
        PolicyCommand::Inspect(inspect) => inspect::run(&inspect, output).await,
        PolicyCommand::Run(run) => run::run(run, config, output).await,
        PolicyCommand::Bench(bench) => bench::run(&bench, output).await,
        PolicyCommand::Test(test) => test::run(&test, output).await,
        PolicyCommand::Decisions(decisions) => decisions::run(decisions, config, output).await,
        PolicyCommand::Explain(explain) => explain::run(explain, config, output).await,
        PolicyCommand::Diff(diff) => diff::run(*diff, config, output).await,
        PolicyCommand::Records(records) => records::run(records, config).await,
    }
}
