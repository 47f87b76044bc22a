//! Messages by what is known of them.

use std::collections::HashMap;

use crate::id::QueueId;
use crate::queue::MessageFilter;
use crate::store::{
    FoundMessage, FoundPage, Search, Store, StoreError, decisions, reports, search,
};

impl Store {
    /// A page of the messages that fit, newest first.
    ///
    /// # Errors
    /// The store or its search index cannot be read.
    pub async fn search(&self, wanted: &Search) -> Result<FoundPage, StoreError> {
        let index = self.search_index().await?;
        let found = search::ids(&self.shared.readers, &index, wanted).await?;
        Ok(FoundPage {
            messages: self.hydrated(&found.ids).await?,
            next: found.next,
            is_cut: found.is_cut,
        })
    }

    /// Brings what is new in the store into the search index, in a bounded step; true when there is more.
    /// Only the owner of the queue may ask.
    ///
    /// # Errors
    /// The store cannot be read, or the index not be written.
    pub async fn index(&self) -> Result<bool, StoreError> {
        let index = self.search_index().await?;
        index.step(&self.shared.readers).await
    }

    /// Removes what is not in the store any more from the search index, in a bounded step; true when there is more.
    ///
    /// # Errors
    /// The store cannot be read, or the index not be written.
    pub async fn tidy_index(&self) -> Result<bool, StoreError> {
        let index = self.search_index().await?;
        index.tidy(&self.shared.readers).await
    }

    async fn search_index(&self) -> Result<search::Index, StoreError> {
        let opened = self
            .shared
            .search
            .get_or_try_init(|| search::Index::open(&self.shared.search_index));
        opened.await.cloned()
    }

    /// The messages of these ids, in this order; what is gone meanwhile is left out.
    async fn hydrated(&self, ids: &[QueueId]) -> Result<Vec<FoundMessage>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let filter = MessageFilter {
            ids: Some(ids.to_vec()),
            limit: u32::try_from(ids.len()).unwrap_or(u32::MAX),
            ..MessageFilter::default()
        };
        let accepted = self.messages(filter).await?.into_iter();
        let mut accepted: HashMap<_, _> = accepted.map(|one| (one.id, one)).collect();
        let firsts = reports::first_recipients(&self.shared.readers, ids).await?;
        let gone = ids.iter().filter(|id| !accepted.contains_key(id));
        let gone: Vec<QueueId> = gone.copied().collect();
        let refused = decisions::of_many(&self.shared.readers, &gone).await?;
        let mut refused: HashMap<_, _> =
            refused.into_iter().map(|one| (one.about.id, one)).collect();
        let found = ids.iter().filter_map(|id| match accepted.remove(id) {
            Some(summary) => Some(FoundMessage::Accepted {
                first_recipient: firsts.get(id).cloned().unwrap_or_default(),
                summary: Box::new(summary),
            }),
            None => Some(FoundMessage::Refused(Box::new(refused.remove(id)?))),
        });
        Ok(found.collect())
    }
}
