//! What of the queue can be shown at once, however long it is: each question ends after some milliseconds and
//! says how far it has come.
//!
//! Open messages are looked at in windows, the newest first; each is twice as large as the one before.

use std::time::{Duration, Instant};

use super::sql::{self, Pool, QueryBuilder};
use super::{StoreError, filters, orders, reports, rows};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{Command, Concerned, MessageFilter, MessageStatus, MessageSummary, Priority};

/// Messages of the first window. Default 500: a page and a few.
const FIRST_WINDOW: i64 = 500;
/// Messages of the largest. Default 2,000: what is looked at in a few milliseconds, by which a question takes longer than
/// it may.
const LAST_WINDOW: i64 = 2000;
/// How long a page is looked for. Default 15 ms: with all else a page takes less than 50, also where others use the
/// processor.
const PAGE_TIME: Duration = Duration::from_millis(15);
/// How long messages are counted. Default 7 ms.
const COUNT_TIME: Duration = Duration::from_millis(7);
/// Held messages that are looked at one by one. Default 5,000.
const MAX_HELD: i64 = 5000;
/// Messages that were finished lately and are looked at. Default 5,000.
const MAX_FINISHED: i64 = 5000;
/// What "lately" is.
const LATELY: Duration = Duration::from_secs(60);
/// Finished messages from which on the time since the first of them counts in place of the whole minute, so that a
/// backlog that has just begun to move has the right estimate. Default 20: of fewer the first one says little.
const MANY_FINISHED: u64 = 20;

const SELECT_BOUND: (&str, &str) = (
    "SELECT id FROM message INDEXED BY message_open \
     WHERE open = 1 AND id < $1 ORDER BY id DESC LIMIT 1 OFFSET $2",
    "SELECT id FROM message WHERE open = 1 AND id < $1 ORDER BY id DESC LIMIT 1 OFFSET $2",
);
/// The index is one by expiry.
const SELECT_HELD: (&str, &str) = (
    "SELECT id FROM message INDEXED BY message_held \
     WHERE open = 1 AND hold IS NOT NULL AND released_at IS NULL AND expires_at > 0 LIMIT $1",
    "SELECT id FROM message \
     WHERE open = 1 AND hold IS NOT NULL AND released_at IS NULL AND expires_at > 0 LIMIT $1",
);
const COUNT_FINISHED: &str = "SELECT COUNT(*) AS looked_at, \
     COUNT(*) FILTER (WHERE $1 IS NULL OR list_id = $1) AS finished, \
     COALESCE(MIN(finished_at) FILTER (WHERE $1 IS NULL OR list_id = $1), 0) AS began, \
     COALESCE(MIN(finished_at), 0) AS since FROM (SELECT finished_at, list_id FROM message \
     WHERE open = 0 AND finished_at > $2 ORDER BY finished_at DESC LIMIT $3) AS lately";

/// A page of the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueuePage {
    /// Messages with their first recipients, newest first.
    pub messages: Vec<(MessageSummary, String)>,
    /// Where to go on; none at the end.
    pub next: Option<QueueId>,
    /// True when the page ends early, because there is much to look through.
    pub is_cut: bool,
}

/// Open messages, by where they stand and how urgent they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Census {
    /// Those that wait for their first attempt.
    pub queued: u64,
    /// Those that were tried and will be again.
    pub deferred: u64,
    /// Those that wait for the time their sender asked for.
    pub scheduled: u64,
    /// Those that wait to be released.
    pub held: u64,
    /// All of them by priority; the index is the priority's number less one.
    pub by_priority: [u64; 5],
    /// True when only the newest were counted, for there are many.
    pub is_cut: bool,
}

/// How much a command would concern, as far as it was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counted {
    /// What was counted.
    pub concerned: Concerned,
    /// True when there may be more.
    pub is_cut: bool,
}

/// What was finished lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Pace {
    /// Messages.
    pub finished: u64,
    /// In how many milliseconds.
    pub in_ms: u64,
}

impl Census {
    /// All that were counted.
    pub fn total(&self) -> u64 {
        self.by_priority.iter().sum()
    }

