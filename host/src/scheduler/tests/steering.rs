//! What administrators hold, stop and change while mail is on its way, and next hops that want less.

use super::*;
use crate::queue::{Stop, StopScope};

/// How long a relay takes to notice a command, and then some: what must not come about has had its chance.
const NOTICED: Duration = Duration::from_millis(2500);

async fn stop(bench: &Bench, scope: StopScope) {
    let stop = Stop {
        scope,
        at: Timestamp::now(),
        by: "root".to_owned(),
        reason: String::new(),
    };
    assert!(bench.store.stop(stop).await.expect("the store works"));
}

async fn start(bench: &Bench, scope: StopScope) {
    assert!(bench.store.start(scope).await.expect("the store works"));
}

/// Waits until the scheduler has nothing in its plan.
async fn is_bare(scheduler: &Scheduler) {
    eventually(|| {
        let counts = scheduler.snapshot().counts;
        let all = [counts.ready, counts.waiting, counts.running].concat();
        (all.iter().sum::<usize>() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn mail_to_a_stopped_domain_waits_over_a_restart_while_other_mail_goes_on() {
    let (sink, port) = Sink::start().await;
    let bench = Bench::new(port).await;
    let domain = StopScope::Destination("stopped.example".to_owned());
    stop(&bench, domain.clone()).await;
    bench
        .accept("old", Priority::Highest, "b@Stopped.example")
        .await;
    let scheduler = bench.start();
    let free = bench.accept("free", Priority::Low, "b@b.example").await;
    scheduler.submit(free);
    let new = bench
        .accept("new", Priority::Highest, "b@stopped.example")
        .await;
    scheduler.submit(new);
    assert_eq!(sink.took(1).await, ["free"]);
    scheduler.shutdown().await;
    let scheduler = bench.start();
    is_bare(&scheduler).await;
    assert_eq!(bench.open_count().await, 2);
    start(&bench, domain).await;
    let mut subjects = sink.took(3).await;
    subjects.sort();
    assert_eq!(subjects, ["free", "new", "old"]);
    scheduler.shutdown().await;
    assert_eq!(bench.open_count().await, 0);
}

#[tokio::test]
async fn a_stop_ends_nothing_that_runs_and_a_start_sends_nothing_twice() {
    let (sink, port) = Sink::start().await;
    sink.permits.forget_permits(10_000);
    let mut bench = Bench::new(port).await;
    bench.per_destination = 1;
    let scheduler = bench.start();
    for number in 0..3 {
        let message = bench
            .accept(&format!("{number}"), Priority::Normal, "b@b.example")
            .await;
        scheduler.submit(message);
    }
    sink.took(1).await;
    let hop = StopScope::Destination("smarthost".to_owned());
    stop(&bench, hop.clone()).await;
    eventually(|| (scheduler.snapshot().counts.ready == [0; 5]).then_some(())).await;
    // It is started again while the first is still on its way.
    start(&bench, hop).await;
    eventually(|| (scheduler.snapshot().counts.ready[2] == 2).then_some(())).await;
    sink.permits.add_permits(10_000);
    let subjects = sink.took(3).await;
    scheduler.shutdown().await;
    assert_eq!(subjects, ["0", "1", "2"]);
    assert_eq!(sink.subjects.lock().len(), 3);
    assert_eq!(bench.open_count().await, 0);
}

#[tokio::test]
async fn everything_stopped_waits_until_it_is_started() {
    let (sink, port) = Sink::start().await;
    let bench = Bench::new(port).await;
    stop(&bench, StopScope::All).await;
    bench.accept("old", Priority::Highest, "b@b.example").await;
    let scheduler = bench.start();
    eventually(|| (scheduler.snapshot().counts.ready[0] == 1).then_some(())).await;
    assert!(scheduler.snapshot().is_paused);
    assert_eq!(sink.subjects.lock().len(), 0);
    start(&bench, StopScope::All).await;
    assert_eq!(sink.took(1).await, ["old"]);
    scheduler.shutdown().await;
}

#[tokio::test]
async fn what_is_held_while_it_is_tried_is_not_tried_again() {
    let (sink, port) = Sink::start().await;
    sink.permits.forget_permits(10_000);
    let bench = Bench::new(port).await;
    let scheduler = bench.start();
    // One recipient is served, slowly, and the other is to be tried again.
    let parameters = MessageParameters::default();
    let to: Mailbox = "b@b.example".parse().expect("a mailbox");
    let mut message = bench.message("two", Priority::Normal, to.into(), parameters);
    let later: Mailbox = "later@b.example".parse().expect("a mailbox");
    message.recipients.push(later.into());
    let message = bench.keep(message).await;
    let id = message.id;
    scheduler.submit(message);
    sink.took(1).await;
    bench.order(id, Command::Hold("a look".to_owned())).await;
    sleep(NOTICED).await;
    sink.permits.add_permits(10_000);
    is_bare(&scheduler).await;
    bench.order(id, Command::Release).await;
    eventually(|| (scheduler.snapshot().counts.waiting[2] == 1).then_some(())).await;
    bench.order(id, Command::Delete).await;
    is_bare(&scheduler).await;
    scheduler.shutdown().await;
    assert_eq!(sink.subjects.lock().len(), 1);
}

#[tokio::test]
async fn a_new_priority_counts_for_what_waits() {
    let (sink, port) = Sink::start().await;
    sink.permits.forget_permits(10_000);
    let mut bench = Bench::new(port).await;
    bench.per_destination = 1;
    let scheduler = bench.start();
    let mut last = None;
    for number in 0..5 {
        let message = bench
            .accept(&format!("{number}"), Priority::Normal, "b@b.example")
            .await;
        last = Some(message.id);
        scheduler.submit(message);
    }
    sink.took(1).await;
    let last = last.expect("there are five");
    bench
        .order(last, Command::Reprioritize(Priority::High))
        .await;
    // Between its old and its new place it is in none.
    eventually(|| {
        let counts = scheduler.snapshot().counts;
        let raised = counts.ready[1] + counts.running[1];
        ((raised, counts.ready[2]) == (1, 3)).then_some(())
    })
    .await;
    sink.permits.add_permits(10_000);
    let subjects = sink.took(5).await;
    let place = subjects.iter().position(|subject| subject == "4");
    assert!(place <= Some(1), "{subjects:?}");
    scheduler.shutdown().await;
}

#[tokio::test]
async fn a_next_hop_that_limits_the_rate_is_not_asked_for_every_message() {
    let (sink, port) = Sink::start().await;
    let bench = Bench::new(port).await;
    for number in 0..200 {
        bench
            .accept(&format!("{number}"), Priority::Normal, "limited@b.example")
            .await;
    }
    let scheduler = bench.start();
    eventually(|| (sink.limited.load(Ordering::Relaxed) >= 22).then_some(())).await;
    sleep(NOTICED).await;
    // The first of each connection, and then one after each pause.
    let asked = sink.limited.load(Ordering::Relaxed);
    assert!((22..60).contains(&asked), "{asked}");
    scheduler.shutdown().await;
    assert_eq!(bench.open_count().await, 200);
}
