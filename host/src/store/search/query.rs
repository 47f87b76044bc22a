//! Answers a search, newest first, within bounds whatever is asked.
//!
//! The index is asked era by era, the newest first, so that terms which are many but seldom together cost an era and
//! not the whole. What the index does not know (where an open message stands, and what is newer
//! than it) is looked at message by message. When that takes long the page ends early and says where to go on.

use std::collections::BTreeSet;
use std::time::Instant;

use super::index::{Index, Marks};
use super::terms::{self, Terms};
use super::{BUDGET, Search, SearchStatus, documents};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{MessageFilter, MessageStatus};
use crate::store::sql::{self, Pool, QueryBuilder};
use crate::store::{StoreError, filters};

/// Messages that are newer than the index and are looked at. Default 1,000: some milliseconds; the index is
/// behind by more only while it is made anew or under the highest load.
const MAX_NEW: i64 = 1000;
/// Open messages that are looked at in one go. Default 5,000: some 10 ms.
const OPEN_STEP: i64 = 5000;
/// Found by the index and looked at in one go.
const CHUNK: usize = 250;

const SELECT_LAST_DECISION: &str = "SELECT COALESCE(MAX(seq), 0) FROM decision";
/// The one that ends a step.
const SELECT_OPEN_STEP: &str = "SELECT id FROM message WHERE open = 1 AND id < $1 AND id >= $2 \
     ORDER BY id DESC LIMIT 1 OFFSET $3 - 1";
const SELECT_NEWEST: &str = "SELECT MAX(COALESCE((SELECT MAX(id) FROM message), 0), COALESCE((SELECT MAX(id) FROM decision), 0))";
/// Nothing is older: the search ends there.
const SELECT_OLDEST: &str = "SELECT MIN(COALESCE((SELECT MIN(id) FROM message), 9223372036854775807), \
     COALESCE((SELECT MIN(id) FROM decision), 9223372036854775807))";

/// What was found.
pub(in crate::store) struct FoundIds {
    pub(in crate::store) ids: Vec<QueueId>,
    pub(in crate::store) next: Option<QueueId>,
    pub(in crate::store) is_cut: bool,
}

/// A page of ids, newest first.
pub(in crate::store) async fn ids(
    store: &Pool,
    index: &Index,
    search: &Search,
) -> Result<FoundIds, StoreError> {
    let mut page = Page::new(store, index, search).await?;
    if let Some(SearchStatus::Is(status)) = search.status
        && is_open(status)
    {
        page.look_at_open().await?;
    } else {
        page.look_at_all().await?;
    }
    Ok(page.end())
}

struct Page<'a> {
    store: &'a Pool,
    index: &'a Index,
    search: &'a Search,
    wanted: Terms,
    began: Instant,
    is_new: bool,
    /// What is newer than the index and fits.
    new: BTreeSet<i64>,
    /// Nothing older is looked for.
    floor: i64,
    /// Everything from here on was looked through.
    ceiling: i64,
    found: Vec<i64>,
}

impl<'a> Page<'a> {
    async fn new(
        store: &'a Pool,
        index: &'a Index,
        search: &'a Search,
    ) -> Result<Self, StoreError> {
        let began = Instant::now();
        let newest = number(store, SELECT_NEWEST).await?;
        let oldest = number(store, SELECT_OLDEST).await?;
        let id_at = |at: Timestamp| QueueId::first_at(at).as_i64();
        let mut page = Self {
            store,
            index,
            search,
            wanted: Terms::of(search),
            began,
            is_new: true,
            new: BTreeSet::new(),
            floor: search.since.map_or(0, id_at).max(oldest),
            ceiling: newest.saturating_add(1),
            found: Vec::new(),
        };
        for limit in [
            search.before.map(QueueId::as_i64),
            search.until.map(id_at),
            search.id.map(|id| id.as_i64().saturating_add(1)),
        ] {
            page.ceiling = page.ceiling.min(limit.unwrap_or(i64::MAX));
        }
        page.floor = page.floor.max(search.id.map_or(0, QueueId::as_i64));
        Ok(page)
    }

    /// True while there is room and time and something left. Time is given for one step at least, so that who
    /// goes on arrives.
    fn goes_on(&mut self) -> bool {
        let has_time = std::mem::take(&mut self.is_new) || self.began.elapsed() < BUDGET;
        self.found.len() <= self.search.limit && self.floor < self.ceiling && has_time
    }

    async fn look_at_all(&mut self) -> Result<(), StoreError> {
        let marks = self.index.marks().await?;
        self.new = self.newer_than_index(&marks).await?;
        while self.goes_on() {
            let era = marks.eras.of(self.ceiling - 1);
            let expression = self.wanted.expression(era);
            let from = era.max(self.floor);
            let (range, chunk) = ((from, self.ceiling), self.chunk());
            let matching = self.index.matching(&expression, range, chunk).await?;
            // A full chunk has not seen its era to the end.
            let seen = match matching.last() {
                Some(&last) if matching.len() == chunk => last,
                _ => from,
            };
            let mut all: BTreeSet<i64> = matching.into_iter().collect();
            all.extend(self.new.range(seen..self.ceiling));
            let ids: Vec<i64> = all.into_iter().rev().collect();
            self.take(&ids).await?;
            self.ceiling = self.ceiling.min(seen);
        }
        Ok(())
    }

    /// How many are asked for at once: what there is room for, or many when it has to be looked up where they stand.
    fn chunk(&self) -> usize {
        if self.looked_up().is_some() {
            return CHUNK;
        }
        (self.search.limit + 1)
            .saturating_sub(self.found.len())
            .max(1)
    }

