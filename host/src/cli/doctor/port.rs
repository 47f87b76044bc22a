//! Judges what a visit saw of a port: connection, greeting, extensions, TLS.

use std::net::IpAddr;
use std::time::Duration;

use super::certificate;
use super::dialogue::{Reply, Trouble};
use super::finding::Finding;
use super::plan::{Endpoint, Wanted};
use super::visit::{ConnectFault, HandshakeFault, Seen, Stage, Stop};
use crate::listener::TlsMode;

/// A connection or a greeting that takes longer is reported. Default 5 s: some clients give up after 10.
const SLOW: Duration = Duration::from_secs(5);
/// The port of mail exchangers, which many providers close for their customers.
const RELAY_PORT: u16 = 25;

/// Where the relay runs, for the advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this machine.
    Here,
    /// Somewhere else.
    Elsewhere,
}

/// What is found about one port, its certificate aside.
pub fn judge(endpoint: &Endpoint, seen: &Seen, stop: Option<&Stop>, place: Place) -> Vec<Finding> {
    let label = &endpoint.label;
    let mut findings = Vec::new();
    if let Some(took) = seen.connected {
        findings.push(connected(endpoint, took));
    }
    if let Some((greeting, took)) = &seen.greeting {
        findings.push(greeted(label, greeting, *took, seen));
    }
    if let Some(hello) = &seen.hello {
        findings.extend(unencrypted(endpoint, hello));
    }
    if let Some(tls) = &seen.tls {
        findings.push(certificate::protocol(label, tls));
    }
    if let Some(hello) = seen.hello_under_tls.as_ref().or(seen.hello.as_ref()) {
        findings.push(extensions(label, hello));
    }
    if let Some(hello) = &seen.hello_under_tls {
        findings.extend(no_login(label, hello));
    }
    findings.extend(stop.map(|stop| stopped(endpoint, stop, place)));
    findings
}

fn connected(endpoint: &Endpoint, took: Duration) -> Finding {
    let check = format!("port {}", endpoint.label);
    let detail = format!(
        "connected to {} in {} ms",
        endpoint.address,
        took.as_millis()
    );
    if took > SLOW {
        return Finding::warning(check, detail)
            .fix("look for packet loss between here and the relay (ping, mtr)");
    }
    Finding::ok(check, detail)
}

fn greeted(label: &str, greeting: &Reply, took: Duration, seen: &Seen) -> Finding {
    let check = format!("greeting {label}");
    let detail = format!("{} (after {} ms)", greeting.text(), took.as_millis());
    let hello = seen.hello.as_ref().or(seen.hello_under_tls.as_ref());
    let (first, second) = (greeting.first_word(), hello.map(Reply::first_word));
    if let Some(second) = second.filter(|second| !second.eq_ignore_ascii_case(first)) {
        let detail = format!("the greeting names {first}, the reply to EHLO {second}");
        let fix = "set `hostname` to the one name of the relay; something between may rewrite SMTP";
        return Finding::warning(check, detail).fix(fix);
    }
    if took > SLOW {
        let fix =
            "make the relay's host answer faster: its load, or a reverse lookup before it greets";
        return Finding::warning(check, detail).fix(fix);
    }
    Finding::ok(check, detail)
}

/// What must not be, or be missing, before TLS.
fn unencrypted(endpoint: &Endpoint, hello: &Reply) -> Option<Finding> {
    let check = format!("before tls {}", endpoint.label);
    if endpoint.door.tls == TlsMode::None {
        let detail =
            "this port has no TLS: everything on it, passwords too, can be read on the way";
        let fix = "set tls = \"starttls\" on this listener";
        return Some(Finding::warning(check, detail).fix(fix));
    }
    hello.extension("AUTH")?;
    let detail =
        "AUTH is offered before TLS: a client that is not careful sends its password readable";
    Some(Finding::warning(check, detail).fix("set require-tls-for-auth = true on this listener"))
}

fn extensions(label: &str, hello: &Reply) -> Finding {
    let offered: Vec<&str> = hello.extensions().collect();
    let check = format!("extensions {label}");
    if offered.is_empty() {
        let fix = "something between may filter SMTP: switch its \"SMTP inspection\" off";
        return Finding::warning(check, "none").fix(fix);
    }
    Finding::ok(check, offered.join(", "))
}

fn no_login(label: &str, hello: &Reply) -> Option<Finding> {
    if hello.extension("AUTH").is_some() {
        return None;
    }
    let detail = "AUTH is not offered under TLS: nobody can log in here";
    let fix = "this may be no submission server; use its submission port, usually 587 or 465";
    Some(Finding::failed(format!("login {label}"), detail).fix(fix))
}

