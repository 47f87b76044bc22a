//! Nodes of one store: each message is sent by one of them, whoever joins, leaves, or is silent.

use super::*;
use crate::queue::{Stop, StopScope};
use crate::store::{NodeFacts, WaitsFor};

fn facts(name: &'static str) -> NodeFacts {
    NodeFacts {
        name: name.to_owned(),
        ..NodeFacts::default()
    }
}

/// A scheduler of a node that claims `batch` messages at a time.
async fn node(bench: &Bench, name: &'static str, batch: usize) -> Scheduler {
    let number = bench.store.join(facts(name)).await.expect("joined");
    bench.ids.of_node(number, 0);
    let mut setup = bench.setup();
    setup.facts = Some(Box::new(move || facts(name)));
    setup.node.claim_batch = batch;
    setup.config.retry = "5m".parse().expect("a schedule");
    Scheduler::start(setup)
}

/// Before there is a node.
async fn accept_some(bench: &Bench, count: usize, priority: Priority, to: &str) {
    for number in 0..count {
        bench.accept(&format!("{to} {number}"), priority, to).await;
    }
}

/// By a node.
async fn submit_some(bench: &Bench, scheduler: &Scheduler, count: usize, to: &str) {
    for number in 0..count {
        let subject = format!("{to} {number}");
        let message = bench.accept(&subject, Priority::Normal, to).await;
        scheduler.submit(message);
    }
}

async fn claims(bench: &Bench) -> Vec<i64> {
    let nodes = bench.store.nodes().await.expect("readable");
    nodes.iter().map(|node| node.claims).collect()
}

/// Waits until the nodes hold so many messages, in the order in which they came.
async fn hold(bench: &Bench, expected: &[i64]) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let found = claims(bench).await;
        if found == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?} are not {expected:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn two_nodes_share_a_backlog_and_send_each_message_once() {
    let (slow, port) = Sink::start().await;
    slow.permits.forget_permits(10_000);
    let one = Bench::new(port).await;
    accept_some(&one, 200, Priority::Normal, "b@b.example").await;
    let first = node(&one, "one", 8).await;
    slow.took(1).await;
    let (quick, port) = Sink::start().await;
    let other = one.another(port).await;
    let second = node(&other, "other", 8).await;
    // What the first holds is bounded, although nothing of it leaves.
    let left = 200 - 4 * 8;
    quick.took(left).await;
    slow.permits.add_permits(10_000);
    let mut all = eventually(|| {
        let all = [slow.subjects.lock().clone(), quick.subjects.lock().clone()].concat();
        (all.len() >= 200).then_some(all)
    })
    .await;
    first.shutdown().await;
    second.shutdown().await;
    all.sort();
    all.dedup();
    assert_eq!((all.len(), one.open_count().await), (200, 0));
    assert_eq!(
        slow.subjects.lock().len() + quick.subjects.lock().len(),
        200
    );
}

#[tokio::test]
async fn urgent_mail_leaves_at_once_on_the_node_that_took_it_in() {
    let (busy, port) = Sink::start().await;
    busy.permits.forget_permits(10_000);
    let one = Bench::new(port).await;
    accept_some(&one, 100, Priority::Low, "b@b.example").await;
    let first = node(&one, "one", 8).await;
    busy.took(1).await;
    let (sink, port) = Sink::start().await;
    let other = one.another(port).await;
    sink.permits.forget_permits(10_000);
    let second = node(&other, "other", 8).await;
    hold(&one, &[32, 32]).await;
    let began = Instant::now();
    let urgent = other
        .accept("urgent", Priority::Highest, "b@b.example")
        .await;
    second.submit(urgent);
    eventually(|| {
        sink.subjects
            .lock()
            .iter()
            .any(|it| it == "urgent")
            .then_some(())
    })
    .await;
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test]
async fn what_is_deferred_for_long_is_given_back_and_what_is_left_at_the_end_too() {
    let (sink, port) = Sink::start().await;
    let bench = Bench::new(port).await;
    accept_some(&bench, 3, Priority::Normal, "later@b.example").await;
    let scheduler = node(&bench, "one", 8).await;
    hold(&bench, &[0]).await;
    eventually(|| (scheduler.snapshot().counts.waiting == [0; 5]).then_some(())).await;
    assert_eq!(bench.open_count().await, 3);
    sink.permits.forget_permits(10_000);
    submit_some(&bench, &scheduler, 30, "b@b.example").await;
    hold(&bench, &[30]).await;
    scheduler.shutdown().await;
    let nodes = bench.store.nodes().await.expect("readable");
    assert!(nodes[0].ended.is_some());
    assert_eq!(nodes[0].claims, 0);
}

#[tokio::test]
async fn a_node_that_was_silent_for_too_long_forgets_what_it_held_and_comes_back() {
    let (frozen, port) = Sink::start().await;
    frozen.permits.forget_permits(10_000);
    let one = Bench::new(port).await;
    accept_some(&one, 30, Priority::Normal, "b@b.example").await;
    let first = node(&one, "one", 8).await;
    frozen.took(1).await;
    hold(&one, &[30]).await;
    let (sink, port) = Sink::start().await;
    let other = one.another(port).await;
    let second = node(&other, "other", 8).await;
    one.store.be_silent_for_a_minute().await;
    assert_eq!(other.store.take_over().await.expect("works"), 30);
    // The first finds out at its next heartbeat. What it had handed over was not answered, and is nobody's.
    let deadline = Instant::now() + Duration::from_secs(20);
    while one.store.nodes().await.expect("readable").len() < 3 {
        assert!(Instant::now() < deadline, "it does not join again");
        sleep(Duration::from_millis(20)).await;
    }
    frozen.permits.add_permits(10_000);
    submit_some(&one, &first, 20, "c@b.example").await;
    hold(&one, &[0, 0, 0]).await;
    first.shutdown().await;
    second.shutdown().await;
    assert_eq!(one.open_count().await, 0);
    let mut sent = sink.subjects.lock().clone();
    let count = sent.len();
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len(), count, "the other node has sent nothing twice");
}

