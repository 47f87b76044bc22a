//! Attempts against a scripted next hop over real sockets, with a fault at every point of the dialogue.

mod bench;
mod chunked;
mod eager;
mod encrypted;
mod odd;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use self::bench::Step::{Content, Hang, Hear, Say};
use self::bench::{
    PIPELINING, PLAIN, Step, config, courier, empty_store, job, peer, scratch, told,
};
use super::*;
use crate::queue::{Destination, Outcome};
use crate::store::NodeFacts;

/// Sends to two recipients; returns what was told and what the peer heard.
async fn exchange(hello: &'static str, rest: &[Step]) -> (Vec<String>, Vec<String>) {
    let mut script = vec![Say("220 peer\r\n"), Hear("EHLO relay.example"), Say(hello)];
    script.extend_from_slice(rest);
    let (port, heard) = peer(vec![script]).await;
    let mut courier = courier(&config(port)).await;
    let report = courier
        .attempt(&job(&["b@b.example", "c@b.example"], "A: b\r\n\r\n.x\r\n"))
        .await;
    drop(courier);
    (told(&report), heard.await.expect("the script was kept to"))
}

const ENVELOPE: [Step; 4] = [
    Hear("MAIL FROM:<anna@a.example> SIZE=12 BODY=8BITMIME\r\n"),
    Hear("RCPT TO:<b@b.example>\r\n"),
    Hear("RCPT TO:<c@b.example>\r\n"),
    Hear("DATA\r\n"),
];

fn pipelined(replies: &[Step]) -> Vec<Step> {
    [&ENVELOPE[..], replies].concat()
}

