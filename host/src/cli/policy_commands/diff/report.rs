//! What a comparison found, as an administrator reads it: who would notice what, and why.

use serde_json::{Value, json};

use super::compare::{Change, Comparison, Example, Group, Key, User};
use super::side::Described;
use crate::cli::output::table;

/// Users that are shown of a group; the rest is counted.
const USERS: usize = 20;
/// Senders that are shown of a user.
const SENDERS: usize = 3;
/// Characters of a user's note that are shown.
const NOTE_CHARACTERS: usize = 30;
/// Users of a group of whom an example is shown.
const EXAMPLES: usize = 3;

/// For people.
pub fn text(comparison: &Comparison, old: &Described, new: &Described) -> String {
    let mut blocks = vec![head(comparison, old, new), counts(comparison)];
    for change in Change::ALL {
        let groups = comparison.groups_of(change);
        if groups.is_empty() {
            continue;
        }
        blocks.push(format!(
            "{}\n{}",
            change.title().to_uppercase(),
            explained(change)
        ));
        let sections = groups.into_iter();
        blocks.extend(sections.map(|(key, group)| section(comparison, key, group)));
    }
    clean(&blocks.join("\n\n"))
}

fn head(comparison: &Comparison, old: &Described, new: &Described) -> String {
    let mut lines = vec![format!(
        "{} that both sides decided about, from {} to {}",
        counted(comparison.total, "request"),
        comparison.first.unwrap_or_default().to_whole_seconds(),
        comparison.last.unwrap_or_default().to_whole_seconds(),
    )];
    for (name, side) in [("old", old), ("new", new)] {
        let sides = side.lines.iter().enumerate();
        lines.extend(sides.map(|(index, line)| {
            let name = if index == 0 { name } else { "" };
            format!("  {name:3}  {line}")
        }));
        if side.reads_content {
            lines.push("       reads the content, which is not recorded: may decide otherwise on real mail".to_owned());
        }
    }
    lines.join("\n")
}

fn counts(comparison: &Comparison) -> String {
    let total = comparison.total;
    let row = |title: &str, count: u64| {
        let share = match count {
            0 => String::new(),
            count => format!("{:.1} %", percent(count, total)),
        };
        format!("{count:>9}  {share:>7}  {title}")
    };
    let mut lines = vec![row("unchanged", comparison.unchanged)];
    for change in Change::ALL {
        let count = comparison.count(change);
        // What most ask for is told also when it is nothing.
        if count > 0 || change <= Change::NewlyAccepted {
            lines.push(row(change.title(), count));
        }
    }
    for (side, count) in [
        ("old", comparison.old_failures),
        ("new", comparison.new_failures),
    ] {
        if count > 0 {
            lines.push(row(&format!("failures of the {side} side"), count));
        }
    }
    lines.join("\n")
}

/// What a change means for those who are concerned.
const fn explained(change: Change) -> &'static str {
    match change {
        Change::NewlyRefused => "These users could send this before and could not any more.",
        Change::NewlyAccepted => "These users could not send this before and could.",
        Change::RefusedOtherwise => "Refused before and after, with another reply.",
        Change::Priority => "Sent before and after, at another place in the queue.",
        Change::Effects => "Sent before and after; the message or its way is changed otherwise.",
        Change::Alerts => "The same for the client; administrators are told something else.",
        Change::Rule => "The same for everyone; statistics by rule would change.",
    }
}

fn section(comparison: &Comparison, key: &Key, group: &Group) -> String {
    let mut lines = vec![format!("{} -> {}: {}", key.old, key.new, group.count)];
    lines.extend(indented(&users(comparison, group)));
    if key.change != Change::Rule {
        lines.push(String::new());
        let users = group.users().into_iter().take(EXAMPLES);
        let examples = users.filter_map(|(name, user)| Some((name, user.example.as_ref()?)));
        lines.extend(examples.flat_map(|(name, example)| example_lines(key.change, name, example)));
    }
    lines.join("\n")
}

