//! Certificates and settings change under a running relay; whoever is connected notices nothing.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use gatepost::tls::self_signed;
use gatepost_tests::client::{Client, auth_plain};
use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, new_folder};
use gatepost_tests::wait;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::Value;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";
/// The certificate of the relay, beside its config.
const TLS: &str = "\n[tls]\ncertificate = \"relay.crt\"\nkey = \"relay.key\"\n";
/// Nothing is looked at by itself: what a test sees is the work of its signal.
const NO_POLL: &str = "\n[reload]\npoll-s = 0\n";

/// Puts a new certificate and its key in their places, each at once.
fn renew(folder: &Path) {
    let made_in = new_folder();
    let made = self_signed(&made_in, "relay.example.com").expect("a plain name");
    for (from, to) in [(&made.key, "relay.key"), (&made.certificate, "relay.crt")] {
        let beside = folder.join("renewed");
        fs::copy(from, &beside).expect("the folder is writable");
        fs::rename(&beside, folder.join(to)).expect("one folder");
    }
    let _ = fs::remove_dir_all(made_in);
}

/// Puts a certificate that was valid in January 2020 alone, and its key, in their places.
fn let_expire(folder: &Path) {
    let key = KeyPair::generate().expect("a key can be made");
    let mut params =
        CertificateParams::new(["relay.example.com".to_owned()]).expect("a plain name");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2020, 2, 1);
    let made = params.self_signed(&key).expect("a key signs");
    fs::write(folder.join("relay.crt"), made.pem()).expect("the folder is writable");
    fs::write(folder.join("relay.key"), key.serialize_pem()).expect("the folder is writable");
}

/// A relay with a certificate of its own, delivering into a folder.
fn relay(setup: &Setup) -> Relay {
    let mut relay = Relay::prepare(setup);
    renew(relay.folder());
    relay.restart();
    relay
}

fn setup() -> Setup {
    Setup::maildir().with(TLS).with(NO_POLL)
}

/// The certificate that a new session is shown, DER.
fn shown(relay: &Relay) -> Vec<u8> {
    let mut client = relay.connect();
    client.ehlo();
    client.starttls();
    client.certificate()
}

/// Asks for a reload and waits for the line that tells how it ended, one more than there was.
fn reload(relay: &Relay, line: &str) {
    let count = || relay.log().matches(line).count();
    let before = count();
    relay.hangup();
    wait::until(line, wait::PATIENCE, || count() > before);
}

/// How often the alert was raised.
fn failures(relay: &Relay) -> i64 {
    let alerts = relay.json(&["alert", "list"]);
    let alerts = alerts.as_array().expect("a list of alerts");
    let failed = alerts.iter().find(|one| one["kind"] == "reload-failed");
    failed.and_then(|one| one["count"].as_i64()).unwrap_or(0)
}

/// What a new session is told of SIZE.
fn announced_size(relay: &Relay) -> Option<String> {
    let lines = relay.connect().ehlo();
    let size = lines.iter().find_map(|line| line.strip_prefix("SIZE "));
    size.map(str::to_owned)
}

#[test]
fn a_renewed_certificate_is_shown_to_new_sessions_and_open_ones_go_on() {
    let relay = relay(&setup());
    let user = relay.add_shop_user(&[]);
    let old = shown(&relay);
    let mut open = relay.connect();
    open.ehlo();
    open.starttls();
    open.login(&user.username, &user.password);
    open.say(&format!("MAIL FROM:<{FROM}>"), "250");
    renew(relay.folder());
    reload(&relay, "reloaded for new sessions: certificates");
    assert_ne!(shown(&relay), old);
    open.say(&format!("RCPT TO:<{TO}>"), "250");
    open.say("RSET", "250");
    open.submit(
        FROM,
        &[TO],
        &message::short(FROM, TO, "reload"),
        "250 2.0.0",
    );
    assert_eq!(open.certificate(), old);
    assert_eq!(failures(&relay), 0);
}

#[test]
fn a_changed_certificate_is_found_without_a_signal() {
    let relay = relay(&Setup::maildir().with(TLS).with("\n[reload]\npoll-s = 1\n"));
    let old = shown(&relay);
    renew(relay.folder());
    wait::until("the new certificate is shown", wait::PATIENCE, || {
        shown(&relay) != old
    });
}

#[test]
fn a_broken_certificate_changes_nothing_and_raises_an_alert() {
    let relay = relay(&setup());
    let old = shown(&relay);
    let file = relay.folder().join("relay.crt");
    let good = fs::read(&file).expect("it was written");
    for (count, broken) in [(1, "no certificate\n"), (2, "")] {
        fs::write(&file, broken).expect("the folder is writable");
        reload(&relay, "the reload failed");
        wait::until("the alert", wait::PATIENCE, || failures(&relay) == count);
        assert_eq!(shown(&relay), old);
    }
    assert!(relay.log().contains("relay.crt"), "the file is named");
    fs::write(&file, good).expect("the folder is writable");
    reload(&relay, "reloaded: nothing changed");
}

#[test]
fn an_expired_certificate_changes_nothing() {
    let relay = relay(&setup());
    let old = shown(&relay);
    let_expire(relay.folder());
    reload(&relay, "the reload failed");
    assert!(relay.log().contains("has expired"));
    assert_eq!(shown(&relay), old);
}

