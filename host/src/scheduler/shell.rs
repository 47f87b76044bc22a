//! The state that workers, recorder and handle share, and the task that keeps time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::claims::{self, Window};
use super::flight::InFlight;
use super::holdings::Holdings;
use super::idle::IdleWorkers;
use super::plan::{Claim, Health, Plan};
use super::precedence::Precedence;
use super::recorder::{self, Finished};
use super::retry::Retry;
use super::{Config, Setup, Snapshot, keeper, limits, steering, tenure, worker};
use crate::clock::Timestamp;
use crate::delivery::{Delivery, Reach};
use crate::id::{QueueId, QueueIds};
use crate::queue::{Destination, OpenMessage, OpenRecipient, Priority, RemoteReply, Stops, Way};
use crate::store::Store;

/// The longest sleep of the time keeper; expiry is looked at as often.
const TICK: Duration = Duration::from_secs(30);

/// After a rush, mail that gave way to it waits for this long at most.
const GIVES_WAY: Duration = Duration::from_millis(20);

/// What workers, recorder and handle share.
pub(super) struct Shared {
    pub config: Config,
    pub store: Store,
    pub delivery: Arc<Delivery>,
    pub ids: Arc<QueueIds>,
    pub hostname: String,
    pub retry: Retry,
    /// How much this node holds of a shared store.
    pub window: Window,
    /// Told when there may be something to claim or to give back.
    pub work: Notify,
    /// Told when there is mail for whichever node has time.
    pub left: Notify,
    /// Outcomes that are being recorded.
    pub recording: AtomicUsize,
    /// Recipients served since the last heartbeat.
    pub served: AtomicU64,
    is_shared: bool,
    state: Mutex<State>,
    wake: Notify,
}

pub(super) struct State {
    pub plan: Plan,
    precedence: Precedence,
    /// Until when what could go gives way to what comes in.
    gives_way_until: Option<Timestamp>,
    idle: IdleWorkers,
    workers: JoinSet<()>,
    tasks: Option<Tasks>,
    /// What is being tried or recorded.
    pub in_flight: InFlight,
    /// What is claimed of a shared store; none where this process has the queue for itself.
    pub holdings: Option<Holdings>,
    /// What administrators have stopped.
    pub stops: Stops,
    /// The lists that remember recipients which do not exist, by number and name.
    pub suppressing: HashMap<i64, String>,
    /// When a recipient was served last.
    served_at: Timestamp,
    /// When the time keeper wakes by itself.
    alarm: Timestamp,
    is_loading: bool,
    /// What is stopped is known; nothing is sent before.
    pub knows_stops: bool,
    pub is_stopping: bool,
}

struct Tasks {
    keeper: JoinHandle<()>,
    /// What only a node of a shared store does.
    sharing: JoinSet<()>,
    recorder: JoinHandle<()>,
    outcomes: mpsc::Sender<Finished>,
}

/// Starts the recorder and the time keeper.
pub(super) fn start(mut setup: Setup) -> Arc<Shared> {
    // What is newer comes through `submit`; what is older is read from the store.
    let newest = setup.ids.next();
    let newest_order = setup.newest_order;
    let (outcomes, finished) = mpsc::channel(setup.config.unrecorded_outcomes.max(1));
    let facts = setup.facts.take();
    let shared = Arc::new(Shared::new(setup));
    let mut sharing = JoinSet::new();
    if let Some(facts) = facts.filter(|_| shared.is_shared()) {
        sharing.spawn(tenure::keep(shared.clone(), facts));
        sharing.spawn(claims::share(shared.clone(), shared.window));
        sharing.spawn(claims::tell(shared.clone()));
    }
    // The keeper finds the tasks in place, whenever it begins.
    let mut state = shared.state.lock();
    state.tasks = Some(Tasks {
        keeper: tokio::spawn(keeper::keep(shared.clone(), newest, newest_order)),
        recorder: tokio::spawn(recorder::run(shared.clone(), finished)),
        sharing,
        outcomes,
    });
    drop(state);
    shared
}

impl Shared {
    fn new(setup: Setup) -> Self {
        let limits = limits::of(&setup.config, &setup.delivery);
        let is_shared = setup.store.node().is_some();
        Self {
            window: Window {
                batch: setup.node.claim_batch.max(1),
            },
            work: Notify::new(),
            left: Notify::new(),
            recording: AtomicUsize::new(0),
            served: AtomicU64::new(0),
            is_shared,
            retry: Retry {
                schedule: setup.config.retry.clone(),
                jitter_percent: setup.config.retry_jitter_percent,
            },
            config: setup.config,
            store: setup.store,
            delivery: setup.delivery,
            ids: setup.ids,
            hostname: setup.hostname,
            state: Mutex::new(State {
                plan: Plan::new(limits),
                precedence: Precedence::default(),
                gives_way_until: None,
                idle: IdleWorkers::default(),
                workers: JoinSet::new(),
                tasks: None,
                in_flight: InFlight::default(),
                holdings: is_shared.then(Holdings::default),
                stops: Stops::default(),
                suppressing: HashMap::new(),
                served_at: Timestamp::now(),
                alarm: Timestamp::default(),
                is_loading: true,
                knows_stops: false,
                is_stopping: false,
            }),
            wake: Notify::new(),
        }
    }

