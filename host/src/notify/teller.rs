//! The task that tells of alerts: by mail as each list's settings say, by webhook at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{info, warn};

use super::Shared;
use super::letter::Letter;
use super::plan::{self, Limits, Plan};
use crate::alert::{Alert, AlertSettings};
use crate::causes::with_causes;
use crate::clock::Timestamp;
use crate::event;
use crate::queue::Priority;
use crate::shutdown::Shutdown;
use crate::store::{PendingAlert, StoreError, Told};

/// Between two looks whether another process has changed settings or raised alerts. 2 s: a person waits for it.
const LOOK: Duration = Duration::from_secs(2);
/// After something was raised, so that what happens together is told together.
const GATHER: Duration = Duration::from_millis(250);
/// How long mails are remembered for the limit by the hour.
const REMEMBERED: Duration = Duration::from_secs(2 * 3600);

/// Runs until the shutdown is announced.
pub(super) async fn run(shared: Arc<Shared>, shutdown: Shutdown) {
    tokio::select! {
        () = shutdown.announced() => {}
        // Whatever it is at is done in one commit, or not at all.
        () = tell_for_ever(&shared) => {}
    }
}

async fn tell_for_ever(shared: &Shared) {
    let store = &shared.setup.store;
    let (mut seen, mut next_at) = ((0, 0), Some(Timestamp::default()));
    loop {
        let generation = store.alerts_generation().await.unwrap_or(seen);
        if generation.0 != seen.0
            && let Err(error) = store.refresh_hooks().await
        {
            warn!(error = %with_causes(&error), "webhooks cannot be read");
        }
        // Of the nodes of a shared store one tells.
        let is_elected = store.is_elected();
        if !is_elected {
            (next_at, seen) = (Some(Timestamp::default()), generation);
        } else if generation != seen || next_at.is_some_and(|at| at <= Timestamp::now()) {
            next_at = match tell(shared).await {
                Ok(next_at) => next_at,
                Err(error) => {
                    warn!(error = %with_causes(&error), "alerts cannot be told; trying again");
                    Some(Timestamp::now() + LOOK)
                }
            };
            seen = generation;
        }
        let now = Timestamp::now();
        let next_at_here = next_at.filter(|_| is_elected);
        let wait = next_at_here.map_or(LOOK, |at| at.since(now).min(LOOK));
        tokio::select! {
            () = sleep(wait.max(GATHER)) => {}
            () = store.alert_raised() => {
                sleep(GATHER).await;
                next_at = Some(Timestamp::now());
            }
        }
    }
}

/// Tells what is due; returns when there may be more.
async fn tell(shared: &Shared) -> Result<Option<Timestamp>, StoreError> {
    let store = &shared.setup.store;
    let settings: HashMap<Option<i64>, AlertSettings> =
        store.all_alert_settings().await?.into_iter().collect();
    let mailed = by_mail(shared, &settings).await?;
    let posted = by_webhook(shared, &settings).await?;
    Ok(mailed.into_iter().chain(posted).min())
}

async fn by_mail(
    shared: &Shared,
    settings: &HashMap<Option<i64>, AlertSettings>,
) -> Result<Option<Timestamp>, StoreError> {
    let store = &shared.setup.store;
    let mut pending: HashMap<Option<i64>, Vec<PendingAlert>> = HashMap::new();
    for one in store.untold_alerts().await? {
        pending.entry(one.list_id).or_default().push(one);
    }
    if pending.is_empty() {
        return Ok(None);
    }
    let now = Timestamp::now();
    let mails = store.alert_mails(now - REMEMBERED).await?;
    let mut next_at = None;
    for (list, pending) in pending {
        let Some(settings) = settings.get(&list) else {
            continue;
        };
        let of_list = mails.iter().filter(|(of, _)| *of == list);
        let mails: Vec<Timestamp> = of_list.map(|(_, at)| *at).collect();
        let plan = plan::plan(settings, limits(shared), pending, &mails, now);
        next_at = next_at.into_iter().chain(plan.next_at).min();
        carry_out(shared, list, settings, plan, now).await?;
    }
    Ok(next_at)
}

fn limits(shared: &Shared) -> Limits {
    let config = &shared.setup.config;
    Limits {
        pause: config.pause(),
        per_hour: config.max_mails_per_hour as usize,
    }
}

async fn carry_out(
    shared: &Shared,
    list: Option<i64>,
    settings: &AlertSettings,
    plan: Plan,
    now: Timestamp,
) -> Result<(), StoreError> {
    let store = &shared.setup.store;
    if !plan.unwanted.is_empty() {
        store.skip_alerts(plan.unwanted).await?;
    }
    if plan.now.is_empty() {
        return Ok(());
    }
    let mut alerts: Vec<&Alert> = plan.now.iter().map(|one| &one.alert).collect();
    alerts.sort_by_key(|alert| {
        (
            std::cmp::Reverse(alert.severity),
            std::cmp::Reverse(alert.last_at),
        )
    });
    let told: Vec<Told> = plan.now.iter().map(plan::told).collect();
    let setup = &shared.setup;
    let name = plan.now.iter().find_map(|one| one.alert.list.as_deref());
    let sender = setup.config.sender.clone();
    let letter = Letter {
        id: setup.ids.next(),
        list: list.map(|id| (id, name.unwrap_or_default())),
        alerts,
        recipients: &settings.recipients,
        sender: &sender.unwrap_or_else(|| format!("postmaster@{}", setup.hostname)),
        priority: priority(shared),
        hostname: &setup.hostname,
        public_url: setup.public_url.as_deref(),
        now,
    };
    let Some(message) = letter.message().map(Arc::new) else {
        warn!(list, "alert settings name nobody who can be told");
        return store.skip_alerts(told).await;
    };
    let count = told.len();
    store
        .tell_by_mail(list, Arc::clone(&message), told, now)
        .await?;
    info!(queue.id = %message.id, list, alerts = count, "alerts are told by mail");
    setup.scheduler.submit(message.to_open());
    Ok(())
}

fn priority(shared: &Shared) -> Priority {
    Priority::from_number(i64::from(shared.setup.config.priority)).unwrap_or(Priority::High)
}

/// An alert is an event at once, and again ever more rarely while it goes on.
async fn by_webhook(
    shared: &Shared,
    settings: &HashMap<Option<i64>, AlertSettings>,
) -> Result<Option<Timestamp>, StoreError> {
    let setup = &shared.setup;
    let (now, pause) = (Timestamp::now(), setup.config.pause());
    let (mut events, mut told, mut next_at) = (Vec::new(), Vec::new(), None::<Timestamp>);
    for one in setup.store.unposted_alerts().await? {
        let is_wanted = settings
            .get(&one.list_id)
            .is_none_or(|settings| settings.wants(one.alert.kind.group()));
        let at = plan::again_at(&one, pause);
        if is_wanted && at > now {
            next_at = Some(next_at.map_or(at, |next| next.min(at)));
            continue;
        }
        told.push(plan::told(&one));
        if is_wanted {
            let url = setup.public_url.as_deref();
            events.push(event::raised(&one.alert, one.list_id, url));
        }
    }
    if !told.is_empty() {
        setup.store.tell_by_webhook(events, told, now).await?;
    }
    Ok(next_at)
}
