//! `gatepost user …`

use clap::Subcommand;
use serde::Serialize;

use super::find_list;
use crate::accounts::{self, EntryProblem, User};
use crate::cli::output::table;
use crate::cli::{Failure, Output};
use crate::config::Config;
use crate::queue::Priority;
use crate::secret::Secret;
use crate::store::{NewUser, Store};

/// Characters of a note.
const MAX_NOTE_CHARACTERS: usize = 1000;

/// `gatepost user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user; its password is shown this once
    Add {
        /// The list it belongs to
        #[arg(long, value_name = "NAME")]
        list: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Show one user
    Show {
        /// Its user name, like s1_2
        username: String,
    },
    /// List users
    List {
        /// Only those of this list
        #[arg(long, value_name = "NAME")]
        list: Option<String>,
    },
    /// Change a user; takes effect on its next command
    Edit {
        /// Its user name, like s1_2
        username: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Delete a user; its messages stay
    Delete {
        /// Its user name, like s1_2
        username: String,
    },
    /// Make a new password; it is shown this once, and the old one ends at once
    ResetPassword {
        /// Its user name, like s1_2
        username: String,
    },
}

/// What can be set on a user.
#[derive(Debug, Default, clap::Args)]
pub struct Settings {
    /// Domains it may send as, separated by `;`, like `example.com;*.example.net`; empty: see --authorized-senders
    #[arg(long, value_name = "DOMAINS")]
    authorized_domains: Option<String>,
    /// Addresses it may send as, separated by `;`; when both are empty it may send as anyone
    #[arg(long, value_name = "ADDRESSES")]
    authorized_senders: Option<String>,
    /// Default priority, 1 (very high) to 5 (very low)
    #[arg(long, value_name = "1-5")]
    priority: Option<Priority>,
    /// A note for administrators
    #[arg(long)]
    note: Option<String>,
    /// Whether it may log in
    #[arg(long, value_name = "true|false")]
    active: Option<bool>,
}

#[derive(Serialize)]
struct Row {
    username: String,
    list: String,
    active: bool,
    priority: Priority,
    note: String,
    authorized_domains: String,
    authorized_senders: String,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// Runs the command.
pub async fn run(
    command: UserCommand,
    config: &Config,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let (user, password) = match command {
        UserCommand::Add { list, settings } => add(store, config, &list, settings).await?,
        UserCommand::Show { username } => (find_user(store, &username).await?, None),
        UserCommand::List { list } => return list_users(store, list.as_deref(), output).await,
        UserCommand::Edit { username, settings } => (edit(store, &username, settings).await?, None),
        UserCommand::Delete { username } => {
            store
                .delete_user(find_user(store, &username).await?.id)
                .await?;
            return output.print(&serde_json::json!({ "deleted": username }), || {
                format!("deleted user {username}")
            });
        }
        UserCommand::ResetPassword { username } => reset_password(store, config, &username).await?,
    };
    let row = row(store, user, password).await?;
    output.print(&row, || details(&row))
}

async fn add(
    store: &Store,
    config: &Config,
    list: &str,
    settings: Settings,
) -> Result<(User, Option<Secret<String>>), Failure> {
    settings.check()?;
    let list = find_list(store, list).await?;
    let password = accounts::password::generate();
    let user = NewUser {
        list_id: list.id,
        password_hash: hash(&password, config)?,
        scram_verifier: Some(accounts::scram::new_verifier(&password, &config.accounts)),
        active: settings.active.unwrap_or(true),
        priority: settings.priority.unwrap_or_default(),
        note: settings.note.unwrap_or_default(),
        authorized_domains: settings.authorized_domains.unwrap_or_default(),
        authorized_senders: settings.authorized_senders.unwrap_or_default(),
    };
    Ok((store.create_user(user).await?, Some(password)))
}

async fn edit(store: &Store, username: &str, settings: Settings) -> Result<User, Failure> {
    settings.check()?;
    let mut user = find_user(store, username).await?;
    let Settings {
        authorized_domains,
        authorized_senders,
        priority,
        note,
        active,
    } = settings;
    user.authorized_domains = authorized_domains.unwrap_or(user.authorized_domains);
    user.authorized_senders = authorized_senders.unwrap_or(user.authorized_senders);
    user.priority = priority.unwrap_or(user.priority);
    user.note = note.unwrap_or(user.note);
    user.active = active.unwrap_or(user.active);
    store.update_user(&user).await?;
    Ok(user)
}

async fn reset_password(
    store: &Store,
    config: &Config,
    username: &str,
) -> Result<(User, Option<Secret<String>>), Failure> {
    let user = find_user(store, username).await?;
    let password = accounts::password::generate();
    let scram_verifier = accounts::scram::new_verifier(&password, &config.accounts);
    let hash = hash(&password, config)?;
    store
        .set_password(user.id, hash, Some(scram_verifier))
        .await?;
    Ok((user, Some(password)))
}

fn hash(password: &Secret<String>, config: &Config) -> Result<Secret<String>, Failure> {
    let hash = accounts::password::hash(password, &config.accounts).map_err(Failure::new)?;
    Ok(Secret::new(hash))
}

async fn find_user(store: &Store, username: &str) -> Result<User, Failure> {
    let user = store.user_by_name(username).await?;
    user.ok_or_else(|| {
        Failure::message(format!("there is no user `{username}`"))
            .hint("`gatepost user list` names those there are")
    })
}

impl Settings {
    /// Refuses what would not mean what it looks like.
    fn check(&self) -> Result<(), Failure> {
        let domains = self
            .authorized_domains
            .as_deref()
            .map_or(Ok(()), accounts::check_domains);
        domains.map_err(|problems| refused("--authorized-domains", &problems))?;
        let senders = self
            .authorized_senders
            .as_deref()
            .map_or(Ok(()), accounts::check_senders);
        senders.map_err(|problems| refused("--authorized-senders", &problems))?;
        if self
            .note
            .as_ref()
            .is_some_and(|note| note.chars().count() > MAX_NOTE_CHARACTERS)
        {
            return Err(Failure::message(format!(
                "--note: longer than {MAX_NOTE_CHARACTERS} characters"
            )));
        }
        Ok(())
    }
}

fn refused(option: &str, problems: &[EntryProblem]) -> Failure {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Failure::message(format!("{option}: {}", problems.join("\n  ")))
        .hint("nothing was changed; separate entries with `;`")
}

async fn row(store: &Store, user: User, password: Option<Secret<String>>) -> Result<Row, Failure> {
    let lists = store.lists().await?;
    let list = lists
        .into_iter()
        .find(|list| list.id == user.list_id)
        .map(|list| list.name);
    Ok(Row {
        username: user.username,
        list: list.unwrap_or_default(),
        active: user.active,
        priority: user.priority,
        note: user.note,
        authorized_domains: user.authorized_domains,
        authorized_senders: user.authorized_senders,
        created_at: user.created_at.to_string(),
        password: password.map(|password| password.expose().clone()),
    })
}

async fn list_users(store: &Store, list: Option<&str>, output: Output) -> Result<(), Failure> {
    let list_id = match list {
        Some(name) => Some(find_list(store, name).await?.id),
        None => None,
    };
    let mut rows = Vec::new();
    for user in store.users(list_id).await? {
        rows.push(row(store, user, None).await?);
    }
    output.print(&rows, || {
        if rows.is_empty() {
            return "no users yet; add one with `gatepost user add --list NAME`".to_owned();
        }
        let cells = |row: &Row| {
            let active = if row.active { "active" } else { "inactive" };
            let allowed = [
                row.authorized_domains.as_str(),
                row.authorized_senders.as_str(),
            ];
            let allowed: Vec<&str> = allowed
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect();
            let allowed = if allowed.is_empty() {
                "everyone".to_owned()
            } else {
                allowed.join(";")
            };
            vec![
                row.username.clone(),
                row.list.clone(),
                active.into(),
                row.priority.to_string(),
                allowed,
                row.note.clone(),
            ]
        };
        let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
        table(
            &["user", "list", "status", "priority", "may send as", "note"],
            &rows,
        )
    })
}

fn details(row: &Row) -> String {
    let everyone = row.authorized_domains.is_empty() && row.authorized_senders.is_empty();
    let mut lines = vec![
        format!("user name           {}", row.username),
        format!("list                {}", row.list),
        format!(
            "status              {}",
            if row.active { "active" } else { "inactive" }
        ),
        format!("default priority    {}", row.priority),
        format!("authorized domains  {}", row.authorized_domains),
        format!("authorized senders  {}", row.authorized_senders),
        format!("note                {}", row.note),
    ];
    if everyone {
        lines.push("                    both empty: may send as anyone".to_owned());
    }
    if let Some(password) = &row.password {
        lines.push(format!("password            {password}"));
        lines.push(
            "                    shown this once; it cannot be read again, only reset".to_owned(),
        );
    }
    lines
        .iter()
        .map(|line| line.trim_end())
        .collect::<Vec<_>>()
        .join("\n")
}