#[test]
fn a_key_of_another_certificate_changes_nothing() {
    let relay = relay(&setup());
    let old = shown(&relay);
    let other = new_folder();
    let made = self_signed(&other, "relay.example.com").expect("a plain name");
    fs::copy(&made.key, relay.folder().join("relay.key")).expect("the folder is writable");
    let _ = fs::remove_dir_all(other);
    reload(&relay, "the reload failed");
    assert_eq!(shown(&relay), old);
}

#[test]
fn a_changed_limit_holds_for_new_sessions_and_the_rest_is_named() {
    let limit = |octets: u32| format!("\n[smtp]\nmax-message-octets = {octets}\n");
    let relay = relay(&setup().with(&limit(100_000)));
    assert_eq!(announced_size(&relay).as_deref(), Some("100000"));
    let changed = setup()
        .with(&limit(200_000))
        .with("\n[scheduler]\nexpire-after-h = 1\n");
    relay.configure(&changed.to_toml(relay.port()));
    reload(&relay, "reloaded for new sessions: smtp");
    assert_eq!(announced_size(&relay).as_deref(), Some("200000"));
    wait::until("what needs a restart is named", wait::PATIENCE, || {
        let log = relay.log();
        log.contains("needs a restart: scheduler\n")
    });
}

#[test]
fn limits_of_connections_hold_for_new_ones_and_cut_nobody() {
    let limit = |max: u32| format!("\n[submission]\nmax-connections-per-address = {max}\n");
    let relay = relay(&setup().with(&limit(2)));
    let change = |max| {
        relay.configure(&setup().with(&limit(max)).to_toml(relay.port()));
        reload(&relay, "reloaded for new sessions: submission");
    };
    let connect = || Client::try_connect(relay.port());
    // The relay notices after its start that the connection that looked for it has gone.
    let mut open: Vec<_> = (0..2)
        .map(|_| wait::until_some("a place", wait::PATIENCE, || connect().ok()))
        .collect();
    connect().map(drop).expect_err("a third one");
    change(3);
    open.push(connect().expect("a third one"));
    change(1);
    let told = connect().map(drop).expect_err("a fourth one").to_string();
    assert!(told.contains("at most 1 at a time"), "{told}");
    for client in &mut open {
        client.say("NOOP", "250");
    }
}

#[test]
fn a_running_session_keeps_the_time_it_has_and_a_new_one_gets_the_new() {
    let relay = relay(&setup());
    let mut before = relay.connect();
    let changed = setup().with("\n[submission]\nlogin-timeout-s = 1\n");
    relay.configure(&changed.to_toml(relay.port()));
    reload(&relay, "reloaded for new sessions: submission");
    let mut after = relay.connect();
    after.expect("421 4.4.2");
    before.say("NOOP", "250");
}

#[test]
fn passwords_are_remembered_as_the_new_accounts_say() {
    let logins =
        "\n[submission.logins]\nfree-failures = 0\nfirst-delay-ms = 1000\nmax-user-delay-s = 1\n";
    let relay = relay(&setup().with(logins));
    let user = relay.add_shop_user(&[]);
    relay.login(&user);
    let mut client = relay.connect();
    client.ehlo();
    client.say(&auth_plain(&user.username, "wrong"), "535 5.7.8");
    let changed = setup().with(logins).with("\n[accounts]\ncache-ttl-s = 0\n");
    relay.configure(&changed.to_toml(relay.port()));
    reload(&relay, "reloaded for new sessions: accounts");
    let began = Instant::now();
    relay.login(&user);
    assert!(began.elapsed() >= Duration::from_secs(1), "it did not wait");
}

#[test]
fn starttls_can_be_taken_from_new_sessions() {
    let relay = relay(&setup());
    let offers = || relay.connect().ehlo().contains(&"STARTTLS".to_owned());
    assert!(offers());
    let text = setup().to_toml(relay.port());
    relay.configure(&text.replace("\"starttls\"", "\"none\""));
    reload(&relay, "reloaded for new sessions: listener");
    assert!(!offers());
}

#[test]
fn a_broken_configuration_changes_nothing_and_raises_an_alert() {
    let relay = relay(&setup());
    let size = announced_size(&relay);
    let text = setup().with("\n[smtp]\nmax-message-octets = 7\nmax-recipients = 0\n");
    relay.configure(&text.to_toml(relay.port()));
    reload(&relay, "the reload failed");
    assert_eq!(announced_size(&relay), size);
    assert!(relay.log().contains("smtp.max-recipients"));
    // The command line reads the same file, and needs a good one to show the alert.
    relay.configure(&setup().to_toml(relay.port()));
    reload(&relay, "reloaded: nothing changed");
    assert_eq!(failures(&relay), 1);
}

#[test]
fn an_additional_certificate_that_cannot_be_read_fails_the_check() {
    let more = "\n[[tls.additional]]\ncertificate = \"none.crt\"\nkey = \"none.key\"\n";
    let relay = Relay::prepare(&Setup::maildir().with(more));
    let output = relay.cli(&["config", "check"]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("none.crt"), "{}", output.stderr);
    assert!(output.stderr.contains("\nhint: "), "{}", output.stderr);
}

#[test]
fn the_check_warns_of_an_expired_certificate() {
    let relay = Relay::prepare(&Setup::maildir().with(TLS));
    let_expire(relay.folder());
    let checked = relay.json(&["config", "check"]);
    let warning = checked["warnings"].get(0).and_then(Value::as_str);
    let warning = warning.unwrap_or_else(|| panic!("no warning in {checked}"));
    assert!(warning.contains("relay.crt has expired"), "{warning}");
}
