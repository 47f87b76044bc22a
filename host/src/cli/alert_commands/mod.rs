//! `gatepost alert …`

mod settings;

use clap::Subcommand;
use serde::Serialize;

use crate::alert::{Alert, AlertFilter, GROUPS, Group, Severity};
use crate::cli::account_commands::find_list;
use crate::cli::output::table;
use crate::cli::{Failure, Output};
use crate::store::Store;

/// Alerts printed at most, the most recent first.
const DEFAULT_LIMIT: u32 = 100;

/// `gatepost alert …`
#[derive(Debug, Subcommand)]
pub enum AlertCommand {
    /// List alerts, the most recent first
    List {
        /// Only those of this list
        #[arg(long, value_name = "NAME")]
        list: Option<String>,
        /// Only those of this group: unauthorized-sender, policy-failure, delivery-problem, bounce, user-flooding,
        /// queue-stalled, certificate-expiring, reload-failed, policy or test
        #[arg(long, value_name = "GROUP", value_parser = group)]
        group: Option<Group>,
        /// How many at most
        #[arg(long, default_value_t = DEFAULT_LIMIT)]
        limit: u32,
    },
    /// Show or change who is told of alerts, when, and where events are posted
    Settings(settings::Settings),
    /// Raise an alert by hand, to see that it arrives
    Test {
        /// The alert of this list; without it, one that concerns the whole relay
        #[arg(long, value_name = "NAME")]
        list: Option<String>,
    },
}

#[derive(Serialize)]
struct Row<'a> {
    id: i64,
    list: Option<&'a str>,
    kind: &'a str,
    group: Group,
    severity: Severity,
    count: i64,
    user: &'a str,
    summary: &'a str,
    message: Option<String>,
    sender: &'a str,
    rule: &'a str,
    first_at: String,
    last_at: String,
}

/// Runs the command.
pub async fn run(command: AlertCommand, store: &Store, output: Output) -> Result<(), Failure> {
    match command {
        AlertCommand::List { list, group, limit } => {
            self::list(list, group, limit, store, output).await
        }
        AlertCommand::Settings(command) => settings::run(command, store, output).await,
        AlertCommand::Test { list } => settings::test(list, store, output).await,
    }
}

async fn list(
    list: Option<String>,
    group: Option<Group>,
    limit: u32,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let list_id = match list {
        Some(name) => Some(find_list(store, &name).await?.id),
        None => None,
    };
    let filter = AlertFilter {
        list: list_id.map(Some),
        group,
        before: None,
        limit,
    };
    let alerts = store.alerts_of(&filter).await?;
    let rows: Vec<Row> = alerts.iter().map(row).collect();
    output.print(&rows, || {
        if rows.is_empty() {
            return "no alerts".to_owned();
        }
        let cells = |row: &Row| {
            let list = row.list.unwrap_or("-").to_owned();
            vec![
                row.last_at.clone(),
                row.count.to_string(),
                list,
                row.user.into(),
                row.kind.into(),
                row.summary.into(),
            ]
        };
        table(
            &["last", "count", "list", "user", "kind", "summary"],
            &rows.iter().map(cells).collect::<Vec<_>>(),
        )
    })
}

fn group(name: &str) -> Result<Group, String> {
    Group::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = GROUPS.into_iter().map(Group::name).collect();
        format!("there is no such group; there are {}", names.join(", "))
    })
}

fn row(alert: &Alert) -> Row<'_> {
    Row {
        id: alert.id,
        list: alert.list.as_deref(),
        kind: alert.kind.as_str(),
        group: alert.kind.group(),
        severity: alert.severity,
        count: alert.count,
        user: &alert.user,
        summary: &alert.summary,
        message: alert.about.message.map(|id| id.to_string()),
        sender: &alert.about.sender,
        rule: &alert.about.rule,
        first_at: alert.first_at.to_string(),
        last_at: alert.last_at.to_string(),
    }
}
