//! What a next hop wants later is tried later, also when the node that had it is gone.

use std::time::{Duration, Instant};

use gatepost_tests::postgres::Cluster;
use gatepost_tests::relay::{Relay, Setup};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

use super::{PATIENCE, alive, submit};

/// Until the next attempt: longer than others wait before they take over, by far.
const RETRY: Duration = Duration::from_secs(50);
/// Chance makes it shorter by a tenth at most; the rest is what passes before the test knows of the first attempt.
const SOONEST: Duration = Duration::from_secs(40);

fn start(name: &str, url: &str, sink: &Sink) -> Relay {
    let retry = RETRY.as_secs();
    let tables = format!("\n[node]\nname = {name:?}\n[scheduler]\nretry = \"{retry}s\"\n");
    let setup = Setup::smarthost(sink.port()).on_server(url).with(&tables);
    Relay::start(&setup)
}

#[test]
fn what_a_dead_node_had_put_off_is_tried_at_its_time_by_another() {
    let url = Cluster::shared().database();
    let later = Sink::start(Script {
        content: Some("450 4.2.0 try again later".to_owned()),
        ..Script::default()
    });
    let later = later.expect("a port");
    let sink = Sink::start(Script::default()).expect("a port");
    let mut one = start("one", &url, &later);
    let other = start("other", &url, &sink);
    let user = one.add_shop_user(&[]);
    wait::until("both are seen", PATIENCE, || alive(&other).len() == 2);
    submit(&one, &user, 0, 1);
    wait::until("it is put off", PATIENCE, || {
        let listed = other.json(&["queue", "list", "--status", "deferred"]);
        listed.as_array().is_some_and(|all| all.len() == 1)
    });
    let began = Instant::now();
    one.kill();
    wait::until("it is taken over", PATIENCE, || alive(&other) == ["other"]);
    assert!(began.elapsed() < SOONEST, "too late for this test");
    sink.wait_for(1, PATIENCE);
    let waited = began.elapsed();
    assert!(waited > SOONEST, "it was tried too early: {waited:?}");
}
