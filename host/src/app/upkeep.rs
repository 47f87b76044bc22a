//! Keeps the store tidy: finished messages are kept for a while, then removed.

use std::time::Duration;

use tracing::{info, warn};

use crate::clock::Timestamp;
use crate::shutdown::Shutdown;
use crate::store::{Config, Store};

/// Between two rounds. Default an hour.
const INTERVAL: Duration = Duration::from_secs(3600);

/// Runs until the shutdown is announced.
pub async fn run(store: Store, config: Config, shutdown: Shutdown) {
    loop {
        let before =
            Timestamp::now() - Duration::from_secs(u64::from(config.keep_finished_days) * 86_400);
        match store.purge(before).await {
            Ok(0) => {}
            Ok(removed) => info!(removed, "finished messages removed"),
            Err(error) => warn!(%error, "finished messages cannot be removed"),
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = shutdown.announced() => return,
        }
    }
}
