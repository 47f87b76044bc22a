//! Decisions of the policies.

use super::webhooks::with;
use crate::clock::Timestamp;
use crate::decision::{
    Decision, DecisionFilter, Findings, Glimpse, NewDecision, Recorded, Retention,
};
use crate::id::QueueId;
use crate::store::decisions::{self, Kept};
use crate::store::jobs::Work;
use crate::store::{Store, StoreError};

impl Store {
    /// Keeps what a verdict leaves behind that no message carries with it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn keep(&self, findings: Findings) -> Result<(), StoreError> {
        let Some(decision) = findings.decision else {
            return self.raise(findings.alerts).await;
        };
        let event = self.blocked_event(&decision);
        let spans = self.spans_of_refused(&decision);
        let kept = self.kept(decision);
        let chain = new_chain(&kept);
        let alerts = self.admit(findings.alerts);
        let has_alerts = !alerts.is_empty();
        let work = Work::Decide(kept, alerts);
        self.write(with(work, event)).await?;
        self.tell_follower(spans);
        self.chain_is_kept(chain);
        self.raised(has_alerts);
        Ok(())
    }

    /// A page of decisions, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn decisions(&self, filter: &DecisionFilter) -> Result<Vec<Decision>, StoreError> {
        decisions::select(&self.shared.readers, filter).await
    }

    /// The newest decisions since then as far as sums need them, `limit` at most, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn glimpses(&self, since: Timestamp, limit: u32) -> Result<Vec<Glimpse>, StoreError> {
        decisions::glimpses(&self.shared.readers, since, limit).await
    }

    /// The decisions about one message or command: the one that counted, then those in shadow.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn decisions_about(&self, id: QueueId) -> Result<Vec<Decision>, StoreError> {
        decisions::of(&self.shared.readers, id).await
    }

    /// A page of decisions about messages and commands on which a policy in shadow decided too, those of one
    /// together and the oldest first, from the one after `after` on.
    ///
    /// A page shorter than the filter's limit is the last.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn decisions_beside_shadows(
        &self,
        filter: &DecisionFilter,
        after: Option<QueueId>,
    ) -> Result<Vec<Decision>, StoreError> {
        decisions::beside_shadows(&self.shared.readers, filter, after).await
    }

    /// The recorded request of a decision, a JSON document; none when it was not recorded.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn recorded_request(&self, id: QueueId) -> Result<Option<String>, StoreError> {
        decisions::request(&self.shared.readers, id).await
    }

    /// A page of decisions whose requests were recorded, the oldest first, from the one after `after` on.
    ///
    /// A page shorter than the filter's limit is the last.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn recordings(
        &self,
        filter: &DecisionFilter,
        after: Option<QueueId>,
    ) -> Result<Vec<Recorded>, StoreError> {
        decisions::recorded(&self.shared.readers, filter, after).await
    }

    /// Deletes decisions and recorded requests that are too old or too many, in small steps; returns
    /// how many of both.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn purge_decisions(&self, retention: Retention) -> Result<u64, StoreError> {
        let recordings = self.in_steps(|| Work::PurgeRecordings(retention)).await?;
        let decisions = self.in_steps(|| Work::PurgeDecisions(retention)).await?;
        Ok(recordings + decisions)
    }

    pub(super) fn kept(&self, decision: Box<NewDecision>) -> Kept {
        let chain = decision.decision.chain.id();
        Kept {
            with_chain: !self.shared.chains.lock().contains(&chain),
            decision,
        }
    }

    pub(super) fn chain_is_kept(&self, chain: Option<i64>) {
        if let Some(chain) = chain {
            self.shared.chains.lock().insert(chain);
        }
    }
}

/// The chain that a decision brings with it.
pub(super) fn new_chain(kept: &Kept) -> Option<i64> {
    kept.with_chain.then(|| kept.decision.decision.chain.id())
}
