//! The scheduler at work: with a store, and a next hop on a real socket that can be down, refuse and stall.

mod nodes;
mod notices;
mod steering;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::*;
use crate::clock::Timestamp;
use crate::delivery::{self, Smarthost, Smarthosts, Tls};
use crate::id::session_id;
use crate::queue::{
    Command, Content, MessageFilter, MessageMeta, MessageParameters, NewMessage, Priority,
};
use crate::smtp::{BodyType, Mailbox, Recipient};
use crate::store;

/// A next hop that refuses recipients named `bad` and takes every content once `permits` allow.
#[derive(Clone)]
struct Sink {
    subjects: Arc<Mutex<Vec<String>>>,
    texts: Arc<Mutex<Vec<String>>>,
    /// How often "slow down" was said.
    limited: Arc<AtomicUsize>,
    hello: &'static str,
    permits: Arc<Semaphore>,
}

impl Sink {
    fn new() -> Self {
        Self {
            subjects: Arc::default(),
            texts: Arc::default(),
            limited: Arc::default(),
            hello: "250-sink\r\n250 PIPELINING\r\n",
            permits: Arc::new(Semaphore::new(10_000)),
        }
    }

    /// One that listens on a port of its own.
    async fn start() -> (Self, u16) {
        let (listener, port) = listener().await;
        let sink = Self::new();
        sink.listen(listener);
        (sink, port)
    }

    fn listen(&self, listener: TcpListener) -> JoinHandle<()> {
        let sink = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("a socket");
                let sink = sink.clone();
                tokio::spawn(async move { sink.serve(BufReader::new(stream)).await });
            }
        })
    }

    async fn serve(&self, mut stream: BufReader<TcpStream>) -> Option<()> {
        stream.write_all(b"220 sink\r\n").await.ok()?;
        let mut line = String::new();
        loop {
            line.clear();
            stream
                .read_line(&mut line)
                .await
                .ok()
                .filter(|&length| length > 0)?;
            let reply = match line.get(..4)? {
                "EHLO" => self.hello,
                "RCPT" if line.contains("bad") => "550 5.1.1 no such user\r\n",
                "RCPT" if line.contains("limited") => {
                    self.limited.fetch_add(1, Ordering::Relaxed);
                    "450 4.7.1 rate limit exceeded\r\n"
                }
                "RCPT" if line.contains("later") => "450 4.2.0 come again\r\n",
                "DATA" => {
                    stream.write_all(b"354 go\r\n").await.ok()?;
                    self.take(&mut stream).await?;
                    "250 taken\r\n"
                }
                _ => "250 ok\r\n",
            };
            stream.write_all(reply.as_bytes()).await.ok()?;
        }
    }

    async fn take(&self, stream: &mut BufReader<TcpStream>) -> Option<()> {
        let mut content = Vec::new();
        while !content.ends_with(b"\r\n.\r\n") && content != b".\r\n" {
            content.push(stream.read_u8().await.ok()?);
        }
        let text = String::from_utf8(content).ok()?;
        let subject = text
            .lines()
            .find_map(|line| line.strip_prefix("Subject: "))?;
        self.subjects.lock().push(subject.to_owned());
        self.texts.lock().push(text.clone());
        self.permits.acquire().await.ok()?.forget();
        Some(())
    }

    async fn took(&self, count: usize) -> Vec<String> {
        eventually(|| {
            let subjects = self.subjects.lock().clone();
            (subjects.len() >= count).then_some(subjects)
        })
        .await
    }
}

/// Looks again and again for what must come about, ten seconds at most.
async fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not come about in time");
        sleep(Duration::from_millis(5)).await;
    }
}

struct Bench {
    store: Store,
    config: store::Config,
    ids: Arc<QueueIds>,
    port: u16,
    per_destination: usize,
}

impl Bench {
    async fn new(port: u16) -> Self {
        let path = std::env::temp_dir().join(format!("gatepost-scheduler-{}.db", session_id()));
        let url = format!("sqlite://{}", path.display());
        let config = store::Config {
            url: url.into(),
            ..store::Config::default()
        };
        Self {
            store: Store::open(&config).await.expect("a new store"),
            config,
            ids: Arc::new(QueueIds::new()),
            port,
            per_destination: 20,
        }
    }

