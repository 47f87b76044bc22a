//! Alerts.

use crate::alert::{Alert, AlertFilter, NewAlert};
use crate::store::jobs::Work;
use crate::store::{Store, StoreError, alerts, merging};

impl Store {
    /// Stores alerts; what is the same within a day is counted. What was stored a moment ago is counted in memory
    /// and stored within a second.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn raise(&self, alerts: Vec<NewAlert>) -> Result<(), StoreError> {
        let alerts = self.admit(alerts);
        if alerts.is_empty() {
            return Ok(());
        }
        self.write(Work::Raise(alerts)).await?;
        self.raised(true);
        Ok(())
    }

    /// Wakes whoever tells of alerts.
    pub(in crate::store) fn raised(&self, has_alerts: bool) {
        if has_alerts {
            self.shared.merger.raised.notify_one();
        }
    }

    /// The most recent alerts, of one list or of all.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn alerts(&self, list: Option<i64>, limit: u32) -> Result<Vec<Alert>, StoreError> {
        let filter = AlertFilter {
            list: list.map(Some),
            group: None,
            before: None,
            limit,
        };
        self.alerts_of(&filter).await
    }

    /// A page of alerts, the most recent first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn alerts_of(&self, filter: &AlertFilter) -> Result<Vec<Alert>, StoreError> {
        self.store_waiting_alerts().await;
        alerts::select(&self.shared.readers, filter).await
    }

    /// Waits until something was raised by this process.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn alert_raised(&self) {
        self.shared.merger.raised.notified().await;
    }

    /// What of these alerts is to be stored now; the rest is counted and stored within a second.
    pub(super) fn admit(&self, alerts: Vec<NewAlert>) -> Vec<NewAlert> {
        let admitted = self.shared.merger.admit(alerts);
        if admitted.begins_to_wait {
            let store = self.clone();
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(merging::wait()).await;
                    if store.store_waiting_alerts().await {
                        return;
                    }
                }
            });
        }
        admitted.now
    }

    /// Stores what was counted; false when it has to be tried again. It is counted on then.
    pub(in crate::store) async fn store_waiting_alerts(&self) -> bool {
        let waiting = self.shared.merger.take();
        if waiting.is_empty() {
            return true;
        }
        let kept = waiting.clone();
        match self.write(Work::Raise(waiting)).await {
            Ok(_) => self.shared.merger.raised.notify_one(),
            Err(StoreError::Closed) => {}
            Err(error) => {
                tracing::debug!(%error, "alerts that happened again are not stored yet");
                self.shared.merger.put_back(kept);
                return false;
            }
        }
        true
    }
}
