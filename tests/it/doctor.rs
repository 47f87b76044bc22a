//! `gatepost doctor` against a real relay and against what is none: what it sees, says and keeps to itself.

use std::io::{Read, Write};
use std::net::TcpListener;

use gatepost_tests::relay::{Output, Relay, Setup, User, gatepost, gatepost_with};
use gatepost_tests::sink::{Script, Sink};
use serde_json::Value;

const SENDER: &str = "orders@example.com";

/// A relay that asks no DNS for its name, and takes passwords under TLS alone.
fn prepared(mut setup: Setup) -> Relay {
    setup.require_tls = true;
    let relay = Relay::prepare(&setup);
    let text = setup.to_toml(relay.port());
    relay.configure(&text.replace("relay.example.com", "localhost"));
    relay
}

fn started(setup: Setup) -> Relay {
    let mut relay = prepared(setup);
    relay.restart();
    relay
}

/// The certificate that the relay made for itself.
fn own_certificate(relay: &Relay) -> String {
    let path = relay.folder().join("self-signed.crt");
    path.to_str().expect("UTF-8").to_owned()
}

fn examine(relay: &Relay, user: Option<&User>, arguments: &[&str]) -> Output {
    let config = relay.config();
    let config = config.to_str().expect("UTF-8");
    let mut all = vec!["doctor", "--config", config];
    if let Some(user) = user {
        all.extend(["--user", &user.username]);
    }
    all.extend(arguments);
    let password = user.map_or("", |user| user.password.as_str());
    gatepost_with(&all, &[("GATEPOST_PASSWORD", password)])
}

/// The finding whose check begins with this word.
#[track_caller]
fn finding(output: &Output, check: &str) -> Value {
    let findings = output.json();
    let findings = findings.as_array().expect("an array");
    let is_it = |finding: &&Value| {
        let name = finding["check"].as_str().unwrap_or_default();
        name.split(' ').next() == Some(check)
    };
    match findings.iter().find(is_it) {
        Some(found) => found.clone(),
        None => panic!("no {check} in {}", output.stdout),
    }
}

#[track_caller]
fn assert_found(output: &Output, check: &str, result: &str, words: &str) {
    let found = finding(output, check);
    let text = format!("{} {}", found["detail"], found["fix"]);
    assert_eq!(
        found["result"], result,
        "{}\n{}",
        output.stdout, output.stderr
    );
    assert!(text.contains(words), "`{words}` in {text}");
}

#[test]
fn a_good_relay_is_well_and_its_test_message_arrives() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let relay = started(Setup::smarthost(sink.port()));
    let user = relay.add_shop_user(&["--authorized-domains", "example.com"]);
    let certificate = own_certificate(&relay);
    let arguments = [
        "--ca-file",
        &certificate,
        "--from",
        SENDER,
        "--send",
        "--verbose",
        "--json",
    ];
    let output = examine(&relay, Some(&user), &arguments).succeeded();
    for check in [
        "configuration",
        "port",
        "greeting",
        "tls",
        "extensions",
        "chain",
        "names",
        "expiry",
        "auth",
        "sender",
    ] {
        assert_found(&output, check, "ok", "");
    }
    assert_found(&output, "message", "ok", "queued as");
    assert_found(&output, "delivery", "ok", "delivered");
    assert_found(&output, "mail", "ok", &format!("port {}", relay.port()));
    let delivery = &sink.deliveries()[0];
    assert!(delivery.from.starts_with(&format!("<{SENDER}>")));
    assert_eq!(
        delivery.fields("subject"),
        ["gatepost doctor: a test message"]
    );
    assert!(
        output.stderr.contains("C: AUTH PLAIN [secret]"),
        "{}",
        output.stderr
    );
    let printed = format!("{}{}", output.stdout, output.stderr);
    assert!(!printed.contains(&user.password));
}