fn stopped(endpoint: &Endpoint, stop: &Stop, place: Place) -> Finding {
    let label = &endpoint.label;
    match stop {
        Stop::Connect(fault) => unconnected(endpoint, fault, place),
        Stop::NoReply(stage, trouble) => no_reply(endpoint, *stage, trouble),
        Stop::Refused(stage, reply) => refused(label, *stage, reply),
        Stop::NoStartTls => {
            let fix = match place {
                Place::Here => {
                    "set tls = \"starttls\" on this listener and restart; if something between \
                     filters SMTP, switch that off"
                }
                Place::Elsewhere => {
                    "switch off SMTP filtering (antivirus, firewall) between here and the relay, or \
                     use port 465 with --implicit"
                }
            };
            Finding::failed(format!("tls {label}"), "STARTTLS is not offered").fix(fix)
        }
        Stop::Handshake(fault) => no_handshake(endpoint, fault),
    }
}

fn unconnected(endpoint: &Endpoint, fault: &ConnectFault, place: Place) -> Finding {
    let check = format!("port {}", endpoint.label);
    let (address, port) = (endpoint.address, endpoint.door.port);
    let finding = match fault {
        ConnectFault::Refused => {
            let fix = match place {
                Place::Here => format!(
                    "start the relay with `gatepost serve` (or `systemctl start gatepost`); is {port} in \
                     `ports` of a [[listener]]?"
                ),
                Place::Elsewhere => format!(
                    "start the relay, add {port} to `ports` of its [[listener]], and open it in its firewall"
                ),
            };
            Finding::failed(check, format!("{address} refuses connections")).fix(fix)
        }
        ConnectFault::Filtered => {
            let detail = format!("{address} does not answer: a firewall drops the packets");
            Finding::failed(check, detail).fix(filtered(port))
        }
        ConnectFault::Unreachable if matches!(endpoint.address.ip(), IpAddr::V6(_)) => {
            let detail = format!("{address} cannot be tried: this machine has no way to IPv6");
            return Finding::skipped(check, detail).fix("run the doctor on a machine with IPv6");
        }
        ConnectFault::Unreachable => {
            let detail = format!("there is no route from here to {address}");
            Finding::failed(check, detail)
                .fix("check this machine's network and the address in DNS")
        }
        ConnectFault::Other(reason) => {
            Finding::failed(check, format!("cannot connect to {address}: {reason}"))
                .fix("check this machine's network")
        }
    };
    match endpoint.door.wanted {
        Wanted::Explicitly => finding,
        Wanted::Usually => finding.softened(),
    }
}

fn filtered(port: u16) -> String {
    let open = format!("open TCP port {port} in the relay's firewall and in its provider's");
    if port == RELAY_PORT {
        return format!(
            "{open}; many networks block 25 for their customers: let mail clients use 587 or 465"
        );
    }
    open
}

fn no_reply(endpoint: &Endpoint, stage: Stage, trouble: &Trouble) -> Finding {
    let (check, wait) = match stage {
        Stage::Greeting => ("greeting", "greeting"),
        Stage::Hello => ("extensions", "reply to EHLO"),
        Stage::StartTls => ("tls", "reply to STARTTLS"),
    };
    let check = format!("{check} {}", endpoint.label);
    let port = endpoint.door.port;
    match trouble {
        Trouble::Silent if stage == Stage::Greeting => {
            let detail =
                "the server is silent: it may be no SMTP server, or speak TLS from the first octet";
            let fix = format!(
                "try --port {port} --implicit; else see what listens on {port}: `ss -ltnp`"
            );
            Finding::failed(check, detail).fix(fix)
        }
        Trouble::Silent => Finding::failed(check, format!("no {wait} in time"))
            .fix("see the relay's log; wait longer with --timeout-s 60"),
        Trouble::Tls => {
            let fix =
                format!("try --port {port} --implicit; mail clients need SSL/TLS on this port");
            Finding::failed(check, trouble.to_string()).fix(fix)
        }
        Trouble::NotSmtp(line) => {
            let what = if line.starts_with("HTTP/") {
                "a web server"
            } else {
                "no SMTP server"
            };
            let fix =
                format!("give {port} to the relay alone: see what listens on it with `ss -ltnp`");
            Finding::failed(check, format!("this is {what}: it says `{line}`")).fix(fix)
        }
        Trouble::Closed => Finding::failed(check, format!("the server hangs up: no {wait}"))
            .fix("see the relay's log; a firewall or too many connections from here may be why"),
        Trouble::TooLong => Finding::failed(check, format!("the {wait} does not end"))
            .fix(format!("see what listens on {port}: `ss -ltnp`")),
        Trouble::Broken(reason) => Finding::failed(check, reason)
            .fix("look for something between that rewrites SMTP (antivirus, firewall)"),
    }
}

