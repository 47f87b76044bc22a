//! Signatures of a running relay, made with keys of `gatepost dkim new`, and judged by a foreign verifier: dkimpy.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Delivery, Script, Sink};
use gatepost_tests::wait;
use serde_json::Value;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";

/// Names, and the texts of their TXT records.
type Records = [(String, String)];

/// A relay whose configuration has these keys, and the records that publish them.
struct Bench {
    sink: Sink,
    relay: Relay,
    user: User,
    records: Vec<(String, String)>,
}

impl Bench {
    /// Keys as `domain selector algorithm`.
    fn new(script: Script, keys: &[(&str, &str, &str)]) -> Self {
        let sink = Sink::start(script).expect("a port");
        let setup = Setup::smarthost(sink.port()).retrying_soon();
        let relay = Relay::prepare(&setup);
        let user = relay.add_shop_user(&[]);
        let mut bench = Self {
            sink,
            relay,
            user,
            records: Vec::new(),
        };
        let keys = keys.iter().map(|key| bench.make(key)).collect::<String>();
        bench
            .relay
            .configure(&setup.with(&keys).to_toml(bench.relay.port()));
        bench.relay.restart();
        bench
    }

    /// The lines of the configuration for a new key.
    fn make(&mut self, (domain, selector, algorithm): &(&str, &str, &str)) -> String {
        let made = self.relay.json(&[
            "dkim",
            "new",
            domain,
            "--selector",
            selector,
            "--algorithm",
            algorithm,
        ]);
        let text = |key: &str| made["record"][key].as_str().expect("a text").to_owned();
        self.records.push((text("name"), text("text")));
        let file = made["file"].as_str().expect("a path");
        format!(
            "\n[[dkim.key]]\ndomain = {domain:?}\nselector = {selector:?}\nprivate-key = {file:?}\n"
        )
    }

    /// Submits the content as it is, and returns what the next hop got.
    fn sent(&self, from: &str, mail: &str, content: &str, id: &str) -> Delivery {
        let mut client = self.relay.login(&self.user);
        client.say(&format!("MAIL FROM:<{from}>{mail}"), "250");
        client.say(&format!("RCPT TO:<{TO}>"), "250");
        client.say("DATA", "354");
        client.send(format!("{content}.\r\n").as_bytes(), "250 2.0.0 queued as ");
        self.sink.delivery(id)
    }

    /// What the verifier says about each signature; none when it is not installed.
    fn verified(&self, octets: &[u8]) -> Option<Vec<String>> {
        let python = python()?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/verify-dkim.py");
        let records = serde_json::to_string(&self.records).expect("texts");
        let mut child = Command::new(python)
            .arg(script)
            .arg(records)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python runs");
        let mut stdin = child.stdin.take().expect("it was piped");
        std::io::Write::write_all(&mut stdin, octets).expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Some(text.lines().map(str::to_owned).collect())
    }
}

/// The interpreter that has dkimpy: `tests/conformance/needs` makes it.
fn python() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/.venv/bin/python");
    let has = Command::new(&python)
        .args(["-c", "import dkim, nacl"])
        .output();
    if has.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "dkimpy is not installed");
    eprintln!("not run: dkimpy is not installed; tests/run installs it");
    None
}

const BOTH: [(&str, &str, &str); 2] = [
    ("example.com", "r1", "rsa"),
    ("example.com", "e1", "ed25519"),
];

fn content(id: &str, body: &str) -> String {
    format!(
        "{}{body}",
        message::with_fields(&format!("From: {FROM}\r\nTo: {TO}\r\n"), id)
    )
}

#[test]
fn a_foreign_verifier_finds_both_signatures_good_for_small_and_large_messages() {
    let script = Script {
        keep: 2 * 1024 * 1024,
        ..Script::reading()
    };
    let bench = Bench::new(script, &BOTH);
    for (number, lines) in [0, 3, 20_000].into_iter().enumerate() {
        let id = message::id("dkim", number as u64);
        let body = "A  line \t of text, and some more\r\n..dots\r\n\r\n".repeat(lines);
        let delivery = bench.sent(FROM, "", &content(&id, &body), &id);
        let fields = delivery.fields("dkim-signature");
        assert_eq!(fields.len(), 2, "{fields:?}");
        if let Some(verified) = bench.verified(&delivery.octets()) {
            assert_eq!(verified, ["r1 rsa-sha256 good", "e1 ed25519-sha256 good"]);
        }
    }
}

#[test]
fn what_is_encoded_down_is_signed_as_it_leaves() {
    let bench = Bench::new(Script::reading().withholding(&["8BITMIME"]), &BOTH);
    let id = message::id("down", 0);
    let delivery = bench.sent(
        FROM,
        " BODY=8BITMIME",
        &content(&id, "Gr\u{fc}\u{df}e aus dem S\u{fc}den\r\n"),
        &id,
    );
    assert!(delivery.octets().is_ascii());
    assert!(delivery.text().contains("=C3=BC"), "{}", delivery.text());
    if let Some(verified) = bench.verified(&delivery.octets()) {
        assert_eq!(verified, ["r1 rsa-sha256 good", "e1 ed25519-sha256 good"]);
    }
}

