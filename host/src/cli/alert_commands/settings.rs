//! `gatepost alert settings` and `gatepost alert test`.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Value, json};

use crate::alert::{
    AlertSettings, EVENT_KINDS, EventKind, EventSet, GROUPS, Group, Offset, Pace, Post,
    SettingProblem, TimeOfDay, Webhook,
};
use crate::cli::account_commands::find_list;
use crate::cli::output::table;
use crate::cli::{Failure, Output};
use crate::notify::{self, HookChange, HookError};
use crate::store::Store;

/// Posts that are shown.
const SHOWN_POSTS: u32 = 5;

/// `gatepost alert settings`
#[derive(Debug, Args)]
pub struct Settings {
    /// Those of this list; without it, of alerts that concern the whole relay
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
    /// What is told: groups separated by commas, `all` or `none`
    #[arg(long, value_name = "GROUPS", value_parser = groups)]
    groups: Option<Groups>,
    /// Who is told by mail: addresses separated by `;`; empty for nobody
    #[arg(long, value_name = "ADDRESSES")]
    recipients: Option<String>,
    /// When
    #[arg(long, value_enum)]
    pace: Option<PaceName>,
    /// When the daily digest is sent, like 07:00
    #[arg(long, value_name = "HH:MM")]
    daily_at: Option<TimeOfDay>,
    /// When nobody is told, like `22:00-06:00`, several separated by `;`; empty for never
    #[arg(long, value_name = "PERIODS")]
    quiet: Option<String>,
    /// How far the clock of these times is ahead of UTC, like +01:00
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true)]
    offset: Option<Offset>,
    /// Whether critical alerts wait for no digest and no end of a quiet period
    #[arg(long, value_enum, value_name = "on|off")]
    critical_passes: Option<Switch>,
    /// Where events are posted, `https://…`; empty for nowhere
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// What is posted: accepted, blocked, delivered, deferred, bounced, alert, separated by commas, or `all`
    #[arg(long, value_name = "EVENTS", value_parser = events)]
    events: Option<EventSet>,
    /// Give the webhook a new key for its signatures
    #[arg(long)]
    new_secret: bool,
}

#[derive(Clone, Debug)]
struct Groups(BTreeSet<Group>);

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum PaceName {
    /// The first at once, what follows merged after a pause
    AtOnce,
    /// At the end of each hour
    Hourly,
    /// Once a day
    Daily,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    On,
    Off,
}

fn groups(text: &str) -> Result<Groups, String> {
    match text {
        "all" => return Ok(Groups(GROUPS.into_iter().collect())),
        "none" | "" => return Ok(Groups(BTreeSet::new())),
        _ => {}
    }
    let names = text.split([',', ' ']).filter(|name| !name.is_empty());
    let found: Result<_, String> = names.map(super::group).collect();
    found.map(Groups)
}

fn events(text: &str) -> Result<EventSet, String> {
    if text == "all" {
        return Ok(EVENT_KINDS.into_iter().collect());
    }
    let names = text.split([',', ' ']).filter(|name| !name.is_empty());
    let kinds = names.map(|name| {
        let unknown = || format!("there is no event {name:?}; there are {}", all_events());
        EventKind::from_name(name).ok_or_else(unknown)
    });
    kinds.collect()
}

fn all_events() -> String {
    EVENT_KINDS.map(EventKind::name).join(", ")
}

/// Shows the settings, after changing them as asked.
///
/// # Errors
/// When there is no such list, or a setting cannot be.
pub async fn run(command: Settings, store: &Store, output: Output) -> Result<(), Failure> {
    let list = match &command.list {
        Some(name) => Some(find_list(store, name).await?.id),
        None => None,
    };
    let before = store.alert_settings(list).await?;
    let after = command.changed(before.clone()).map_err(refused)?;
    if after != before {
        store.set_alert_settings(list, after.clone()).await?;
    }
    let secret = change_webhook(&command, list, store).await?;
    let hook = store.webhook(list).await?;
    let waiting = store.waiting_events(list).await?;
    let posts = store.posts(list, SHOWN_POSTS).await?;
    let value = json!({
        "list": command.list,
        "settings": after,
        "webhook": hook.as_ref().map(|hook| json!({
            "url": hook.url,
            "events": hook.events.iter().map(EventKind::name).collect::<Vec<_>>(),
            "secret": secret,
            "waiting": waiting,
            "posts": posts.iter().map(post).collect::<Vec<_>>(),
        })),
    });
    output.print(&value, || {
        let mut lines = text(&after);
        lines.extend(hook.map(|hook| hook_text(&hook, waiting, secret.as_deref(), &posts)));
        lines.join("\n")
    })
}

impl Settings {
    fn changed(&self, mut settings: AlertSettings) -> Result<AlertSettings, SettingProblem> {
        if let Some(groups) = &self.groups {
            settings.groups = groups.0.clone();
        }
        if let Some(recipients) = &self.recipients {
            settings.set_recipients(recipients)?;
        }
        if let Some(quiet) = &self.quiet {
            settings.set_quiet(quiet)?;
        }
        settings.pace = match self.pace {
            None => settings.pace,
            Some(PaceName::AtOnce) => Pace::AtOnce,
            Some(PaceName::Hourly) => Pace::Hourly,
            Some(PaceName::Daily) => Pace::Daily,
        };
        settings.daily_at = self.daily_at.unwrap_or(settings.daily_at);
        settings.offset = self.offset.unwrap_or(settings.offset);
        let passes = self.critical_passes.map(|switch| switch == Switch::On);
        settings.critical_passes = passes.unwrap_or(settings.critical_passes);
        Ok(settings)
    }
}

