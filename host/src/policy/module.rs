//! One loaded policy, and how one question is put to a fresh instance of it.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{
    ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Lower, TypedFunc,
};
use wasmtime::{Store, UpdateDeadline};

use super::bindings::{EnvelopeRequest, MessageNeed, MessageRequest, Need, Needs};
use super::config::{Grant, Limits, Mode, OnFailure, Wasi};
use super::effects::{Draft, Matter};
use super::failure::{DeadlinePassed, Failure, FailureKind};
use super::lane::{self, Habits, SLICE_FUEL, SLICE_TIME};
use super::limits::{HOST_CALL_BYTES, LogLine, State, Subject};
use super::resources::{Content, Reading, Resources};
use super::shadow::is_shadow_thread;
use super::ticker::Ticker;
use super::types::{Address, Verdict};

/// What is known of a loaded policy, for logs and people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyInfo {
    /// Its name in the configuration.
    pub name: String,
    /// Where it was read from, as the configuration says it.
    pub module: String,
    /// What it calls itself.
    pub title: String,
    /// The version it states.
    pub version: String,
    /// One sentence of its own about what it does.
    pub summary: String,
    /// SHA-256 of the component in lower-case hexadecimal.
    pub sha256: String,
    /// The stages it takes part in, for example `message-stage`.
    pub stages: Vec<&'static str>,
    /// Fuel one evaluation may take.
    pub fuel_limit: u64,
    /// Whether its verdicts count.
    pub mode: Mode,
    /// What it imports, which is all that it can do besides deciding.
    pub imports: Vec<String>,
    /// The JSON Schema of its settings, as it states it; may be empty, and anything may stand here.
    pub settings_schema: String,
    /// What the configuration lets it import.
    pub grants: Vec<Grant>,
}

impl PolicyInfo {
    /// What it can do besides deciding and logging.
    pub fn powers(&self) -> impl Iterator<Item = Grant> {
        self.imports
            .iter()
            .filter_map(|name| Grant::of_import(name))
    }

    /// What it is granted but does not import.
    pub fn unused_grants(&self) -> impl Iterator<Item = Grant> {
        let is_used = |grant: Grant| self.powers().any(|power| power == grant);
        self.grants
            .iter()
            .copied()
            .filter(move |grant| !is_used(*grant))
    }
}

/// A policy that is ready to be asked.
#[derive(Clone)]
pub(super) struct Policy {
    pub info: PolicyInfo,
    pub on_failure: OnFailure,
    /// The share of messages that it is asked about in mode `shadow`.
    pub shadow_sample: f64,
    /// The JSON document that the policy found usable.
    pub settings: Arc<str>,
    pub validate_settings: ComponentExportIndex,
    pub evaluate: ComponentExportIndex,
    pub envelope: Option<EnvelopeStage>,
    /// What it decides from, as it says itself.
    pub needs: Needs,
    pub asked: Asked,
}

/// The functions of a policy that takes part in the envelope stage.
#[derive(Clone)]
pub(super) struct EnvelopeStage {
    pub on_sender: ComponentExportIndex,
    pub on_recipient: ComponentExportIndex,
}

impl Needs {
    /// Of a policy that does not say: it is asked every time and given everything.
    pub const UNKNOWN: Self = Self {
        on_sender: Need::Request,
        on_recipient: Need::Request,
        evaluate: MessageNeed::Request,
        headers: true,
    };
}

/// What it takes to put a question to a component.
#[derive(Clone)]
pub(super) struct Asked {
    pub name: Arc<str>,
    pub pre: InstancePre<State>,
    pub limits: Limits,
    pub wasi: Wasi,
    /// Whether log lines are kept beside being logged.
    pub keeps_log: bool,
    pub resources: Resources,
    pub habits: Arc<Habits>,
    pub ticker: Arc<Ticker>,
}

/// One question, with everything it refers to.
pub(super) enum Question {
    Message(MessageRequest),
    Sender(EnvelopeRequest, Option<Address>),
    Recipient(EnvelopeRequest, Address),
}

impl Question {
    /// Whether it is about an envelope, which not every policy answers.
    pub fn is_of_envelope(&self) -> bool {
        !matches!(self, Self::Message(_))
    }

