//! Events are stored with what they tell, for those who want them alone, and posted until they are taken.

use std::time::Duration;

use super::{Bench, contract};
use crate::alert::{EVENT_KINDS, EventKind, EventSet, Post, WaitingEvent, Webhook};
use crate::clock::Timestamp;
use crate::queue::NewMessage;
use crate::secret::Secret;

contract!(
    an_event_is_stored_with_its_message,
    nobody_else_is_told,
    what_is_not_taken_is_due_later_and_what_is_taken_is_gone,
    events_that_are_too_old_or_too_many_are_given_up,
    a_webhook_that_is_removed_takes_its_events_along,
);

fn hook(list: i64, kinds: &[EventKind]) -> Webhook {
    Webhook {
        list_id: Some(list),
        url: "https://example.com/hook".to_owned(),
        secret: Secret::new("key".to_owned()),
        events: kinds.iter().copied().collect(),
        created_at: Timestamp::from_millis(1),
    }
}

fn message(bench: &Bench, list: i64) -> NewMessage {
    let mut message = bench.new_message(&["a@example.net"]);
    message.meta.list_id = Some(list);
    message.meta.received_at = Timestamp::now();
    message.meta.username = "s1_1".to_owned();
    message
}

async fn due(bench: &Bench, list: i64) -> Vec<WaitingEvent> {
    let later = Timestamp::now() + Duration::from_secs(60);
    let due = bench.due_events(Some(list), later, 100).await;
    due.expect("readable")
}

async fn accept(bench: &Bench, message: NewMessage) {
    let accepted = bench.accept(message.into(), Vec::new()).await;
    accepted.expect("accepted");
}

async fn an_event_is_stored_with_its_message(bench: Bench) {
    let list = bench.list("Shop").await;
    bench
        .set_webhook(hook(list, &EVENT_KINDS))
        .await
        .expect("set");
    let kept = bench.webhook(Some(list)).await.expect("readable");
    assert_eq!(kept, Some(hook(list, &EVENT_KINDS)));
    let message = message(&bench, list);
    let id = message.id;
    accept(&bench, message).await;
    let due = due(&bench, list).await;
    assert_eq!((due.len(), due[0].event.kind), (1, EventKind::Accepted));
    assert_eq!(due[0].event.id, format!("{id}-accepted"));
    let body: serde_json::Value = serde_json::from_str(&due[0].event.body).expect("JSON");
    assert_eq!(body["type"], "accepted");
    assert_eq!(body["list"], "Shop");
    assert_eq!(body["message"]["id"], id.to_string());
    assert_eq!(body["recipients"][0], "a@example.net");
}

async fn nobody_else_is_told(bench: Bench) {
    let (one, other) = (bench.list("Shop").await, bench.list("Other").await);
    let set = bench.set_webhook(hook(one, &[EventKind::Bounced])).await;
    set.expect("set");
    accept(&bench, message(&bench, one)).await;
    accept(&bench, message(&bench, other)).await;
    assert!(due(&bench, one).await.is_empty() && due(&bench, other).await.is_empty());
}

fn post(waiting: &WaitingEvent, status: u16, again_at: Option<Timestamp>) -> Post {
    Post {
        number: waiting.number,
        event_id: waiting.event.id.clone(),
        list_id: waiting.event.list_id,
        kind: waiting.event.kind,
        at: Timestamp::now(),
        attempt: waiting.attempts + 1,
        status,
        answer: "as you say".to_owned(),
        took_ms: 3,
        again_at,
    }
}

async fn what_is_not_taken_is_due_later_and_what_is_taken_is_gone(bench: Bench) {
    let list = bench.list("Shop").await;
    bench
        .set_webhook(hook(list, &EVENT_KINDS))
        .await
        .expect("set");
    accept(&bench, message(&bench, list)).await;
    let waiting = due(&bench, list).await.remove(0);
    let again_at = Timestamp::now() + Duration::from_secs(3600);
    let refused = post(&waiting, 503, Some(again_at));
    bench.note_posts(vec![refused]).await.expect("noted");
    assert!(due(&bench, list).await.is_empty());
    let with_due = |at| bench.due_webhooks(at);
    let early = with_due(again_at - Duration::from_secs(1)).await;
    assert_eq!(early.expect("readable"), []);
    assert_eq!(with_due(again_at).await.expect("readable"), [Some(list)]);
    let again = bench.due_events(Some(list), again_at, 1).await;
    let again = again.expect("readable").remove(0);
    assert_eq!((again.attempts, &again.event), (1, &waiting.event));
    bench
        .note_posts(vec![post(&again, 204, None)])
        .await
        .expect("noted");
    assert_eq!(bench.waiting_events(Some(list)).await.expect("readable"), 0);
    let posts = bench.posts(Some(list), 10).await.expect("readable");
    let told: Vec<_> = posts
        .iter()
        .map(|post| (post.status, post.attempt))
        .collect();
    assert_eq!(told, [(204, 2), (503, 1)]);
}

async fn events_that_are_too_old_or_too_many_are_given_up(bench: Bench) {
    let list = bench.list("Shop").await;
    bench
        .set_webhook(hook(list, &EVENT_KINDS))
        .await
        .expect("set");
    for _ in 0..5 {
        accept(&bench, message(&bench, list)).await;
    }
    let start = Timestamp::from_millis(0);
    let lost = bench.give_up_events(Some(list), start, 3).await;
    assert_eq!(lost.expect("given up"), 2);
    let later = Timestamp::now() + Duration::from_secs(60);
    let lost = bench.give_up_events(Some(list), later, 3).await;
    assert_eq!(lost.expect("given up"), 3);
    assert!(due(&bench, list).await.is_empty());
}

async fn a_webhook_that_is_removed_takes_its_events_along(bench: Bench) {
    let list = bench.list("Shop").await;
    bench
        .set_webhook(hook(list, &EVENT_KINDS))
        .await
        .expect("set");
    accept(&bench, message(&bench, list)).await;
    assert!(bench.delete_webhook(Some(list)).await.expect("deleted"));
    assert!(
        !bench
            .delete_webhook(Some(list))
            .await
            .expect("nothing to do")
    );
    assert!(due(&bench, list).await.is_empty());
    accept(&bench, message(&bench, list)).await;
    assert!(due(&bench, list).await.is_empty());
    assert!(EventSet::default().is_empty());
}
