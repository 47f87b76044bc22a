//! A relay whose store is on PostgreSQL: the same stories as with a file, and what only a server can do.

use std::path::Path;
use std::time::Duration;

use gatepost_tests::message;
use gatepost_tests::panel::Paneled;
use gatepost_tests::postgres::Cluster;
use gatepost_tests::relay::{Relay, Setup, User, gatepost};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";

fn shop(relay: &Relay) -> User {
    relay.add_shop_user(&["--authorized-domains", "example.com"])
}

fn accepted(relay: &Relay, user: &User, numbers: std::ops::Range<u64>) {
    let mut client = relay.login(user);
    for number in numbers {
        let content = message::short(FROM, TO, &message::id("server", number));
        client.submit(FROM, &[TO], &content, "250 2.0.0 queued as ");
    }
}

/// A store's URL as a file in a folder.
fn file(folder: &Path, name: &str) -> String {
    format!("sqlite://{}", folder.join(name).display())
}

#[test]
fn mail_goes_through_a_store_on_a_server() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let url = Cluster::shared().database();
    let mut relay = Relay::start(&Setup::smarthost(sink.port()).on_server(&url));
    let user = shop(&relay);
    let id = message::id("server", 0);
    // Longer than what stays in memory: its rest is staged in the store.
    let content = format!(
        "{}{}",
        message::short(FROM, TO, &id),
        "line of text\r\n".repeat(60_000)
    );
    let reply = relay
        .login(&user)
        .submit(FROM, &[TO], &content, "250 2.0.0 queued as ");
    let queue_id = reply.queue_id().expect("a queue id").to_owned();
    sink.delivery(&id);
    wait::until("the queue knows", wait::PATIENCE, || {
        relay.json(&["queue", "show", &queue_id])["status"] == "delivered"
    });
    accepted(&relay, &user, 1..20);
    sink.wait_for(20, wait::PATIENCE);
    assert!(relay.terminate().success(), "{}", relay.log());
}

#[test]
fn what_was_accepted_outlives_a_kill_on_a_server() {
    let sink = Sink::start(Script::reading()).expect("a port");
    sink.stop();
    let url = Cluster::shared().database();
    let setup = Setup::smarthost(sink.port())
        .on_server(&url)
        .retrying_soon();
    let mut relay = Relay::start(&setup);
    let user = shop(&relay);
    accepted(&relay, &user, 0..10);
    relay.kill();
    sink.restart();
    relay.restart();
    sink.wait_for(10, Duration::from_secs(60));
}

#[test]
fn a_client_is_told_to_come_again_while_the_server_is_away() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let cluster = Cluster::start(&[]).expect("it starts");
    let url = cluster.database();
    let relay = Relay::start(&Setup::smarthost(sink.port()).on_server(&url));
    let user = shop(&relay);
    let mut client = relay.login(&user);
    cluster.stop("immediate");
    let content = message::short(FROM, TO, &message::id("server", 0));
    let reply = client.try_submit(FROM, TO, &content).expect("an answer");
    assert_eq!(reply.code / 100, 4, "{reply}");
    cluster.start_again();
    wait::until("the relay accepts again", Duration::from_secs(30), || {
        let mut client = relay.connect();
        client.try_login(&user.username, &user.password).is_ok()
            && client
                .try_submit(FROM, TO, &content)
                .is_ok_and(|reply| reply.code == 250)
    });
    sink.wait_for(1, wait::PATIENCE);
}

#[test]
fn the_panel_shows_what_is_on_a_server() {
    let url = Cluster::shared().database();
    let panel = Paneled::with(Setup::maildir().on_server(&url), "");
    let user = shop(&panel.relay);
    let mut browser = panel.operator();
    browser.open("/lists/1/statistics");
    browser.shows("Nothing in the last 30 days");
    accepted(&panel.relay, &user, 0..3);
    wait::until("the statistics follow", wait::PATIENCE, || {
        browser.open("/lists/1/statistics?by=hour");
        browser.page.contains("<b>3</b><span>delivered")
    });
    browser.shows(&user.username);
    browser.open("/lists/1/messages");
    browser.shows(TO);
}

#[test]
fn a_store_moves_to_a_server_and_back_without_losing_a_message() {
    let sink = Sink::start(Script::reading()).expect("a port");
    sink.stop();
    let setup = Setup::smarthost(sink.port()).retrying_soon();
    let mut relay = Relay::start(&setup);
    let user = shop(&relay);
    accepted(&relay, &user, 0..25);
    let config = relay.config().display().to_string();
    let (first, last) = (
        file(relay.folder(), "gatepost.db"),
        file(relay.folder(), "back.db"),
    );
    let url = Cluster::shared().database();
    let copy = |from: &str, to: &str| {
        gatepost(&["store", "copy", from, to, "--config", &config, "--json"])
    };
    let refused = copy(&first, &url);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
    relay.terminate();

    let copied = copy(&first, &url).succeeded().json();
    assert_eq!(
        (&copied["messages"], &copied["users"]),
        (&25.into(), &1.into()),
        "{copied}"
    );
    let again = copy(&first, &url);
    assert!(again.stderr.contains("is not empty"), "{}", again.stderr);
    let back = copy(&url, &last).succeeded().json();
    assert_eq!(back, copied);

    relay.configure(&setup.on_server(&url).to_toml(relay.port()));
    sink.restart();
    relay.restart();
    sink.wait_for(25, Duration::from_secs(60));
    accepted(&relay, &user, 25..26);
    sink.wait_for(26, wait::PATIENCE);
}

#[test]
fn the_doctor_looks_at_the_server() {
    let url = Cluster::shared().database();
    let relay = Relay::start(&Setup::maildir().on_server(&url));
    let config = relay.config().display().to_string();
    let said = gatepost(&["doctor", "--config", &config]).stdout;
    assert!(said.contains("PostgreSQL 1"), "{said}");
    // The tests' clusters are in a hurry.
    assert!(said.contains("fsync is off"), "{said}");
}
