//! What administrators do to single messages, and what policies count.

use std::sync::Arc;
use std::time::Duration;

use super::{Bench, RECEIVED, contract};
use crate::id::QueueId;
use crate::queue::{MessageStatus, OrderKind, PolicyCount, Way};
use crate::store::StoreError;

contract!(
    a_held_message_is_released_once,
    a_deleted_message_is_finished_without_its_content,
    what_is_held_too_long_is_found,
    a_route_is_kept,
    counts_are_added_up_and_end,
);

async fn held(bench: &Bench) -> QueueId {
    let mut message = bench.new_message(&["a@example.net", "b@example.net"]);
    message.meta.way.hold = Some("guard: a look".to_owned());
    let id = message.id;
    let accepted = bench.accept(Arc::new(message), Vec::new()).await;
    accepted.expect("accepted");
    id
}

async fn status(bench: &Bench, id: QueueId) -> MessageStatus {
    let found = bench.message(id).await.expect("readable");
    found.expect("it is there").summary.status()
}

async fn a_held_message_is_released_once(bench: Bench) {
    let (id, free) = (held(&bench).await, bench.accepted(&["a@example.net"]).await);
    assert_eq!(status(&bench, id).await, MessageStatus::Held);
    assert_eq!(bench.newest_order().await.expect("readable"), 0);
    // As the command line does, from another process.
    let another = bench.another().await;
    another.release(id).await.expect("it is held");
    assert_eq!(status(&bench, id).await, MessageStatus::Queued);
    let orders = bench.orders_after(0).await.expect("readable");
    assert_eq!(orders.len(), 1);
    assert_eq!(
        (orders[0].message, orders[0].kind),
        (id, OrderKind::Release)
    );
    assert_eq!(
        bench
            .orders_after(orders[0].number)
            .await
            .expect("readable"),
        []
    );
    for not_held in [id, free] {
        let again = bench.release(not_held).await;
        assert!(matches!(again, Err(StoreError::NotFound { .. })));
    }
    let open = bench.open_message(id).await.expect("readable");
    assert!(!open.expect("it is open").meta.way.is_held());
}

async fn a_deleted_message_is_finished_without_its_content(bench: Bench) {
    let id = held(&bench).await;
    assert_eq!(bench.delete(id).await.expect("it is open"), 2);
    assert_eq!(status(&bench, id).await, MessageStatus::Cancelled);
    assert!(matches!(
        bench.head(id).await,
        Err(StoreError::NotFound { .. })
    ));
    assert_eq!(
        bench
            .open_message(id)
            .await
            .expect("readable")
            .map(|it| it.id),
        None
    );
    assert!(matches!(
        bench.delete(id).await,
        Err(StoreError::NotFound { .. })
    ));
    let orders = bench.orders_after(0).await.expect("readable");
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0].kind, OrderKind::Delete);
}

async fn what_is_held_too_long_is_found(bench: Bench) {
    let (id, released) = (held(&bench).await, held(&bench).await);
    bench.accepted(&["a@example.net"]).await;
    bench.release(released).await.expect("it is held");
    let day = Duration::from_secs(86_400);
    let early = bench.overdue_held(RECEIVED + day / 2, 10).await;
    assert_eq!(early.expect("readable").len(), 0);
    let overdue = bench.overdue_held(RECEIVED + day, 10).await;
    let ids: Vec<_> = overdue.expect("readable").iter().map(|it| it.id).collect();
    assert_eq!(ids, [id]);
}

async fn a_route_is_kept(bench: Bench) {
    let mut message = bench.new_message(&["a@example.net"]);
    let way = Way {
        route: Some("archive".to_owned()),
        ..Way::default()
    };
    message.meta.way = way.clone();
    let id = message.id;
    let accepted = bench.accept(Arc::new(message), Vec::new()).await;
    accepted.expect("accepted");
    let open = bench.open_message(id).await.expect("readable");
    assert_eq!(open.expect("it is open").meta.way, way);
}

async fn counts_are_added_up_and_end(mut bench: Bench) {
    let count = |key: &str, slot, amount| PolicyCount {
        policy: "guard".to_owned(),
        key: key.to_owned(),
        window_s: 60,
        slot,
        amount,
        expires_at_ms: RECEIVED.as_millis() + slot * 1000,
    };
    bench.add_counts(Vec::new()).await.expect("nothing to do");
    let first = vec![count("a", 1, 2), count("a", 2, 1), count("b", 2, u64::MAX)];
    bench.add_counts(first).await.expect("stored");
    let second = vec![count("a", 1, 3), count("b", 2, 5)];
    bench
        .another()
        .await
        .add_counts(second)
        .await
        .expect("stored");
    bench.reopen().await;
    let largest = u64::try_from(i64::MAX).expect("it is positive");
    let live = bench.policy_counts(RECEIVED).await.expect("readable");
    let expected = [count("a", 1, 5), count("a", 2, 1), count("b", 2, largest)];
    assert_eq!(live, expected);
    let later = RECEIVED + Duration::from_secs(1);
    let live = bench.policy_counts(later).await.expect("readable");
    assert_eq!(live, expected[1..]);
}
