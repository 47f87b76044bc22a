//! What waits: looking at it, how it gets less, and what may be done to it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::access::{Caller, Reader, Writer};
use super::message_documents::{MessageDocument, accepted};
use super::messages::message_id;
use super::page::{self, Page};
use super::problem::Problem;
use super::refusals::{BadDocument, BadRequest, Contradiction, NotThere, Refused};
use super::request::{Document, Path, Query, object};
use super::send::send_at;
use crate::admin::service::{
    Changed, Progress, QueueCounts, QueueQuery, Running, Selected, ServiceError,
};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{Command, Concerned, Priority};

/// Which messages, and which page of them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct Waiting {
    /// Only those submitted by this user, by name.
    user: Option<String>,
    /// Only those with this reverse-path, `<>` for the null one, or all of a domain as `@example.com`.
    sender: Option<String>,
    /// Only those with a recipient at this domain.
    recipient_domain: Option<String>,
    /// Only those of this effective priority.
    #[param(minimum = 1, maximum = 5)]
    priority: Option<u8>,
    /// Only those that stand there: `queued`, `deferred`, `scheduled` or `held`.
    status: Option<String>,
    /// Only those that were accepted longer ago: `10m`, `1h`, `6h`, `1d`, `3d` or `7d`.
    age: Option<String>,
    /// `next` of the page before; nothing for the first.
    #[param(pattern = "^c[0-9]{1,19}$")]
    cursor: Option<String>,
}

/// Which of the messages that wait.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilterDocument {
    /// Only those submitted by this user, by name.
    user: Option<String>,
    /// Only those with this reverse-path, `<>` for the null one, or all of a domain as `@example.com`.
    sender: Option<String>,
    /// Only those with a recipient at this domain.
    recipient_domain: Option<String>,
    /// Only those of this effective priority.
    #[schema(minimum = 1, maximum = 5)]
    priority: Option<u8>,
    /// Only those that stand there: `queued`, `deferred`, `scheduled` or `held`.
    status: Option<String>,
    /// Only those that were accepted longer ago: `10m`, `1h`, `6h`, `1d`, `3d` or `7d`.
    age: Option<String>,
    /// These, by queue id, and whatever else is asked for is not looked at.
    #[schema(min_items = 1, max_items = 1000)]
    ids: Option<Vec<String>>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// They wait until they are released.
    Hold,
    /// Held ones leave.
    Release,
    /// What waits for its next attempt is due now.
    Retry,
    /// They are withdrawn from recipients that were not served.
    Delete,
    /// They get another priority.
    Reprioritize,
    /// They are not tried before another time.
    Schedule,
}

/// What is to be done to which messages.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// What.
    action: Action,
    /// To which; with nothing in it to all that wait.
    #[serde(deserialize_with = "object")]
    filter: FilterDocument,
    /// Why they are held, for `hold`; may be empty, and what is beyond 200 characters is cut.
    #[serde(default)]
    reason: String,
    /// The priority, for `reprioritize`.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 5)]
    priority: Option<u8>,
    /// The time, for `schedule`, like `2026-11-26T09:00:00Z`; null: now.
    #[serde(default)]
    #[schema(format = DateTime)]
    send_at: Option<String>,
    /// True: nothing is done, the answer tells how much it would concern.
    #[serde(default)]
    dry_run: bool,
}

/// How much it concerned.
#[derive(Serialize, ToSchema)]
pub struct ConcernedDocument {
    /// Messages.
    messages: u64,
    /// Their recipients that were still to be served.
    recipients: u64,
    /// Whether nothing was done.
    dry_run: bool,
    /// Whether there may be more: too many to count at once, or what is done goes on.
    is_at_least: bool,
}

/// How much waits.
#[derive(Serialize, ToSchema)]
pub struct CountsDocument {
    /// Messages that wait for their first attempt.
    queued: u64,
    /// Those that were tried and will be again.
    deferred: u64,
    /// Those that wait for the time that their sender asked for.
    scheduled: u64,
    /// Those that wait to be released.
    held: u64,
    /// All of them by priority, from 1 to 5.
    #[schema(min_items = 5, max_items = 5)]
    by_priority: Vec<u64>,
    /// Whether only the newest were counted, for there are many.
    is_at_least: bool,
    /// How a backlog gets less; null when nothing waits for its turn.
    progress: Option<ProgressDocument>,
    /// Changes that go on.
    changes: Vec<ChangeDocument>,
}

/// How a backlog gets less.
#[derive(Serialize, ToSchema)]
pub struct ProgressDocument {
    /// Messages that wait for their turn.
    left: u64,
    /// Whether there may be more.
    is_at_least: bool,
    /// Messages finished a minute, by the last one.
    per_minute: u64,
    /// When it is done at this pace; null when nothing moves.
    done_at: Option<String>,
}

