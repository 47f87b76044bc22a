//! Webhooks, and the events that they are told.

use std::sync::Arc;

use crate::alert::{Event, EventKind, Post, WaitingEvent, Webhook};
use crate::clock::Timestamp;
use crate::decision::{NewDecision, Run};
use crate::event;
use crate::queue::{AttemptRecord, NewMessage, OpenMessage};
use crate::store::jobs::Work;
use crate::store::webhooks::{self, Hooks, WebhookWork};
use crate::store::{Store, StoreError};

impl Store {
    /// All webhooks, with the names of their lists.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn webhooks(&self) -> Result<Vec<(Webhook, String)>, StoreError> {
        webhooks::all(&self.shared.readers).await
    }

    /// The webhook of a list, or of the whole relay.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn webhook(&self, list: Option<i64>) -> Result<Option<Webhook>, StoreError> {
        let all = self.webhooks().await?;
        let mut hooks = all.into_iter().map(|(hook, _)| hook);
        Ok(hooks.find(|hook| hook.list_id == list))
    }

    /// Sets the webhook of a list, or of the whole relay.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn set_webhook(&self, webhook: Webhook) -> Result<(), StoreError> {
        self.write(Work::Webhook(WebhookWork::Set(webhook))).await?;
        self.refresh_hooks().await
    }

    /// Removes a webhook with all that waits for it; false when there was none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn delete_webhook(&self, list: Option<i64>) -> Result<bool, StoreError> {
        let deleted = self.write(Work::Webhook(WebhookWork::Delete(list))).await?;
        self.refresh_hooks().await?;
        Ok(deleted > 0)
    }

    /// Reads who wants which events; to be asked when another process may have changed it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn refresh_hooks(&self) -> Result<(), StoreError> {
        let all = self.webhooks().await?;
        self.shared.hooks.store(Arc::new(Hooks::of(&all)));
        Ok(())
    }

    /// Waits until this process has stored an event.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn event_stored(&self) {
        self.shared.events.notified().await;
    }

    /// The webhooks that have events which are due; none is the whole relay's.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn due_webhooks(&self, now: Timestamp) -> Result<Vec<Option<i64>>, StoreError> {
        webhooks::with_due(&self.shared.readers, now).await
    }

    /// Events of a webhook that are due, in the order they were due.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn due_events(
        &self,
        list: Option<i64>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<WaitingEvent>, StoreError> {
        webhooks::due(&self.shared.readers, list, now, limit).await
    }

    /// How many events of a webhook wait.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn waiting_events(&self, list: Option<i64>) -> Result<u64, StoreError> {
        webhooks::waiting(&self.shared.readers, list).await
    }

    /// Notes what came of posts of one webhook.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: what was taken will be posted again.
    pub async fn note_posts(&self, posts: Vec<Post>) -> Result<(), StoreError> {
        let work = WebhookWork::Posted(posts);
        self.write(Work::Webhook(work)).await.map(drop)
    }

    /// Gives up events of a webhook that happened before, and the oldest of more than `max`; returns how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn give_up_events(
        &self,
        list: Option<i64>,
        before: Timestamp,
        max: u32,
    ) -> Result<u64, StoreError> {
        let work = WebhookWork::Purge(list, before, max);
        let lost = self.write(Work::Webhook(work)).await?;
        Ok(u64::try_from(lost).unwrap_or(0))
    }

    /// What came of the most recent posts, the last first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn posts(&self, list: Option<i64>, limit: u32) -> Result<Vec<Post>, StoreError> {
        webhooks::deliveries(&self.shared.readers, list, limit).await
    }

    /// Records what an attempt at a message came to, as [`Store::record`] does, with the events that a
    /// webhook wants of it.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn record_of(
        &self,
        message: &OpenMessage,
        record: AttemptRecord,
    ) -> Result<(), StoreError> {
        let hooks = self.shared.hooks.load();
        let mut events = Vec::new();
        // Notices of the relay's own are nobody's submission.
        if !hooks.is_empty() && !message.meta.username.is_empty() {
            let tried = record.attempts.iter().filter_map(|recorded| {
                let kind = event::kind_of(recorded.status)?;
                let list = hooks.wanting(message.meta.list_id, kind)?;
                event::tried(message, recorded, list)
            });
            events.extend(tried);
        }
        let spans = self.spans_of_attempts(&record);
        let work = self.record_work(record);
        self.write_record(with(work, events)).await?;
        self.tell_follower(spans);
        Ok(())
    }

    /// The event of an accepted message, if a webhook wants it.
    pub(super) fn accepted_event(&self, message: &NewMessage) -> Option<Event> {
        let hooks = self.shared.hooks.load();
        let meta = &message.meta;
        let list = hooks.wanting(meta.list_id, EventKind::Accepted)?;
        // Notices of the relay's own are nobody's submission.
        (!meta.username.is_empty()).then(|| event::accepted(message, list))
    }

    /// The event of a refused message, if a webhook wants it.
    pub(super) fn blocked_event(&self, decision: &NewDecision) -> Option<Event> {
        let hooks = self.shared.hooks.load();
        let decision = &decision.decision;
        let list = hooks.wanting(decision.about.list_id, EventKind::Blocked)?;
        event::blocked(decision, list).filter(|_| decision.run == Run::Enforced)
    }
}

/// The work with its events, which share its commit.
pub(super) fn with(work: Work, events: impl IntoIterator<Item = Event>) -> Work {
    let events: Vec<Event> = events.into_iter().collect();
    match events.is_empty() {
        true => work,
        false => Work::With(Box::new(work), events),
    }
}