    /// The message or the envelope, for the policy to change.
    fn draft(&self) -> Draft {
        let (session, envelope, matter) = match self {
            Self::Message(request) => (
                &request.session,
                &request.envelope,
                Matter::Message(request.message.clone()),
            ),
            Self::Sender(request, sender) => (
                &request.session,
                &request.envelope,
                Matter::Sender(sender.clone()),
            ),
            Self::Recipient(request, _) => (&request.session, &request.envelope, Matter::Recipient),
        };
        Draft::new(session.clone(), envelope.clone(), matter)
    }
}

/// What came of one question.
pub(super) struct Evaluation {
    pub result: Result<Verdict, Failure>,
    pub fuel: u64,
    pub duration: Duration,
    pub memory_bytes: u64,
    pub log: Vec<LogLine>,
    /// What was asked about as the policy leaves it, with the effects it asked for.
    pub draft: Option<Draft>,
}

/// Holds a place among the concurrent evaluations for as long as any clone lives.
pub(super) type Turn = Arc<OwnedSemaphorePermit>;

type Answer = (Result<Verdict, String>,);

impl Policy {
    /// Whether its verdicts count.
    pub fn is_enforced(&self) -> bool {
        self.info.mode == Mode::Enforce
    }

    /// What its answers to MAIL depend on; none when there are none that could refuse.
    pub fn sender_need(&self) -> Option<Need> {
        self.envelope.as_ref()?;
        Some(self.needs.on_sender).filter(|need| *need != Need::Nothing)
    }

    /// The same of RCPT.
    pub fn recipient_need(&self) -> Option<Need> {
        self.envelope.as_ref()?;
        Some(self.needs.on_recipient).filter(|need| *need != Need::Nothing)
    }

    /// Whether its verdict about a message is the same for the same originators. What it can do besides deciding
    /// would not be done again.
    pub fn remembers_verdicts(&self) -> bool {
        self.needs.evaluate == MessageNeed::Originators && self.info.powers().next().is_none()
    }

    /// Whether the header fields must be handed over. What it does to them is held against all there are.
    pub fn needs_headers(&self) -> bool {
        self.needs.headers || self.info.powers().any(|power| power == Grant::Effects)
    }

    /// Puts `question` to a fresh instance; `turn` is held until the instance is gone.
    ///
    /// # Cancel safety
    ///
    /// Safe: an abandoned evaluation ends by its own limits and holds its turn until then.
    pub async fn ask(
        &self,
        question: Question,
        content: Option<Arc<dyn Content>>,
        turn: Turn,
    ) -> Evaluation {
        let started = Instant::now();
        let asked = self.asked.clone();
        let subject = Subject {
            draft: Some(question.draft()),
            reading: Reading::of(content),
        };
        let called = match question {
            Question::Message(request) => {
                let call = asked.call::<_, Answer>(self.evaluate, (request,), subject, turn);
                run(Box::pin(call), &self.asked.habits).await
            }
            Question::Sender(request, sender) => {
                let function = self.envelope().on_sender;
                let call = asked.call::<_, Answer>(function, (request, sender), subject, turn);
                run(Box::pin(call), &self.asked.habits).await
            }
            Question::Recipient(request, recipient) => {
                let function = self.envelope().on_recipient;
                let call = asked.call::<_, Answer>(function, (request, recipient), subject, turn);
                run(Box::pin(call), &self.asked.habits).await
            }
        };
        let result = called.result.and_then(|(answer,)| {
            answer.map_err(|text| Failure::new(FailureKind::GuestError, text))
        });
        Evaluation {
            result,
            fuel: called.fuel,
            duration: started.elapsed(),
            memory_bytes: called.memory_bytes,
            log: called.log,
            draft: called.draft,
        }
    }

    fn envelope(&self) -> &EnvelopeStage {
        self.envelope
            .as_ref()
            .expect("only asked about what its stages answer")
    }
}

/// What came of one call of an exported function.
pub(super) struct Called<R> {
    pub result: Result<R, Failure>,
    pub fuel: u64,
    /// Linear memory in the end.
    pub memory_bytes: u64,
    /// Lines, where they are kept.
    pub log: Vec<LogLine>,
    pub draft: Option<Draft>,
}

impl<R> Called<R> {
    /// What came of a call in which the host failed, not the guest.
    fn panicked() -> Self {
        Self {
            result: Err(Failure::new(FailureKind::Trap, "the host panicked")),
            fuel: 0,
            memory_bytes: 0,
            log: Vec::new(),
            draft: None,
        }
    }
}