/// A change that goes on.
#[derive(Serialize, ToSchema)]
pub struct ChangeDocument {
    /// What is done.
    what: String,
    /// By whom.
    by: String,
    /// Messages that it is done to by now.
    messages: u64,
}

impl FilterDocument {
    fn selected(self) -> Result<Selected, Problem> {
        if let Some(ids) = self.ids {
            let ids = ids.iter().map(|id| message_id(id));
            return Ok(Selected::These(ids.collect::<Result<_, _>>()?));
        }
        Ok(Selected::Found(QueueQuery {
            user: self.user.unwrap_or_default(),
            sender: self.sender.unwrap_or_default(),
            domain: self.recipient_domain.unwrap_or_default(),
            priority: number(self.priority),
            status: self.status.unwrap_or_default(),
            age: self.age.unwrap_or_default(),
            before: String::new(),
        }))
    }
}

impl Waiting {
    fn query(self) -> Result<QueueQuery, Problem> {
        let before = page::cursor(self.cursor.as_deref())?.map(QueueId::from_i64);
        Ok(QueueQuery {
            user: self.user.unwrap_or_default(),
            sender: self.sender.unwrap_or_default(),
            domain: self.recipient_domain.unwrap_or_default(),
            priority: number(self.priority),
            status: self.status.unwrap_or_default(),
            age: self.age.unwrap_or_default(),
            before: before.map(|id| id.to_string()).unwrap_or_default(),
        })
    }
}

fn number(number: Option<u8>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// What is to be done. What cannot be is refused also where the action has no use for it.
fn command(order: &OrderRequest) -> Result<Command, ServiceError> {
    let send_at = send_at(order.send_at.as_deref())?;
    let wrong = || ServiceError::invalid("priority", "use a number from 1 to 5");
    let priority = order.priority.map(i64::from);
    let priority = priority.map(|number| Priority::from_number(number).ok_or_else(wrong));
    let priority = priority.transpose()?;
    Ok(match order.action {
        Action::Release => Command::Release,
        Action::Retry => Command::Retry,
        Action::Delete => Command::Delete,
        Action::Hold => Command::Hold(order.reason.clone()),
        Action::Reprioritize => Command::Reprioritize(priority.ok_or_else(wrong)?),
        Action::Schedule => Command::Schedule(send_at.unwrap_or_else(Timestamp::now)),
    })
}

const fn concerned(concerned: Concerned, dry_run: bool, is_at_least: bool) -> ConcernedDocument {
    ConcernedDocument {
        messages: concerned.messages,
        recipients: concerned.recipients,
        dry_run,
        is_at_least,
    }
}

fn counts(
    counts: &QueueCounts,
    progress: Option<Progress>,
    running: Vec<Running>,
) -> CountsDocument {
    let census = &counts.census;
    let progress = progress.map(|progress| ProgressDocument {
        left: progress.left,
        is_at_least: progress.is_at_least,
        per_minute: progress.per_minute,
        done_at: progress.done_at.map(|at| at.to_string()),
    });
    let change = |running: Running| ChangeDocument {
        what: running.command.kind().to_string(),
        by: running.by,
        messages: running.done.messages,
    };
    CountsDocument {
        queued: census.queued,
        deferred: census.deferred,
        scheduled: census.scheduled,
        held: census.held,
        by_priority: census.by_priority.to_vec(),
        is_at_least: census.is_cut,
        progress,
        changes: running.into_iter().map(change).collect(),
    }
}

async fn waiting(
    api: &Api,
    Reader(caller): Reader,
    list: Option<i64>,
    waiting: Waiting,
) -> Result<Json<Page<MessageDocument>>, Problem> {
    let query = waiting.query()?;
    let found = api.service.queue_page(&caller.actor, list, &query).await;
    let found = match found {
        // It stood behind the `?`, not in a document.
        Err(ServiceError::Invalid(invalid)) => {
            return Err(Problem::new(StatusCode::BAD_REQUEST, invalid.to_string()));
        }
        found => found?,
    };
    let messages = found.messages.iter();
    Ok(Json(Page {
        items: messages.map(|(summary, _)| accepted(summary)).collect(),
        next: found.next.map(|id| page::cursor_of(id.as_i64())),
    }))
}

async fn counted(
    api: &Api,
    Reader(caller): Reader,
    list: Option<i64>,
) -> Result<Json<CountsDocument>, Problem> {
    let (service, actor) = (&api.service, &caller.actor);
    let found = service.queue_counts(actor, list).await?;
    let progress = service.queue_progress(list, &found).await?;
    let running = service.running_changes(actor, list);
    Ok(Json(counts(&found, progress, running)))
}

async fn change(
    api: &Api,
    caller: &Caller,
    list: Option<i64>,
    order: OrderRequest,
) -> Result<Json<ConcernedDocument>, Problem> {
    let (service, actor) = (&api.service, &caller.actor);
    // What is not theirs is not found, whatever the document says.
    service.reach_queue(actor, list).await?;
    let command = command(&order)?;
    let selected = order.filter.selected()?;
    if order.dry_run {
        let counted = service.would_change(actor, list, &selected, &command);
        let counted = counted.await?;
        return Ok(Json(concerned(counted.concerned, true, counted.is_cut)));
    }
    let changed = service.change(actor, list, &selected, command).await?;
    Ok(Json(match changed {
        Changed::Done(done) => concerned(done, false, false),
        Changed::GoesOn(done) => concerned(done, false, true),
    }))
}

/// Lists all messages that wait
///
/// The newest first. Needs a token of an operator that is not narrowed to lists.
#[utoipa::path(
    get,
    path = "/queue",
    operation_id = "list_queue",
    tag = "Queue",
    params(Waiting),
    responses(
        (status = 200, description = "A page of messages", body = Page<MessageDocument>),
        Refused,
        BadRequest,
    )
)]
pub async fn all(
    State(api): State<Api>,
    reader: Reader,
    Query(query): Query<Waiting>,
) -> Result<Json<Page<MessageDocument>>, Problem> {
    waiting(&api, reader, None, query).await
}

