//! Alerts.

use crate::alert::{Alert, NewAlert};
use crate::store::jobs::Work;
use crate::store::{Store, StoreError, alerts};

impl Store {
    /// Stores alerts; what is the same within a day is counted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn raise(&self, alerts: Vec<NewAlert>) -> Result<(), StoreError> {
        if alerts.is_empty() {
            return Ok(());
        }
        self.write(Work::Raise(alerts)).await.map(drop)
    }

    /// The most recent alerts, of one list or of all.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn alerts(&self, list: Option<i64>, limit: u32) -> Result<Vec<Alert>, StoreError> {
        alerts::select(&self.shared.readers, list, limit).await
    }
}
