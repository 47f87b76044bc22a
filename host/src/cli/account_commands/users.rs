//! `gatepost user …`

use clap::Subcommand;
use serde::Serialize;

use super::{find_list, settings};
use crate::accounts::credentials::{self, Credential};
use crate::accounts::{
    self, Allowance, EntryProblem, MAX_NOTE_CHARACTERS, PolicySetting, PolicySettings, Span, User,
};
use crate::cli::output::table;
use crate::cli::{Failure, Output};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::queue::Priority;
use crate::secret::Secret;
use crate::store::{NewUser, Store};

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
    /// Tell the policies NAME, the fact `account.setting.NAME`; `NAME=` removes it, and it may be repeated
    #[arg(long = "policy-setting", value_name = "NAME=VALUE")]
    policy_settings: Vec<PolicySetting>,
    /// Default priority, 1 (very high) to 5 (very low)
    #[arg(long, value_name = "1-5")]
    priority: Option<Priority>,
    /// A note for administrators
    #[arg(long)]
    note: Option<String>,
    /// Messages it may send in an hour: a number, `unlimited`, or `default` for what the configuration says
    #[arg(long, value_name = "N")]
    messages_per_hour: Option<Allowance>,
    /// Messages it may send in a day: a number, `unlimited`, or `default` for what the configuration says
    #[arg(long, value_name = "N")]
    messages_per_day: Option<Allowance>,
    /// Messages of priority 1 it may send in an hour, as above; the surplus is sent with priority 2
    #[arg(long, value_name = "N")]
    urgent_per_hour: Option<Allowance>,
    /// Messages of priority 1 it may send in a day, as above
    #[arg(long, value_name = "N")]
    urgent_per_day: Option<Allowance>,
    /// Whether it may log in; `true` lifts a suspension, and its messages are counted from then on
    #[arg(long, value_name = "true|false")]
    active: Option<bool>,
}