#[test]
fn a_verifier_finds_what_was_changed_on_the_way() {
    let bench = Bench::new(Script::reading(), &BOTH[..1]);
    let id = message::id("changed", 0);
    let delivery = bench.sent(FROM, "", &content(&id, "Pay 10 to account 1\r\n"), &id);
    let text = String::from_utf8(delivery.octets()).expect("text");
    let changed = text.replace("account 1", "account 2");
    if let Some(verified) = bench.verified(changed.as_bytes()) {
        assert_eq!(verified, ["r1 rsa-sha256 bad"]);
    }
    let added = format!("From: eve@evil.example\r\n{text}");
    if let Some(verified) = bench.verified(added.as_bytes()) {
        assert_eq!(verified, ["r1 rsa-sha256 bad"]);
    }
}

#[test]
fn a_notification_is_signed_for_the_relays_own_domain() {
    let script = Script {
        recipients: vec![("customer@".into(), "550 5.1.1 no such user".into())],
        ..Script::reading()
    };
    let bench = Bench::new(script, &[("relay.example.com", "n1", "rsa")]);
    let id = message::id("bounce", 0);
    let mut client = bench.relay.login(&bench.user);
    client.submit(FROM, &[TO], &content(&id, ""), "250");
    let notice = wait::until_some("the notification has arrived", wait::PATIENCE, || {
        let all = bench.sink.deliveries();
        all.into_iter().find(|one| one.from.starts_with("<>"))
    });
    assert!(
        notice.text().contains(" d=relay.example.com;"),
        "{}",
        notice.text()
    );
    if let Some(verified) = bench.verified(&notice.octets()) {
        assert_eq!(verified, ["n1 rsa-sha256 good"]);
    }
}

#[test]
fn another_key_signs_after_a_reload_without_a_restart() {
    let mut bench = Bench::new(Script::reading(), &BOTH[..1]);
    let id = message::id("old", 0);
    let old = bench.sent(FROM, "", &content(&id, ""), &id);
    assert!(old.text().contains(" s=r1;"), "{}", old.text());
    let key = bench.make(&BOTH[1]);
    let setup = Setup::smarthost(bench.sink.port())
        .retrying_soon()
        .with(&key);
    bench.relay.configure(&setup.to_toml(bench.relay.port()));
    bench.relay.hangup();
    wait::until("it has reloaded", wait::PATIENCE, || {
        bench
            .relay
            .log()
            .contains("reloaded for new sessions: dkim")
    });
    let id = message::id("new", 0);
    let new = bench.sent(FROM, "", &content(&id, ""), &id);
    assert!(
        new.text().contains(" s=e1;") && !new.text().contains(" s=r1;"),
        "{}",
        new.text()
    );
}

#[test]
fn a_key_that_others_can_read_ends_the_start_with_a_hint() {
    let bench = Bench::new(Script::reading(), &BOTH[..1]);
    let file = bench.relay.folder().join("example.com.r1.pem");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&file, mode).expect("it is ours");
    let output = bench.relay.cli(&["config", "check"]);
    assert_eq!(output.code, Some(1));
    assert!(
        output
            .stderr
            .contains("can be read or changed by others (mode 644)"),
        "{}",
        output.stderr
    );
    assert!(
        output.stderr.contains("hint: chmod 600"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_key_is_never_written_over_and_its_record_is_told() {
    let bench = Bench::new(Script::reading(), &[]);
    let made = bench
        .relay
        .cli(&["dkim", "new", "B\u{fc}cher.example", "--selector", "s1"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    for part in [
        "name  s1._domainkey.xn--bcher-kva.example",
        "text  v=DKIM1; k=rsa; p=MIIB",
        "[[dkim.key]]\ndomain = \"xn--bcher-kva.example\"\nselector = \"s1\"\n",
    ] {
        assert!(made.stdout.contains(part), "{part}: {}", made.stdout);
    }
    let again = bench
        .relay
        .cli(&["dkim", "new", "xn--bcher-kva.example", "--selector", "s1"]);
    assert_eq!(again.code, Some(1));
    assert!(
        again.stderr.contains("never overwritten"),
        "{}",
        again.stderr
    );
    let bad = bench
        .relay
        .cli(&["dkim", "new", "example.com", "--selector", "a b"]);
    assert!(
        bad.stderr.contains("cannot be a selector"),
        "{}",
        bad.stderr
    );
}

#[test]
fn check_compares_the_keys_with_what_dns_publishes() {
    let bench = Bench::new(Script::reading(), &BOTH);
    let right = bench.records.clone();
    let mut wrong = right.clone();
    wrong[1].1 = wrong[1].1.replace("p=", "p=AAAA");
    let cases: [(&Records, i32, [&str; 2]); 3] = [
        (&right, 0, ["published, and it is this key"; 2]),
        (
            &right[..1],
            1,
            ["published, and it is this key", "not published"],
        ),
        (
            &wrong,
            1,
            ["published, and it is this key", "another key is published"],
        ),
    ];
    for (records, code, expected) in cases {
        let server = gatepost_tests::texts::serve(records);
        let address = server.to_string();
        let output = bench
            .relay
            .cli(&["dkim", "check", "--server", &address, "--json"]);
        assert_eq!(
            output.code,
            Some(code),
            "{} {}",
            output.stdout,
            output.stderr
        );
        let findings: Value = serde_json::from_str(&output.stdout).expect("JSON");
        let found = findings.as_array().expect("a list").iter();
        let found: Vec<_> = found
            .map(|one| one["finding"].as_str().expect("a text"))
            .collect();
        assert_eq!(found, expected);
    }
    let other = bench.relay.cli(&["dkim", "check", "other.example"]);
    assert_eq!(other.code, Some(1));
    assert!(
        other.stderr.contains("has no key for other.example"),
        "{}",
        other.stderr
    );
}
