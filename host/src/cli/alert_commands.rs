//! `gatepost alert …`

use clap::Subcommand;
use serde::Serialize;

use super::account_commands::find_list;
use super::output::table;
use super::{Failure, Output};
use crate::alert::{Alert, Severity};
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
        /// How many at most
        #[arg(long, default_value_t = DEFAULT_LIMIT)]
        limit: u32,
    },
}

#[derive(Serialize)]
struct Row<'a> {
    id: i64,
    list: Option<&'a str>,
    kind: &'a str,
    severity: Severity,
    count: i64,
    user: &'a str,
    summary: &'a str,
    first_at: String,
    last_at: String,
}

/// Runs the command.
pub async fn run(command: AlertCommand, store: &Store, output: Output) -> Result<(), Failure> {
    let AlertCommand::List { list, limit } = command;
    let list_id = match list {
        Some(name) => Some(find_list(store, &name).await?.id),
        None => None,
    };
    let alerts = store.alerts(list_id, limit).await?;
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

fn row(alert: &Alert) -> Row<'_> {
    Row {
        id: alert.id,
        list: alert.list.as_deref(),
        kind: &alert.kind,
        severity: alert.severity,
        count: alert.count,
        user: &alert.user,
        summary: &alert.summary,
        first_at: alert.first_at.to_string(),
        last_at: alert.last_at.to_string(),
    }
}