#[derive(Serialize)]
struct Row {
    username: String,
    list: String,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended_because: Option<String>,
    priority: Priority,
    note: String,
    authorized_domains: String,
    authorized_senders: String,
    policy_settings: PolicySettings,
    messages_per_hour: Allowance,
    messages_per_day: Allowance,
    urgent_per_hour: Allowance,
    urgent_per_day: Allowance,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    sent: Option<Sent>,
    created_at: String,
    /// Whether the password can be used by SCRAM.
    scram: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// What a user has sent, as far as its limits count it.
#[derive(Serialize)]
struct Sent {
    sent_1h: u32,
    sent_24h: u32,
    urgent_1h: u32,
    urgent_24h: u32,
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
        UserCommand::Show { username } => return show(store, config, &username, output).await,
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
    output.print(&row, || details(&row, config))
}

async fn show(
    store: &Store,
    config: &Config,
    username: &str,
    output: Output,
) -> Result<(), Failure> {
    let user = find_user(store, username).await?;
    let now = Timestamp::now();
    let usage = store.usage(&user.username, now).await?;
    let mut row = row(store, user, None).await?;
    row.sent = Some(Sent {
        sent_1h: usage.within(Span::Hour, now),
        sent_24h: usage.within(Span::Day, now),
        urgent_1h: usage.urgent_within(Span::Hour, now),
        urgent_24h: usage.urgent_within(Span::Day, now),
    });
    output.print(&row, || details(&row, config))
}

async fn add(
    store: &Store,
    config: &Config,
    list: &str,
    settings: Settings,
) -> Result<(User, Option<Secret<String>>), Failure> {
    settings.check()?;
    let list = find_list(store, list).await?;
    let made = credential(store, config).await?;
    let user = NewUser {
        list_id: list.id,
        password_hash: made.password_hash,
        scram_verifier: Some(made.scram_verifier),
        active: settings.active.unwrap_or(true),
        priority: settings.priority.unwrap_or_default(),
        note: settings.note.unwrap_or_default(),
        authorized_domains: settings.authorized_domains.unwrap_or_default(),
        authorized_senders: settings.authorized_senders.unwrap_or_default(),
        policy_settings: told(PolicySettings::default(), &settings.policy_settings)?,
        messages_per_hour: settings.messages_per_hour.unwrap_or_default(),
        messages_per_day: settings.messages_per_day.unwrap_or_default(),
        urgent_per_hour: settings.urgent_per_hour.unwrap_or_default(),
        urgent_per_day: settings.urgent_per_day.unwrap_or_default(),
    };
    Ok((store.create_user(user).await?, Some(made.password)))
}

async fn edit(store: &Store, username: &str, settings: Settings) -> Result<User, Failure> {
    settings.check()?;
    let mut user = find_user(store, username).await?;
    let Settings {
        authorized_domains,
        authorized_senders,
        policy_settings,
        priority,
        note,
        messages_per_hour,
        messages_per_day,
        urgent_per_hour,
        urgent_per_day,
        active,
    } = settings;
    user.authorized_domains = authorized_domains.unwrap_or(user.authorized_domains);
    user.authorized_senders = authorized_senders.unwrap_or(user.authorized_senders);
    user.policy_settings = told(user.policy_settings, &policy_settings)?;
    user.priority = priority.unwrap_or(user.priority);
    user.note = note.unwrap_or(user.note);
    user.messages_per_hour = messages_per_hour.unwrap_or(user.messages_per_hour);
    user.messages_per_day = messages_per_day.unwrap_or(user.messages_per_day);
    user.urgent_per_hour = urgent_per_hour.unwrap_or(user.urgent_per_hour);
    user.urgent_per_day = urgent_per_day.unwrap_or(user.urgent_per_day);
    user.active = active.unwrap_or(user.active);
    store.update_user(&user).await?;
    // Read again: a suspension may have been lifted, or have come meanwhile.
    find_user(store, username).await
}

async fn reset_password(
    store: &Store,
    config: &Config,
    username: &str,
) -> Result<(User, Option<Secret<String>>), Failure> {
    let user = find_user(store, username).await?;
    let made = credential(store, config).await?;
    store
        .set_password(user.id, made.password_hash, Some(made.scram_verifier))
        .await?;
    Ok((find_user(store, username).await?, Some(made.password)))
}

async fn credential(store: &Store, config: &Config) -> Result<Credential, Failure> {
    let basis = store.scram_basis(config.accounts.scram_iterations).await?;
    credentials::generate(&config.accounts, &basis).map_err(Failure::new)
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

/// The settings after these changes.
fn told(
    mut settings: PolicySettings,
    changes: &[PolicySetting],
) -> Result<PolicySettings, Failure> {
    settings.apply(changes).map_err(settings::refused)?;
    Ok(settings)
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
    let suspended_at = user.suspension.as_ref().map(|one| one.at.to_string());
    Ok(Row {
        scram: accounts::scram::is_possible(&user),
        username: user.username,
        list: list.unwrap_or_default(),
        active: user.active,
        suspended_at,
        suspended_because: user.suspension.map(|one| one.reason),
        priority: user.priority,
        note: user.note,
        authorized_domains: user.authorized_domains,
        authorized_senders: user.authorized_senders,
        policy_settings: user.policy_settings,
        messages_per_hour: user.messages_per_hour,
        messages_per_day: user.messages_per_day,
        urgent_per_hour: user.urgent_per_hour,
        urgent_per_day: user.urgent_per_day,
        sent: None,
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
                status(row).into(),
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

/// Whether a user can log in by SCRAM, and what to do if not.
fn scram(is_possible: bool, username: &str) -> String {
    if is_possible {
        return "possible".to_owned();
    }
    format!(
        "not with this password, which is older; `gatepost user reset-password {username}` makes one that can"
    )
}

fn status(row: &Row) -> &'static str {
    match (row.active, &row.suspended_at) {
        (true, _) => "active",
        (false, None) => "inactive",
        (false, Some(_)) => "suspended",
    }
}

/// A line of `user show`.
fn line(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name:<20}{value}")
}

/// The limits in effect, and what counts against them.
fn limit_lines(row: &Row, config: &Config) -> [String; 4] {
    let one = |name, own: Allowance, default, sent: Option<u32>| {
        let origin = match own {
            Allowance::Default => " (default)",
            Allowance::Own(_) => "",
        };
        let sent = sent.map_or_else(String::new, |sent| format!(", {sent} sent"));
        line(name, format!("{}{origin}{sent}", own.or(default)))
    };
    let (limits, sent) = (&config.limits, row.sent.as_ref());
    [
        one(
            "messages an hour",
            row.messages_per_hour,
            limits.messages_per_hour,
            sent.map(|sent| sent.sent_1h),
        ),
        one(
            "messages a day",
            row.messages_per_day,
            limits.messages_per_day,
            sent.map(|sent| sent.sent_24h),
        ),
        one(
            "urgent an hour",
            row.urgent_per_hour,
            limits.urgent_per_hour,
            sent.map(|sent| sent.urgent_1h),
        ),
        one(
            "urgent a day",
            row.urgent_per_day,
            limits.urgent_per_day,
            sent.map(|sent| sent.urgent_24h),
        ),
    ]
}

fn details(row: &Row, config: &Config) -> String {
    let everyone = row.authorized_domains.is_empty() && row.authorized_senders.is_empty();
    let mut lines = vec![
        line("user name", &row.username),
        line("list", &row.list),
        line("status", status(row)),
    ];
    if let (Some(at), Some(reason)) = (&row.suspended_at, &row.suspended_because) {
        lines.push(line("", format!("since {at}: {reason}")));
        lines.push(line(
            "",
            format!(
                "lift it with `gatepost user edit {} --active true`",
                row.username
            ),
        ));
    }
    lines.push(line("SCRAM login", scram(row.scram, &row.username)));
    lines.extend(limit_lines(row, config));
    lines.extend([
        line("default priority", row.priority),
        line("authorized domains", &row.authorized_domains),
        line("authorized senders", &row.authorized_senders),
        line("note", &row.note),
        line("policy settings", settings::shown(&row.policy_settings)),
    ]);
    if everyone {
        lines.push(line("", "both empty: may send as anyone"));
    }
    if let Some(password) = &row.password {
        lines.push(line("password", password));
        lines.push(line(
            "",
            "shown this once; it cannot be read again, only reset",
        ));
    }
    lines
        .iter()
        .map(|line| line.trim_end())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_too_old_for_scram_is_told_with_what_to_do() {
        assert_eq!(
            scram(false, "s1_1"),
            "not with this password, which is older; `gatepost user reset-password s1_1` makes one that can"
        );
        assert_eq!(scram(true, "s1_1"), "possible");
    }
}
