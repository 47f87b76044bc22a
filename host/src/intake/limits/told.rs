//! What clients and administrators are told about limits.

use std::net::IpAddr;
use std::time::Duration;

use super::super::Principal;
use super::counter::{Crossed, Demoted, Exceeded, Refusals};
use crate::alert::{Kind, NewAlert, Severity};
use crate::clock::Timestamp;
use crate::smtp::Reply;

/// Who sends, from where, when: what every alert of this room names.
#[derive(Clone, Copy)]
pub(super) struct Sending<'a> {
    pub(super) principal: &'a Principal,
    pub(super) client: IpAddr,
    pub(super) at: Timestamp,
}

/// What a client is told that has sent as much as it may. 451: the same message is welcome later.
pub(super) fn reply(username: &str, exceeded: Exceeded) -> Reply {
    let text = format!(
        "the limit of {username} is reached, {} messages {}; try again in {}, or ask your administrator for more",
        exceeded.limit,
        exceeded.span.one(),
        duration(exceeded.wait)
    );
    Reply::new(451, (4, 7, 1), text)
}

/// Rounded up, so that who comes back then is not too early.
fn duration(wait: Duration) -> String {
    let minutes = wait.as_secs().div_ceil(60).max(1);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

impl Sending<'_> {
    pub(super) fn username(&self) -> &str {
        &self.principal.account.user.username
    }

    fn alert(&self, kind: Kind, severity: Severity, key: &str, summary: String) -> NewAlert {
        let list_id = Some(self.principal.account.list.id);
        let alert = NewAlert::new(kind, severity, summary, self.at);
        alert.of(list_id, self.username()).keyed(key)
    }

    /// Many messages: near a limit, or without one.
    pub(super) fn many(&self, crossed: Crossed) -> NewAlert {
        let (user, client) = (self.username(), self.client);
        let Crossed { cap, sent } = crossed;
        let (span, one) = (cap.span.word(), cap.span.one());
        let (kind, summary) = match cap.limit.0 {
            Some(limit) => (
                Kind::SendingLimitNear,
                format!(
                    "{user} has sent {sent} of the {limit} messages it may send in {one}, the most recent from {client}"
                ),
            ),
            None => (
                Kind::ManyMessages,
                format!(
                    "{user} has sent {sent} messages within {one}, the most recent from {client}; \
                     a limit is set with `gatepost user edit {user} --messages-per-{span} N`"
                ),
            ),
        };
        self.alert(kind, Severity::Warning, span, summary)
    }

    /// Messages that were refused because of a limit.
    pub(super) fn refused(&self, exceeded: Exceeded, refusals: Refusals) -> NewAlert {
        let (user, client) = (self.username(), self.client);
        let (limit, span, one) = (exceeded.limit, exceeded.span.word(), exceeded.span.one());
        let summary = format!(
            "{user} has sent the {limit} messages it may send in {one}; {} more refused since {}, \
             the most recent from {client}. Was its password stolen: `gatepost user reset-password {user}`; \
             should it send more: `gatepost user edit {user} --messages-per-{span} N`",
            refusals.count,
            refusals.since.to_whole_seconds(),
        );
        self.alert(Kind::SendingLimitReached, Severity::Warning, span, summary)
    }

    /// Messages that went with priority 2 instead of 1.
    pub(super) fn demoted(&self, demoted: Demoted, demotions: Refusals) -> NewAlert {
        let (user, client) = (self.username(), self.client);
        let (limit, span, one) = (demoted.limit, demoted.span.word(), demoted.span.one());
        let summary = format!(
            "{user} has sent the {limit} messages of priority 1 it may send in {one}; {} more went with priority 2 since {}, \
             the most recent from {client}. Should more be urgent: `gatepost user edit {user} --urgent-per-{span} N`",
            demotions.count,
            demotions.since.to_whole_seconds(),
        );
        self.alert(Kind::UrgentBudgetUsedUp, Severity::Warning, span, summary)
    }

    /// Why a user is suspended, as it stands beside the user.
    pub(super) fn reason(&self, exceeded: Exceeded) -> String {
        format!(
            "it wanted to send more than {} messages in {}, the last one from {}",
            exceeded.limit,
            exceeded.span.one(),
            self.client
        )
    }

    /// A user that was suspended.
    pub(super) fn suspended(&self, exceeded: Exceeded) -> NewAlert {
        let user = self.username();
        let list = &self.principal.account.list.name;
        let summary = format!(
            "{user} of list {list} is suspended: {}. Was its password stolen: `gatepost user reset-password {user}`; \
             then, or if all is well, `gatepost user edit {user} --active true`",
            self.reason(exceeded)
        );
        self.alert(Kind::UserSuspended, Severity::Critical, "", summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Span;

    #[test]
    fn a_reply_says_the_limit_and_when_to_come_back() {
        for (span, wait_s, expected) in [
            (Span::Hour, 1, "100 messages an hour; try again in 1 min,"),
            (Span::Hour, 61, "100 messages an hour; try again in 2 min,"),
            (Span::Hour, 3600, "100 messages an hour; try again in 1 h,"),
            (
                Span::Day,
                86_000,
                "100 messages a day; try again in 23 h 54 min,",
            ),
        ] {
            let exceeded = Exceeded {
                span,
                limit: 100,
                wait: Duration::from_secs(wait_s),
            };
            let reply = reply("s1_1", exceeded).to_string();
            assert!(
                reply.starts_with("451 4.7.1 the limit of s1_1 is reached, 100 "),
                "{reply}"
            );
            assert!(reply.contains(expected), "{reply}");
        }
    }
}