fn refused(label: &str, stage: Stage, reply: &Reply) -> Finding {
    let text = reply.text();
    match (stage, reply.code) {
        (Stage::Greeting, 421) => Finding::failed(format!("greeting {label}"), text)
            .fix("the relay is busy or stopping: wait, or raise submission.max-connections"),
        (Stage::Greeting, _) => Finding::failed(format!("greeting {label}"), text)
            .fix("the server turns this address away: run the doctor from where the clients are"),
        (Stage::Hello, _) => Finding::failed(format!("extensions {label}"), text)
            .fix("the server refuses EHLO: see its log"),
        (Stage::StartTls, _) => Finding::failed(format!("tls {label}"), text)
            .fix("the server offers STARTTLS and refuses it: check its certificate, see its log"),
    }
}

fn no_handshake(endpoint: &Endpoint, fault: &HandshakeFault) -> Finding {
    let check = format!("tls {}", endpoint.label);
    let port = endpoint.door.port;
    let implicit = endpoint.door.tls == TlsMode::Implicit;
    match fault {
        HandshakeFault::NotTls | HandshakeFault::Silent if implicit => {
            let fix = format!(
                "try --port {port} --starttls; or set tls = \"implicit\" on the listener of {port}"
            );
            Finding::failed(check, "the server does not speak TLS from the first octet").fix(fix)
        }
        HandshakeFault::NotTls => Finding::failed(check, "what follows STARTTLS is not TLS")
            .fix("look for something between that rewrites SMTP (antivirus, firewall)"),
        HandshakeFault::Silent => Finding::failed(check, "the handshake does not end")
            .fix("see the relay's log; wait longer with --timeout-s 60"),
        HandshakeFault::Outdated => {
            let detail = "the server has no cipher or version in common with TLS 1.2 and 1.3";
            Finding::failed(check, detail)
                .fix("make the server speak TLS 1.2 or 1.3: older versions are broken (RFC 8996)")
        }
        HandshakeFault::Closed => {
            Finding::failed(check, "the server hangs up during the handshake")
                .fix("see the relay's log; check tls.certificate and tls.key")
        }
        HandshakeFault::Other(reason) => Finding::failed(check, format!("no handshake: {reason}"))
            .fix("see the relay's log; check tls.certificate and tls.key"),
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_stop_says_what_to_do() {
        use super::super::visit::{ConnectFault as C, HandshakeFault as H};
        let implicit = || endpoint("192.0.2.1", 465, TlsMode::Implicit, Wanted::Explicitly);
        let relay = endpoint("192.0.2.1", 25, TlsMode::StartTls, Wanted::Explicitly);
        let custom = endpoint("192.0.2.1", 587, TlsMode::StartTls, Wanted::Usually);
        let six = endpoint("2001:db8::1", 587, TlsMode::StartTls, Wanted::Explicitly);
        let not_smtp = |line: &str| Stop::NoReply(Stage::Greeting, Trouble::NotSmtp(line.into()));
        let cases = [
            (
                submission(),
                Stop::Connect(C::Refused),
                "port 587",
                Failed,
                "gatepost serve",
            ),
            (
                custom,
                Stop::Connect(C::Refused),
                "port 587",
                Warning,
                "gatepost serve",
            ),
            (
                submission(),
                Stop::Connect(C::Filtered),
                "port 587",
                Failed,
                "firewall",
            ),
            (
                relay,
                Stop::Connect(C::Filtered),
                "port 25",
                Failed,
                "block 25",
            ),
            (
                six,
                Stop::Connect(C::Unreachable),
                "port 587",
                Skipped,
                "IPv6",
            ),
            (
                submission(),
                Stop::Connect(C::Unreachable),
                "port 587",
                Failed,
                "route",
            ),
            (
                submission(),
                Stop::NoReply(Stage::Greeting, Trouble::Silent),
                "greeting 587",
                Failed,
                "--implicit",
            ),
            (
                submission(),
                not_smtp("HTTP/1.1 400 Bad Request"),
                "greeting 587",
                Failed,
                "a web server",
            ),
            (
                submission(),
                not_smtp("SSH-2.0-x"),
                "greeting 587",
                Failed,
                "no SMTP server",
            ),
            (
                submission(),
                Stop::Refused(Stage::Greeting, reply(421, &["busy"])),
                "greeting 587",
                Failed,
                "max-connections",
            ),
            (
                submission(),
                Stop::NoStartTls,
                "tls 587",
                Failed,
                "starttls",
            ),
            (
                implicit(),
                Stop::Handshake(H::NotTls),
                "tls 465",
                Failed,
                "--starttls",
            ),
            (
                submission(),
                Stop::Handshake(H::NotTls),
                "tls 587",
                Failed,
                "rewrites SMTP",
            ),
            (
                submission(),
                Stop::Handshake(H::Outdated),
                "tls 587",
                Failed,
                "TLS 1.2",
            ),
        ];
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
}
