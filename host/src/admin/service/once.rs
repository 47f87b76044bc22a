//! Requests that may come again, done once: what was asked, and what was answered.

use super::{RequestKey, Service, ServiceError};
use crate::operators::Digest;

/// A request that came before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Whether the same was asked.
    pub is_same: bool,
    /// Status and body of the answer; none while it is under way, and when it was never answered.
    pub answer: Option<(u16, String)>,
}

impl Service {
    /// Begins a request with this document; none when it is the first of its key.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn begin_request(
        &self,
        key: &RequestKey,
        document: &[u8],
    ) -> Result<Option<Earlier>, ServiceError> {
        let digest = Digest::of(document);
        let earlier = self.store().begin_request(key, digest).await?;
        Ok(earlier.map(|earlier| Earlier {
            is_same: earlier.digest == digest,
            answer: earlier.answer,
        }))
    }

    /// Keeps what a request was answered, or forgets one by which nothing was done.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn end_request(
        &self,
        key: RequestKey,
        answer: Option<(u16, String)>,
    ) -> Result<(), ServiceError> {
        let ended = match answer {
            Some((status, body)) => self.store().end_request(key, status, body).await,
            None => self.store().forget_request(key).await,
        };
        Ok(ended?)
    }
}