fn users(comparison: &Comparison, group: &Group) -> String {
    let users = group.users();
    let row = |&(name, user): &(&str, &User)| {
        vec![
            name.to_owned(),
            user.note.chars().take(NOTE_CHARACTERS).collect(),
            user.list.clone(),
            format!("{} of {}", user.count, comparison.users[name]),
            senders(user),
        ]
    };
    let rows: Vec<Vec<String>> = users.iter().take(USERS).map(row).collect();
    let mut text = table(&["user", "note", "list", "requests", "sender"], &rows);
    if users.len() > USERS {
        let more = users.len() - USERS;
        text += &format!("\nand {}", counted(more as u64, "more user"));
    }
    text
}

fn senders(user: &User) -> String {
    let senders = user.senders();
    let shown: Vec<String> = senders
        .iter()
        .take(SENDERS)
        .map(|(sender, count)| match count {
            _ if senders.len() == 1 => (*sender).to_owned(),
            1 => (*sender).to_owned(),
            count => format!("{sender} ({count})"),
        })
        .collect();
    let mut text = shown.join(", ");
    if senders.len() > SENDERS {
        text += &format!(" and {} more", senders.len() - SENDERS);
    }
    text
}

fn example_lines(change: Change, user: &str, example: &Example) -> Vec<String> {
    let Example {
        at,
        sender,
        recipients,
        ..
    } = example;
    let id = example.id.as_deref().unwrap_or("-");
    let to = match recipients.as_str() {
        "" => String::new(),
        recipients => format!(" to {recipients}"),
    };
    let mut lines = vec![format!("    e.g. {user}, {at}, {id}: {sender}{to}")];
    match (&example.old_reply, &example.new_reply) {
        (Some(old), Some(new)) => {
            lines.push(format!("         was  {old}"));
            lines.push(format!("         now  {new}"));
        }
        (Some(old), None) => lines.push(format!("         was  {old}")),
        (None, Some(new)) => lines.push(format!("         now  {new}")),
        (None, None) => {}
    }
    if change == Change::Effects {
        let sides = [("was", &example.old_effects), ("now", &example.new_effects)];
        for (side, effects) in sides {
            let effects = effects.iter();
            lines.extend(effects.map(|effect| format!("         {side}  {effect}")));
        }
    }
    if change == Change::Alerts {
        lines.truncate(1);
    }
    lines
}

fn indented(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| format!("    {line}"))
}

fn counted(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// Addresses are other people's text: nothing of them moves the terminal.
fn clean(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n', " ")
}

/// Per cent.
pub fn percent(part: u64, total: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let percent = part as f64 * 100.0 / total.max(1) as f64;
    percent
}

/// For programs.
pub fn value(comparison: &Comparison, old: &Described, new: &Described) -> Value {
    let groups = Change::ALL
        .into_iter()
        .flat_map(|change| comparison.groups_of(change));
    let counts = Change::ALL.map(|change| {
        let name = serde_json::to_value(change).expect("a name can be written");
        let name = name.as_str().expect("a name is a text").to_owned();
        (name, Value::from(comparison.count(change)))
    });
    json!({
        "records": comparison.total,
        "first_at": comparison.first.map(|at| at.to_string()),
        "last_at": comparison.last.map(|at| at.to_string()),
        "old": old.value,
        "new": new.value,
        "unchanged": comparison.unchanged,
        "changed": comparison.changed(),
        "changes": serde_json::Map::from_iter(counts),
        "failures": { "old": comparison.old_failures, "new": comparison.new_failures },
        "groups": groups.map(|(key, group)| group_value(comparison, key, group)).collect::<Vec<_>>(),
    })
}

fn group_value(comparison: &Comparison, key: &Key, group: &Group) -> Value {
    let user = |(name, user): (&str, &User)| {
        json!({
            "user": name,
            "list": user.list,
            "note": user.note,
            "count": user.count,
            "of": comparison.users[name],
            "senders": user.senders,
            "example": user.example,
        })
    };
    json!({
        "change": key.change,
        "old": key.old,
        "new": key.new,
        "count": group.count,
        "users": group.users().into_iter().map(user).collect::<Vec<_>>(),
    })
}
