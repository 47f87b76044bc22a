//! A certificate from a real authority (pebble), while clients send.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gatepost_tests::client::Client;
use gatepost_tests::http;
use gatepost_tests::pebble::Pebble;
use gatepost_tests::relay::{Relay, Setup, free_port};
use gatepost_tests::wait::{self, PATIENCE};

const NAME: &str = "relay.example.com";
/// Five years: no test sees a renewal of such a certificate.
const YEARS_S: u64 = 157_766_400;

/// A relay with implicit TLS that serves HTTP on this port and asks this authority.
fn setup(pebble: &Pebble, web_port: u16, more: &str) -> Setup {
    let mut setup = Setup::maildir();
    setup.tls = "implicit";
    let web = format!("\n[web]\nhttp = [\"127.0.0.1:{web_port}\"]\n");
    setup.with(&web).with(&pebble.section(more))
}

/// The files below `acme` beside the store.
fn kept(folder: &Path) -> Vec<PathBuf> {
    let entries = |path: PathBuf| {
        fs::read_dir(path)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
    };
    entries(folder.join("acme")).flat_map(entries).collect()
}

fn orders(relay: &Relay) -> usize {
    relay.log().matches("ordering a certificate").count()
}

#[test]
fn a_certificate_is_obtained_shown_and_kept_for_the_next_start() {
    let web_port = free_port();
    let pebble = Pebble::start(web_port, YEARS_S);
    let more = format!("domains = [\"{NAME}\", \"mail.example.com\"]");
    let mut relay = Relay::start(&setup(&pebble, web_port, &more));
    Client::try_connect_tls(relay.port()).expect("TLS from the first moment");
    let trust = pebble.trust();
    let chain = wait::until_some("the authority's certificate is shown", PATIENCE, || {
        http::shown(relay.port(), NAME, &trust).ok()
    });
    assert_eq!(chain.len(), 2, "the certificate and the intermediate one");
    http::shown(relay.port(), "mail.example.com", &trust).expect("the other name is covered");

    wait::until("the success is noted", PATIENCE, || {
        kept(relay.folder()).len() == 3
    });
    for path in kept(relay.folder()) {
        let mode = fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }

    relay.restart();
    let again = http::shown(relay.port(), NAME, &trust).expect("it was kept");
    assert_eq!(again[0], chain[0]);
    assert_eq!(orders(&relay), 1, "{}", relay.log());
    let challenge = http::get(web_port, "/.well-known/acme-challenge/anything");
    assert_eq!(challenge.status, 404);
}

#[test]
fn a_renewal_ends_no_session_and_an_alert_tells_when_there_is_none() {
    let web_port = free_port();
    let mut pebble = Pebble::start(web_port, 12);
    let mut relay = Relay::start(&setup(
        &pebble,
        web_port,
        "min-interval-s = 1\nretry-first-s = 1",
    ));
    let trust = pebble.trust();
    let shown = || http::shown(relay.port(), NAME, &trust).ok();
    let first = wait::until_some("the first certificate is shown", PATIENCE, shown);
    let mut session = Client::try_connect_tls(relay.port()).expect("TLS");
    wait::until("another certificate is shown", PATIENCE, || {
        shown().is_some_and(|chain| chain[0] != first[0])
    });
    session.say("NOOP", "250");
    assert!(
        relay
            .json(&["alert", "list"])
            .as_array()
            .is_some_and(Vec::is_empty)
    );

    pebble.stop();
    let alert = wait::until_some("an alert is raised", PATIENCE, || {
        relay.json(&["alert", "list"]).as_array()?.first().cloned()
    });
    assert_eq!(alert["kind"], "certificate-expiring", "{alert}");
    let summary = alert["summary"].as_str().expect("a summary");
    assert!(summary.contains(NAME), "{summary}");
    assert!(relay.is_running());
    session.say("NOOP", "250");
}

#[test]
fn what_the_authority_cannot_validate_is_told_and_not_tried_again_at_once() {
    let pebble = Pebble::start(free_port(), YEARS_S);
    let mut relay = Relay::start(&setup(&pebble, free_port(), ""));
    let alert = wait::until_some("an alert is raised", PATIENCE, || {
        relay.json(&["alert", "list"]).as_array()?.first().cloned()
    });
    let summary = alert["summary"].as_str().expect("a summary");
    assert!(summary.contains("could not validate"), "{summary}");
    assert!(relay.log().contains("port 80"), "a hint: {}", relay.log());
    Client::try_connect_tls(relay.port()).expect("the self-signed certificate is shown");

    relay.restart();
    relay.terminate();
    assert_eq!(
        orders(&relay),
        1,
        "a restart is no reason to hurry: {}",
        relay.log()
    );
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let pebble = Pebble::start(free_port(), YEARS_S);
    let relay = Relay::prepare(&setup(&pebble, free_port(), ""));
    let good = fs::read_to_string(relay.config()).expect("the config");
    relay.cli(&["config", "check"]).succeeded();
    for (from, to, key) in [
        (
            "accept-terms = true",
            "accept-terms = false",
            "tls.acme.accept-terms",
        ),
        ("http = [", "https = [", "tls.acme.enabled"),
        (
            "https://localhost",
            "http://localhost",
            "tls.acme.directory-url",
        ),
    ] {
        relay.configure(&good.replace(from, to));
        let refused = relay.cli(&["config", "check"]);
        assert_eq!(refused.code, Some(1), "{key}");
        assert!(refused.stderr.contains(key), "{key} in {}", refused.stderr);
    }
}
