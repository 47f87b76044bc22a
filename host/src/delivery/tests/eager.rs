//! Small messages that go out along with their envelope.

use super::bench::Step::{Hang, Hear, Octets, Say};
use super::bench::{Step, config, courier, job, peer, told};
use crate::delivery::Config;

const TEXT: &str = "A: b\r\n\r\n.x\r\n";
const HELLO: &str = "250-peer\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
const TRANSACTION: [Step; 5] = [
    Hear("MAIL FROM:<anna@a.example>\r\n"),
    Hear("RCPT TO:<b@b.example>\r\n"),
    Hear("RCPT TO:<c@b.example>\r\n"),
    Hear("BDAT 12 LAST\r\n"),
    Octets(TEXT.len()),
];

fn session(steps: &[Step]) -> Vec<Step> {
    let greeting = [Say("220 peer\r\n"), Hear("EHLO"), Say(HELLO)];
    [&greeting, steps].concat()
}

/// Sends to two recipients, over as many connections as there are scripts.
async fn exchange(config: impl Fn(u16) -> Config, scripts: Vec<Vec<Step>>) -> Vec<String> {
    let (port, heard) = peer(scripts).await;
    let mut courier = courier(&config(port)).await;
    let report = courier
        .attempt(&job(&["b@b.example", "c@b.example"], TEXT))
        .await;
    drop(courier);
    heard.await.expect("the script was kept to");
    told(&report)
}

#[tokio::test]
async fn all_of_it_is_sent_before_anything_is_answered() {
    let replies = [Say(
        "250 ok\r\n550 5.1.1 no\r\n250 ok\r\n250 2.0.0 taken\r\n",
    )];
    let script = session(&[&TRANSACTION[..], &replies].concat());
    assert_eq!(
        exchange(config, vec![script]).await,
        ["failed 550 5.1.1 no", "delivered 250 2.0.0 taken"]
    );
}

#[tokio::test]
async fn whoever_is_refused_is_refused_by_its_own_reply() {
    let cases = [
        (
            "550 5.7.1 not you\r\n503 no MAIL\r\n503 no MAIL\r\n503 no RCPT\r\n",
            ["failed 550 5.7.1 not you"; 2],
        ),
        (
            "250 ok\r\n550 5.1.1 no\r\n450 4.2.2 full\r\n503 no RCPT\r\n",
            ["failed 550 5.1.1 no", "deferred 450 4.2.2 full"],
        ),
        (
            "250 ok\r\n250 ok\r\n250 ok\r\n554 5.7.1 spam\r\n",
            ["failed 554 5.7.1 spam"; 2],
        ),
    ];
    for (replies, expected) in cases {
        let script = session(&[&TRANSACTION[..], &[Say(replies)]].concat());
        assert_eq!(exchange(config, vec![script]).await, expected, "{replies}");
    }
}

#[tokio::test]
async fn content_that_is_taken_though_nobody_was_is_not_delivered() {
    let replies = "250 ok\r\n450 4.2.2 full\r\n450 4.2.2 full\r\n250 2.0.0 taken\r\n";
    let script = session(&[&TRANSACTION[..], &[Say(replies)]].concat());
    assert_eq!(
        exchange(config, vec![script]).await,
        ["deferred 450 4.2.2 full"; 2]
    );
}

#[tokio::test]
async fn after_a_lost_reply_to_the_content_it_is_tried_later() {
    let lost = [Say("250 ok\r\n250 ok\r\n250 ok\r\n"), Hang];
    let script = session(&[&TRANSACTION[..], &lost].concat());
    let told = exchange(config, vec![script]).await;
    let is_lost = |one: &String| one.starts_with("deferred connection to ");
    assert!(told.iter().all(is_lost), "{told:?}");
}

#[tokio::test]
async fn the_chunk_of_a_larger_one_waits_for_the_envelope() {
    let small = |port| Config {
        eager_octets: TEXT.len() as u64 - 1,
        ..config(port)
    };
    let script = session(&[
        TRANSACTION[0],
        TRANSACTION[1],
        TRANSACTION[2],
        Say("250 ok\r\n550 5.1.1 no\r\n250 ok\r\n"),
        TRANSACTION[3],
        TRANSACTION[4],
        Say("250 2.0.0 taken\r\n"),
    ]);
    assert_eq!(
        exchange(small, vec![script]).await,
        ["failed 550 5.1.1 no", "delivered 250 2.0.0 taken"]
    );
}

#[tokio::test]
async fn where_chunks_are_switched_off_it_goes_after_data() {
    let without = |port| Config {
        chunking: false,
        ..config(port)
    };
    let script = session(&[
        TRANSACTION[0],
        TRANSACTION[1],
        TRANSACTION[2],
        Hear("DATA\r\n"),
        Say("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
        Octets(TEXT.len() + 4),
        Say("250 2.0.0 taken\r\n"),
    ]);
    assert_eq!(
        exchange(without, vec![script]).await,
        ["delivered 250 2.0.0 taken"; 2]
    );
}
