//! What the policies decided: kept with every message, found by whoever asks why, and replayed.

use std::path::PathBuf;

use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};
use serde_json::Value;

const FROM: &str = "orders@example.com";
const FOREIGN: &str = "bob@elsewhere.example";
const TO: &str = "customer@example.net";
const SUBJECT: &str = "the secret of the shop";
const RECORDING: &str = "\n[policy.record]\nenabled = true\n";
const ALERT: &str = r#"{"unauthorized":"alert"}"#;
const BLOCK: &str = r#"{"unauthorized":"block"}"#;
/// A built-in module by its name in the configuration.
const RULES: &str = "builtin:sender-rules";

/// A relay with a user that may send as example.com.
fn shop(unauthorized: &'static str, tables: &str) -> (Sink, Relay, User) {
    let sink = Sink::start(Script::reading()).expect("a port");
    let mut setup = Setup::smarthost(sink.port()).with(tables);
    setup.unauthorized = unauthorized;
    let relay = Relay::start(&setup);
    let user = relay.add_shop_user(&["--authorized-domains", "example.com"]);
    (sink, relay, user)
}

/// Submits a message of each number from `from`, whose reverse-path is always the shop's.
fn submit(
    relay: &Relay,
    user: &User,
    from: &str,
    numbers: std::ops::Range<u64>,
    reply: &str,
) -> String {
    let mut client = relay.login(user);
    let mut last = String::new();
    for number in numbers {
        let id = message::id("decided", number);
        let content = format!(
            "From: {from}\r\nTo: {TO}\r\nSubject: {SUBJECT}\r\n{}{id}\r\n\r\nHello.\r\n",
            message::ID_FIELD
        );
        last = client.submit(FROM, &[TO], &content, reply).to_string();
    }
    last
}

fn only(decisions: &Value) -> &Value {
    let all = decisions.as_array().expect("an array");
    assert_eq!(all.len(), 1, "{decisions}");
    &all[0]
}

#[test]
fn a_refused_message_is_found_by_what_its_sender_knows() {
    let (_sink, relay, user) = shop("block", "");
    submit(&relay, &user, FOREIGN, 0..1, "550 5.7.1");
    submit(&relay, &user, FROM, 1..2, "250");
    for filter in [
        &["--user", &user.username, "--outcome", "refused"][..],
        &["--sender", "bob@elsewhere"],
        &["--rule", "unauthorized-block"],
        &[
            "--recipient",
            TO,
            "--outcome",
            "rejected",
            "--since",
            "1h",
            "--list",
            "shop",
        ],
    ] {
        let found = relay.json(&[&["policy", "decisions"], filter].concat());
        let decision = only(&found);
        assert_eq!(decision["stage"], "message", "{decision}");
        assert_eq!(decision["outcome"], "rejected", "{decision}");
        assert_eq!(decision["user"], *user.username, "{decision}");
        let reply = decision["reply"].as_str().expect("a reply");
        assert!(
            reply.starts_with("550 5.7.1 ") && reply.contains(FOREIGN),
            "{reply}"
        );
        let policy = &decision["policies"][0];
        assert_eq!(policy["name"], "sender-rules", "{policy}");
        assert_eq!(
            policy["rule"], "sender-rules/unauthorized-block",
            "{policy}"
        );
        assert_eq!(
            policy["sha256"].as_str().map(str::len),
            Some(64),
            "{policy}"
        );
        assert!(policy["fuel"].as_u64() > Some(0), "{policy}");
    }
    let later = relay.json(&["policy", "decisions", "--until", "1h"]);
    assert_eq!(later, serde_json::json!([]));
    let text = relay.cli(&["policy", "decisions"]).succeeded().stdout;
    assert!(
        text.contains("sender-rules/authorized") && text.contains("rejected"),
        "{text}"
    );
}

#[test]
fn a_verdict_from_memory_is_kept_like_any_other_until_the_user_is_edited() {
    let (_sink, relay, user) = shop("block", "");
    let may_send_as = |domains: &str| {
        let edit = ["user", "edit", &user.username, "--authorized-domains"];
        relay.cli(&[&edit[..], &[domains]].concat()).succeeded();
    };
    may_send_as("example.com; elsewhere.example");
    submit(&relay, &user, FOREIGN, 0..2, "250");
    let found = relay.json(&["policy", "decisions"]);
    let fuel = |place: usize| found[place]["policies"][0]["fuel"].as_u64();
    assert_eq!((fuel(0), fuel(1) > Some(0)), (Some(0), true), "{found}");
    for decision in [&found[0], &found[1]] {
        assert_eq!(decision["from"][0], FOREIGN, "{decision}");
        assert_eq!(decision["outcome"], "accepted", "{decision}");
        assert_eq!(
            decision["policies"][0]["rule"], "sender-rules/authorized",
            "{decision}"
        );
    }
    let text = relay.cli(&["policy", "decisions"]).succeeded().stdout;
    assert!(text.contains("sender-rules/authorized"), "{text}");
    may_send_as("example.com");
    submit(&relay, &user, FOREIGN, 2..3, "550 5.7.1");
}

