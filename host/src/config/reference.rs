//! Holds `examples/config/full.toml` to its word: every key there is, none that is not, true defaults.
//!
//! What a section may contain is asked of the section itself: an unknown key makes it name the known ones.

use std::collections::BTreeSet;

use serde::Deserialize;
use toml::{Table, Value};

use super::Config;

const REFERENCE: &str = include_str!("../../../examples/config/full.toml");

/// Keys whose value in the reference is not the default, for these have none, or none to show.
const NOT_DEFAULTS: &[&str] = &[
    // The machine's name.
    "hostname",
    // The usual ports and 587, to show that ports stand beside ranges.
    "listener.ports",
    // Nothing, unless an administrator says so.
    "tls.certificate",
    "tls.key",
    "tls.additional.certificate",
    "tls.additional.key",
    "tls.acme.ca-file",
    "panel.url",
    "autoconfig.display-name",
    "autoconfig.domains",
    "autoconfig.port",
    "autoconfig.username",
    "autoconfig.incoming-host",
    "autoconfig.incoming-port",
    "delivery.ca-file",
    "dkim.default-domain",
    "dkim.key.domain",
    "dkim.key.selector",
    "dkim.key.private-key",
    "delivery.hello-name",
    "delivery.smarthost.host",
    "delivery.smarthost.username",
    "delivery.smarthost.password",
    "delivery.destination.domain",
    "delivery.destination.concurrency",
    "delivery.destination.rate",
    "delivery.source-addresses",
    "delivery.dns.servers",
    "delivery.dns.trust-anchor-file",
    "delivery.smarthost.preference",
    "delivery.route.name",
    "delivery.route.domains",
    "delivery.route.source-addresses",
    "delivery.route.smarthost.preference",
    "delivery.route.smarthost.host",
    "delivery.route.smarthost.username",
    "delivery.route.smarthost.password",
    "notify.sender",
    "notify.ca-file",
    "telemetry.endpoint",
    "telemetry.headers",
    "telemetry.ca-file",
    // What the URL says, and the authorities that browsers trust.
    "store.tls",
    "store.root-certificate",
    // Beside the store, wherever that is.
    "policy.cache-folder",
    "policy.chain.name",
    "policy.chain.module",
    "policy.chain.sha256",
    "policy.chain.settings",
    // Mail goes nowhere until it is told where.
    "delivery.mode",
];

/// Sections that cannot be without some keys, and these.
const REQUIRED: [(&str, &str); 7] = [
    ("delivery.smarthost", "host = 'h'"),
    ("delivery.destination", "domain = 'd'"),
    ("delivery.route", "name = 'n'"),
    ("delivery.route.smarthost", "host = 'h'"),
    (
        "dkim.key",
        "domain = 'd'\nselector = 's'\nprivate-key = 'k'",
    ),
    ("policy.chain", "name = 'n'\nmodule = 'm'"),
    ("tls.additional", "certificate = 'c'\nkey = 'k'"),
];

/// One of these stands for several sections of its kind.
const REPEATED: [&str; 8] = [
    "listener",
    "delivery.destination",
    "delivery.smarthost",
    "delivery.route",
    "delivery.route.smarthost",
    "dkim.key",
    "policy.chain",
    "tls.additional",
];

