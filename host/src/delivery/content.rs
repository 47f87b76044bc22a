//! Reads a message's content piece by piece, so that a large one is never in memory as a whole.

use bytes::Bytes;

use crate::queue::OpenMessage;
use crate::store::{Store, StoreError};

/// Hands out the head, then the chunks from the store.
pub(crate) struct ContentReader<'a> {
    message: &'a OpenMessage,
    store: &'a Store,
    next: Piece,
}

enum Piece {
    Head,
    Chunk(u32),
}

impl<'a> ContentReader<'a> {
    /// At the beginning of the content.
    pub const fn new(message: &'a OpenMessage, store: &'a Store) -> Self {
        Self {
            message,
            store,
            next: Piece::Head,
        }
    }

    /// To be asked right before the end of the content is handed over.
    ///
    /// # Errors
    /// Another node may send the message by now.
    pub fn may_end(&self) -> Result<(), StoreError> {
        if self.store.may_deliver() {
            Ok(())
        } else {
            Err(StoreError::Disowned)
        }
    }

    /// The next piece; none after the last.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        match self.next {
            Piece::Head => {
                self.next = Piece::Chunk(0);
                match &self.message.head {
                    Some(head) => Ok(Some(head.clone())),
                    None => self.store.head(self.message.id).await.map(Some),
                }
            }
            Piece::Chunk(index) if index < self.message.staged_chunks => {
                self.next = Piece::Chunk(index + 1);
                self.store.chunk(self.message.id, index).await.map(Some)
            }
            Piece::Chunk(_) => Ok(None),
        }
    }
}
