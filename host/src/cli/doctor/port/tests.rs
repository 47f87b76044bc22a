//! What is seen of a port, and what is said about it.

use super::*;
use crate::cli::doctor::finding::Verdict::{self, Failed, Ok as Fine, Skipped, Warning};
use crate::cli::doctor::plan::{Door, endpoints};

fn endpoint(address: &str, port: u16, tls: TlsMode, wanted: Wanted) -> Endpoint {
    let door = Door { port, tls, wanted };
    let address = address.parse().expect("an address");
    endpoints(&[address], &[door]).remove(0)
}

fn submission() -> Endpoint {
    endpoint("192.0.2.1", 587, TlsMode::StartTls, Wanted::Explicitly)
}

fn reply(code: u16, lines: &[&str]) -> Reply {
    Reply {
        code,
        lines: lines.iter().map(|&line| line.to_owned()).collect(),
    }
}

fn greeted_by(name: &str, hello: &[&str]) -> Seen {
    Seen {
        connected: Some(Duration::from_millis(3)),
        greeting: Some((reply(220, &[name]), Duration::from_millis(5))),
        hello: Some(reply(250, hello)),
        ..Seen::default()
    }
}

fn result_of(findings: &[Finding], check: &str) -> (Verdict, String) {
    let found = findings.iter().find(|finding| finding.check == check);
    let found = found.unwrap_or_else(|| panic!("no {check} in {findings:?}"));
    (found.result, format!("{} | {}", found.detail, found.fix))
}

/// A stop, the check that tells of it, how bad it is, and words of its advice.
type Case = (Endpoint, Stop, &'static str, Verdict, &'static str);

fn assert_advice(cases: impl IntoIterator<Item = Case>) {
    for (endpoint, stop, check, verdict, words) in cases {
        let found = judge(&endpoint, &Seen::default(), Some(&stop), Place::Here);
        assert_eq!(found.len(), 1, "{stop:?}");
        let (result, text) = result_of(&found, check);
        assert_eq!(result, verdict, "{stop:?}: {text}");
        assert!(text.contains(words), "{stop:?}: {text}");
        assert!(!found[0].fix.is_empty(), "{stop:?}");
    }
}

#[test]
fn a_port_that_cannot_be_reached_says_what_to_open() {
    use ConnectFault::{Filtered, Refused, Unreachable};
    let relay = endpoint("192.0.2.1", 25, TlsMode::StartTls, Wanted::Explicitly);
    let usual = endpoint("192.0.2.1", 587, TlsMode::StartTls, Wanted::Usually);
    let six = endpoint("2001:db8::1", 587, TlsMode::StartTls, Wanted::Explicitly);
    let cases = [
        (submission(), Refused, Failed, "gatepost serve"),
        (usual, Refused, Warning, "gatepost serve"),
        (submission(), Filtered, Failed, "firewall"),
        (relay, Filtered, Failed, "block 25"),
        (six, Unreachable, Skipped, "IPv6"),
        (submission(), Unreachable, Failed, "route"),
    ];
    assert_advice(cases.map(|(endpoint, fault, verdict, words)| {
        let check = if endpoint.door.port == 25 {
            "port 25"
        } else {
            "port 587"
        };
        (endpoint, Stop::Connect(fault), check, verdict, words)
    }));
}

#[test]
fn a_server_that_is_no_relay_is_told_apart() {
    let not_smtp = |line: &str| Trouble::NotSmtp(line.to_owned());
    let cases = [
        (Trouble::Silent, "--implicit"),
        (Trouble::Tls, "--implicit"),
        (not_smtp("HTTP/1.1 400 Bad Request"), "a web server"),
        (not_smtp("SSH-2.0-x"), "no SMTP server"),
        (Trouble::Closed, "hangs up"),
        (Trouble::TooLong, "does not end"),
    ];
    assert_advice(cases.map(|(trouble, words)| {
        let stop = Stop::NoReply(Stage::Greeting, trouble);
        (submission(), stop, "greeting 587", Failed, words)
    }));
    let busy = Stop::Refused(Stage::Greeting, reply(421, &["busy"]));
    assert_advice([(
        submission(),
        busy,
        "greeting 587",
        Failed,
        "max-connections",
    )]);
}

#[test]
fn a_port_without_tls_says_how_to_get_it() {
    use HandshakeFault::{NotTls, Outdated};
    let implicit = endpoint("192.0.2.1", 465, TlsMode::Implicit, Wanted::Explicitly);
    let handshake = Stop::Handshake;
    assert_advice([
        (
            submission(),
            Stop::NoStartTls,
            "tls 587",
            Failed,
            "starttls",
        ),
        (implicit, handshake(NotTls), "tls 465", Failed, "--starttls"),
        (
            submission(),
            handshake(NotTls),
            "tls 587",
            Failed,
            "rewrites SMTP",
        ),
        (
            submission(),
            handshake(Outdated),
            "tls 587",
            Failed,
            "TLS 1.2",
        ),
    ]);
}

#[test]
fn a_good_port_has_nothing_to_fix() {
    let mut seen = greeted_by("mx.example.com ESMTP", &["mx.example.com", "STARTTLS"]);
    seen.hello_under_tls = Some(reply(250, &["mx.example.com", "AUTH PLAIN LOGIN"]));
    let found = judge(&submission(), &seen, None, Place::Here);
    assert!(
        found
            .iter()
            .all(|it| it.result == Fine && it.fix.is_empty()),
        "{found:?}"
    );
    let (_, text) = result_of(&found, "extensions 587");
    assert!(text.starts_with("AUTH PLAIN LOGIN"), "{text}");
}

#[test]
fn two_names_of_one_server_are_reported() {
    let found = judge(
        &submission(),
        &greeted_by("a.example", &["b.example", "STARTTLS"]),
        None,
        Place::Here,
    );
    let (result, text) = result_of(&found, "greeting 587");
    assert_eq!(result, Warning);
    assert!(
        text.contains("a.example") && text.contains("b.example"),
        "{text}"
    );
}

#[test]
fn auth_before_tls_and_no_auth_under_tls_are_reported() {
    let mut seen = greeted_by("a", &["a", "STARTTLS", "AUTH PLAIN"]);
    seen.hello_under_tls = Some(reply(250, &["a", "SIZE 10"]));
    let found = judge(&submission(), &seen, None, Place::Here);
    assert_eq!(result_of(&found, "before tls 587").0, Warning);
    assert_eq!(result_of(&found, "login 587").0, Failed);
}

#[test]
fn what_is_slow_is_reported() {
    let mut seen = greeted_by("a", &["a", "STARTTLS"]);
    seen.connected = Some(SLOW + Duration::from_millis(1));
    seen.greeting = Some((reply(220, &["a"]), SLOW + Duration::from_millis(1)));
    let found = judge(&submission(), &seen, None, Place::Elsewhere);
    assert_eq!(result_of(&found, "port 587").0, Warning);
    assert_eq!(result_of(&found, "greeting 587").0, Warning);
}
