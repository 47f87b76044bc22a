//! What senders are told, by what they asked for and by what the next hop promises.

use super::*;
use crate::queue::Deadline;
use crate::smtp::{DeliverByMode, Notify, RcptParameters};

const SUCCESS: Notify = Notify {
    success: true,
    failure: true,
    delay: false,
};
const DELAY: Notify = Notify {
    success: false,
    failure: false,
    delay: true,
};
const PLAIN: &str = "250-sink\r\n250 PIPELINING\r\n";
const WITH_DSN: &str = "250-sink\r\n250-DSN\r\n250-DELIVERBY\r\n250 PIPELINING\r\n";

fn to(mailbox: &str, notify: Option<Notify>) -> Recipient {
    Recipient {
        mailbox: mailbox.parse().expect("a mailbox"),
        parameters: RcptParameters {
            notify,
            orcpt: None,
        },
    }
}

fn deadline(seconds: u64, mode: DeliverByMode, trace: bool) -> MessageParameters {
    MessageParameters {
        deliver_by: Some(Deadline {
            at: Timestamp::now() + Duration::from_secs(seconds),
            mode,
            trace,
        }),
        ..MessageParameters::default()
    }
}

/// Sends one message; what the sink took by the time that all outcomes are recorded.
async fn sent(
    hello: &'static str,
    recipient: Recipient,
    parameters: MessageParameters,
    expected: usize,
) -> Vec<String> {
    let (listener, port) = listener().await;
    let mut sink = Sink::new();
    sink.hello = hello;
    sink.listen(listener);
    let bench = Bench::new(port).await;
    let scheduler = bench.start();
    let asked = bench.accept_asking("hello", Priority::Normal, recipient, parameters);
    scheduler.submit(asked.await);
    sink.took(expected).await;
    while bench.open_count().await > 0 {
        sleep(Duration::from_millis(5)).await;
    }
    scheduler.shutdown().await;
    sink.texts.lock().clone()
}

#[tokio::test]
async fn a_relay_that_will_tell_nothing_is_told_of_where_success_was_asked_for() {
    let asked = to("b@b.example", Some(SUCCESS));
    let texts = sent(PLAIN, asked.clone(), MessageParameters::default(), 2).await;
    assert_eq!(texts.len(), 2, "the message and its notification");
    assert!(texts[1].contains("\r\nAction: relayed\r\n"), "{}", texts[1]);
    let texts = sent(WITH_DSN, asked, MessageParameters::default(), 1).await;
    assert_eq!(texts.len(), 1, "the next hop tells it");
}

#[tokio::test]
async fn who_wants_to_know_nothing_is_told_nothing() {
    let texts = sent(
        PLAIN,
        to("bad@b.example", Some(Notify::NEVER)),
        MessageParameters::default(),
        0,
    )
    .await;
    assert_eq!(texts, [""; 0]);
}

#[tokio::test]
async fn a_trace_tells_of_every_relay_and_a_deadline_of_one_that_does_not_keep_it() {
    let late = |trace| deadline(600, DeliverByMode::Notify, trace);
    let cases = [(WITH_DSN, true, 2), (WITH_DSN, false, 1), (PLAIN, false, 2)];
    for (hello, trace, expected) in cases {
        let texts = sent(hello, to("b@b.example", None), late(trace), expected).await;
        assert_eq!(texts.len(), expected, "{hello:?} {trace}");
    }
}

#[tokio::test]
async fn what_is_late_is_given_up_in_mode_r_without_another_attempt() {
    let over = deadline(0, DeliverByMode::Return, false);
    let texts = sent(WITH_DSN, to("b@b.example", None), over, 1).await;
    assert_eq!(texts.len(), 1, "only the notification");
    for part in [
        "Action: failed\r\n",
        "Status: 5.4.7\r\n",
        "Deliver-By-Date: ",
    ] {
        assert!(
            texts[0].contains(part),
            "{part} is missing in\n{}",
            texts[0]
        );
    }
}

#[tokio::test]
async fn who_is_late_in_mode_n_is_told_of_once_and_tried_again() {
    let (sink, port) = Sink::start().await;
    let bench = Bench::new(port).await;
    let scheduler = bench.start();
    let late = deadline(0, DeliverByMode::Notify, false);
    let recipient = to("later@b.example", Some(DELAY));
    let message = bench.accept_asking("hello", Priority::Normal, recipient, late);
    scheduler.submit(message.await);
    let texts = eventually(|| Some(sink.texts.lock().clone()).filter(|all| !all.is_empty())).await;
    assert!(texts[0].contains("Action: delayed\r\n"), "{}", texts[0]);
    assert!(texts[0].contains("Will-Retry-Until: "), "{}", texts[0]);
    while bench.open_count().await != 1 {
        sleep(Duration::from_millis(5)).await;
    }
    let mut open = bench.store.open_messages(None, 10).await.expect("readable");
    while open[0].recipients[0].attempts == 0 {
        sleep(Duration::from_millis(5)).await;
        open = bench.store.open_messages(None, 10).await.expect("readable");
    }
    assert!(open[0].recipients[0].delay_told_at.is_some());
    assert!(scheduler.hurry(open[0].id), "it waits for its next attempt");
    let again = |open: &[OpenMessage]| open[0].recipients[0].attempts >= 2;
    while !again(&open) {
        sleep(Duration::from_millis(5)).await;
        open = bench.store.open_messages(None, 10).await.expect("readable");
    }
    scheduler.shutdown().await;
    assert_eq!(sink.texts.lock().len(), 1, "told once");
}

#[tokio::test]
async fn who_is_late_behind_a_dead_next_hop_is_told_of_when_it_is_back() {
    let (first, port) = listener().await;
    drop(first);
    let bench = Bench::new(port).await;
    let scheduler = bench.start();
    let late = deadline(1, DeliverByMode::Notify, false);
    let message = bench.accept_asking("hello", Priority::Normal, to("b@b.example", None), late);
    scheduler.submit(message.await);
    // The notification itself waits for the same next hop: two messages are open.
    while bench.open_count().await < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    let again = TcpListener::bind(("127.0.0.1", port))
        .await
        .expect("the port is still free");
    let sink = Sink::new();
    sink.listen(again);
    let subjects = sink.took(2).await;
    assert!(subjects.contains(&"hello".to_owned()), "{subjects:?}");
    assert!(
        subjects.contains(&"Delayed mail, still being tried".to_owned()),
        "{subjects:?}"
    );
    scheduler.shutdown().await;
}

#[tokio::test]
async fn a_held_message_is_not_tried_before_its_time() {
    let (sink, port) = Sink::start().await;
    let bench = Bench::new(port).await;
    let scheduler = bench.start();
    let release = Timestamp::now() + Duration::from_millis(700);
    let held = MessageParameters {
        held_until: Some(release),
        ..MessageParameters::default()
    };
    let message = bench.accept_asking("held", Priority::Highest, to("b@b.example", None), held);
    scheduler.submit(message.await);
    scheduler.submit(bench.accept("free", Priority::Lowest, "b@b.example").await);
    assert_eq!(sink.took(2).await, ["free", "held"]);
    assert!(Timestamp::now() >= release);
    scheduler.shutdown().await;
}
