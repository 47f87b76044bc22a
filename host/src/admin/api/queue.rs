//! What may be done to messages that wait.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::access::Writer;
use super::messages::FilterDocument;
use super::problem::Problem;
use super::refusals::{BadDocument, NotThere, Refused};
use super::request::{Document, Path};
use crate::queue::{Command, Priority};

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
}

/// What is to be done to which messages.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// What.
    action: Action,
    /// To which; with nothing in it to all messages of the list.
    filter: FilterDocument,
    /// Why they are held, for `hold`.
    #[serde(default)]
    #[schema(max_length = 200)]
    reason: String,
    /// The priority, for `reprioritize`.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 5)]
    priority: Option<u8>,
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
}

fn command(order: &OrderRequest) -> Result<Command, Problem> {
    let missing = |detail: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    Ok(match order.action {
        Action::Release => Command::Release,
        Action::Retry => Command::Retry,
        Action::Delete => Command::Delete,
        Action::Hold => {
            let is_usable = (1..=200).contains(&order.reason.chars().count())
                && !order.reason.chars().any(char::is_control);
            if !is_usable {
                return Err(missing("`reason` is one line of 1 to 200 characters"));
            }
            Command::Hold(order.reason.clone())
        }
        Action::Reprioritize => {
            let number = order.priority.map(i64::from);
            let priority = number.and_then(Priority::from_number);
            let priority = priority.ok_or_else(|| missing("`priority` is a number from 1 to 5"));
            Command::Reprioritize(priority?)
        }
    })
}

/// Does something to messages of a list
///
/// Holds, releases, retries, deletes or reprioritizes those of the filter that it can be done to. What is being sent at
/// this moment may still arrive.
#[utoipa::path(
    post,
    path = "/lists/{list}/orders",
    operation_id = "order",
    tag = "Messages",
    params(("list" = i64, Path, description = "The number of the list")),
    request_body = OrderRequest,
    responses(
        (status = 200, description = "How much it concerned", body = ConcernedDocument),
        Refused,
        NotThere,
        BadDocument,
    )
)]
pub async fn order(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(list): Path<i64>,
    Document(order): Document<OrderRequest>,
) -> Result<Json<ConcernedDocument>, Problem> {
    let command = command(&order)?;
    let (service, dry_run) = (&api.service, order.dry_run);
    let filter = order.filter.filter()?;
    let concerned = match dry_run {
        true => {
            service
                .would_concern(&caller.actor, list, filter, &command)
                .await?
        }
        false => {
            service
                .order_of_list(&caller.actor, list, filter, &command)
                .await?
        }
    };
    Ok(Json(ConcernedDocument {
        messages: concerned.messages,
        recipients: concerned.recipients,
        dry_run,
    }))
}
