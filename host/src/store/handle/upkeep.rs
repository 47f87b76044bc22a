//! Upkeep.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::store::jobs::Work;
use crate::store::log::Sealed;
use crate::store::upkeep::PURGE_STEP;
use crate::store::{Store, StoreError, sweep};

/// For how long a request with an Idempotency-Key is remembered. A day: programs that try again have given up by then.
const KEEP_REQUESTS: Duration = Duration::from_secs(86_400);

impl Store {
    /// Deletes segments of content that no open message needs any more, and moves what stays for long out of the
    /// others; returns how many were deleted.
    ///
    /// # Errors
    /// The store cannot be read or written, or a segment not be deleted.
    pub async fn sweep_content(&self) -> Result<u64, StoreError> {
        let (count, lingering) = self.delete_segments().await?;
        for segment in lingering {
            self.settle(segment.number).await?;
        }
        Ok(count)
    }

    /// Deletes segments that no open message needs; returns how many, and those that what is left should move out of.
    async fn delete_segments(&self) -> Result<(u64, Vec<Sealed>), StoreError> {
        // Before it is asked what is needed: whatever is committed about these is committed then.
        let Some(content) = &self.shared.content else {
            return Ok((0, Vec::new()));
        };
        let sealed = sweep::sealed(content).await?;
        if sealed.is_empty() {
            return Ok((0, Vec::new()));
        }
        let needed = sweep::needed(&self.shared.readers).await?;
        let (mut kept, dead): (Vec<_>, Vec<_>) = sealed
            .into_iter()
            .partition(|segment| needed.contains_key(&segment.number));
        let count = dead.len() as u64;
        sweep::delete(dead).await?;
        let now = Timestamp::now();
        kept.retain(|segment| sweep::lingers(segment, needed[&segment.number], now));
        Ok((count, kept))
    }

    /// Moves what is needed of a segment into the database.
    pub(in crate::store) async fn settle(&self, segment: i64) -> Result<(), StoreError> {
        let Some(content) = &self.shared.content else {
            return Ok(());
        };
        let mut after = None;
        loop {
            let readers = &self.shared.readers;
            let lingering = sweep::lingering(readers, content, segment, after).await?;
            let Some(last) = lingering.last() else {
                return Ok(());
            };
            after = Some(last.id());
            self.write(Work::Settle(lingering)).await?;
        }
    }

    /// Deletes uploads and content that a dead process left behind; returns how many parts of uploads.
    ///
    /// Only the owner of the queue may ask, before it accepts messages.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn discard_orphaned_chunks(&self) -> Result<u64, StoreError> {
        let count = self.write(Work::DiscardOrphans).await?;
        // What lingers moves when the relay runs: nobody waits for it then.
        self.delete_segments().await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Deletes messages that were finished before, and alerts that have not happened for long,
    /// in small steps; returns how many messages.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let now = Timestamp::now();
        self.in_steps(|| Work::PurgeCounts(now)).await?;
        self.in_steps(|| Work::PurgePolicyCounts(now)).await?;
        self.in_steps(|| Work::PurgeStsPolicies(now)).await?;
        self.purge_statistics(now).await?;
        self.purge_requests(now - KEEP_REQUESTS).await?;
        let alerts_before = now - self.shared.keep.alerts;
        self.in_steps(|| Work::PurgeAlerts(alerts_before)).await?;
        self.in_steps(|| Work::PurgeMessages(before)).await
    }

    /// Repeats a step until it finds less than it could delete.
    pub(super) async fn in_steps(&self, step: impl Fn() -> Work) -> Result<u64, StoreError> {
        let mut total = 0;
        loop {
            let count = self.write(step()).await?;
            total += u64::try_from(count).unwrap_or(0);
            if count < PURGE_STEP {
                return Ok(total);
            }
        }
    }
}
