//! Several relays over one PostgreSQL: one dies, is frozen or cut off, and no message is lost or sent by two.

use std::collections::HashSet;
use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gatepost_tests::client::Client;
use gatepost_tests::message;
use gatepost_tests::postgres::Cluster;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";
/// What a dead node held has left from others by then.
const TAKEN_OVER: Duration = Duration::from_secs(30);
/// For the rest, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Connections that submit to each node at the same time.
const CONNECTIONS: usize = 4;
/// Messages that may be in the window between a next hop's 250 and the commit when a node dies.
const MAX_TWICE: usize = 100;

/// A node on this store, that delivers to this port.
fn node(name: &str, url: &str, sink: &Sink) -> Relay {
    let tables = format!("\n[node]\nname = {name:?}\n[scheduler]\nretry = \"1s\"\n");
    Relay::start(&Setup::smarthost(sink.port()).on_server(url).with(&tables))
}

/// Who is alive, by name, as a node sees it.
fn alive(relay: &Relay) -> Vec<String> {
    let nodes = relay.json(&["nodes"]);
    let nodes = nodes.as_array().expect("an array").iter();
    let alive = nodes.filter(|node| node["state"] == "alive");
    alive
        .map(|node| node["name"].as_str().expect("a name").to_owned())
        .collect()
}

fn signal(relay: &Relay, name: &str) {
    let pid = relay.pid().to_string();
    let status = Command::new("kill").args([name, &pid]).status();
    assert!(status.expect("kill runs").success());
}

/// Submits from threads to whichever node answers.
struct Load {
    ports: Vec<u16>,
    user: User,
    stop: AtomicBool,
    next: AtomicU64,
    accepted: Mutex<HashSet<String>>,
}

impl Load {
    fn new(ports: &[u16], user: User) -> Self {
        Self {
            ports: ports.to_vec(),
            user,
            stop: AtomicBool::new(false),
            next: AtomicU64::new(0),
            accepted: Mutex::default(),
        }
    }

    fn count(&self) -> usize {
        self.accepted.lock().expect("no submitter panics").len()
    }

    fn accepted(&self) -> HashSet<String> {
        self.accepted.lock().expect("no submitter panics").clone()
    }

    fn run(&self, port: u16) {
        while !self.stop.load(Ordering::Relaxed) {
            // Whatever becomes of a connection: the next one is tried, at no great pace.
            let _ = self.session(port);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn session(&self, port: u16) -> std::io::Result<()> {
        let mut client = Client::try_connect(port)?;
        client.try_login(&self.user.username, &self.user.password)?;
        for _ in 0..20 {
            let id = message::id("node", self.next.fetch_add(1, Ordering::Relaxed));
            let content = message::short(FROM, TO, &id);
            if client.try_submit(FROM, TO, &content)?.code == 250 {
                self.accepted
                    .lock()
                    .expect("no submitter panics")
                    .insert(id);
            }
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }

    /// Has the load run while `incident` happens.
    fn during(&self, incident: impl FnOnce()) {
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        std::thread::scope(|scope| {
            let _stop = Stop(&self.stop);
            for port in &self.ports {
                for _ in 0..CONNECTIONS {
                    scope.spawn(|| self.run(*port));
                }
            }
            self.more(50);
            incident();
        });
    }

    /// Waits until so many more are accepted.
    fn more(&self, count: usize) {
        let before = self.count();
        wait::until("more mail is accepted", PATIENCE, || {
            self.count() >= before + count
        });
    }
}

fn arrived(sink: &Sink, accepted: &HashSet<String>, limit: Duration) {
    wait::until("every accepted message has arrived", limit, || {
        sink.log(|log| accepted.iter().all(|id| log.copies(id) > 0))
    });
}

fn submit(relay: &Relay, user: &User, number: u64, count: u64) -> HashSet<String> {
    let mut client = relay.login(user);
    let ids = (number..number + count).map(|number| message::id("each", number));
    let submitted = ids.inspect(|id| {
        let content = message::short(FROM, TO, id);
        client.submit(FROM, &[TO], &content, "250 2.0.0 queued as ");
    });
    submitted.collect()
}

#[test]
fn what_a_killed_node_held_leaves_from_another_within_half_a_minute() {
    let url = Cluster::shared().database();
    // What is handed to it is never answered: the node holds all that it takes in until it dies.
    let silent = Sink::start(Script {
        paused: true,
        ..Script::default()
    });
    let silent = silent.expect("a port");
    let sink = Sink::start(Script::default()).expect("a port");
    let mut one = node("one", &url, &silent);
    let other = node("other", &url, &sink);
    let user = one.add_shop_user(&[]);
    wait::until("both are seen", PATIENCE, || {
        alive(&other) == ["one", "other"]
    });
    let mut accepted = submit(&one, &user, 0, 30);
    let load = Load::new(&[one.port(), other.port()], user);
    let mut killed = Instant::now();
    load.during(|| {
        one.kill();
        killed = Instant::now();
        load.more(50);
    });
    accepted.extend(load.accepted());
    arrived(&sink, &accepted, TAKEN_OVER);
    println!("taken over within {:?}", killed.elapsed());
    assert_eq!(alive(&other), ["other"]);
    assert_eq!(sink.log(|log| log.duplicates()), 0);
}

#[test]
fn a_frozen_node_that_wakes_sends_nothing_that_others_have_sent() {
    let url = Cluster::shared().database();
    // It takes nothing until it is told to: what the node holds waits, and some of it at the final dot.
    let paused = Script {
        paused: true,
        ..Script::default()
    };
    let slow = Sink::start(paused).expect("a port");
    let quick = Sink::start(Script::default()).expect("a port");
    let one = node("one", &url, &slow);
    let user = one.add_shop_user(&[]);
    let accepted = submit(&one, &user, 0, 100);
    let other = node("other", &url, &quick);
    signal(&one, "-STOP");
    arrived(&quick, &accepted, PATIENCE);
    signal(&one, "-CONT");
    slow.set(Script::default());
    wait::until("it has joined again", PATIENCE, || alive(&other).len() == 2);
    // What the sleeper's next hop had whole before it slept may come again; nothing else does.
    wait::until("the queue is empty", PATIENCE, || {
        let nodes = other.json(&["nodes"]);
        let claims = |node: &serde_json::Value| node["claims"].as_i64().unwrap_or(1);
        nodes
            .as_array()
            .expect("an array")
            .iter()
            .map(claims)
            .sum::<i64>()
            == 0
    });
    let late = submit(&one, &user, 1000, 20);
    wait::until("it works again", PATIENCE, || {
        let has = |sink: &Sink, id: &String| sink.log(|log| log.copies(id) > 0);
        late.iter().all(|id| has(&slow, id) || has(&quick, id))
    });
    assert_eq!(quick.log(|log| log.duplicates()), 0);
    let again = slow.log(|log| accepted.iter().filter(|id| log.copies(id) > 0).count());
    println!("{again} were at the final dot when it froze");
    assert!(again <= 30, "{again} came twice: more than were being sent");
}

#[test]
fn a_database_that_is_restarted_is_waited_for() {
    let cluster = Cluster::start(&[]).expect("it starts");
    let url = cluster.database();
    let sink = Sink::start(Script::default()).expect("a port");
    let one = node("one", &url, &sink);
    let other = node("other", &url, &sink);
    let user = one.add_shop_user(&[]);
    let load = Load::new(&[one.port(), other.port()], user);
    load.during(|| {
        cluster.stop("immediate");
        cluster.start_again();
        load.more(100);
    });
    arrived(&sink, &load.accepted(), PATIENCE);
    assert_eq!(alive(&one), ["one", "other"]);
    let twice = sink.log(|log| log.duplicates());
    assert!(twice <= MAX_TWICE, "{twice} came twice");
}

/// A way to a database that can be cut.
struct Cable {
    port: u16,
    is_cut: Arc<AtomicBool>,
    ends: Arc<Mutex<Vec<TcpStream>>>,
}

impl Cable {
    fn lay(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let (is_cut, ends) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let cable = Self { port, is_cut, ends };
        let (is_cut, ends) = (cable.is_cut.clone(), cable.ends.clone());
        std::thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                if is_cut.load(Ordering::Acquire) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", to)) else {
                    continue;
                };
                let both = [&near, &far].map(|end| end.try_clone().expect("a socket"));
                ends.lock().expect("nobody panics").extend(both);
                carry(&near, &far);
                carry(&far, &near);
            }
        });
        cable
    }

    fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        for end in self.ends.lock().expect("nobody panics").drain(..) {
            // Whichever end is gone already is as cut as the others.
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        self.is_cut.store(false, Ordering::Release);
    }
}