impl Asked {
    /// Calls `function` of a fresh instance and drops the instance; `held` goes with it.
    pub async fn call<P, R>(
        self,
        function: ComponentExportIndex,
        params: P,
        subject: Subject,
        held: Turn,
    ) -> Called<R>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let ticking = self.ticker.begin();
        let mut store = self.store(subject);
        let result = self.call_in_time(&mut store, &function, params).await;
        let fuel = self.limits.fuel - store.get_fuel().unwrap_or(0).min(self.limits.fuel);
        let mut state = store.into_data();
        state.log_printed();
        drop((ticking, held));
        let denied = state.limiter.denied();
        Called {
            result: result.map_err(|error| Failure::from_engine(&error, denied)),
            fuel,
            memory_bytes: state.limiter.memory_bytes(),
            log: state.kept_log,
            draft: state.draft,
        }
    }

    /// A guest with WASI can sleep, and a guest that sleeps meets no epoch.
    async fn call_in_time<P, R>(
        &self,
        store: &mut Store<State>,
        function: &ComponentExportIndex,
        params: P,
    ) -> wasmtime::Result<R>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        if self.wasi == Wasi::None {
            return self.call_in(store, function, params).await;
        }
        let deadline = store.data().deadline.into();
        let call = self.call_in(store, function, params);
        let called = tokio::time::timeout_at(deadline, call).await;
        called.unwrap_or_else(|_| Err(DeadlinePassed.into()))
    }

    async fn call_in<P, R>(
        &self,
        store: &mut Store<State>,
        function: &ComponentExportIndex,
        params: P,
    ) -> wasmtime::Result<R>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        let function: TypedFunc<P, R> = instance.get_typed_func(&mut *store, function)?;
        function.call_async(store, params).await
    }

    /// An empty store with every limit armed; its time runs from now.
    fn store(&self, subject: Subject) -> Store<State> {
        let memory_bytes = (self.limits.memory_mib as usize) << 20;
        let deadline = Instant::now() + Duration::from_millis(self.limits.time_ms);
        let (name, resources) = (Arc::clone(&self.name), self.resources.clone());
        let mut state = State::new(name, memory_bytes, deadline, resources, subject);
        state.keeps_log = self.keeps_log;
        if self.wasi == Wasi::Inert {
            state.lend_wasi();
        }
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter_async(|state| &mut state.limiter);
        store
            .set_fuel(self.limits.fuel)
            .expect("the engine counts fuel");
        store
            .fuel_async_yield_interval(Some(SLICE_FUEL))
            .expect("the engine counts fuel");
        store.set_hostcall_fuel(HOST_CALL_BYTES);
        let begun = lane::processor_time();
        store.epoch_deadline_callback(move |_| {
            if Instant::now() >= deadline {
                return Err(DeadlinePassed.into());
            }
            // Turns are taken by fuel. A tick may only mean that the machine is busy, and who was interrupted
            // so has nothing to look for among those that take long; unless it costs time and hardly any fuel.
            let goes_on_here =
                lane::is_lane_thread() || lane::processor_time() - begun < SLICE_TIME;
            Ok(match goes_on_here {
                true => UpdateDeadline::Continue(1),
                false => UpdateDeadline::Yield(1),
            })
        });
        store.set_epoch_deadline(1);
        store
    }
}

/// Runs a call so that no guest holds an asynchronous worker for longer than a slice of fuel.
///
/// Nearly every call ends in its first poll, within microseconds and without changing threads; one
/// that does not goes on in the lanes.
async fn run<R: Send + 'static>(
    mut call: lane::Evaluation<Called<R>>,
    habits: &Arc<Habits>,
) -> Called<R> {
    if is_shadow_thread() {
        return call.await;
    }
    // A guest waits for nothing, and for what the host reads it waits below, where it is polled again.
    let first_poll = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    if let Poll::Ready(called) = first_poll {
        return called;
    }
    let called = lane::go_on(call, habits).await;
    called.unwrap_or_else(Called::panicked)
}

/// Runs a call at load time, all of it in the long lane.
pub(super) async fn run_at_load<P, R>(
    asked: Asked,
    function: ComponentExportIndex,
    params: P,
    turn: Turn,
) -> Result<R, Failure>
where
    P: ComponentNamedList + Lower + Send + Sync + 'static,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    let call = Box::pin(asked.call(function, params, Subject::default(), turn));
    let called = lane::go_on_patiently(call).await;
    called.unwrap_or_else(Called::panicked).result
}