#[tokio::test]
async fn what_is_stopped_waits_in_the_store_and_leaves_when_it_is_started() {
    let (sink, port) = Sink::start().await;
    let one = Bench::new(port).await;
    let domain = StopScope::Destination("stopped.example".to_owned());
    let stop = Stop {
        scope: domain.clone(),
        at: Timestamp::now(),
        by: "root".to_owned(),
        reason: String::new(),
    };
    assert!(one.store.stop(stop).await.expect("works"));
    accept_some(&one, 20, Priority::Normal, "b@stopped.example").await;
    let first = node(&one, "one", 8).await;
    let other = one.another(one.port).await;
    let second = node(&other, "other", 8).await;
    submit_some(&one, &first, 5, "b@free.example").await;
    sink.took(5).await;
    hold(&one, &[0, 0]).await;
    assert!(one.store.start(domain).await.expect("works"));
    sink.took(25).await;
    first.shutdown().await;
    second.shutdown().await;
    assert_eq!(
        (one.open_count().await, sink.subjects.lock().len()),
        (0, 25)
    );
}

#[tokio::test]
async fn orders_reach_the_node_that_holds_a_message_and_mail_that_none_holds() {
    let (sink, port) = Sink::start().await;
    sink.permits.forget_permits(10_000);
    let mut one = Bench::new(port).await;
    one.per_destination = 1;
    let first = node(&one, "one", 8).await;
    let running = one.accept("running", Priority::Normal, "b@b.example").await;
    first.submit(running);
    sink.took(1).await;
    let held = one.accept("held", Priority::Normal, "b@b.example").await;
    first.submit(held.clone());
    let deleted = one.accept("deleted", Priority::Normal, "b@b.example").await;
    first.submit(deleted.clone());
    hold(&one, &[3]).await;
    one.order(held.id, Command::Hold("a look".to_owned())).await;
    one.order(deleted.id, Command::Delete).await;
    hold(&one, &[1]).await;
    sink.permits.add_permits(10_000);
    one.order(held.id, Command::Release).await;
    assert_eq!(sink.took(2).await, ["running", "held"]);
    first.shutdown().await;
    assert_eq!(one.open_count().await, 0);
}

#[tokio::test]
async fn what_waits_for_a_destination_is_claimed_when_there_is_room() {
    let (sink, port) = Sink::start().await;
    let bench = Bench::new(port).await;
    accept_some(&bench, 10, Priority::Normal, "b@b.example").await;
    bench.store.join(facts("before")).await.expect("joined");
    let ids = bench
        .store
        .claim(Priority::Lowest, 10)
        .await
        .expect("works");
    let given = ids.into_iter().map(|id| crate::store::GivenBack {
        id,
        at: Some(Timestamp::now()),
        waits_for: WaitsFor::Destination("smarthost".to_owned()),
    });
    bench.store.give_back(given.collect()).await.expect("works");
    bench.store.leave().await.expect("works");
    let scheduler = node(&bench, "one", 8).await;
    sink.took(10).await;
    scheduler.shutdown().await;
    assert_eq!(bench.open_count().await, 0);
}