    /// The status that is asked for, when the index does not know it.
    fn looked_up(&self) -> Option<MessageStatus> {
        match self.search.status {
            Some(SearchStatus::Is(status)) if !terms::is_indexed(SearchStatus::Is(status)) => {
                Some(status)
            }
            _ => None,
        }
    }

    async fn look_at_open(&mut self) -> Result<(), StoreError> {
        while self.goes_on() {
            let seen = self.end_of_open_step().await?;
            let having = self.open_having(seen).await?;
            let fitting = self.fitting(having).await?;
            self.found.extend(fitting);
            self.ceiling = seen;
        }
        Ok(())
    }

    /// Adds those that have the status that is asked for.
    async fn take(&mut self, ids: &[i64]) -> Result<(), StoreError> {
        let room = (self.search.limit + 1).saturating_sub(self.found.len());
        match self.looked_up() {
            Some(status) => {
                for ids in ids.chunks(CHUNK) {
                    let having = self.having(ids, status).await?;
                    self.found.extend(having);
                }
            }
            None => self.found.extend(&ids[..room.min(ids.len())]),
        }
        Ok(())
    }

    /// Messages that the index has not taken in yet.
    async fn newer_than_index(&self, marks: &Marks) -> Result<BTreeSet<i64>, StoreError> {
        let last = number(self.store, SELECT_LAST_DECISION).await?;
        let after = marks.decision_seq.max(last - MAX_NEW);
        if after >= last {
            return Ok(BTreeSet::new());
        }
        let documents = documents::decided(self.store, after, last).await?;
        let fitting = documents
            .into_iter()
            .filter(|document| document.terms.contain(&self.wanted));
        Ok(fitting.map(|document| document.id.as_i64()).collect())
    }

    /// Where a step of open messages ends.
    async fn end_of_open_step(&self) -> Result<i64, StoreError> {
        let last: Option<i64> = sql::query_scalar(SELECT_OPEN_STEP)
            .bind(self.ceiling)
            .bind(self.floor)
            .bind(OPEN_STEP)
            .fetch_optional(self.store)
            .await
            .map_err(|error| StoreError::reading("messages to search", error))?;
        Ok(last.unwrap_or(self.floor))
    }

    /// The open messages of a step that stand where it is asked for, and are of the list.
    async fn open_having(&self, seen: i64) -> Result<Vec<i64>, StoreError> {
        let Some(SearchStatus::Is(status)) = self.search.status else {
            return Ok(Vec::new());
        };
        let filter = MessageFilter {
            list: self.search.list,
            status: Some(status),
            open_only: true,
            ..MessageFilter::default()
        };
        let mut query = QueryBuilder::new("SELECT id FROM message WHERE id < ");
        query
            .push_bind(self.ceiling)
            .push(" AND id >= ")
            .push_bind(seen);
        filters::push(&mut query, &filter);
        query.push(" ORDER BY id DESC");
        scalars(self.store, query).await
    }

    /// Those of these open messages that have all the terms.
    async fn fitting(&self, ids: Vec<i64>) -> Result<Vec<i64>, StoreError> {
        let of_list = Search {
            list: self.search.list,
            ..Search::default()
        };
        if self.wanted == Terms::of(&of_list) {
            return Ok(ids);
        }
        let named: Vec<QueueId> = ids.into_iter().map(QueueId::from_i64).collect();
        let documents = documents::of_messages(self.store, &named).await?;
        let fitting: BTreeSet<i64> = documents
            .into_iter()
            .filter(|document| document.terms.contain(&self.wanted))
            .map(|document| document.id.as_i64())
            .collect();
        Ok(fitting.into_iter().rev().collect())
    }

    /// Those of these messages that stand there, newest first.
    async fn having(&self, ids: &[i64], status: MessageStatus) -> Result<Vec<i64>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let filter = MessageFilter {
            ids: Some(ids.iter().copied().map(QueueId::from_i64).collect()),
            list: self.search.list,
            status: Some(status),
            ..MessageFilter::default()
        };
        let mut query = QueryBuilder::new("SELECT id FROM message WHERE true");
        filters::push(&mut query, &filter);
        query.push(" ORDER BY id DESC");
        scalars(self.store, query).await
    }

    fn end(mut self) -> FoundIds {
        let limit = self.search.limit;
        let is_full = self.found.len() > limit;
        self.found.truncate(limit);
        let next = match self.found.last() {
            Some(&last) if is_full => Some(last),
            _ if self.floor < self.ceiling => Some(self.ceiling),
            _ => None,
        };
        FoundIds {
            is_cut: next.is_some() && !is_full,
            ids: self.found.into_iter().map(QueueId::from_i64).collect(),
            next: next.map(QueueId::from_i64),
        }
    }
}

const fn is_open(status: MessageStatus) -> bool {
    matches!(
        status,
        MessageStatus::Held
            | MessageStatus::Scheduled
            | MessageStatus::Queued
            | MessageStatus::Deferred
    )
}

async fn scalars(store: &Pool, mut query: QueryBuilder) -> Result<Vec<i64>, StoreError> {
    query
        .build_query_scalar()
        .persistent(false)
        .fetch_all(store)
        .await
        .map_err(|error| StoreError::reading("messages to search", error))
}

async fn number(store: &Pool, sql: &'static str) -> Result<i64, StoreError> {
    sql::query_scalar(sql)
        .fetch_one(store)
        .await
        .map_err(|error| StoreError::reading("messages to search", error))
}
