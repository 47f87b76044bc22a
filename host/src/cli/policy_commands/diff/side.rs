//! One side of a comparison: a module with settings, or the whole chain of a configuration.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::Module;
use super::super::records::CONTENT;
use super::compare::Answer;
use crate::app::{StartError, resources};
use crate::cli::{Failure, load_config};
use crate::decision::Policy;
use crate::policy::document::Request;
use crate::policy::{self, PolicySet, Resources};

/// Evaluations at once: a comparison asks one after the other.
const CONCURRENCY: u32 = 4;

/// What one side is.
#[derive(Debug)]
pub enum Source {
    /// A module by itself.
    Module(Module),
    /// The chain of a configuration file.
    Config(PathBuf),
}

/// A side that can be asked.
#[derive(Debug)]
pub struct Side {
    name: String,
    set: PolicySet,
}

impl Side {
    /// Loads it as a relay does. The policy of a module is called `called`, so that the rules of both
    /// sides have the same names.
    ///
    /// # Errors
    /// When the configuration or its settings cannot be read, or a module not loaded.
    pub async fn load(source: Source, called: &str) -> Result<Self, Failure> {
        let (name, policy, folder, lent) = match source {
            Source::Module(module) => {
                let mut entry = module.entry()?;
                called.clone_into(&mut entry.name);
                let config = policy::Config {
                    chain: vec![entry],
                    ..policy::Config::default()
                };
                (module.file, config, PathBuf::new(), Resources::default())
            }
            Source::Config(path) => {
                let config = load_config(Some(&path))?;
                let lent = resources(&config);
                (
                    path.display().to_string(),
                    config.policy,
                    config.folder,
                    lent,
                )
            }
        };
        let policy = policy::Config {
            concurrency: CONCURRENCY,
            ..policy
        };
        // Each side counts for itself and from nothing, by the clock of the requests.
        let loaded = PolicySet::load_with(&policy, &folder, &lent).await;
        Ok(Self {
            name,
            set: loaded.map_err(StartError::from)?,
        })
    }

    /// What it makes of a request.
    pub async fn answer(&self, request: &Request) -> Answer {
        Answer::from(&self.set.answer(request).await)
    }

    /// What it is.
    pub fn described(&self) -> Described {
        let imports = self.set.policies().flat_map(|policy| &policy.imports);
        let mut described = Described::of(&self.name, self.set.record().policies());
        described.reads_content = imports.into_iter().any(|name| name.starts_with(CONTENT));
        described
    }
}

/// What a side is, for people and for programs.
#[derive(Debug)]
pub struct Described {
    /// A line for each policy.
    pub lines: Vec<String>,
    /// The same for programs.
    pub value: Value,
    /// Whether a policy reads what is not recorded.
    pub reads_content: bool,
}

impl Described {
    /// A side of these policies.
    pub fn of(name: &str, policies: &[Policy]) -> Self {
        let line = |policy: &Policy| {
            let digest = policy.sha256.get(..12).unwrap_or(&policy.sha256);
            format!(
                "{} {} ({}, sha256 {digest}…), settings {}",
                policy.name, policy.version, policy.module, policy.settings
            )
        };
        let mut lines: Vec<String> = policies.iter().map(line).collect();
        if lines.is_empty() {
            lines.push(format!("{name}: no policies"));
        }
        Self {
            lines,
            value: json!({ "source": name, "policies": policies }),
            reads_content: false,
        }
    }
}
