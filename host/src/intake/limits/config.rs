//! What limits of sending can be told.

use serde::Deserialize;

use crate::accounts::{Limit, Span, User};

/// The `[limits]` section: how much one user may send. A user's own limits come before it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Messages of one user within an hour. Default unlimited: the relay cannot know whether a user is
    /// a person or a newsletter, and programs that do not try again would lose what they send; until an
    /// administrator has decided, many messages are told (see below) and sent.
    pub messages_per_hour: Limit,
    /// Messages of one user within 24 hours. Default unlimited, as above.
    pub messages_per_day: Limit,
    /// Messages of priority 1 of one user within an hour; what is beyond becomes 2, with an alert. Default unlimited: what
    /// is urgent is for the policies and the user to say, until somebody calls everything urgent.
    pub urgent_per_hour: Limit,
    /// The same within 24 hours. Default unlimited.
    pub urgent_per_day: Limit,
    /// What happens when a user wants to send more.
    pub on_exceeded: OnExceeded,
    /// Per cent of a limit at which an alert is raised, 1 to 100. Default 80: time to look before mail is refused.
    pub alert_percent: u8,
    /// Messages within an hour by which a user without that limit raises an alert. Default 1,000: more than
    /// people write and most shops confirm, and far less than a stolen password is used for.
    pub alert_messages_per_hour: Limit,
    /// Messages within 24 hours by which a user without that limit raises an alert. Default 10,000.
    pub alert_messages_per_day: Limit,
}

/// What happens when a user wants to send more than it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExceeded {
    /// 451 until it may again, with an alert: nothing is lost, and a limit that is too low does little harm.
    #[default]
    Defer,
    /// The user becomes inactive until an administrator has looked, with a critical alert.
    Suspend,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            messages_per_hour: Limit::UNLIMITED,
            messages_per_day: Limit::UNLIMITED,
            urgent_per_hour: Limit::UNLIMITED,
            urgent_per_day: Limit::UNLIMITED,
            on_exceeded: OnExceeded::default(),
            alert_percent: 80,
            alert_messages_per_hour: Limit::at_most(1000),
            alert_messages_per_day: Limit::at_most(10_000),
        }
    }
}

/// What holds for one user in one span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cap {
    pub(super) span: Span,
    /// Messages at most.
    pub(super) limit: Limit,
    /// The number of messages that raises an alert.
    pub(super) alert_at: Limit,
}

/// How many messages of priority 1 one user may send in one span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) span: Span,
    pub(super) limit: Limit,
}

impl Config {
    /// The limit of a user in this span.
    pub fn limit(&self, user: &User, span: Span) -> Limit {
        match span {
            Span::Hour => user.messages_per_hour.or(self.messages_per_hour),
            Span::Day => user.messages_per_day.or(self.messages_per_day),
        }
    }

    /// How many messages of priority 1 a user may send in this span.
    pub fn urgent_limit(&self, user: &User, span: Span) -> Limit {
        match span {
            Span::Hour => user.urgent_per_hour.or(self.urgent_per_hour),
            Span::Day => user.urgent_per_day.or(self.urgent_per_day),
        }
    }

    pub(super) fn budgets(&self, user: &User) -> [Budget; 2] {
        Span::ALL.map(|span| Budget {
            span,
            limit: self.urgent_limit(user, span),
        })
    }

    pub(super) fn caps(&self, user: &User) -> [Cap; 2] {
        Span::ALL.map(|span| {
            let limit = self.limit(user, span);
            Cap {
                span,
                limit,
                alert_at: self.alert_at(limit, span),
            }
        })
    }

    fn alert_at(&self, limit: Limit, span: Span) -> Limit {
        match (limit.0, span) {
            (Some(limit), _) => {
                let part = u64::from(limit.get()) * u64::from(self.alert_percent);
                Limit::at_most(u32::try_from(part.div_ceil(100)).unwrap_or(u32::MAX))
            }
            (None, Span::Hour) => self.alert_messages_per_hour,
            (None, Span::Day) => self.alert_messages_per_day,
        }
    }
}
