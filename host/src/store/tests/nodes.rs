//! Nodes of a shared store: each message has one owner, who dies, leaves and comes back without losing any.

use std::sync::Arc;
use std::time::Duration;

use super::{Bench, contract, record};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{Command, MessageFilter, Priority, RecipientStatus};
use crate::store::jobs::Work;
use crate::store::{Ending, GivenBack, NodeFacts, Standing, Store, StoreError, WaitsFor};

contract!(
    what_comes_in_is_claimed_where_there_is_room_and_urgent_mail_always,
    claims_are_the_most_urgent_of_what_is_due,
    nobody_claims_what_another_has,
    an_outcome_counts_for_the_owner_alone,
    what_a_silent_node_held_is_taken_over,
    a_node_that_leaves_gives_everything_back,
    what_waits_for_a_destination_is_claimed_for_it_alone,
    what_is_stopped_is_claimed_by_nobody_until_it_is_started,
    an_order_offers_what_waits,
    what_is_put_off_is_due_at_its_time_whoever_has_it_then,
    what_is_released_or_given_back_keeps_its_time,
    held_mail_is_claimed_by_name_alone,
    what_a_dead_node_claimed_last_is_free_as_well,
    whoever_is_alone_needs_no_claim,
);

fn facts(name: &str) -> NodeFacts {
    NodeFacts {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        policies: "0123".to_owned(),
        panel: String::new(),
    }
}

/// Two nodes on one store.
async fn pair(bench: &Bench) -> (i64, Store, i64) {
    let one = bench.join(facts("one")).await.expect("joined");
    let store = bench.another().await;
    let other = store.join(facts("other")).await.expect("joined");
    (one, store, other)
}

/// Accepts a message of this priority that is due now.
async fn accepted(bench: &Bench, priority: Priority) -> QueueId {
    let mut message = bench.new_message(&["a@example.net"]);
    message.meta.priority = priority;
    message.meta.received_at = Timestamp::now();
    let id = message.id;
    let accepted = bench.accept(Arc::new(message), Vec::new()).await;
    accepted.expect("the message is accepted");
    id
}

async fn claimed(store: &Store) -> Vec<QueueId> {
    store
        .claim(Priority::Lowest, 100)
        .await
        .expect("the store works")
}

fn later(id: QueueId, waits_for: WaitsFor) -> Vec<GivenBack> {
    let at = Some(Timestamp::now() + Duration::from_secs(600));
    vec![GivenBack { id, at, waits_for }]
}

async fn what_comes_in_is_claimed_where_there_is_room_and_urgent_mail_always(bench: Bench) {
    let (_, other, _) = pair(&bench).await;
    let urgent = accepted(&bench, Priority::Highest).await;
    let left = accepted(&bench, Priority::Normal).await;
    bench.set_room(1);
    let mine = accepted(&bench, Priority::Normal).await;
    assert!(bench.take_fresh_claim(urgent) && bench.take_fresh_claim(mine));
    assert!(!bench.take_fresh_claim(urgent), "once");
    assert!(!bench.take_fresh_claim(left));
    let mut own = bench.own_claims().await.expect("readable");
    own.sort_unstable();
    assert_eq!(own, [urgent, mine]);
    assert_eq!(claimed(&other).await, [left]);
}

async fn claims_are_the_most_urgent_of_what_is_due(bench: Bench) {
    let mut ids = Vec::new();
    for priority in [
        Priority::Lowest,
        Priority::Normal,
        Priority::High,
        Priority::Normal,
    ] {
        ids.push(accepted(&bench, priority).await);
    }
    let (_, other, _) = pair(&bench).await;
    let urgent = other.claim(Priority::High, 100).await.expect("works");
    assert_eq!(urgent, [ids[2]]);
    let two = other.claim(Priority::Lowest, 2).await.expect("works");
    assert_eq!(two, [ids[1], ids[3]]);
    let later = later(ids[1], WaitsFor::Nothing);
    other.give_back(later).await.expect("works");
    assert_eq!(
        claimed(&bench).await,
        [ids[0]],
        "the other is due in ten minutes"
    );
}

async fn nobody_claims_what_another_has(bench: Bench) {
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(accepted(&bench, Priority::Normal).await);
    }
    let (_, other, _) = pair(&bench).await;
    let (one, two) = tokio::join!(
        bench.claim(Priority::Lowest, 10),
        other.claim(Priority::Lowest, 10)
    );
    let mut all = [one.expect("works"), two.expect("works")].concat();
    all.sort_unstable();
    assert_eq!(all, ids);
    assert_eq!(claimed(&bench).await, []);
    assert_eq!(bench.claim_these(ids).await.expect("works"), []);
    let claims: Vec<i64> = nodes(&bench).await.iter().map(|node| node.claims).collect();
    assert_eq!(claims, [10, 10]);
}

