//! One module by itself, without a relay around it: what the author's tools and replays ask.
//!
//! It is loaded, asked and judged by the code that serves sessions; only that more of what happens
//! inside is kept.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::cache::CodeCache;
use super::chain::{Chain, Ruling};
use super::config::{Config, Mode, PolicyConfig};
use super::document::Request;
use super::engine::Runtime;
use super::failure::FailureKind;
use super::limits::LogLine;
use super::load::{self, Compiled};
use super::load_error::{LoadError, LoadProblem};
use super::module::{Evaluation, Policy, PolicyInfo};
use super::resources::{Content, Resources};
use super::types::{self, Verdict};
use super::verdict::printable;

/// MiB of compiled code that are kept for tools: a dozen interpreters.
const CACHE_MIB: u64 = 512;
/// Octets of a failure's detail that are kept for people.
const DETAIL_BYTES: usize = 1000;
/// How long a question waits for its turn among others of the same tool, as in a relay.
const PATIENCE: Duration = Duration::from_secs(2);

/// A module that was looked at without running it, whether or not it can be loaded.
pub struct Inspection {
    /// Its octets.
    pub bytes: Cow<'static, [u8]>,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// What it imports, which is all that it can do besides deciding.
    pub imports: Vec<String>,
}

impl Inspection {
    /// Reads and compiles the module of `entry`.
    ///
    /// # Errors
    /// When it cannot be read, is not the pinned one, or is no component.
    pub async fn of(entry: &PolicyConfig, base_dir: &Path) -> Result<Self, LoadError> {
        let config = Config {
            chain: vec![entry.clone()],
            ..Config::default()
        };
        let runtime = Runtime::new(&config, cache().as_ref())
            .map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        let looked_at = load::look_at(&runtime, &config, entry, base_dir).await;
        let (bytes, sha256, imports) = looked_at.map_err(|problem| problem.of(entry))?;
        Ok(Self {
            bytes,
            sha256,
            imports,
        })
    }
}

/// Compiled code of tools is kept in the user's own cache folder: an interpreter takes seconds to
/// compile. Without such a folder, or when it is not safe, it is compiled each time.
fn cache() -> Option<CodeCache> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let usual = || Some(std::env::home_dir()?.join(".cache"));
    let parent = named.or_else(usual)?.join("gatepost");
    std::fs::create_dir_all(&parent).ok()?;
    let folder = parent.join("policies");
    let opened = CodeCache::open(&folder, CACHE_MIB);
    opened
        .inspect_err(|error| tracing::debug!(%error, "compiled code is not kept"))
        .ok()
}

/// A module that was loaded to be tried out.
pub struct Workbench {
    runtime: Runtime,
    policy: Policy,
}

/// What came of one request.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The verdict as the policy gave it, or how it failed, with what is known about it.
    pub verdict: Result<Verdict, (FailureKind, String)>,
    /// What the relay makes of it, as a chain of this policy alone; when it passes, nothing is refused.
    pub ruling: Ruling,
    /// Fuel it took.
    pub fuel: u64,
    /// How long it took, instantiation included.
    pub duration: Duration,
    /// Octets of linear memory it had in the end; memories never shrink.
    pub memory_bytes: u64,
    /// What it logged, in order.
    pub log: Vec<LogLine>,
}

impl Workbench {
    /// Loads the module of `entry` as a relay would; `mode` is as if it were `enforce`. What it counts
    /// is counted from zero, and it knows no routes.
    ///
    /// # Errors
    /// As [`super::PolicySet::load`].
    pub async fn load(entry: &PolicyConfig, base_dir: &Path) -> Result<Self, LoadError> {
        Self::load_with(entry, base_dir, &Resources::default()).await
    }

    /// As [`Workbench::load`], with what a relay would lend the policy.
    ///
    /// # Errors
    /// As [`super::PolicySet::load`].
    pub async fn load_with(
        entry: &PolicyConfig,
        base_dir: &Path,
        resources: &Resources,
    ) -> Result<Self, LoadError> {
        let entry = PolicyConfig {
            mode: Mode::Enforce,
            ..entry.clone()
        };
        let config = Config {
            chain: vec![entry],
            ..Config::default()
        };
        let runtime = Runtime::new(&config, cache().as_ref())
            .map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        let compiled = Compiled::new();
        let mut chain = load::chain(&runtime, &config, base_dir, compiled, resources).await?;
        let mut policy = chain.remove(0);
        policy.asked.keeps_log = true;
        Ok(Self { runtime, policy })
    }

    /// What is known of the module.
    pub fn info(&self) -> &PolicyInfo {
        &self.policy.info
    }

    /// The settings it was loaded with, as the policy is given them.
    pub fn settings(&self) -> Arc<str> {
        Arc::clone(&self.policy.settings)
    }

    /// Whether it exports `envelope-stage`.
    pub fn has_envelope_stage(&self) -> bool {
        self.policy.envelope.is_some()
    }

    /// Other settings for the same module, as the policy is given them, when it finds them usable.
    ///
    /// # Errors
    /// What it finds wrong with them.
    pub async fn check_settings(&self, settings: &toml::Table) -> Result<Arc<str>, LoadProblem> {
        let settings: Arc<str> = load::settings_json(settings)?.into();
        let validate = self.policy.validate_settings;
        let turn = self.runtime.loading_turn().await;
        load::validate(&self.policy.asked, validate, &settings, &Arc::new(turn)).await?;
        Ok(settings)
    }

    /// Asks the module; none when it does not take part in that stage. There is no content to read.
    pub async fn ask(&self, request: &Request) -> Option<Trial> {
        self.ask_about(request, None).await
    }

    /// As [`Workbench::ask`], with the content of the message at hand.
    pub async fn ask_about(
        &self,
        request: &Request,
        content: Option<Arc<dyn Content>>,
    ) -> Option<Trial> {
        let question = request.question();
        if question.is_of_envelope() && !self.has_envelope_stage() {
            return None;
        }
        let evaluation = match self.runtime.turn(PATIENCE).await {
            Some(turn) => self.policy.ask(question, content, Arc::new(turn)).await,
            None => Evaluation::saturated(),
        };
        Some(self.judge(request.effective_priority(), evaluation))
    }

    fn judge(&self, priority: types::Priority, mut evaluation: Evaluation) -> Trial {
        let verdict = evaluation.result.clone();
        let (fuel, duration) = (evaluation.fuel, evaluation.duration);
        let memory_bytes = evaluation.memory_bytes;
        let log = std::mem::take(&mut evaluation.log);
        let mut chain = Chain::beginning_with(priority);
        // Whether a longer chain would end here is told by the ruling too.
        let _ = chain.add(&self.policy.info, self.policy.on_failure, evaluation);
        Trial {
            verdict: verdict
                .map_err(|failure| (failure.kind, printable(&failure.detail, DETAIL_BYTES))),
            ruling: chain.go_on(),
            fuel,
            duration,
            memory_bytes,
            log,
        }
    }
}
