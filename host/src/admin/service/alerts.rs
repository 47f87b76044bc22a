//! Alerts: what was raised, who is told of it, and a test of the way.

use super::{Service, ServiceError, only_operators};
use crate::accounts::List;
use crate::alert::{Alert, AlertFilter, AlertSettings, Group};
use crate::clock::Timestamp;
use crate::notify;
use crate::operators::Actor;

/// Alerts on one page. Default 50.
pub const ALERTS_ON_A_PAGE: u32 = 50;

/// A page of alerts, the most recent first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertPage {
    /// The alerts.
    pub rows: Vec<Alert>,
    /// Where the next page goes on, when there is one.
    pub next: Option<(Timestamp, i64)>,
}

impl Service {
    /// The list whose alerts are meant; none for those that concern the whole relay, which are the operators'.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`].
    pub async fn alert_scope(
        &self,
        actor: &Actor,
        list: Option<i64>,
    ) -> Result<Option<List>, ServiceError> {
        match list {
            Some(id) => self.list(actor, id).await.map(Some),
            None => only_operators(actor).map(|()| None),
        }
    }

    /// A page of a list's alerts, or of those that concern the whole relay.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`].
    pub async fn alerts(
        &self,
        actor: &Actor,
        list: Option<i64>,
        group: Option<Group>,
        before: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<AlertPage, ServiceError> {
        self.alert_scope(actor, list).await?;
        let filter = AlertFilter {
            list: Some(list),
            group,
            before,
            limit: limit + 1,
        };
        let mut rows = self.store().alerts_of(&filter).await?;
        let has_next = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let last = rows.last().map(|alert| (alert.last_at, alert.id));
        Ok(AlertPage {
            next: last.filter(|_| has_next),
            rows,
        })
    }

    /// Who is told of a list's alerts, or of those that concern the whole relay, and when.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`].
    pub async fn alert_settings(
        &self,
        actor: &Actor,
        list: Option<i64>,
    ) -> Result<AlertSettings, ServiceError> {
        self.alert_scope(actor, list).await?;
        Ok(self.store().alert_settings(list).await?)
    }

    /// Sets that.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`], [`ServiceError::NotFound`], [`ServiceError::Forbidden`].
    pub async fn set_alert_settings(
        &self,
        actor: &Actor,
        list: Option<i64>,
        settings: AlertSettings,
    ) -> Result<(), ServiceError> {
        self.alert_scope(actor, list).await?;
        let checked = settings.check();
        checked.map_err(|problem| ServiceError::invalid(problem.field, problem.message))?;
        Ok(self.store().set_alert_settings(list, settings).await?)
    }

    /// Raises an alert that tests the way.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`].
    pub async fn test_alert(&self, actor: &Actor, list: Option<i64>) -> Result<(), ServiceError> {
        let list = self.alert_scope(actor, list).await?;
        let named = list.as_ref().map(|list| (list.id, list.name.as_str()));
        Ok(notify::raise_test(self.store(), named).await?)
    }
}
