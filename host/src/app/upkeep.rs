//! Keeps the store tidy: finished messages are kept for a while, their content is not.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::clock::Timestamp;
use crate::policy::Policies;
use crate::shutdown::Shutdown;
use crate::store::{Config, Store};

/// Between two rounds. Default ten minutes: what is recorded in that time is little beside its limits.
const INTERVAL: Duration = Duration::from_secs(600);
/// Between two looks for content that nobody needs. Default a second: of busy minutes little more is kept than waits.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// How many times as long as a look took the next one is away, at least. Default 50: a long queue costs the fiftieth of
/// a core.
const SWEEP_REST: u32 = 50;

/// Runs until the shutdown is announced.
pub async fn run(store: Store, config: Config, policies: Policies, shutdown: Shutdown) {
    loop {
        if store.is_elected() {
            tidy(&store, &config, &policies).await;
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = shutdown.announced() => return,
        }
    }
}

/// Of the nodes of a shared store one does it.
async fn tidy(store: &Store, config: &Config, policies: &Policies) {
    let now = Timestamp::now();
    match store.purge(now - days(config.keep_finished_days)).await {
        Ok(0) => {}
        Ok(removed) => info!(removed, "finished messages removed"),
        Err(error) => warn!(%error, "finished messages cannot be removed"),
    }
    let retention = policies.current().retention(now);
    match store.purge_decisions(retention).await {
        Ok(0) => {}
        Ok(removed) => info!(removed, "old decisions of the policies removed"),
        Err(error) => warn!(%error, "old decisions of the policies cannot be removed"),
    }
}

/// Removes the content of what was delivered, until the shutdown is announced.
pub async fn sweep(store: Store, shutdown: Shutdown) {
    let mut is_told = false;
    loop {
        let began = Instant::now();
        let swept = store.sweep_content().await;
        if let Err(error) = &swept
            && !is_told
        {
            warn!(%error, "content of finished messages cannot be removed; it is tried again");
        }
        is_told = swept.is_err();
        let pause = SWEEP_INTERVAL.max(began.elapsed() * SWEEP_REST);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.announced() => return,
        }
    }
}

fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}
