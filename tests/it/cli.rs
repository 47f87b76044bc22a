//! The command line as scripts use it: data on standard output, errors with a hint, exit codes.

use gatepost_tests::client::auth_plain;
use gatepost_tests::relay::{Relay, Setup, gatepost};
use gatepost_tests::sink::{Script, Sink};

/// A relay that is configured and does not run: these commands need none.
fn idle() -> Relay {
    Relay::prepare(&Setup::maildir())
}

#[test]
fn a_usage_error_exits_with_2() {
    for arguments in [&["frobnicate"][..], &["list", "add"], &["serve", "--nope"]] {
        let output = gatepost(arguments);
        assert_eq!(output.code, Some(2), "{arguments:?}: {}", output.stderr);
        assert!(output.stdout.is_empty());
    }
    assert_eq!(gatepost(&["--help"]).code, Some(0));
    assert!(gatepost(&["--version"]).stdout.contains("gatepost"));
}

#[test]
fn lists_come_and_go() {
    let relay = idle();
    relay.add_list("shop");
    let twice = relay.cli(&["list", "add", "shop"]);
    assert_eq!(twice.code, Some(1));
    assert!(twice.stderr.contains("error: "), "{}", twice.stderr);
    assert!(twice.stderr.contains("shop"));
    let shown = relay.json(&["list", "show", "shop"]);
    assert_eq!(shown["name"], "shop", "{shown}");
    let edit = ["list", "edit", "shop", "--unauthorized", "alert"];
    relay.cli(&edit).succeeded();
    relay.cli(&["list", "delete", "shop"]).succeeded();
    assert_eq!(relay.cli(&["list", "show", "shop"]).code, Some(1));
}

#[test]
fn the_config_may_stand_before_and_after_the_command() {
    let relay = idle();
    let config = relay.config();
    let config = config.to_str().expect("UTF-8");
    let before = gatepost(&["--config", config, "list", "add", "one"]);
    before.succeeded();
    let after = gatepost(&["list", "add", "two", "--config", config]);
    after.succeeded();
    relay.json(&["list", "show", "one"]);
    relay.json(&["list", "show", "two"]);
}

#[test]
fn a_password_is_shown_once_and_never_again() {
    let relay = idle();
    let user = relay.add_shop_user(&["--note", "the web shop", "--priority", "2"]);
    assert!(user.username.starts_with('s'), "{}", user.username);
    assert!(user.password.len() >= 22, "at least 128 bits");
    let shown = relay.json(&["user", "show", &user.username]).to_string();
    assert!(shown.contains("the web shop"), "{shown}");
    assert!(!shown.contains(&user.password) && !shown.contains("argon2"));
    let all = relay.json(&["user", "list", "--list", "shop"]).to_string();
    assert!(all.contains(&user.username) && !all.contains(&user.password));
    for entry in std::fs::read_dir(relay.folder()).expect("the folder") {
        let octets = std::fs::read(entry.expect("an entry").path()).unwrap_or_default();
        let stored = String::from_utf8_lossy(&octets).contains(&user.password);
        assert!(!stored, "the password is stored");
    }
}

#[test]
fn a_comma_where_a_semicolon_belongs_is_diagnosed() {
    let relay = idle();
    relay.add_list("shop");
    for (option, value) in [
        ("--authorized-domains", "example.com, example.net"),
        ("--authorized-domains", "@example.com"),
        ("--authorized-domains", "*"),
        ("--authorized-senders", "a@example.com,b@example.com"),
        ("--authorized-senders", "*@example.com"),
    ] {
        let output = relay.cli(&["user", "add", "--list", "shop", option, value]);
        assert!(matches!(output.code, Some(1 | 2)), "{value}");
        assert!(
            output.stderr.contains("error: "),
            "{value}: {}",
            output.stderr
        );
    }
    let tolerated = " example.com ;; *.example.net. ; ";
    relay.add_user("shop", &["--authorized-domains", tolerated]);
    let refused = relay.cli(&["user", "add", "--list", "shop", "--priority", "6"]);
    assert!(matches!(refused.code, Some(1 | 2)));
}

#[test]
fn a_reset_password_counts_at_once_and_the_old_one_no_more() {
    let sink = Sink::start(Script::default()).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()));
    let user = relay.add_shop_user(&[]);
    relay.login(&user);
    let reset = relay.json(&["user", "reset-password", &user.username]);
    let password = reset["password"].as_str().expect("a password");
    assert_ne!(password, user.password);
    let mut client = relay.connect();
    client.ehlo();
    client.say(&auth_plain(&user.username, &user.password), "535");
    client.say(&auth_plain(&user.username, password), "235");
    relay.cli(&["user", "delete", &user.username]).succeeded();
    let mut client = relay.connect();
    client.ehlo();
    client.say(&auth_plain(&user.username, password), "535");
}

#[test]
fn what_does_not_exist_is_told_with_a_hint() {
    let relay = idle();
    for arguments in [
        &["list", "show", "nothing"][..],
        &["user", "show", "s9_9"],
        &["user", "add", "--list", "nothing"],
        &["queue", "show", "0000000000000"],
        &["alert", "list", "--list", "nothing"],
    ] {
        let output = relay.cli(arguments);
        assert_eq!(output.code, Some(1), "{arguments:?}: {}", output.stderr);
        assert!(output.stderr.contains("error: "), "{}", output.stderr);
        assert!(output.stderr.contains("hint: "), "{}", output.stderr);
    }
}

#[test]
fn the_demo_ends_with_0_when_all_went_as_told() {
    let output = gatepost(&["demo", "--exit"]).succeeded();
    for word in ["550 5.7.1", "queued as"] {
        assert!(output.stdout.contains(word), "{word} in\n{}", output.stdout);
    }
}