fn carry(from: &TcpStream, to: &TcpStream) {
    let mut from = from.try_clone().expect("a socket");
    let mut to = to.try_clone().expect("a socket");
    std::thread::spawn(move || {
        // Its end, however it comes, is the other's.
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}

#[test]
fn a_node_that_is_cut_off_says_451_and_comes_back_by_itself() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let cable = Cable::lay(cluster.port());
    let sink = Sink::start(Script::default()).expect("a port");
    let one = node("one", &cluster.tcp_url(&url, Some(cable.port)), &sink);
    let other = node("other", &url, &sink);
    let user = other.add_shop_user(&[]);
    let mut client = one.login(&user);
    cable.cut();
    let content = message::short(FROM, TO, &message::id("cut", 0));
    let reply = client.try_submit(FROM, TO, &content).expect("it answers");
    assert!(reply.code == 451 || reply.code == 421, "{}", reply.text());
    wait::until("the other is alone", PATIENCE, || {
        alive(&other) == ["other"]
    });
    let accepted = submit(&other, &user, 0, 10);
    arrived(&sink, &accepted, PATIENCE);
    cable.mend();
    wait::until("it is back", PATIENCE, || alive(&other) == ["other", "one"]);
    let accepted = submit(&one, &user, 100, 10);
    arrived(&sink, &accepted, PATIENCE);
    assert_eq!(sink.log(|log| log.duplicates()), 0);
}

#[test]
fn what_an_administrator_changes_holds_on_every_node_within_a_second() {
    let url = Cluster::shared().database();
    let sink = Sink::start(Script::default()).expect("a port");
    let one = node("one", &url, &sink);
    let other = node("other", &url, &sink);
    let user = one.add_shop_user(&[]);
    drop(other.login(&user));
    one.cli(&["queue", "stop", "--all"]).succeeded();
    // A command has taken some time by itself: what is sent a second after it is not sent by either.
    std::thread::sleep(Duration::from_secs(1));
    let mut stopped = submit(&one, &user, 0, 5);
    stopped.extend(submit(&other, &user, 10, 5));
    one.cli(&["user", "edit", &user.username, "--active", "false"])
        .succeeded();
    let refused = Client::try_connect(other.port())
        .and_then(|mut client| client.try_login(&user.username, &user.password));
    assert!(refused.is_err(), "the other node knows it at once");
    assert_eq!(sink.count(), 0, "mail is stopped on both");
    other.cli(&["queue", "start", "--all"]).succeeded();
    arrived(&sink, &stopped, PATIENCE);
    assert_eq!(sink.log(|log| log.duplicates()), 0);
}
