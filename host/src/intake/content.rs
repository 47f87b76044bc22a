//! Lets policies read a message that has come in and is not accepted yet: the head from memory, the
//! rest from the store.

use bytes::Bytes;

use crate::id::QueueId;
use crate::policy::{Content, PartFuture};
use crate::store::Store;

/// The content of a message as the client submitted it.
pub(super) struct Submitted {
    /// Where the staged parts are.
    pub store: Store,
    /// Under which identifier.
    pub id: QueueId,
    /// What is in memory.
    pub head: Bytes,
    /// The octets of each part that follows.
    pub parts: Vec<u64>,
}

impl Submitted {
    /// The staged part with the octet at `offset`, and where it begins.
    fn part_at(&self, offset: u64) -> Option<(u32, u64)> {
        let mut begin = self.head.len() as u64;
        for (index, octets) in (0..).zip(&self.parts) {
            if (begin..begin + octets).contains(&offset) {
                return Some((index, begin));
            }
            begin += octets;
        }
        None
    }
}

impl Content for Submitted {
    fn size(&self) -> u64 {
        self.head.len() as u64 + self.parts.iter().sum::<u64>()
    }

    fn part(&self, offset: u64) -> PartFuture<'_> {
        Box::pin(async move {
            if offset < self.head.len() as u64 {
                return Some((0, self.head.clone()));
            }
            let (index, begin) = self.part_at(offset)?;
            match self.store.chunk(self.id, index).await {
                Ok(octets) => Some((begin, octets)),
                Err(error) => {
                    tracing::warn!(queue.id = %self.id, %error, "a policy cannot read a message");
                    None
                }
            }
        })
    }
}