async fn nodes(store: &Store) -> Vec<crate::store::Node> {
    store.nodes().await.expect("readable")
}

async fn an_outcome_counts_for_the_owner_alone(bench: Bench) {
    let id = accepted(&bench, Priority::Normal).await;
    let (_, other, _) = pair(&bench).await;
    assert_eq!(claimed(&other).await, [id]);
    let delivered = || record(id, 0, RecipientStatus::Delivered, 1);
    let refused = bench.record(delivered()).await;
    assert!(matches!(refused, Err(StoreError::Disowned)), "{refused:?}");
    let open = bench.open_messages(None, 10).await.expect("readable");
    assert_eq!(open.len(), 1, "nothing is recorded");
    other.record(delivered()).await.expect("it is its own");
    assert!(bench.is_empty().await);
    other.record(delivered()).await.expect("twice is once");
}

async fn what_a_silent_node_held_is_taken_over(bench: Bench) {
    let (one, other, _) = pair(&bench).await;
    let id = accepted(&bench, Priority::High).await;
    assert_eq!(other.take_over().await.expect("works"), 0, "it is alive");
    bench.be_silent_for_a_minute().await;
    assert_eq!(other.take_over().await.expect("works"), 1);
    assert_eq!(claimed(&other).await, [id]);
    // Who is alive stands before it.
    let lost = nodes(&bench).await.remove(1);
    assert_eq!(
        (lost.id, lost.ended.map(|(_, how)| how)),
        (one, Some(Ending::Lost))
    );
    assert!(bench.may_deliver(), "it does not know yet");
    let standing = bench.beat(facts("one"), 0).await.expect("works");
    assert_eq!(standing, Standing::Over);
    assert!(!bench.may_deliver() && !bench.is_elected());
    assert_eq!(claimed(&bench).await, [], "nor does it claim");
    assert_ne!(bench.join(facts("one")).await.expect("works"), one);
    assert!(bench.may_deliver());
    assert_eq!(
        other.beat(facts("other"), 0).await.expect("works"),
        Standing::Kept
    );
    assert!(
        other.is_elected() && !bench.is_elected(),
        "the one that was there first"
    );
    assert_eq!((other.live_nodes(), bench.live_nodes()), (2, 2));
}

async fn a_node_that_leaves_gives_everything_back(bench: Bench) {
    let (_, other, _) = pair(&bench).await;
    let id = accepted(&bench, Priority::High).await;
    bench.leave().await.expect("works");
    assert!(!bench.may_deliver());
    assert_eq!(claimed(&other).await, [id]);
    let left = nodes(&other).await.remove(1);
    assert_eq!(left.ended.map(|(_, how)| how), Some(Ending::Left));
}

async fn what_waits_for_a_destination_is_claimed_for_it_alone(bench: Bench) {
    let id = accepted(&bench, Priority::Normal).await;
    let (_, other, _) = pair(&bench).await;
    assert_eq!(claimed(&bench).await, [id]);
    let to = || WaitsFor::Destination("slow.example".to_owned());
    let now = vec![GivenBack {
        id,
        at: Some(Timestamp::now()),
        waits_for: to(),
    }];
    bench.give_back(now).await.expect("works");
    assert_eq!(claimed(&other).await, []);
    let names = other.awaited_destinations().await.expect("readable");
    assert_eq!(names, ["slow.example"]);
    assert_eq!(
        other.claim_for("other.example", 10).await.expect("works"),
        []
    );
    assert_eq!(
        other.claim_for("slow.example", 10).await.expect("works"),
        [id]
    );
    other.give_back(later(id, to())).await.expect("works");
    assert_eq!(
        bench.claim_for("slow.example", 10).await.expect("works"),
        []
    );
    assert_eq!(
        bench.wake(to()).await.expect("works"),
        1,
        "it is reached again"
    );
    assert_eq!(bench.wake(to()).await.expect("works"), 0);
    assert_eq!(
        bench.claim_for("slow.example", 10).await.expect("works"),
        [id]
    );
}

async fn what_is_stopped_is_claimed_by_nobody_until_it_is_started(bench: Bench) {
    let id = accepted(&bench, Priority::Normal).await;
    let (_, other, _) = pair(&bench).await;
    assert_eq!(claimed(&bench).await, [id]);
    bench
        .give_back(later(id, WaitsFor::Start))
        .await
        .expect("works");
    assert_eq!(claimed(&other).await, []);
    assert!(
        other
            .awaited_destinations()
            .await
            .expect("readable")
            .is_empty()
    );
    assert_eq!(other.wake(WaitsFor::Start).await.expect("works"), 1);
    assert_eq!(claimed(&other).await, [], "it is due in ten minutes");
}

