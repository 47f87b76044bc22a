//! Recipients of a list that are not tried because they do not exist.

use super::{Service, ServiceError};
use crate::operators::Actor;
use crate::queue::Suppression;
use crate::smtp::Mailbox;

impl Service {
    /// Those that a list remembers, by address, from the one behind `after` on.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn suppressions(
        &self,
        actor: &Actor,
        list_id: i64,
        after: Option<&Mailbox>,
        limit: u32,
    ) -> Result<Vec<Suppression>, ServiceError> {
        self.list(actor, list_id).await?;
        Ok(self.store().suppressions(list_id, after, limit).await?)
    }

    /// Forgets one, so that it is tried again.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], also when it is not remembered.
    pub async fn unsuppress(
        &self,
        actor: &Actor,
        list_id: i64,
        address: Mailbox,
    ) -> Result<(), ServiceError> {
        self.list(actor, list_id).await?;
        if self.store().unsuppress(list_id, address).await? {
            Ok(())
        } else {
            Err(ServiceError::not_found("suppression"))
        }
    }
}
