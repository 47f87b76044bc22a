//! From a line of the configuration to a policy that is ready to be asked, step by step.
//!
//! Whatever can be wrong with a module or its settings is found here, before a client waits.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

use super::bindings::exports::gatepost::policy::lifecycle::{Descriptor, Problem};
use super::config::{Config, Grant, Limits, Mode, OnFailure, PolicyConfig, Wasi};
use super::engine::Runtime;
use super::failure::Failure;
use super::inert;
use super::limits::State;
use super::load_error::{LoadError, LoadProblem};
use super::module::{Asked, Policy, PolicyInfo, Turn, run_at_load};
use super::probe::{self, Stages};
use super::resources::Resources;
use super::verdict::printable;

/// Octets of a component file. Interpreted languages need 12 to 18 MiB.
const MAX_MODULE_BYTES: u64 = 64 << 20;
/// Octets a policy's own name, version and summary are each cut to.
const DESCRIPTION_BYTES: usize = 200;
/// What a call at load time may use: nobody waits for it but the administrator.
const LOAD_LIMITS: Limits = Limits {
    fuel: 500_000_000,
    time_ms: 10_000,
    memory_mib: 0,
};
/// What names a module that comes with the program.
pub(super) const BUILTIN: &str = "builtin:";
/// The modules that come with the program.
const BUILTINS: [(&str, &[u8]); 4] = [
    (
        "sender-rules",
        include_bytes!("../../../policies/built/sender-rules.wasm"),
    ),
    (
        "working-hours",
        include_bytes!("../../../policies/built/working-hours.wasm"),
    ),
    (
        "rate-guard",
        include_bytes!("../../../policies/built/rate-guard.wasm"),
    ),
    (
        "rewrite-from",
        include_bytes!("../../../policies/built/rewrite-from.wasm"),
    ),
];

/// The names of the modules that come with the program.
pub(super) fn builtins() -> impl Iterator<Item = &'static str> {
    BUILTINS.iter().map(|(name, _)| *name)
}

/// Components that one engine has compiled, by the SHA-256 of their bytes.
pub(super) type Compiled = HashMap<String, Component>;

/// Loads the policies of the chain that are not off, in order. What is among `compiled` is
/// not compiled again.
pub(super) async fn chain(
    runtime: &Runtime,
    config: &Config,
    base_dir: &Path,
    mut compiled: Compiled,
    resources: &Resources,
) -> Result<Vec<Policy>, LoadError> {
    names(&config.chain)?;
    let mut chain = Vec::with_capacity(config.chain.len());
    for entry in &config.chain {
        if entry.mode == Mode::Off {
            tracing::info!(policy = entry.name, "policy {} is off", entry.name);
            continue;
        }
        let policy = policy(runtime, entry, base_dir, &mut compiled, resources).await;
        chain.push(policy.map_err(|problem| problem.of(entry))?);
    }
    Ok(chain)
}

/// Names are keys of logs, alerts and rules: one word each, and each once.
fn names(chain: &[PolicyConfig]) -> Result<(), LoadError> {
    let mut seen = HashSet::new();
    for entry in chain {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !(1..=64).contains(&entry.name.len()) || !entry.name.chars().all(is_word) {
            return Err(LoadProblem::BadName.of(entry));
        }
        if !seen.insert(&entry.name) {
            return Err(LoadProblem::DuplicateName.of(entry));
        }
    }
    Ok(())
}

async fn policy(
    runtime: &Runtime,
    entry: &PolicyConfig,
    base_dir: &Path,
    compiled: &mut Compiled,
    resources: &Resources,
) -> Result<Policy, LoadProblem> {
    if let Some(problem) = entry.limits.problem() {
        return Err(LoadProblem::Limits(problem));
    }
    if !(0.0..=1.0).contains(&entry.shadow_sample) {
        return Err(LoadProblem::Limits("shadow-sample must be from 0 to 1"));
    }
    let settings: Arc<str> = settings_json(&entry.settings)?.into();
    let bytes = read(&entry.module, base_dir).await?;
    let sha256 = pinned_digest(&bytes, entry.sha256.as_deref())?;
    probe::format(&bytes)?;
    let component = match compiled.get(&sha256) {
        Some(known) => known.clone(),
        None => compile(&runtime.engine, bytes).await?,
    };
    compiled.insert(sha256.clone(), component.clone());
    let pre = link(runtime, &component, entry.wasi)?;
    let imports = imports(&runtime.engine, &component);
    granted(&imports, &entry.grants)?;
    let stages = probe::stages(&component)?;
    let asked = Asked {
        name: entry.name.as_str().into(),
        pre,
        limits: entry.limits,
        wasi: entry.wasi,
        keeps_log: false,
        resources: resources.clone(),
    };
    let descriptor = introduce(runtime, &asked, &stages, &settings).await?;
    let facts = (sha256, imports, settings);
    Ok(finish(entry, facts, descriptor, stages, asked))
}

