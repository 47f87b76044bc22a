//! Decides who is served next and when a recipient is tried again. Opens no sockets; `delivery` does.
//!
//! [`plan`] orders what is due and [`retry`] judges outcomes; both are pure. Around them, workers
//! carry jobs, one connection each, and ask the plan after every message for the most urgent next
//! one; a recorder commits outcomes through `store` while the workers go on. What the
//! sender is to be told is written by `bounce`.
//!
//! On a store that several nodes share, a node sends what it has claimed (`claims`), while its lease lasts (`tenure`).

mod claims;
mod config;
mod flight;
mod holdings;
mod idle;
mod keeper;
mod limits;
mod notices;
mod orders;
pub mod plan;
mod precedence;
mod reading;
mod recorder;
pub mod retry;
mod shell;
mod steering;
mod suppression;
mod tenure;
mod worker;

use std::sync::Arc;

pub use self::config::{Config, NodeConfig};
use self::plan::{Counts, Unreachable};
pub use self::plan::{Health, Trouble};
use self::shell::Shared;
pub use self::tenure::Facts;
use crate::delivery::Delivery;
use crate::id::{QueueId, QueueIds};
use crate::queue::OpenMessage;
use crate::store::Store;

/// What a scheduler works with.
pub struct Setup {
    /// The section `[scheduler]`.
    pub config: Config,
    /// Where outcomes are recorded and the queue is read from.
    pub store: Store,
    /// What makes the attempts.
    pub delivery: Arc<Delivery>,
    /// Hands out the identifiers of notifications; the same that intake uses.
    pub ids: Arc<QueueIds>,
    /// This relay's domain name, for notifications.
    pub hostname: String,
    /// What other nodes are told of this process, where it has joined a shared store.
    pub facts: Option<Facts>,
    /// The section `[node]`.
    pub node: NodeConfig,
    /// The newest order of an administrator before the first message is taken in; later ones are followed.
    pub newest_order: i64,
}

/// A picture of the queue as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Sending is stopped.
    pub is_paused: bool,
    /// The queue is still being read from the store.
    pub is_loading: bool,
    /// Messages by priority and state; one that goes to several destinations counts for each.
    pub counts: Counts,
    /// Destinations that cannot be reached at present.
    pub unreachable: Vec<Unreachable>,
}

/// A handle on the scheduler; all clones are one scheduler.
#[derive(Clone)]
pub struct Scheduler {
    shared: Arc<Shared>,
}

impl Scheduler {
    /// Starts sending what the store holds. Ids from `setup.ids` must not have been given to messages
    /// in the store that are not to be submitted: what is newer than this call is expected by
    /// [`Scheduler::submit`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(setup: Setup) -> Self {
        Self {
            shared: shell::start(setup),
        }
    }

    /// Takes over a message that the store has committed; it is tried at once if there is a slot.
    pub fn submit(&self, message: OpenMessage) {
        self.shared.submit(message);
    }

    /// Stops all sending. Transactions that run are finished.
    pub fn pause(&self) {
        self.shared.pause();
    }

    /// Starts sending again.
    pub fn resume(&self) {
        self.shared.resume();
    }

    /// Makes a message due now. False when it does not wait: unknown, finished or being tried.
    pub fn hurry(&self, id: QueueId) -> bool {
        self.shared.hurry(id)
    }

    /// Forgets a message that was cancelled. False when it does not wait.
    pub fn withdraw(&self, id: QueueId) -> bool {
        self.shared.withdraw(id)
    }

    /// How the queue stands.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// How long mail waits that is due, and where nothing arrives.
    pub fn health(&self) -> Health {
        self.shared.health()
    }

    /// Stops starting, waits for what runs and for its outcomes to be recorded, each for the
    /// configured time at most.
    ///
    /// # Cancel safety
    /// A cancelled shutdown ends the transactions that run.
    pub async fn shutdown(&self) {
        self.shared.shutdown().await;
    }
}

#[cfg(test)]
mod tests;