    /// The state, for what is done at once.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// What is stopped.
    pub fn stops(&self) -> Stops {
        self.state.lock().stops.clone()
    }

    /// True for a node of a store that others work on.
    pub const fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// True while this process may begin attempts: what it holds is surely its own.
    pub(super) fn may_send(&self, state: &State) -> bool {
        state.knows_stops && (state.holdings.is_none() || self.store.may_deliver())
    }

    pub fn submit(self: &Arc<Self>, message: OpenMessage) {
        let mut state = self.state.lock();
        if let Some(holdings) = &mut state.holdings {
            if !self.store.take_fresh_claim(message.id) {
                return self.leave_to_all(&message);
            }
            holdings.hold(message.id);
        }
        let (id, before) = (message.id, state.plan.entries());
        self.insert(&mut state, message);
        let added = state.plan.entries() - before;
        state.precedence.taken_in(added);
        self.dispatch(&mut state, None);
        state.plan.trim(id);
    }

    /// Takes back a message some recipients of which are to be tried again; `is_stalled` when it could not
    /// be tried for its destination's sake.
    pub fn resubmit(
        self: &Arc<Self>,
        mut message: OpenMessage,
        destination: Destination,
        is_stalled: bool,
    ) {
        let mut state = self.state.lock();
        if state.in_flight.is_outdated(message.id) || !state.keeps(&mut message, &destination) {
            return;
        }
        if is_stalled {
            state.plan.insert_stalled(message, destination);
        } else {
            state.plan.insert_part(message, destination);
        }
        self.dispatch(&mut state, None);
    }

    pub fn pause(&self) {
        self.state.lock().plan.pause();
    }

    pub fn resume(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if !state.is_stopping {
            state.plan.resume();
            self.dispatch(&mut state, None);
        }
    }

    pub fn hurry(self: &Arc<Self>, id: QueueId) -> bool {
        let mut state = self.state.lock();
        let found = state.plan.hurry(id, Timestamp::now());
        self.dispatch(&mut state, None);
        found
    }

    pub fn withdraw(&self, id: QueueId) -> bool {
        let mut state = self.state.lock();
        state.in_flight.outdate(id);
        state.plan.remove(id)
    }

    pub fn snapshot(&self) -> Snapshot {
        let state = self.state.lock();
        Snapshot {
            is_paused: state.plan.is_paused(),
            is_loading: state.is_loading,
            counts: state.plan.counts(),
            unreachable: state.plan.unreachable_destinations(),
        }
    }

    pub fn health(&self) -> Health {
        let state = self.state.lock();
        Health {
            urgent_due_since: state.plan.due_since(Priority::High),
            due_since: state.plan.due_since(Priority::Lowest),
            served_at: state.served_at,
            troubles: state.plan.troubles(),
            is_at_rest: state.plan.is_paused() || state.is_loading || state.is_stopping,
        }
    }

    /// Frees the slot of an attempt; returns what its worker does next, if that is for the same destination.
    pub fn finished(
        self: &Arc<Self>,
        destination: &Destination,
        priority: Priority,
        outcome: &Finished,
    ) -> Option<Claim> {
        let now = Timestamp::now();
        let mut state = self.state.lock();
        if outcome.serves_anybody() {
            state.served_at = now;
        }
        match (outcome.reach(), &outcome.slow_down) {
            (Reach::Reached, Some(reply)) => {
                let slowed = state.plan.slow_down(destination, priority, now);
                steering::tell_of_slow_down(destination, reply, slowed);
            }
            (Reach::Reached, None) => {
                state.note_revival(destination);
                state.plan.finished(destination, priority, now);
            }
            (Reach::Unreachable(reason), _) => {
                state.plan.unreachable(destination, priority, now, reason);
            }
        }
        self.dispatch(&mut state, Some(destination))
    }

    /// Frees the slot of a claim that came to nothing; with `due_at` it is tried again then.
    pub fn abandoned(self: &Arc<Self>, claim: &Claim, due_at: Option<Timestamp>) -> Option<Claim> {
        let mut state = self.state.lock();
        state.in_flight.end(claim.id);
        if let Some(due_at) = due_at {
            state.plan.put_back(claim, due_at);
        }
        state.plan.abandoned(&claim.destination, claim.priority);
        self.dispatch(&mut state, Some(&claim.destination))
    }

