//! The rooms of `host/src` keep their order: a room uses only rooms below it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The table of the design, from the top to the leaves. Rooms of one row do not use each other, so a
/// row of the design stands here as several where one of its rooms builds on another.
const LAYERS: [&[&str]; 19] = [
    &["main", "lib", "cli", "app", "config", "demo"],
    // A listener hands its connections on.
    &["listener"],
    &["submission", "web", "admin", "monitor"],
    &["notify", "telemetry"],
    &["scheduler"],
    &["intake", "delivery", "bounce", "acme"],
    &["store", "policy"],
    // What webhooks and collectors of traces are told is made of what is decided and raised.
    &["event", "trace"],
    // A decision may bring alerts.
    &["decision", "statistics"],
    &["alert"],
    // A user has a default priority, which is the queue's.
    &["accounts", "autoconfig", "dkim", "operators"],
    &["queue"],
    &["message"],
    &["smtp"],
    // What serves connections, for whatever is served.
    &["http"],
    &["tls", "metrics", "shutdown", "guard"],
    &["fetch"],
    &["id", "secret"],
    &["clock", "causes"],
];

/// In the top layer the binary uses the command line, which uses what wires everything, and so on.
const TOP: usize = 0;

#[test]
fn a_room_uses_only_rooms_below_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src");
    let mut wrong = BTreeSet::new();
    for file in files(&source) {
        let room = room(&source, &file);
        let text = fs::read_to_string(&file).expect("a source file");
        for used in used_rooms(&text) {
            if let Err(reason) = allowed(&room, &used) {
                wrong.insert(format!("{}: {reason}", file.display()));
            }
        }
    }
    let wrong: Vec<_> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn uses_are_found_in_every_form() {
    let text = "use crate::store::Store;\nlet x = crate::clock::now();\nuse crate::{queue::{A, B}, smtp};\n\
                pub(crate) fn f() {}\n/// See [`crate::policy`].\nuse crate::Id;";
    let found: Vec<_> = used_rooms(text).into_iter().collect();
    assert_eq!(found, ["Id", "clock", "queue", "smtp", "store"]);
}

/// Whether `room` may use `used`.
fn allowed(room: &str, used: &str) -> Result<(), String> {
    // Not a room: an item at the root of the crate, or a macro.
    if used.starts_with(char::is_uppercase) || room == used {
        return Ok(());
    }
    let of = |name: &str| LAYERS.iter().position(|layer| layer.contains(&name));
    let own = of(room).ok_or_else(|| format!("`{room}` has no place in the table of layers"))?;
    let other = of(used).ok_or_else(|| format!("`{used}` has no place in the table of layers"))?;
    if other > own || (own == TOP && other == TOP) {
        return Ok(());
    }
    Err(format!("`{room}` may not use `{used}`"))
}

/// Every Rust file below the folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a source folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The room of a file: the first folder below the source folder, or the file's own name.
fn room(source: &Path, file: &Path) -> String {
    let inside = file.strip_prefix(source).expect("below the source folder");
    let first = inside.iter().next().expect("a path").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// What stands after each `crate::` of the code, also inside braces. Comments may name any room.
fn used_rooms(text: &str) -> BTreeSet<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let text = code.collect::<Vec<_>>().join("\n");
    let mut used = BTreeSet::new();
    for (at, found) in text.match_indices("crate::") {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &text[at + found.len()..];
        match rest.strip_prefix('{') {
            Some(group) => used.extend(group_members(group)),
            None => used.extend([name(rest)]),
        }
    }
    used.remove("");
    used
}

/// The first names of a `{…}` group, whose opening brace has been read.
fn group_members(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut members = vec![name(group)];
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => members.push(name(&group[at + 1..])),
            _ => {}
        }
    }
    members
}

fn name(text: &str) -> String {
    text.trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}
