//! Policies are swapped under a running relay: all or nothing, and never in the middle of a message.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gatepost_tests::client::Client;
use gatepost_tests::crafted;
use gatepost_tests::message;
use gatepost_tests::relay::{Output, Relay, Setup, User};
use gatepost_tests::wait;
use serde_json::Value;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";
/// Nothing is looked at by itself: what a test sees is the work of its command.
const NO_POLL: &str = "\n[reload]\npoll-s = 0\n";
/// Functions of a module that takes far longer than a second to compile, on any machine.
const LABOURS: usize = 6_000;
const ACCEPTING: &str = "{ behaviour = \"accept\" }";
const REFUSING: &str = "{ behaviour = \"reject\" }";

fn hostile() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/built/hostile.wasm")
}

fn setup(settings: &'static str) -> Setup {
    Setup::maildir()
        .with_module(&hostile(), settings)
        .with(NO_POLL)
}

/// Writes the configuration and asks the relay to take it.
fn reload(relay: &Relay, setup: &Setup) -> Output {
    relay.configure(&setup.to_toml(relay.port()));
    relay.cli(&["policy", "reload"])
}

fn submit(client: &mut Client, number: u64, expected: &str) {
    let content = message::short(FROM, TO, &message::id("swap", number));
    client.submit(FROM, &[TO], &content, expected);
}

#[test]
fn a_command_swaps_the_policies_for_sessions_that_are_open() {
    let relay = Relay::start(&setup(ACCEPTING));
    let user = relay.add_shop_user(&[]);
    let mut client = relay.login(&user);
    submit(&mut client, 1, "250");
    let output = reload(&relay, &setup(REFUSING)).succeeded();
    assert!(
        output.stdout.contains("policy set 2 is in force"),
        "{}",
        output.stdout
    );
    assert!(
        output.stdout.contains("policy extra-0: settings changed"),
        "{}",
        output.stdout
    );
    submit(&mut client, 2, "550 5.7.1");
    let again = relay.json(&["policy", "reload"]);
    assert_eq!(again["taken"], true, "{again}");
    assert_eq!(again["generation"], 2, "{again}");
    assert_eq!(again["changes"], Value::Array(vec![]), "{again}");
}

#[test]
fn a_transaction_keeps_the_policies_it_began_with() {
    let relay = Relay::start(&setup(ACCEPTING));
    let user = relay.add_shop_user(&[]);
    let mut client = relay.login(&user);
    client.say(&format!("MAIL FROM:<{FROM}>"), "250");
    reload(&relay, &setup(REFUSING)).succeeded();
    client.say(&format!("RCPT TO:<{TO}>"), "250");
    client.say("DATA", "354");
    let content = message::short(FROM, TO, &message::id("began", 1));
    client.send(format!("{content}.\r\n").as_bytes(), "250 2.0.0");
    submit(&mut client, 2, "550 5.7.1");
}

#[test]
fn a_policy_that_cannot_be_loaded_keeps_the_old_ones_and_says_why() {
    let relay = Relay::start(&setup(ACCEPTING));
    let user = relay.add_shop_user(&[]);
    let mut client = relay.login(&user);
    let broken = relay.folder().join("broken.wasm");
    fs::write(&broken, b"\0asm\x0d\0\x01\0").expect("the folder is writable");
    let cases = [
        (setup("{ behaviour = \"no-such\" }"), "validate-settings"),
        (
            setup("{ behaviour = \"validate-trap\" }"),
            "validate-settings",
        ),
        (
            Setup::maildir()
                .with_module(&broken, ACCEPTING)
                .with(NO_POLL),
            "probe",
        ),
    ];
    for (number, (bad, step)) in cases.iter().enumerate() {
        let output = reload(&relay, bad);
        assert_eq!(output.code, Some(1), "{}", output.stdout);
        assert!(
            output.stderr.contains("policy \"extra-0\" from "),
            "{}",
            output.stderr
        );
        assert!(
            output.stderr.contains(&format!(": {step}: ")),
            "{}",
            output.stderr
        );
        assert!(output.stderr.contains("\nhint: "), "{}", output.stderr);
        submit(&mut client, number as u64, "250");
    }
    let alerts = relay.json(&["alert", "list"]);
    let alerts = alerts.as_array().expect("a list of alerts");
    let failed = alerts.iter().find(|one| one["kind"] == "reload-failed");
    let failed = failed.unwrap_or_else(|| panic!("no alert in {alerts:?}"));
    assert_eq!(failed["count"], 3);
    assert!(
        failed["summary"].to_string().contains("extra-0"),
        "{failed}"
    );
}

#[test]
fn a_module_that_takes_too_long_to_compile_is_given_up() {
    let relay = Relay::start(&setup(ACCEPTING));
    let user = relay.add_shop_user(&[]);
    let mut client = relay.login(&user);
    let module = relay.folder().join("laborious.wasm");
    fs::write(&module, crafted::laborious(LABOURS)).expect("the folder is writable");
    let text = Setup::maildir().with_module(&module, "{}").with(NO_POLL);
    let text = text.to_toml(relay.port());
    relay.configure(&text.replace("[policy]\n", "[policy]\ncompile-timeout-s = 1\n"));
    let output = relay.cli(&["policy", "reload"]);
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    for words in [
        ": compile: the component was not compiled within 1 s",
        "\nhint: ",
        "policy.compile-timeout-s",
    ] {
        assert!(output.stderr.contains(words), "{}", output.stderr);
    }
    submit(&mut client, 1, "250");
}

