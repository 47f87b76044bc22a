//! What of the queue is shown at once, and messages that are scheduled anew.

use std::sync::Arc;
use std::time::Duration;

use super::{Bench, contract};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{
    Command, Deadline, MessageFilter, MessageStatus, NewMessage, OrderKind, Priority,
};
use crate::smtp::DeliverByMode;

contract!(
    a_page_of_the_queue_goes_on_where_the_one_before_ended,
    open_messages_are_counted_by_where_they_stand,
    what_a_command_would_concern_is_counted_at_once,
    a_schedule_postpones_recipients_and_their_end,
    what_was_finished_lately_is_the_pace,
    a_backlog_that_has_just_begun_to_move_has_its_own_pace,
);

fn all() -> MessageFilter {
    MessageFilter {
        open_only: true,
        ..MessageFilter::default()
    }
}

async fn ids(bench: &Bench, filter: &MessageFilter) -> (Vec<QueueId>, Option<QueueId>) {
    let page = bench.queue_page(filter).await.expect("readable");
    assert!(!page.is_cut, "it is a short queue");
    let ids = page.messages.iter().map(|(one, _)| one.id);
    (ids.collect(), page.next)
}

/// Beyond the first window.
async fn a_page_of_the_queue_goes_on_where_the_one_before_ended(bench: Bench) {
    let mut accepted = Vec::new();
    for _ in 0..700 {
        accepted.push(bench.accepted(&["a@example.net"]).await);
    }
    accepted.reverse();
    let mut filter = MessageFilter {
        limit: 400,
        ..all()
    };
    let (first, next) = ids(&bench, &filter).await;
    assert_eq!(first, accepted[..400]);
    filter.before = next;
    let (second, next) = ids(&bench, &filter).await;
    assert_eq!(second, accepted[400..]);
    assert_eq!(next, None);
    let held = MessageFilter {
        status: Some(MessageStatus::Held),
        ..all()
    };
    assert_eq!(ids(&bench, &held).await, (Vec::new(), None));
    let hold = Command::Hold("a look".to_owned());
    let oldest = MessageFilter {
        ids: Some(vec![accepted[699]]),
        ..all()
    };
    bench.order(&oldest, &hold, "root").await.expect("written");
    assert_eq!(ids(&bench, &held).await, (vec![accepted[699]], None));
    let page = bench.queue_page(&held).await.expect("readable");
    assert_eq!(page.messages[0].1, "a@example.net");
}

async fn open_messages_are_counted_by_where_they_stand(bench: Bench) {
    let first = bench.accepted(&["a@example.net", "b@example.net"]).await;
    bench.accepted(&["a@example.net"]).await;
    let later = Command::Schedule(Timestamp::now() + Duration::from_secs(60));
    let only = MessageFilter {
        ids: Some(vec![first]),
        ..all()
    };
    bench.order(&only, &later, "root").await.expect("written");
    let low = Command::Reprioritize(Priority::Low);
    bench.order(&only, &low, "root").await.expect("written");
    let census = bench.census(None).await.expect("readable");
    assert_eq!((census.queued, census.scheduled), (1, 1));
    assert_eq!((census.held, census.deferred), (0, 0));
    assert_eq!(census.by_priority, [0, 1, 0, 1, 0]);
    assert_eq!((census.total(), census.is_cut), (2, false));
    assert_eq!(bench.census(Some(7)).await.expect("readable"), census);
    let other = bench.census(Some(8)).await.expect("readable");
    assert_eq!(other.total(), 0);
    let hold = Command::Hold("a look".to_owned());
    bench.order(&all(), &hold, "root").await.expect("written");
    assert_eq!(bench.census(None).await.expect("readable").held, 2);
}

async fn what_a_command_would_concern_is_counted_at_once(bench: Bench) {
    for _ in 0..600 {
        bench.accepted(&["a@example.net", "b@other.example"]).await;
    }
    let there = MessageFilter {
        recipient_domain: Some("other.example".to_owned()),
        ..all()
    };
    let counted = bench.count_at_once(&there, &Command::Delete).await;
    let counted = counted.expect("readable");
    let exact = bench.count(&there, &Command::Delete).await;
    if !counted.is_cut {
        assert_eq!(counted.concerned, exact.expect("readable"));
        assert_eq!(counted.concerned.messages, 600);
    }
}

async fn a_schedule_postpones_recipients_and_their_end(bench: Bench) {
    let id = bench.accepted(&["a@example.net"]).await;
    let before = bench.open_message(id).await.expect("readable");
    let before = before.expect("it is open").meta;
    let at = Timestamp::now().max(before.received_at) + Duration::from_secs(3600);
    let done = bench.order(&all(), &Command::Schedule(at), "root").await;
    assert_eq!(done.expect("written").messages, 1);
    let after = bench.open_message(id).await.expect("readable");
    let after = after.expect("it is open");
    assert_eq!(after.recipients[0].due_at, at);
    assert_eq!(after.meta.parameters.held_until, Some(at));
    let lifetime = before.expires_at.since(before.received_at);
    assert_eq!(after.meta.expires_at.since(at), lifetime);
    let orders = bench.orders_after(0).await.expect("readable");
    assert_eq!(orders[0].kind, OrderKind::Schedule);
    let told = format!("not before {}", at.to_whole_seconds());
    assert_eq!(orders[0].detail, told);
    let strict = bench.new_message(&["a@example.net"]);
    let (strict, expires_at) = with_deadline(strict);
    let id = strict.id;
    let accepted = bench.accept(Arc::new(strict), Vec::new()).await;
    accepted.expect("accepted");
    let only = MessageFilter {
        ids: Some(vec![id]),
        ..all()
    };
    let beyond = Command::Schedule(expires_at + Duration::from_secs(1));
    let done = bench.order(&only, &beyond, "root").await.expect("written");
    assert_eq!(done.messages, 0, "the client's deadline is kept");
}

fn with_deadline(mut message: NewMessage) -> (NewMessage, Timestamp) {
    let at = message.meta.expires_at;
    message.meta.parameters.deliver_by = Some(Deadline {
        at,
        mode: DeliverByMode::Return,
        trace: false,
    });
    (message, at)
}

async fn what_was_finished_lately_is_the_pace(bench: Bench) {
    let id = bench.accepted(&["a@example.net"]).await;
    bench.accepted(&["a@example.net"]).await;
    assert_eq!(bench.pace(None).await.expect("readable").finished, 0);
    let only = MessageFilter {
        ids: Some(vec![id]),
        ..all()
    };
    let done = bench.order(&only, &Command::Delete, "root").await;
    done.expect("written");
    let pace = bench.pace(Some(7)).await.expect("readable");
    assert_eq!((pace.finished, pace.in_ms), (1, 60_000));
    assert_eq!(bench.pace(Some(8)).await.expect("readable").finished, 0);
}

async fn a_backlog_that_has_just_begun_to_move_has_its_own_pace(bench: Bench) {
    for _ in 0..20 {
        bench.accepted(&["a@example.net"]).await;
    }
    let began = std::time::Instant::now();
    let done = bench.order(&all(), &Command::Delete, "root").await;
    assert_eq!(done.expect("written").messages, 20);
    let pace = bench.pace(Some(7)).await.expect("readable");
    assert_eq!(pace.finished, 20);
    assert!(
        u128::from(pace.in_ms) <= began.elapsed().as_millis() + 1,
        "{pace:?}"
    );
}