/// The octets of a module, their digest, and what it imports, whether or not it is a policy.
pub(super) async fn look_at(
    runtime: &Runtime,
    entry: &PolicyConfig,
    base_dir: &Path,
) -> Result<(Cow<'static, [u8]>, String, Vec<String>), LoadProblem> {
    let bytes = read(&entry.module, base_dir).await?;
    let sha256 = pinned_digest(&bytes, entry.sha256.as_deref())?;
    probe::format(&bytes)?;
    let component = compile(&runtime.engine, bytes.clone()).await?;
    Ok((bytes, sha256, imports(&runtime.engine, &component)))
}

fn finish(
    entry: &PolicyConfig,
    (sha256, imports, settings): (String, Vec<String>, Arc<str>),
    descriptor: Descriptor,
    stages: Stages,
    asked: Asked,
) -> Policy {
    if entry.on_failure == OnFailure::Accept && entry.mode == Mode::Enforce {
        tracing::warn!(
            policy = entry.name,
            "policy {} lets messages pass when it fails (on-failure = \"accept\")",
            entry.name
        );
    }
    Policy {
        info: PolicyInfo {
            name: entry.name.clone(),
            module: entry.module.clone(),
            title: printable(&descriptor.name, DESCRIPTION_BYTES),
            version: printable(&descriptor.version, DESCRIPTION_BYTES),
            summary: printable(&descriptor.summary, DESCRIPTION_BYTES),
            sha256,
            stages: stages.names(),
            fuel_limit: entry.limits.fuel,
            mode: entry.mode,
            imports,
            settings_schema: descriptor.settings_schema,
            grants: entry.grants.clone(),
        },
        on_failure: entry.on_failure,
        shadow_sample: entry.shadow_sample,
        settings,
        validate_settings: stages.validate_settings,
        evaluate: stages.evaluate,
        envelope: stages.envelope,
        asked,
    }
}

/// Settings travel as JSON; TOML's dates become their text.
pub(super) fn settings_json(settings: &toml::Table) -> Result<String, LoadProblem> {
    let mut object = serde_json::Map::new();
    for (key, value) in settings {
        object.insert(key.clone(), json(value, key)?);
    }
    Ok(serde_json::Value::Object(object).to_string())
}

fn json(value: &toml::Value, key: &str) -> Result<serde_json::Value, LoadProblem> {
    Ok(match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Boolean(flag) => (*flag).into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(*number)
            .map(serde_json::Value::Number)
            .ok_or_else(|| LoadProblem::NotJson(key.to_owned()))?,
        toml::Value::Array(items) => items
            .iter()
            .map(|item| json(item, key))
            .collect::<Result<_, _>>()?,
        toml::Value::Table(table) => table
            .iter()
            .map(|(key, value)| Ok((key.clone(), json(value, key)?)))
            .collect::<Result<serde_json::Map<_, _>, LoadProblem>>()?
            .into(),
    })
}

async fn read(module: &str, base_dir: &Path) -> Result<Cow<'static, [u8]>, LoadProblem> {
    if let Some(name) = module.strip_prefix(BUILTIN) {
        let builtin = BUILTINS.iter().find(|(known, _)| *known == name);
        return match builtin {
            Some((_, bytes)) => Ok(Cow::Borrowed(bytes)),
            None => Err(LoadProblem::UnknownBuiltin(name.to_owned())),
        };
    }
    let path = base_dir.join(module);
    let reading = path.clone();
    tokio::task::spawn_blocking(move || read_file(&reading))
        .await
        .expect("reading a file does not panic")
        .map_err(|source| LoadProblem::Read { path, source })?
        .map(Cow::Owned)
        .ok_or(LoadProblem::TooLarge(MAX_MODULE_BYTES))
}

/// None when the file is too large. Reads no more than the limit, whatever the path names.
fn read_file(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    use std::io::Read as _;

    let file = std::fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_MODULE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= MAX_MODULE_BYTES).then_some(bytes))
}

/// The digest in hexadecimal, when it is the pinned one.
fn pinned_digest(bytes: &[u8], pin: Option<&str>) -> Result<String, LoadProblem> {
    let mut actual = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        write!(actual, "{byte:02x}").expect("a string takes everything");
    }
    match pin.map(str::trim) {
        Some(pin) if !pin.eq_ignore_ascii_case(&actual) => Err(LoadProblem::PinMismatch {
            pinned: pin.to_owned(),
            actual,
        }),
        _ => Ok(actual),
    }
}

