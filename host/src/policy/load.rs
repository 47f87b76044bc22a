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

use super::bindings::Needs;
use super::bindings::exports::gatepost::policy::lifecycle::{Descriptor, Problem};
use super::compile::Bounds;
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

/// Octets a policy's own name, version and summary are each cut to.
const DESCRIPTION_BYTES: usize = 200;
/// What a call at load time may use: nobody waits for it but the administrator. 500 million is less than a second
/// of a processor; 30 s, so that a busy machine does not end it.
const LOAD_LIMITS: Limits = Limits {
    fuel: 500_000_000,
    time_ms: 30_000,
    memory_mib: 0,
};

/// Components that one engine has compiled, by the SHA-256 of their bytes.
pub(super) type Compiled = HashMap<String, Component>;

/// Loads the policies of the chain that are not off, in order. What is among `compiled` is
/// not compiled again.
pub(super) async fn chain(
    runtime: &Runtime,
    config: &Config,
    base_dir: &Path,
    compiled: Compiled,
    resources: &Resources,
) -> Result<Vec<Policy>, LoadError> {
    names(&config.chain)?;
    let bounds = Bounds::of(config).map_err(LoadError::Config)?;
    let mut loader = Loader {
        runtime,
        bounds,
        base_dir,
        compiled,
        resources,
    };
    let mut chain = Vec::with_capacity(config.chain.len());
    for entry in &config.chain {
        if entry.mode == Mode::Off {
            tracing::info!(policy = entry.name, "policy {} is off", entry.name);
            continue;
        }
        let policy = loader.policy(entry).await;
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

/// What all policies of a chain are loaded with.
struct Loader<'a> {
    runtime: &'a Runtime,
    bounds: Bounds,
    base_dir: &'a Path,
    compiled: Compiled,
    resources: &'a Resources,
}

impl Loader<'_> {
    async fn policy(&mut self, entry: &PolicyConfig) -> Result<Policy, LoadProblem> {
        if let Some(problem) = entry.limits.problem() {
            return Err(LoadProblem::Limits(problem));
        }
        if !(0.0..=1.0).contains(&entry.shadow_sample) {
            return Err(LoadProblem::Limits("shadow-sample must be from 0 to 1"));
        }
        let settings: Arc<str> = settings_json(&entry.settings)?.into();
        let (component, sha256) = self.component(entry).await?;
        let pre = link(self.runtime, &component, entry.wasi)?;
        let imports = imports(&self.runtime.engine, &component);
        granted(&imports, &entry.grants)?;
        let stages = probe::stages(&component)?;
        let asked = Asked {
            name: entry.name.as_str().into(),
            pre,
            limits: entry.limits,
            wasi: entry.wasi,
            keeps_log: false,
            resources: self.resources.clone(),
            habits: Arc::default(),
            ticker: Arc::clone(&self.runtime.ticker),
        };
        let described = introduce(self.runtime, &asked, &stages, &settings).await?;
        let facts = (sha256, imports, settings);
        Ok(finish(entry, facts, described, stages, asked))
    }

    /// The compiled module of an entry, and its digest.
    async fn component(
        &mut self,
        entry: &PolicyConfig,
    ) -> Result<(Component, String), LoadProblem> {
        let (bytes, sha256) = read(self.bounds, entry, self.base_dir).await?;
        let component = match self.compiled.get(&sha256) {
            Some(known) => known.clone(),
            None => self.bounds.compile(&self.runtime.engine, bytes).await?,
        };
        self.compiled.insert(sha256.clone(), component.clone());
        Ok((component, sha256))
    }
}

/// The octets of a module, their digest, and what it imports, whether or not it is a policy.
pub(super) async fn look_at(
    runtime: &Runtime,
    config: &Config,
    entry: &PolicyConfig,
    base_dir: &Path,
) -> Result<(Cow<'static, [u8]>, String, Vec<String>), LoadProblem> {
    let bounds = Bounds::of(config).map_err(LoadProblem::Limits)?;
    let (bytes, sha256) = read(bounds, entry, base_dir).await?;
    let component = bounds.compile(&runtime.engine, bytes.clone()).await?;
    Ok((bytes, sha256, imports(&runtime.engine, &component)))
}

/// The octets of a module, as pinned and of a component, and their digest.
async fn read(
    bounds: Bounds,
    entry: &PolicyConfig,
    base_dir: &Path,
) -> Result<(Cow<'static, [u8]>, String), LoadProblem> {
    let bytes = bounds.read(&entry.module, base_dir).await?;
    let sha256 = pinned_digest(&bytes, entry.sha256.as_deref())?;
    probe::format(&bytes)?;
    Ok((bytes, sha256))
}

fn finish(
    entry: &PolicyConfig,
    (sha256, imports, settings): (String, Vec<String>, Arc<str>),
    (descriptor, needs): (Descriptor, Needs),
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
        needs,
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

/// Asks the policy who it is, whether its settings are usable, and what it decides from.
async fn introduce(
    runtime: &Runtime,
    asked: &Asked,
    stages: &Stages,
    settings: &Arc<str>,
) -> Result<(Descriptor, Needs), LoadProblem> {
    let turn: Turn = Arc::new(runtime.loading_turn().await);
    let (descriptor,): (Descriptor,) =
        at_load(asked, "describe", stages.describe, (), &turn).await?;
    validate(asked, stages.validate_settings, settings, &turn).await?;
    let Some(function) = stages.describe_needs else {
        return Ok((descriptor, Needs::UNKNOWN));
    };
    let params = (Arc::clone(settings),);
    let (needs,): (Needs,) = at_load(asked, "describe-needs", function, params, &turn).await?;
    Ok((descriptor, needs))
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
