//! A scripted next hop, and what an attempt against it needs.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::clock::Timestamp;
use crate::delivery::{Config, Courier, Delivery, Mode, Report, Smarthost, Smarthosts, Tls};
use crate::id::{QueueId, session_id};
use crate::queue::{
    Destination, Job, MessageMeta, MessageParameters, OpenMessage, OpenRecipient, Outcome, Priority,
};
use crate::smtp::{BodyType, RcptParameters};
use crate::store::{self, Store};

/// What the scripted peer does next.
#[derive(Clone, Copy)]
pub enum Step {
    /// Says this.
    Say(&'static str),
    /// Reads a line that begins so.
    Hear(&'static str),
    /// Reads content up to the final dot.
    Content,
    /// Reads so many octets.
    Octets(usize),
    /// Closes the connection.
    Hang,
}

pub const PIPELINING: &str = "250-peer\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250 8BITMIME\r\n";
pub const PLAIN: &str = "250 peer\r\n";

/// Plays one script per connection; what it heard is returned when all are played.
pub async fn peer(scripts: Vec<Vec<Step>>) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let played = tokio::spawn(async move {
        let mut heard = Vec::new();
        for script in scripts {
            let (stream, _) = listener.accept().await.expect("a connection");
            play(stream, &script, &mut heard).await;
        }
        heard
    });
    (port, played)
}

pub async fn play<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    script: &[Step],
    heard: &mut Vec<String>,
) {
    let mut stream = BufReader::new(stream);
    for step in script {
        match *step {
            Step::Say(text) => stream.write_all(text.as_bytes()).await.expect("it listens"),
            Step::Hang => return,
            Step::Hear(start) => {
                let mut line = String::new();
                stream.read_line(&mut line).await.expect("it speaks");
                assert!(line.starts_with(start), "{line:?} instead of {start:?}");
                heard.push(line);
            }
            Step::Octets(count) => {
                let mut octets = vec![0; count];
                stream.read_exact(&mut octets).await.expect("it speaks");
                heard.push(String::from_utf8_lossy(&octets).into_owned());
            }
            Step::Content => {
                let mut content = Vec::new();
                while !content.ends_with(b"\r\n.\r\n") && content != b".\r\n" {
                    content.push(stream.read_u8().await.expect("it speaks"));
                }
                heard.push(String::from_utf8(content).expect("text"));
            }
        }
    }
    let mut rest = String::new();
    let _until_it_hangs_up = stream.read_to_string(&mut rest).await;
}

pub fn scratch() -> PathBuf {
    let dir = std::env::temp_dir().join(format!("gatepost-delivery-{}", session_id()));
    std::fs::create_dir(&dir).expect("the temporary folder is writable");
    dir
}

pub async fn empty_store() -> Store {
    let url = format!("sqlite://{}", scratch().join("store.db").display());
    let config = store::Config {
        url: url.into(),
        ..store::Config::default()
    };
    Store::open(&config).await.expect("a new store")
}

pub fn config(port: u16) -> Config {
    Config {
        mode: Mode::Smarthost,
        smarthost: Smarthosts::from(Smarthost {
            host: "127.0.0.1".to_owned(),
            port,
            tls: Tls::None,
            username: None,
            password: None,
            preference: None,
        }),
        command_timeout_s: 5,
        data_end_timeout_s: 5,
        ..Config::default()
    }
}

pub async fn courier(config: &Config) -> Courier {
    let delivery = Delivery::new(config, "relay.example").expect("valid");
    let destination = delivery.destination(
        &crate::queue::Way::default(),
        &"x@b.example".parse().expect("a mailbox"),
    );
    Courier::new(Arc::new(delivery), empty_store().await, destination)
}

pub fn job(recipients: &[&str], content: &'static str) -> Job {
    let recipients = (0..).zip(recipients).map(|(index, mailbox)| OpenRecipient {
        index,
        mailbox: mailbox.parse().expect("a mailbox"),
        parameters: RcptParameters::default(),
        attempts: 0,
        due_at: Timestamp::default(),
        delay_told_at: None,
    });
    Job {
        destination: Destination::Smarthost,
        priority: Priority::Normal,
        message: OpenMessage {
            id: QueueId::from_i64(1),
            meta: Arc::new(MessageMeta {
                list_id: None,
                username: String::new(),
                reverse_path: Some("anna@a.example".parse().expect("a mailbox")),
                priority: Priority::Normal,
                body: BodyType::EightBitMime,
                parameters: MessageParameters::default(),
                subject: String::new(),
                message_id: String::new(),
                session_id: String::new(),
                rule: String::new(),
                received_at: Timestamp::default(),
                expires_at: Timestamp::default(),
                way: crate::queue::Way::default(),
                origin: crate::queue::Origin::default(),
            }),
            recipients: recipients.collect(),
            size: content.len() as u64,
            staged_chunks: 0,
            head: Some(Bytes::from_static(content.as_bytes())),
            place: None,
        },
    }
}

/// `delivered 250 ok`, one for each recipient.
pub fn told(report: &Report) -> Vec<String> {
    let tell = |outcome: &Outcome| match outcome {
        Outcome::Delivered(reply) => format!("delivered {reply}"),
        Outcome::Deferred(reply) => format!("deferred {reply}"),
        Outcome::Failed(reply) => format!("failed {reply}"),
    };
    report
        .attempts
        .iter()
        .map(|attempt| tell(&attempt.outcome))
        .collect()
}
