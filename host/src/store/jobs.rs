//! What the writer can be asked to do, and how a group of it becomes few statements.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::accounts::Edit;
use super::claims;
use super::decisions::Kept;
use super::ledger::Entry;
use super::nodes::NodeWork;
use super::operators::OperatorWork;
use super::orders::OrderWork;
use super::reloads::ReloadWork;
use super::sql::{Connection, Dialect};
use super::statistics::{self, OldSums};
use super::stops::StopWork;
use super::suppressions::SuppressionWork;
use super::suspensions::{self, NewSuspension};
use super::sweep::Lingering;
use super::telling::TellingWork;
use super::tokens::TokenWork;
use super::webhooks::WebhookWork;
use super::{
    StoreError, StsPolicy, alerts, attempts, content, counts, decisions, messages, sent, sts,
    sweep, together, upkeep, webhooks,
};
use crate::alert::{Event, NewAlert};
use crate::clock::Timestamp;
use crate::decision::Retention;
use crate::id::QueueId;
use crate::queue::{AttemptRecord, NewMessage, Place, PolicyCount};

/// Work that waits for the writer, and who waits for it.
pub(super) struct Job {
    /// What is to be written.
    pub(super) work: Box<Work>,
    /// Told after the commit.
    pub(super) reply: oneshot::Sender<Result<Done, StoreError>>,
    /// Its share of the octets that may wait.
    pub(super) _share: Option<OwnedSemaphorePermit>,
}

/// What was done.
#[derive(Debug)]
pub(super) struct Done {
    /// The id of what was made, or how many rows it concerned.
    pub(super) number: i64,
    /// Where the content that came with it lies in the log.
    pub(super) place: Option<Place>,
}

/// What is to be written.
pub(super) enum Work {
    /// A part of a large message that is still being received.
    Stage(Chunk),
    /// The upload of these chunks has ended without a message.
    Discard(QueueId),
    /// A message with what its verdict raised.
    Accept(Incoming, Vec<NewAlert>, Option<Kept>),
    /// What an attempt came to, for the node that must have the message; none: whoever asks has the queue for itself.
    Record(AttemptRecord, Option<Claimant>),
    /// What a node of a shared store claims and gives back, and that it is alive.
    Node(NodeWork),
    /// Work with the events that webhooks are to be told of it.
    With(Box<Work>, Vec<Event>),
    /// What is told of alerts, and to whom.
    Tell(TellingWork),
    /// Webhooks, and what came of their posts.
    Webhook(WebhookWork),
    /// Alerts without a message.
    Raise(Vec<NewAlert>),
    /// A decision without a message, and what it raised.
    Decide(Kept, Vec<NewAlert>),
    /// A change of lists or accounts.
    Edit(Edit),
    /// A user that is made inactive because of what it does.
    Suspend(NewSuspension),
    /// A reload is asked for, or has ended.
    Reload(ReloadWork),
    /// What an administrator does to messages.
    Order(OrderWork),
    /// What an administrator stops or starts.
    Stop(StopWork),
    /// A recipient that does not exist, or may again.
    Suppress(SuppressionWork),
    /// Who signs in to the panel, and how.
    Operator(OperatorWork),
    /// Tokens of the API, and what was answered to requests.
    Token(TokenWork),
    /// What policies have counted, and when, by the database's clock.
    Count(Vec<PolicyCount>, i64),
    /// What a domain promises of its mail exchangers.
    KeepStsPolicy(StsPolicy),
    /// Deletes such promises that do not hold at this time.
    PurgeStsPolicies(Timestamp),
    /// Deletes what policies counted that is over at this time.
    PurgePolicyCounts(Timestamp),
    /// Sums of what happened.
    SumUp(Entry),
    /// Deletes some of the sums that are too old.
    PurgeStatistics(OldSums),
    /// Deletes chunks that belong to no message.
    DiscardOrphans,
    /// Moves content from the log into the database.
    Settle(Vec<Lingering>),
    /// Deletes some of the messages finished before.
    PurgeMessages(Timestamp),
    /// Deletes alerts that last happened before.
    PurgeAlerts(Timestamp),
    /// Deletes some of the decisions that are too old or too many.
    PurgeDecisions(Retention),
    /// Deletes some of the recorded requests that are too old or too much.
    PurgeRecordings(Retention),
    /// Deletes counts that are of no use at this time.
    PurgeCounts(Timestamp),
    /// A command for the writing connection, to bring about failures.
    #[cfg(test)]
    Command(&'static str),
}

/// The answer to a record that was not made, as the message belongs to another node.
pub(super) const DISOWNED: i64 = -1;

/// An accepted message, and the node that has claimed it.
pub(super) struct Incoming {
    pub(super) message: Arc<NewMessage>,
    pub(super) claim: Option<i64>,
    /// When it is due, by the database's clock.
    pub(super) claim_at: i64,
}

/// A node that records what it has claimed.
#[derive(Clone, Copy)]
pub(super) struct Claimant {
    pub(super) node: i64,
    /// How far its clock is ahead of the database's.
    pub(super) ahead_ms: i64,
}

/// A staged part of a message.
pub(super) struct Chunk {
    /// The message it will belong to.
    pub(super) id: QueueId,
    /// Its place, from 0.
    pub(super) index: u32,
    /// Its content.
    pub(super) octets: Bytes,
}

impl Work {
    /// True when nobody waits for its commit.
    pub(super) fn is_patient(&self) -> bool {
        match self {
            Self::Record(..) | Self::Count(..) | Self::SumUp(_) => true,
            Self::With(work, _) => work.is_patient(),
            Self::Webhook(WebhookWork::Posted(_)) => true,
            _ => false,
        }
    }

