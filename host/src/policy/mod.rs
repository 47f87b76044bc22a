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
//! | `engine`, `ticker` | the shared engine: settings, pool; its epoch |
//! | `cache` | compiled code, kept between starts |
//! | `load`, `compile`, `probe`, `load_error` | from configuration to ready policy |
//! | `live` | the set in force, and how one follows another |
//! | `module` | one question to one fresh instance |
//! | `memory` | verdicts that need not be asked for again |
//! | `lane` | where an evaluation goes on that takes long |
//! | `inert` | the WASI with nothing in it |
//! | `limits`, `failure` | what an instance may use, and how it can fail |
//! | `verdict` | makes an answer safe to act on |
//! | `chain` | combines the answers |
//! | `shadow` | asks those that do not count, later |
//! | `resources`, `counters`, `effects` | what a policy can do beyond deciding, where it is granted |
//! | `document` | requests and verdicts as JSON, to be recorded and replayed |
//! | `recording` | requests as they are recorded, masked, and asked again |
//! | `offline` | one module by itself, for the author's tools |
//! | `bindings` | the Rust side of `wit/policy.wit` |

mod bindings;
mod cache;
mod chain;
mod compile;
mod config;
mod counters;
pub mod document;
mod effects;
mod engine;
mod failure;
mod inert;
mod lane;
mod limits;
mod live;
mod load;
mod load_error;
mod memory;
mod module;
mod offline;
mod probe;
mod recording;
mod resources;
mod shadow;
mod ticker;
mod verdict;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use self::cache::{CacheError, CodeCache};
pub use self::chain::{Ruling, Step, StepDecision};
pub use self::config::{
    Config, DecisionsConfig, DefaultDecision, Grant, Limits, Mask, Mode, OnFailure, PolicyConfig,
    RecordConfig, Wasi,
};
pub use self::counters::Counters;
pub use self::effects::Effects;
pub use self::failure::FailureKind;
pub use self::limits::LogLine;
pub use self::live::{Change, Identity, Policies};
pub use self::load_error::{FileKind, LoadError, LoadProblem};
pub use self::memory::KnownVerdicts;
pub use self::module::PolicyInfo;
pub use self::offline::{Inspection, Trial, Workbench};
pub use self::recording::MASKED;
pub use self::resources::{Content, PartFuture, Resources};
pub use self::shadow::{Shadow, ShadowQueue, Shadowed};
pub use self::verdict::{PolicyAlert, Refusal};

use self::bindings::{EnvelopeRequest, MessageRequest, Need};
use self::chain::Chain;
use self::effects::{Draft, Matter};
use self::engine::Runtime;
use self::failure::Failure;
use self::memory::Key;
use self::module::{Evaluation, Policy, Question, Turn};
use crate::decision;

/// The records of `gatepost:policy/types`, which `wit/policy.wit` documents.
pub mod types {
    pub use super::bindings::gatepost::policy::types::*;
}

/// What policies may need beyond a request.
#[derive(Clone, Default)]
pub struct AtHand<'a> {
    /// What they read the message from where that is granted. Default: nothing.
    pub content: Option<Arc<dyn Content>>,
    /// What they have said about the same user's messages. Default: they are asked every time.
    pub memory: Option<&'a KnownVerdicts>,
}

/// A chain of policies, ready to be asked. Immutable: a reload makes a new one.
pub struct PolicySet {
    generation: u64,
    config: Config,
    runtime: Arc<Runtime>,
    cache: Option<CodeCache>,
    chain: Vec<Policy>,
    /// Handed on to the set that follows.
    resources: Resources,
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
    /// is not the pinned one, is not a policy, imports what it is not granted, or refuses its settings.
    pub async fn load(config: &Config, base_dir: &Path) -> Result<Self, LoadError> {
        Self::load_with(config, base_dir, &Resources::default()).await
    }

    /// As [`PolicySet::load`], with what the policies share beyond this set.
    ///
    /// # Errors
    ///
    /// As [`PolicySet::load`].
    pub async fn load_with(
        config: &Config,
        base_dir: &Path,
        resources: &Resources,
    ) -> Result<Self, LoadError> {
        Self::load_cached(config, base_dir, resources, None).await
    }

