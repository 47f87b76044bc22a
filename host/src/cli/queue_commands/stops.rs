//! `gatepost queue stop`, `start` and `stops`: mail that waits until it is started again.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::account_commands::find_list;
use crate::cli::decision_output::ListNames;
use crate::cli::output::table;
use crate::cli::{Failure, Output, actor};
use crate::clock::Timestamp;
use crate::queue::{Stop, StopScope};
use crate::store::Store;

/// What is stopped or started.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct What {
    /// All mail
    #[arg(long)]
    all: bool,
    /// The mail of this list
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
    /// Mail to recipients of this domain, or over this next hop: smarthost, route:NAME or maildir
    #[arg(long, value_name = "DOMAIN|HOP")]
    destination: Option<String>,
}

impl What {
    async fn scope(&self, store: &Store) -> Result<StopScope, Failure> {
        if let Some(name) = &self.list {
            return Ok(StopScope::List(find_list(store, name).await?.id));
        }
        match &self.destination {
            Some(name) => StopScope::destination(name).ok_or_else(|| not_a_destination(name)),
            None => Ok(StopScope::All),
        }
    }
}

fn not_a_destination(name: &str) -> Failure {
    let hint = "say a domain like example.com, or smarthost, route:NAME or maildir";
    Failure::message(format!("`{}` is not a destination", name.escape_debug())).hint(hint)
}

/// Stops what is named, if it is not.
///
/// # Errors
/// When there is no such list, or the store cannot be written.
pub async fn stop(
    what: &What,
    reason: String,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let scope = what.scope(store).await?;
    let lists = ListNames::read(store).await?;
    let stop = Stop {
        scope: scope.clone(),
        at: Timestamp::now(),
        by: actor::name(),
        reason,
    };
    let is_new = store.stop(stop).await?;
    let value = json!({ "stopped": scope_name(&scope, &lists), "changed": is_new });
    output.print(&value, || {
        let name = sentence(&scope, &lists);
        if is_new {
            format!(
                "stopped {name}: transactions that run are finished, no other begins, and nothing is given up \
                 until it is started"
            )
        } else {
            format!("{name} was stopped already")
        }
    })
}

/// Starts what is named, if it is stopped.
///
/// # Errors
/// When there is no such list, it is not stopped, or the store cannot be written.
pub async fn start(what: &What, store: &Store, output: Output) -> Result<(), Failure> {
    let scope = what.scope(store).await?;
    let lists = ListNames::read(store).await?;
    let name = sentence(&scope, &lists);
    if !store.start(scope.clone()).await? {
        let hint = "`gatepost queue stops` tells what is stopped";
        return Err(Failure::message(format!("{name} is not stopped")).hint(hint));
    }
    let value = json!({ "started": scope_name(&scope, &lists) });
    output.print(&value, || {
        let left = match &scope {
            StopScope::All => "; lists and destinations that were stopped stay so",
            _ => "",
        };
        format!("started {name}{left}")
    })
}

/// Lists what is stopped.
///
/// # Errors
/// When the store cannot be read.
pub async fn list(store: &Store, output: Output) -> Result<(), Failure> {
    let stops = store.stops().await?;
    let lists = ListNames::read(store).await?;
    let rows: Vec<Value> = stops.iter().map(|stop| value(stop, &lists)).collect();
    output.print(&rows, || text(&stops, &lists))
}

/// What is stopped, for programs.
pub fn value(stop: &Stop, lists: &ListNames) -> Value {
    json!({
        "scope": scope_name(&stop.scope, lists),
        "at": stop.at.to_string(),
        "by": stop.by,
        "reason": stop.reason,
    })
}

fn text(stops: &[Stop], lists: &ListNames) -> String {
    if stops.is_empty() {
        return "nothing is stopped".to_owned();
    }
    let cells = |stop: &Stop| {
        vec![
            scope_name(&stop.scope, lists),
            stop.at.to_whole_seconds(),
            stop.by.clone(),
            stop.reason.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = stops.iter().map(cells).collect();
    table(&["stopped", "since", "by", "reason"], &rows)
}

/// Lines that stand above a listing: what waits although it is due.
pub fn head(stops: &[Stop], lists: &ListNames) -> Vec<String> {
    let line = |stop: &Stop| {
        let (name, at, by) = (
            sentence(&stop.scope, lists),
            stop.at.to_whole_seconds(),
            &stop.by,
        );
        let reason = if stop.reason.is_empty() {
            String::new()
        } else {
            format!(": {}", stop.reason)
        };
        let line = format!("stopped: {name}, since {at} by {by}{reason}");
        line.replace(char::is_control, " ")
    };
    stops.iter().map(line).collect()
}

/// `all`, `list NAME`, or the destination.
pub fn scope_name(scope: &StopScope, lists: &ListNames) -> String {
    match scope {
        StopScope::All => "all".to_owned(),
        StopScope::List(id) => match lists.of(Some(*id)) {
            Some(name) => format!("list {name}"),
            None => format!("list number {id}"),
        },
        StopScope::Destination(name) => name.clone(),
    }
}

fn sentence(scope: &StopScope, lists: &ListNames) -> String {
    match scope {
        StopScope::All => "all mail".to_owned(),
        StopScope::List(_) => format!("mail of {}", scope_name(scope, lists)),
        StopScope::Destination(name) => format!("mail to {name}"),
    }
}
