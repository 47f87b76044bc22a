//! Asks WebAssembly policies whether a user may send a message, and how urgent it is.
//!
//! A [`PolicySet`] is an ordered chain of components, loaded and checked as a whole and then never
//! changed. At each stage of a transaction the policies are asked in order, each in a fresh
//! instance of its own with limits on fuel, time, memory, stack and data; [`Ruling`] is what they
//! came to. This room knows the interface `gatepost:policy` and no rule of its own: who may send
//! as whom is the policies' business. Whatever a policy does, it ends as a verdict or as a
//! [`FailureKind`], never as a delay of another session.
//!
//! Neighbours: `intake` and `submission` ask; `queue` and `alert` lend their words.
//!
//! | file | what |
//! |---|---|
//! | `config` | the `[policy]` table |
//! | `engine` | the shared engine: settings, pool, epoch |
//! | `load`, `probe`, `load_error` | from configuration to ready policy |
//! | `live` | the set in force, and how one follows another |
//! | `module` | one question to one fresh instance |
//! | `limits`, `failure` | what an instance may use, and how it can fail |
//! | `verdict` | makes an answer safe to act on |
//! | `chain` | combines the answers |
//! | `document` | requests and verdicts as JSON, to be recorded and replayed |
//! | `recording` | requests as they are recorded, masked, and asked again |
//! | `offline` | one module by itself, for the author's tools |
//! | `bindings` | the Rust side of `wit/policy.wit` |

mod bindings;
mod chain;
mod config;
pub mod document;
mod engine;
mod failure;
mod limits;
mod live;
mod load;
mod load_error;
mod module;
mod offline;
mod probe;
mod recording;
mod verdict;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use self::chain::{Ruling, Step, StepDecision};
pub use self::config::{
    Config, DecisionsConfig, DefaultDecision, Limits, Mask, Mode, OnFailure, PolicyConfig,
    RecordConfig,
};
pub use self::failure::FailureKind;
pub use self::limits::LogLine;
pub use self::live::{Change, Identity, Policies};
pub use self::load_error::{FileKind, LoadError, LoadProblem};
pub use self::module::PolicyInfo;
pub use self::offline::{Trial, Workbench};
pub use self::recording::MASKED;
pub use self::verdict::{PolicyAlert, Refusal};

use self::bindings::{EnvelopeRequest, MessageRequest};
use self::chain::Chain;
use self::engine::Runtime;
use self::failure::Failure;
use self::module::{Evaluation, Policy, Question, Turn};
use crate::decision;

/// The records of `gatepost:policy/types`, which `wit/policy.wit` documents.
pub mod types {
    pub use super::bindings::gatepost::policy::types::*;
}

/// A chain of policies, ready to be asked. Immutable: a reload makes a new one.
pub struct PolicySet {
    generation: u64,
    config: Config,
    runtime: Arc<Runtime>,
    chain: Vec<Policy>,
    record: OnceLock<Arc<decision::Chain>>,
}

impl PolicySet {
    /// Loads and checks every policy of the chain that is to be enforced.
    ///
    /// Paths of modules are relative to `base_dir`.
    ///
    /// # Errors
    ///
    /// When a limit is out of range, the engine cannot be started, or any policy cannot be read,
    /// is not the pinned one, is not a policy, or refuses its settings.
    pub async fn load(config: &Config, base_dir: &Path) -> Result<Self, LoadError> {
        let runtime = runtime(config)?;
        let chain = load::chain(&runtime, config, base_dir, HashMap::new()).await?;
        Ok(Self {
            generation: 1,
            config: config.clone(),
            runtime,
            chain,
            record: OnceLock::new(),
        })
    }

    /// The number of this set among those of the running relay, from 1.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Which of the requests that these policies are asked are recorded.
    pub fn recording(&self) -> &RecordConfig {
        &self.config.record
    }

    /// What decisions of these policies are kept with.
    pub fn record(&self) -> Arc<decision::Chain> {
        let make = || {
            Arc::new(decision::Chain::new(
                self.chain.iter().map(recorded).collect(),
            ))
        };
        Arc::clone(self.record.get_or_init(make))
    }

    /// The policies in the order they are asked.
    pub fn policies(&self) -> impl Iterator<Item = &PolicyInfo> {
        self.chain.iter().map(|policy| &policy.info)
    }

    /// Whether a policy wants to see the reverse-path before the message is uploaded.
    pub fn checks_senders(&self) -> bool {
        self.chain.iter().any(|policy| policy.envelope.is_some())
    }

    /// Whether a policy wants to see each forward-path before the message is uploaded.
    pub fn checks_recipients(&self) -> bool {
        self.checks_senders()
    }