    /// Octets of content it holds in memory while it waits.
    pub(super) fn octets(&self) -> usize {
        match self {
            Self::Stage(chunk) => chunk.octets.len(),
            Self::Accept(incoming, _, kept) => {
                incoming.message.content.head.len() + kept.as_ref().map_or(0, Kept::octets)
            }
            Self::Decide(kept, _) => kept.octets(),
            Self::Settle(messages) => messages.iter().map(|one| one.head.len()).sum(),
            Self::With(work, events) => {
                work.octets() + events.iter().map(|event| event.body.len()).sum::<usize>()
            }
            _ => 0,
        }
    }

    /// The beginning of the content it brings.
    pub(super) fn head(&self) -> Option<(QueueId, Bytes)> {
        match self {
            Self::Accept(Incoming { message, .. }, ..) => {
                Some((message.id, message.content.head.clone()))
            }
            Self::With(work, _) => work.head(),
            Self::Tell(telling) => {
                let message = telling.message()?;
                Some((message.id, message.content.head.clone()))
            }
            _ => None,
        }
    }

    /// The message that a node must have claimed for this to be done, and the node.
    fn needed_claim(&self) -> Option<(QueueId, i64)> {
        match self {
            Self::Record(record, claimant) => Some((record.id, (*claimant)?.node)),
            Self::With(work, _) => work.needed_claim(),
            _ => None,
        }
    }

    /// True when a client's message comes in with it, so that a transaction with it surely writes something.
    pub(super) fn takes_in(&self) -> bool {
        match self {
            Self::Accept(..) => true,
            Self::With(work, _) => work.takes_in(),
            _ => false,
        }
    }

    /// True when it changes no list, no user and nothing else that is kept in memory for as long as nothing was changed.
    pub(super) fn leaves_accounts(&self) -> bool {
        match self {
            Self::Accept(..)
            | Self::Record(..)
            | Self::Stage(_)
            | Self::Discard(_)
            | Self::Raise(_)
            | Self::Decide(..)
            | Self::Count(..)
            | Self::SumUp(_) => true,
            Self::With(work, _) => work.leaves_accounts(),
            _ => false,
        }
    }

    /// What is attempted, for errors.
    pub(super) fn attempt(&self) -> &'static str {
        match self {
            Self::With(work, _) => work.attempt(),
            Self::Tell(_) => "note what is told of alerts",
            Self::Webhook(_) => "change webhooks",
            Self::Stage(_) => "store a part of a message",
            Self::Discard(_) | Self::DiscardOrphans => "discard an upload",
            Self::Accept(..) => "store a message",
            Self::Record(..) => "record an attempt",
            Self::Node(_) => "share work among nodes",
            Self::Raise(_) => "store an alert",
            Self::Decide(..) => "keep a decision",
            Self::Edit(_) => "change an account",
            Self::Reload(_) => "note a reload",
            Self::Suspend(_) => "suspend a user",
            Self::Order(_) => "change queued messages",
            Self::Stop(_) => "stop or start mail",
            Self::Suppress(_) => "change a suppression list",
            Self::Operator(_) => "change an operator",
            Self::Token(_) => "change a token",
            Self::Count(..) => "store what policies count",
            Self::KeepStsPolicy(_) => "keep an MTA-STS policy",
            Self::Settle(_) => "move content into the database",
            Self::PurgeMessages(_)
            | Self::PurgeAlerts(_)
            | Self::PurgeDecisions(_)
            | Self::PurgeRecordings(_)
            | Self::PurgeCounts(_)
            | Self::PurgeStsPolicies(_)
            | Self::PurgeStatistics(_)
            | Self::PurgePolicyCounts(_) => "purge what is old",
            Self::SumUp(_) => "sum up what happened",
            #[cfg(test)]
            Self::Command(_) => "obey a test",
        }
    }
}

