//! gsasl, the tool of GNU SASL: logs in by SCRAM, with and without channel binding, and sends nothing.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::client::is_there;
use crate::desk::{Desk, HOST, Security};

/// Logs in over STARTTLS: the exit code, and the dialogue that gsasl shows. None where it is not installed.
fn log_in(mechanism: &str, right: bool) -> Option<(Option<i32>, String)> {
    if !is_there("gsasl") {
        let said =
            "gsasl: NOT TESTED, it is missing\nhint: run tests/interop/run, which installs it";
        assert!(std::env::var_os("CI").is_none(), "{said}");
        let _ = writeln!(std::io::stderr(), "{said}");
        return None;
    }
    let desk = Desk::open();
    let password = if right { &desk.user.password } else { "wrong" };
    let port = desk.port(Security::Starttls);
    let output = Command::new("timeout")
        .args(["--kill-after=5", "60", "gsasl", "--smtp", "--starttls"])
        .arg(format!("--connect={HOST}:{port}"))
        .arg(format!("--x509-ca-file={}", desk.certificate().display()))
        .arg(format!("--mechanism={mechanism}"))
        .arg(format!("--authentication-id={}", desk.user.username))
        .arg(format!("--password={password}"))
        // With a channel that can be bound to, it refuses to log in without binding to it.
        .args((!mechanism.ends_with("-PLUS")).then_some("--no-cb"))
        .stdin(Stdio::null())
        .output()
        .expect("coreutils has timeout");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    println!("--- gsasl, {mechanism} ---\n{text}");
    Some((output.status.code(), text))
}

#[track_caller]
fn succeeds(mechanism: &str) {
    let Some((code, text)) = log_in(mechanism, true) else {
        return;
    };
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&format!("AUTH {mechanism}")), "{text}");
    assert!(text.contains("235 2.7.0"), "{text}");
}

#[test]
fn it_logs_in_without_a_binding() {
    succeeds("SCRAM-SHA-256");
}

#[test]
fn it_logs_in_bound_to_its_channel() {
    succeeds("SCRAM-SHA-256-PLUS");
}

#[test]
fn a_wrong_password_is_refused() {
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"] {
        let Some((code, text)) = log_in(mechanism, false) else {
            return;
        };
        assert_ne!(code, Some(0), "{text}");
        assert!(text.contains("535 5.7.8"), "{text}");
    }
}