    /// As another process would: on the same store, with connections and a next hop of its own.
    async fn another(&self, port: u16) -> Self {
        Self {
            store: Store::open(&self.config).await.expect("it opens twice"),
            config: self.config.clone(),
            ids: Arc::new(QueueIds::new()),
            port,
            per_destination: self.per_destination,
        }
    }

    fn start(&self) -> Scheduler {
        Scheduler::start(self.setup())
    }

    fn setup(&self) -> Setup {
        let delivery = delivery::Config {
            mode: delivery::Mode::Smarthost,
            smarthost: Smarthosts::from(Smarthost {
                host: "127.0.0.1".to_owned(),
                port: self.port,
                tls: Tls::None,
                username: None,
                password: None,
                preference: None,
            }),
            per_destination: self.per_destination,
            ..delivery::Config::default()
        };
        Setup {
            config: Config {
                unreachable_first_s: 1,
                unreachable_max_s: 1,
                urgent_reserve: 1,
                shutdown_s: 5,
                ..Config::default()
            },
            store: self.store.clone(),
            delivery: Arc::new(Delivery::new(&delivery, "relay.example").expect("valid")),
            ids: self.ids.clone(),
            hostname: "relay.example".to_owned(),
            facts: None,
            node: NodeConfig::default(),
            newest_order: 0,
        }
    }

    /// Commits a message and returns it as it is submitted.
    async fn accept(&self, subject: &str, priority: Priority, recipient: &str) -> OpenMessage {
        let recipient = Recipient::from(recipient.parse::<Mailbox>().expect("a mailbox"));
        let parameters = MessageParameters::default();
        self.accept_asking(subject, priority, recipient, parameters)
            .await
    }

    async fn accept_asking(
        &self,
        subject: &str,
        priority: Priority,
        recipient: Recipient,
        parameters: MessageParameters,
    ) -> OpenMessage {
        self.keep(self.message(subject, priority, recipient, parameters))
            .await
    }

    /// Commits a message that is held; it expires in an hour, or then.
    async fn accept_held(&self, subject: &str, expires_at: Option<Timestamp>) -> OpenMessage {
        let recipient = "b@b.example".parse::<Mailbox>().expect("a mailbox");
        let parameters = MessageParameters::default();
        let mut message = self.message(subject, Priority::Normal, recipient.into(), parameters);
        message.meta.way.hold = Some("guard: a look".to_owned());
        message.meta.expires_at = expires_at.unwrap_or(message.meta.expires_at);
        self.keep(message).await
    }

    fn message(
        &self,
        subject: &str,
        priority: Priority,
        recipient: Recipient,
        parameters: MessageParameters,
    ) -> NewMessage {
        let head = Bytes::from(format!("Subject: {subject}\r\n\r\nx\r\n"));
        let now = Timestamp::now();
        NewMessage {
            id: self.ids.next(),
            meta: MessageMeta {
                list_id: None,
                username: String::new(),
                reverse_path: Some("anna@a.example".parse().expect("a mailbox")),
                priority,
                body: BodyType::SevenBit,
                parameters: parameters.clone(),
                subject: subject.to_owned(),
                message_id: String::new(),
                session_id: String::new(),
                rule: String::new(),
                received_at: now,
                expires_at: match parameters.deliver_by {
                    Some(deadline) if deadline.returns() => deadline.at,
                    _ => now + Duration::from_secs(3600),
                },
                way: crate::queue::Way::default(),
                origin: crate::queue::Origin::default(),
            },
            recipients: vec![recipient],
            content: Content {
                size: head.len() as u64,
                head,
                staged_chunks: 0,
            },
        }
    }

    async fn keep(&self, message: NewMessage) -> OpenMessage {
        let mut open = message.to_open();
        let accepted = self.store.accept(Arc::new(message), Vec::new()).await;
        open.place = accepted.expect("the store works");
        open
    }

    /// Carries a command out on one message, as another process would.
    async fn order(&self, id: QueueId, command: Command) {
        let filter = MessageFilter {
            ids: Some(vec![id]),
            ..MessageFilter::default()
        };
        let done = self.store.order(&filter, &command, "root").await;
        assert_eq!(done.expect("the store works").messages, 1, "{command:?}");
    }

