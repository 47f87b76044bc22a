//! The policies: what is in force, what it may do and costs, what it decided lately, and the last reload.

use std::time::Duration;

use super::{Service, ServiceError, only_operators};
use crate::clock::Timestamp;
use crate::decision::{Lately, Price, ShadowCount};
use crate::operators::Actor;
use crate::policy::{DefaultDecision, PolicyConfig, PolicyInfo};
use crate::store::ReloadOutcome;

/// How far back decisions are summed up.
const LATELY: Duration = Duration::from_secs(86_400);
/// Decisions that are summed up, the newest. Default 2,000: some 10 ms.
const MAX_DECISIONS: u32 = 2000;

/// Everything that is told of the policies.
#[derive(Clone, Debug)]
pub struct PolicyReport {
    /// The number of the set in force.
    pub generation: u64,
    /// What happens to a message on which no policy has an opinion.
    pub default: DefaultDecision,
    /// The policies in the order they are asked, those that are off included.
    pub chain: Vec<ChainEntry>,
    /// What was decided lately.
    pub lately: Lately,
    /// True when only the newest decisions were summed up.
    pub is_cut: bool,
    /// What came of the last reload.
    pub reload: Option<ReloadOutcome>,
    /// True while a reload is asked for and not answered.
    pub is_reloading: bool,
}

/// One policy of the chain.
#[derive(Clone, Debug)]
pub struct ChainEntry {
    /// What the configuration says of it.
    pub config: PolicyConfig,
    /// What is known of it; none when it is off.
    pub info: Option<PolicyInfo>,
    /// What it cost lately.
    pub price: Option<Price>,
    /// How it would have decided, in shadow.
    pub shadow: Option<ShadowCount>,
}

impl Service {
    /// What is in force, and what it did.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`].
    pub async fn policy_report(&self, actor: &Actor) -> Result<PolicyReport, ServiceError> {
        only_operators(actor)?;
        let since = Timestamp::now() - LATELY;
        let glimpses = self.store().glimpses(since, MAX_DECISIONS).await?;
        let lately = Lately::of(&glimpses);
        let set = self.rooms.policies.current();
        let entry = |(config, info): (&PolicyConfig, Option<&PolicyInfo>)| ChainEntry {
            price: lately.policies.get(&config.name).copied(),
            shadow: lately.shadows.get(&config.name).cloned(),
            config: config.clone(),
            info: info.cloned(),
        };
        Ok(PolicyReport {
            generation: set.generation(),
            default: set.default_decision(),
            chain: set.entries().map(entry).collect(),
            is_cut: glimpses.len() >= MAX_DECISIONS as usize,
            lately,
            reload: self.store().last_reload().await?,
            is_reloading: self.store().requested_reload().await?.is_some(),
        })
    }

    /// Has configuration, certificates and policies read again; what comes of it is in the report.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`].
    pub async fn ask_for_reload(&self, actor: &Actor) -> Result<(), ServiceError> {
        only_operators(actor)?;
        self.store().request_reload().await?;
        tracing::info!(by = actor.name, "a reload was asked for in the panel");
        Ok(())
    }
}
