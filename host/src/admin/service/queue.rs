//! Messages of a list: finding them, and what may be done to those that wait.

use super::{Service, ServiceError};
use crate::alert::Alert;
use crate::decision::Decision;
use crate::id::QueueId;
use crate::operators::Actor;
use crate::queue::{Command, Concerned, MessageFilter, MessageSummary};

impl Service {
    /// A page of the messages of a list that pass the filter, newest first.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn messages_of_list(
        &self,
        actor: &Actor,
        list_id: i64,
        filter: MessageFilter,
    ) -> Result<Vec<MessageSummary>, ServiceError> {
        self.list(actor, list_id).await?;
        let filter = of_list(list_id, filter);
        Ok(self.store().messages(filter).await?)
    }

    /// Does something to every message of a list that passes the filter and can be done it to.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn order_of_list(
        &self,
        actor: &Actor,
        list_id: i64,
        filter: MessageFilter,
        command: &Command,
    ) -> Result<Concerned, ServiceError> {
        self.list(actor, list_id).await?;
        let filter = of_list(list_id, filter);
        Ok(self.store().order(&filter, command, &actor.name).await?)
    }

    /// How much [`Service::order_of_list`] would concern.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn would_concern(
        &self,
        actor: &Actor,
        list_id: i64,
        filter: MessageFilter,
        command: &Command,
    ) -> Result<Concerned, ServiceError> {
        self.list(actor, list_id).await?;
        let filter = of_list(list_id, filter);
        Ok(self.store().count(&filter, command).await?)
    }

    /// What the policies decided about a message of a list.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn decisions_about(
        &self,
        actor: &Actor,
        list_id: i64,
        id: QueueId,
    ) -> Result<Vec<Decision>, ServiceError> {
        self.list(actor, list_id).await?;
        let mut decisions = self.store().decisions_about(id).await?;
        decisions.retain(|decision| decision.about.list_id == Some(list_id));
        Ok(decisions)
    }

    /// The latest alerts of a list.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn alerts_of_list(
        &self,
        actor: &Actor,
        list_id: i64,
        limit: u32,
    ) -> Result<Vec<Alert>, ServiceError> {
        self.list(actor, list_id).await?;
        Ok(self.store().alerts(Some(list_id), limit).await?)
    }
}

fn of_list(list_id: i64, filter: MessageFilter) -> MessageFilter {
    MessageFilter {
        list: Some(list_id),
        ..filter
    }
}
