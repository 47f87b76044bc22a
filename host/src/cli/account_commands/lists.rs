//! `gatepost list …`

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::{settings, suppressions};
use crate::accounts::{
    List, PolicySetting, PolicySettings, Unauthorized, check_list_name, unknown_identity,
};
use crate::cli::output::table;
use crate::cli::{Failure, Output};
use crate::delivery::Route;
use crate::store::Store;

/// `gatepost list …`
#[derive(Debug, Subcommand)]
pub enum ListCommand {
    /// Add a list
    Add {
        /// Its name
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Show one list, or all of them
    Show {
        /// Its name
        name: Option<String>,
    },
    /// Change a list
    Edit {
        /// Its name
        name: String,
        /// Its new name
        #[arg(long, value_name = "NAME")]
        rename: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// List recipients that are not tried because they do not exist, or have them tried again
    Suppressions(suppressions::Suppressions),
    /// Delete a list that has no users
    Delete {
        /// Its name
        name: String,
    },
}

/// What can be set on a list.
#[derive(Debug, clap::Args)]
pub struct Settings {
    /// What happens to mail from an unauthorized sender; `default` leaves it to the policy's settings
    #[arg(long, value_enum)]
    unauthorized: Option<UnauthorizedSetting>,
    /// Identities to check: from, sender, envelope, separated by commas; `default` leaves it to the policy's settings
    #[arg(long, value_name = "IDENTITIES")]
    check: Option<String>,
    /// Mark messages of effective priority 1 so that their readers see it
    #[arg(long, value_name = "true|false")]
    display_importance: Option<bool>,
    /// Send its mail over this [[delivery.route]] of the configuration, where no policy chooses another
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,
    /// Send its mail where all mail goes
    #[arg(long, conflicts_with = "route")]
    no_route: bool,
    /// Remember recipients that do not exist (5.1.1 and the like), and fail later mail to them at once
    #[arg(long, value_enum, value_name = "on|off")]
    suppress_bounces: Option<Switch>,
    /// Tell the policies NAME, the fact `list.setting.NAME`; `NAME=` removes it, and it may be repeated
    #[arg(long = "policy-setting", value_name = "NAME=VALUE")]
    policy_settings: Vec<PolicySetting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum UnauthorizedSetting {
    /// Refuse it, and raise an alert
    Block,
    /// Send it, and raise an alert
    Alert,
    /// Leave it to the policy's settings
    Default,
}

#[derive(Serialize)]
struct Row {
    id: i64,
    name: String,
    unauthorized: Option<Unauthorized>,
    check: Option<String>,
    display_importance: bool,
    route: Option<String>,
    suppress_bounces: bool,
    policy_settings: PolicySettings,
    users: usize,
    created_at: String,
}

/// Runs the command.
pub async fn run(
    command: ListCommand,
    routes: &[Route],
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let list = match command {
        ListCommand::Show { name: None } => return show_all(store, output).await,
        ListCommand::Suppressions(command) => {
            return suppressions::run(command, store, output).await;
        }
        ListCommand::Show { name: Some(name) } => find_list(store, &name).await?,
        ListCommand::Add { name, settings } => {
            check_settings(&settings, routes)?;
            add(store, &name, &settings).await?
        }
        ListCommand::Edit {
            name,
            rename,
            settings,
        } => {
            check_settings(&settings, routes)?;
            edit(store, &name, rename, &settings).await?
        }
        ListCommand::Delete { name } => {
            let list = find_list(store, &name).await?;
            store.delete_list(list.id).await?;
            return output.print(&serde_json::json!({ "deleted": list.name }), || {
                format!("deleted list {}", list.name)
            });
        }
    };
    let row = row(store, list).await?;
    output.print(&row, || text(std::slice::from_ref(&row)))
}

/// The list of that name.
///
/// # Errors
/// When there is none; the hint names those there are.
pub async fn find_list(store: &Store, name: &str) -> Result<List, Failure> {
    if let Some(list) = store.list_by_name(name).await? {
        return Ok(list);
    }
    let names: Vec<String> = store
        .lists()
        .await?
        .into_iter()
        .map(|list| list.name)
        .collect();
    let hint = if names.is_empty() {
        format!("add it with `gatepost list add {name}`")
    } else {
        format!("the lists are: {}", names.join(", "))
    };
    Err(Failure::message(format!("there is no list `{name}`")).hint(hint))
}

async fn add(store: &Store, name: &str, settings: &Settings) -> Result<List, Failure> {
    check_name(name)?;
    let mut list = store.create_list(name).await?;
    if settings.apply(&mut list)? {
        store.update_list(&list).await?;
    }
    settings.apply_switch(store, &list).await?;
    Ok(list)
}

async fn edit(
    store: &Store,
    name: &str,
    rename: Option<String>,
    settings: &Settings,
) -> Result<List, Failure> {
    let mut list = find_list(store, name).await?;
    let mut changed = settings.apply(&mut list)?;
    if let Some(rename) = rename {
        check_name(&rename)?;
        list.name = rename;
        changed = true;
    }
    if changed {
        store.update_list(&list).await?;
    }
    settings.apply_switch(store, &list).await?;
    Ok(list)
}

impl Settings {
    /// Sets what is no property of the list itself.
    async fn apply_switch(&self, store: &Store, list: &List) -> Result<(), Failure> {
        if let Some(switch) = self.suppress_bounces {
            store.set_suppressing(list.id, switch == Switch::On).await?;
        }
        Ok(())
    }

    /// Puts what was given into the list; true when anything was.
    fn apply(&self, list: &mut List) -> Result<bool, Failure> {
        if let Some(setting) = self.unauthorized {
            list.unauthorized = match setting {
                UnauthorizedSetting::Block => Some(Unauthorized::Block),
                UnauthorizedSetting::Alert => Some(Unauthorized::Alert),
                UnauthorizedSetting::Default => None,
            };
        }
        if let Some(check) = &self.check {
            list.check = (check != "default").then(|| check.replace(' ', ""));
        }
        if let Some(display) = self.display_importance {
            list.display_importance = display;
        }
        if self.no_route || self.route.is_some() {
            list.route.clone_from(&self.route);
        }
        list.policy_settings
            .apply(&self.policy_settings)
            .map_err(settings::refused)?;
        let is_changed = self.unauthorized.is_some()
            || self.check.is_some()
            || self.display_importance.is_some()
            || self.route.is_some()
            || self.no_route
            || !self.policy_settings.is_empty();
        Ok(is_changed)
    }
}

fn check_name(name: &str) -> Result<(), Failure> {
    check_list_name(name).map_err(|problem| {
        let text = format!("`{}` cannot be the name of a list", name.escape_debug());
        Failure::message(text).hint(problem.to_string())
    })
}

fn check_settings(settings: &Settings, routes: &[Route]) -> Result<(), Failure> {
    check_route(settings, routes)?;
    let Some(check) = settings
        .check
        .as_deref()
        .filter(|check| *check != "default")
    else {
        return Ok(());
    };
    match unknown_identity(check.split(',').map(str::trim)) {
        None => Ok(()),
        Some(identity) => Err(Failure::message(format!(
            "--check: `{identity}` is not an identity"
        ))
        .hint("use from, sender and envelope, separated by commas, or `default`")),
    }
}

/// A route that there is not would keep all mail of the list waiting.
fn check_route(settings: &Settings, routes: &[Route]) -> Result<(), Failure> {
    let is_known = |name: &String| routes.iter().any(|route| route.name == *name);
    let Some(name) = settings.route.as_ref().filter(|name| !is_known(name)) else {
        return Ok(());
    };
    let names: Vec<&str> = routes.iter().map(|route| route.name.as_str()).collect();
    let hint = if names.is_empty() {
        "add a [[delivery.route]] with that name to the configuration".to_owned()
    } else {
        format!("the routes of the configuration are: {}", names.join(", "))
    };
    Err(Failure::message(format!("there is no route `{name}`")).hint(hint))
}

async fn row(store: &Store, list: List) -> Result<Row, Failure> {
    let suppressing = store.suppressing_lists().await?;
    Ok(Row {
        suppress_bounces: suppressing.iter().any(|(id, _)| *id == list.id),
        users: store.users(Some(list.id)).await?.len(),
        id: list.id,
        name: list.name,
        unauthorized: list.unauthorized,
        check: list.check,
        display_importance: list.display_importance,
        route: list.route,
        policy_settings: list.policy_settings,
        created_at: list.created_at.to_string(),
    })
}

async fn show_all(store: &Store, output: Output) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for list in store.lists().await? {
        rows.push(row(store, list).await?);
    }
    output.print(&rows, || match rows.as_slice() {
        [] => "no lists yet; add one with `gatepost list add NAME`".to_owned(),
        rows => text(rows),
    })
}

fn text(rows: &[Row]) -> String {
    let cells = |row: &Row| {
        let unauthorized = match row.unauthorized {
            Some(Unauthorized::Block) => "block",
            Some(Unauthorized::Alert) => "alert",
            None => "default",
        };
        let check = row.check.clone().unwrap_or_else(|| "default".to_owned());
        vec![
            row.id.to_string(),
            row.name.clone(),
            unauthorized.into(),
            check,
            row.route.clone().unwrap_or_else(|| "-".to_owned()),
            row.users.to_string(),
            settings::shown(&row.policy_settings),
        ]
    };
    table(
        &[
            "id",
            "name",
            "unauthorized",
            "check",
            "route",
            "users",
            "policy settings",
        ],
        &rows.iter().map(cells).collect::<Vec<_>>(),
    )
}
