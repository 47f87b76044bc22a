//! Where an evaluation goes on that does not end with its first slice of fuel.
//!
//! A compiled policy answers within that slice, on the thread of the session that asks. What takes longer is an
//! interpreter, or never ends: it goes on here, in slices that take turns, on threads that step back behind all others
//! of the relay. So a guest that loops costs other sessions one slice, and the lane is shared out fairly.

use std::future::Future;
use std::sync::OnceLock;
use std::thread;

use tokio::runtime::{Builder, Runtime};

/// Fuel between two moments at which another evaluation may go on. 250,000: ten times what the built-in rules take,
/// and less than half a millisecond.
pub(super) const SLICE_FUEL: u64 = 250_000;
/// What is added to the niceness of the lane's threads. 5: what is awake for a moment goes before them, and beside a busy process they
/// still get a third of its share, so that an interpreter's verdict comes in time on a busy machine.
const NICENESS: i32 = 5;

/// One for the process, however many engines there are; it ends with the process.
static LANE: OnceLock<Option<Runtime>> = OnceLock::new();

/// Goes on with `evaluation` in the lane; none when it panicked.
///
/// # Cancel safety
///
/// Safe: what is abandoned goes on to its own end.
pub(super) async fn go_on<T: Send + 'static>(
    evaluation: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    match LANE.get_or_init(start) {
        Some(lane) => lane.spawn(evaluation).await.ok(),
        None => Some(evaluation.await),
    }
}

/// None when there are no threads to be had: then evaluations take turns with sessions.
fn start() -> Option<Runtime> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let lane = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("policy-lane")
        .on_thread_start(|| lower_priority(NICENESS))
        .enable_all()
        .build();
    lane.inspect_err(|error| {
        tracing::warn!(%error, "policies that take long have no threads of their own");
    })
    .ok()
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

    #[tokio::test]
    async fn what_goes_on_in_the_lane_runs_on_its_threads() {
        let name = || thread::current().name().map(str::to_owned);
        let ran_on = go_on(async move { name() }).await.flatten();
        assert_eq!(ran_on.as_deref(), Some("policy-lane"));
    }

    #[tokio::test]
    async fn a_panic_is_no_answer_and_no_end_of_the_lane() {
        let panicked: Option<()> = go_on(async { panic!("on purpose") }).await;
        assert_eq!(panicked, None);
        assert_eq!(go_on(async { 1 }).await, Some(1));
    }
}