#[test]
fn a_sender_that_is_refused_at_once_has_its_decision_too() {
    let (_sink, relay, user) = shop("block", "");
    let mut client = relay.login(&user);
    client.say(&format!("MAIL FROM:<{FOREIGN}>"), "550 5.7.1");
    let found = relay.json(&["policy", "decisions"]);
    let decision = only(&found);
    assert_eq!(decision["stage"], "sender", "{decision}");
    assert_eq!(decision["sender"], FOREIGN, "{decision}");
}

#[test]
fn the_queue_shows_what_each_policy_said() {
    let (_sink, relay, user) = shop("alert", "");
    let reply = submit(&relay, &user, FOREIGN, 0..1, "250");
    let id = reply.trim().rsplit(' ').next().expect("a queue id");
    let shown = relay.json(&["queue", "show", id]);
    let decision = only(&shown["decisions"]);
    assert_eq!(decision["outcome"], "accepted", "{decision}");
    assert_eq!(
        decision["policies"][0]["rule"],
        "sender-rules/unauthorized-alert"
    );
    assert_eq!(decision["policies"][0]["facts"]["x.address"], FOREIGN);
    let text = relay.cli(&["queue", "show", id]).succeeded().stdout;
    assert!(
        text.contains("accept by unauthorized-alert (fuel "),
        "{text}"
    );
}

#[test]
fn what_is_masked_is_never_written() {
    let (_sink, relay, user) = shop("alert", &format!("{RECORDING}mask = [\"headers\"]\n"));
    submit(&relay, &user, FOREIGN, 0..2, "250");
    let lines = relay
        .cli(&["policy", "records", "export"])
        .succeeded()
        .stdout;
    let records: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON lines"))
        .collect();
    assert_eq!(records.len(), 2, "{lines}");
    assert!(!lines.contains(SUBJECT), "{lines}");
    let message = &records[0]["request"]["message"];
    assert_eq!(message["headers"][2]["name"], "Subject", "{message}");
    assert_eq!(message["headers"][2]["value"], "(masked)", "{message}");
    assert_eq!(message["header-from"][0]["full"], FOREIGN, "{message}");
}

#[test]
fn nothing_is_recorded_unless_it_is_asked_for() {
    let (_sink, relay, user) = shop("alert", "");
    submit(&relay, &user, FROM, 0..1, "250");
    let lines = relay
        .cli(&["policy", "records", "export"])
        .succeeded()
        .stdout;
    assert_eq!(lines, "");
    let diff = relay.cli(&["policy", "diff", RULES, RULES]);
    assert_eq!(diff.code, Some(1));
    assert!(
        diff.stderr.contains("policy.record.enabled"),
        "{}",
        diff.stderr
    );
}

