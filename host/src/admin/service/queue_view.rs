//! The queue: what waits, how fast it gets less, and what is stopped.
//!
//! Every question ends within some milliseconds, however long the queue is.

use std::time::Duration;

use serde::Deserialize;

use super::{Invalid, Service, ServiceError, only_operators};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::operators::{Actor, Role};
use crate::queue::{MessageFilter, MessageStatus, Priority, Stop, StopScope, canonical_domain};
use crate::store::{Census, Pace, QueuePage};

/// Messages on one page. Default 50.
pub const MESSAGES_ON_A_PAGE: u32 = 50;
/// Characters of a reason; more is cut.
const MAX_REASON: usize = 200;
/// Ages that can be asked for, and their seconds.
const AGES: [(&str, u64); 6] = [
    ("10m", 600),
    ("1h", 3600),
    ("6h", 6 * 3600),
    ("1d", 86_400),
    ("3d", 3 * 86_400),
    ("7d", 7 * 86_400),
];

/// Which messages of the queue are looked for; every text may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct QueueQuery {
    /// The user by name.
    pub user: String,
    /// The reverse-path, `<>` for the null one, or all of a domain as `@example.com`.
    pub sender: String,
    /// The domain of a recipient.
    pub domain: String,
    /// The effective priority, 1 to 5.
    pub priority: String,
    /// `queued`, `deferred`, `scheduled` or `held`.
    pub status: String,
    /// Accepted longer ago: `10m`, `1h`, `6h`, `1d`, `3d` or `7d`.
    pub age: String,
    /// Only those older than this message: the page before ended there.
    pub before: String,
}

/// Messages that something is done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selected {
    /// These, by name.
    These(Vec<QueueId>),
    /// All that are found.
    Found(QueueQuery),
}

/// How many messages wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct QueueCounts {
    /// By where they stand, and by priority.
    pub census: Census,
    /// What the relay as a whole has to do; one that goes to several destinations counts for each. None for a list.
    pub relay: Option<RelayCounts>,
}

/// What the relay as a whole has to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct RelayCounts {
    /// Due, and waiting for their turn.
    pub ready: u64,
    /// Not due yet.
    pub waiting: u64,
    /// Being sent.
    pub running: u64,
    /// All of them by priority; the index is the priority's number less one.
    pub by_priority: [u64; 5],
    /// True while the queue is still being read after a start.
    pub is_loading: bool,
}

/// How a backlog gets less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Progress {
    /// Messages that wait for their turn.
    pub left: u64,
    /// True when there may be more.
    pub is_at_least: bool,
    /// Messages finished a minute, by the last one.
    pub per_minute: u64,
    /// How long it takes at this pace; none when nothing moves.
    #[serde(skip)]
    pub takes: Option<Duration>,
    /// When it will be done.
    #[serde(skip)]
    pub done_at: Option<Timestamp>,
}

/// Something that is stopped, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopRow {
    /// What, since when and why.
    pub stop: Stop,
    /// What it is about, in words.
    pub text: String,
    /// As forms send it: `all`, `list:7` or `to:example.com`.
    pub key: String,
    /// Whether who asks may start it.
    pub may_start: bool,
}

impl QueueQuery {
    /// Its names and values, without the empty ones and without the page.
    pub fn pairs(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("user", self.user.as_str()),
            ("sender", &self.sender),
            ("domain", &self.domain),
            ("priority", &self.priority),
            ("status", &self.status),
            ("age", &self.age),
        ];
        all.into_iter().filter(|one| !one.1.is_empty()).collect()
    }

    /// The filter that says the same, of open messages alone.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`].
    pub fn filter(&self, list: Option<i64>) -> Result<MessageFilter, ServiceError> {
        let mut invalid = Invalid::default();
        let filter = MessageFilter {
            list,
            user: given(&self.user).map(str::to_owned),
            sender: given(&self.sender).map(str::to_owned),
            recipient_domain: given(&self.domain)
                .map(|name| canonical_domain(name.trim_start_matches('@'))),
            priority: self.read_priority(&mut invalid),
            status: self.read_status(&mut invalid),
            received_before: self.read_age(&mut invalid),
            open_only: true,
            before: self.read_before(&mut invalid),
            limit: MESSAGES_ON_A_PAGE,
            ..MessageFilter::default()
        };
        invalid.into_result().map(|()| filter)
    }

    fn read_priority(&self, invalid: &mut Invalid) -> Option<Priority> {
        let text = given(&self.priority)?;
        let read = text.parse().ok();
        if read.is_none() {
            invalid.add("priority", "a priority is a number from 1 to 5");
        }
        read
    }

    fn read_status(&self, invalid: &mut Invalid) -> Option<MessageStatus> {
        let text = given(&self.status)?;
        let waiting = [
            MessageStatus::Queued,
            MessageStatus::Deferred,
            MessageStatus::Scheduled,
            MessageStatus::Held,
        ];
        let found = waiting.into_iter().find(|one| one.to_string() == text);
        if found.is_none() {
            invalid.add(
                "status",
                "what waits is queued, deferred, scheduled or held",
            );
        }
        found
    }

    fn read_age(&self, invalid: &mut Invalid) -> Option<Timestamp> {
        let text = given(&self.age)?;
        let found = AGES.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            invalid.add("age", "ask for 10m, 1h, 6h, 1d, 3d or 7d");
        }
        found.map(|(_, s)| Timestamp::now() - Duration::from_secs(*s))
    }

    fn read_before(&self, invalid: &mut Invalid) -> Option<QueueId> {
        let text = given(&self.before)?;
        let read = text.parse().ok();
        if read.is_none() {
            invalid.add("before", "this is not the id of a message");
        }
        read
    }
}