    /// Asks about the reverse-path of a MAIL command; none is the null reverse-path.
    pub async fn on_sender(
        &self,
        session: Arc<types::Session>,
        envelope: impl Into<Arc<types::Envelope>>,
        sender: Option<types::Address>,
    ) -> Ruling {
        let request = EnvelopeParts::new(session, envelope);
        self.envelope_stage(|policy| Question::Sender(request.of(policy), sender.clone()))
            .await
    }

    /// Asks about the forward-path of a RCPT command.
    pub async fn on_recipient(
        &self,
        session: Arc<types::Session>,
        envelope: impl Into<Arc<types::Envelope>>,
        recipient: types::Address,
    ) -> Ruling {
        let request = EnvelopeParts::new(session, envelope);
        self.envelope_stage(|policy| Question::Recipient(request.of(policy), recipient.clone()))
            .await
    }

    /// Asks about a whole message. The one stage every policy has; what it says is final.
    pub async fn evaluate(
        &self,
        session: Arc<types::Session>,
        envelope: impl Into<Arc<types::Envelope>>,
        message: impl Into<Arc<types::Message>>,
    ) -> Ruling {
        let (envelope, message) = (envelope.into(), message.into());
        let question = |policy: &Policy, chain: &Chain| {
            Question::Message(MessageRequest {
                settings: Arc::clone(&policy.settings),
                session: Arc::clone(&session),
                envelope: Arc::clone(&envelope),
                message: Arc::clone(&message),
                effective_priority: chain.priority().into(),
            })
        };
        let chain = self.ask(self.chain.iter(), question).await;
        chain.decide(self.config.default)
    }

    async fn envelope_stage(&self, question: impl Fn(&Policy) -> Question) -> Ruling {
        let staged = self.chain.iter().filter(|policy| policy.envelope.is_some());
        let chain = self.ask(staged, |policy, _| question(policy)).await;
        chain.go_on()
    }

    /// Asks `policies` in order until one refuses. One turn serves the whole chain, since only one
    /// of its instances lives at a time.
    async fn ask<'a>(
        &self,
        policies: impl Iterator<Item = &'a Policy>,
        question: impl Fn(&Policy, &Chain) -> Question,
    ) -> Chain {
        let mut chain = Chain::default();
        let mut turn: Option<Turn> = None;
        for policy in policies {
            if turn.is_none() {
                let patience = Duration::from_millis(self.config.queue_wait_ms);
                turn = self.runtime.turn(patience).await.map(Arc::new);
            }
            let evaluation = match &turn {
                Some(turn) => policy.ask(question(policy, &chain), Arc::clone(turn)).await,
                None => Evaluation::saturated(),
            };
            if let Err(failure) = &evaluation.result {
                warn_of(&policy.info, failure);
            }
            if chain
                .add(&policy.info, policy.on_failure, evaluation)
                .is_break()
            {
                break;
            }
        }
        chain
    }
}

impl std::fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.policies()).finish()
    }
}

impl Evaluation {
    /// The turn did not come in time.
    fn saturated() -> Self {
        let waiting = "too many evaluations were waiting";
        Self {
            result: Err(Failure::new(FailureKind::Saturated, waiting)),
            fuel: 0,
            duration: Duration::ZERO,
            memory_bytes: 0,
            log: Vec::new(),
        }
    }
}

fn recorded(policy: &Policy) -> decision::Policy {
    let info = &policy.info;
    decision::Policy {
        name: info.name.clone(),
        module: info.module.clone(),
        version: info.version.clone(),
        sha256: info.sha256.clone(),
        mode: "enforce".to_owned(),
        settings: policy.settings.to_string(),
    }
}

fn runtime(config: &Config) -> Result<Arc<Runtime>, LoadError> {
    if !(1..=10_000).contains(&config.concurrency) {
        return Err(LoadError::Config(
            "policy.concurrency must be from 1 to 10000",
        ));
    }
    if let Some(problem) = config.record.problem() {
        return Err(LoadError::Config(problem));
    }
    let runtime = Runtime::new(config).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
    Ok(Arc::new(runtime))
}

fn warn_of(policy: &PolicyInfo, failure: &Failure) {
    tracing::warn!(
        policy = policy.name,
        failure = failure.kind.as_str(),
        "policy {} failed ({}): {}",
        policy.name,
        failure.kind,
        verdict::summary(&failure.detail)
    );
}

/// What the questions of one envelope command have in common.
struct EnvelopeParts {
    session: Arc<types::Session>,
    envelope: Arc<types::Envelope>,
}

impl EnvelopeParts {
    fn new(session: Arc<types::Session>, envelope: impl Into<Arc<types::Envelope>>) -> Self {
        Self {
            session,
            envelope: envelope.into(),
        }
    }

    fn of(&self, policy: &Policy) -> EnvelopeRequest {
        EnvelopeRequest {
            settings: Arc::clone(&policy.settings),
            session: Arc::clone(&self.session),
            envelope: Arc::clone(&self.envelope),
        }
    }
}

#[cfg(test)]
mod tests;
