//! Webhooks: where a list's events are posted, and what came of it.

use super::{Service, ServiceError};
use crate::alert::{Post, Webhook};
use crate::notify::{self, HookChange, HookError};
use crate::operators::Actor;
use crate::secret::Secret;

/// Posts that are shown. Default 20.
const SHOWN_POSTS: u32 = 20;

/// A webhook with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookView {
    /// The webhook.
    pub hook: Webhook,
    /// Events that wait for it.
    pub waiting: u64,
    /// What came of the most recent posts, the last first.
    pub posts: Vec<Post>,
}

impl Service {
    /// The webhook of a list, or of what concerns the whole relay; none when there is none.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`].
    pub async fn webhook(
        &self,
        actor: &Actor,
        list: Option<i64>,
    ) -> Result<Option<HookView>, ServiceError> {
        self.alert_scope(actor, list).await?;
        let store = self.store();
        let Some(hook) = store.webhook(list).await? else {
            return Ok(None);
        };
        Ok(Some(HookView {
            hook,
            waiting: store.waiting_events(list).await?,
            posts: store.posts(list, SHOWN_POSTS).await?,
        }))
    }

    /// Changes it, or makes one; returns its key when that is new.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`], [`ServiceError::NotFound`], [`ServiceError::Forbidden`].
    pub async fn set_webhook(
        &self,
        actor: &Actor,
        list: Option<i64>,
        change: HookChange,
    ) -> Result<Option<Secret<String>>, ServiceError> {
        self.alert_scope(actor, list).await?;
        let changed = notify::change_webhook(self.store(), list, change).await;
        changed.map_err(|error| match error {
            HookError::Store(error) => error.into(),
            HookError::NoUrl => ServiceError::invalid("url", "name a URL"),
            HookError::Url(problem) => ServiceError::invalid("url", problem),
        })
    }

    /// Removes it, with what waits for it.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], also when there is none, [`ServiceError::Forbidden`].
    pub async fn delete_webhook(
        &self,
        actor: &Actor,
        list: Option<i64>,
    ) -> Result<(), ServiceError> {
        self.alert_scope(actor, list).await?;
        if self.store().delete_webhook(list).await? {
            Ok(())
        } else {
            Err(ServiceError::not_found("webhook"))
        }
    }
}
