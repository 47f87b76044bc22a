//! Where an evaluation goes on that does not end at once.
//!
//! A compiled policy answers within one slice of fuel and little memory, on the thread of the session that asks. What
//! takes longer is an interpreter, or never ends: it goes on in the long lane, in slices that take turns, on threads of
//! higher niceness. What has had enough processor time there for any verdict we know of goes on in the last lane, whose
//! threads run when nobody else wants to: the kernel lets a session that wakes up go before them at once, where it may
//! keep it waiting for milliseconds behind a thread that is merely nice. So a guest that loops costs others next to
//! nothing, and on a busy machine an interpreter's verdict comes in time all the same.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// Fuel between two moments at which another evaluation may go on. 250,000: ten times what the built-in rules take,
/// and less than half a millisecond.
pub(super) const SLICE_FUEL: u64 = 250_000;
/// Processor time that an evaluation may take where the session runs, in slices that cost little fuel. 1 ms: many
/// times what any verdict takes that ends within its slice; looked at when the epoch advances.
pub(super) const SLICE_TIME: Duration = Duration::from_millis(1);
/// Processor time of one evaluation in the long lane. 20 ms: several times what an interpreter needs for a verdict, also with the
/// caches of a busy machine, where the last lane may not get a turn before the deadline.
const LONG_TIME: Duration = Duration::from_millis(20);
/// What is added to the niceness of the long lane's threads. 5: beside a busy process they still get a third of its
/// share, so that an interpreter's verdict comes in time on a busy machine.
const LONG_NICENESS: i32 = 5;
/// The same of the last lane, where the system has no policy for what is to run when nobody else wants to.
const LAST_NICENESS: i32 = 19;

/// One pair for the process, however many engines there are; it ends with the process.
static LONG: OnceLock<Option<Runtime>> = OnceLock::new();
static LAST: OnceLock<Option<Runtime>> = OnceLock::new();

thread_local! {
    static IS_LANE: Cell<bool> = const { Cell::new(false) };
}

/// An evaluation under way.
pub(super) type Evaluation<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the evaluations of one policy that take long have lately been like.
///
/// A policy in whose name loops run begins in the last lane, whatever asks it; an interpreter stays in the long one.
#[derive(Default)]
pub(super) struct Habits {
    /// The share that took longer than the long lane allows, of 256, the last ones counting most.
    endless: AtomicU16,
}

impl Habits {
    /// The weight of one evaluation among those before it: an eighth.
    const WEIGHT: u16 = 8;

    fn note(&self, is_endless: bool) {
        let before = self.endless.load(Ordering::Relaxed);
        let target = if is_endless { 256 } else { 0 };
        let after = (before * (Self::WEIGHT - 1) + target) / Self::WEIGHT;
        self.endless.store(after, Ordering::Relaxed);
    }

    fn are_endless(&self) -> bool {
        self.endless.load(Ordering::Relaxed) > 128
    }
}

/// Goes on with `evaluation`, of a policy with these habits, in the lanes; none when it panicked.
///
/// # Cancel safety
///
/// Safe: what is abandoned goes on to its own end.
pub(super) async fn go_on<T: Send + 'static>(
    evaluation: Evaluation<T>,
    habits: &Arc<Habits>,
) -> Option<T> {
    let habits = Arc::clone(habits);
    let lane = if habits.are_endless() { last() } else { long() };
    match lane {
        Some(lane) => lane.spawn(to_its_end(evaluation, habits)).await.ok()?,
        None => Some(evaluation.await),
    }
}

/// Runs `evaluation` to its end in the long lane, for what an administrator waits for: in the last lane a busy machine
/// might not get to it before its deadline. None when it panicked.
///
/// # Cancel safety
///
/// As of [`go_on`].
pub(super) async fn go_on_patiently<T: Send + 'static>(evaluation: Evaluation<T>) -> Option<T> {
    match long() {
        Some(lane) => lane.spawn(evaluation).await.ok(),
        None => Some(evaluation.await),
    }
}

/// Ends in the last lane what the long one has no time for.
async fn to_its_end<T: Send + 'static>(
    evaluation: Evaluation<T>,
    habits: Arc<Habits>,
) -> Option<T> {
    let timed = Timed {
        evaluation: Some(evaluation),
        left: LONG_TIME,
    };
    let timing = timed.await;
    habits.note(matches!(timing, Timing::TookLong(_)));
    match (timing, last()) {
        (Timing::Ended(answer), _) => Some(answer),
        (Timing::TookLong(rest), Some(lane)) => lane.spawn(rest).await.ok(),
        (Timing::TookLong(rest), None) => Some(rest.await),
    }
}

fn long() -> Option<&'static Runtime> {
    LONG.get_or_init(|| start("policy-lane", || lower_priority(LONG_NICENESS)))
        .as_ref()
}

fn last() -> Option<&'static Runtime> {
    LAST.get_or_init(|| start("policy-last", yield_to_everyone))
        .as_ref()
}

/// What came of an evaluation whose processor time is counted.
enum Timing<T> {
    Ended(T),
    TookLong(Evaluation<T>),
}

