//! The spans of a message: taking it in with the policies and the commit, and each attempt.

use std::time::Instant;

use super::Follower;
use super::span::{Kind, ROOT, Span, TraceId, nanos, nanos_of};
use crate::clock::Timestamp;
use crate::decision::{Decision, Outcome as Ruled, Step};
use crate::queue::{Attempt, MessageMeta, NewMessage, Outcome, RecordedAttempt};

/// A message that is about to be committed.
#[derive(Debug)]
pub struct Acceptance {
    root: Span,
    policies: Vec<Span>,
    commit_began: (Timestamp, Instant),
}

impl Acceptance {
    /// Of this message, decided about so; none when it is not followed.
    pub fn of(
        follower: &Follower,
        message: &NewMessage,
        decision: Option<&Decision>,
    ) -> Option<Self> {
        let trace = follower.trace(message.id)?;
        let policies = decision.map_or_else(Vec::new, |decision| policies(trace, decision));
        let received = nanos(message.meta.received_at);
        let from = policies.first().map_or(received, |first| first.from_ns);
        let root = about(Span::new(trace, ROOT, "message accepted"), &message.meta)
            .text("gatepost.queue.id", &message.id.to_string())
            .number("gatepost.message.size", message.content.size)
            .number("gatepost.message.recipients", message.recipients.len())
            .took(from.min(received), received);
        Some(Self {
            root,
            policies,
            commit_began: (Timestamp::now(), Instant::now()),
        })
    }

    /// Its spans, now that it is committed.
    pub fn committed(self) -> Vec<Span> {
        let (at, began) = self.commit_began;
        let from = nanos(at);
        let until = from.saturating_add(nanos_of(began.elapsed()));
        let commit = Span::new(self.root.trace, "commit", "commit").took(from, until);
        let from = self.root.from_ns;
        let mut spans = vec![self.root.took(from, until)];
        spans.extend(self.policies);
        spans.push(commit);
        spans
    }
}

/// The spans of a message that was not taken; none when it is not followed.
pub fn refused(follower: &Follower, decision: &Decision) -> Option<Vec<Span>> {
    let about = &decision.about;
    let trace = follower.trace(about.id)?;
    let policies = policies(trace, decision);
    let until = nanos(about.at);
    let from = policies.first().map_or(until, |first| first.from_ns);
    let mut root = Span::new(trace, ROOT, "message refused")
        .text("gatepost.queue.id", &about.id.to_string())
        .text("gatepost.user", &about.username)
        .text("gatepost.session.id", &about.session_id)
        .number("gatepost.message.recipients", about.recipient_count)
        .took(from, until);
    root.kind = Kind::Server;
    root.failed = Some(match decision.outcome {
        Ruled::Deferred => "deferred",
        Ruled::Accepted | Ruled::Rejected => "rejected",
    });
    if let Some(list) = about.list_id {
        root = root.number("gatepost.list.id", list);
    }
    let mut spans = vec![root];
    spans.extend(policies);
    Some(spans)
}

/// The spans of what was tried at once, one for each transaction; none when the message is not followed.
pub fn attempted(
    follower: &Follower,
    message: crate::id::QueueId,
    attempts: &[RecordedAttempt],
) -> Option<Vec<Span>> {
    let trace = follower.trace(message)?;
    let is_one = |a: &RecordedAttempt, b: &RecordedAttempt| {
        let (a, b) = (&a.attempt, &b.attempt);
        (a.began_at, a.at, &a.next_hop) == (b.began_at, b.at, &b.next_hop)
    };
    let transactions = attempts.chunk_by(is_one);
    Some(transactions.map(|all| transaction(trace, all)).collect())
}

fn transaction(trace: TraceId, attempts: &[RecordedAttempt]) -> Span {
    let first = &attempts[0].attempt;
    let began_at = first.began_at.unwrap_or(first.at);
    let label = format!(
        "attempt {} {} {}",
        began_at.as_millis(),
        first.recipient,
        first.next_hop
    );
    let worst = attempts
        .iter()
        .map(|one| &one.attempt)
        .max_by_key(|one| rank(one));
    let worst = worst.unwrap_or(first);
    let mut span = Span::new(trace, &label, "delivery attempt")
        .text("gatepost.next_hop", place(&first.next_hop))
        .text("gatepost.tls", &first.tls)
        .text("gatepost.outcome", outcome(worst))
        .number("gatepost.message.recipients", attempts.len())
        .number("gatepost.reply.code", worst.outcome.reply().code)
        .took(nanos(began_at), nanos(first.at));
    span.kind = Kind::Client;
    span.failed = (rank(worst) > 0).then(|| outcome(worst));
    span
}

/// A next hop without an address: the path of a maildir has one.
fn place(next_hop: &str) -> &str {
    match next_hop.contains('/') {
        true => "maildir",
        false => next_hop,
    }
}

const fn rank(attempt: &Attempt) -> u8 {
    match attempt.outcome {
        Outcome::Delivered(_) => 0,
        Outcome::Deferred(_) => 1,
        Outcome::Failed(_) => 2,
    }
}

const fn outcome(attempt: &Attempt) -> &'static str {
    match attempt.outcome {
        Outcome::Delivered(_) => "delivered",
        Outcome::Deferred(_) => "deferred",
        Outcome::Failed(_) => "failed",
    }
}

fn about(mut span: Span, meta: &MessageMeta) -> Span {
    span.kind = Kind::Server;
    let mut span = span
        .text("gatepost.user", &meta.username)
        .text("gatepost.session.id", &meta.session_id)
        .text("gatepost.rule", &meta.rule)
        .number("gatepost.priority", meta.priority.number());
    if let Some(list) = meta.list_id {
        span = span.number("gatepost.list.id", list);
    }
    if let Some(about) = meta.origin.notice_of {
        span = span.text("gatepost.notice_of", &about.to_string());
    }
    span
}

/// One after the other, until the decision was there.
fn policies(trace: TraceId, decision: &Decision) -> Vec<Span> {
    let until = nanos(decision.about.at);
    let took: u64 = decision.steps.iter().map(|step| step.us).sum();
    let mut from = until.saturating_sub(took.saturating_mul(1000));
    let mut spans = Vec::with_capacity(decision.steps.len());
    for (place, step) in decision.steps.iter().enumerate() {
        let until = from.saturating_add(step.us.saturating_mul(1000));
        spans.push(policy(trace, place, step).took(from, until));
        from = until;
    }
    spans
}

fn policy(trace: TraceId, place: usize, step: &Step) -> Span {
    let name = step.rule.split('/').next().unwrap_or_default();
    let mut span = Span::new(trace, &format!("policy {place}"), format!("policy {name}"))
        .text("gatepost.rule", &step.rule)
        .text("gatepost.decision", &step.decision)
        .number("gatepost.fuel", step.fuel);
    span.failed = step.failure.as_ref().map(|_| "failed");
    span
}