/// The reference with its commented keys and sections in effect.
fn whole() -> Table {
    let lines = REFERENCE.lines().map(|line| match line.strip_prefix("# ") {
        Some(text) if is_toml(text) => text,
        _ => line,
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    text.parse().expect("the reference is TOML")
}

/// True for `key = value` and `[[section]]`.
fn is_toml(text: &str) -> bool {
    let is_key = |key: &str| {
        key.bytes()
            .all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    text.starts_with('[') || text.split_once(" = ").is_some_and(|(key, _)| is_key(key))
}

/// A document with this one section.
fn document(section: &str, table: Table) -> Table {
    if section.is_empty() {
        return table;
    }
    let (parent, name) = section.rsplit_once('.').unwrap_or(("", section));
    let value = if REPEATED.contains(&section) {
        Value::Array(vec![Value::Table(table)])
    } else {
        Value::Table(table)
    };
    let mut around = required(parent);
    around.insert(name.to_owned(), value);
    document(parent, around)
}

/// What a section cannot be without.
fn required(section: &str) -> Table {
    let found = REQUIRED.iter().find(|(name, _)| *name == section);
    let text = found.map_or("", |(_, text)| *text);
    text.parse().expect("written here")
}

fn read(section: &str, table: Table) -> Result<Config, String> {
    let document = Value::Table(document(section, table));
    Config::deserialize(document).map_err(|error| error.to_string())
}

/// What a section may contain; none when it takes anything.
fn known_keys(section: &str) -> Option<BTreeSet<String>> {
    let mut table = required(section);
    table.insert("no-such-key".to_owned(), Value::Integer(1));
    let error = read(section, table).err()?;
    assert!(
        error.contains("unknown field `no-such-key`"),
        "{section}: {error}"
    );
    let told = error.lines().next().unwrap_or_default();
    let names = told.split('`').skip(1).step_by(2).skip(1);
    Some(names.map(str::to_owned).collect())
}

/// The section's tables in the reference: one, or several of a kind.
fn tables(value: &Value) -> Vec<&Table> {
    match value {
        Value::Table(table) => vec![table],
        Value::Array(several) => several.iter().filter_map(Value::as_table).collect(),
        _ => Vec::new(),
    }
}

fn path(section: &str, key: &str) -> String {
    if section.is_empty() {
        key.to_owned()
    } else {
        format!("{section}.{key}")
    }
}

/// Visits a section and those within: `visit` gets each section's path and its tables.
fn walk(section: &str, found: &[&Table], visit: &mut dyn FnMut(&str, &[&Table])) {
    if known_keys(section).is_none() {
        return;
    }
    visit(section, found);
    let keys: BTreeSet<&String> = found.iter().flat_map(|table| table.keys()).collect();
    for key in keys {
        let values = found.iter().filter_map(|table| table.get(key));
        let within: Vec<&Table> = values.flat_map(tables).collect();
        if !within.is_empty() {
            walk(&path(section, key), &within, visit);
        }
    }
}

#[test]
fn every_key_stands_in_the_reference_and_no_other() {
    let whole = whole();
    walk("", &[&whole], &mut |section, found| {
        let stand: BTreeSet<String> = found
            .iter()
            .flat_map(|table| table.keys())
            .cloned()
            .collect();
        assert_eq!(Some(stand), known_keys(section), "[{section}]");
    });
}

#[test]
fn values_in_the_reference_are_the_defaults() {
    let whole = whole();
    walk("", &[&whole], &mut |section, found| {
        for (key, value) in found[0] {
            let path = path(section, key);
            let is_section = !tables(value).is_empty() && known_keys(&path).is_some();
            if !is_section {
                check_default(section, key, value, &path);
            }
        }
    });
}

fn check_default(section: &str, key: &str, value: &Value, path: &str) {
    let without = required(section);
    let mut with = without.clone();
    with.insert(key.to_owned(), value.clone());
    let shown = |table| format!("{:?}", read(section, table).expect("keys are known"));
    let is_default = shown(with) == shown(without);
    assert_eq!(
        is_default,
        !NOT_DEFAULTS.contains(&path),
        "is {path} = {value} the default, and is it said to be?"
    );
}

#[test]
fn exceptions_are_keys_that_there_are() {
    let whole = whole();
    let mut paths = BTreeSet::new();
    walk("", &[&whole], &mut |section, found| {
        paths.extend(found[0].keys().map(|key| path(section, key)));
    });
    for path in NOT_DEFAULTS {
        assert!(paths.contains(*path), "there is no {path}");
    }
}
