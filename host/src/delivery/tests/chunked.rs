//! Binary content: by BDAT, octet by octet, to who has accepted somebody.

use std::sync::Arc;

use super::bench::Step::{Hang, Hear, Octets, Say};
use super::bench::{Step, config, courier, job, peer, told};
use crate::delivery::{Config, Handover, Report};
use crate::smtp::BodyType;

const BINARY: &str = "A: b\r\n\r\n.\n\0\r.\r\n.\r\nx";
const HELLO: &str = "250-peer\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-DSN\r\n250 BINARYMIME\r\n";

async fn exchange(rest: &[Step]) -> (Report, Vec<String>) {
    let mut script = vec![Say("220 peer\r\n"), Hear("EHLO"), Say(HELLO)];
    script.extend_from_slice(&[
        Hear("MAIL FROM:<anna@a.example> BODY=BINARYMIME\r\n"),
        Hear("RCPT TO:<b@b.example>\r\n"),
        Hear("RCPT TO:<c@b.example>\r\n"),
    ]);
    script.extend_from_slice(rest);
    let (port, heard) = peer(vec![script]).await;
    let config = Config {
        eager_octets: 0,
        ..config(port)
    };
    let mut courier = courier(&config).await;
    let mut binary = job(&["b@b.example", "c@b.example"], BINARY);
    let mut meta = (*binary.message.meta).clone();
    meta.body = BodyType::BinaryMime;
    binary.message.meta = Arc::new(meta);
    let report = courier.attempt(&binary).await;
    drop(courier);
    (report, heard.await.expect("the script was kept to"))
}

#[tokio::test]
async fn binary_content_is_one_chunk_as_it_is() {
    let (report, heard) = exchange(&[
        Say("250 ok\r\n550 5.1.1 no\r\n250 ok\r\n"),
        Hear("BDAT 19 LAST\r\n"),
        Octets(BINARY.len()),
        Say("250 2.0.0 taken\r\n"),
    ])
    .await;
    assert_eq!(
        told(&report),
        ["failed 550 5.1.1 no", "delivered 250 2.0.0 taken"]
    );
    assert_eq!(heard.last().map(String::as_str), Some(BINARY));
    let promised = Handover::Relayed {
        notifies: true,
        keeps_deadline: false,
    };
    assert_eq!(report.handovers, [promised; 2]);
}

#[tokio::test]
async fn no_chunk_is_sent_when_nobody_is_accepted() {
    let (report, heard) = exchange(&[
        Say("250 ok\r\n550 5.1.1 no\r\n450 4.2.2 full\r\n"),
        Hear(""),
        Hang,
    ])
    .await;
    assert_eq!(
        told(&report),
        ["failed 550 5.1.1 no", "deferred 450 4.2.2 full"]
    );
    assert_eq!(
        heard.last().map(String::as_str),
        Some(""),
        "not a word more"
    );
}

#[tokio::test]
async fn a_chunk_that_is_refused_or_lost_is_not_delivered() {
    let chunk = [Hear("BDAT 19 LAST\r\n"), Octets(BINARY.len())];
    let accepted = [Say("250 ok\r\n250 ok\r\n250 ok\r\n")];
    let cases: [(&[Step], &str); 3] = [
        (&[Say("554 5.7.1 spam\r\n")], "failed 554 5.7.1 spam"),
        (&[Say("354 more\r\n")], "deferred 354 more"),
        (&[Hang], "deferred connection to "),
    ];
    for (end, expected) in cases {
        let (report, _) = exchange(&[&accepted[..], &chunk, end].concat()).await;
        let told = told(&report);
        assert!(told.iter().all(|one| one.starts_with(expected)), "{told:?}");
    }
}