#[test]
fn without_an_account_the_doctor_says_how_to_give_one() {
    let relay = started(Setup::maildir());
    let certificate = own_certificate(&relay);
    let output = examine(&relay, None, &["--ca-file", &certificate]).succeeded();
    assert!(output.stdout.contains("All is well."), "{}", output.stdout);
    assert!(output.stdout.contains("--user NAME"), "{}", output.stdout);
    let arguments = ["--ca-file", &certificate, "--user", "s1_1", "--json"];
    let output = examine(&relay, None, &arguments);
    assert_eq!(output.code, Some(1));
    assert_found(&output, "auth", "failed", "GATEPOST_PASSWORD");
}

#[test]
fn a_self_signed_certificate_fails_but_the_relay_of_this_machine_is_recognised() {
    let relay = started(Setup::maildir());
    let user = relay.add_shop_user(&[]);
    let output = examine(&relay, Some(&user), &["--json", "--from", SENDER]);
    assert_eq!(output.code, Some(1));
    assert_found(&output, "chain", "failed", "self-signed");
    assert_found(&output, "chain", "failed", "tls.certificate");
    assert_found(&output, "auth", "ok", &user.username);
    assert_found(&output, "sender", "ok", "--send");
}

#[test]
fn a_relay_that_proves_nothing_gets_no_password() {
    let relay = started(Setup::maildir());
    let user = relay.add_shop_user(&[]);
    let port = relay.port().to_string();
    let arguments = [
        "doctor",
        "127.0.0.1",
        "--port",
        &port,
        "--user",
        &user.username,
        "--verbose",
        "--json",
    ];
    let output = gatepost_with(&arguments, &[("GATEPOST_PASSWORD", &user.password)]);
    assert_eq!(output.code, Some(1));
    assert_found(&output, "names", "failed", "localhost");
    assert_found(&output, "auth", "skipped", "was not sent");
    assert!(!output.stderr.contains("C: AUTH"), "{}", output.stderr);
}

#[test]
fn a_wrong_password_is_answered_with_the_command_that_makes_a_new_one() {
    let relay = started(Setup::maildir());
    let mut user = relay.add_shop_user(&[]);
    user.password = "not the password".to_owned();
    let output = examine(&relay, Some(&user), &["--json"]);
    assert_eq!(output.code, Some(1));
    let command = format!("gatepost user reset-password {}", user.username);
    assert_found(&output, "auth", "failed", &command);
    relay
        .cli(&["user", "edit", &user.username, "--active", "false"])
        .succeeded();
    let output = examine(&relay, Some(&user), &["--json"]);
    assert_found(&output, "auth", "failed", "535");
}

#[test]
fn a_refused_sender_is_answered_with_the_command_that_authorizes_it() {
    let relay = started(Setup::maildir());
    let user = relay.add_shop_user(&["--authorized-domains", "example.com"]);
    let arguments = ["--from", "boss@example.net", "--send", "--json"];
    let output = examine(&relay, Some(&user), &arguments);
    assert_eq!(output.code, Some(1));
    assert_found(&output, "sender", "failed", "550 5.7.1");
    let command = format!("gatepost user edit {}", user.username);
    assert_found(&output, "sender", "failed", &command);
}

#[test]
fn an_implicit_listener_is_spoken_to_from_the_first_octet() {
    let mut setup = Setup::maildir();
    setup.tls = "implicit";
    let relay = started(setup);
    let user = relay.add_shop_user(&[]);
    let certificate = own_certificate(&relay);
    let arguments = ["--ca-file", &certificate, "--json"];
    let output = examine(&relay, Some(&user), &arguments).succeeded();
    assert_found(&output, "mail", "ok", "SSL/TLS");
    assert_found(&output, "auth", "ok", "");
    let output = examine(&relay, None, &["--starttls", "--timeout-s", "1", "--json"]);
    assert_found(&output, "greeting", "failed", "TLS from the first octet");
    assert_found(&output, "greeting", "failed", "--implicit");
}

