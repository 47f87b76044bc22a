//! What administrators do to queued messages, what they stop and what is not tried, as the store offers it.

use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{
    Command, Concerned, MessageFilter, OpenMessage, Order, Stop, StopScope, Suppression,
};
use crate::smtp::Mailbox;
use crate::store::jobs::Work;
use crate::store::orders::{self, OrderWork};
use crate::store::stops::{self, StopWork};
use crate::store::suppressions::{self, SuppressionWork};
use crate::store::{Census, Counted, Pace, QueuePage, Store, StoreError, census, messages};

/// Messages changed in one transaction. 250: some milliseconds, for which a client's message waits at most.
const STEP: u32 = 250;

impl Store {
    /// Carries out a command on all messages of the filter that it can be carried out on, in small
    /// steps, and notes it with each; a relay that runs notices within about a second. What is being
    /// sent at this moment may still arrive. Messages that come in meanwhile are not concerned.
    ///
    /// # Errors
    /// The store cannot be read, or [`StoreError::Unavailable`]; what is done by then stays done.
    pub async fn order(
        &self,
        filter: &MessageFilter,
        command: &Command,
        by: &str,
    ) -> Result<Concerned, StoreError> {
        self.order_and_tell(filter, command, by, |_| {}).await
    }

    /// The same; after each step `tell` hears how much is done by then.
    ///
    /// # Errors
    /// As [`Store::order`].
    pub async fn order_and_tell(
        &self,
        filter: &MessageFilter,
        command: &Command,
        by: &str,
        mut tell: impl FnMut(Concerned) + Send,
    ) -> Result<Concerned, StoreError> {
        let Some(newest) = self.newest_message().await? else {
            return Ok(Concerned::default());
        };
        let before = QueueId::from_i64(newest.as_i64().saturating_add(1));
        let filter = MessageFilter {
            before: Some(filter.before.unwrap_or(before).min(before)),
            ..filter.clone()
        };
        let (mut after, mut total) = (QueueId::from_i64(i64::MIN), Concerned::default());
        loop {
            let ids = orders::page(&self.shared.readers, &filter, command, after, STEP).await?;
            let Some(&last) = ids.last() else {
                return Ok(total);
            };
            after = last;
            let work = OrderWork {
                ids,
                command: command.clone(),
                domain: filter.recipient_domain.clone(),
                by: by.to_owned(),
                ahead_ms: self.clock_ahead_ms(),
            };
            let answer = self.write(Work::Order(work)).await?;
            total = total.plus(orders::unpack(answer));
            tell(total);
        }
    }

    /// How much [`Store::order`] would concern at present.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn count(
        &self,
        filter: &MessageFilter,
        command: &Command,
    ) -> Result<Concerned, StoreError> {
        orders::count(&self.shared.readers, filter, command, None).await
    }

    /// The same as far as it can be counted at once.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn count_at_once(
        &self,
        filter: &MessageFilter,
        command: &Command,
    ) -> Result<Counted, StoreError> {
        census::count(&self.shared.readers, filter, command).await
    }

    /// A page of open messages, newest first; it comes at once however long the queue is, and says where
    /// to go on.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn queue_page(&self, filter: &MessageFilter) -> Result<QueuePage, StoreError> {
        census::page(&self.shared.readers, filter).await
    }

    /// How many open messages a list has, or all have, as far as they can be counted at once.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn census(&self, list: Option<i64>) -> Result<Census, StoreError> {
        census::census(&self.shared.readers, list).await
    }

    /// What was finished in the last minute, of a list or of all.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn pace(&self, list: Option<i64>) -> Result<Pace, StoreError> {
        census::pace(&self.shared.readers, list, Timestamp::now()).await
    }

    /// The number of the newest order; 0 when there was none.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn newest_order(&self) -> Result<i64, StoreError> {
        orders::newest(&self.shared.readers).await
    }

    /// What was done to messages after that order, oldest first, a thousand at most.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn orders_after(&self, last: i64) -> Result<Vec<Order>, StoreError> {
        orders::after(&self.shared.readers, last).await
    }

    /// An open message without its head; none when it is finished or unknown.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn open_message(&self, id: QueueId) -> Result<Option<OpenMessage>, StoreError> {
        let found = messages::open_of(&self.shared.readers, &[id]).await?;
        Ok(found.into_iter().next())
    }

    /// Those of these messages that are open, without their heads.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn open_messages_of(&self, ids: &[QueueId]) -> Result<Vec<OpenMessage>, StoreError> {
        messages::open_of(&self.shared.readers, ids).await
    }

    /// Held messages that were not released before they expired, `limit` at most.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn overdue_held(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<OpenMessage>, StoreError> {
        orders::overdue(&self.shared.readers, now, limit).await
    }

    /// Stops mail until [`Store::start`]; a relay that runs notices within about a second. False when
    /// it was stopped already.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn stop(&self, stop: Stop) -> Result<bool, StoreError> {
        let done = self.write(Work::Stop(StopWork::Stop(stop))).await?;
        Ok(done > 0)
    }

    /// Starts what was stopped. False when it was not.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn start(&self, scope: StopScope) -> Result<bool, StoreError> {
        let done = self.write(Work::Stop(StopWork::Start(scope))).await?;
        Ok(done > 0)
    }

    /// All that is stopped, in the order in which it was.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn stops(&self) -> Result<Vec<Stop>, StoreError> {
        stops::all(&self.shared.readers).await
    }

    /// Whether a list remembers recipients that do not exist.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn set_suppressing(&self, list_id: i64, is_on: bool) -> Result<(), StoreError> {
        let work = SuppressionWork::Set(list_id, is_on);
        self.write(Work::Suppress(work)).await.map(drop)
    }

    /// Numbers and names of the lists that remember recipients which do not exist.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn suppressing_lists(&self) -> Result<Vec<(i64, String)>, StoreError> {
        suppressions::lists(&self.shared.readers).await
    }

    /// Remembers a recipient that does not exist.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn suppress(&self, suppression: Suppression) -> Result<(), StoreError> {
        let work = SuppressionWork::Add(suppression);
        self.write(Work::Suppress(work)).await.map(drop)
    }

    /// Forgets that a recipient does not exist. False when it was not remembered.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn unsuppress(&self, list_id: i64, address: Mailbox) -> Result<bool, StoreError> {
        let work = SuppressionWork::Remove(list_id, address);
        self.write(Work::Suppress(work)).await.map(|done| done > 0)
    }

    /// Those of these recipients that a list remembers not to exist.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn suppressions_of(
        &self,
        list_id: i64,
        recipients: &[&Mailbox],
    ) -> Result<Vec<Suppression>, StoreError> {
        suppressions::of_recipients(&self.shared.readers, list_id, recipients).await
    }

    /// A page of the recipients that a list remembers not to exist, by address.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn suppressions(
        &self,
        list_id: i64,
        after: Option<&Mailbox>,
        limit: u32,
    ) -> Result<Vec<Suppression>, StoreError> {
        suppressions::of_list(&self.shared.readers, list_id, after, limit).await
    }
}
