//! `gatepost list suppressions`: recipients that are not tried because they do not exist.

use serde_json::{Value, json};

use super::find_list;
use crate::cli::output::table;
use crate::cli::{Failure, Output};
use crate::queue::Suppression;
use crate::smtp::Mailbox;
use crate::store::Store;

/// `gatepost list suppressions`
#[derive(Debug, clap::Args)]
pub struct Suppressions {
    /// The list's name
    name: String,
    /// Forget this address: it is tried again
    #[arg(long, value_name = "ADDRESS")]
    remove: Vec<String>,
    /// The page after this address
    #[arg(long, value_name = "ADDRESS", conflicts_with = "remove")]
    after: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

/// Lists what a list remembers, or forgets some of it.
///
/// # Errors
/// When there is no such list, or an address is none or not remembered.
pub async fn run(command: Suppressions, store: &Store, output: Output) -> Result<(), Failure> {
    let list = find_list(store, &command.name).await?;
    if !command.remove.is_empty() {
        return remove(&command.remove, list.id, store, output).await;
    }
    let after = command.after.as_deref().map(mailbox).transpose()?;
    let found = store
        .suppressions(list.id, after.as_ref(), command.limit)
        .await?;
    let lists = store.suppressing_lists().await?;
    let is_on = lists.iter().any(|(id, _)| *id == list.id);
    let rows: Vec<Value> = found.iter().map(value).collect();
    output.print(&rows, || text(&found, is_on, &command))
}

async fn remove(
    addresses: &[String],
    list_id: i64,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let mut removed = Vec::new();
    for address in addresses {
        let address = mailbox(address)?;
        if !store.unsuppress(list_id, address.clone()).await? {
            let hint = "`gatepost list suppressions NAME` lists those that are";
            let text = format!("{address} is not on the suppression list");
            return Err(Failure::message(text).hint(hint));
        }
        removed.push(address.to_string());
    }
    output.print(&json!({ "removed": removed }), || {
        format!("removed {}", removed.join(" "))
    })
}

fn mailbox(text: &str) -> Result<Mailbox, Failure> {
    Mailbox::parse_utf8(text)
        .map_err(|error| Failure::new(error).hint("write it like ann@example.com"))
}

fn value(one: &Suppression) -> Value {
    json!({
        "address": one.address.to_string(),
        "since": one.at.to_string(),
        "message": one.message.to_string(),
        "reply": one.reply,
    })
}

fn text(found: &[Suppression], is_on: bool, command: &Suppressions) -> String {
    let name = &command.name;
    let mut lines = Vec::new();
    if !is_on {
        lines.push(format!(
            "the list does not remember bounces: `gatepost list edit {name} --suppress-bounces on`"
        ));
    }
    if found.is_empty() {
        lines.push("no address is suppressed".to_owned());
        return lines.join("\n");
    }
    let cells = |one: &Suppression| {
        vec![
            one.address.to_string(),
            one.at.to_whole_seconds(),
            one.message.to_string(),
            one.reply.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = found.iter().map(cells).collect();
    lines.push(table(&["address", "since", "message", "because"], &rows));
    if let Some(last) = found
        .last()
        .filter(|_| found.len() >= command.limit as usize)
    {
        lines.push(format!("\nthere may be more: add --after {}", last.address));
    }
    lines.join("\n")
}