    async fn open_count(&self) -> usize {
        self.store
            .open_messages(None, 100_000)
            .await
            .expect("the store works")
            .len()
    }
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, port)
}

#[tokio::test]
async fn what_is_submitted_and_what_the_store_holds_is_delivered_once() {
    let (sink, port) = Sink::start().await;
    let bench = Bench::new(port).await;
    for number in 0..50 {
        bench
            .accept(&format!("old {number}"), Priority::Normal, "b@b.example")
            .await;
    }
    let scheduler = bench.start();
    for number in 0..50 {
        let message = bench
            .accept(&format!("new {number}"), Priority::Normal, "b@b.example")
            .await;
        scheduler.submit(message);
    }
    let mut subjects = sink.took(100).await;
    scheduler.shutdown().await;
    subjects.sort();
    subjects.dedup();
    assert_eq!((subjects.len(), sink.subjects.lock().len()), (100, 100));
    assert_eq!(
        bench.open_count().await,
        0,
        "every outcome is recorded at shutdown"
    );
}

#[tokio::test]
async fn content_that_has_no_room_in_memory_is_read_from_where_it_lies() {
    let (sink, port) = Sink::start().await;
    let mut bench = Bench::new(port).await;
    bench.per_destination = 2;
    let mut setup = bench.setup();
    // Room for a few.
    setup.config.ready_content_octets = 200;
    let scheduler = Scheduler::start(setup);
    scheduler.pause();
    for number in 0..50 {
        let mut message = bench
            .accept(&format!("new {number}"), Priority::Normal, "b@b.example")
            .await;
        let place = message.place.as_mut().expect("it lies in the log");
        if number % 5 == 0 {
            // As if it had moved into the database since.
            place.segment = 7;
        }
        scheduler.submit(message);
    }
    scheduler.resume();
    let mut subjects = sink.took(50).await;
    scheduler.shutdown().await;
    subjects.sort();
    subjects.dedup();
    assert_eq!(subjects.len(), 50);
    assert_eq!(bench.open_count().await, 0);
}

#[tokio::test]
async fn urgent_mail_overtakes_at_the_next_message() {
    let (sink, port) = Sink::start().await;
    sink.permits.forget_permits(10_000);
    let mut bench = Bench::new(port).await;
    bench.per_destination = 1;
    let scheduler = bench.start();
    for number in 0..20 {
        let low = bench
            .accept(&format!("low {number}"), Priority::Low, "b@b.example")
            .await;
        scheduler.submit(low);
    }
    sink.took(1).await;
    for subject in ["urgent 1", "urgent 2"] {
        scheduler.submit(
            bench
                .accept(subject, Priority::Highest, "b@b.example")
                .await,
        );
    }
    let order = sink.took(2).await;
    assert_eq!(
        order,
        ["low 0", "urgent 1"],
        "a slow transfer does not keep urgent mail waiting"
    );
    sink.permits.add_permits(10_000);
    let order = sink.took(22).await;
    assert_eq!(order[2], "urgent 2", "{order:?}");
    scheduler.shutdown().await;
}

#[tokio::test]
async fn in_a_rush_less_urgent_mail_gives_way_and_follows() {
    let (sink, port) = Sink::start().await;
    let bench = Bench::new(port).await;
    let scheduler = bench.start();
    let known = bench.accept("known", Priority::Normal, "b@b.example").await;
    scheduler.submit(known);
    sink.took(1).await;
    let mut taken_in = 1;
    let (ready, running) = loop {
        let urgent = bench.accept("urgent", Priority::High, "b@b.example").await;
        let accepted = (0..64).map(|_| bench.accept("normal", Priority::Normal, "b@b.example"));
        let mut rush = join_all(accepted).await;
        let later = rush.split_off(8);
        for message in rush {
            scheduler.submit(message);
        }
        let ready = scheduler.snapshot().counts.ready;
        scheduler.submit(urgent);
        let running = scheduler.snapshot().counts.running;
        let was_rush = bench.store.is_in_a_rush();
        for message in later {
            scheduler.submit(message);
        }
        taken_in += 65;
        // All of it goes out, although nothing more comes in.
        sink.took(taken_in).await;
        if was_rush {
            break (ready, running);
        }
        // The machine was too busy for the messages to come in together.
        assert!(taken_in < 65 * 50);
    };
    assert_eq!(ready, [0, 0, 7, 0, 0], "one of eight goes out meanwhile");
    assert_eq!(running, [0, 1, 1, 0, 0], "urgent mail gives way to nothing");
    scheduler.shutdown().await;
    assert_eq!(bench.open_count().await, 0);
}

