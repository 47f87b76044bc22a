//! Messages: finding them, and what happened to one.

use super::{Invalid, Service, ServiceError};
use crate::clock::Timestamp;
use crate::decision::{Decision, Run};
use crate::id::QueueId;
use crate::operators::Actor;
use crate::queue::{MessageDetails, MessageStatus, Stop};
use crate::store::{FoundPage, Search, SearchStatus};

/// Messages on a page. Default 50.
pub const MESSAGES_ON_A_PAGE: usize = 50;
/// Attempts on one page of a message's story, the latest first. Default 200: a message to very many, or one that was
/// tried for days, has thousands.
pub const ATTEMPTS_ON_A_PAGE: u32 = 200;
/// Octets of a text that is searched for. Default 1,000: longer than any address or Message-ID.
const MAX_TEXT: usize = 1000;

/// What messages are searched by, as it is typed. Empty texts ask for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct MessageSearch {
    /// An address, the part before its `@`, or all of a domain as `@example.com`.
    pub recipient: String,
    /// The same of the sender: the reverse-path, or From.
    pub sender: String,
    /// Words of the subject.
    pub subject: String,
    /// A queue id, or a Message-ID.
    pub id: String,
    /// A user by name.
    pub user: String,
    /// Where it stands: a name of [`STATUSES`].
    pub status: String,
    /// The first day, `2026-11-26`, in UTC.
    pub from: String,
    /// The last day.
    pub to: String,
    /// The cursor of the page before.
    pub before: String,
}

/// Where a message can stand: its name in forms, what it says, and what it is.
pub const STATUSES: [(&str, &str, SearchStatus); 10] = [
    ("delivered", "Delivered", is(MessageStatus::Delivered)),
    ("queued", "Queued", is(MessageStatus::Queued)),
    ("deferred", "Deferred", is(MessageStatus::Deferred)),
    ("scheduled", "Scheduled", is(MessageStatus::Scheduled)),
    ("held", "Held", is(MessageStatus::Held)),
    ("partial", "Delivered to some", is(MessageStatus::Partial)),
    ("failed", "Failed", is(MessageStatus::Failed)),
    ("expired", "Expired", is(MessageStatus::Expired)),
    ("cancelled", "Cancelled", is(MessageStatus::Cancelled)),
    ("blocked", "Blocked", SearchStatus::Refused),
];

const fn is(status: MessageStatus) -> SearchStatus {
    SearchStatus::Is(status)
}

/// Everything that is known of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// Its id.
    pub id: QueueId,
    /// What the queue knows of it; none when it was refused.
    pub message: Option<MessageDetails>,
    /// What the policies decided about it.
    pub decisions: Vec<Decision>,
    /// What is stopped and what it waits for.
    pub stops: Vec<Stop>,
    /// The page's number, from 1: each has as many attempts, the first one the latest.
    pub page: u32,
    /// True when there are earlier attempts than those of this page.
    pub has_earlier: bool,
    /// The list by number.
    pub list: Option<i64>,
}

impl Story {
    /// Attempts of this page.
    pub fn attempts(&self) -> usize {
        let message = self.message.as_ref();
        message.map_or(0, |message| message.attempts.len())
    }

    /// The decision that counted.
    pub fn decision(&self) -> Option<&Decision> {
        let mut decisions = self.decisions.iter();
        decisions
            .find(|one| one.run == Run::Enforced)
            .or(self.decisions.first())
    }
}

impl MessageSearch {
    /// True when nothing is asked for.
    pub fn is_empty(&self) -> bool {
        let cursor_aside = Self {
            before: String::new(),
            ..self.clone()
        };
        cursor_aside == Self::default()
    }

    /// True when something seldom is asked for.
    pub fn is_special(&self) -> bool {
        let seldom = [&self.id, &self.user, &self.from, &self.to];
        seldom.iter().any(|text| !text.trim().is_empty())
    }

    /// What it asks of the store.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] with everything that cannot be.
    fn parsed(&self, list: Option<i64>) -> Result<Search, ServiceError> {
        let mut invalid = Invalid::default();
        let day = |text: &str, field, invalid: &mut Invalid| {
            if text.trim().is_empty() {
                return None;
            }
            let parsed = Timestamp::parse_utc(&format!("{}T00:00:00Z", text.trim()));
            if parsed.is_none() {
                invalid.add(field, "write a day like 2026-11-26");
            }
            parsed
        };
        let since = day(&self.from, "from", &mut invalid);
        let last_day = day(&self.to, "to", &mut invalid);
        if let (Some(since), Some(last_day)) = (since, last_day)
            && last_day < since
        {
            invalid.add("to", "the last day is before the first");
        }
        let status = STATUSES.iter().find(|(name, ..)| *name == self.status);
        if status.is_none() && !self.status.is_empty() {
            invalid.add("status", format!("there is no status `{}`", self.status));
        }
        let before = text(&self.before).map(|cursor| cursor.parse());
        if let Some(Err(_)) = &before {
            invalid.add("before", "this is no place to go on from");
        }
        for (field, value) in [
            ("recipient", &self.recipient),
            ("sender", &self.sender),
            ("subject", &self.subject),
            ("id", &self.id),
            ("user", &self.user),
        ] {
            if value.len() > MAX_TEXT {
                invalid.add(field, format!("use at most {MAX_TEXT} characters"));
            }
        }
        invalid.into_result()?;
        let id = text(&self.id);
        let queue_id = id.as_deref().and_then(|id| id.parse().ok());
        Ok(Search {
            list,
            recipient: text(&self.recipient),
            sender: text(&self.sender),
            subject: text(&self.subject).filter(|subject| subject.contains(char::is_alphanumeric)),
            message_id: id.filter(|_| queue_id.is_none()),
            user: text(&self.user),
            id: queue_id,
            status: status.map(|(.., status)| *status),
            since,
            until: last_day.map(|day| day + std::time::Duration::from_secs(86_400)),
            before: before.and_then(Result::ok),
            limit: MESSAGES_ON_A_PAGE,
        })
    }
}

