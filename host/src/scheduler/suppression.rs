//! Recipients that are known not to exist: they are not tried where their list remembers them.

use std::sync::Arc;

use super::recorder::{Finished, recipient};
use super::shell::Shared;
use crate::causes::with_causes;
use crate::clock::Timestamp;
use crate::queue::{
    Destination, OpenMessage, OpenRecipient, RecipientStatus, RecordedAttempt, RemoteReply,
    Suppression, address_key,
};
use crate::store::StoreError;

/// Looks which lists remember them; what the store says now holds from now on.
pub(super) async fn look_for_lists(shared: &Arc<Shared>) -> Result<(), StoreError> {
    let lists = shared.store.suppressing_lists().await?;
    let lists = lists.into_iter().collect();
    let before = std::mem::replace(&mut shared.lock().suppressing, lists);
    let lists = shared.lock().suppressing.clone();
    for (id, list) in &lists {
        if !before.contains_key(id) {
            tracing::info!(list, "the list remembers recipients that do not exist");
        }
    }
    Ok(())
}

/// Takes out of a message the recipients that its list knows not to exist; they have failed without an attempt.
pub(super) async fn take_known(
    shared: &Arc<Shared>,
    message: &mut OpenMessage,
    destination: &Destination,
) -> Option<Finished> {
    let list_id = message.meta.list_id?;
    let list = shared.lock().suppressing.get(&list_id).cloned()?;
    let addresses: Vec<_> = message.recipients.iter().map(|one| &one.mailbox).collect();
    let known = match shared.store.suppressions_of(list_id, &addresses).await {
        Ok(known) if known.is_empty() => return None,
        Ok(known) => known,
        Err(error) => {
            // It would only fail later.
            tracing::warn!(queue.id = %message.id, error = %with_causes(&error), "cannot read a suppression list");
            return None;
        }
    };
    let of = |one: &OpenRecipient| {
        let key = address_key(&one.mailbox);
        known.iter().find(|it| address_key(&it.address) == key)
    };
    let mut part = message.clone();
    part.recipients.retain(|one| of(one).is_some());
    message.recipients.retain(|one| of(one).is_none());
    let replies = part.recipients.iter().filter_map(of);
    let replies: Vec<RemoteReply> = replies.map(|known| words(known, &list)).collect();
    Some(Finished::suppressed(part, destination.clone(), replies))
}

/// What the sender is told.
fn words(known: &Suppression, list: &str) -> RemoteReply {
    let (at, reply) = (known.at.to_whole_seconds(), &known.reply);
    RemoteReply {
        code: 0,
        text: format!(
            "5.1.1 not tried: the address is on the suppression list of the list {list} since {at}, because it \
             was refused for good: {reply}"
        ),
    }
}

/// Remembers those that were refused because they do not exist, where their list wants it.
pub(super) async fn remember(
    shared: &Arc<Shared>,
    message: &OpenMessage,
    recorded: &[RecordedAttempt],
) {
    let Some(list_id) = message.meta.list_id else {
        return;
    };
    if !shared.lock().suppressing.contains_key(&list_id) {
        return;
    }
    let failed = recorded.iter().filter(|one| {
        one.status == RecipientStatus::Failed && one.attempt.outcome.reply().is_unknown_recipient()
    });
    for one in failed {
        let Some(to) = recipient(message, one.attempt.recipient) else {
            continue;
        };
        let suppression = Suppression {
            list_id,
            address: to.mailbox.clone(),
            message: message.id,
            reply: one.attempt.outcome.reply().to_string(),
            at: Timestamp::now(),
        };
        if let Err(error) = shared.store.suppress(suppression).await {
            tracing::warn!(queue.id = %message.id, error = %with_causes(&error), "a bounced recipient is not remembered");
        }
    }
}
