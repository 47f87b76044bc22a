//! Claims messages from a shared store while there is little to do, and gives back what is not sent soon.
//!
//! What a node holds is bounded whatever the queue holds, and what is claimed is due, so the order is that of one node to
//! within a batch. What waits for a destination that takes no more is left in the store under its name, and claimed as
//! there is room for it; so it takes no places from others.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::holdings::{Holdings, due_by, given_back};
use super::shell::{Shared, State};
use crate::causes::with_causes;
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::metrics;
use crate::queue::{OpenMessage, Priority};
use crate::store::{GivenBack, SOON, StoreError, WaitsFor};

/// Between two looks for work when nobody told of any. A second: a notice that is lost delays nobody for longer.
const LOOK: Duration = Duration::from_secs(1);
/// Between two notices that mail is left. Default 50 ms: PostgreSQL lets one transaction with a notice commit at a time,
/// and whoever has time hears of a batch as soon as of a message.
const TOLD_APART: Duration = Duration::from_millis(50);
/// Between two comparisons of what is held with what the store says.
const COMPARE: Duration = Duration::from_secs(15);
/// Messages given back in one transaction.
const GIVEN_AT_ONCE: usize = 500;
/// A message of which there is nothing to send is looked at again after that.
const NOTHING_TO_SEND: Duration = Duration::from_secs(60);

/// How much a node holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Messages claimed at a time.
    pub batch: usize,
}

impl Window {
    /// Messages held at most, urgent ones aside: some batches, for the connections of all destinations.
    pub const fn most(self) -> usize {
        self.batch * 4
    }

    /// Fewer that are ready are few.
    const fn few(self) -> usize {
        self.batch / 2
    }
}

/// Claims and gives back, for as long as it is polled.
pub(super) async fn share(shared: Arc<Shared>, window: Window) {
    let mut sharing = Sharing {
        shared: shared.clone(),
        window,
        compared_at: Instant::now(),
        unknown: HashSet::new(),
        looked_at: Instant::now(),
    };
    let mut is_told = false;
    loop {
        if !shared.work_comes().await || !shared.is_sharing() {
            continue;
        }
        let done = sharing.round().await;
        if let Err(error) = &done
            && !is_told
        {
            tracing::warn!(error = %with_causes(error), "cannot share work with other nodes; trying again");
        }
        is_told = done.is_err();
    }
}

/// Tells the other nodes, once for many messages, of what this one leaves to whoever has time.
pub(super) async fn tell(shared: Arc<Shared>) {
    loop {
        shared.left.notified().await;
        if let Err(error) = shared.store.tell_of_mail().await {
            tracing::debug!(error = %with_causes(&error), "other nodes find mail by themselves");
        }
        sleep(TOLD_APART).await;
    }
}

struct Sharing {
    shared: Arc<Shared>,
    window: Window,
    compared_at: Instant,
    /// What the store says is claimed here and nobody knew at the last comparison.
    unknown: HashSet<QueueId>,
    looked_at: Instant,
}

impl Sharing {
    async fn round(&mut self) -> Result<(), StoreError> {
        self.give_back_surplus().await?;
        self.claim_due().await?;
        if self.looked_at.elapsed() >= LOOK {
            self.looked_at = Instant::now();
            self.claim_awaited().await?;
        }
        if self.compared_at.elapsed() >= COMPARE {
            self.compared_at = Instant::now();
            self.compare().await?;
        }
        Ok(())
    }

    /// Gives back what nobody would send, what is due later, and what is crowded out.
    async fn give_back_surplus(&self) -> Result<(), StoreError> {
        let (given, revived) = {
            let mut state = self.shared.lock();
            let given = self.surplus(&mut state);
            let revived = state.holdings.as_mut().map(Holdings::take_revived);
            (given, revived.unwrap_or_default())
        };
        self.give_back(given).await?;
        for destination in revived {
            self.shared.store.wake(destination).await?;
        }
        Ok(())
    }