fn text(typed: &str) -> Option<String> {
    let typed = typed.trim();
    (!typed.is_empty()).then(|| typed.to_owned())
}

impl Service {
    /// A page of the messages that fit, newest first: of a list, or for operators of all.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`], [`ServiceError::Invalid`].
    pub async fn messages(
        &self,
        actor: &Actor,
        list: Option<i64>,
        wanted: &MessageSearch,
    ) -> Result<FoundPage, ServiceError> {
        self.reach_queue(actor, list).await?;
        Ok(self.store().search(&wanted.parsed(list)?).await?)
    }

    /// The same by what a program says.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`].
    pub async fn search(
        &self,
        actor: &Actor,
        list: Option<i64>,
        wanted: Search,
    ) -> Result<FoundPage, ServiceError> {
        self.reach_queue(actor, list).await?;
        let subject = wanted.subject;
        let search = Search {
            list,
            // Without a letter or a digit there is no word to look for.
            subject: subject.filter(|subject| subject.contains(char::is_alphanumeric)),
            ..wanted
        };
        Ok(self.store().search(&search).await?)
    }

    /// What happened to a message, accepted or refused, with a page of its attempts. What belongs to no list is the
    /// operators'.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn story_page(
        &self,
        actor: &Actor,
        id: QueueId,
        page: u32,
    ) -> Result<Story, ServiceError> {
        let page = page.max(1);
        let skipped = (page - 1).saturating_mul(ATTEMPTS_ON_A_PAGE);
        let story = self.story(actor, id, ATTEMPTS_ON_A_PAGE, skipped).await?;
        Ok(Story { page, ..story })
    }

    /// The same with so many attempts at most, without so many of the latest.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn story(
        &self,
        actor: &Actor,
        id: QueueId,
        attempts: u32,
        skipped: u32,
    ) -> Result<Story, ServiceError> {
        let one_more = attempts.saturating_add(1);
        let message = self.store().message_in_part(id, one_more, skipped);
        let mut message = message.await?;
        let has_earlier = message
            .as_mut()
            .is_some_and(|message| message.drop_surplus_attempt(attempts));
        Ok(Story {
            has_earlier,
            ..self.told(actor, id, message).await?
        })
    }

    async fn told(
        &self,
        actor: &Actor,
        id: QueueId,
        message: Option<MessageDetails>,
    ) -> Result<Story, ServiceError> {
        let decisions = self.store().decisions_about(id).await?;
        let own = message.as_ref().map(|message| message.summary.meta.list_id);
        let list = own.or_else(|| decisions.first().map(|one| one.about.list_id));
        let Some(list) = list.filter(|list| reaches(actor, *list)) else {
            return Err(ServiceError::not_found("message"));
        };
        let stops = match &message {
            Some(message) => {
                let stops = self.store().stops().await?.into_iter();
                stops.filter(|stop| message.waits_for(stop)).collect()
            }
            None => Vec::new(),
        };
        Ok(Story {
            id,
            message,
            decisions,
            stops,
            page: 1,
            has_earlier: false,
            list,
        })
    }
}

fn reaches(actor: &Actor, list: Option<i64>) -> bool {
    list.map_or(actor.is_operator(), |list| actor.reaches(list))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invalid(set: impl FnOnce(&mut MessageSearch)) -> Vec<&'static str> {
        let mut search = MessageSearch::default();
        set(&mut search);
        match search.parsed(None) {
            Err(ServiceError::Invalid(invalid)) => {
                let fields = invalid.problems().iter();
                fields.map(|problem| problem.field).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_cannot_be_is_said_at_its_field() {
        assert_eq!(invalid(|it| it.from = "yesterday".to_owned()), ["from"]);
        assert_eq!(invalid(|it| it.status = "gone".to_owned()), ["status"]);
        assert_eq!(invalid(|it| it.before = "x".to_owned()), ["before"]);
        let backwards = invalid(|it| {
            it.from = "2026-11-26".to_owned();
            it.to = "2026-11-25".to_owned();
        });
        assert_eq!(backwards, ["to"]);
    }

    #[test]
    fn an_id_is_the_queues_or_the_messages() {
        let parsed = |id: &str| {
            let search = MessageSearch {
                id: id.to_owned(),
                ..MessageSearch::default()
            };
            search.parsed(Some(7)).expect("it can be")
        };
        let own = QueueId::from_i64(12_345).to_string();
        assert_eq!(parsed(&own).id, Some(QueueId::from_i64(12_345)));
        let other = parsed(" <a@example.com> ");
        assert_eq!(
            (other.id, other.message_id.as_deref()),
            (None, Some("<a@example.com>"))
        );
    }

    #[test]
    fn the_last_day_counts_whole() {
        let search = MessageSearch {
            to: "2026-11-25".to_owned(),
            ..MessageSearch::default()
        };
        let until = search.parsed(None).expect("it can be").until;
        assert_eq!(until, Timestamp::parse_utc("2026-11-26T00:00:00Z"));
    }
}
