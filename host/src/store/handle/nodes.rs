//! This process as a node of a shared store.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::{Timestamp, uptime_ms};
use crate::id::QueueId;
use crate::queue::Priority;
use crate::store::claims::{self, ClaimWish, GivenBack, WaitsFor};
use crate::store::jobs::Work;
use crate::store::membership::Renewal;
use crate::store::nodes::{self, Found, Node, NodeFacts, NodeWork};
use crate::store::{Store, StoreError, notices};

/// What a heartbeat came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The lease is renewed.
    Kept,
    /// Others have taken over what this node held: it is to forget all of it, and may join again.
    Over,
}

/// Claims, leases and who else there is. Without [`Store::join`] this process is alone: nothing is claimed, and it may
/// do everything.
impl Store {
    /// Becomes a node; returns its number. Whatever it was before, it holds nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn join(&self, facts: NodeFacts) -> Result<i64, StoreError> {
        let (sent_at_ms, found) = (uptime_ms(), Found::default());
        let before = Timestamp::now();
        let node = self.node_work(NodeWork::Join(facts, found.clone())).await?;
        let renewal = renewal(sent_at_ms, before, node, &found);
        self.shared.membership.enter(node, renewal);
        Ok(node)
    }

    /// Renews the lease, and tells the others of this node; `rate` is recipients served a minute.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the lease runs on.
    pub async fn beat(&self, facts: NodeFacts, rate: i64) -> Result<Standing, StoreError> {
        let Some(node) = self.shared.membership.node() else {
            return Ok(Standing::Kept);
        };
        let (sent_at_ms, found) = (uptime_ms(), Found::default());
        let before = Timestamp::now();
        let work = NodeWork::Beat(node, facts, rate, found.clone());
        if self.node_work(work).await? == 0 {
            self.shared.membership.end();
            return Ok(Standing::Over);
        }
        let renewal = renewal(sent_at_ms, before, node, &found);
        self.shared.membership.renew(renewal);
        Ok(Standing::Kept)
    }

    /// Gives back all claims, and is no node any more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: others take over when the lease is over.
    pub async fn leave(&self) -> Result<(), StoreError> {
        let Some(node) = self.shared.membership.node() else {
            return Ok(());
        };
        self.shared.membership.end();
        self.node_work(NodeWork::Leave(node)).await.map(drop)
    }

    /// Ends nodes whose lease is over, and frees what nobody alive holds; returns how many messages.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn take_over(&self) -> Result<u64, StoreError> {
        let freed = self.node_work(NodeWork::TakeOver).await?;
        Ok(u64::try_from(freed).unwrap_or(0))
    }

    /// Claims what is due and waits for nothing else, the most urgent first, down to this priority.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn claim(
        &self,
        least_urgent: Priority,
        limit: usize,
    ) -> Result<Vec<QueueId>, StoreError> {
        let least_urgent = i64::from(least_urgent.number());
        self.claim_as(None, least_urgent, limit).await
    }

    /// Claims what waits for this destination and is due, the most urgent first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn claim_for(
        &self,
        destination: &str,
        limit: usize,
    ) -> Result<Vec<QueueId>, StoreError> {
        let lowest = i64::from(Priority::Lowest.number());
        self.claim_as(Some(destination.to_owned()), lowest, limit)
            .await
    }

    async fn claim_as(
        &self,
        destination: Option<String>,
        least_urgent: i64,
        limit: usize,
    ) -> Result<Vec<QueueId>, StoreError> {
        let wish = ClaimWish {
            destination,
            least_urgent,
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
        };
        self.claimed(|node, found| NodeWork::Claim(node, wish, found))
            .await
    }

    /// Claims those of these that nobody has, whatever they wait for.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn claim_these(&self, ids: Vec<QueueId>) -> Result<Vec<QueueId>, StoreError> {
        if ids.is_empty() {
            return Ok(ids);
        }
        self.claimed(|node, found| NodeWork::ClaimThese(node, ids, found))
            .await
    }

    async fn claimed(
        &self,
        work: impl FnOnce(i64, Found) -> NodeWork,
    ) -> Result<Vec<QueueId>, StoreError> {
        let node = self.shared.membership.node();
        let Some(node) = node.filter(|_| self.shared.membership.is_firm()) else {
            return Ok(Vec::new());
        };
        let found: Found = Arc::new(Mutex::default());
        self.node_work(work(node, found.clone())).await?;
        let ids = std::mem::take(&mut *found.lock());
        Ok(ids.into_iter().map(QueueId::from_i64).collect())
    }

    /// Gives back messages that are not sent now, as far as they are claimed by this node.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn give_back(&self, given: Vec<GivenBack>) -> Result<(), StoreError> {
        let membership = &self.shared.membership;
        let Some(node) = membership.node().filter(|_| !given.is_empty()) else {
            return Ok(());
        };
        let by_database = given.into_iter().map(|one| {
            let at = one.at.map(|at| membership.in_database(at));
            (one.id, at, one.waits_for)
        });
        let work = NodeWork::GiveBack(node, by_database.collect());
        self.node_work(work).await.map(drop)
    }

    /// Lets go what waits for this. What waits for a destination is due now, whatever its time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn wake(&self, what: WaitsFor) -> Result<u64, StoreError> {
        let mut woken = 0;
        loop {
            let count = self.node_work(NodeWork::Wake(what.clone())).await?;
            woken += u64::try_from(count).unwrap_or(0);
            if count < claims::WAKE_STEP {
                return Ok(woken);
            }
        }
    }

    /// Tells the other nodes that there is mail which this one leaves to whoever has time. Does nothing without others.
    ///
    /// # Errors
    /// The store cannot be reached: they find it by themselves within a second.
    pub async fn tell_of_mail(&self) -> Result<(), StoreError> {
        if self.live_nodes() < 2 || !self.is_shared() {
            return Ok(());
        }
        let told = notices::tell_of_mail(&self.shared.readers).await;
        told.map_err(|error| StoreError::writing("tell other nodes of mail", error))
    }

    /// Returns when another node has left mail to whoever has time.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn mail_is_left(&self) {
        self.shared.changes.mail().await;
    }

    /// The destinations that mail waits for which nobody has claimed.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn awaited_destinations(&self) -> Result<Vec<String>, StoreError> {
        claims::destinations(&self.shared.readers).await
    }

    /// The messages that this node has claimed.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn own_claims(&self) -> Result<Vec<QueueId>, StoreError> {
        match self.shared.membership.node() {
            Some(node) => claims::owned(&self.shared.readers, node).await,
            None => Ok(Vec::new()),
        }
    }

    /// The nodes that are alive, or ended within a day.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        nodes::all(&self.shared.readers).await
    }

    /// The number of this node, if it is one.
    pub fn node(&self) -> Option<i64> {
        self.shared.membership.node()
    }

    /// True while what this process holds is surely its own: it may begin attempts, and end them.
    pub fn may_deliver(&self) -> bool {
        self.shared.membership.is_firm()
    }

    /// True for the one process that does what only one should.
    pub fn is_elected(&self) -> bool {
        self.shared.membership.is_elected()
    }

    /// Nodes that are alive; 1 for a process that is alone.
    pub fn live_nodes(&self) -> u32 {
        self.shared.membership.live()
    }

    /// The time by the clock that all nodes share; this machine's outside of a shared store.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.shared.membership.in_database(Timestamp::now()))
    }

    /// Milliseconds that this machine's clock is ahead of the database's.
    pub fn clock_ahead_ms(&self) -> i64 {
        self.shared.membership.skew_ms()
    }

    /// How many more messages this node would claim as they come in.
    pub fn set_room(&self, room: usize) {
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        self.shared.membership.set_room(room);
    }

    /// True, once, when a message was claimed by this node as it came in.
    pub fn take_fresh_claim(&self, id: QueueId) -> bool {
        self.shared.membership.take_fresh(id)
    }

    /// As if the node that came first had not been heard of for a minute.
    #[cfg(test)]
    pub async fn be_silent_for_a_minute(&self) {
        let silent =
            "UPDATE node SET seen_at = seen_at - 60000 WHERE id = (SELECT MIN(id) FROM node)";
        self.write(Work::Command(silent)).await.expect("a node");
    }

    async fn node_work(&self, work: NodeWork) -> Result<i64, StoreError> {
        self.write(Work::Node(work)).await
    }
}

/// What was found, put together with this machine's clock in the middle of the way there and back.
fn renewal(sent_at_ms: i64, before: Timestamp, node: i64, found: &Found) -> Renewal {
    let found = found.lock();
    let of = |place: usize| found.get(place).copied().unwrap_or_default();
    let middle = i64::midpoint(before.as_millis(), Timestamp::now().as_millis());
    Renewal {
        sent_at_ms,
        live: u32::try_from(of(1)).unwrap_or(u32::MAX),
        is_first: of(2) == node,
        skew_ms: middle - of(0),
    }
}
