//! This process among the nodes that share a store.

use std::sync::Arc;

use tracing::info;

use crate::config::Config;
use crate::id::QueueIds;
use crate::policy::Policies;
use crate::scheduler::Facts;
use crate::store::{NodeFacts, Store, StoreError};

/// Joins the nodes of the store and hands out ids as one of them; returns what the others are told from then on. None
/// for a store of this machine alone.
pub(super) async fn join(
    config: &Config,
    store: &Store,
    policies: &Policies,
    ids: &Arc<QueueIds>,
) -> Result<Option<Facts>, StoreError> {
    if !store.is_shared() {
        return Ok(None);
    }
    let facts = facts(config, policies.clone());
    let node = store.join(facts()).await?;
    ids.of_node(node, store.clock_ahead_ms());
    info!(node, name = facts().name, "joined the nodes of the store");
    Ok(Some(facts))
}

fn facts(config: &Config, policies: Policies) -> Facts {
    let name = match config.node.name.as_str() {
        "" => config.hostname.clone(),
        name => name.to_owned(),
    };
    let panel = config.panel.named_url().unwrap_or_default().to_owned();
    Box::new(move || NodeFacts {
        name: name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        policies: policies.current().digest(),
        panel: panel.clone(),
    })
}
