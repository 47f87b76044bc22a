//! Several relays over one PostgreSQL: one dies, is frozen or cut off, and no message is lost or sent by two.

mod cable;
mod clocks;
mod deferred;
mod failover;
mod front;
mod load;
mod sign_in;
mod upgrade;
mod wake;

use std::collections::HashSet;
use std::process::Command;
use std::time::{Duration, Instant};

use gatepost::clock::Timestamp;
use gatepost_tests::client::Client;
use gatepost_tests::message;
use gatepost_tests::postgres::Cluster;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

use self::cable::Cable;
use self::load::Load;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";
/// What a dead node held has left from others by then.
const TAKEN_OVER: Duration = Duration::from_secs(30);
/// For the rest, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Messages that may be in the window between a next hop's 250 and the commit when a node dies.
const MAX_TWICE: usize = 100;

/// A node on this store, that delivers to this port.
fn node(name: &str, url: &str, sink: &Sink) -> Relay {
    Relay::start(&setup(name, url, sink, ""))
}

/// The same with more keys of `[node]`, not started.
fn setup(name: &str, url: &str, sink: &Sink, keys: &str) -> Setup {
    let tables = format!("\n[node]\nname = {name:?}\n{keys}\n[scheduler]\nretry = \"1s\"\n");
    Setup::smarthost(sink.port()).on_server(url).with(&tables)
}

/// The name of the database in a URL.
fn database(url: &str) -> &str {
    let path = url.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
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
    wait::until("an administrator is told", PATIENCE, || {
        let alerts = other.json(&["alert", "list"]);
        let mut alerts = alerts.as_array().expect("an array").iter();
        alerts.any(|alert| alert["kind"] == "node-lost")
    });
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
fn mail_that_is_scheduled_waits_though_no_node_has_claimed_it() {
    let url = Cluster::shared().database();
    let sink = Sink::start(Script::default()).expect("a port");
    let relay = node("one", &url, &sink);
    let user = relay.add_shop_user(&[]);
    // The first message of a node that has just begun, and for later than a node holds anything.
    let id = message::id("scheduled", 0);
    let at = Timestamp::now() + Duration::from_secs(3600);
    let fields = format!("From: {FROM}\r\nTo: {TO}\r\nX-Gatepost-Schedule: {at}\r\n");
    let content = message::with_fields(&fields, &id);
    relay.login(&user).submit(FROM, &[TO], &content, "250");
    arrived(&sink, &submit(&relay, &user, 0, 3), PATIENCE);
    relay.cli(&["queue", "stop", "--all"]).succeeded();
    let stopped = submit(&relay, &user, 100, 3);
    relay.cli(&["queue", "start", "--all"]).succeeded();
    arrived(&sink, &stopped, PATIENCE);
    // Nodes look for work once a second.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(sink.log(|log| log.copies(&id)), 0, "it was early");
    let open = relay.json(&["queue", "list"]);
    assert!(open.to_string().contains("scheduled"), "{open}");
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

#[test]
fn a_node_that_is_cut_off_says_451_and_comes_back_by_itself() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let cable = Cable::lay(cluster.port());
    let sink = Sink::start(Script::default()).expect("a port");
    let one = node("one", &cluster.tcp_url(&url, Some(cable.port)), &sink);
    let other = node("other", &url, &sink);
    let user = other.add_shop_user(&[]);
    let mut clients: Vec<Client> = (0..3).map(|_| one.login(&user)).collect();
    cable.cut();
    let content = message::short(FROM, TO, &message::id("cut", 0));
    for client in &mut clients {
        let reply = client.try_submit(FROM, TO, &content).expect("it answers");
        assert!(reply.code == 451 || reply.code == 421, "{}", reply.text());
    }
    // What was read before is believed for half a second.
    std::thread::sleep(Duration::from_secs(1));
    for _ in 0..3 {
        let refused = Client::try_connect(one.port())
            .and_then(|mut client| client.try_login(&user.username, &user.password));
        assert!(refused.is_err(), "nobody is let in");
    }
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
    let log = one.log();
    for line in [
        "nobody can log in until they can",
        "accounts can be read again",
    ] {
        assert_eq!(log.matches(line).count(), 1, "{line}: {log}");
    }
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
