//! Brings what policies count into the store, and back after a restart.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use crate::clock::Timestamp;
use crate::config::Config;
use crate::policy::{Counters, Resources};
use crate::shutdown::Shutdown;
use crate::store::{Store, StoreError};

/// Between two writes: what a crash may forget. A second, so that counting costs no commit of its own.
const INTERVAL: Duration = Duration::from_secs(1);

/// How far back other nodes' counts are looked for. Default 10 s: a commit that took long, and a look that failed, are
/// made up for.
const LOOKED_BACK: Duration = Duration::from_secs(10);

/// What the policies of a relay so configured share, with nothing counted yet.
pub fn resources(config: &Config) -> Resources {
    let routes = config.delivery.route.iter().map(|route| route.name.clone());
    Resources {
        counters: Arc::new(Counters::new(config.policy.counters_per_policy)),
        routes: routes.collect(),
    }
}

/// Takes in what was counted before.
pub(super) async fn restore(counters: &Counters, store: &Store) -> Result<(), StoreError> {
    counters.restore(store.policy_counts(Timestamp::now()).await?);
    Ok(())
}

/// Writes what is counted, until the shutdown is announced; see [`write`] for the rest.
pub(super) async fn run(counters: Arc<Counters>, store: Store, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => write(&counters, &store).await,
            () = shutdown.announced() => return,
        }
        if store.is_shared() {
            adopt(&counters, &store).await;
        }
    }
}

/// Takes in what the policies of other nodes have counted.
async fn adopt(counters: &Counters, store: &Store) {
    match store
        .policy_counts_since(Timestamp::now() - LOOKED_BACK)
        .await
    {
        Ok(stored) => counters.adopt(stored),
        Err(error) => {
            warn!(%error, "what policies of other nodes count cannot be read; trying again")
        }
    }
}

/// Writes what was counted since the last time; what cannot be written now is written the next time.
pub(super) async fn write(counters: &Counters, store: &Store) {
    let pending = counters.take_pending();
    if let Err(error) = store.add_counts(pending.clone()).await {
        warn!(%error, "what policies count cannot be stored; trying again");
        counters.put_back(pending);
    }
}