impl Service {
    /// A page of what waits: of a list, or of all for operators.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`], [`ServiceError::Invalid`].
    pub async fn queue_page(
        &self,
        actor: &Actor,
        list: Option<i64>,
        query: &QueueQuery,
    ) -> Result<QueuePage, ServiceError> {
        self.reach_queue(actor, list).await?;
        Ok(self.store().queue_page(&query.filter(list)?).await?)
    }

    /// How many messages wait.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`].
    pub async fn queue_counts(
        &self,
        actor: &Actor,
        list: Option<i64>,
    ) -> Result<QueueCounts, ServiceError> {
        self.reach_queue(actor, list).await?;
        Ok(QueueCounts {
            census: self.store().census(list).await?,
            relay: list.is_none().then(|| self.relay_counts()),
        })
    }

    /// How the backlog gets less; none when nothing waits for its turn.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn queue_progress(
        &self,
        list: Option<i64>,
        counts: &QueueCounts,
    ) -> Result<Option<Progress>, ServiceError> {
        let left = match &counts.relay {
            Some(relay) => relay.ready + relay.running,
            None => counts.census.queued,
        };
        if left == 0 {
            return Ok(None);
        }
        let pace: Pace = self.store().pace(list).await?;
        let takes = pace.time_for(left);
        Ok(Some(Progress {
            left,
            is_at_least: counts.relay.is_none() && counts.census.is_cut,
            per_minute: pace.per_minute(),
            takes,
            done_at: takes.map(|takes| Timestamp::now() + takes),
        }))
    }

    /// What is stopped and concerns who asks: of a list, or everything for operators.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`].
    pub async fn stops(
        &self,
        actor: &Actor,
        list: Option<i64>,
    ) -> Result<Vec<StopRow>, ServiceError> {
        self.reach_queue(actor, list).await?;
        let mut rows = Vec::new();
        for stop in self.store().stops().await? {
            let concerns = match stop.scope {
                StopScope::List(id) => list.is_none_or(|own| own == id),
                StopScope::All | StopScope::Destination(_) => true,
            };
            if concerns {
                rows.push(self.stop_row(actor, stop).await?);
            }
        }
        Ok(rows)
    }

    /// Stops mail: of a list for who reaches it, everything else for operators. False when it was stopped.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`].
    pub async fn stop(
        &self,
        actor: &Actor,
        scope: StopScope,
        reason: &str,
    ) -> Result<bool, ServiceError> {
        self.reach_scope(actor, &scope).await?;
        let stop = Stop {
            scope,
            at: Timestamp::now(),
            by: actor.name.clone(),
            reason: one_line(reason),
        };
        Ok(self.store().stop(stop).await?)
    }

    /// Starts what is stopped. What an operator has stopped, operators alone may start.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`], [`ServiceError::Conflict`].
    pub async fn start(&self, actor: &Actor, scope: StopScope) -> Result<(), ServiceError> {
        self.reach_scope(actor, &scope).await?;
        let stops = self.store().stops().await?;
        let found = stops.into_iter().find(|one| one.scope == scope);
        let Some(stop) = found else {
            return Err(ServiceError::Conflict("that is not stopped".to_owned()));
        };
        if !self.may_start(actor, &stop).await? {
            return Err(ServiceError::Forbidden);
        }
        self.store().start(scope).await?;
        Ok(())
    }

    /// Whether who asks reaches mail of a list, or all of it.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`].
    pub async fn reach_queue(&self, actor: &Actor, list: Option<i64>) -> Result<(), ServiceError> {
        match list {
            Some(id) => self.list(actor, id).await.map(drop),
            None => only_operators(actor),
        }
    }

    async fn reach_scope(&self, actor: &Actor, scope: &StopScope) -> Result<(), ServiceError> {
        match scope {
            StopScope::List(id) => self.list(actor, *id).await.map(drop),
            StopScope::All | StopScope::Destination(_) => only_operators(actor),
        }
    }

    fn relay_counts(&self) -> RelayCounts {
        let snapshot = self.rooms.scheduler.snapshot();
        let counts = snapshot.counts;
        let sum = |all: &[usize; 5]| all.iter().sum::<usize>() as u64;
        let mut by_priority = [0; 5];
        for all in [&counts.ready, &counts.waiting, &counts.running] {
            for (sum, count) in by_priority.iter_mut().zip(all) {
                *sum += *count as u64;
            }
        }
        RelayCounts {
            ready: sum(&counts.ready),
            waiting: sum(&counts.waiting),
            running: sum(&counts.running),
            by_priority,
            is_loading: snapshot.is_loading,
        }
    }

    async fn stop_row(&self, actor: &Actor, stop: Stop) -> Result<StopRow, ServiceError> {
        let (key, text) = match &stop.scope {
            StopScope::All => ("all".to_owned(), "all mail".to_owned()),
            StopScope::List(id) => {
                let list = self.store().list(*id).await?;
                let name = list.map_or_else(|| format!("number {id}"), |list| list.name);
                (format!("list:{id}"), format!("mail of list {name}"))
            }
            StopScope::Destination(name) => (format!("to:{name}"), format!("mail to {name}")),
        };
        let may_start = self.may_start(actor, &stop).await?;
        Ok(StopRow {
            stop,
            text,
            key,
            may_start,
        })
    }

    async fn may_start(&self, actor: &Actor, stop: &Stop) -> Result<bool, ServiceError> {
        if actor.is_operator() {
            return Ok(true);
        }
        if !matches!(stop.scope, StopScope::List(id) if actor.reaches(id)) {
            return Ok(false);
        }
        let by = self.store().operator_by_name(&stop.by).await?;
        Ok(by.is_some_and(|by| by.role == Role::ListManager))
    }
}