    fn add(&mut self, status: MessageStatus, priority: Priority, count: u64) {
        self.by_priority[usize::from(priority.number()) - 1] += count;
        *match status {
            MessageStatus::Held => &mut self.held,
            MessageStatus::Scheduled => &mut self.scheduled,
            MessageStatus::Deferred => &mut self.deferred,
            _ => &mut self.queued,
        } += count;
    }
}

impl Pace {
    /// How long so many messages take at this pace; none when nothing was finished.
    pub fn time_for(&self, messages: u64) -> Option<Duration> {
        let per_message = self.in_ms as f64 / self.finished as f64;
        let seconds = messages as f64 * per_message / 1000.0;
        (self.finished > 0).then(|| Duration::from_secs_f64(seconds.min(1e9)))
    }

    /// Messages a minute.
    pub fn per_minute(&self) -> u64 {
        (self.finished * 60_000)
            .checked_div(self.in_ms)
            .unwrap_or(0)
    }
}

/// Stretches of the queue, the newest first.
struct Windows<'a> {
    readers: &'a Pool,
    size: i64,
    before: i64,
    until: Instant,
    has_begun: bool,
    /// Messages that are named are few, and looked for all at once.
    is_whole: bool,
}

/// Ids from the first to before the second.
type Window = (i64, i64);

impl<'a> Windows<'a> {
    fn new(readers: &'a Pool, filter: &MessageFilter, time: Duration) -> Self {
        Self {
            readers,
            size: FIRST_WINDOW,
            before: filter.before.map_or(i64::MAX, QueueId::as_i64),
            until: Instant::now() + time,
            has_begun: false,
            is_whole: filter.ids.is_some(),
        }
    }

    /// The next one; none at the end of the queue, and none when the time is over. The first always comes.
    async fn next(&mut self) -> Result<Option<Window>, StoreError> {
        if self.is_at_end() || (self.has_begun && self.is_late()) {
            return Ok(None);
        }
        let bound = if self.is_whole {
            None
        } else {
            self.bound().await?
        };
        let window = (bound.unwrap_or(i64::MIN), self.before);
        self.before = window.0;
        self.has_begun = true;
        self.size = (self.size * 2).min(LAST_WINDOW);
        Ok(Some(window))
    }

    /// The oldest message of a window that begins here; none when it reaches the end.
    async fn bound(&self) -> Result<Option<i64>, StoreError> {
        sql::query_scalar(SELECT_BOUND)
            .bind(self.before)
            .bind(self.size - 1)
            .fetch_optional(self.readers)
            .await
            .map_err(failed)
    }

    fn is_at_end(&self) -> bool {
        self.before == i64::MIN
    }

    fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Where to go on.
    fn rest(&self) -> Option<QueueId> {
        (!self.is_at_end()).then(|| QueueId::from_i64(self.before))
    }
}

/// A page of open messages, newest first.
pub(super) async fn page(readers: &Pool, filter: &MessageFilter) -> Result<QueuePage, StoreError> {
    let filter = &with_held_alone(readers, filter).await?;
    // Of none the database finds no way by an index.
    if filter.ids.as_ref().is_some_and(Vec::is_empty) {
        return Ok(QueuePage::default());
    }
    let limit = filter.limit as usize;
    let mut windows = Windows::new(readers, filter, PAGE_TIME);
    let mut found: Vec<MessageSummary> = Vec::new();
    while found.len() < limit
        && let Some(window) = windows.next().await?
    {
        let left = limit - found.len();
        found.extend(reports::open_between(readers, filter, window, left).await?);
    }
    let is_full = found.len() >= limit;
    let last = found.last().map(|one| one.id);
    let next = if is_full { last } else { windows.rest() };
    Ok(QueuePage {
        messages: with_first_recipients(readers, found).await?,
        is_cut: !is_full && next.is_some(),
        next,
    })
}

async fn with_first_recipients(
    readers: &Pool,
    found: Vec<MessageSummary>,
) -> Result<Vec<(MessageSummary, String)>, StoreError> {
    let ids: Vec<QueueId> = found.iter().map(|one| one.id).collect();
    let mut firsts = reports::first_recipients(readers, &ids).await?;
    let with_first = |one: MessageSummary| {
        let first = firsts.remove(&one.id).unwrap_or_default();
        (one, first)
    };
    Ok(found.into_iter().map(with_first).collect())
}