/// Ends with its evaluation, or hands it back between two slices when its processor time is used up.
struct Timed<T> {
    /// None when it has been handed back.
    evaluation: Option<Evaluation<T>>,
    left: Duration,
}

impl<T> Future for Timed<T> {
    type Output = Timing<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let begun = processor_time();
        if let Some(evaluation) = self.evaluation.as_mut()
            && let Poll::Ready(answer) = evaluation.as_mut().poll(context)
        {
            return Poll::Ready(Timing::Ended(answer));
        }
        self.left = self.left.saturating_sub(processor_time() - begun);
        let is_over = self.left.is_zero();
        match self.evaluation.take_if(|_| is_over) {
            Some(evaluation) => Poll::Ready(Timing::TookLong(evaluation)),
            None => Poll::Pending,
        }
    }
}

/// What this thread has run so far; zero where the system cannot tell, so that nothing seems to take long.
pub(super) fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.try_into().unwrap_or_default()
}

/// Whether this thread belongs to a lane, where slices take turns and nobody waits for one of them.
pub(super) fn is_lane_thread() -> bool {
    IS_LANE.get()
}

/// As many threads as leave half of the processors without one; none when there are none to be had, and then
/// evaluations take turns with sessions.
fn start(name: &str, step_back: fn()) -> Option<Runtime> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let lane = Builder::new_multi_thread()
        .worker_threads((processors / 2).max(1))
        .thread_name(name)
        .on_thread_start(move || {
            IS_LANE.set(true);
            step_back();
        })
        .enable_all()
        .build();
    lane.inspect_err(|error| {
        tracing::warn!(%error, name, "policies that take long have no threads of their own");
    })
    .ok()
}

/// Lets this thread run only when no other wants to, as far as the system can do that.
fn yield_to_everyone() {
    lower_priority(LAST_NICENESS);
    #[cfg(target_os = "linux")]
    {
        use thread_priority::{
            NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
            set_thread_priority_and_policy, thread_native_id,
        };
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let set = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
        if let Err(error) = set {
            tracing::debug!(?error, "a thread is no idle one");
        }
    }
}

/// Adds to the niceness of this thread. On Linux it belongs to a thread; elsewhere to the whole process, which is left
/// alone.
pub(super) fn lower_priority(niceness: i32) {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        let lowered =
            getpriority_process(None).and_then(|own| setpriority_process(None, own + niceness));
        if let Err(error) = lowered {
            tracing::debug!(%error, niceness, "a thread keeps its priority");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = niceness;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> Option<String> {
        thread::current().name().map(str::to_owned)
    }

    fn habits() -> Arc<Habits> {
        Arc::default()
    }

    /// Takes turns until it has used so much processor time.
    async fn busy_for(time: Duration) {
        let mut used = Duration::ZERO;
        while used < time {
            let begun = processor_time();
            while processor_time() - begun < time / 20 {}
            used += processor_time() - begun;
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_goes_on_in_the_long_lane_runs_on_its_threads() {
        let ran_on = go_on(Box::pin(async { name() }), &habits()).await.flatten();
        assert_eq!(ran_on.as_deref(), Some("policy-lane"));
    }

    #[tokio::test]
    async fn what_takes_longer_than_any_verdict_ends_in_the_last_lane() {
        let evaluation = async {
            busy_for(LONG_TIME * 2).await;
            (name(), is_lane_thread())
        };
        let (ran_on, in_lane) = go_on(Box::pin(evaluation), &habits())
            .await
            .expect("no panic");
        assert_eq!(ran_on.as_deref(), Some("policy-last"));
        assert!(in_lane);
    }

    #[tokio::test]
    async fn a_policy_of_endless_evaluations_begins_in_the_last_lane_until_it_mends_its_ways() {
        let habits = habits();
        for _ in 0..8 {
            go_on(Box::pin(busy_for(LONG_TIME * 2)), &habits).await;
        }
        let first = go_on(Box::pin(async { name() }), &habits).await.flatten();
        assert_eq!(first.as_deref(), Some("policy-last"));
        for _ in 0..8 {
            go_on(Box::pin(async {}), &habits).await;
        }
        let later = go_on(Box::pin(async { name() }), &habits).await.flatten();
        assert_eq!(later.as_deref(), Some("policy-lane"));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn threads_of_the_last_lane_run_when_nobody_else_wants_to() {
        let evaluation = async {
            busy_for(LONG_TIME * 2).await;
            thread_priority::thread_schedule_policy()
        };
        let policy = go_on(Box::pin(evaluation), &habits())
            .await
            .expect("no panic");
        let idle = thread_priority::NormalThreadSchedulePolicy::Idle;
        assert_eq!(
            policy.expect("it can be asked"),
            thread_priority::ThreadSchedulePolicy::Normal(idle)
        );
    }

    #[tokio::test]
    async fn a_panic_is_no_answer_and_no_end_of_the_lane() {
        let panicked: Option<()> = go_on(Box::pin(async { panic!("on purpose") }), &habits()).await;
        assert_eq!(panicked, None);
        assert_eq!(go_on(Box::pin(async { 1 }), &habits()).await, Some(1));
    }
}