/// Lists the messages of a list that wait
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/lists/{list}/queue",
    operation_id = "list_queue_of_list",
    tag = "Queue",
    params(("list" = i64, Path, description = "The number of the list"), Waiting),
    responses(
        (status = 200, description = "A page of messages", body = Page<MessageDocument>),
        Refused,
        NotThere,
        BadRequest,
    )
)]
pub async fn of_list(
    State(api): State<Api>,
    reader: Reader,
    Path(list): Path<i64>,
    Query(query): Query<Waiting>,
) -> Result<Json<Page<MessageDocument>>, Problem> {
    waiting(&api, reader, Some(list), query).await
}

/// Counts all messages that wait
///
/// And tells how a backlog gets less. Needs a token of an operator that is not narrowed to lists.
#[utoipa::path(
    get,
    path = "/queue/counts",
    operation_id = "count_queue",
    tag = "Queue",
    responses(
        (status = 200, description = "How much waits", body = CountsDocument),
        Refused,
    )
)]
pub async fn count(
    State(api): State<Api>,
    reader: Reader,
) -> Result<Json<CountsDocument>, Problem> {
    counted(&api, reader, None).await
}

/// Counts the messages of a list that wait
///
/// And tells how a backlog gets less.
#[utoipa::path(
    get,
    path = "/lists/{list}/queue/counts",
    operation_id = "count_queue_of_list",
    tag = "Queue",
    params(("list" = i64, Path, description = "The number of the list")),
    responses(
        (status = 200, description = "How much waits", body = CountsDocument),
        Refused,
        NotThere,
    )
)]
pub async fn count_of_list(
    State(api): State<Api>,
    reader: Reader,
    Path(list): Path<i64>,
) -> Result<Json<CountsDocument>, Problem> {
    counted(&api, reader, Some(list)).await
}

/// Does something to messages that wait
///
/// Holds, releases, retries, deletes, reprioritizes or schedules those of the filter that it can be done to. What is
/// being sent at this moment may still arrive; what takes long goes on after the answer. Needs a token of an operator
/// that is not narrowed to lists.
#[utoipa::path(
    post,
    path = "/orders",
    operation_id = "order",
    tag = "Queue",
    request_body = OrderRequest,
    responses(
        (status = 200, description = "How much it concerned", body = ConcernedDocument),
        Refused,
        NotThere,
        BadDocument,
        Contradiction,
    )
)]
pub async fn order(
    State(api): State<Api>,
    Writer(caller): Writer,
    Document(order): Document<OrderRequest>,
) -> Result<Json<ConcernedDocument>, Problem> {
    change(&api, &caller, None, order).await
}

/// Does something to messages of a list that wait
///
/// Holds, releases, retries, deletes, reprioritizes or schedules those of the filter that it can be done to. What is
/// being sent at this moment may still arrive; what takes long goes on after the answer.
#[utoipa::path(
    post,
    path = "/lists/{list}/orders",
    operation_id = "order_of_list",
    tag = "Queue",
    params(("list" = i64, Path, description = "The number of the list")),
    request_body = OrderRequest,
    responses(
        (status = 200, description = "How much it concerned", body = ConcernedDocument),
        Refused,
        NotThere,
        BadDocument,
        Contradiction,
    )
)]
pub async fn order_of_list(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(list): Path<i64>,
    Document(order): Document<OrderRequest>,
) -> Result<Json<ConcernedDocument>, Problem> {
    change(&api, &caller, Some(list), order).await
}
