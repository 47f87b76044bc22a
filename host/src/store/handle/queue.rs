//! The queue.

use std::sync::Arc;

use bytes::Bytes;

use super::decisions::new_chain;
use super::webhooks::with;
use crate::decision::Findings;
use crate::id::QueueId;
use crate::queue::{
    AttemptRecord, MessageDetails, MessageFilter, MessageSummary, NewMessage, OpenMessage, Place,
};
use crate::store::jobs::{Chunk, Claimant, DISOWNED, Incoming, Work};
use crate::store::{OpenCount, Store, StoreError, content, messages, reports};
use crate::trace::Acceptance;

/// # Cancel safety
/// A write whose future is dropped is either not made or made in full; others are not concerned.
impl Store {
    /// Stores a part of a message that is still being received.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], or [`StoreError::Refused`] when the part is there already.
    pub async fn stage_chunk(
        &self,
        id: QueueId,
        index: u32,
        octets: Bytes,
    ) -> Result<(), StoreError> {
        let chunk = Chunk { id, index, octets };
        self.write(Work::Stage(chunk)).await.map(drop)
    }

    /// Forgets the parts of a message that will not be accepted. Parts of an accepted one stay.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; the parts are forgotten at the next start then.
    pub async fn discard_chunks(&self, id: QueueId) -> Result<(), StoreError> {
        self.write(Work::Discard(id)).await.map(drop)
    }

    /// Accepts a message, with what its verdict leaves behind. When this returns `Ok` it is on the disk; told is where
    /// its content lies in the log, if it lies there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it is not accepted; [`StoreError::Refused`]: the id is taken.
    pub async fn accept(
        &self,
        message: Arc<NewMessage>,
        findings: impl Into<Findings>,
    ) -> Result<Option<Place>, StoreError> {
        let Findings { alerts, decision } = findings.into();
        let acceptance = self.followed(&message, decision.as_deref());
        let kept = decision.map(|decision| self.kept(decision));
        let chain = kept.as_ref().map(new_chain);
        let event = self.accepted_event(&message);
        let alerts = self.admit(alerts);
        let has_alerts = !alerts.is_empty();
        let claim = self.shared.membership.claim(&message);
        let id = message.id;
        let incoming = Incoming {
            claim,
            claim_at: self.shared.membership.claim_at(&message),
            message,
        };
        let work = Work::Accept(incoming, alerts, kept);
        let done = match self.write_whole(Box::new(with(work, event))).await {
            Ok(done) => done,
            Err(error) => {
                self.shared.membership.take_fresh(id);
                return Err(error);
            }
        };
        self.tell_follower(acceptance.map(Acceptance::committed));
        self.chain_is_kept(chain.flatten());
        self.raised(has_alerts);
        Ok(done.place)
    }

    /// Records what an attempt came to. When no recipient is open any more, the message is finished
    /// and its content deleted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: ask again when the store is accepting, or a recipient that was
    /// served will be served twice. Recording the same attempt twice does no harm. [`StoreError::Disowned`]: nothing
    /// is recorded, as another node has the message.
    pub async fn record(&self, record: AttemptRecord) -> Result<(), StoreError> {
        self.write_record(with(self.record_work(record), None))
            .await
    }

    /// For this process, which must have the message for itself.
    pub(super) fn record_work(&self, record: AttemptRecord) -> Work {
        let membership = &self.shared.membership;
        let claimant = membership.node().map(|node| Claimant {
            node,
            ahead_ms: membership.skew_ms(),
        });
        Work::Record(record, claimant)
    }

    pub(super) async fn write_record(&self, work: Work) -> Result<(), StoreError> {
        match self.write(work).await? {
            DISOWNED => Err(StoreError::Disowned),
            _ => Ok(()),
        }
    }

    /// A page of the messages still to be served, oldest first, without their heads.
    ///
    /// A page shorter than `limit` is the last.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn open_messages(
        &self,
        after: Option<QueueId>,
        limit: u32,
    ) -> Result<Vec<OpenMessage>, StoreError> {
        messages::open(&self.shared.readers, after, limit, false).await
    }

    /// As [`Store::open_messages`], of priorities 1 and 2 alone.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn urgent_messages(
        &self,
        after: Option<QueueId>,
        limit: u32,
    ) -> Result<Vec<OpenMessage>, StoreError> {
        messages::open(&self.shared.readers, after, limit, true).await
    }

    /// The head of an open message.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the message is finished or unknown.
    pub async fn head(&self, id: QueueId) -> Result<Bytes, StoreError> {
        content::head(&self.shared.readers, self.shared.content.as_deref(), id).await
    }

    /// The heads of messages that lie in these places of the log; none of those that do no more.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn heads(
        &self,
        wanted: Vec<(QueueId, Place)>,
    ) -> Result<Vec<(QueueId, Option<Bytes>)>, StoreError> {
        match self.shared.content.as_deref() {
            Some(folder) => content::all_in_log(folder, wanted).await,
            None => Ok(wanted.into_iter().map(|(id, _)| (id, None)).collect()),
        }
    }

    /// The id of the newest message, finished ones included; none in an empty store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn newest_message(&self) -> Result<Option<QueueId>, StoreError> {
        messages::newest(&self.shared.readers).await
    }

    /// A staged part of an open message.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the message is finished or has no such part.
    pub async fn chunk(&self, id: QueueId, index: u32) -> Result<Bytes, StoreError> {
        content::chunk(&self.shared.readers, id, index).await
    }

    /// A page of messages, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn messages(&self, filter: MessageFilter) -> Result<Vec<MessageSummary>, StoreError> {
        reports::messages(&self.shared.readers, &filter).await
    }

    /// The messages of a list in the queue; of a very long queue only the newest are looked at.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn count_open(&self, list: i64) -> Result<OpenCount, StoreError> {
        reports::count_open(&self.shared.readers, list).await
    }

    /// Everything about one message.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn message(&self, id: QueueId) -> Result<Option<MessageDetails>, StoreError> {
        self.message_in_part(id, u32::MAX, 0).await
    }

    /// The same with the latest attempts alone, so many at most and without so many of the latest.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn message_in_part(
        &self,
        id: QueueId,
        attempts: u32,
        skipped: u32,
    ) -> Result<Option<MessageDetails>, StoreError> {
        reports::message(&self.shared.readers, id, (attempts, skipped)).await
    }
}
