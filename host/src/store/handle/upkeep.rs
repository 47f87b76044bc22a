//! Upkeep.

use crate::clock::Timestamp;
use crate::store::jobs::Work;
use crate::store::upkeep::PURGE_STEP;
use crate::store::{Store, StoreError};

impl Store {
    /// Deletes uploads that a dead process left behind; returns how many parts.
    ///
    /// Only the owner of the queue may ask, before it accepts messages.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn discard_orphaned_chunks(&self) -> Result<u64, StoreError> {
        let count = self.write(Work::DiscardOrphans).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Deletes messages that were finished before, and alerts that have not happened for long,
    /// in small steps; returns how many messages.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let now = Timestamp::now();
        self.in_steps(|| Work::PurgeCounts(now)).await?;
        self.in_steps(|| Work::PurgePolicyCounts(now)).await?;
        self.in_steps(|| Work::PurgeStsPolicies(now)).await?;
        self.purge_statistics(now).await?;
        let alerts_before = now - self.shared.keep.alerts;
        self.in_steps(|| Work::PurgeAlerts(alerts_before)).await?;
        self.in_steps(|| Work::PurgeMessages(before)).await
    }

    /// Repeats a step until it finds less than it could delete.
    pub(super) async fn in_steps(&self, step: impl Fn() -> Work) -> Result<u64, StoreError> {
        let mut total = 0;
        loop {
            let count = self.write(step()).await?;
            total += u64::try_from(count).unwrap_or(0);
            if count < PURGE_STEP {
                return Ok(total);
            }
        }
    }
}
