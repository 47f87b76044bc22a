//! Reloads.

use crate::clock::Timestamp;
use crate::store::jobs::Work;
use crate::store::reloads::{self, ReloadWork};
use crate::store::{ReloadCause, ReloadOutcome, Store, StoreError};

impl Store {
    /// Asks the relay that owns the queue to reload; returns the number of the request.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn request_reload(&self) -> Result<i64, StoreError> {
        let request = ReloadWork::Request(Timestamp::now());
        self.write(Work::Reload(request)).await
    }

    /// The newest request that is not answered.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn requested_reload(&self) -> Result<Option<i64>, StoreError> {
        reloads::requested(&self.shared.readers).await
    }

    /// The newest request after that one, answered by another node or not.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn requested_reload_after(&self, last: i64) -> Result<Option<i64>, StoreError> {
        reloads::requested_after(&self.shared.readers, last).await
    }

    /// The newest request that is answered; 0 when there is none.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn answered_reload(&self) -> Result<i64, StoreError> {
        reloads::answered(&self.shared.readers).await
    }

    /// Notes what came of a reload, and so answers the requests that caused it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn end_reload(
        &self,
        cause: ReloadCause,
        outcome: ReloadOutcome,
    ) -> Result<(), StoreError> {
        let end = ReloadWork::End(cause, outcome);
        self.write(Work::Reload(end)).await.map(drop)
    }

    /// What came of a request; none while it is not answered.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn reload_answer(&self, request: i64) -> Result<Option<ReloadOutcome>, StoreError> {
        reloads::answer(&self.shared.readers, request).await
    }

    /// What came of the last reload; none before the first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn last_reload(&self) -> Result<Option<ReloadOutcome>, StoreError> {
        reloads::last(&self.shared.readers).await
    }
}
