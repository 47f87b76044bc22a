//! Where content waits while it arrives: the beginning in memory, the rest as chunks in the store.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::Config;
use crate::id::QueueId;
use crate::queue::Content;
use crate::store::{Store, StoreError};

/// Between two tries to discard chunks.
const DISCARD_PAUSE: Duration = Duration::from_secs(1);

/// The content of one message on its way in. Holds at most twice `memory-octets`.
pub struct Spool {
    store: Store,
    id: QueueId,
    head: BytesMut,
    tail: BytesMut,
    part_octets: usize,
    staged_chunks: u32,
    size: u64,
}

impl Spool {
    pub(super) fn new(store: Store, id: QueueId, config: &Config) -> Self {
        let (head, tail) = (BytesMut::new(), BytesMut::new());
        Self {
            store,
            id,
            head,
            tail,
            part_octets: config.memory_octets,
            staged_chunks: 0,
            size: 0,
        }
    }

    pub(super) const fn id(&self) -> QueueId {
        self.id
    }

    /// Adds octets; waits for the store when a part is full.
    ///
    /// # Errors
    /// When the store cannot take a chunk.
    pub async fn push(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        self.size += octets.len() as u64;
        let to_head = octets
            .len()
            .min(self.part_octets.saturating_sub(self.head.len()));
        self.head.extend_from_slice(&octets[..to_head]);
        let mut rest = &octets[to_head..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(self.part_octets - self.tail.len()));
            self.tail.extend_from_slice(now);
            if self.tail.len() == self.part_octets {
                self.stage().await?;
            }
            rest = later;
        }
        Ok(())
    }

    /// Removes what was staged of a message that will not be accepted.
    pub async fn discard(self) {
        if self.staged_chunks > 0 {
            Self::discard_staged(&self.store, self.id).await;
        }
    }

    /// Discards at once, or as soon as the store can be written again; the client does not wait for that.
    pub(super) async fn discard_staged(store: &Store, id: QueueId) {
        let Err(error) = store.discard_chunks(id).await else {
            return;
        };
        tracing::warn!(queue.id = %id, %error, "chunks of a refused message wait to be discarded");
        let store = store.clone();
        // Ends with the store at the latest; what is left then is discarded at the next start.
        tokio::spawn(async move {
            while store.wait_until_accepting().await.is_ok() {
                if store.discard_chunks(id).await.is_ok() {
                    return;
                }
                tokio::time::sleep(DISCARD_PAUSE).await;
            }
        });
    }

    pub(super) async fn finish(mut self) -> Result<Content, StoreError> {
        if !self.tail.is_empty() {
            self.stage().await?;
        }
        Ok(Content {
            head: self.head.freeze(),
            staged_chunks: self.staged_chunks,
            size: self.size,
        })
    }

    async fn stage(&mut self) -> Result<(), StoreError> {
        let chunk: Bytes = self.tail.split().freeze();
        let index = self.staged_chunks;
        // Counted before it is known to be there: a commit that failed may have happened all the same.
        self.staged_chunks += 1;
        self.store.stage_chunk(self.id, index, chunk).await
    }
}
