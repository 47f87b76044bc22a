//! Reads the messages of claims that have none with them, and those that come next with them.
//!
//! One trip to the store for many messages costs little more than one for a single one. What is read ahead is bounded by
//! `ready-envelopes`, whatever the queue holds.

use std::sync::Arc;

use super::plan::Claim;
use super::shell::Shared;
use crate::id::QueueId;
use crate::queue::{Destination, OpenMessage};
use crate::store::StoreError;

/// Messages read ahead for a destination at a time. 256: some hundred microseconds of a reader, and 300 KiB.
const AHEAD: usize = 256;

impl Shared {
    /// The message of a claim with its recipients for that destination; none when all are served.
    pub async fn message(
        self: &Arc<Self>,
        claim: &mut Claim,
    ) -> Result<Option<OpenMessage>, StoreError> {
        if let Some(message) = claim.message.take() {
            return Ok(Some(message));
        }
        let destination = claim.destination.clone();
        let ahead = self.lock().plan.begin_reading_ahead(&destination, AHEAD);
        let ids: Vec<QueueId> = std::iter::once(claim.id)
            .chain(ahead.iter().copied())
            .collect();
        let found = match self.store.open_messages_of(&ids).await {
            Ok(found) => found,
            Err(error) => {
                if !ahead.is_empty() {
                    self.lock().plan.end_reading_ahead(&destination, Vec::new());
                }
                return Err(error);
            }
        };
        let parts = found
            .into_iter()
            .filter_map(|message| self.part(message, &destination));
        let (mut mine, others): (Vec<_>, Vec<_>) = parts.partition(|part| part.id == claim.id);
        if !ahead.is_empty() {
            self.lock().plan.end_reading_ahead(&destination, others);
        }
        Ok(mine.pop())
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