/// Those that are held are found by an index of their own, as long as they are not very many.
async fn with_held_alone(
    readers: &Pool,
    filter: &MessageFilter,
) -> Result<MessageFilter, StoreError> {
    if filter.status != Some(MessageStatus::Held) || filter.ids.is_some() {
        return Ok(filter.clone());
    }
    let ids: Vec<i64> = sql::query_scalar(SELECT_HELD)
        .bind(MAX_HELD)
        .fetch_all(readers)
        .await
        .map_err(failed)?;
    let are_all = i64::try_from(ids.len()).is_ok_and(|found| found < MAX_HELD);
    let ids = are_all.then(|| ids.into_iter().map(QueueId::from_i64).collect());
    Ok(MessageFilter {
        ids,
        ..filter.clone()
    })
}

/// Counts the open messages of a list, or of all.
pub(super) async fn census(readers: &Pool, list: Option<i64>) -> Result<Census, StoreError> {
    let mut census = Census::default();
    let mut windows = Windows::new(readers, &MessageFilter::default(), COUNT_TIME);
    while let Some((from, before)) = windows.next().await? {
        let mut query = QueryBuilder::new("SELECT priority, ");
        filters::push_open_status(&mut query);
        query
            .push(" AS stands, COUNT(*) AS messages FROM message")
            .push_pair(" INDEXED BY message_open", "")
            .push(" WHERE open = 1 AND id >= ");
        query.push_bind(from).push(" AND id < ").push_bind(before);
        if let Some(list) = list {
            query.push(" AND list_id = ").push_bind(list);
        }
        query.push(" GROUP BY 1, 2");
        for row in query.build().fetch_all(readers).await.map_err(failed)? {
            let status = filters::open_status(rows::get(&row, "stands")?);
            census.add(
                status,
                rows::priority(&row)?,
                rows::count(&row, "messages")?,
            );
        }
    }
    census.is_cut = !windows.is_at_end();
    Ok(census)
}

/// How much a command would concern, as far as there is time to count.
pub(super) async fn count(
    readers: &Pool,
    filter: &MessageFilter,
    command: &Command,
) -> Result<Counted, StoreError> {
    let filter = &with_held_alone(readers, filter).await?;
    let mut windows = Windows::new(readers, filter, PAGE_TIME);
    let mut concerned = Concerned::default();
    while let Some(window) = windows.next().await? {
        let counted = orders::count(readers, filter, command, Some(window)).await?;
        concerned = concerned.plus(counted);
    }
    Ok(Counted {
        concerned,
        is_cut: !windows.is_at_end(),
    })
}

/// What was finished in the last minute, of a list or of all.
pub(super) async fn pace(
    readers: &Pool,
    list: Option<i64>,
    now: Timestamp,
) -> Result<Pace, StoreError> {
    let row = sql::query(COUNT_FINISHED)
        .bind(list)
        .bind((now - LATELY).as_millis())
        .bind(MAX_FINISHED)
        .fetch_one(readers)
        .await
        .map_err(failed)?;
    let is_cut = rows::get::<i64>(&row, "looked_at")? >= MAX_FINISHED;
    let finished = rows::count(&row, "finished")?;
    let since = if is_cut {
        now.since(rows::timestamp(&row, "since")?)
    } else if finished >= MANY_FINISHED {
        now.since(rows::timestamp(&row, "began")?).min(LATELY)
    } else {
        LATELY
    };
    Ok(Pace {
        finished,
        in_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(1),
    })
}

fn failed(error: sqlx::Error) -> StoreError {
    StoreError::reading("the queue", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_follows_the_pace() {
        let pace = Pace {
            finished: 500,
            in_ms: 60_000,
        };
        assert_eq!(pace.time_for(1000), Some(Duration::from_secs(120)));
        assert_eq!(pace.per_minute(), 500);
        assert_eq!(Pace::default().time_for(1), None);
        assert_eq!(Pace::default().per_minute(), 0);
    }
}