    fn surplus(&self, state: &mut State) -> Vec<GivenBack> {
        let State {
            plan,
            in_flight,
            holdings: Some(holdings),
            ..
        } = state
        else {
            return Vec::new();
        };
        let now = Timestamp::now();
        let is_busy = |id| in_flight.is_busy(id);
        let mut surplus = plan.take_distant(now + SOON, is_busy, GIVEN_AT_ONCE);
        let is_full = holdings.len() >= self.window.most();
        if is_full && plan.is_starved() && !self.shared.delivery.has_one_destination() {
            surplus.extend(plan.take_crowd(is_busy, GIVEN_AT_ONCE));
        }
        let mut given: Vec<GivenBack> = surplus.into_iter().map(given_back).collect();
        for one in &given {
            holdings.forget(one.id);
        }
        let idle = holdings.take_idle(plan, is_busy).into_iter();
        given.extend(idle.map(when_due));
        given
    }

    async fn give_back(&self, given: Vec<GivenBack>) -> Result<(), StoreError> {
        for some in given.chunks(GIVEN_AT_ONCE) {
            // What fails here is found at the next comparison.
            self.shared.store.give_back(some.to_vec()).await?;
        }
        Ok(())
    }

    /// Urgent mail always, the rest while there is little to do.
    async fn claim_due(&self) -> Result<(), StoreError> {
        let (held, is_hungry, is_paused) = {
            let state = self.shared.lock();
            let held = state.holdings.as_ref().map_or(0, Holdings::len);
            let plan = &state.plan;
            let is_hungry = self.shared.is_hungry(&state);
            (held, is_hungry, plan.is_paused())
        };
        if is_paused {
            return Ok(());
        }
        let (least_urgent, most) = if is_hungry && held < self.window.most() {
            (Priority::Lowest, self.window.most())
        } else {
            (Priority::High, self.window.most() + self.window.batch)
        };
        let limit = self.window.batch.min(most.saturating_sub(held));
        if limit == 0 {
            return Ok(());
        }
        let ids = self.shared.store.claim(least_urgent, limit).await?;
        let is_more = ids.len() >= limit;
        self.take_in(ids).await?;
        self.shared.found(is_more);
        Ok(())
    }

    /// What waits for destinations that have room.
    async fn claim_awaited(&self) -> Result<(), StoreError> {
        let names = self.shared.store.awaited_destinations().await?;
        if names.is_empty() {
            return Ok(());
        }
        let appetites = self.shared.lock().plan.appetites(&names);
        for (name, appetite) in names.iter().zip(appetites) {
            if appetite > 0 {
                let ids = self.shared.store.claim_for(name, appetite).await?;
                self.take_in(ids).await?;
            }
        }
        Ok(())
    }

    /// Plans what is claimed; what cannot be sent now is given back.
    async fn take_in(&self, ids: Vec<QueueId>) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        metrics::claimed(ids.len());
        // A failure leaves claims that nobody knows of, until the next comparison.
        let messages = self.shared.store.open_messages_of(&ids).await?;
        let given = self.shared.take_in(messages);
        self.give_back(given).await
    }

    /// Gives back what the store says is claimed here and nobody here knows of, twice in a row.
    async fn compare(&mut self) -> Result<(), StoreError> {
        let claimed = self.shared.store.own_claims().await?;
        let mut unknown: HashSet<QueueId> = claimed.into_iter().collect();
        {
            let state = self.shared.lock();
            let is_known = |id: QueueId| {
                let is_held = state.holdings.as_ref().is_some_and(|all| all.holds(id));
                is_held || state.in_flight.is_busy(id)
            };
            unknown.retain(|&id| !is_known(id));
        }
        let lost: Vec<QueueId> = unknown.intersection(&self.unknown).copied().collect();
        self.unknown = unknown;
        if !lost.is_empty() {
            tracing::info!(
                count = lost.len(),
                "claims that nobody followed are given back"
            );
        }
        let given = lost.into_iter().map(when_due);
        self.give_back(given.collect()).await
    }
}

const fn when_due(id: QueueId) -> GivenBack {
    GivenBack {
        id,
        at: None,
        waits_for: WaitsFor::Nothing,
    }
}

impl Shared {
    /// True while attempts may begin.
    pub(super) fn may_begin(&self) -> bool {
        let state = self.lock();
        self.may_send(&state)
    }

