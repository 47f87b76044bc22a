//! Statistics: what a list has sent, by time, priority, user, sender and subject.

use super::{Service, ServiceError, only_operators};
use crate::alert::Alert;
use crate::clock::Timestamp;
use crate::operators::Actor;
use crate::queue::Priority;
use crate::statistics::{By, Dimension, KeyRow, Span, Sums, TimeRow, Waits, buckets};
use crate::store::Period;

/// Users, senders and subjects that a page shows of each. Default 20.
pub const NAMES_ON_A_PAGE: u32 = 20;
/// The same of a file.
pub const NAMES_IN_A_FILE: u32 = 1000;
/// Alerts that a list's home shows.
const LATEST_ALERTS: u32 = 5;

/// What happened within a period, bucket by bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// How long a bucket is.
    pub by: By,
    /// From when until when.
    pub period: Period,
    /// Each bucket's beginning and sums, oldest first, empty ones too.
    pub buckets: Vec<(Timestamp, Sums)>,
    /// All together.
    pub total: Sums,
    /// By priority, the most urgent first.
    pub priorities: Vec<(Priority, Sums, Waits)>,
}

/// How a list is at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Today {
    /// Since midnight in UTC.
    pub sums: Sums,
    /// Its messages in the queue.
    pub queued: Queued,
    /// The last 24 hours by hour.
    pub hours: Vec<(Timestamp, Sums)>,
    /// What was raised most recently.
    pub alerts: Vec<Alert>,
}

/// Messages in the queue, as far as they were counted.
pub type Queued = crate::store::OpenCount;

impl Service {
    /// What happened to mail of a list, or for operators of all.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`].
    pub async fn statistics(
        &self,
        actor: &Actor,
        list: Option<i64>,
        by: By,
    ) -> Result<Statistics, ServiceError> {
        match list {
            Some(list) => drop(self.list(actor, list).await?),
            None => only_operators(actor)?,
        }
        let now = Timestamp::now();
        let starts = buckets::starts(by, now);
        let period = buckets::period(by, now);
        let rows = self.store().statistics(list, by.span(), period).await?;
        Ok(summed_up(by, period, &starts, &rows))
    }

    /// What happened to mail of a list by user, sender or subject, on the whole days of the same period.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn statistics_by(
        &self,
        actor: &Actor,
        list: i64,
        (by, dimension): (By, Dimension),
        limit: u32,
    ) -> Result<Vec<KeyRow>, ServiceError> {
        self.list(actor, list).await?;
        let period = buckets::period(by, Timestamp::now());
        let found = self.store().statistics_by(list, dimension, period, limit);
        Ok(found.await?)
    }

    /// How a list is at this moment.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn today(&self, actor: &Actor, list: i64) -> Result<Today, ServiceError> {
        let hours = self.statistics(actor, Some(list), By::Hour).await?;
        let midnight = Span::Day.start(Timestamp::now());
        let mut sums = Sums::default();
        let since = hours.buckets.iter().filter(|(start, _)| *start >= midnight);
        since.for_each(|(_, hour)| sums.add(hour));
        Ok(Today {
            sums,
            queued: self.store().count_open(list).await?,
            hours: hours.buckets,
            alerts: self.store().alerts(Some(list), LATEST_ALERTS).await?,
        })
    }
}

fn summed_up(by: By, period: Period, starts: &[Timestamp], rows: &[TimeRow]) -> Statistics {
    let mut sums: Vec<_> = starts
        .iter()
        .map(|start| (*start, Sums::default()))
        .collect();
    let mut total = Sums::default();
    let mut priorities: Vec<_> = Priority::ALL
        .into_iter()
        .map(|priority| (priority, Sums::default(), Waits::default()))
        .collect();
    for row in rows {
        let after = starts.partition_point(|start| *start <= row.start);
        if let Some((_, bucket)) = after.checked_sub(1).and_then(|place| sums.get_mut(place)) {
            bucket.add(&row.sums);
        }
        total.add(&row.sums);
        let (_, own, waits) = &mut priorities[usize::from(row.priority.number()) - 1];
        own.add(&row.sums);
        waits.add(&row.waits);
    }
    Statistics {
        by,
        period,
        buckets: sums,
        total,
        priorities,
    }
}
