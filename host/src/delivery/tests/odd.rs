//! Peers whose replies are odd: more lines than one, codes out of place, too few recipients at a time, words
//! that nobody asked for.

use super::bench::Step::{Content, Hang, Hear, Say};
use super::bench::{PIPELINING, PLAIN, Step, config, courier, job, peer, told};
use super::{ENVELOPE, pipelined};

const HELLO: [Step; 3] = [Say("220 peer\r\n"), Hear("EHLO"), Say(PIPELINING)];
const TO_ALL: [Step; 3] = [
    Hear("RCPT TO:<b@b.example>\r\n"),
    Hear("RCPT TO:<c@b.example>\r\n"),
    Hear("RCPT TO:<d@b.example>\r\n"),
];

/// One message to these recipients, by one script for each connection.
async fn sent(to: &[&str], scripts: Vec<Vec<Step>>) -> Vec<String> {
    let (port, heard) = peer(scripts).await;
    let mut courier = courier(&config(port)).await;
    let report = courier.attempt(&job(to, "A: b\r\n\r\nxy\r\n")).await;
    courier.quit().await;
    heard.await.expect("the script was kept to");
    told(&report)
}

#[tokio::test]
async fn whom_a_peer_has_no_room_for_gets_the_message_in_another_transaction_at_once() {
    for too_many in ["452 4.5.3 too many recipients", "552 too many recipients"] {
        let one = Box::leak(
            format!("250 ok\r\n250 ok\r\n{too_many}\r\n{too_many}\r\n354 go\r\n").into_boxed_str(),
        );
        let two =
            Box::leak(format!("250 ok\r\n250 ok\r\n{too_many}\r\n354 go\r\n").into_boxed_str());
        let script = [
            &HELLO[..],
            &[Hear("MAIL FROM")],
            &TO_ALL,
            &[Hear("DATA"), Say(one), Content, Say("250 one\r\n")],
            &[Hear("MAIL FROM")],
            &TO_ALL[1..],
            &[Hear("DATA"), Say(two), Content, Say("250 two\r\n")],
            &[Hear("MAIL FROM")],
            &TO_ALL[2..],
            &[
                Hear("DATA"),
                Say("250 ok\r\n250 ok\r\n354 go\r\n"),
                Content,
                Say("250 three\r\n"),
            ],
            &[Hear("QUIT")],
        ];
        let to = ["b@b.example", "c@b.example", "d@b.example"];
        assert_eq!(
            sent(&to, vec![script.concat()]).await,
            [
                "delivered 250 one",
                "delivered 250 two",
                "delivered 250 three"
            ]
        );
    }
}

#[tokio::test]
async fn who_is_refused_for_lack_of_room_again_and_again_waits() {
    let script = [
        &HELLO[..],
        &ENVELOPE,
        &[
            Say("250 ok\r\n452 4.5.3 x\r\n452 4.5.3 y\r\n503 none\r\n"),
            Hear("QUIT"),
        ],
    ];
    assert_eq!(
        sent(&["b@b.example", "c@b.example"], vec![script.concat()]).await,
        ["deferred 452 4.5.3 x", "deferred 452 4.5.3 y"]
    );
}

#[tokio::test]
async fn replies_of_many_lines_and_other_positive_codes_are_understood() {
    let replies = [
        Say(
            "250-2.1.0 this\r\n250-is\r\n250 fine\r\n251 will forward\r\n252 cannot verify\r\n354-go\r\n354 on\r\n",
        ),
        Content,
        Say("250-2.0.0 taken\r\n250-as\r\n250 42\r\n"),
        Hear("QUIT"),
    ];
    let script = [&HELLO[..], &pipelined(&replies)].concat();
    assert_eq!(
        sent(&["b@b.example", "c@b.example"], vec![script]).await,
        ["delivered 250 2.0.0 taken as 42"; 2]
    );
}

