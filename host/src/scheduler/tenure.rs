//! Keeps this process among the nodes of a shared store, ends others that are silent, and forgets what it held when it
//! was silent itself for too long.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::flight::InFlight;
use super::holdings::Holdings;
use super::shell::{Shared, State};
use crate::causes::with_causes;
use crate::metrics;
use crate::store::{GivenBack, HEARTBEAT, LEASE, NodeFacts, Standing, WaitsFor};

/// How long outcomes that are being recorded are waited for when a lease is over. They are recorded or refused at once
/// where the store answers.
const OUTCOMES: Duration = Duration::from_secs(10);
/// A clock that differs from the database's by more is told of: times that people see and deadlines are wrong by it.
const WRONG_CLOCK_MS: i64 = 30_000;

/// Says what the others are told of this process.
pub type Facts = Box<dyn Fn() -> NodeFacts + Send + Sync>;

/// Beats until it is dropped.
pub(super) async fn keep(shared: Arc<Shared>, facts: Facts) {
    let mut tenure = Tenure {
        shared,
        facts,
        steady_since: Some(Instant::now()),
        is_told: false,
        has_told_of_clock: false,
    };
    loop {
        sleep(HEARTBEAT).await;
        tenure.beat().await;
    }
}

struct Tenure {
    shared: Arc<Shared>,
    facts: Facts,
    /// Since when all heartbeats have succeeded.
    steady_since: Option<Instant>,
    is_told: bool,
    has_told_of_clock: bool,
}

impl Tenure {
    async fn beat(&mut self) {
        let served = self.shared.served.swap(0, Ordering::Relaxed);
        let rate = served.saturating_mul(60 / HEARTBEAT.as_secs());
        let rate = i64::try_from(rate).unwrap_or(i64::MAX);
        let beat = self.shared.store.beat((self.facts)(), rate);
        // A store that does not answer in time renews no lease, even if it does later.
        match timeout(LEASE, beat).await {
            Ok(Ok(Standing::Kept)) => self.kept().await,
            Ok(Ok(Standing::Over)) => self.over().await,
            Ok(Err(error)) => self.failed(&with_causes(&error)),
            Err(_) => self.failed("the store does not answer in time"),
        }
        metrics::nodes(self.shared.store.live_nodes());
    }

    async fn kept(&mut self) {
        if std::mem::take(&mut self.is_told) {
            tracing::info!("the lease of this node is renewed again");
        }
        self.tell_of_clock();
        self.shared.share_limits();
        let since = *self.steady_since.get_or_insert_with(Instant::now);
        // After an outage of the database others need the time to come back, as this node did.
        if since.elapsed() < LEASE {
            return;
        }
        match self.shared.store.take_over().await {
            Ok(0) => {}
            Ok(count) => {
                metrics::taken_over(count);
                tracing::warn!(count, "messages of nodes that have ended are free");
                self.shared.look_for_work();
                self.shared.left.notify_one();
            }
            Err(error) => self.failed(&with_causes(&error)),
        }
    }

    fn failed(&mut self, error: &str) {
        self.steady_since = None;
        if !std::mem::replace(&mut self.is_told, true) {
            tracing::error!(
                error,
                "the lease of this node cannot be renewed; nothing is sent when it is over, until it can"
            );
        }
    }

    /// Others may send what it held: it forgets all of it, and begins anew.
    async fn over(&mut self) {
        tracing::warn!(
            "this node was silent for longer than its lease; it forgets what it held and joins again"
        );
        self.steady_since = None;
        self.shared.forget_all().await;
        match self.shared.store.join((self.facts)()).await {
            Ok(node) => {
                let ahead_ms = self.shared.store.clock_ahead_ms();
                self.shared.ids.of_node(node, ahead_ms);
                self.steady_since = Some(Instant::now());
                tracing::info!(node, "joined the nodes of the store again");
                self.shared.look_for_work();
            }
            Err(error) => self.failed(&with_causes(&error)),
        }
    }

    fn tell_of_clock(&mut self) {
        let ahead_ms = self.shared.store.clock_ahead_ms();
        if let Some(node) = self.shared.store.node() {
            self.shared.ids.of_node(node, ahead_ms);
        }
        let is_wrong = ahead_ms.abs() > WRONG_CLOCK_MS;
        if is_wrong && !self.has_told_of_clock {
            tracing::warn!(
                ahead_ms,
                "the clock of this machine differs from the database's; set it by NTP"
            );
        }
        self.has_told_of_clock = is_wrong;
    }
}

impl Shared {
    /// Lets each destination have this node's share of its limits.
    fn share_limits(self: &Arc<Self>) {
        let mut state = self.lock();
        state.plan.share_among(self.store.live_nodes());
        self.dispatch(&mut state, None);
    }

    /// Cuts what is being tried, lets what has ended be recorded, and forgets everything. Nothing begins meanwhile, as
    /// the lease is over.
    async fn forget_all(&self) {
        let mut workers = self.lock().take_workers();
        workers.shutdown().await;
        let deadline = Instant::now() + OUTCOMES;
        while self.is_recording() && Instant::now() < deadline {
            sleep(Duration::from_millis(20)).await;
        }
        let mut state = self.lock();
        state.plan.clear();
        state.in_flight = InFlight::default();
        state.holdings = Some(Holdings::default());
    }

    fn is_recording(&self) -> bool {
        self.lock().has_outcomes() || self.recording.load(Ordering::Relaxed) > 0
    }

    /// Gives back at once what is not being tried: others may send it while this process ends.
    pub(super) async fn give_back_waiting(&self) {
        let given: Vec<GivenBack> = {
            let mut state = self.lock();
            let State {
                in_flight,
                holdings: Some(holdings),
                ..
            } = &mut *state
            else {
                return;
            };
            let waiting = holdings.take_waiting(|id| in_flight.is_in_flight(id));
            let given = waiting.into_iter().map(|id| GivenBack {
                id,
                at: None,
                waits_for: WaitsFor::Nothing,
            });
            given.collect()
        };
        let given_back = async {
            self.store.give_back(given).await?;
            self.store.tell_of_mail().await
        };
        if let Err(error) = given_back.await {
            tracing::warn!(error = %with_causes(&error), "what waits here is left to other nodes only later");
        }
    }

    /// Takes leave of the other nodes.
    pub(super) async fn leave(&self, mut sharing: JoinSet<()>) {
        if !self.is_shared() {
            return;
        }
        sharing.shutdown().await;
        if let Err(error) = self.store.leave().await {
            tracing::warn!(error = %with_causes(&error), "other nodes take over only when the lease is over");
        }
    }
}
