//! What was answered 250 is delivered, whatever happens to the process in between.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gatepost_tests::client::Client;
use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Delivery, Script, Sink};
use gatepost_tests::wait;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";
/// Connections that submit at the same time.
const CONNECTIONS: usize = 16;
/// How often the process is killed.
const KILLS: u64 = 20;
/// Messages of one connection before it makes the next.
const PER_SESSION: usize = 20;
/// From the next hop's 250 to our commit, on a busy machine.
const COMMIT_WINDOW: Duration = Duration::from_secs(2);
/// Messages that may be in that window at a kill: those of all connections to the next hop, and a commit's.
const MAX_TWICE: usize = 100;
/// Nothing may still be on its way after this time.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// What the submitters know.
struct Submitted {
    port: u16,
    user: User,
    stop: AtomicBool,
    next: AtomicU64,
    /// Ids of the messages that were answered 250.
    accepted: Mutex<HashSet<String>>,
}

impl Submitted {
    fn new(relay: &Relay, user: User) -> Self {
        Self {
            port: relay.port(),
            user,
            stop: AtomicBool::new(false),
            next: AtomicU64::new(0),
            accepted: Mutex::default(),
        }
    }

    fn count(&self) -> usize {
        self.accepted.lock().expect("no submitter panics").len()
    }

    /// Submits until it is told to stop, whatever becomes of its connections.
    fn submit(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            if self.session().is_err() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    fn session(&self) -> std::io::Result<()> {
        let mut client = Client::try_connect(self.port)?;
        client.try_login(&self.user.username, &self.user.password)?;
        for _ in 0..PER_SESSION {
            let id = message::id("kill", self.next.fetch_add(1, Ordering::Relaxed));
            let content = message::short(FROM, TO, &id);
            let reply = client.try_submit(FROM, TO, &content)?;
            if reply.code == 250 {
                let mut accepted = self.accepted.lock().expect("no submitter panics");
                accepted.insert(id);
            }
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }
}

/// Stops the submitters also when the test fails, so that it ends.
struct StopAtEnd<'a>(&'a Submitted);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

#[test]
fn every_accepted_message_survives_twenty_kills() {
    let sink = Sink::start(Script::default()).expect("a port");
    let mut relay = Relay::start(&Setup::smarthost(sink.port()));
    let user = relay.add_shop_user(&[]);
    let submitted = Submitted::new(&relay, user);

    let mut kills = Vec::new();
    std::thread::scope(|scope| {
        let _stop = StopAtEnd(&submitted);
        for _ in 0..CONNECTIONS {
            scope.spawn(|| submitted.submit());
        }
        for round in 0..KILLS {
            let before = submitted.count();
            wait::until("mail is accepted again", wait::PATIENCE, || {
                submitted.count() > before + 10
            });
            std::thread::sleep(random_pause(round));
            relay.kill();
            kills.push(Instant::now());
            relay.restart();
        }
    });

    let accepted = submitted.accepted.into_inner();
    let accepted = accepted.expect("no submitter panics");
    wait::until("every accepted message has arrived", DRAIN_LIMIT, || {
        sink.log(|log| accepted.iter().all(|id| log.copies(id) > 0))
    });
    assert_only_the_commit_window_comes_twice(&sink.deliveries(), &kills);
    println!("{} accepted, {} delivered", accepted.len(), sink.count());
}

/// A message comes twice only if the next hop had just taken it when the process was killed.
fn assert_only_the_commit_window_comes_twice(deliveries: &[Delivery], kills: &[Instant]) {
    let mut seen: HashMap<&str, Instant> = HashMap::new();
    let mut twice = 0;
    for delivery in deliveries {
        let Some(first) = seen.insert(&delivery.id, delivery.at) else {
            continue;
        };
        twice += 1;
        let killed = kills
            .iter()
            .any(|&kill| first <= kill && kill - first < COMMIT_WINDOW && kill < delivery.at);
        assert!(killed, "{} came twice without a kill", delivery.id);
    }
    println!("{twice} came twice after {} kills", kills.len());
    assert!(twice <= kills.len() * MAX_TWICE, "{twice} came twice");
}

/// A time of up to 200 ms that differs from round to round and from run to run.
fn random_pause(round: u64) -> Duration {
    use std::hash::{BuildHasher as _, RandomState};
    Duration::from_millis(RandomState::new().hash_one(round) % 200)
}

#[test]
fn a_message_that_waits_for_its_next_hop_survives_an_orderly_end_too() {
    let sink = Sink::start(Script::default()).expect("a port");
    sink.stop();
    let mut relay = Relay::start(&Setup::smarthost(sink.port()).retrying_soon());
    let user = relay.add_shop_user(&[]);
    let id = message::id("term", 0);
    let content = message::short(FROM, TO, &id);
    let mut client = relay.login(&user);
    client.submit(FROM, &[TO], &content, "250 2.0.0 queued as ");
    let status = relay.terminate();
    assert!(status.success(), "{status}");
    sink.restart();
    relay.restart();
    sink.delivery(&id);
    assert_eq!(sink.count(), 1);
}
