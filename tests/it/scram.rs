//! SCRAM over real connections: the password never crosses the wire, and nobody learns who there is.

use gatepost_tests::client::Client;
use gatepost_tests::client::scram::{Scram, ServerFirst};
use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User, free_port};

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";

fn relay(tables: &str) -> (Relay, User) {
    let relay = Relay::start(&Setup::maildir().with(tables));
    let user = relay.add_shop_user(&[]);
    (relay, user)
}

/// A client under TLS.
fn encrypted(relay: &Relay) -> Client {
    let mut client = relay.connect();
    client.ehlo();
    client.starttls();
    client
}

fn unbound(user: &User) -> Scram<'_> {
    Scram {
        username: &user.username,
        password: &user.password,
        header: "n,,",
        binding: b"",
    }
}

/// The server's first message.
#[track_caller]
fn first(client: &mut Client, scram: &Scram<'_>) -> ServerFirst {
    ServerFirst::parse(&client.say(&scram.auth(), "334").text())
}

/// Logs in; the server proves itself before.
#[track_caller]
fn log_in(client: &mut Client, scram: &Scram<'_>) {
    let first = first(client, scram);
    let (proof, expected) = scram.proof(&first);
    assert_eq!(client.say(&proof, "334").text(), expected, "its signature");
    client.say("", "235 2.7.0");
}

#[track_caller]
fn is_refused(client: &mut Client, scram: &Scram<'_>) -> String {
    let first = first(client, scram);
    let (proof, _) = scram.proof(&first);
    client.say(&proof, "535 5.7.8").to_string()
}

#[test]
fn a_password_that_is_never_said_logs_in() {
    let (relay, user) = relay("");
    let mut client = encrypted(&relay);
    log_in(&mut client, &unbound(&user));
    let content = message::short(FROM, TO, &message::id("scram", 0));
    client.submit(FROM, &[TO], &content, "250 2.0.0 queued");
    let mut client = encrypted(&relay);
    let wrong = Scram {
        password: "wrong",
        ..unbound(&user)
    };
    is_refused(&mut client, &wrong);
    log_in(&mut client, &unbound(&user));
}

#[test]
fn a_login_is_bound_to_its_channel() {
    let port = free_port();
    let implicit = format!(
        "\n[[listener]]\naddress = \"127.0.0.1\"\nports = [\"{port}\"]\ntls = \"implicit\"\n"
    );
    let (relay, user) = relay(&implicit);
    let mut implicit = Client::try_connect_tls(port).expect("a greeting under TLS");
    let offered = implicit.ehlo();
    let plus = "AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN".to_owned();
    assert!(offered.contains(&plus), "{offered:?}");
    for mut client in [encrypted(&relay), implicit] {
        let binding = client.channel_binding();
        let bound = Scram {
            header: "p=tls-exporter,,",
            binding: &binding,
            ..unbound(&user)
        };
        log_in(&mut client, &bound);
        client.say("NOOP", "250");
    }
}

#[test]
fn a_login_bound_to_another_channel_is_refused() {
    let (relay, user) = relay("");
    let (mut here, there) = (encrypted(&relay), encrypted(&relay));
    let elsewhere = there.channel_binding();
    assert_ne!(here.channel_binding(), elsewhere);
    let passed_on = Scram {
        header: "p=tls-exporter,,",
        binding: &elsewhere,
        ..unbound(&user)
    };
    is_refused(&mut here, &passed_on);
}

#[test]
fn a_hidden_channel_binding_is_told_and_counts_as_a_failed_login() {
    let logins = "\n[submission.logins]\nfirst-delay-ms = 0\nalert-after = 2\n";
    let (relay, user) = relay(logins);
    let mut client = encrypted(&relay);
    let downgraded = Scram {
        header: "y,,",
        ..unbound(&user)
    };
    for _ in 0..2 {
        let reply = client.say(&downgraded.auth(), "535 5.7.8");
        assert!(reply.text().contains("channel binding"), "{reply}");
    }
    let alerts = relay.alerts("shop");
    assert_eq!(alerts[0]["kind"], "authentication-failures", "{alerts:?}");
    assert_eq!(alerts[0]["user"], user.username.as_str());
    // Without TLS there is nothing to bind to, and nothing to hide.
    let mut plain = relay.connect();
    plain.ehlo();
    log_in(&mut plain, &downgraded);
}

#[test]
fn who_there_is_cannot_be_told_also_after_a_change_of_iterations() {
    let (mut relay, user) = relay("\n[accounts]\nscram-iterations = 5000\n");
    let nobody = |name| Scram {
        username: name,
        ..unbound(&user)
    };
    let changed = Setup::maildir().with("\n[accounts]\nscram-iterations = 20000\n");
    relay.configure(&changed.to_toml(relay.port()));
    relay.restart();
    let newer = relay.add_user("shop", &[]);
    let mut client = encrypted(&relay);
    let mut ask = |scram: &Scram<'_>| {
        let first = first(&mut client, scram);
        client.say("*", "501 5.7.0");
        (first.iterations, first.salt)
    };
    let stranger = ask(&nobody("s9_9"));
    assert_eq!(ask(&unbound(&user)).0, 5000, "its password is older");
    assert_eq!(ask(&unbound(&newer)).0, 5000);
    assert_eq!(stranger.0, 5000);
    assert_eq!(ask(&nobody("s9_9")), stranger, "and it stays");
    let mut client = encrypted(&relay);
    log_in(&mut client, &unbound(&user));
    log_in(&mut encrypted(&relay), &unbound(&newer));
    let mut client = encrypted(&relay);
    let wrong = Scram {
        password: "wrong",
        ..unbound(&user)
    };
    let refused = is_refused(&mut client, &wrong);
    assert_eq!(is_refused(&mut client, &nobody("s9_9")), refused);
    assert!(
        relay
            .log()
            .contains("accounts.scram-iterations is for a new store")
    );
}

#[test]
fn a_new_password_is_said_to_be_good_for_scram() {
    let (relay, user) = relay("");
    let shown = relay.json(&["user", "show", &user.username]);
    assert_eq!(shown["scram"], true, "{shown}");
    let reset = relay.json(&["user", "reset-password", &user.username]);
    assert_eq!(reset["scram"], true, "{reset}");
    let text = relay.cli(&["user", "show", &user.username]).stdout;
    assert!(text.contains("SCRAM login         possible"), "{text}");
}
