//! Reads the messages of claims that have none with them, or not their heads, and those that come next with them.
//!
//! One trip to the store for many messages costs little more than one for a single one. What is read ahead is bounded by
//! `ready-envelopes` and `ready-content-octets`, whatever the queue holds.

use std::sync::Arc;

use bytes::Bytes;

use super::plan::Claim;
use super::shell::Shared;
use crate::id::QueueId;
use crate::queue::{Destination, OpenMessage, Place};
use crate::store::StoreError;

/// Messages read ahead for a destination at a time. 256: some hundred microseconds of a reader, and 300 KiB.
const AHEAD: usize = 256;
/// Heads read ahead for a destination at a time. 64: some hundred microseconds of a thread that may wait for the disk.
const HEADS_AHEAD: usize = 64;

impl Shared {
    /// The message of a claim with its recipients for that destination; none when all are served. Its head is with it
    /// where it lies in the log.
    pub async fn message(
        self: &Arc<Self>,
        claim: &mut Claim,
    ) -> Result<Option<OpenMessage>, StoreError> {
        let message = match claim.message.take() {
            Some(message) => Some(message),
            None => self.stored(claim).await?,
        };
        let Some(mut message) = message else {
            return Ok(None);
        };
        if message.head.is_none()
            && let Some(place) = message.place
        {
            message.head = self.head(message.id, place, &claim.destination).await;
        }
        Ok(Some(message))
    }

    async fn stored(self: &Arc<Self>, claim: &Claim) -> Result<Option<OpenMessage>, StoreError> {
        let destination = &claim.destination;
        let ahead = self.lock().plan.begin_reading_ahead(destination, AHEAD);
        let ids: Vec<QueueId> = std::iter::once(claim.id)
            .chain(ahead.iter().copied())
            .collect();
        let found = match self.store.open_messages_of(&ids).await {
            Ok(found) => found,
            Err(error) => {
                if !ahead.is_empty() {
                    self.lock().plan.end_reading_ahead(destination, Vec::new());
                }
                return Err(error);
            }
        };
        let parts = found
            .into_iter()
            .filter_map(|message| self.part(message, destination));
        let (mut mine, others): (Vec<_>, Vec<_>) = parts.partition(|part| part.id == claim.id);
        if !ahead.is_empty() {
            self.lock().plan.end_reading_ahead(destination, others);
        }
        Ok(mine.pop())
    }

    /// The head that lies in this place. Where it does no more, or cannot be read, whoever sends it asks the store.
    async fn head(&self, id: QueueId, place: Place, destination: &Destination) -> Option<Bytes> {
        let ahead = self
            .lock()
            .plan
            .begin_reading_heads(destination, HEADS_AHEAD);
        let wanted: Vec<(QueueId, Place)> = std::iter::once((id, place)).chain(ahead).collect();
        let mut found = match self.store.heads(wanted.clone()).await {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(queue.id = %id, %error, "content is not where it was");
                wanted.iter().map(|&(id, _)| (id, None)).collect()
            }
        };
        let ahead = found.split_off(1);
        if !ahead.is_empty() {
            self.lock().plan.end_reading_heads(destination, ahead);
        }
        found.pop().and_then(|(_, head)| head)
    }

    /// What of a message goes there, unless it is held or stopped.
    fn part(&self, mut message: OpenMessage, destination: &Destination) -> Option<OpenMessage> {
        if message.meta.way.is_held() {
            return None;
        }
        let way = message.meta.way.clone();
        message
            .recipients
            .retain(|one| self.goes_to(&way, one, destination));
        let is_kept = self.lock().keeps(&mut message, destination);
        is_kept.then_some(message)
    }
}
