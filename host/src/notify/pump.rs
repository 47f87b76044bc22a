//! The task that posts events to webhooks until somebody takes them. A receiver that is down costs the others nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::Shared;
use super::post::Answer;
use crate::alert::{Kind, NewAlert, Post, Severity, WaitingEvent, Webhook};
use crate::causes::with_causes;
use crate::clock::Timestamp;
use crate::fetch::Link;
use crate::shutdown::Shutdown;
use crate::store::StoreError;

/// Between two looks for events that are due again. Default 1 s.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks for events that are too old or too many. Default 1 min.
const TIDY: Duration = Duration::from_secs(60);
/// Events read from the store at a time.
const BATCH: u32 = 64;
/// The first wait for a receiver that is down; doubled each time. Default 5 s.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait for a receiver that is down. Default 5 min: it is noticed soon when it is back.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// The first wait for an event that a receiver refused; four times as long each time. Default 30 s.
const REFUSED_WAIT: Duration = Duration::from_secs(30);
/// The longest wait for such an event. Default 6 h.
const REFUSED_LONGEST: Duration = Duration::from_secs(6 * 3600);

/// A receiver that is down.
#[derive(Clone, Copy)]
struct Down {
    failures: u32,
    until: Timestamp,
}

/// What is known of receivers, by list.
#[derive(Default)]
struct Receivers {
    down: HashMap<Option<i64>, Down>,
    served: HashSet<Option<i64>>,
}

/// Runs until the shutdown is announced. What is being posted then is posted again after the next start.
pub(super) async fn run(shared: Arc<Shared>, shutdown: Shutdown) {
    let receivers = Arc::new(Mutex::new(Receivers::default()));
    let mut serving = JoinSet::new();
    let pump = async {
        let mut tidied = Instant::now();
        loop {
            // Of the nodes of a shared store one posts.
            let is_elected = shared.setup.store.is_elected();
            if is_elected && let Err(error) = start_serving(&shared, &receivers, &mut serving).await
            {
                debug!(error = %with_causes(&error), "events cannot be read");
            }
            while serving.try_join_next().is_some() {}
            if is_elected && tidied.elapsed() >= TIDY {
                tidied = Instant::now();
                tidy(&shared).await;
            }
            tokio::select! {
                () = shared.setup.store.event_stored() => {}
                () = sleep(LOOK) => {}
            }
        }
    };
    tokio::select! {
        () = shutdown.announced() => {}
        () = pump => {}
    }
    serving.shutdown().await;
}

/// Serves every webhook that has something due, unless it is being served or down.
async fn start_serving(
    shared: &Arc<Shared>,
    receivers: &Arc<Mutex<Receivers>>,
    serving: &mut JoinSet<()>,
) -> Result<(), StoreError> {
    let store = &shared.setup.store;
    let now = Timestamp::now();
    let mut due = store.due_webhooks(now).await?;
    due.retain(|list| {
        let receivers = receivers.lock();
        let is_down = receivers
            .down
            .get(list)
            .is_some_and(|down| now < down.until);
        !is_down && !receivers.served.contains(list)
    });
    if due.is_empty() {
        return Ok(());
    }
    let hooks = store.webhooks().await?;
    for (hook, _) in hooks
        .into_iter()
        .filter(|(hook, _)| due.contains(&hook.list_id))
    {
        receivers.lock().served.insert(hook.list_id);
        let (shared, receivers) = (Arc::clone(shared), Arc::clone(receivers));
        serving.spawn(async move {
            let list = hook.list_id;
            if let Err(error) = serve(&shared, &receivers, hook).await {
                warn!(list, error = %with_causes(&error), "what came of posts cannot be noted; they are posted again");
                sleep(LOOK).await;
            }
            receivers.lock().served.remove(&list);
        });
    }
    Ok(())
}

/// Posts what is due to one webhook, until nothing is, or it is down.
async fn serve(
    shared: &Shared,
    receivers: &Mutex<Receivers>,
    hook: Webhook,
) -> Result<(), StoreError> {
    let (store, list) = (&shared.setup.store, hook.list_id);
    let mut links: Vec<Option<Link>> = Vec::new();
    links.resize_with(shared.setup.config.webhook_concurrency.max(1), || None);
    loop {
        let due = store.due_events(list, Timestamp::now(), BATCH).await?;
        if due.is_empty() {
            return Ok(());
        }
        let posts = post_all(shared, &hook, due, &mut links).await;
        let failure = posts.iter().find(|post| is_down(post.status));
        let is_alive = posts.iter().any(|post| !is_down(post.status));
        let down = failure.map(|post| (note_down(receivers, list), post.answer.clone()));
        if is_alive && down.is_none() {
            receivers.lock().down.remove(&list);
        }
        store.note_posts(posts).await?;
        if let Some((until, answer)) = down {
            warn!(list, %until, answer, "a webhook takes no events; they wait");
            return Ok(());
        }
    }
}

