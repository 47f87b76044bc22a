//! What is done to messages of the queue: counted first if somebody asks, then done in steps; what takes long
//! goes on while nobody waits for it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{error, info};

use super::queue_view::one_line;
use super::{Selected, Service, ServiceError};
use crate::operators::Actor;
use crate::queue::{Command, Concerned, MessageFilter};
use crate::store::{Counted, StoreError};

/// How long somebody waits for a change to be done. Default 2 s: some thousand messages.
const PATIENCE: Duration = Duration::from_secs(2);
/// Changes that run at the same time. Default 4: each reads through the queue.
const MAX_RUNNING: usize = 4;
/// How far ahead messages may be scheduled. Default 366 days.
const MAX_AHEAD: Duration = Duration::from_secs(366 * 86_400);
/// Messages named one by one at most. Default 1,000.
const MAX_NAMED: usize = 1000;

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is done.
    Done(Concerned),
    /// It goes on; so much is done by now.
    GoesOn(Concerned),
}

/// A change that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The list; none: all.
    pub list: Option<i64>,
    /// What is done.
    pub command: Command,
    /// By whom.
    pub by: String,
    /// How much of it is done.
    pub done: Concerned,
    number: u64,
}

/// All that go on. What the end of the program interrupts stays done as far as it was.
#[derive(Default)]
pub(super) struct Changes {
    running: Mutex<Vec<Running>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Changes {
    /// Notes one more; its number, or none when there are too many.
    fn begin(&self, list: Option<i64>, command: &Command, by: &str) -> Option<u64> {
        let mut running = self.running.lock();
        if running.len() >= MAX_RUNNING {
            return None;
        }
        let number = running.iter().map(|one| one.number).max().unwrap_or(0) + 1;
        running.push(Running {
            list,
            command: command.clone(),
            by: by.to_owned(),
            done: Concerned::default(),
            number,
        });
        Some(number)
    }

    fn tell(&self, number: u64, done: Concerned) {
        let mut running = self.running.lock();
        let found = running.iter_mut().find(|one| one.number == number);
        if let Some(one) = found {
            one.done = done;
        }
    }

    fn end(&self, number: u64) -> Concerned {
        let mut running = self.running.lock();
        let place = running.iter().position(|one| one.number == number);
        place.map_or_else(Concerned::default, |place| running.remove(place).done)
    }

    fn done(&self, number: u64) -> Concerned {
        let running = self.running.lock();
        let found = running.iter().find(|one| one.number == number);
        found.map_or_else(Concerned::default, |one| one.done)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

impl Service {
    /// How much a change would concern, as far as it can be counted at once.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`], [`ServiceError::Invalid`].
    pub async fn would_change(
        &self,
        actor: &Actor,
        list: Option<i64>,
        selected: &Selected,
        command: &Command,
    ) -> Result<Counted, ServiceError> {
        let filter = self.selection(actor, list, selected).await?;
        Ok(self.store().count_at_once(&filter, command).await?)
    }

    /// Changes messages. What takes long goes on by itself.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`], [`ServiceError::Invalid`],
    /// [`ServiceError::Conflict`] when a message that is named cannot be changed so, or too much goes on.
    pub async fn change(
        &self,
        actor: &Actor,
        list: Option<i64>,
        selected: &Selected,
        command: Command,
    ) -> Result<Changed, ServiceError> {
        let command = checked(command)?;
        let filter = self.selection(actor, list, selected).await?;
        if let Selected::These(ids) = selected
            && let [id] = ids.as_slice()
        {
            let found = self.store().message(*id).await?;
            let found = found.filter(|one| list.is_none() || one.summary.meta.list_id == list);
            let message = found.ok_or_else(|| ServiceError::not_found("message"))?;
            if let Some(obstacle) = command.obstacle(&message.summary) {
                return Err(ServiceError::Conflict(format!("message {id}: {obstacle}")));
            }
        }
        self.carry_out(actor, list, filter, command).await
    }

    /// The changes that go on and concern who asks.
    pub fn running_changes(&self, actor: &Actor, list: Option<i64>) -> Vec<Running> {
        let running = self.changes.running.lock();
        let own = running.iter().filter(|one| match one.list {
            Some(id) => actor.reaches(id) && list.is_none_or(|list| list == id),
            None => actor.is_operator() && list.is_none(),
        });
        own.cloned().collect()
    }

    async fn selection(
        &self,
        actor: &Actor,
        list: Option<i64>,
        selected: &Selected,
    ) -> Result<MessageFilter, ServiceError> {
        self.reach_queue(actor, list).await?;
        match selected {
            Selected::Found(query) => {
                let filter = query.filter(list)?;
                Ok(MessageFilter {
                    before: None,
                    ..filter
                })
            }
            Selected::These(ids) if ids.is_empty() || ids.len() > MAX_NAMED => {
                let text = format!("tick one message at least, and {MAX_NAMED} at most");
                Err(ServiceError::invalid("id", text))
            }
            Selected::These(ids) => Ok(MessageFilter {
                ids: Some(ids.clone()),
                list,
                ..MessageFilter::default()
            }),
        }
    }

    async fn carry_out(
        &self,
        actor: &Actor,
        list: Option<i64>,
        filter: MessageFilter,
        command: Command,
    ) -> Result<Changed, ServiceError> {
        let Some(number) = self.changes.begin(list, &command, &actor.name) else {
            let text = "other changes of the queue still go on; try again when one of them is done";
            return Err(ServiceError::Conflict(text.to_owned()));
        };
        let (service, by) = (self.clone(), actor.name.clone());
        let (answer, answered) = tokio::sync::oneshot::channel();
        self.changes.spawn(async move {
            let changes = Arc::clone(&service.changes);
            let tell = |done| changes.tell(number, done);
            let store = service.store();
            let done = store.order_and_tell(&filter, &command, &by, tell).await;
            changes.end(number);
            note(&command, &by, &done);
            // Nobody waits any more.
            let _ = answer.send(done);
        });
        match timeout(PATIENCE, answered).await {
            Ok(Ok(done)) => Ok(Changed::Done(done?)),
            Ok(Err(_)) => Err(ServiceError::Unavailable("it was not done".to_owned())),
            Err(_) => Ok(Changed::GoesOn(self.changes.done(number))),
        }
    }
}

fn checked(command: Command) -> Result<Command, ServiceError> {
    match command {
        Command::Hold(reason) => {
            let reason = one_line(&reason);
            let is_given = !reason.is_empty();
            let reason = is_given.then_some(reason);
            Ok(Command::Hold(
                reason.unwrap_or_else(|| "held by an administrator".to_owned()),
            ))
        }
        Command::Schedule(at) if at > crate::clock::Timestamp::now() + MAX_AHEAD => Err(
            ServiceError::invalid("at", "messages can be scheduled a year ahead at most"),
        ),
        other => Ok(other),
    }
}

fn note(command: &Command, by: &str, done: &Result<Concerned, StoreError>) {
    match done {
        Ok(done) => {
            let (messages, what) = (done.messages, command.kind());
            info!(by, messages, "messages of the queue were {what}");
        }
        Err(error) => error!(by, %error, "a change of the queue ended early"),
    }
}
