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
                    "set tls = \"starttls\" on this listener; if something between \
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
            .fix("see the relay's log: too many connections from here, a block after wrong passwords, or a \
                  listener that wants the header of its proxy (proxy-protocol) may be why"),
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
mod tests;
