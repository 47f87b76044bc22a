//! Sums of what happened.

use crate::clock::Timestamp;
use crate::statistics::{Dimension, KeyRow, Span, TimeRow, buckets};
use crate::store::jobs::Work;
use crate::store::statistics::OldSums;
use crate::store::{Period, Store, StoreError, ledger, statistics};

impl Store {
    /// Counts what has happened since the last call, in a bounded step; true when there is more.
    ///
    /// # Errors
    /// The store cannot be read, or [`StoreError::Unavailable`]; it is counted the next time then.
    pub async fn sum_up(&self) -> Result<bool, StoreError> {
        let found = ledger::read(&self.shared.readers).await?;
        if let Some(entry) = found.entry {
            self.write(Work::SumUp(entry)).await?;
        }
        Ok(found.is_more)
    }

    /// What happened to mail of a list, or of all, span by span and by priority; where nothing did, there is
    /// no row. Of long periods only the first 2,400 spans.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn statistics(
        &self,
        list: Option<i64>,
        span: Span,
        period: Period,
    ) -> Result<Vec<TimeRow>, StoreError> {
        statistics::times(&self.shared.readers, list, span, period).await
    }

    /// What happened to mail of a list on the days of a period by user, sender or subject, those with most mail
    /// first and what is not told apart last.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn statistics_by(
        &self,
        list: i64,
        dimension: Dimension,
        period: Period,
        limit: u32,
    ) -> Result<Vec<KeyRow>, StoreError> {
        statistics::keys(&self.shared.readers, list, dimension, period, limit).await
    }

    /// Deletes sums that are too old, in small steps.
    pub(in crate::store) async fn purge_statistics(
        &self,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let hours_before = now - self.shared.keep.hourly_statistics;
        let days_before = now - self.shared.keep.daily_statistics;
        for old in [
            OldSums::Times(Span::Hour, hours_before),
            OldSums::Times(Span::Day, days_before),
            OldSums::Keys(days_before),
            // A month goes with its last day.
            OldSums::Months(buckets::month(days_before)),
        ] {
            self.in_steps(|| Work::PurgeStatistics(old)).await?;
        }
        Ok(())
    }
}
