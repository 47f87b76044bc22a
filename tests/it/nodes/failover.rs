//! The database's machine dies, and its standby takes its place.

use gatepost_tests::message;
use gatepost_tests::postgres::Cluster;
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

use super::{Cable, FROM, Load, MAX_TWICE, PATIENCE, TO, alive, arrived, node};

/// A standby that has all that the primary has said is committed.
fn standby_of(primary: &Cluster) -> Cluster {
    let standby = primary.standby().expect("it starts");
    primary.sql(
        "postgres",
        "ALTER SYSTEM SET synchronous_standby_names = '*'",
    );
    primary.sql("postgres", "SELECT pg_reload_conf()");
    wait::until("commits wait for the standby", PATIENCE, || {
        let states = primary.sql("postgres", "SELECT sync_state FROM pg_stat_replication");
        states.trim() == "sync"
    });
    standby
}

#[test]
fn a_standby_takes_the_place_of_a_dead_primary_and_no_accepted_mail_is_lost() {
    let primary = Cluster::start(&[]).expect("it starts");
    let url = primary.database();
    let standby = standby_of(&primary);
    let ways = [Cable::lay(primary.port()), Cable::lay(primary.port())];
    let sink = Sink::start(Script::default()).expect("a port");
    let over = |way: &Cable| primary.tcp_url(&url, Some(way.port));
    let one = node("one", &over(&ways[0]), &sink);
    let other = node("other", &over(&ways[1]), &sink);
    let user = one.add_shop_user(&[]);
    let mut client = one.login(&user);
    let load = Load::new(&[one.port(), other.port()], user);
    load.during(|| {
        primary.stop("immediate");
        for way in &ways {
            way.lead_to(standby.port());
        }
        // It answers and takes no writes: that is an outage like any other.
        wait::until("both have found a standby", PATIENCE, || {
            let finds = |log: String| log.contains("takes no writes") && log.contains("promote it");
            finds(one.log()) && finds(other.log())
        });
        let content = message::short(FROM, TO, &message::id("standby", 0));
        let reply = client.try_submit(FROM, TO, &content).expect("it answers");
        assert!(reply.code == 451 || reply.code == 421, "{}", reply.text());
        standby.promote();
        load.more(100);
    });
    arrived(&sink, &load.accepted(), PATIENCE);
    wait::until("both are nodes", PATIENCE, || {
        alive(&other) == ["one", "other"]
    });
    let twice = sink.log(|log| log.duplicates());
    assert!(twice <= MAX_TWICE, "{twice} came twice");
}
