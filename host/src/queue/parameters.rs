//! What of a client's ESMTP parameters outlives intake, and what the sender is to be told by them.

use std::time::Duration;

use super::{MessageMeta, OpenRecipient};
use crate::clock::Timestamp;
use crate::smtp::{DeliverBy, DeliverByMode, EnvelopeId, MtPriority, RcptParameters, Ret};

/// The parameters of MAIL that matter until the message is delivered.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MessageParameters {
    /// `SMTPUTF8` (RFC 6531), and what needs it; none when the client did not say it.
    pub smtputf8: Option<SmtpUtf8>,
    /// `REQUIRETLS` (RFC 8689): every hop must be under verified TLS.
    pub require_tls: bool,
    /// How much a failure notice returns (RFC 3461 §4.3).
    pub ret: Option<Ret>,
    /// The sender's name for the transaction (RFC 3461 §4.4).
    pub envid: Option<EnvelopeId>,
    /// When delivery is too late (RFC 2852).
    pub deliver_by: Option<Deadline>,
    /// How urgent the client said it is (RFC 6710).
    pub mt_priority: Option<MtPriority>,
    /// Not to be tried before (RFC 4865); none when that was over on arrival.
    pub held_until: Option<Timestamp>,
}

/// What of a message with `SMTPUTF8` goes beyond US-ASCII, its addresses aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpUtf8 {
    /// Nothing in the header section.
    AsciiHeader,
    /// A header field: a next hop without SMTPUTF8 cannot take it.
    Utf8Header,
}

/// The BY parameter of MAIL (RFC 2852), with its time made absolute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// When delivery is too late.
    pub at: Timestamp,
    /// What happens then.
    pub mode: DeliverByMode,
    /// Whether the sender wants to be told about each relay.
    pub trace: bool,
}

impl Deadline {
    /// What a client asked for at `now`.
    pub fn new(asked: DeliverBy, now: Timestamp) -> Self {
        let span = Duration::from_secs(asked.seconds.unsigned_abs());
        let at = if asked.seconds < 0 {
            now - span
        } else {
            now + span
        };
        Self {
            at,
            mode: asked.mode,
            trace: asked.trace,
        }
    }

    /// What is left of it at `now`, to be passed on; never beyond nine digits (RFC 2852 §4).
    pub fn remaining(self, now: Timestamp) -> DeliverBy {
        let millis = self.at.as_millis().saturating_sub(now.as_millis());
        DeliverBy {
            seconds: millis.div_euclid(1000).clamp(-999_999_999, 999_999_999),
            mode: self.mode,
            trace: self.trace,
        }
    }

    /// True when the message is given up at the deadline.
    pub fn returns(self) -> bool {
        self.mode == DeliverByMode::Return
    }
}

impl MessageMeta {
    /// When its recipients are due for the first time.
    pub fn first_due_at(&self) -> Timestamp {
        self.parameters.held_until.unwrap_or(self.received_at)
    }

    /// True when it is given up at `expires_at` because its sender said so (RFC 2852 `R`).
    pub fn expires_by_deadline(&self) -> bool {
        let deadline = self.parameters.deliver_by;
        deadline.is_some_and(|deadline| deadline.returns() && deadline.at <= self.expires_at)
    }

    /// When the sender is to be told that a recipient is late; none when it is not to be told (again).
    ///
    /// `NOTIFY=DELAY` asks for one notice, `after` the first attempt was due. A deadline of mode `N`
    /// (RFC 2852 §4) asks for one when it has passed. Who says nothing is told nothing.
    pub fn delay_notice_at(&self, recipient: &OpenRecipient, after: Duration) -> Option<Timestamp> {
        self.reverse_path.as_ref()?;
        let told_at = recipient.delay_told_at;
        let asked = recipient.parameters.notify.is_some_and(|one| one.delay) && told_at.is_none();
        let by_delay = asked.then(|| self.first_due_at() + after);
        let by_deadline = self
            .parameters
            .deliver_by
            .filter(|deadline| !deadline.returns() && !is_never(&recipient.parameters))
            .map(|deadline| deadline.at.max(self.first_due_at()))
            .filter(|at| told_at.is_none_or(|told_at| told_at < *at));
        by_delay.into_iter().chain(by_deadline).min()
    }

    /// Whether the sender wants to be told that a recipient was given up (RFC 3461 §4.1); yes unless it
    /// said otherwise.
    pub fn wants_failure_notice(&self, recipient: &OpenRecipient) -> bool {
        let notify = recipient.parameters.notify;
        self.reverse_path.is_some() && notify.is_none_or(|notify| notify.failure)
    }

    /// Whether the sender wants to be told that a recipient was served.
    pub fn wants_success_notice(&self, recipient: &OpenRecipient) -> bool {
        let notify = recipient.parameters.notify;
        self.reverse_path.is_some() && notify.is_some_and(|notify| notify.success)
    }

    /// Whether the sender wants to be told of a relay that may not keep its deadline, or of each
    /// (RFC 2852 §4, by-trace); `is_kept` when the next hop knows of the deadline.
    pub fn wants_trace_notice(&self, recipient: &OpenRecipient, is_kept: bool) -> bool {
        let deadline = self.parameters.deliver_by;
        self.reverse_path.is_some()
            && deadline.is_some_and(|deadline| deadline.trace || !is_kept)
            && !is_never(&recipient.parameters)
    }
}

/// `NOTIFY=NEVER`.
fn is_never(parameters: &RcptParameters) -> bool {
    parameters
        .notify
        .is_some_and(|notify| notify == crate::smtp::Notify::NEVER)
}

#[cfg(test)]
mod tests;