    /// As [`PolicySet::load_with`]; what is compiled, now and by successors, is kept in `cache` and
    /// taken from there.
    ///
    /// # Errors
    ///
    /// As [`PolicySet::load`].
    pub async fn load_cached(
        config: &Config,
        base_dir: &Path,
        resources: &Resources,
        cache: Option<CodeCache>,
    ) -> Result<Self, LoadError> {
        let runtime = runtime(config, cache.as_ref())?;
        let compiled = HashMap::new();
        let chain = load::chain(&runtime, config, base_dir, compiled, resources).await?;
        Ok(Self {
            generation: 1,
            config: config.clone(),
            runtime,
            cache,
            chain,
            resources: resources.clone(),
            record: OnceLock::new(),
        })
    }

    /// The same set, which keeps what its policies log beside logging it: for a person who asks why.
    #[must_use]
    pub fn keeping_logs(mut self) -> Self {
        for policy in &mut self.chain {
            policy.asked.keeps_log = true;
        }
        self
    }

    /// The same policies for somebody who tries what would be: they count in counters of their own, which
    /// begin as the real ones are and go with this set.
    #[must_use]
    pub fn for_trial(&self) -> Self {
        let counters = Arc::new(self.resources.counters.copy());
        let resources = Resources {
            counters,
            ..self.resources.clone()
        };
        let mut chain = self.chain.clone();
        for policy in &mut chain {
            policy.asked.resources = resources.clone();
        }
        Self {
            generation: self.generation,
            config: self.config.clone(),
            runtime: Arc::clone(&self.runtime),
            cache: self.cache.clone(),
            chain,
            resources,
            record: OnceLock::new(),
        }
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
                self.enforced().map(recorded).collect(),
            ))
        };
        Arc::clone(self.record.get_or_init(make))
    }

    /// The policies in the order they are asked.
    pub fn policies(&self) -> impl Iterator<Item = &PolicyInfo> {
        self.chain.iter().map(|policy| &policy.info)
    }

    /// What the configuration says of each policy, with what is known of those that are loaded.
    pub fn entries(&self) -> impl Iterator<Item = (&PolicyConfig, Option<&PolicyInfo>)> {
        let info = |name: &str| self.policies().find(|info| info.name == name);
        self.config
            .chain
            .iter()
            .map(move |entry| (entry, info(&entry.name)))
    }

    /// What happens to a message on which no policy has an opinion.
    pub fn default_decision(&self) -> DefaultDecision {
        self.config.default
    }

    /// Those whose verdicts count.
    fn enforced(&self) -> impl Iterator<Item = &Policy> {
        self.chain.iter().filter(|policy| policy.is_enforced())
    }

    /// Whether a policy wants to see the reverse-path before the message is uploaded.
    pub fn checks_senders(&self) -> bool {
        self.chain
            .iter()
            .any(|policy| policy.sender_need().is_some())
    }

    /// Whether a policy wants to see each forward-path before the message is uploaded.
    pub fn checks_recipients(&self) -> bool {
        self.chain
            .iter()
            .any(|policy| policy.recipient_need().is_some())
    }

    /// Whether anybody looks at the header fields of a message.
    pub fn needs_headers(&self) -> bool {
        self.config.record.enabled || self.chain.iter().any(Policy::needs_headers)
    }

    /// Whether the answer to MAIL is the same as before for the same user and reverse-path. Where a policy
    /// in mode `shadow` is asked as well, it is asked each time, for its samples are counted.
    pub fn remembers_senders(&self) -> bool {
        self.chain.iter().all(|policy| match policy.sender_need() {
            None => true,
            Some(need) => need == Need::Identity && policy.is_enforced(),
        })
    }

    /// Asks about the reverse-path of a MAIL command; none is the null reverse-path.
    pub async fn on_sender(
        &self,
        session: Arc<types::Session>,
        envelope: impl Into<Arc<types::Envelope>>,
        sender: Option<types::Address>,
    ) -> Ruling {
        let draft = Draft::new(session, envelope.into(), Matter::Sender(sender));
        let question = |policy: &Policy, draft: &Draft, _: &Chain| {
            let sender = match &draft.matter {
                Matter::Sender(sender) => sender.clone(),
                _ => None,
            };
            Question::Sender(envelope_request(policy, draft), sender)
        };
        let staged = self
            .enforced()
            .filter(|policy| policy.sender_need().is_some());
        let nothing = AtHand::default();
        self.ask(staged, draft, nothing, question).await.go_on()
    }

    /// Asks about the forward-path of a RCPT command.
    pub async fn on_recipient(
        &self,
        session: Arc<types::Session>,
        envelope: impl Into<Arc<types::Envelope>>,
        recipient: types::Address,
    ) -> Ruling {
        let draft = Draft::new(session, envelope.into(), Matter::Recipient);
        let question = |policy: &Policy, draft: &Draft, _: &Chain| {
            Question::Recipient(envelope_request(policy, draft), recipient.clone())
        };
        let staged = self
            .enforced()
            .filter(|policy| policy.recipient_need().is_some());
        let nothing = AtHand::default();
        self.ask(staged, draft, nothing, question).await.go_on()
    }

    /// Asks about a whole message. The one stage every policy has; what it says is final.
    pub async fn evaluate(
        &self,
        session: Arc<types::Session>,
        envelope: impl Into<Arc<types::Envelope>>,
        message: impl Into<Arc<types::Message>>,
    ) -> Ruling {
        let nothing = AtHand::default();
        self.evaluate_with(session, envelope, message, nothing)
            .await
    }

    /// As [`PolicySet::evaluate`], with what there is at hand.
    pub async fn evaluate_with(
        &self,
        session: Arc<types::Session>,
        envelope: impl Into<Arc<types::Envelope>>,
        message: impl Into<Arc<types::Message>>,
        at_hand: AtHand<'_>,
    ) -> Ruling {
        let message = message.into();
        let matter = Matter::Message(Arc::clone(&message));
        let draft = Draft::new(session, envelope.into(), matter);
        let question = |policy: &Policy, draft: &Draft, chain: &Chain| {
            let message = match &draft.matter {
                Matter::Message(message) => message,
                _ => &message,
            };
            Question::Message(MessageRequest {
                settings: Arc::clone(&policy.settings),
                session: Arc::clone(&draft.session),
                envelope: Arc::clone(&draft.envelope),
                message: Arc::clone(message),
                effective_priority: chain.priority().into(),
            })
        };
        let chain = self.ask(self.enforced(), draft, at_hand, question).await;
        chain.decide(self.config.default)
    }

    /// Asks `policies` in order until one refuses, each about what the ones before it left. One turn
    /// serves the whole chain, since only one of its instances lives at a time.
    async fn ask<'a>(
        &self,
        policies: impl Iterator<Item = &'a Policy>,
        mut draft: Draft,
        at_hand: AtHand<'_>,
        question: impl Fn(&Policy, &Draft, &Chain) -> Question,
    ) -> Chain {
        let mut chain = Chain::default();
        let mut turn: Option<Turn> = None;
        for policy in policies {
            let question = question(policy, &draft, &chain);
            let evaluation = self.one(policy, question, &at_hand, &mut turn).await;
            match (&evaluation.result, &evaluation.draft) {
                (Ok(_), Some(left)) => draft = left.next(),
                (Ok(_), None) => {}
                (Err(failure), _) => warn_of(&policy.info, failure),
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

    /// What a policy answers, from memory where it has answered before.
    async fn one(
        &self,
        policy: &Policy,
        question: Question,
        at_hand: &AtHand<'_>,
        turn: &mut Option<Turn>,
    ) -> Evaluation {
        let memory = at_hand.memory;
        let remembered = memory.and_then(|memory| Some((memory, Key::of(policy, &question)?)));
        if let Some((memory, key)) = remembered
            && let Some(evaluation) = memory.recall(self.generation, key)
        {
            return evaluation;
        }
        if turn.is_none() {
            let patience = Duration::from_millis(self.config.queue_wait_ms);
            *turn = self.runtime.turn(patience).await.map(Arc::new);
        }
        let Some(turn) = turn else {
            return Evaluation::saturated();
        };
        let content = at_hand.content.clone();
        let evaluation = policy.ask(question, content, Arc::clone(turn)).await;
        if let Some((memory, key)) = remembered {
            memory.note(self.generation, key, &evaluation);
        }
        evaluation
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
            draft: None,
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
        mode: info.mode.as_str().to_owned(),
        settings: policy.settings.to_string(),
    }
}

fn runtime(config: &Config, cache: Option<&CodeCache>) -> Result<Arc<Runtime>, LoadError> {
    if !(1..=10_000).contains(&config.concurrency) {
        return Err(LoadError::Config(
            "policy.concurrency must be from 1 to 10000",
        ));
    }
    if let Some(problem) = config.record.problem() {
        return Err(LoadError::Config(problem));
    }
    Runtime::new(config, cache)
        .map(Arc::new)
        .map_err(|error| LoadError::Engine(format!("{error:#}")))
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

fn envelope_request(policy: &Policy, draft: &Draft) -> EnvelopeRequest {
    EnvelopeRequest {
        settings: Arc::clone(&policy.settings),
        session: Arc::clone(&draft.session),
        envelope: Arc::clone(&draft.envelope),
    }
}

#[cfg(test)]
mod tests;
