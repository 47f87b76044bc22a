//! `gatepost policy inspect`: what a module is and can do, before it is trusted.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::cases::Outcome;
use super::{Module, sample};
use crate::app::StartError;
use crate::cli::{Failure, Output};
use crate::policy::{Inspection, Workbench};

/// `gatepost policy inspect`
#[derive(Debug, clap::Args)]
pub struct Inspect {
    #[command(flatten)]
    module: Module,
}

/// What is known of a module.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    file: String,
    size_bytes: usize,
    sha256: String,
    language: Option<&'static str>,
    made_by: Vec<String>,
    imports: Vec<Import>,
    /// What it says about itself, and its price; none when it cannot be loaded.
    policy: Option<Policy>,
    /// Why it cannot be loaded as it is.
    problem: Option<String>,
    hint: Option<String>,
}

/// An import is a power.
#[derive(Serialize)]
struct Import {
    name: String,
    means: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Policy {
    title: String,
    version: String,
    summary: String,
    stages: Vec<&'static str>,
    settings_schema: serde_json::Value,
    sample: Outcome,
}

/// Looks at the module; fails when it cannot be loaded.
pub async fn run(inspect: &Inspect, output: Output) -> Result<ExitCode, Failure> {
    let entry = inspect.module.entry()?;
    let looked_at = Inspection::of(&entry, Path::new("")).await;
    let module = looked_at.map_err(StartError::from)?;
    let made_by = made_by(&module.bytes);
    let mut report = Report {
        file: inspect.module.file.clone(),
        size_bytes: module.bytes.len(),
        language: language(&made_by),
        made_by,
        sha256: module.sha256,
        imports: module.imports.into_iter().map(import).collect(),
        policy: None,
        problem: None,
        hint: None,
    };
    match Workbench::load(&entry, Path::new("")).await {
        Ok(bench) => report.policy = Some(policy(&bench).await?),
        Err(error) => {
            report.problem = Some(error.to_string());
            report.hint = error.hint();
        }
    }
    output.print(&report, || text(&report))?;
    Ok(ExitCode::from(u8::from(report.problem.is_some())))
}

async fn policy(bench: &Workbench) -> Result<Policy, Failure> {
    let request = sample::request(&bench.settings())?;
    let trial = bench.ask(&request).await;
    let trial = trial.expect("every policy has a message stage");
    let info = bench.info();
    let schema = serde_json::from_str(&info.settings_schema);
    Ok(Policy {
        title: info.title.clone(),
        version: info.version.clone(),
        summary: info.summary.clone(),
        stages: info.stages.clone(),
        settings_schema: schema.unwrap_or(serde_json::Value::Null),
        sample: Outcome::of(&trial),
    })
}

fn import(name: String) -> Import {
    let interface = name.strip_prefix("gatepost:policy/").unwrap_or(&name);
    let means = match interface.split('@').next().unwrap_or_default() {
        "log" => "writes lines to the relay's log",
        "counters" => "keeps counters that outlive a message, such as messages per hour",
        "effects" => "changes messages: header fields, From, next hop, hold",
        "content" => "reads whole messages, bodies included",
        _ if name.starts_with("wasi:") => "a part of WASI, which a policy has no use for",
        _ => "unknown to this host",
    };
    Import { name, means }
}

/// The tools that say they took part, of the component and all modules in it, as far as they print.
fn made_by(bytes: &[u8]) -> Vec<String> {
    let mut found = BTreeSet::new();
    // What is malformed behind a readable part takes nothing away from it.
    for payload in wasmparser::Parser::new(0)
        .parse_all(bytes)
        .map_while(Result::ok)
    {
        if let wasmparser::Payload::CustomSection(section) = payload
            && let wasmparser::KnownCustom::Producers(producers) = section.as_known()
        {
            for field in producers.into_iter().flatten() {
                let tools = field.values.into_iter().flatten();
                found.extend(tools.map(|tool| made_by_line(field.name, tool.name, tool.version)));
            }
        }
    }
    found.into_iter().collect()
}

/// The language by the tools that are used for it; a stripped module does not say it itself.
fn language(made_by: &[String]) -> Option<&'static str> {
    let tools = [
        ("componentize-py", "Python"),
        ("component-init-transform", "Python"),
        ("componentize-js", "JavaScript"),
        ("StarlingMonkey", "JavaScript"),
        ("JavaScript", "JavaScript"),
        ("TinyGo", "Go"),
        ("wit-bindgen-rust", "Rust"),
        ("language Rust", "Rust"),
        ("wit-bindgen-c", "C"),
        ("language C", "C"),
    ];
    let is_there = |tool: &str| made_by.iter().any(|line| line.contains(tool));
    let found = tools.iter().find(|(tool, _)| is_there(tool));
    found.map(|(_, language)| *language)
}

fn made_by_line(field: &str, tool: &str, version: &str) -> String {
    let line = match (field, version) {
        ("language", _) => format!("language {tool}"),
        (_, "") => tool.to_owned(),
        _ => format!("{tool} {version}"),
    };
    line.replace(char::is_control, " ")
}

fn text(report: &Report) -> String {
    let mut lines = Vec::new();
    if let Some(policy) = &report.policy {
        let (title, version) = (&policy.title, &policy.version);
        lines.push(format!("{title} {version}: {}", policy.summary));
    }
    lines.push(format!(
        "file      {}, {} octets",
        report.file, report.size_bytes
    ));
    lines.push(format!("sha256    {}", report.sha256));
    lines.extend(
        report
            .language
            .map(|language| format!("language  {language}")),
    );
    if !report.made_by.is_empty() {
        lines.push(format!("made by   {}", report.made_by.join(", ")));
    }
    lines.extend(powers(&report.imports));
    if let Some(policy) = &report.policy {
        lines.push(format!("stages    {}", policy.stages.join(", ")));
        lines.extend(settings(&policy.settings_schema));
        lines.push(format!("price     {}", price(&policy.sample)));
    }
    if let Some(problem) = &report.problem {
        lines.push(format!("problem   {problem}"));
    }
    if let Some(hint) = &report.hint {
        lines.push(format!("hint      {hint}"));
    }
    lines.join("\n")
}

fn powers(imports: &[Import]) -> Vec<String> {
    if imports.is_empty() {
        return vec!["powers    none: it can decide, and nothing else".to_owned()];
    }
    let lead = |place: usize| if place == 0 { "powers" } else { "" };
    let line = |(place, import): (usize, &Import)| {
        format!("{:<9} {} ({})", lead(place), import.means, import.name)
    };
    imports.iter().enumerate().map(line).collect()
}

/// What the schema says of each setting; nothing when it is none that can be read.
fn settings(schema: &serde_json::Value) -> Vec<String> {
    let Some(properties) = schema["properties"].as_object() else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for (name, property) in properties {
        let lead = if lines.is_empty() { "settings" } else { "" };
        let description = property["description"].as_str().unwrap_or_default();
        let default = match &property["default"] {
            serde_json::Value::Null => String::new(),
            default => format!(" (default {default})"),
        };
        lines.push(format!("{lead:<9} {name}{default} {description}"));
    }
    lines
}

/// What the sample message cost.
pub fn price(outcome: &Outcome) -> String {
    let kib = outcome.memory_bytes >> 10;
    format!(
        "{} fuel, {} us, {kib} KiB of memory",
        outcome.fuel, outcome.micros
    )
}
