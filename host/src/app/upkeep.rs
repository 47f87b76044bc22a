//! Keeps the store tidy: finished messages are kept for a while, then removed.

use std::time::Duration;

use tracing::{info, warn};

use crate::clock::Timestamp;
use crate::policy::Policies;
use crate::shutdown::Shutdown;
use crate::store::{Config, Store};

/// Between two rounds. Default ten minutes: what is recorded in that time is little beside its limits.
const INTERVAL: Duration = Duration::from_secs(600);

/// Runs until the shutdown is announced.
pub async fn run(store: Store, config: Config, policies: Policies, shutdown: Shutdown) {
    loop {
        let now = Timestamp::now();
        match store.purge(now - days(config.keep_finished_days)).await {
            Ok(0) => {}
            Ok(removed) => info!(removed, "finished messages removed"),
            Err(error) => warn!(%error, "finished messages cannot be removed"),
        }
        match store
            .purge_decisions(policies.current().retention(now))
            .await
        {
            Ok(0) => {}
            Ok(removed) => info!(removed, "old decisions of the policies removed"),
            Err(error) => warn!(%error, "old decisions of the policies cannot be removed"),
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = shutdown.announced() => return,
        }
    }
}

fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}
