//! Alert settings, and what is told of alerts.

use std::sync::Arc;

use crate::alert::{AlertSettings, Event};
use crate::clock::Timestamp;
use crate::queue::NewMessage;
use crate::store::jobs::Work;
use crate::store::telling::{self, PendingAlert, TellingWork, Told};
use crate::store::{Store, StoreError};

impl Store {
    /// Alert settings of a list, or of the whole relay; the defaults when none were set.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn alert_settings(&self, list: Option<i64>) -> Result<AlertSettings, StoreError> {
        telling::settings_of(&self.shared.readers, list).await
    }

    /// All settings that were set, by list; none is the whole relay.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn all_alert_settings(
        &self,
    ) -> Result<Vec<(Option<i64>, AlertSettings)>, StoreError> {
        telling::settings(&self.shared.readers).await
    }

    /// Sets the alert settings of a list, or of the whole relay. Whoever is named first is told of what happens
    /// from now on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn set_alert_settings(
        &self,
        list: Option<i64>,
        settings: AlertSettings,
    ) -> Result<(), StoreError> {
        self.tell(TellingWork::Set(list, Box::new(settings))).await
    }

    /// Numbers that grow with every change of settings and webhooks, and with every new alert, also by another
    /// process.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn alerts_generation(&self) -> Result<(i64, i64), StoreError> {
        telling::generation(&self.shared.readers).await
    }

    /// Alerts of which there is something to tell by mail, the oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn untold_alerts(&self) -> Result<Vec<PendingAlert>, StoreError> {
        telling::untold(&self.shared.readers).await
    }

    /// Alerts of which there is something to tell by webhook, the oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn unposted_alerts(&self) -> Result<Vec<PendingAlert>, StoreError> {
        telling::unposted(&self.shared.readers).await
    }

    /// When mails told of alerts after that, by list, the oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn alert_mails(
        &self,
        after: Timestamp,
    ) -> Result<Vec<(Option<i64>, Timestamp)>, StoreError> {
        telling::mails(&self.shared.readers, after).await
    }

    /// Queues a mail that tells of alerts, and notes what it tells, both or none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn tell_by_mail(
        &self,
        list: Option<i64>,
        message: Arc<NewMessage>,
        told: Vec<Told>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.tell(TellingWork::Mail(list, message, told, at)).await
    }

    /// Notes that nobody wants to be told of alerts by mail.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn skip_alerts(&self, skipped: Vec<Told>) -> Result<(), StoreError> {
        self.tell(TellingWork::Skip(skipped)).await
    }

    /// Stores events that tell of alerts, and notes what they tell, both or none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn tell_by_webhook(
        &self,
        events: Vec<Event>,
        told: Vec<Told>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.tell(TellingWork::Post(events, told, at)).await
    }

    /// Forgets when mails told of alerts before that.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn purge_alert_mails(&self, before: Timestamp) -> Result<(), StoreError> {
        self.tell(TellingWork::Purge(before)).await
    }

    async fn tell(&self, work: TellingWork) -> Result<(), StoreError> {
        self.write(Work::Tell(work)).await.map(drop)
    }
}
