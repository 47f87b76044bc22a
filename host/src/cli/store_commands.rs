//! `gatepost store …`: moves everything from one database to another.

use clap::Subcommand;

use super::{Failure, Output};
use crate::config::Config;
use crate::store::{self, Store};

/// `gatepost store …`
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Copy everything into an empty database of either kind: all or nothing, and compared before it counts
    ///
    /// Stop the relay first. Passwords of servers may stand in the file that PGPASSFILE names; how a server is talked to
    /// is read from [store] of the configuration.
    Copy {
        /// The store to copy, for example sqlite:///var/lib/gatepost/gatepost.db
        #[arg(value_name = "FROM")]
        from: String,
        /// Where to, for example postgres://gatepost@db.example.com/gatepost
        #[arg(value_name = "TO")]
        to: String,
    },
}

/// Runs the command.
pub async fn run(command: StoreCommand, config: &Config, output: Output) -> Result<(), Failure> {
    let StoreCommand::Copy { from, to } = command;
    let at = |url: String| store::Config {
        url: url.into(),
        ..config.store.clone()
    };
    let tell = |table: &str, rows: u64| tracing::info!(table, rows, "copied");
    let copied = Store::copy(&at(from), &at(to), tell).await?;
    output.print(&copied, || {
        format!(
            "copied {} messages, {} lists and {} users, {} rows in all\n\
             set store.url to the copy before the relay is started",
            copied.messages, copied.lists, copied.users, copied.rows
        )
    })
}