#[tokio::test]
async fn a_message_is_pipelined_and_its_dots_are_doubled() {
    let replies = pipelined(&[
        Say("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
        Content,
        Say("250-2.0.0 taken\r\n250 as 42\r\n"),
    ]);
    let (told, heard) = exchange(PIPELINING, &replies).await;
    assert_eq!(told, ["delivered 250 2.0.0 taken as 42"; 2]);
    assert_eq!(
        heard.last().map(String::as_str),
        Some("A: b\r\n\r\n..x\r\n.\r\n")
    );
}

#[tokio::test]
async fn every_recipient_has_its_own_outcome() {
    let replies = pipelined(&[
        Say("250 ok\r\n550-5.1.1 no\r\n550 5.1.1 such user\r\n250 ok\r\n354 go\r\n"),
        Content,
        Say("250 done\r\n"),
    ]);
    let (told, _) = exchange(PIPELINING, &replies).await;
    assert_eq!(
        told,
        ["failed 550 5.1.1 no such user", "delivered 250 done"]
    );
}

#[tokio::test]
async fn refusals_at_each_point_of_a_pipelined_dialogue() {
    let cases: [(&str, [&str; 2]); 4] = [
        (
            "451 4.3.0 later\r\n503 no\r\n503 no\r\n503 no\r\n",
            ["deferred 451 4.3.0 later"; 2],
        ),
        (
            "552 5.3.4 large\r\n503 no\r\n503 no\r\n503 no\r\n",
            ["failed 552 5.3.4 large"; 2],
        ),
        (
            "250 ok\r\n450 x\r\n550 y\r\n554 none\r\n",
            ["deferred 450 x", "failed 550 y"],
        ),
        (
            "250 ok\r\n250 ok\r\n550 y\r\n451 z\r\n",
            ["deferred 451 z", "failed 550 y"],
        ),
    ];
    for (replies, expected) in cases {
        let (told, _) = exchange(PIPELINING, &pipelined(&[Say(replies)])).await;
        assert_eq!(told, expected, "{replies:?}");
    }
}

#[tokio::test]
async fn data_granted_without_a_recipient_is_ended_by_an_empty_message() {
    let replies = pipelined(&[
        Say("250 ok\r\n550 x\r\n550 y\r\n354 go\r\n"),
        Hear(".\r\n"),
        Say("554 nobody\r\n"),
    ]);
    let (told, _) = exchange(PIPELINING, &replies).await;
    assert_eq!(told, ["failed 550 x", "failed 550 y"]);
}

#[tokio::test]
async fn a_peer_without_pipelining_is_asked_step_by_step() {
    let steps = [
        Hear("MAIL FROM:<anna@a.example>\r\n"),
        Say("250 ok\r\n"),
        Hear("RCPT TO:<b@b.example>\r\n"),
        Say("450 x\r\n"),
        Hear("RCPT TO:<c@b.example>\r\n"),
        Say("250\r\n"),
        Hear("DATA\r\n"),
        Say("354 go\r\n"),
        Content,
        Say("554 5.7.1 spam\r\n"),
    ];
    let (told, _) = exchange(PLAIN, &steps).await;
    assert_eq!(told, ["deferred 450 x", "failed 554 5.7.1 spam"]);
}

#[tokio::test]
async fn a_connection_that_dies_defers_wherever_that_happens() {
    let scripts: [&[Step]; 6] = [
        &[Say("250 ok\r\n"), Hang],
        &[Say("250 ok\r\n250 ok\r\n"), Hang],
        &[Say("250 ok\r\n250 ok\r\n250 ok\r\n"), Hang],
        &[Say("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"), Hang],
        &[
            Say("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
            Content,
            Hang,
        ],
        &[
            Say("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
            Content,
            Say("25"),
            Hang,
        ],
    ];
    for (place, replies) in scripts.into_iter().enumerate() {
        let (told, _) = exchange(PIPELINING, &pipelined(replies)).await;
        let deferred = |text: &String| text.starts_with("deferred connection to 127.0.0.1:");
        assert!(told.iter().all(deferred), "{place}: {told:?}");
    }
}

#[tokio::test]
async fn a_421_is_told_to_everyone_who_is_concerned() {
    let replies = pipelined(&[Say("250 ok\r\n421 4.3.2 going down\r\n"), Hang]);
    let (told, _) = exchange(PIPELINING, &replies).await;
    assert_eq!(told[0], "deferred 421 4.3.2 going down");
    assert_eq!(told[1], "deferred 421 4.3.2 going down");
}

#[tokio::test]
async fn peers_that_do_not_greet_properly_are_unreachable() {
    let scripts: [(&[Step], &str); 6] = [
        (&[Hang], "lost at the greeting: closed by the peer"),
        (&[Say("554 5.7.1 not you\r\n"), Hang], "554 5.7.1 not you"),
        (
            &[Say("421 too many connections\r\n"), Hang],
            "421 too many connections",
        ),
        (
            &[Say("220 peer\r\n"), Hear("EHLO"), Hang],
            "closed by the peer",
        ),
        (&[Say("hello?\r\n"), Hang], "lost at the greeting"),
        (
            &[
                Say("220 peer\r\n"),
                Hear("EHLO"),
                Say("502 what\r\n"),
                Hear("QUIT"),
                Hang,
            ],
            "502 what",
        ),
    ];
    for (script, words) in scripts {
        let (port, _heard) = peer(vec![script.to_vec()]).await;
        let mut courier = courier(&config(port)).await;
        let report = courier.attempt(&job(&["b@b.example"], "A: b\r\n")).await;
        let Reach::Unreachable(reply) = &report.reach else {
            panic!("{words}: {report:?}");
        };
        assert!(reply.to_string().contains(words), "{reply}");
        assert!(matches!(report.attempts[0].outcome, Outcome::Deferred(_)));
    }
}

#[tokio::test]
async fn an_endless_reply_line_is_cut_off() {
    let (port, _heard) = peer(vec![vec![Say("220 peer\r\n"), Hear("EHLO"), Say(ENDLESS)]]).await;
    let mut courier = courier(&config(port)).await;
    let report = courier.attempt(&job(&["b@b.example"], "A: b\r\n")).await;
    assert!(told(&report)[0].contains("too long"), "{report:?}");
}
const ENDLESS: &str = match std::str::from_utf8(&[b'2'; 8192]) {
    Ok(text) => text,
    Err(_) => "",
};

#[tokio::test]
async fn nobody_listening_is_told_in_plain_words() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let mut courier = courier(&config(port)).await;
    let report = courier.attempt(&job(&["b@b.example"], "A: b\r\n")).await;
    assert_eq!(
        told(&report),
        [format!("deferred connection to 127.0.0.1:{port} refused")]
    );
}

#[tokio::test]
async fn a_connection_serves_message_after_message() {
    let one = pipelined(&[
        Say("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
        Content,
        Say("250 ok\r\n"),
    ]);
    let hello = [Say("220 peer\r\n"), Hear("EHLO"), Say(PIPELINING)];
    let (port, heard) = peer(vec![[&hello[..], &one, &one, &[Hear("QUIT")]].concat()]).await;
    let mut courier = courier(&config(port)).await;
    for _message in 0..2 {
        let report = courier
            .attempt(&job(&["b@b.example", "c@b.example"], "A: b\r\n\r\nxy\r\n"))
            .await;
        assert_eq!(told(&report), ["delivered 250 ok"; 2]);
    }
    assert!(courier.is_connected());
    courier.quit().await;
    heard.await.expect("the script was kept to");
}

#[tokio::test]
async fn a_refused_transaction_is_reset_before_the_next() {
    let refused = pipelined(&[Say("250 ok\r\n550 x\r\n550 y\r\n554 none\r\n")]);
    let hello = [Say("220 peer\r\n"), Hear("EHLO"), Say(PIPELINING)];
    let again = [
        &[Hear("RSET\r\n")][..],
        &pipelined(&[
            Say("250 flushed\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
            Content,
            Say("250 ok\r\n"),
        ]),
    ]
    .concat();
    let (port, _heard) = peer(vec![[&hello[..], &refused, &again].concat()]).await;
    let mut courier = courier(&config(port)).await;
    let two = job(&["b@b.example", "c@b.example"], "A: b\r\n\r\nxy\r\n");
    assert_eq!(
        told(&courier.attempt(&two).await),
        ["failed 550 x", "failed 550 y"]
    );
    assert_eq!(told(&courier.attempt(&two).await), ["delivered 250 ok"; 2]);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced_within_the_attempt() {
    let hello = [Say("220 peer\r\n"), Hear("EHLO"), Say(PIPELINING)];
    let one = pipelined(&[
        Say("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
        Content,
        Say("250 ok\r\n"),
    ]);
    let first = [&hello[..], &one, &[Hang]].concat();
    let second = [&hello[..], &one].concat();
    let (port, _heard) = peer(vec![first, second]).await;
    let mut courier = courier(&config(port)).await;
    let two = job(&["b@b.example", "c@b.example"], "A: b\r\n\r\nxy\r\n");
    assert_eq!(told(&courier.attempt(&two).await), ["delivered 250 ok"; 2]);
    assert_eq!(told(&courier.attempt(&two).await), ["delivered 250 ok"; 2]);
}

#[tokio::test]
async fn a_message_beyond_the_peers_size_is_not_even_tried() {
    let hello = [
        Say("220 peer\r\n"),
        Hear("EHLO"),
        Say("250-peer\r\n250 SIZE 10\r\n"),
    ];
    let (port, _heard) = peer(vec![hello.to_vec()]).await;
    let mut courier = courier(&config(port)).await;
    let report = courier
        .attempt(&job(&["b@b.example"], "A: b\r\n\r\nxyz\r\n"))
        .await;
    assert!(told(&report)[0].starts_with("failed 5.3.4 "), "{report:?}");
}

#[tokio::test]
async fn required_tls_is_required() {
    let hello = [Say("220 peer\r\n"), Hear("EHLO"), Say(PLAIN)];
    let (port, _heard) = peer(vec![hello.to_vec()]).await;
    let mut config = config(port);
    config.smarthost.0[0].tls = Tls::Required;
    let report = courier(&config)
        .await
        .attempt(&job(&["b@b.example"], "A: b\r\n"))
        .await;
    assert!(
        told(&report)[0].contains("STARTTLS, which is required"),
        "{report:?}"
    );
}

#[tokio::test]
async fn words_ahead_of_the_tls_handshake_are_not_taken_for_the_peers() {
    let script = vec![
        Say("220 peer\r\n"),
        Hear("EHLO"),
        Say("250-peer\r\n250 STARTTLS\r\n"),
        Hear("STARTTLS"),
        Say("220 go\r\n250 injected\r\n"),
    ];
    let (port, _heard) = peer(vec![script]).await;
    let mut config = config(port);
    config.smarthost.0[0].tls = Tls::Required;
    let report = courier(&config)
        .await
        .attempt(&job(&["b@b.example"], "A: b\r\n"))
        .await;
    assert!(
        told(&report)[0].contains("ahead of the TLS handshake"),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_silent_peer_is_given_up() {
    let (port, _heard) = peer(vec![vec![Say("220 peer\r\n"), Hear("EHLO")]]).await;
    let config = Config {
        command_timeout_s: 0,
        ..config(port)
    };
    let attempt = courier(&config)
        .await
        .attempt(&job(&["b@b.example"], "A: b\r\n"))
        .await;
    assert!(matches!(attempt.reach, Reach::Unreachable(_)));
}

#[tokio::test]
async fn a_maildir_gets_one_complete_file_for_each_recipient() {
    let root = scratch();
    let config = Config {
        mode: Mode::Maildir,
        maildir: root.clone(),
        ..Config::default()
    };
    let mut courier = courier(&config).await;
    let report = courier
        .attempt(&job(
            &["b@B.example", "\"../c\"@b.example"],
            "A: b\r\n\r\n.x\r\n",
        ))
        .await;
    assert!(
        told(&report)
            .iter()
            .all(|text| text.starts_with("delivered written to "))
    );
    for (folder, recipient) in [("b", "b@B.example"), ("%22..%2Fc%22", "\"../c\"@b.example")] {
        let new = root.join("b.example").join(folder).join("new");
        let files: Vec<_> = std::fs::read_dir(new).expect("it was made").collect();
        assert_eq!(files.len(), 1);
        let path = files[0].as_ref().expect("readable").path();
        let expected = format!(
            "Return-Path: <anna@a.example>\r\nDelivered-To: {recipient}\r\nA: b\r\n\r\n.x\r\n"
        );
        assert_eq!(std::fs::read_to_string(path).expect("readable"), expected);
    }
}

#[tokio::test]
async fn a_node_whose_lease_is_over_never_ends_content_with_a_final_dot() {
    let (port, heard) = peer(vec![vec![
        Say("220 peer\r\n"),
        Hear("EHLO"),
        Say(PIPELINING),
        Hear("MAIL"),
        Hear("RCPT"),
        Hear("DATA"),
        Say("250 ok\r\n250 ok\r\n354 go\r\n"),
    ]])
    .await;
    let store = empty_store().await;
    store.join(NodeFacts::default()).await.expect("joined");
    store.leave().await.expect("left");
    let delivery = Delivery::new(&config(port), "relay.example").expect("valid");
    let mut courier = Courier::new(Arc::new(delivery), store, Destination::Smarthost);
    let report = courier.attempt(&job(&["b@b.example"], "A: b\r\n")).await;
    assert!(
        told(&report)[0].contains("belongs to another node"),
        "{report:?}"
    );
    assert!(!courier.is_connected());
    tokio::time::timeout(Duration::from_secs(5), heard)
        .await
        .expect("in time")
        .expect("as told");
}

#[tokio::test]
async fn content_that_is_not_at_hand_never_ends_in_a_final_dot() {
    let (port, heard) = peer(vec![vec![
        Say("220 peer\r\n"),
        Hear("EHLO"),
        Say(PIPELINING),
        Hear("MAIL"),
        Hear("RCPT"),
        Hear("DATA"),
        Say("250 ok\r\n250 ok\r\n354 go\r\n"),
    ]])
    .await;
    let mut courier = courier(&config(port)).await;
    let mut missing = job(&["b@b.example"], "A: b\r\n");
    missing.message.staged_chunks = 1;
    let report = courier.attempt(&missing).await;
    assert!(
        told(&report)[0].starts_with("deferred content is not at hand"),
        "{report:?}"
    );
    assert!(!courier.is_connected());
    tokio::time::timeout(Duration::from_secs(5), heard)
        .await
        .expect("in time")
        .expect("as told");
}
