//! Keeps the store tidy: finished messages are kept for a while, then removed.

use std::time::Duration;

use tracing::{info, warn};

use crate::clock::Timestamp;
use crate::decision::Retention;
use crate::policy;
use crate::shutdown::Shutdown;
use crate::store::{Config, Store};

/// Between two rounds. Default ten minutes: what is recorded in that time is little beside its limits.
const INTERVAL: Duration = Duration::from_secs(600);

/// Runs until the shutdown is announced.
pub async fn run(store: Store, config: Config, policy: policy::Config, shutdown: Shutdown) {
    loop {
        let now = Timestamp::now();
        match store.purge(now - days(config.keep_finished_days)).await {
            Ok(0) => {}
            Ok(removed) => info!(removed, "finished messages removed"),
            Err(error) => warn!(%error, "finished messages cannot be removed"),
        }
        match store.purge_decisions(retention(&policy, now)).await {
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

fn retention(policy: &policy::Config, now: Timestamp) -> Retention {
    Retention {
        decisions_before: now - days(policy.decisions.keep_days),
        max_decisions: policy.decisions.max_rows,
        requests_before: now - days(policy.record.keep_days),
        max_request_octets: u64::from(policy.record.max_mib) << 20,
    }
}

fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}