#[tokio::test]
async fn a_next_hop_that_comes_back_is_served_soon_and_urgent_mail_first() {
    let (first, port) = listener().await;
    drop(first);
    let mut bench = Bench::new(port).await;
    bench.per_destination = 1;
    let scheduler = bench.start();
    for number in 0..30 {
        let message = bench
            .accept(&format!("normal {number}"), Priority::Normal, "b@b.example")
            .await;
        scheduler.submit(message);
    }
    eventually(|| scheduler.snapshot().unreachable.pop()).await;
    scheduler.submit(
        bench
            .accept("urgent", Priority::Highest, "b@b.example")
            .await,
    );
    let again = TcpListener::bind(("127.0.0.1", port))
        .await
        .expect("the port is still free");
    let sink = Sink::new();
    sink.listen(again);
    let order = sink.took(31).await;
    assert_eq!(order[0], "urgent");
    scheduler.shutdown().await;
    assert_eq!(bench.open_count().await, 0);
}

#[tokio::test]
async fn a_refused_recipient_is_reported_to_the_sender_and_raises_an_alert() {
    let (sink, port) = Sink::start().await;
    let bench = Bench::new(port).await;
    let scheduler = bench.start();
    scheduler.submit(
        bench
            .accept("hello", Priority::Normal, "bad@b.example")
            .await,
    );
    let subjects = sink.took(1).await;
    assert_eq!(subjects, ["Undelivered mail returned to sender"]);
    scheduler.shutdown().await;
    let alerts = bench.store.alerts(None, 10).await.expect("the store works");
    assert_eq!(alerts[0].kind, "delivery-failed");
    assert!(
        alerts[0].summary.contains("550 5.1.1 no such user"),
        "{}",
        alerts[0].summary
    );
    assert_eq!(bench.open_count().await, 0);
}

#[tokio::test]
async fn a_paused_scheduler_sends_nothing_until_it_is_resumed() {
    let (sink, port) = Sink::start().await;
    let bench = Bench::new(port).await;
    let scheduler = bench.start();
    scheduler.pause();
    scheduler.submit(
        bench
            .accept("hello", Priority::Highest, "b@b.example")
            .await,
    );
    // It is taken into the order as soon as it is known what is stopped.
    eventually(|| (scheduler.snapshot().counts.ready == [1, 0, 0, 0, 0]).then_some(())).await;
    assert_eq!(sink.subjects.lock().len(), 0);
    scheduler.resume();
    assert_eq!(sink.took(1).await, ["hello"]);
    scheduler.shutdown().await;
}

#[tokio::test]
async fn a_held_message_waits_for_its_release_and_is_given_up_at_its_expiry() {
    let (sink, port) = Sink::start().await;
    let bench = Bench::new(port).await;
    let before = bench.accept_held("before the start", None).await;
    // Before the start, for what is overdue is looked for at once, and then every ten seconds.
    bench.accept_held("expired", Some(Timestamp::now())).await;
    let scheduler = bench.start();
    let released = bench.accept_held("released", None).await;
    scheduler.submit(released.clone());
    bench.order(released.id, Command::Release).await;
    // The one that was released, and the notice of the one that was not.
    let mut subjects = sink.took(2).await;
    subjects.sort();
    assert_eq!(
        subjects,
        ["Undelivered mail returned to sender", "released"]
    );
    let texts = sink.texts.lock().join("");
    assert!(texts.contains("not released in time"), "{texts}");
    scheduler.shutdown().await;
    let open = bench.store.open_messages(None, 10).await.expect("readable");
    let ids: Vec<_> = open.iter().map(|message| message.id).collect();
    assert_eq!(ids, [before.id]);
}