/// Compiles off the asynchronous workers: an interpreter takes seconds.
async fn compile(engine: &Engine, bytes: Cow<'static, [u8]>) -> Result<Component, LoadProblem> {
    let engine = engine.clone();
    tokio::task::spawn_blocking(move || Component::from_binary(&engine, &bytes))
        .await
        .map_err(|error| LoadProblem::Compile(error.to_string()))?
        .map_err(|error| LoadProblem::Compile(format!("{error:#}")))
}

/// Gives the component what it imports, which must be no more than there is to give.
fn link(
    runtime: &Runtime,
    component: &Component,
    wasi: Wasi,
) -> Result<InstancePre<State>, LoadProblem> {
    let unknown = unknown_imports(runtime, component, wasi);
    if !unknown.is_empty() {
        return Err(LoadProblem::UnknownImports(unknown));
    }
    let linker = runtime.linker(wasi);
    let pre = linker.and_then(|linker| linker.instantiate_pre(component));
    pre.map_err(|error| LoadProblem::WrongShape(format!("{error:#}")))
}

/// Everything the component imports that does something.
fn imports(engine: &Engine, component: &Component) -> Vec<String> {
    let component_type = component.component_type();
    component_type
        .imports(engine)
        .filter(|(_, import)| !is_of_types(engine, &import.ty))
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn unknown_imports(runtime: &Runtime, component: &Component, wasi: Wasi) -> Vec<String> {
    let engine = &runtime.engine;
    let component_type = component.component_type();
    component_type
        .imports(engine)
        .filter(|(name, import)| !is_linked(engine, name, &import.ty, wasi))
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn is_linked(engine: &Engine, name: &str, item: &ComponentItem, wasi: Wasi) -> bool {
    let is_instance = matches!(item, ComponentItem::ComponentInstance(_));
    let is_known = name.starts_with("gatepost:policy/log@0.1.") || Grant::of_import(name).is_some();
    let is_inert = wasi == Wasi::Inert && inert::is_linked(name);
    is_of_types(engine, item) || (is_instance && (is_known || is_inert))
}

/// `types` holds no functions, so there is nothing in it to be given.
fn is_of_types(engine: &Engine, item: &ComponentItem) -> bool {
    match item {
        ComponentItem::ComponentInstance(instance) => instance
            .exports(engine)
            .all(|(_, export)| matches!(export.ty, ComponentItem::Type(_))),
        ComponentItem::Type(_) => true,
        _ => false,
    }
}

/// A component may have no more powers than it is granted.
fn granted(imports: &[String], grants: &[Grant]) -> Result<(), LoadProblem> {
    let powers = imports.iter().filter_map(|name| Grant::of_import(name));
    let missing: Vec<Grant> = powers.filter(|power| !grants.contains(power)).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(LoadProblem::NotGranted(missing))
    }
}

/// Asks the policy who it is and whether its settings are usable.
async fn introduce(
    runtime: &Runtime,
    asked: &Asked,
    stages: &Stages,
    settings: &Arc<str>,
) -> Result<Descriptor, LoadProblem> {
    let turn: Turn = Arc::new(runtime.loading_turn().await);
    let (descriptor,): (Descriptor,) =
        at_load(asked, "describe", stages.describe, (), &turn).await?;
    validate(asked, stages.validate_settings, settings, &turn).await?;
    Ok(descriptor)
}

/// Asks the policy whether settings are usable.
pub(super) async fn validate(
    asked: &Asked,
    function: ComponentExportIndex,
    settings: &Arc<str>,
    turn: &Turn,
) -> Result<(), LoadProblem> {
    let params = (Arc::clone(settings),);
    let (problems,): (Vec<Problem>,) =
        at_load(asked, "validate-settings", function, params, turn).await?;
    if problems.is_empty() {
        return Ok(());
    }
    Err(LoadProblem::settings(&problems))
}

async fn at_load<P, R>(
    asked: &Asked,
    name: &'static str,
    function: ComponentExportIndex,
    params: P,
    turn: &Turn,
) -> Result<R, LoadProblem>
where
    P: wasmtime::component::ComponentNamedList + wasmtime::component::Lower + Send + Sync + 'static,
    R: wasmtime::component::ComponentNamedList + wasmtime::component::Lift + Send + Sync + 'static,
{
    let mut asked = asked.clone();
    asked.limits = Limits {
        memory_mib: asked.limits.memory_mib,
        ..LOAD_LIMITS
    };
    let called = run_at_load(asked, function, params, Arc::clone(turn)).await;
    called.map_err(|Failure { kind, detail }| LoadProblem::Call {
        function: name,
        kind,
        detail: printable(&detail, 1000),
    })
}