async fn an_order_offers_what_waits(bench: Bench) {
    let id = accepted(&bench, Priority::Normal).await;
    let (_, other, _) = pair(&bench).await;
    assert_eq!(claimed(&bench).await, [id]);
    let deferred = record(id, 0, RecipientStatus::Deferred, 1);
    bench.record(deferred).await.expect("it is its own");
    bench
        .give_back(later(id, WaitsFor::Nothing))
        .await
        .expect("works");
    assert_eq!(claimed(&other).await, []);
    let filter = MessageFilter {
        ids: Some(vec![id]),
        ..MessageFilter::default()
    };
    let done = bench.order(&filter, &Command::Retry, "root").await;
    assert_eq!(done.expect("works").messages, 1);
    assert_eq!(claimed(&other).await, [id]);
}

async fn what_is_put_off_is_due_at_its_time_whoever_has_it_then(bench: Bench) {
    let (_, other, _) = pair(&bench).await;
    let (long, short) = (
        accepted(&bench, Priority::High).await,
        accepted(&bench, Priority::High).await,
    );
    let now = Timestamp::now();
    for (id, due_at) in [(long, now + Duration::from_secs(600)), (short, now)] {
        let mut deferred = record(id, 0, RecipientStatus::Deferred, 1);
        deferred.attempts[0].due_at = due_at;
        bench.record(deferred).await.expect("it is its own");
    }
    bench.be_silent_for_a_minute().await;
    assert_eq!(other.take_over().await.expect("works"), 2);
    assert_eq!(claimed(&other).await, [short], "the other in ten minutes");
}

async fn what_is_released_or_given_back_keeps_its_time(bench: Bench) {
    let (_, other, _) = pair(&bench).await;
    let mut message = bench.new_message(&["a@example.net"]);
    message.meta.way.hold = Some("a look".to_owned());
    message.meta.parameters.held_until = Some(Timestamp::now() + Duration::from_secs(600));
    let id = message.id;
    let accepted = bench.accept(Arc::new(message), Vec::new()).await;
    accepted.expect("accepted");
    let filter = MessageFilter {
        ids: Some(vec![id]),
        ..MessageFilter::default()
    };
    let order = async |command| bench.order(&filter, &command, "root").await;
    order(Command::Release).await.expect("works");
    assert_eq!(claimed(&other).await, [], "it is due in ten minutes");
    assert_eq!(other.claim_these(vec![id]).await.expect("works"), [id]);
    let given = GivenBack {
        id,
        at: None,
        waits_for: WaitsFor::Nothing,
    };
    other.give_back(vec![given]).await.expect("works");
    assert_eq!(claimed(&other).await, []);
    let soon = Command::Schedule(Timestamp::now());
    order(soon).await.expect("works");
    assert_eq!(claimed(&other).await, [id]);
}

async fn held_mail_is_claimed_by_name_alone(bench: Bench) {
    let (_, other, _) = pair(&bench).await;
    let mut message = bench.new_message(&["a@example.net"]);
    message.meta.way.hold = Some("a look".to_owned());
    message.meta.priority = Priority::Highest;
    let id = message.id;
    let accepted = bench.accept(Arc::new(message), Vec::new()).await;
    accepted.expect("accepted");
    assert!(!bench.take_fresh_claim(id));
    assert_eq!(claimed(&other).await, []);
    assert_eq!(other.claim_these(vec![id]).await.expect("works"), [id]);
}

async fn what_a_dead_node_claimed_last_is_free_as_well(bench: Bench) {
    let id = accepted(&bench, Priority::Normal).await;
    let (_, other, _) = pair(&bench).await;
    bench.be_silent_for_a_minute().await;
    assert_eq!(other.take_over().await.expect("works"), 0);
    assert_eq!(claimed(&bench).await, [], "it is not alive");
    // Its transaction was on its way when others ended it.
    let claim = "UPDATE message SET claimed_by = (SELECT MIN(id) FROM node)";
    bench.write(Work::Command(claim)).await.expect("written");
    assert_eq!(claimed(&other).await, []);
    assert_eq!(other.take_over().await.expect("works"), 1);
    assert_eq!(claimed(&other).await, [id]);
}

async fn whoever_is_alone_needs_no_claim(bench: Bench) {
    let id = accepted(&bench, Priority::Highest).await;
    assert!(!bench.take_fresh_claim(id) && bench.may_deliver() && bench.is_elected());
    assert_eq!((bench.node(), bench.live_nodes()), (None, 1));
    assert_eq!(claimed(&bench).await, []);
    bench
        .record(record(id, 0, RecipientStatus::Delivered, 1))
        .await
        .expect("recorded");
}
