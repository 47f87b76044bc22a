//! The command line: data to stdout, logs to stderr, errors with a hint; 0 done, 1 failed, 2 misused.

mod account_commands;
mod actor;
mod alert_commands;
mod autoconfig_commands;
mod config_commands;
mod decision_output;
mod demo;
mod dkim_commands;
mod doctor;
mod failure;
mod node_commands;
mod operator_commands;
mod output;
mod policy_commands;
mod queue_commands;
mod serve;
mod store_commands;
mod token_commands;
mod when;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::failure::Failure;
use self::output::Output;
use crate::config::Config;
use crate::store::Store;

/// An SMTP submission relay that lets WebAssembly decide.
#[derive(Debug, Parser)]
#[command(name = "gatepost", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    /// The configuration file [default: gatepost.toml here or in /etc/gatepost, else built-in defaults]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print data as JSON
    #[arg(long, global = true)]
    json: bool,
    /// What to log: error, warn, info, debug or trace, or a filter like `info,gatepost::smtp=debug`
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the relay
    Serve,
    /// Show what Gatepost does, on loopback, with everything built in
    Demo(demo::Demo),
    /// Play a mail client against a running relay, and say what to type or fix
    Doctor(doctor::Doctor),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config_commands::ConfigCommand),
    /// Manage lists
    #[command(subcommand)]
    List(account_commands::ListCommand),
    /// Manage users
    #[command(subcommand)]
    User(account_commands::UserCommand),
    /// Let people into the control panel
    #[command(subcommand)]
    Operator(operator_commands::OperatorCommand),
    /// Let programs use the API
    #[command(subcommand)]
    Token(token_commands::TokenCommand),
    /// Move everything to another database
    #[command(subcommand)]
    Store(store_commands::StoreCommand),
    /// Look at the queue, hold, release, retry, delete and reprioritize messages, stop and start mail
    #[command(subcommand)]
    Queue(queue_commands::QueueCommand),
    /// Look at alerts, and set who is told of them
    #[command(subcommand)]
    Alert(alert_commands::AlertCommand),
    /// Show the relays that share the store
    Nodes,
    /// Write, test, look at and reload policies
    #[command(subcommand)]
    Policy(policy_commands::PolicyCommand),
    /// Make and check the keys that sign what leaves
    #[command(subcommand)]
    Dkim(dkim_commands::DkimCommand),
    /// Print what clients configure themselves by
    #[command(subcommand)]
    Autoconfig(autoconfig_commands::AutoconfigCommand),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return Failure::from(anyhow::Error::new(error).context("cannot start threads"))
                .report();
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let Cli { global, command } = cli;
    let output = if global.json {
        Output::Json
    } else {
        Output::Text
    };
    match command {
        Command::Demo(demo) => return demo::run(demo, global.log.as_deref()).await,
        Command::Doctor(doctor) => {
            output::log_to_stderr(global.log.as_deref(), "error");
            return doctor::run(doctor, global.config.as_deref(), output).await;
        }
        Command::Policy(command) => {
            output::log_to_stderr(global.log.as_deref(), "warn");
            return policy_commands::run(command, global.config.as_deref(), output).await;
        }
        Command::Serve => {
            // What clients do wrong in TLS is theirs; it must not fill the log.
            output::log_to_stderr(global.log.as_deref(), "info,rustls=error");
            return serve::run(&load(&global)?).await;
        }
        _ => output::log_to_stderr(global.log.as_deref(), "warn"),
    }
    let config = load(&global)?;
    match command {
        Command::Dkim(command) => return dkim_commands::run(command, &config, output).await,
        Command::Config(command) => config_commands::run(&command, &config, output).await?,
        Command::List(command) => {
            let routes = &config.delivery.route;
            account_commands::run_list(command, routes, &open(&config).await?, output).await?
        }
        Command::User(command) => {
            account_commands::run_user(command, &config, &open(&config).await?, output).await?
        }
        Command::Operator(command) => {
            operator_commands::run(command, &config, &open(&config).await?, output).await?
        }
        Command::Token(command) => {
            token_commands::run(command, &open(&config).await?, output).await?
        }
        Command::Store(command) => store_commands::run(command, &config, output).await?,
        Command::Queue(command) => {
            queue_commands::run(command, &open(&config).await?, output).await?
        }
        Command::Alert(command) => {
            alert_commands::run(command, &open(&config).await?, output).await?
        }
        Command::Nodes => node_commands::run(&open(&config).await?, output).await?,
        Command::Autoconfig(command) => autoconfig_commands::run(command, &config, output)?,
        Command::Demo(_) | Command::Doctor(_) | Command::Policy(_) | Command::Serve => {
            unreachable!("handled above")
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn load(global: &Global) -> Result<Config, Failure> {
    load_config(global.config.as_deref())
}

/// The configuration of this file, or of where it is looked for.
fn load_config(path: Option<&Path>) -> Result<Config, Failure> {
    Config::load(path).map_err(|error| {
        let hint = error.hint();
        Failure::new(error).hint(hint)
    })
}

/// The store of this configuration file.
async fn open_of(path: Option<&Path>) -> Result<Store, Failure> {
    open(&load_config(path)?).await
}

async fn open(config: &Config) -> Result<Store, Failure> {
    Store::open(&config.store).await.map_err(Failure::from)
}