#[tokio::test]
async fn a_peer_that_is_out_of_step_is_left() {
    let cases: [(&[Step], &str); 4] = [
        (
            &[Say("250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n")],
            "deferred 250 ok",
        ),
        (
            &[Say("354 go\r\n354 go\r\n354 go\r\n354 go\r\n"), Hear("")],
            "deferred 354 go",
        ),
        (
            &[
                Say("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
                Content,
                Say("354 more\r\n"),
            ],
            "deferred 354 more",
        ),
        (&[Say("what?\r\n")], "deferred connection to "),
    ];
    for (replies, expected) in cases {
        let script = [&HELLO[..], &pipelined(replies), &[Hear("")]].concat();
        let (port, _heard) = peer(vec![script]).await;
        let mut courier = courier(&config(port)).await;
        let two = job(&["b@b.example", "c@b.example"], "A: b\r\n\r\nxy\r\n");
        let told = told(&courier.attempt(&two).await);
        assert!(told.iter().all(|one| one.starts_with(expected)), "{told:?}");
        assert!(!courier.is_connected(), "{expected}");
    }
}

#[tokio::test]
async fn words_that_nobody_asked_for_are_not_taken_for_the_next_reply() {
    for unasked in [
        "250 ok\r\n250 and another\r\n",
        "250 ok\r\n421 idle for too long\r\n",
    ] {
        let one = [
            Say("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
            Content,
            Say(unasked),
        ];
        let again = [
            Say("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
            Content,
            Say("250 later\r\n"),
        ];
        let scripts = vec![
            [&HELLO[..], &pipelined(&one), &[Hear("")]].concat(),
            [&HELLO[..], &pipelined(&again), &[Hear("QUIT")]].concat(),
        ];
        let (port, heard) = peer(scripts).await;
        let mut courier = courier(&config(port)).await;
        let two = job(&["b@b.example", "c@b.example"], "A: b\r\n\r\nxy\r\n");
        assert_eq!(told(&courier.attempt(&two).await), ["delivered 250 ok"; 2]);
        assert_eq!(
            told(&courier.attempt(&two).await),
            ["delivered 250 later"; 2]
        );
        courier.quit().await;
        heard.await.expect("the second connection was used");
    }
}

#[tokio::test]
async fn a_refusal_of_data_and_one_of_the_content_are_both_for_good() {
    let refused = [
        (
            &[Hear("DATA"), Say("554 5.7.1 not you\r\n")][..],
            "failed 554 5.7.1 not you",
        ),
        (
            &[
                Hear("DATA"),
                Say("354 go\r\n"),
                Content,
                Say("554 5.6.0 not this\r\n"),
            ],
            "failed 554 5.6.0 not this",
        ),
        (
            &[Hear("DATA"), Say("451 4.3.0 later\r\n")],
            "deferred 451 4.3.0 later",
        ),
    ];
    for (end, expected) in refused {
        let script = [
            &[
                Say("220 peer\r\n"),
                Hear("EHLO"),
                Say(PLAIN),
                Hear("MAIL"),
                Say("250 ok\r\n"),
            ][..],
            &[Hear("RCPT"), Say("250 ok\r\n")],
            end,
            &[Hear("QUIT")],
        ];
        assert_eq!(
            sent(&["b@b.example"], vec![script.concat()]).await,
            [expected]
        );
    }
}

#[tokio::test]
async fn a_reply_that_does_not_end_is_cut_off() {
    let endless = Box::leak("250-and so on\r\n".repeat(4000).into_boxed_str());
    let (port, _heard) = peer(vec![vec![
        Say("220 peer\r\n"),
        Hear("EHLO"),
        Say(endless),
        Hang,
    ]])
    .await;
    let mut courier = courier(&config(port)).await;
    let report = courier.attempt(&job(&["b@b.example"], "A: b\r\n")).await;
    assert!(told(&report)[0].contains("does not end"), "{report:?}");
}
