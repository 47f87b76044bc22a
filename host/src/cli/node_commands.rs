//! `gatepost nodes`

use serde::Serialize;

use super::output::table;
use super::{Failure, Output};
use crate::store::{Node, Store, usual_policies};

/// Characters of a digest that people are shown.
const SHOWN_DIGEST: usize = 12;

#[derive(Serialize)]
struct Row<'a> {
    id: i64,
    name: &'a str,
    state: &'static str,
    version: &'a str,
    policies: &'a str,
    /// It decides otherwise than most of the others.
    differs: bool,
    panel: &'a str,
    silent_ms: i64,
    #[serde(skip)]
    is_late: bool,
    served_a_minute: i64,
    claims: i64,
    started_at: String,
    ended_at: Option<String>,
}

/// Prints who shares the store.
pub async fn run(store: &Store, output: Output) -> Result<(), Failure> {
    let nodes = store.nodes().await?;
    let usual = usual_policies(&nodes).unwrap_or_default();
    let rows: Vec<Row> = nodes.iter().map(|node| row(node, usual)).collect();
    output.print(&rows, || text(&rows, store.is_shared()))
}

fn row<'a>(node: &'a Node, usual: &str) -> Row<'a> {
    Row {
        id: node.id,
        name: &node.facts.name,
        // A late one is told by a field of its own.
        state: node.ended.map_or("alive", |(_, ending)| ending.as_str()),
        version: &node.facts.version,
        policies: &node.facts.policies,
        differs: node.ended.is_none() && node.facts.policies != usual,
        panel: &node.facts.panel,
        silent_ms: node.silent_ms,
        is_late: node.is_late(),
        served_a_minute: node.rate,
        claims: node.claims,
        started_at: node.started_at.to_string(),
        ended_at: node.ended.map(|(at, _)| at.to_string()),
    }
}

fn text(rows: &[Row<'_>], is_shared: bool) -> String {
    if rows.is_empty() {
        return if is_shared {
            "no node is running".to_owned()
        } else {
            "the store is a file of this machine: it has no nodes".to_owned()
        };
    }
    let header = [
        "node", "name", "state", "heard", "a minute", "claims", "policies", "release",
    ];
    let cells = |row: &Row<'_>| {
        let digest = row.policies.get(..SHOWN_DIGEST).unwrap_or(row.policies);
        let differs = if row.differs { " (differs)" } else { "" };
        vec![
            row.id.to_string(),
            row.name.to_owned(),
            if row.is_late { "late" } else { row.state }.to_owned(),
            ago(row.silent_ms),
            row.ended_at
                .as_ref()
                .map_or_else(|| row.served_a_minute.to_string(), |_| String::new()),
            row.claims.to_string(),
            format!("{digest}{differs}"),
            row.version.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    table(&header, &rows)
}

/// How long ago, in the greatest unit of which it is two at least.
fn ago(silent_ms: i64) -> String {
    match silent_ms / 1000 {
        seconds @ ..120 => format!("{seconds} s ago"),
        seconds @ ..7200 => format!("{} min ago", seconds / 60),
        seconds => format!("{} h ago", seconds / 3600),
    }
}