    /// Starts all that may start now, most urgent first; the first claim for `mine` is returned instead.
    pub(super) fn dispatch(
        self: &Arc<Self>,
        state: &mut State,
        mine: Option<&Destination>,
    ) -> Option<Claim> {
        let now = Timestamp::now();
        let mut kept = None;
        if !self.may_send(state) {
            return None;
        }
        // On a server outcomes have a writer of their own, and what a node may hold is too little to give way for long.
        let is_rush = !self.is_shared && self.store.is_in_a_rush() && state.plan.has_room();
        state.gives_way_until = None;
        if !is_rush {
            state.precedence = Precedence::default();
        }
        while let Some(priority) = state.plan.next_priority(now) {
            let gives_way = is_rush && priority >= Priority::Normal;
            if gives_way && !state.precedence.allows_one() {
                state.gives_way_until = Some(now + GIVES_WAY);
                break;
            }
            let Some(claim) = state.plan.next(now) else {
                break;
            };
            if gives_way {
                state.precedence.sent();
            }
            state.in_flight.begin(claim.id);
            if kept.is_none() && mine == Some(&claim.destination) {
                kept = Some(claim);
            } else {
                self.hand_over(state, claim);
            }
        }
        if state
            .next_due(now)
            .is_some_and(|due_at| due_at < state.alarm)
        {
            state.alarm = now;
            self.wake.notify_one();
        }
        kept
    }

    /// To a worker that waits with an open connection, or to a new one.
    fn hand_over(self: &Arc<Self>, state: &mut State, claim: Claim) {
        let Some(claim) = state.idle.hand_over(claim) else {
            return;
        };
        let Some(outcomes) = state.tasks.as_ref().map(|tasks| tasks.outcomes.clone()) else {
            return;
        };
        while let Some(ended) = state.workers.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "a delivery worker ended badly");
            }
        }
        state
            .workers
            .spawn(worker::work(self.clone(), claim, outcomes));
    }

    /// Waits for work on the same connection; none when the wait is over.
    pub async fn next_claim(&self, destination: &Destination) -> Option<Claim> {
        let (number, mut claims) = self.state.lock().add_idle(destination, &self.delivery)?;
        match timeout(self.delivery.config().idle_keep(), &mut claims).await {
            Ok(claim) => claim.ok(),
            Err(_) => {
                let is_removed = self.state.lock().idle.remove(destination, number);
                // Not among the idle any more: a claim is on its way.
                if is_removed { None } else { claims.await.ok() }
            }
        }
    }

    pub(super) fn goes_to(
        &self,
        way: &Way,
        recipient: &OpenRecipient,
        destination: &Destination,
    ) -> bool {
        self.delivery.destination(way, &recipient.mailbox) == *destination
    }

    /// Plans a message, without recipients that are stopped; what is held or in flight is not planned.
    pub(super) fn insert(&self, state: &mut State, mut message: OpenMessage) {
        if message.meta.way.is_held() || state.in_flight.outdate(message.id) {
            return;
        }
        let way = message.meta.way.clone();
        if !state.stops.is_empty() {
            let list = message.meta.list_id;
            let stops = &state.stops;
            message.recipients.retain(|one| {
                let over = self.delivery.destination(&way, &one.mailbox);
                !stops.covers(list, &one.mailbox, &over)
            });
        }
        let route = |mailbox: &_| self.delivery.destination(&way, mailbox);
        state.plan.insert(message, route);
    }

    /// Where a recipient's mail goes.
    pub fn destination(&self, message: &OpenMessage, recipient: &OpenRecipient) -> Destination {
        let way = &message.meta.way;
        self.delivery.destination(way, &recipient.mailbox)
    }

    /// Hands over what was settled without an attempt; false when the scheduler is stopping.
    pub async fn settle(&self, finished: Finished) -> bool {
        let outcomes = self
            .state
            .lock()
            .tasks
            .as_ref()
            .map(|tasks| tasks.outcomes.clone());
        match outcomes {
            Some(outcomes) => outcomes.send(finished).await.is_ok(),
            None => false,
        }
    }

    /// Takes over a page of what the store holds.
    pub fn load(self: &Arc<Self>, page: Vec<OpenMessage>, is_last: bool) {
        let mut state = self.state.lock();
        // Most of a long queue waits for long; what comes next is read again in time.
        state.plan.keep_messages(false);
        for message in page {
            self.insert_loaded(&mut state, message);
        }
        state.plan.keep_messages(true);
        state.is_loading = !is_last;
        self.dispatch(&mut state, None);
    }

    /// What a smarthost did not take yet is due as soon as it takes anything: it may have been away.
    fn insert_loaded(&self, state: &mut State, mut message: OpenMessage) {
        let waits = |one: &OpenRecipient| {
            one.attempts > 0 && self.destination(&message, one) == Destination::Smarthost
        };
        if !message.recipients.iter().all(waits) {
            return self.insert(state, message);
        }
        let is_kept = !message.meta.way.is_held() && !state.in_flight.outdate(message.id);
        if is_kept && state.keeps(&mut message, &Destination::Smarthost) {
            state.plan.insert_stalled(message, Destination::Smarthost);
        }
    }

    /// Starts what may start and waits until there may be more, half a minute at most.
    pub async fn sleep(self: &Arc<Self>) {
        let wait = {
            let mut state = self.state.lock();
            state.alarm = Timestamp::default();
            self.dispatch(&mut state, None);
            let now = Timestamp::now();
            let next = state.next_due(now);
            let next = next.filter(|_| self.may_send(&state));
            let next = next.map_or(TICK, |due_at| due_at.since(now));
            let wait = next.clamp(Duration::from_millis(1), TICK);
            state.alarm = now + wait;
            wait
        };
        let _either = timeout(wait, self.wake.notified()).await;
    }

    /// What came to its time while its destination could not be tried, why that is, and where to send it.
    pub fn take_overlooked(&self) -> Option<(Claim, RemoteReply, mpsc::Sender<Finished>)> {
        let mut state = self.state.lock();
        if !self.may_send(&state) {
            return None;
        }
        let outcomes = state.tasks.as_ref()?.outcomes.clone();
        let (claim, reason) = state.plan.take_overlooked(Timestamp::now())?;
        state.in_flight.begin(claim.id);
        Some((claim, reason, outcomes))
    }

    /// Undoes [`Shared::take_overlooked`].
    pub fn put_back(&self, claim: &Claim) {
        let mut state = self.state.lock();
        state.in_flight.end(claim.id);
        state.plan.put_back(claim, Timestamp::now());
    }

    pub async fn shutdown(&self) {
        let limit = Duration::from_secs(self.config.shutdown_s);
        let (mut workers, tasks) = self.state.lock().stop();
        self.wake.notify_one();
        self.give_back_waiting().await;
        let all = async { while workers.join_next().await.is_some() {} };
        if timeout(limit, all).await.is_err() {
            tracing::warn!("transactions still ran at shutdown; their messages will be sent again");
            workers.shutdown().await;
        }
        let Some(Tasks {
            keeper,
            mut recorder,
            sharing,
            outcomes,
        }) = tasks
        else {
            return;
        };
        drop(outcomes);
        keeper.abort();
        let _ended = keeper.await;
        if timeout(limit, &mut recorder).await.is_err() {
            tracing::error!("outcomes could not be recorded; their messages will be sent again");
            recorder.abort();
        }
        self.leave(sharing).await;
    }
}

