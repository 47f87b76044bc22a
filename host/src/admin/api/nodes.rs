//! The relays that share the store, for programs that watch them.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::access::Reader;
use super::problem::Problem;
use super::refusals::Refused;
use crate::admin::service::NodeReport;
use crate::store::Node;

/// The relays that share the store.
#[derive(Serialize, ToSchema)]
pub struct NodesDocument {
    /// The number of the one that answers; null when this relay has its store for itself.
    here: Option<i64>,
    /// Those that are alive, and those that ended within a day.
    nodes: Vec<NodeDocument>,
}

/// One of them.
#[derive(Serialize, ToSchema)]
pub struct NodeDocument {
    /// Its number: another one for each start.
    id: i64,
    /// Its name.
    name: String,
    /// `alive`; `late` when heartbeats are missing; `left` when it ended by itself, `lost` when it was silent too long.
    #[schema(example = "alive")]
    state: String,
    /// When it came.
    #[schema(format = DateTime)]
    started_at: String,
    /// When it ended; null while it is alive.
    ended_at: Option<String>,
    /// Milliseconds since its last heartbeat.
    silent_ms: i64,
    /// Recipients that it served a minute, lately.
    served_per_minute: i64,
    /// Messages that it has claimed.
    claims: i64,
    /// What it decides with: the SHA-256 of its policy set.
    policies: String,
    /// Whether it decides otherwise than most of the others.
    differs: bool,
    /// Its release.
    version: String,
}

fn document(report: &NodeReport) -> NodesDocument {
    let node = |node: &Node| NodeDocument {
        id: node.id,
        name: node.facts.name.clone(),
        state: node.state().to_owned(),
        started_at: node.started_at.to_string(),
        ended_at: node.ended.map(|(at, _)| at.to_string()),
        silent_ms: node.silent_ms,
        served_per_minute: node.rate,
        claims: node.claims,
        policies: node.facts.policies.clone(),
        differs: report.differs(node),
        version: node.facts.version.clone(),
    };
    NodesDocument {
        here: report.here,
        nodes: report.nodes.iter().map(node).collect(),
    }
}

/// Shows the relays that share the store
///
/// Empty when this relay has it for itself. Needs a token of an operator that is not narrowed to lists.
#[utoipa::path(
    get,
    path = "/nodes",
    operation_id = "show_nodes",
    tag = "Nodes",
    responses(
        (status = 200, description = "The nodes", body = NodesDocument),
        Refused,
    )
)]
pub async fn report(
    State(api): State<Api>,
    Reader(caller): Reader,
) -> Result<Json<NodesDocument>, Problem> {
    let report = api.service.node_report(&caller.actor).await?;
    Ok(Json(document(&report)))
}
