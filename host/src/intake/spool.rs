//! Where content waits while it arrives: the beginning in memory, the rest as chunks in the store.
//!
//! Every message has a little memory of its own and takes more from what all share. When that is used
//! up, what has come goes to the store at once and in small pieces.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Config;
use crate::id::QueueId;
use crate::message::{HeaderEnd, HeaderSection};
use crate::queue::Content;
use crate::store::{Store, StoreError};

/// Between two tries to discard chunks.
const DISCARD_PAUSE: Duration = Duration::from_secs(1);
/// Octets that the beginning of a message and the part after it have without asking, each; also the
/// unit in which more is taken. 16 KiB: most messages fit, and so does what is read at once.
const BLOCK: usize = 16 * 1024;

/// Content could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The store did not take a part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The header section has not ended, and all memory is in use.
    #[error("no memory is left for the header section; see intake.memory-total-octets")]
    Memory,
}

/// The memory that all messages on their way in share; a permit is a [`BLOCK`].
#[derive(Clone, Debug)]
pub(super) struct Memory(Arc<Semaphore>);

impl Memory {
    pub(super) fn new(config: &Config) -> Self {
        let blocks = (config.memory_total_octets / BLOCK).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(blocks)))
    }

    fn take(&self, blocks: usize) -> Option<OwnedSemaphorePermit> {
        let blocks = u32::try_from(blocks).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(blocks).ok()
    }
}

/// Octets in memory, and how many there may be.
#[derive(Debug)]
struct Part {
    octets: BytesMut,
    room: usize,
    share: Option<OwnedSemaphorePermit>,
}

impl Part {
    fn new() -> Self {
        Self {
            octets: BytesMut::new(),
            room: BLOCK,
            share: None,
        }
    }

    /// Takes what fits of `octets` and returns the rest. More than `max` never fits.
    fn take<'a>(&mut self, octets: &'a [u8], max: usize, memory: &Memory) -> &'a [u8] {
        let wanted = self.octets.len().saturating_add(octets.len()).min(max);
        if wanted > self.room {
            self.grow((wanted - self.room).div_ceil(BLOCK), memory);
        }
        let free = self.room.min(max).saturating_sub(self.octets.len());
        let (now, later) = octets.split_at(octets.len().min(free));
        self.octets.extend_from_slice(now);
        later
    }

    fn grow(&mut self, blocks: usize, memory: &Memory) {
        let Some(share) = memory.take(blocks) else {
            return;
        };
        self.room += blocks * BLOCK;
        match &mut self.share {
            Some(known) => known.merge(share),
            none => *none = Some(share),
        }
    }
}

/// The content of one message on its way in. Holds at most twice `memory-octets`.
pub struct Spool {
    store: Store,
    memory: Memory,
    id: QueueId,
    head: Part,
    is_head_complete: bool,
    tail: Part,
    part_octets: usize,
    staged_chunks: u32,
    /// The octets of each staged part.
    staged_octets: Vec<u64>,
    size: u64,
    is_ascii: bool,
}

/// A message that has come in as a whole.
#[derive(Debug)]
pub(super) struct Received {
    /// What of it is where.
    pub content: Content,
    /// The octets of each staged part.
    pub staged_octets: Vec<u64>,
    /// Nothing in it goes beyond US-ASCII, whatever its client declared.
    pub is_ascii: bool,
    /// The memory it uses.
    pub _held: Held,
}

/// Memory that a message uses until it is accepted or refused.
#[derive(Debug)]
pub(super) struct Held {
    _share: Option<OwnedSemaphorePermit>,
}

impl Spool {
    pub(super) fn new(store: Store, memory: Memory, id: QueueId, config: &Config) -> Self {
        Self {
            store,
            memory,
            id,
            head: Part::new(),
            is_head_complete: false,
            tail: Part::new(),
            part_octets: config.memory_octets,
            staged_chunks: 0,
            staged_octets: Vec::new(),
            size: 0,
            is_ascii: true,
        }
    }

    pub(super) const fn id(&self) -> QueueId {
        self.id
    }

    /// Adds octets; waits for the store when a part is full.
    ///
    /// # Errors
    /// When the store cannot take a chunk, or no memory is left for a long header section.
    pub async fn push(&mut self, octets: &[u8]) -> Result<(), SpoolError> {
        self.size += octets.len() as u64;
        self.is_ascii = self.is_ascii && octets.is_ascii();
        let mut rest = octets;
        if !self.is_head_complete {
            rest = self.head.take(rest, self.part_octets, &self.memory);
            if rest.is_empty() {
                return Ok(());
            }
            self.complete_head()?;
        }
        loop {
            rest = self.tail.take(rest, self.part_octets, &self.memory);
            if !rest.is_empty() || self.tail.octets.len() == self.part_octets {
                self.stage().await?;
            }
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Lets the rest go to the store. Where memory ran out before `memory-octets`, the header section,
    /// which policies read, must be there as a whole.
    fn complete_head(&mut self) -> Result<(), SpoolError> {
        let head = &self.head.octets;
        let has_header = || {
            // A line that is no field may be one whose end is yet to come.
            HeaderSection::parse(head).map_or(true, |it| it.end() == HeaderEnd::BlankLine)
        };
        if head.len() < self.part_octets && !has_header() {
            return Err(SpoolError::Memory);
        }
        self.is_head_complete = true;
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

    pub(super) async fn finish(mut self) -> Result<Received, StoreError> {
        if !self.tail.octets.is_empty() {
            self.stage().await?;
        }
        let content = Content {
            head: self.head.octets.freeze(),
            staged_chunks: self.staged_chunks,
            size: self.size,
        };
        let held = Held {
            _share: self.head.share,
        };
        Ok(Received {
            content,
            staged_octets: self.staged_octets,
            is_ascii: self.is_ascii,
            _held: held,
        })
    }

    /// Hands the tail to the store; its memory is free again when the store has it.
    async fn stage(&mut self) -> Result<(), StoreError> {
        let Part {
            octets,
            share: _share,
            ..
        } = std::mem::replace(&mut self.tail, Part::new());
        let chunk: Bytes = octets.freeze();
        let index = self.staged_chunks;
        // Counted before it is known to be there: a commit that failed may have happened all the same.
        self.staged_chunks += 1;
        self.staged_octets.push(chunk.len() as u64);
        self.store.stage_chunk(self.id, index, chunk).await
    }
}

#[cfg(test)]
mod tests;