/// Work, and where in the log the content it brings lies.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) work: &'a Work,
    pub(super) place: Option<Place>,
}

impl Task<'_> {
    /// What its caller is told.
    pub(super) const fn done(&self, number: i64) -> Done {
        let place = self.place;
        Done { number, place }
    }
}

/// A message, where in the log its head lies, and the node that has claimed it.
pub(super) struct Placed<'a> {
    pub(super) message: &'a NewMessage,
    pub(super) place: Option<Place>,
    pub(super) claim: Option<i64>,
    pub(super) claim_at: i64,
}

/// The work of one transaction, sorted by kind.
#[derive(Default)]
struct Group<'a> {
    chunks: Vec<&'a Chunk>,
    accepted: Vec<Placed<'a>>,
    records: Vec<&'a AttemptRecord>,
    /// Messages that a node tries again, and how far its clock is ahead of the database's.
    deferred: Vec<(QueueId, i64)>,
    alerts: Vec<&'a NewAlert>,
    decisions: Vec<&'a Kept>,
    events: Vec<&'a Event>,
    discarded: Vec<QueueId>,
    /// Executed one by one; with their places, for their answers.
    single: Vec<(usize, &'a Work)>,
}

impl<'a> Group<'a> {
    /// Without the records of messages that belong to other nodes, by their places.
    fn sort(tasks: &[Task<'a>], disowned: &[usize]) -> Self {
        let mut group = Self::default();
        for (number, task) in tasks.iter().enumerate() {
            if !disowned.contains(&number) {
                group.add(number, task.work, task.place);
            }
        }
        group
    }

    fn add(&mut self, number: usize, work: &'a Work, place: Option<Place>) {
        match work {
            Work::Stage(chunk) => self.chunks.push(chunk),
            Work::Accept(incoming, alerts, kept) => {
                self.accepted.push(Placed {
                    message: &incoming.message,
                    place,
                    claim: incoming.claim,
                    claim_at: incoming.claim_at,
                });
                self.alerts.extend(alerts);
                self.decisions.extend(kept);
            }
            Work::Record(record, claimant) => {
                self.records.push(record);
                let is_open = record.attempts.iter().any(|one| one.status.is_open());
                let claimant = claimant.filter(|_| is_open);
                self.deferred
                    .extend(claimant.map(|claimant| (record.id, claimant.ahead_ms)));
            }
            Work::Raise(alerts) => self.alerts.extend(alerts),
            Work::Decide(kept, alerts) => {
                self.alerts.extend(alerts);
                self.decisions.push(kept);
            }
            Work::With(work, events) => {
                self.add(number, work, place);
                self.events.extend(events);
            }
            Work::Tell(telling) => {
                let message = telling.message();
                self.accepted.extend(message.map(|message| Placed {
                    message,
                    place,
                    claim: None,
                    // It is due when it is made.
                    claim_at: 0,
                }));
                self.single.push((number, work));
            }
            Work::Discard(id) => self.discarded.push(*id),
            work => self.single.push((number, work)),
        }
    }
}

/// Begins a transaction and executes all the work in it; returns an answer for each.
pub(super) async fn begin_and_apply(
    connection: &mut Connection,
    begin: &'static str,
    tasks: &[Task<'_>],
) -> Result<Vec<i64>, StoreError> {
    // Where work needs a claim, that is asked about inside the transaction.
    let needs_claim = tasks.iter().any(|task| task.work.needed_claim().is_some());
    if connection.dialect() == Dialect::Sqlite && !needs_claim {
        let group = Group::sort(tasks, &[]);
        if group.chunks.is_empty() {
            let begun =
                together::begin_and_accept(connection, &group.accepted, &group.decisions).await;
            if begun.map_err(|error| StoreError::writing("store a message", error))? {
                return apply_rest(connection, group, tasks.len()).await;
            }
        }
    }
    command(connection, begin).await?;
    apply(connection, tasks).await
}

/// Executes a command of a transaction.
pub(super) async fn command(
    connection: &mut Connection,
    sql: &'static str,
) -> Result<(), StoreError> {
    connection
        .command(sql)
        .await
        .map_err(|error| StoreError::Unavailable {
            attempt: "commit",
            source: Arc::new(error),
        })
}

/// Executes all the work inside the transaction that is open; returns an answer for each.
///
/// Kinds follow one another in the order of a message's life: its chunks, itself, its attempts.
pub(super) async fn apply(
    connection: &mut Connection,
    tasks: &[Task<'_>],
) -> Result<Vec<i64>, StoreError> {
    let disowned = disowned(connection, tasks).await?;
    let group = Group::sort(tasks, &disowned);
    content::stage(connection, &group.chunks).await?;
    let accepted = together::accept_on_server(connection, &group.accepted, &group.decisions).await;
    if !accepted.map_err(|error| StoreError::writing("store a message", error))? {
        messages::insert(connection, &group.accepted).await?;
        content::insert_heads(connection, &group.accepted).await?;
        decisions::insert(connection, &group.decisions).await?;
    }
    sent::count(connection, &group.accepted).await?;
    let mut answers = apply_rest(connection, group, tasks.len()).await?;
    for number in disowned {
        answers[number] = DISOWNED;
    }
    Ok(answers)
}

/// What follows the messages.
async fn apply_rest(
    connection: &mut Connection,
    group: Group<'_>,
    tasks: usize,
) -> Result<Vec<i64>, StoreError> {
    attempts::record(connection, &group.records).await?;
    claims::defer(connection, &group.deferred).await?;
    alerts::raise(connection, &group.alerts).await?;
    webhooks::insert(connection, &group.events).await?;
    content::discard(connection, &group.discarded).await?;
    let mut answers = vec![0; tasks];
    for (number, work) in group.single {
        answers[number] = apply_single(connection, work).await?;
    }
    Ok(answers)
}

/// The places of records whose messages do not belong to the node that made the attempts. Without nodes there are none,
/// and nobody is asked.
async fn disowned(
    connection: &mut Connection,
    tasks: &[Task<'_>],
) -> Result<Vec<usize>, StoreError> {
    let claims = tasks.iter().enumerate();
    let claims: Vec<(usize, QueueId, i64)> = claims
        .filter_map(|(number, task)| {
            let (id, node) = task.work.needed_claim()?;
            Some((number, id, node))
        })
        .collect();
    let nodes: BTreeSet<i64> = claims.iter().map(|&(.., node)| node).collect();
    let mut disowned = Vec::new();
    for node in nodes {
        let of_node = || claims.iter().filter(|&&(.., one)| one == node);
        let ids: Vec<QueueId> = of_node().map(|&(_, id, _)| id).collect();
        let owned = claims::owned_of(connection, node, &ids).await?;
        let lost = of_node().filter(|(_, id, _)| !owned.contains(&id.as_i64()));
        disowned.extend(lost.map(|&(number, ..)| number));
    }
    Ok(disowned)
}

async fn apply_single(connection: &mut Connection, work: &Work) -> Result<i64, StoreError> {
    match work {
        Work::Edit(edit) => edit.apply(connection).await,
        Work::Reload(reload) => reload.apply(connection).await,
        Work::DiscardOrphans => upkeep::discard_orphans(connection).await,
        Work::Settle(messages) => sweep::settle(connection, messages).await,
        Work::PurgeMessages(before) => upkeep::purge_messages(connection, *before).await,
        Work::PurgeAlerts(before) => upkeep::purge_alerts(connection, *before).await,
        Work::PurgeDecisions(retention) => decisions::purge(connection, retention).await,
        Work::PurgeRecordings(retention) => {
            decisions::purge_recordings(connection, retention).await
        }
        Work::PurgeCounts(now) => sent::purge(connection, *now).await,
        Work::Order(order) => order.apply(connection).await,
        Work::Stop(stop) => stop.apply(connection).await,
        Work::Operator(work) => work.apply(connection).await,
        Work::Token(work) => work.apply(connection).await,
        Work::Suppress(work) => work.apply(connection).await,
        Work::Count(added, at) => counts::add(connection, added, *at).await.map(|()| 0),
        Work::KeepStsPolicy(policy) => sts::keep(connection, policy).await,
        Work::PurgeStsPolicies(now) => sts::purge(connection, *now).await,
        Work::PurgePolicyCounts(now) => counts::purge(connection, *now).await,
        Work::SumUp(entry) => entry.apply(connection).await,
        Work::PurgeStatistics(old) => statistics::purge(connection, *old).await,
        Work::Tell(telling) => telling.apply(connection).await,
        Work::Webhook(work) => work.apply(connection).await,
        Work::Node(work) => work.apply(connection).await,
        Work::Suspend(new) => suspensions::suspend(connection, new).await,
        #[cfg(test)]
        Work::Command(sql) => connection
            .script(sql)
            .await
            .map(|()| 0)
            .map_err(|error| StoreError::writing("obey a test", error)),
        Work::Stage(_)
        | Work::Discard(_)
        | Work::Accept(..)
        | Work::Record(..)
        | Work::Raise(_)
        | Work::With(..)
        | Work::Decide(..) => Ok(0),
    }
}
