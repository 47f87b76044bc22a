//! Policies in mode `shadow`: asked when the client has its reply, to see what they would have decided.
//!
//! They cost the client nothing: what is to be asked waits in a queue with a bound, and is asked by
//! one thread of low priority that takes no turn from the policies that count.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use tokio::runtime::Handle;

use super::chain::{Chain, Ruling};
use super::config::Mode;
use super::document::{Request, Stage};
use super::lane::lower_priority;
use super::load_error::LoadError;
use super::module::Policy;
use super::{PolicySet, recorded, types};
use crate::decision;

/// What is added to the niceness of the thread: it runs when nobody else wants to.
const NICENESS: i32 = 19;
/// Of so many messages that find no room in the queue, one is told in the log.
const TOLD_EVERY: u64 = 1000;

thread_local! {
    static IS_SHADOW: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread asks shadow policies, so that a guest may keep it busy.
pub(super) fn is_shadow_thread() -> bool {
    IS_SHADOW.get()
}

/// What is to be asked of shadow policies.
#[must_use = "nobody is asked until it is run"]
pub struct Shadow {
    set: Arc<PolicySet>,
    request: Request,
    /// Places in the chain, and the effective priority that each of them is given.
    asked: Vec<(usize, types::Priority)>,
}

/// What one shadow policy would have decided.
#[derive(Debug)]
pub struct Shadowed {
    /// The policy, as decisions are kept with it.
    pub chain: Arc<decision::Chain>,
    /// What it came to, as if it were alone. Nothing of it counts.
    pub ruling: Ruling,
}

impl PolicySet {
    /// What shadow policies are to be asked about a request, on which the others have ruled; none
    /// when there are none, or the request is not among the sample.
    pub fn shadow(self: &Arc<Self>, request: &Request, ruling: &Ruling) -> Option<Shadow> {
        let takes_part = |policy: &Policy| match request.stage {
            Stage::Message { .. } => true,
            Stage::Sender(_) => policy.sender_need().is_some(),
            Stage::Recipient(_) => policy.recipient_need().is_some(),
        };
        let asked: Vec<_> = self
            .chain
            .iter()
            .enumerate()
            .filter(|(_, policy)| policy.info.mode == Mode::Shadow)
            .filter(|(_, policy)| takes_part(policy))
            .filter(|(_, policy)| is_sampled(policy.shadow_sample))
            .map(|(place, _)| (place, self.priority_before(place, ruling)))
            .collect();
        (!asked.is_empty()).then(|| Shadow {
            set: Arc::clone(self),
            request: request.clone(),
            asked,
        })
    }

    /// The effective priority at a place of the chain, or where a refusal ended it before.
    fn priority_before(&self, place: usize, ruling: &Ruling) -> types::Priority {
        let before = self.chain[..place].iter();
        let enforced = before.filter(|policy| policy.is_enforced()).count();
        let steps = &ruling.steps[..enforced.min(ruling.steps.len())];
        let priority = steps.last().map(|step| step.priority);
        priority.unwrap_or_default().into()
    }
}

/// Whether a message is among a share of all messages.
fn is_sampled(share: f64) -> bool {
    // Without randomness nobody is asked: a shadow is never worth a failure.
    let is_drawn = || getrandom::u32().is_ok_and(|drawn| f64::from(drawn) < share * 2_f64.powi(32));
    share >= 1.0 || (share > 0.0 && is_drawn())
}

impl Shadow {
    /// The number of the set that is asked.
    pub fn generation(&self) -> u64 {
        self.set.generation()
    }

    /// Asks them, one after the other. Each sees what it would have seen at its place in the chain.
    pub async fn run(self) -> Vec<Shadowed> {
        let mut shadowed = Vec::with_capacity(self.asked.len());
        for (place, priority) in &self.asked {
            let policy = &self.set.chain[*place];
            let ruling = self.ask(policy, *priority).await;
            let chain = Arc::new(decision::Chain::new(vec![recorded(policy)]));
            shadowed.push(Shadowed { chain, ruling });
        }
        shadowed
    }

    async fn ask(&self, policy: &Policy, priority: types::Priority) -> Ruling {
        let mut request = self.request.clone();
        request.settings = Arc::clone(&policy.settings);
        if let Stage::Message {
            effective_priority, ..
        } = &mut request.stage
        {
            *effective_priority = priority;
        }
        let turn = Arc::new(self.set.runtime.shadow_turn().await);
        let evaluation = policy.ask(request.question(), None, turn).await;
        let mut chain = Chain::beginning_with(priority);
        // Whether a chain would end here does not matter for one that does not count.
        let _ = chain.add(&policy.info, policy.on_failure, evaluation);
        let mut ruling = chain.go_on();
        // Nobody is told of what did not happen; what would have been done to the message is kept.
        ruling.alerts.clear();
        ruling
    }
}

/// Work for the shadow thread: asks, and keeps what comes of it.
type Afterthought = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What waits for the shadow thread. Cheap to clone; the thread ends with the last clone.
#[derive(Clone)]
pub struct ShadowQueue {
    jobs: SyncSender<Afterthought>,
    dropped: Arc<AtomicU64>,
}

impl ShadowQueue {
    /// Starts the thread; at most `capacity` pieces of work wait for it.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    ///
    /// # Panics
    ///
    /// Outside of an asynchronous runtime, on which the work waits.
    pub fn start(capacity: usize) -> Result<Self, LoadError> {
        let (jobs, waiting) = sync_channel(capacity.max(1));
        let runtime = Handle::current();
        thread::Builder::new()
            .name("policy-shadow".to_owned())
            .spawn(move || work(&waiting, &runtime))
            .map_err(|error| LoadError::Engine(error.to_string()))?;
        Ok(Self {
            jobs,
            dropped: Arc::new(AtomicU64::new(0)),
        })
    }

    /// Has it done later; drops it when too much waits already, or when the relay ends.
    pub fn push(&self, work: impl Future<Output = ()> + Send + 'static) {
        match self.jobs.try_send(Box::pin(work)) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => self.tell_dropped(),
        }
    }

    /// How many questions found no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn tell_dropped(&self) {
        let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        if dropped % TOLD_EVERY == 1 {
            tracing::warn!(
                dropped,
                "the policies in mode shadow cannot keep up and were not asked about {dropped} \
                 messages so far; lower their shadow-sample"
            );
        }
    }
}

