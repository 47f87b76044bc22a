//! `gatepost operator …`: lets people into the control panel from the machine it runs on.

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::account_commands::find_list;
use super::output::table;
use super::{Failure, Output};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::operators::{NewOperator, Operator, Role, Token, check_name};
use crate::store::Store;

/// `gatepost operator …`
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Add somebody who may sign in to the control panel, and print a one-time link
    Add {
        /// The name to sign in with
        name: String,
        /// What they may reach
        #[arg(long, value_enum, default_value = "operator")]
        role: RoleWord,
        /// A list of a list manager; may be repeated
        #[arg(long = "list", value_name = "NAME")]
        lists: Vec<String>,
    },
    /// List those who may sign in
    List,
    /// Forget somebody's password and one-time codes, sign them out, and print a one-time link
    Reset {
        /// The name
        name: String,
    },
    /// Delete somebody
    Delete {
        /// The name
        name: String,
    },
}

/// What somebody may reach.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RoleWord {
    /// Everything
    Operator,
    /// The lists that are named
    ListManager,
}

#[derive(Serialize)]
struct Row {
    name: String,
    role: Role,
    lists: Vec<String>,
    active: bool,
    has_password: bool,
    one_time_codes: bool,
    signed_in_at: Option<String>,
    created_at: String,
}

#[derive(Serialize)]
struct Link {
    name: String,
    link: String,
    expires_at: String,
}

/// Runs the command.
pub async fn run(
    command: OperatorCommand,
    config: &Config,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    match command {
        OperatorCommand::Add { name, role, lists } => {
            let operator = add(store, &name, role, &lists).await?;
            print_link(config, store, &operator, output).await
        }
        OperatorCommand::List => show_all(store, output).await,
        OperatorCommand::Reset { name } => {
            let operator = find(store, &name).await?;
            store.reset_operator(operator.id).await?;
            print_link(config, store, &operator, output).await
        }
        OperatorCommand::Delete { name } => {
            let operator = find(store, &name).await?;
            store.delete_operator(operator.id).await?;
            let deleted = serde_json::json!({ "deleted": operator.name });
            output.print(&deleted, || format!("deleted operator {}", operator.name))
        }
    }
}

async fn add(
    store: &Store,
    name: &str,
    role: RoleWord,
    lists: &[String],
) -> Result<Operator, Failure> {
    check_name(name).map_err(|problem| {
        let text = format!(
            "`{}` cannot be the name of an operator",
            name.escape_debug()
        );
        Failure::message(text).hint(problem.to_string())
    })?;
    let role = match role {
        RoleWord::Operator => Role::Operator,
        RoleWord::ListManager => Role::ListManager,
    };
    if role == Role::Operator && !lists.is_empty() {
        let text = "--list is for list managers; operators reach every list";
        return Err(Failure::message(text).hint("add --role list-manager, or leave --list out"));
    }
    let mut numbers = Vec::new();
    for list in lists {
        numbers.push(find_list(store, list).await?.id);
    }
    let new = NewOperator {
        name: name.to_owned(),
        role,
        lists: numbers,
    };
    Ok(store.create_operator(new).await?)
}

/// The operator of that name.
///
/// # Errors
/// There is none.
pub async fn find(store: &Store, name: &str) -> Result<Operator, Failure> {
    let found = store.operator_by_name(name).await?;
    found.ok_or_else(|| {
        Failure::message(format!("there is no operator `{name}`"))
            .hint("`gatepost operator list` names those there are")
    })
}

/// Makes a link, which replaces an earlier one.
async fn print_link(
    config: &Config,
    store: &Store,
    operator: &Operator,
    output: Output,
) -> Result<(), Failure> {
    let token = Token::generate();
    let until = Timestamp::now() + config.panel.link_lifetime();
    let digest = token.digest();
    store
        .create_operator_link(operator.id, digest, until)
        .await?;
    let link = Link {
        name: operator.name.clone(),
        link: config.panel.welcome_link(&config.hostname, &token),
        expires_at: until.to_whole_seconds(),
    };
    let is_served = !config.panel.address.is_empty();
    output.print(&link, || {
        let served = if is_served {
            ""
        } else {
            "\nThe panel is not served yet: set panel.address in the configuration."
        };
        format!(
            "{} chooses a password here, once, until {}:\n  {}{served}",
            link.name, link.expires_at, link.link
        )
    })
}

async fn show_all(store: &Store, output: Output) -> Result<(), Failure> {
    let lists = store.lists().await?;
    let name_of = |id: &i64| {
        let list = lists.iter().find(|list| list.id == *id);
        list.map_or_else(|| id.to_string(), |list| list.name.clone())
    };
    let rows: Vec<Row> = store
        .operators()
        .await?
        .into_iter()
        .map(|one| Row {
            lists: one.lists.iter().map(name_of).collect(),
            name: one.name,
            role: one.role,
            active: one.active,
            has_password: one.password_hash.is_some(),
            one_time_codes: one.totp.is_some(),
            signed_in_at: one.signed_in_at.map(Timestamp::to_whole_seconds),
            created_at: one.created_at.to_whole_seconds(),
        })
        .collect();
    output.print(&rows, || text(&rows))
}

fn text(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "nobody yet; add somebody with `gatepost operator add NAME`".to_owned();
    }
    let cells = |row: &Row| {
        let status = match (row.active, row.has_password) {
            (false, _) => "inactive",
            (true, false) => "no password yet",
            (true, true) => "active",
        };
        let lists = match row.role {
            Role::Operator => "all".to_owned(),
            Role::ListManager => row.lists.join(", "),
        };
        vec![
            row.name.clone(),
            row.role.word().to_owned(),
            lists,
            status.to_owned(),
            if row.one_time_codes { "on" } else { "off" }.to_owned(),
            row.signed_in_at.clone().unwrap_or_default(),
        ]
    };
    let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let header = ["name", "role", "lists", "status", "codes", "signed in"];
    table(&header, &cells)
}