impl StopRow {
    /// What a form means by its key; none when there is no such thing.
    pub fn scope(key: &str) -> Option<StopScope> {
        match key.split_once(':') {
            None => (key == "all").then_some(StopScope::All),
            Some(("list", id)) => id.parse().ok().map(StopScope::List),
            Some(("to", name)) => StopScope::destination(name),
            Some(_) => None,
        }
    }
}

/// One printable line of bounded length.
pub(super) fn one_line(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().take(MAX_REASON).map(shown).collect()
}

/// A time as a form sends it, in UTC: `2026-11-24T06:00`, with seconds or a `Z` or without.
pub fn parse_moment(text: &str) -> Option<Timestamp> {
    let text = text
        .trim()
        .trim_end_matches(['z', 'Z'])
        .replacen(' ', "T", 1);
    let seconds = if text.len() == "2026-11-24T06:00".len() {
        ":00"
    } else {
        ""
    };
    Timestamp::parse_utc(&format!("{text}{seconds}Z"))
}

fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_query_says_is_a_filter_of_what_waits() {
        let query = QueueQuery {
            user: " u ".to_owned(),
            domain: "@Müller.example".to_owned(),
            priority: "2".to_owned(),
            status: "held".to_owned(),
            age: "1h".to_owned(),
            ..QueueQuery::default()
        };
        let filter = query.filter(Some(7)).expect("a filter");
        assert_eq!(filter.list, Some(7));
        assert_eq!(filter.user.as_deref(), Some("u"));
        let domain = filter.recipient_domain.as_deref();
        assert_eq!(domain, Some("xn--mller-kva.example"));
        assert_eq!(filter.priority, Some(Priority::High));
        assert_eq!(filter.status, Some(MessageStatus::Held));
        assert!(filter.received_before.is_some() && filter.open_only);
    }

    #[test]
    fn what_cannot_be_asked_is_said_of_each_field() {
        let query = QueueQuery {
            priority: "6".to_owned(),
            status: "delivered".to_owned(),
            age: "yesterday".to_owned(),
            before: "x".to_owned(),
            ..QueueQuery::default()
        };
        let Err(ServiceError::Invalid(invalid)) = query.filter(None) else {
            panic!("it is taken");
        };
        assert_eq!(invalid.problems().len(), 4);
    }

    #[test]
    fn a_time_is_read_as_browsers_and_people_write_it() {
        let six = Timestamp::parse_utc("2026-11-24T06:00:00Z");
        for text in [
            "2026-11-24T06:00",
            "2026-11-24 06:00",
            "2026-11-24T06:00:00Z",
            " 2026-11-24T06:00:00 ",
        ] {
            assert_eq!(parse_moment(text), six, "{text}");
        }
        assert_eq!(parse_moment("tomorrow"), None);
        assert_eq!(parse_moment(""), None);
    }

    #[test]
    fn what_is_stopped_has_a_key() {
        assert_eq!(StopRow::scope("all"), Some(StopScope::All));
        assert_eq!(StopRow::scope("list:7"), Some(StopScope::List(7)));
        let domain = StopScope::Destination("example.com".to_owned());
        assert_eq!(StopRow::scope("to:Example.COM"), Some(domain));
        for key in ["", "to:", "list:x", "to:a b", "what:ever"] {
            assert_eq!(StopRow::scope(key), None, "{key}");
        }
    }
}