fn work(waiting: &Receiver<Afterthought>, runtime: &Handle) {
    IS_SHADOW.set(true);
    lower_priority(NICENESS);
    while let Ok(afterthought) = waiting.recv() {
        runtime.block_on(afterthought);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_share_of_the_messages() {
        let drawn = |share| (0..10_000).filter(|_| is_sampled(share)).count();
        assert_eq!(drawn(0.0), 0);
        assert_eq!(drawn(1.0), 10_000);
        // Twenty standard deviations around a tenth.
        assert!((400..1600).contains(&drawn(0.1)));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_finds_no_room_is_dropped_and_counted() {
        let queue = ShadowQueue::start(2).expect("a thread");
        let gate = Arc::new(tokio::sync::Notify::new());
        let done = Arc::new(AtomicU64::new(0));
        let held = Arc::clone(&gate);
        let (started, began) = tokio::sync::oneshot::channel();
        queue.push(async move {
            let _ = started.send(());
            held.notified().await;
        });
        began.await.expect("the thread takes it");
        for _ in 0..5 {
            let done = Arc::clone(&done);
            queue.push(async move {
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        assert_eq!(queue.dropped(), 3);
        gate.notify_one();
        let (last, ended) = tokio::sync::oneshot::channel();
        while done.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
        queue.push(async move {
            let _ = last.send(is_shadow_thread());
        });
        assert!(ended.await.expect("it is done"));
        assert_eq!(queue.dropped(), 3);
    }
}