    /// True while work may be claimed.
    fn is_sharing(&self) -> bool {
        let state = self.lock();
        !state.is_stopping && self.may_send(&state)
    }

    /// Tells that there may be something to claim, or to give back.
    pub fn look_for_work(&self) {
        self.work.notify_one();
    }

    /// A message is nobody's: for this node if it has time, and for others.
    pub(super) fn leave_to_all(&self, message: &OpenMessage) {
        self.look_for_work();
        let soon = Timestamp::now() + LOOK;
        if message.recipients.iter().any(|one| one.due_at <= soon) {
            self.left.notify_one();
        }
    }

    /// True while there is little to do.
    fn is_hungry(&self, state: &State) -> bool {
        state.plan.ready() < self.window.few() || state.plan.is_starved()
    }

    /// Waits until it is time to look for work; false when the others have some and this node has enough.
    async fn work_comes(&self) -> bool {
        let others = async {
            tokio::select! {
                () = self.work.notified() => false,
                () = self.store.mail_is_left() => true,
            }
        };
        let is_others = timeout(LOOK, others).await.unwrap_or(false);
        !is_others || self.is_hungry(&self.lock())
    }

    /// Those of these messages that this process has for itself now: all, unless the store is shared.
    pub(super) async fn claim_held(
        &self,
        mut messages: Vec<OpenMessage>,
    ) -> Result<Vec<OpenMessage>, StoreError> {
        if messages.is_empty() || !self.is_shared() {
            return Ok(messages);
        }
        let ids = messages.iter().map(|message| message.id).collect();
        let claimed = self.store.claim_these(ids).await?;
        messages.retain(|message| claimed.contains(&message.id));
        Ok(messages)
    }

    /// Holds and plans claimed messages; returns those that cannot be sent now.
    fn take_in(self: &Arc<Self>, messages: Vec<OpenMessage>) -> Vec<GivenBack> {
        let now = Timestamp::now();
        let mut state = self.lock();
        let mut given = Vec::new();
        for mut message in messages {
            due_by(&mut message, now);
            given.extend(self.take_in_one(&mut state, message, now));
        }
        self.dispatch(&mut state, None);
        given
    }

    fn take_in_one(
        &self,
        state: &mut State,
        message: OpenMessage,
        now: Timestamp,
    ) -> Option<GivenBack> {
        let id = message.id;
        let is_held = message.meta.way.is_held();
        let is_for_somebody = !message.recipients.is_empty();
        self.insert(state, message);
        if state.plan.has(id) || state.in_flight.is_busy(id) {
            if let Some(holdings) = &mut state.holdings {
                holdings.hold(id);
            }
            return None;
        }
        let is_stopped = is_for_somebody && !is_held;
        Some(GivenBack {
            id,
            at: (!is_for_somebody).then(|| now + NOTHING_TO_SEND),
            waits_for: if is_stopped {
                WaitsFor::Start
            } else {
                WaitsFor::Nothing
            },
        })
    }

    /// Notes whether there may be more to claim than was found.
    fn found(&self, is_more: bool) {
        let mut state = self.lock();
        if let Some(holdings) = &mut state.holdings {
            holdings.is_more = is_more;
            let room = self.window.most().saturating_sub(holdings.len());
            self.store.set_room(room);
        }
        if is_more && state.plan.ready() < self.window.few() {
            self.look_for_work();
        }
    }

    /// A message is recorded: it is held no longer when nothing of it is left to be done here.
    pub(super) fn settled(&self, state: &mut State, id: QueueId) {
        let is_over = !state.plan.has(id) && !state.in_flight.is_busy(id);
        let few = self.window.few();
        let State {
            plan,
            holdings: Some(holdings),
            ..
        } = state
        else {
            return;
        };
        if is_over {
            holdings.forget(id);
            self.store
                .set_room(self.window.most().saturating_sub(holdings.len()));
        }
        if holdings.is_more && (plan.ready() < few || plan.is_starved()) {
            // Once: the next claim says whether there is more.
            holdings.is_more = false;
            self.look_for_work();
        }
    }
}