fn note_down(receivers: &Mutex<Receivers>, list: Option<i64>) -> Timestamp {
    let mut receivers = receivers.lock();
    let failures = receivers.down.get(&list).map_or(0, |down| down.failures);
    let wait = FIRST_WAIT.saturating_mul(1 << failures.min(16));
    let until = Timestamp::now() + wait.min(LONGEST_WAIT);
    let failures = failures.saturating_add(1);
    receivers.down.insert(list, Down { failures, until });
    until
}

/// No answer, an error of the server's own, or a request to slow down: others would fare no better.
const fn is_down(status: u16) -> bool {
    matches!(status, 0 | 408 | 429 | 500..)
}

/// Posts events over a few connections at a time; after the first failure of the receiver no more are begun.
async fn post_all(
    shared: &Shared,
    hook: &Webhook,
    due: Vec<WaitingEvent>,
    links: &mut [Option<Link>],
) -> Vec<Post> {
    let is_over = AtomicBool::new(false);
    let queue = Mutex::new(due.into_iter());
    let workers: FuturesUnordered<_> = links
        .iter_mut()
        .map(|link| async {
            let mut posts = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let next = queue.lock().next();
                let Some(waiting) = next else { break };
                let post = post_one(shared, hook, waiting, link).await;
                if is_down(post.status) {
                    is_over.store(true, Ordering::Relaxed);
                }
                posts.push(post);
            }
            posts
        })
        .collect();
    let posts: Vec<Vec<Post>> = workers.collect().await;
    posts.into_iter().flatten().collect()
}

async fn post_one(
    shared: &Shared,
    hook: &Webhook,
    waiting: WaitingEvent,
    link: &mut Option<Link>,
) -> Post {
    let began = Instant::now();
    let answer = shared.poster.post(hook, &waiting.event, link).await;
    let answer = answer.unwrap_or_else(|text| Answer { status: 0, text });
    let (now, attempt) = (Timestamp::now(), waiting.attempts.saturating_add(1));
    let mut post = Post {
        number: waiting.number,
        event_id: waiting.event.id,
        list_id: waiting.event.list_id,
        kind: waiting.event.kind,
        at: now,
        attempt,
        status: answer.status,
        answer: answer.text,
        took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        again_at: None,
    };
    if !post.is_success() {
        post.again_at = Some(now + again_after(post.status, attempt));
    }
    debug!(
        event = post.event_id,
        status = post.status,
        answer = post.answer,
        "event posted"
    );
    post
}

/// Whatever waits for its receiver is due when that is back; what was refused itself waits for itself.
fn again_after(status: u16, attempt: u32) -> Duration {
    if is_down(status) {
        return Duration::ZERO;
    }
    let times = 4_u32.saturating_pow(attempt.saturating_sub(1).min(8));
    REFUSED_WAIT.saturating_mul(times).min(REFUSED_LONGEST)
}

/// Gives up what is too old or too much, and tells of it.
async fn tidy(shared: &Shared) {
    if let Err(error) = try_tidy(shared).await {
        warn!(error = %with_causes(&error), "old events cannot be given up");
    }
}

async fn try_tidy(shared: &Shared) -> Result<(), StoreError> {
    let (store, config) = (&shared.setup.store, &shared.setup.config);
    let now = Timestamp::now();
    store.purge_alert_mails(now - TIDY * 60 * 24).await?;
    for (hook, _) in store.webhooks().await? {
        let (before, max) = (now - config.webhook_keep(), config.webhook_max_waiting);
        let lost = store.give_up_events(hook.list_id, before, max).await?;
        if lost == 0 {
            continue;
        }
        let summary = format!(
            "{lost} events were given up, for the webhook {} does not take them",
            shown(&hook.url)
        );
        warn!(list = hook.list_id, "{summary}");
        let alert = NewAlert::new(Kind::WebhookFailing, Severity::Warning, summary, now);
        store.raise(vec![alert.of(hook.list_id, "")]).await?;
    }
    Ok(())
}

/// Without what follows the path, which may hold a token.
fn shown(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_is_down_is_left_alone_ever_longer() {
        let receivers = Mutex::new(Receivers::default());
        let mut waits = (0..8).map(|_| {
            let now = Timestamp::now();
            note_down(&receivers, Some(1)).since(now).as_secs()
        });
        let waits: Vec<u64> = waits.by_ref().collect();
        let expected = [5, 10, 20, 40, 80, 160, 300, 300];
        for (wait, expected) in waits.iter().zip(expected) {
            assert!(wait.abs_diff(expected) <= 1, "{waits:?}");
        }
    }

    #[test]
    fn what_is_refused_for_itself_waits_for_itself() {
        assert_eq!(again_after(503, 1), Duration::ZERO);
        assert_eq!(again_after(400, 1), REFUSED_WAIT);
        assert_eq!(again_after(400, 3), REFUSED_WAIT * 16);
        assert_eq!(again_after(302, 99), REFUSED_LONGEST);
        for status in [0, 408, 429, 500, 503, 599] {
            assert!(is_down(status), "{status}");
        }
        assert!(!is_down(204) && !is_down(302) && !is_down(404));
    }
}
