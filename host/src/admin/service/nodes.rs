//! The nodes that share the store: who is there, what each holds, and which is not like the others.

use super::{Service, ServiceError, only_operators};
use crate::operators::Actor;
use crate::store::{Node, usual_policies};

/// Everything that is told of the nodes.
#[derive(Clone, Debug)]
pub struct NodeReport {
    /// Those that are alive, in the order in which they came, and then those that ended within a day, the last first.
    pub nodes: Vec<Node>,
    /// The number of the one that answers; none when this relay has the store for itself.
    pub here: Option<i64>,
    /// The policy set that most of them have.
    pub usual_policies: String,
}

impl NodeReport {
    /// Whether a node decides otherwise than most of the others.
    pub fn differs(&self, node: &Node) -> bool {
        node.ended.is_none() && node.facts.policies != self.usual_policies
    }
}

impl Service {
    /// Whether several relays may share the store.
    pub fn is_shared(&self) -> bool {
        self.store().is_shared()
    }

    /// Who shares the store.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`].
    pub async fn node_report(&self, actor: &Actor) -> Result<NodeReport, ServiceError> {
        only_operators(actor)?;
        let nodes = self.store().nodes().await?;
        Ok(NodeReport {
            usual_policies: usual_policies(&nodes).unwrap_or_default().to_owned(),
            here: self.store().node(),
            nodes,
        })
    }
}
