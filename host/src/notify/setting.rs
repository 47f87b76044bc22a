//! What people set and try out by hand: webhooks, and alerts that test the way.

use crate::accounts::password;
use crate::alert::{EVENT_KINDS, EventKind, EventSet, Kind, NewAlert, Severity, Webhook};
use crate::clock::Timestamp;
use crate::event;
use crate::fetch::Target;
use crate::secret::Secret;
use crate::store::{Store, StoreError};

/// What is changed of a webhook; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct HookChange {
    /// Where it leads.
    pub url: Option<String>,
    /// What is posted; at first, everything.
    pub events: Option<EventSet>,
    /// It gets another key for its signatures; at first it gets one in any case.
    pub new_secret: bool,
}

/// Why a webhook was not changed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// There is none yet, and no URL for one.
    #[error("there is no webhook yet; name its URL")]
    NoUrl,
    /// The URL cannot be posted to.
    #[error("{0}")]
    Url(String),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes the webhook of a list, or of the whole relay; returns its key when that is new.
///
/// # Errors
/// When the URL cannot be, or the store does not answer.
pub async fn change_webhook(
    store: &Store,
    list_id: Option<i64>,
    change: HookChange,
) -> Result<Option<Secret<String>>, HookError> {
    let known = store.webhook(list_id).await?;
    let known_url = || known.as_ref().map(|hook| hook.url.clone());
    let url = change.url.or_else(known_url).ok_or(HookError::NoUrl)?;
    Target::parse(&url).map_err(HookError::Url)?;
    let (secret, fresh) = match &known {
        Some(hook) if !change.new_secret => (hook.secret.clone(), None),
        _ => {
            let fresh = password::generate();
            (fresh.clone(), Some(fresh))
        }
    };
    let all = EVENT_KINDS.into_iter().collect();
    let known_events = known.as_ref().map_or(all, |hook| hook.events);
    let hook = Webhook {
        list_id,
        url,
        secret,
        events: change.events.unwrap_or(known_events),
        created_at: Timestamp::now(),
    };
    store.set_webhook(hook).await?;
    Ok(fresh)
}

/// Raises an alert of the kind `test` for a list, or for the whole relay, and an event of its own for a webhook that
/// wants no alerts.
///
/// # Errors
/// When the store does not answer.
pub async fn raise_test(store: &Store, list: Option<(i64, &str)>) -> Result<(), StoreError> {
    let (id, now) = (list.map(|(id, _)| id), Timestamp::now());
    let summary = "this is a test of the alert settings; nothing is wrong".to_owned();
    let alert = NewAlert::new(Kind::Test, Severity::Info, summary, now);
    store
        .raise(vec![alert.of(id, "").keyed(now.to_string())])
        .await?;
    let hook = store.webhook(id).await?;
    if hook.is_some_and(|hook| !hook.events.has(EventKind::Alert)) {
        let ping = event::ping(id, list.map_or("", |(_, name)| name), now);
        store.tell_by_webhook(vec![ping], Vec::new(), now).await?;
    }
    Ok(())
}
