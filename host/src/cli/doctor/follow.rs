//! Follows the test message in this machine's store until the next hop has said something.

use std::time::{Duration, Instant};

use super::finding::Finding;
use crate::config::Config;
use crate::id::QueueId;
use crate::queue::{MessageDetails, MessageStatus};
use crate::store::{Store, StoreError};

/// Time between two looks. Default 200 ms: soon for a person, rare for the store.
const STEP: Duration = Duration::from_millis(200);
const CHECK: &str = "delivery";

/// Waits up to `patience` for the first outcome.
pub async fn follow(config: &Config, id: QueueId, patience: Duration) -> Finding {
    let last = match watch(config, id, patience).await {
        Ok(last) => last,
        Err(error) => {
            let detail = format!("{id} cannot be followed: {error}");
            let fix = format!("as the relay's user: gatepost queue show {id}");
            return Finding::warning(CHECK, detail).fix(fix);
        }
    };
    match last {
        Some(message) => judge(id, &message),
        None => Finding::warning(CHECK, format!("{id} is not in this machine's store"))
            .fix("name the configuration of the running relay with --config FILE"),
    }
}

async fn watch(
    config: &Config,
    id: QueueId,
    patience: Duration,
) -> Result<Option<MessageDetails>, StoreError> {
    let store = Store::open(&config.store).await?;
    let end = Instant::now() + patience;
    let last = loop {
        let message = store.message(id).await?;
        let status = message.as_ref().map(|it| it.summary.status());
        if status != Some(MessageStatus::Queued) || Instant::now() >= end {
            break message;
        }
        tokio::time::sleep(STEP).await;
    };
    store.close().await;
    Ok(last)
}

fn judge(id: QueueId, message: &MessageDetails) -> Finding {
    let status = message.summary.status();
    let said = message.attempts.last().map_or_else(
        || "nobody was asked yet".to_owned(),
        |attempt| format!("{} said: {}", attempt.next_hop, attempt.outcome.reply()),
    );
    let detail = format!("{id} is {status}; {said}");
    match status {
        MessageStatus::Delivered => Finding::ok(CHECK, detail),
        MessageStatus::Queued => Finding::warning(CHECK, detail).fix(format!(
            "more urgent mail may be first: look later with `gatepost queue show {id}`"
        )),
        MessageStatus::Deferred => Finding::warning(CHECK, detail).fix(format!(
            "check [delivery]: host, port, tls, username; it is tried again: `gatepost queue show {id}`"
        )),
        _ => Finding::failed(CHECK, detail)
            .fix("read what the next hop said; check the recipient and [delivery]"),
    }
}