#[test]
fn a_changed_module_file_is_taken_without_a_signal() {
    let folder = gatepost_tests::relay::new_folder();
    let module = folder.join("mine.wasm");
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/built/sender-rules.wasm");
    let mut bytes = fs::read(rules).expect("it is in the tree");
    fs::write(&module, &bytes).expect("the folder is writable");
    let setup = Setup::maildir()
        .with_module(&module, "{}")
        .with("\n[reload]\npoll-s = 1\n");
    let relay = Relay::start(&setup);
    // A custom section of a name and nothing else: the same policy in other octets.
    bytes.extend(b"\0\x05\x04same");
    fs::write(folder.join("new.wasm"), &bytes).expect("the folder is writable");
    fs::rename(folder.join("new.wasm"), &module).expect("one folder");
    wait::until("the changed module is in force", wait::PATIENCE, || {
        relay.log().contains("policy extra-0: version")
    });
    assert!(relay.log().contains("sha256.new="), "{}", relay.log());
    let _ = fs::remove_dir_all(folder);
}

/// Reloads of the test below.
const SWAPS: usize = 20;
/// Sessions that submit without a pause meanwhile.
const SESSIONS: u64 = 4;

/// A chain in which two modules do the same.
fn twins(settings: &'static str) -> Setup {
    setup(settings).with_module(&hostile(), settings)
}

/// Submits until it is told to end, all commands of a message in one write, and counts what is taken.
fn submit_until(relay: &Relay, user: &User, session: u64, done: &AtomicBool, taken: &AtomicUsize) {
    let mut client = relay.login(user);
    let mut number = 0;
    while !done.load(Ordering::Relaxed) {
        let group = format!("MAIL FROM:<{FROM}>\r\nRCPT TO:<{TO}>\r\nDATA\r\n");
        client.send(group.as_bytes(), "250");
        client.expect("250");
        client.expect("354");
        let content = message::short(FROM, TO, &message::id(&format!("s{session}"), number));
        client.send(format!("{content}.\r\n").as_bytes(), "250 2.0.0");
        number += 1;
        taken.fetch_add(1, Ordering::Relaxed);
    }
    client.say("QUIT", "221");
}

#[test]
fn swaps_under_load_drop_no_session_and_mix_no_sets() {
    let behaviours = [ACCEPTING, "{ behaviour = \"pass\" }"];
    let relay = Relay::start(&twins(behaviours[0]));
    let user = relay.add_shop_user(&[]);
    let (done, taken) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|session| {
                let (relay, user, done, taken) = (&relay, &user, &done, &taken);
                scope.spawn(move || submit_until(relay, user, session, done, taken))
            })
            .collect();
        for swap in 1..=SWAPS {
            let before = taken.load(Ordering::Relaxed);
            wait::until("messages come in before the swap", wait::PATIENCE, || {
                taken.load(Ordering::Relaxed) > before
            });
            relay.configure(&twins(behaviours[swap % 2]).to_toml(relay.port()));
            relay.hangup();
            wait::until("the swap is made", wait::PATIENCE, || {
                let log = relay.log();
                log.matches("policy extra-1: settings changed").count() == swap
            });
        }
        done.store(true, Ordering::Relaxed);
        for session in sessions {
            session.join().expect("served");
        }
    });
    let taken = taken.into_inner();
    let messages = relay.json(&["queue", "list", "--all", "--limit", "1000000"]);
    let messages = messages.as_array().expect("a list");
    assert_eq!(messages.len(), taken);
    let mut met = std::collections::BTreeSet::new();
    for message in messages {
        let rules = message["rule"].as_str().expect("rules");
        let words: Vec<&str> = rules
            .split(' ')
            .filter_map(|rule| rule.split('/').nth(1))
            .collect();
        assert_eq!(words.len(), 3, "{rules}");
        assert_eq!(words[1], words[2], "one message, two sets: {rules}");
        met.insert(words[1].to_owned());
    }
    assert_eq!(met.len(), 2, "both sets decided: {met:?}");
}

#[test]
fn a_restart_finds_its_policies_compiled() {
    let mut relay = Relay::start(&setup(ACCEPTING));
    assert!(relay.log().contains("found_compiled=0"), "{}", relay.log());
    relay.terminate();
    relay.restart();
    // The sender rules and the one beside them.
    assert!(relay.log().contains("found_compiled=2"), "{}", relay.log());
}

#[test]
fn without_a_relay_nothing_is_asked() {
    let relay = Relay::prepare(&setup(ACCEPTING));
    let output = relay.cli(&["policy", "reload"]);
    assert_eq!(output.code, Some(1));
    assert!(
        output.stderr.contains("no relay is running"),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("\nhint: "), "{}", output.stderr);
}
