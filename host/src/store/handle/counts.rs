//! What policies count.

use crate::clock::Timestamp;
use crate::queue::PolicyCount;
use crate::store::jobs::Work;
use crate::store::{Store, StoreError, counts};

impl Store {
    /// Adds to what policies have counted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn add_counts(&self, counts: Vec<PolicyCount>) -> Result<(), StoreError> {
        if counts.is_empty() {
            return Ok(());
        }
        let now = self.shared.membership.in_database(Timestamp::now());
        self.write(Work::Count(counts, now)).await.map(drop)
    }

    /// What policies of any node have counted since then: the whole amount of each slot that was added to.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn policy_counts_since(
        &self,
        since: Timestamp,
    ) -> Result<Vec<PolicyCount>, StoreError> {
        let since = self.shared.membership.in_database(since);
        counts::changed(&self.shared.readers, since).await
    }

    /// What policies have counted that still counts at `now`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn policy_counts(&self, now: Timestamp) -> Result<Vec<PolicyCount>, StoreError> {
        counts::live(&self.shared.readers, now).await
    }
}