impl State {
    /// When there may be something to start that there is not now, a freed slot aside.
    fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let next = self.plan.next_due(now).into_iter();
        next.chain(self.gives_way_until).min()
    }

    /// Leaves out of a message what is stopped; false when nothing is left.
    pub(super) fn keeps(&self, message: &mut OpenMessage, destination: &Destination) -> bool {
        if !self.stops.is_empty() {
            let list = message.meta.list_id;
            let is_stopped =
                |one: &OpenRecipient| self.stops.covers(list, &one.mailbox, destination);
            message.recipients.retain(|one| !is_stopped(one));
        }
        !message.recipients.is_empty()
    }

    /// True when this process is to send the message, as far as it knows.
    pub(super) fn holds(&self, id: QueueId) -> bool {
        let holdings = self.holdings.as_ref();
        holdings.is_none_or(|holdings| holdings.holds(id))
    }

    /// A destination is reached; others may wait for that.
    fn note_revival(&mut self, destination: &Destination) {
        if let Some(holdings) = &mut self.holdings
            && self.plan.is_failing(destination)
        {
            holdings.revived(destination);
        }
    }

    /// All workers, to be ended; those that wait end by themselves.
    pub(super) fn take_workers(&mut self) -> JoinSet<()> {
        self.idle.clear();
        std::mem::take(&mut self.workers)
    }

    /// True while outcomes are on their way to the recorder.
    pub(super) fn has_outcomes(&self) -> bool {
        let outcomes = self.tasks.as_ref().map(|tasks| &tasks.outcomes);
        outcomes.is_some_and(|outcomes| outcomes.capacity() < outcomes.max_capacity())
    }

    fn stop(&mut self) -> (JoinSet<()>, Option<Tasks>) {
        self.is_stopping = true;
        self.plan.pause();
        (self.take_workers(), self.tasks.take())
    }

    /// A worker waits; none when it had better not.
    fn add_idle(
        &mut self,
        destination: &Destination,
        delivery: &Delivery,
    ) -> Option<(u64, oneshot::Receiver<Claim>)> {
        let limit = delivery.config().max_concurrency;
        (!self.is_stopping)
            .then(|| self.idle.add(destination, limit))
            .flatten()
    }
}