fn refused(problem: SettingProblem) -> Failure {
    let field = problem.field;
    Failure::new(problem).hint(format!("nothing was changed; mend --{field}"))
}

/// Changes the webhook as asked; returns its key when that is new.
async fn change_webhook(
    command: &Settings,
    list: Option<i64>,
    store: &Store,
) -> Result<Option<String>, Failure> {
    let is_asked = command.webhook.is_some() || command.events.is_some() || command.new_secret;
    if !is_asked {
        return Ok(None);
    }
    if command.webhook.as_deref() == Some("") {
        store.delete_webhook(list).await?;
        return Ok(None);
    }
    let change = HookChange {
        url: command.webhook.clone(),
        events: command.events,
        new_secret: command.new_secret,
    };
    let changed = notify::change_webhook(store, list, change).await;
    let secret = changed.map_err(|error| match error {
        HookError::Store(error) => Failure::from(error),
        other => Failure::new(other)
            .hint("the webhook was not changed; write --webhook https://example.com/hook"),
    })?;
    Ok(secret.map(|secret| secret.expose().clone()))
}

fn text(settings: &AlertSettings) -> Vec<String> {
    let told: Vec<&str> = settings.groups.iter().map(|group| group.name()).collect();
    let quiet: Vec<String> = settings.quiet.iter().map(ToString::to_string).collect();
    let or = |text: String, none: &str| {
        if text.is_empty() {
            none.to_owned()
        } else {
            text
        }
    };
    let when = match settings.pace {
        Pace::AtOnce => "at once, what follows merged after a pause".to_owned(),
        Pace::Hourly => "at the end of each hour".to_owned(),
        Pace::Daily => format!("daily at {}", settings.daily_at),
    };
    let passes = if settings.critical_passes {
        "on"
    } else {
        "off"
    };
    vec![
        format!("told:             {}", or(told.join(", "), "nothing")),
        format!(
            "recipients:       {}",
            or(
                settings.recipients.join("; "),
                "nobody: alerts are kept and shown, add --recipients"
            )
        ),
        format!("when:             {when}"),
        format!("quiet:            {}", or(quiet.join("; "), "never")),
        format!("clock:            UTC{}", settings.offset),
        format!("critical passes:  {passes}"),
    ]
}

fn hook_text(hook: &Webhook, waiting: u64, secret: Option<&str>, posts: &[Post]) -> String {
    let mut lines = vec![
        format!("webhook:          {}", hook.url),
        format!("events:           {}", hook.events),
        format!("waiting:          {waiting}"),
    ];
    if let Some(secret) = secret {
        lines.push(format!(
            "secret:           {secret} (shown once; the receiver needs it to verify signatures)"
        ));
    }
    if !posts.is_empty() {
        let rows: Vec<Vec<String>> = posts.iter().map(cells).collect();
        lines.push(String::new());
        lines.push(table(
            &["posted", "event", "kind", "attempt", "answer"],
            &rows,
        ));
    }
    lines.join("\n")
}

fn cells(post: &Post) -> Vec<String> {
    let answer = match post.status {
        0 => post.answer.clone(),
        status => format!("{status} {}", post.answer),
    };
    vec![
        post.at.to_whole_seconds(),
        post.event_id.clone(),
        post.kind.to_string(),
        post.attempt.to_string(),
        answer,
    ]
}

fn post(post: &Post) -> Value {
    json!({
        "at": post.at.to_string(),
        "event": post.event_id,
        "kind": post.kind.name(),
        "attempt": post.attempt,
        "status": post.status,
        "answer": post.answer,
        "took_ms": post.took_ms,
    })
}

/// Raises an alert of the kind `test`, and an event of its own for a webhook that wants no alerts.
///
/// # Errors
/// When there is no such list.
pub async fn test(name: Option<String>, store: &Store, output: Output) -> Result<(), Failure> {
    let list = match &name {
        Some(name) => Some(find_list(store, name).await?),
        None => None,
    };
    let id = list.as_ref().map(|list| list.id);
    let named = list.as_ref().map(|list| (list.id, list.name.as_str()));
    notify::raise_test(store, named).await?;
    let hook = store.webhook(id).await?;
    let recipients = store.alert_settings(id).await?.recipients;
    let is_running = store.is_queue_locked()?;
    let value = json!({
        "recipients": recipients,
        "webhook": hook.as_ref().map(|hook| &hook.url),
        "relay_runs": is_running,
    });
    output.print(&value, || {
        let told = recipients.iter().chain(hook.as_ref().map(|hook| &hook.url));
        let told: Vec<&str> = told.map(String::as_str).collect();
        match (told.is_empty(), is_running) {
            (true, _) => {
                "the alert is raised, but nobody is told: see `gatepost alert settings`".to_owned()
            }
            (false, true) => format!("within seconds the relay tells {}", told.join(", ")),
            (false, false) => format!("no relay runs; when one does, it tells {}", told.join(", ")),
        }
    })
}