#[test]
fn a_diff_tells_who_could_not_send_any_more() {
    let (_sink, relay, user) = shop("alert", RECORDING);
    submit(&relay, &user, FROM, 0..8, "250");
    submit(&relay, &user, FOREIGN, 8..10, "250");
    let diff = |more: &[&str]| {
        let sides = [
            "policy",
            "diff",
            RULES,
            RULES,
            "--old-settings",
            ALERT,
            "--new-settings",
            BLOCK,
        ];
        relay.cli(&[&sides, more].concat())
    };
    let report = diff(&["--json"]).succeeded().json();
    assert_eq!(report["records"], 10, "{report}");
    assert_eq!(report["unchanged"], 8, "{report}");
    assert_eq!(report["changes"]["newly_refused"], 2, "{report}");
    let group = only(&report["groups"]);
    assert_eq!(group["old"], "sender-rules/unauthorized-alert", "{group}");
    assert_eq!(group["new"], "sender-rules/unauthorized-block", "{group}");
    assert_eq!(group["users"][0]["user"], *user.username, "{group}");
    assert_eq!(group["users"][0]["senders"][FOREIGN], 2, "{group}");
    assert_eq!(group["users"][0]["of"], 10, "{group}");

    let text = diff(&[]).succeeded().stdout;
    for part in [
        "newly refused",
        FOREIGN,
        "550 5.7.1 ",
        &user.username,
        "shop",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The other way round the same messages are newly accepted, from a file as from the store.
    let file = relay.folder().join("day.jsonl");
    let lines = relay
        .cli(&["policy", "records", "export"])
        .succeeded()
        .stdout;
    std::fs::write(&file, lines).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let back = [
        "policy",
        "diff",
        RULES,
        RULES,
        "--old-settings",
        BLOCK,
        "--new-settings",
        ALERT,
        "--records",
        file,
    ];
    assert_eq!(relay.json(&back)["changes"]["newly_accepted"], 2);

    assert_eq!(diff(&["--max-changed", "20%"]).code, Some(0));
    assert_eq!(diff(&["--max-changed", "19%"]).code, Some(1));
    assert_eq!(diff(&["--max-changed", "1"]).code, Some(1));
}

#[test]
fn a_diff_tells_what_would_be_done_to_a_message() {
    let (_sink, relay, user) = shop("alert", RECORDING);
    submit(&relay, &user, FROM, 0..4, "250");
    let powers = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("guests/built/powers.wasm");
    let powers = powers.to_str().expect("UTF-8");
    let diff = |old: &str, new: &str| {
        let settings = [old, new].map(|script| format!("{{\"script\":\"{script}\"}}"));
        let [old, new] = &settings;
        let sides = ["--old-settings", old, "--new-settings", new];
        relay.cli(&[&["policy", "diff", powers, powers][..], &sides].concat())
    };
    let (add, other) = ("add-header X-Checked yes", "add-header X-Checked no");
    let same = diff(add, add).succeeded().stdout;
    assert!(same.contains("100.0 %  unchanged"), "{same}");
    let changed = diff(add, other).succeeded().stdout;
    for words in [
        "4  100.0 %  changed otherwise",
        "was  add header X-Checked: yes",
        "now  add header X-Checked: no",
    ] {
        assert!(changed.contains(words), "{words}: {changed}");
    }
}

#[test]
fn a_diff_counts_for_each_side_from_nothing() {
    let (_sink, relay, user) = shop("alert", RECORDING);
    submit(&relay, &user, FROM, 0..4, "250");
    let guard = "builtin:rate-guard";
    let sides = [
        "policy",
        "diff",
        guard,
        guard,
        "--old-settings",
        r#"{"messages-per-hour":2}"#,
        "--new-settings",
        r#"{"messages-per-hour":3}"#,
    ];
    // Again the same: what a comparison counts is counted nowhere else.
    for _ in 0..2 {
        let report = relay.json(&sides);
        assert_eq!(report["records"], 4, "{report}");
        assert_eq!(report["changes"]["newly_accepted"], 1, "{report}");
        let users = &report["groups"].as_array().expect("groups")[0]["users"];
        assert_eq!(users[0]["user"], *user.username, "{report}");
    }
}

#[test]
fn a_diff_of_two_configurations_asks_their_whole_chains() {
    let (_sink, relay, user) = shop("alert", RECORDING);
    submit(&relay, &user, FROM, 0..1, "250");
    let other = relay.folder().join("other.toml");
    let hostile = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("guests/built/hostile.wasm");
    let setup = Setup::maildir().with_module(&hostile, "{ behaviour = \"priority-1\" }");
    std::fs::write(&other, setup.to_toml(1)).expect("a file");
    let (old, new): (PathBuf, PathBuf) = (relay.config(), other);
    let report = relay.json(&[
        "policy",
        "diff",
        "--old-config",
        old.to_str().expect("UTF-8"),
        "--new-config",
        new.to_str().expect("UTF-8"),
    ]);
    assert_eq!(report["changes"]["priority"], 1, "{report}");
    assert_eq!(
        report["new"]["policies"].as_array().map(Vec::len),
        Some(2),
        "{report}"
    );
}

#[test]
fn a_decision_is_explained_as_it_was_and_as_it_would_be() {
    let (_sink, mut relay, user) = shop("alert", RECORDING);
    let reply = submit(&relay, &user, FOREIGN, 0..1, "250");
    let id = reply
        .trim()
        .rsplit(' ')
        .next()
        .expect("a queue id")
        .to_owned();
    let explained = relay.json(&["policy", "explain", &id]);
    assert_eq!(
        explained["decisions"][0]["outcome"], "accepted",
        "{explained}"
    );
    assert_eq!(explained["replay"]["agrees"], true, "{explained}");
    assert_eq!(
        explained["replay"]["policies"][0]["same_module"], true,
        "{explained}"
    );
    assert_eq!(
        explained["replay"]["policies"][0]["fuel"],
        explained["decisions"][0]["policies"][0]["fuel"],
    );
    assert_eq!(explained["request"]["message"]["subject"], SUBJECT);

    relay.kill();
    let blocking = std::fs::read_to_string(relay.config()).expect("the config");
    relay.configure(&blocking.replace("unauthorized = \"alert\"", "unauthorized = \"block\""));
    let explained = relay.json(&["policy", "explain", &id]);
    assert_eq!(explained["replay"]["agrees"], false, "{explained}");
    assert_eq!(explained["replay"]["outcome"], "rejected", "{explained}");
    assert_eq!(
        explained["replay"]["policies"][0]["same_settings"], false,
        "{explained}"
    );
    let text = relay.cli(&["policy", "explain", &id]).succeeded().stdout;
    assert!(
        text.contains("NOT THE SAME DECISION") && text.contains("OTHER SETTINGS"),
        "{text}"
    );

    let unknown = relay.cli(&["policy", "explain", "0000000000001"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("hint: "), "{}", unknown.stderr);
}

#[test]
fn what_is_too_old_or_too_many_is_removed_at_the_start() {
    let (_sink, mut relay, user) = shop("alert", RECORDING);
    submit(&relay, &user, FROM, 0..5, "250");
    relay.kill();
    let text = std::fs::read_to_string(relay.config()).expect("the config");
    let text = format!("{text}keep-days = 0\n[policy.decisions]\nmax-rows = 2\n");
    relay.configure(&text);
    relay.restart();
    gatepost_tests::wait::until(
        "old decisions are gone",
        gatepost_tests::wait::PATIENCE,
        || {
            let decisions = relay.json(&["policy", "decisions"]);
            let exported = relay.cli(&["policy", "records", "export"]).stdout;
            decisions.as_array().map(Vec::len) == Some(2) && exported.is_empty()
        },
    );
}

#[test]
fn settings_of_list_and_user_reach_the_policies_as_facts() {
    let (_sink, relay, user) = shop("alert", RECORDING);
    let username = user.username.as_str();
    let told = |facts: &Value, name: &str| {
        let facts = facts.as_array().expect("facts");
        let fact = facts.iter().find(|fact| fact["name"] == name);
        fact.map(|fact| fact["value"].clone())
    };
    let list = [
        "list",
        "edit",
        "shop",
        "--policy-setting",
        "hours.from=08:00",
    ];
    relay.cli(&list).succeeded();
    let edit = [
        "user",
        "edit",
        username,
        "--policy-setting",
        "quota=5",
        "--policy-setting",
        "x=1",
    ];
    relay.cli(&edit).succeeded();
    submit(&relay, &user, FROM, 0..1, "250");
    let removed = ["user", "edit", username, "--policy-setting", "x="];
    relay.cli(&removed).succeeded();
    submit(&relay, &user, FROM, 1..2, "250");

    let lines = relay
        .cli(&["policy", "records", "export"])
        .succeeded()
        .stdout;
    let facts: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON lines"))
        .map(|record| record["request"]["session"]["identity"]["facts"].clone())
        .collect();
    for facts in &facts {
        assert_eq!(
            told(facts, "list.setting.hours.from"),
            Some("08:00".into()),
            "{facts}"
        );
        assert_eq!(
            told(facts, "account.setting.quota"),
            Some("5".into()),
            "{facts}"
        );
    }
    assert_eq!(told(&facts[0], "account.setting.x"), Some("1".into()));
    assert_eq!(told(&facts[1], "account.setting.x"), None);

    let shown = relay.json(&["user", "show", username]);
    assert_eq!(
        shown["policy_settings"],
        serde_json::json!({ "quota": "5" }),
        "{shown}"
    );
    let shown = relay.json(&["list", "show", "shop"]);
    assert_eq!(shown["policy_settings"]["hours.from"], "08:00", "{shown}");
    for wrong in ["Hours=1", "hours", "=1"] {
        let refused = relay.cli(&["list", "edit", "shop", "--policy-setting", wrong]);
        assert_eq!(refused.code, Some(2), "{wrong}: {}", refused.stderr);
    }
}
