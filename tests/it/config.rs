//! Bad input is told in one clear error with a hint, before anything is bound or changed.

use std::net::{TcpListener, TcpStream};

use gatepost_tests::relay::{Output, Relay, Setup, free_port};

/// A config that is right, for a next hop nobody listens on.
fn good(port: u16) -> String {
    Setup::smarthost(1).to_toml(port)
}

/// Runs `gatepost serve` with this config, which must be refused with these words.
#[track_caller]
fn refused(config: impl FnOnce(u16) -> String, words: &[&str]) {
    let relay = Relay::prepare(&Setup::smarthost(1));
    relay.configure(&config(relay.port()));
    let output = relay.cli(&["serve"]);
    assert_explained(&output, words);
    let bound = TcpStream::connect(("127.0.0.1", relay.port()));
    assert!(bound.is_err(), "a port is bound");
    let store = relay.folder().join("gatepost.db");
    assert!(!store.exists(), "a store has been made");
}

#[track_caller]
fn assert_explained(output: &Output, words: &[&str]) {
    let Output {
        code,
        stdout,
        stderr,
    } = output;
    assert!(matches!(code, Some(1 | 2)), "{code:?}\n{stderr}");
    assert!(stdout.is_empty(), "{stdout}");
    let errors = stderr.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{stderr}");
    assert!(stderr.contains("\nhint: "), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "`{word}` in {stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn an_unknown_key_is_named() {
    refused(
        |port| good(port).replace("hostname", "hostnam"),
        &["hostnam"],
    );
    refused(
        |port| good(port) + "\n[stor]\nurl = \"sqlite://x.db\"\n",
        &["stor"],
    );
    refused(
        |port| good(port).replace("require-tls-for-auth", "require-tls-for-mail"),
        &["require-tls-for-mail"],
    );
}

#[test]
fn a_value_that_makes_no_sense_is_named() {
    refused(
        |port| good(port).replace("\"starttls\"", "\"ssl\""),
        &["ssl"],
    );
    refused(
        |port| good(port).replace(&format!("\"{port}\""), "\"5000-1025\""),
        &["5000-1025"],
    );
    refused(|_| "hostname = ".into(), &["gatepost.toml"]);
}

#[test]
fn what_contradicts_a_listener_without_tls_is_named() {
    for (key, named) in [
        ("require-tls = true", "listener[0].require-tls:"),
        ("min-tls-version = \"1.3\"", "listener[0].min-tls-version:"),
    ] {
        let plain = format!("tls = \"none\"\n{key}");
        refused(
            |port| good(port).replace("tls = \"starttls\"", &plain),
            &[named],
        );
    }
    refused(
        |port| good(port).replace("tls = \"starttls\"", "min-tls-version = \"1.1\""),
        &["1.1"],
    );
}

#[test]
fn an_upstream_that_is_no_network_is_named() {
    let upstream = |text: &str| format!("tls = \"starttls\"\nproxy-protocol = [\"{text}\"]");
    for (text, named) in [
        ("proxy.example.com", "`proxy.example.com`"),
        ("10.0.0.0/33", "`10.0.0.0/33`"),
        ("10.1.2.3/8", "\"10.0.0.0/8\""),
    ] {
        refused(
            |port| good(port).replace("tls = \"starttls\"", &upstream(text)),
            &[named],
        );
    }
}

#[test]
fn a_missing_module_is_named() {
    refused(
        |port| good(port).replace("builtin:sender-rules", "nowhere/policy.wasm"),
        &["nowhere/policy.wasm"],
    );
    refused(
        |port| good(port).replace("builtin:sender-rules", "builtin:nothing"),
        &["nothing"],
    );
}

#[test]
fn a_file_that_is_no_policy_is_named() {
    let relay = Relay::prepare(&Setup::smarthost(1));
    for (name, octets) in [
        ("text.wasm", &b"not a component"[..]),
        ("module.wasm", &b"\0asm\x01\0\0\0"[..]),
        ("empty.wasm", &b""[..]),
        ("component.wasm", &b"\0asm\x0d\0\x01\0"[..]),
    ] {
        std::fs::write(relay.folder().join(name), octets).expect("a file");
        let text = good(relay.port()).replace("builtin:sender-rules", name);
        relay.configure(&text);
        assert_explained(&relay.cli(&["serve"]), &["sender-rules"]);
    }
}

#[test]
fn settings_that_the_module_refuses_are_told_in_its_words() {
    refused(
        |port| good(port).replace("\"block\"", "\"perhaps\""),
        &["sender-rules", "perhaps"],
    );
    refused(
        |port| good(port).replace("unauthorized =", "unauthorised ="),
        &["sender-rules", "unauthorised"],
    );
}

#[test]
fn a_busy_port_is_named() {
    let busy = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = busy.local_addr().expect("an address").port();
    let relay = Relay::prepare(&Setup::smarthost(1));
    relay.configure(&good(port));
    assert_explained(&relay.cli(&["serve"]), &[&port.to_string()]);
}

#[test]
fn of_several_ports_none_is_bound_when_one_is_busy() {
    let busy = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = busy.local_addr().expect("an address").port();
    let free = free_port();
    let relay = Relay::prepare(&Setup::smarthost(1));
    let ports = format!("\"{free}\", \"{port}\"");
    relay.configure(&good(free).replace(&format!("\"{free}\""), &ports));
    assert_explained(&relay.cli(&["serve"]), &[&port.to_string()]);
    TcpListener::bind(("127.0.0.1", free)).expect("the other port is free");
}

#[test]
fn a_store_that_cannot_be_written_is_named() {
    let nowhere = |port| good(port).replace("sqlite://gatepost.db", "sqlite://missing/folder/x.db");
    refused(nowhere, &["missing/folder/x.db"]);
    let relay = Relay::prepare(&Setup::smarthost(1));
    let store = relay.folder().join("gatepost.db");
    std::fs::write(&store, "this is no database, and must stay as it is").expect("a file");
    assert_explained(&relay.cli(&["serve"]), &["gatepost.db"]);
    let text = std::fs::read_to_string(&store).expect("it is still there");
    assert!(text.starts_with("this is no database"));
}

#[test]
fn a_config_that_is_missing_is_named() {
    let relay = Relay::prepare(&Setup::smarthost(1));
    std::fs::remove_file(relay.config()).expect("the config");
    assert_explained(&relay.cli(&["serve"]), &["gatepost.toml"]);
}

#[test]
fn config_check_says_the_same_and_changes_nothing() {
    let relay = Relay::prepare(&Setup::smarthost(1));
    relay.cli(&["config", "check"]).succeeded();
    assert!(!relay.folder().join("gatepost.db").exists());
    relay.configure(&good(relay.port()).replace("hostname", "hostnam"));
    assert_explained(&relay.cli(&["config", "check"]), &["hostnam"]);
}