#[test]
fn a_relay_that_does_not_run_is_to_be_started() {
    let relay = prepared(Setup::maildir());
    let output = examine(&relay, None, &["--json"]);
    assert_eq!(output.code, Some(1));
    assert_found(&output, "configuration", "ok", "localhost");
    assert_found(&output, "port", "failed", "gatepost serve");
    let text = examine(&relay, None, &[]).stdout;
    assert!(text.contains("fix: start the relay"), "{text}");
}

#[test]
fn a_configuration_that_cannot_be_read_ends_the_examination() {
    let relay = prepared(Setup::maildir());
    relay.configure("hostname = 7");
    let output = examine(&relay, None, &["--json"]);
    assert_eq!(output.code, Some(1));
    assert_found(&output, "configuration", "failed", "line 1");
    assert_eq!(output.json().as_array().map(Vec::len), Some(1));
}

/// Examines a port of loopback that is no relay's.
fn examine_port(port: u16) -> Output {
    let port = port.to_string();
    gatepost(&[
        "doctor",
        "127.0.0.1",
        "--port",
        &port,
        "--timeout-s",
        "1",
        "--json",
    ])
}

#[test]
fn a_silent_port_is_not_waited_for_without_end() {
    // The system completes the connection; nobody ever speaks on it.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let output = examine_port(port);
    assert_eq!(output.code, Some(1));
    assert_found(&output, "greeting", "failed", "--implicit");
    assert_found(&output, "mail", "skipped", "");
}

#[test]
fn a_web_server_is_recognised_and_cannot_write_on_the_terminal() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the doctor comes");
        let mut request = [0; 512];
        let read = stream.read(&mut request).expect("the doctor speaks");
        assert!(request[..read].starts_with(b"EHLO"));
        let _ = stream.write_all(b"HTTP/1.1 400 \x1b[2JBad Request\r\nConnection: close\r\n\r\n");
    });
    let output = examine_port(port);
    server.join().expect("it was asked");
    assert_eq!(output.code, Some(1));
    assert_found(&output, "greeting", "failed", "a web server");
    assert!(!output.stdout.contains("\\u001b") && !output.stdout.contains('\x1b'));
}

#[test]
fn an_expired_certificate_is_to_be_renewed() {
    let relay = prepared(Setup::maildir());
    let mut parameters =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a plain name");
    parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = parameters.self_signed(&key).expect("a certificate");
    let path = relay.folder().join("expired.crt");
    std::fs::write(&path, certificate.pem()).expect("writable");
    std::fs::write(relay.folder().join("expired.key"), key.serialize_pem()).expect("writable");
    let text = std::fs::read_to_string(relay.config()).expect("readable");
    relay.configure(&format!(
        "{text}\n[tls]\ncertificate = \"expired.crt\"\nkey = \"expired.key\"\n"
    ));
    let mut relay = relay;
    relay.restart();
    let path = path.to_str().expect("UTF-8");
    let output = examine(&relay, None, &["--ca-file", path, "--json"]);
    assert_eq!(output.code, Some(1));
    assert_found(&output, "expiry", "failed", "expired on 2021-01-01");
    assert_found(&output, "expiry", "failed", "renew");
    assert_found(&output, "names", "ok", "localhost");
    assert_found(&output, "chain", "failed", "time");
}

#[test]
fn a_misused_doctor_exits_with_2() {
    for arguments in [
        &["doctor", "--send"][..],
        &["doctor", "relay.example.com:587"],
        &["doctor", "--user", "s1_1", "--from", "nobody"],
        &["doctor", "--port", "0"],
        &["doctor", "--starttls", "--implicit"],
        &["doctor", "--password", "secret"],
        &["doctor", "--timeout-s", "0"],
    ] {
        let output = gatepost(arguments);
        assert_eq!(output.code, Some(2), "{arguments:?}: {}", output.stderr);
        assert!(output.stdout.is_empty());
    }
}
