//! Who guesses, floods or dawdles is slowed down and cut; everybody else is served.

use std::time::{Duration, Instant};

use gatepost_tests::client::{Client, auth_plain};
use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";
/// A session that is cut must end within this time: far below every usual limit.
const SOON: Duration = Duration::from_secs(20);
/// What the next hop keeps of a message: all of the largest one here.
const KEPT_OCTETS: usize = 1024 * 1024;

/// A relay with these tables in its config, a user of it, and its next hop.
fn relay(tables: &str) -> (Sink, Relay, User) {
    let script = Script {
        keep: KEPT_OCTETS,
        ..Script::reading()
    };
    let sink = Sink::start(script).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()).with(tables));
    let user = relay.add_shop_user(&[]);
    (sink, relay, user)
}

/// Connects where the greeting may be a refusal, which it returns.
fn refusal(relay: &Relay) -> Option<String> {
    Client::try_connect(relay.port())
        .err()
        .map(|error| error.to_string())
}

#[test]
fn connections_of_one_address_are_limited_and_given_back() {
    let (_sink, relay, user) = relay("\n[submission]\nmax-connections-per-address = 3\n");
    let mut clients: Vec<Client> = (0..3)
        .map(|_| {
            gatepost_tests::wait::until_some("a place is free", SOON, || {
                Client::try_connect(relay.port()).ok()
            })
        })
        .collect();
    let told = refusal(&relay).expect("a fourth connection is refused");
    assert!(
        told.contains("421 4.7.0 too many connections from 127.0.0.1"),
        "{told}"
    );
    clients[0].login(&user.username, &user.password);
    clients[1].say("QUIT", "221");
    gatepost_tests::wait::until("the place is given back", SOON, || {
        refusal(&relay).is_none()
    });
}

#[test]
fn connections_of_one_user_are_limited() {
    let (_sink, relay, user) = relay("\n[submission]\nmax-connections-per-user = 2\n");
    let other = relay.add_user("shop", &[]);
    let mut first = relay.login(&user);
    let _second = relay.login(&user);
    let mut third = relay.connect();
    third.ehlo();
    let command = auth_plain(&user.username, &user.password);
    let reply = third.say(&command, "421 4.7.0");
    assert!(reply.text().contains(&user.username), "{reply}");
    third.expect_end();
    relay.login(&other);
    first.say("QUIT", "221");
    gatepost_tests::wait::until("the place is given back", SOON, || {
        let mut again = relay.connect();
        again.try_login(&user.username, &user.password).is_ok()
    });
}

#[test]
fn guessing_is_slowed_alike_for_users_that_exist_and_that_do_not() {
    let (_sink, relay, user) = relay(
        "\n[smtp]\nmax-failed-logins = 100\n\
         [submission.logins]\nfree-failures = 2\nfirst-delay-ms = 300\nmax-user-delay-s = 1\n\
         max-delay-s = 0\n",
    );
    let guess = |name: &str| {
        let mut client = relay.connect();
        client.ehlo();
        (0..5)
            .map(|number| {
                let began = Instant::now();
                let command = auth_plain(name, &format!("guess {number}"));
                let reply = client.say(&command, "535 5.7.8");
                (
                    reply.to_string(),
                    began.elapsed() >= Duration::from_millis(300),
                )
            })
            .collect::<Vec<_>>()
    };
    let (known, unknown) = (guess(&user.username), guess("s9_9"));
    assert_eq!(known[0].0, unknown[0].0, "the same reply");
    let replies = known.iter().chain(&unknown).map(|(reply, _)| reply);
    assert!(replies.into_iter().all(|reply| *reply == known[0].0));
    // Counting begins anew with each name; whether it is a user's makes no difference.
    for guesses in [&known, &unknown] {
        let delayed: Vec<bool> = guesses.iter().map(|(_, delayed)| *delayed).collect();
        assert!(delayed[3] && delayed[4], "{delayed:?}");
    }
    // The real user waits a little, and gets in; the second time not even that.
    relay.login(&user);
    let began = Instant::now();
    relay.login(&user);
    assert!(began.elapsed() < Duration::from_secs(1), "remembered");
}

/// Nothing but the block holds anybody back, and no password is remembered.
const BLOCKING: &str = "\n[smtp]\nmax-failed-logins = 100\n[accounts]\ncache-ttl-s = 0\n\
    [submission.logins]\nfirst-delay-ms = 0\nalert-after = 3\nblock-after = 6\n";

/// Fails until the address is blocked.
fn fail_until_blocked(relay: &Relay, name: &str) -> Client {
    let mut client = relay.connect();
    client.ehlo();
    for number in 0..6 {
        let guess = auth_plain(name, &format!("guess {number}"));
        client.say(&guess, "535 5.7.8");
    }
    client
}

#[test]
fn an_office_with_one_guesser_goes_on() {
    let (_sink, relay, user) = relay(BLOCKING);
    let stranger = relay.add_user("shop", &[]);
    relay.login(&user);
    fail_until_blocked(&relay, "s9_9");
    for _ in 0..3 {
        relay.login(&user);
    }
    // Whoever was not there before is told to wait.
    let mut client = relay.connect();
    client.ehlo();
    let command = auth_plain(&stranger.username, &stranger.password);
    client.say(&command, "421 4.7.0 too many failed logins");
    client.expect_end();
    // From the known user's own name nobody guesses for long.
    let mut client = relay.connect();
    client.ehlo();
    for number in 0..4 {
        let guess = auth_plain(&user.username, &format!("guess {number}"));
        client.say(&guess, "535 5.7.8");
    }
    let command = auth_plain(&user.username, "guess 4");
    client.say(&command, "421 4.7.0 too many failed logins");
}

#[test]
fn many_failures_raise_one_alert_and_block_the_address_but_end_no_session() {
    let (_sink, relay, user) =
        relay(&BLOCKING.replace("[submission.logins]", "[submission.logins]\nknown-s = 0"));
    let mut session = relay.login(&user);
    let mut client = fail_until_blocked(&relay, &user.username);
    let reply = client.say(&auth_plain(&user.username, "guess 7"), "421 4.7.0");
    assert!(reply.text().contains("127.0.0.1"), "{reply}");
    client.expect_end();
    // Who is in stays in.
    session.say("NOOP", "250");
    let told = refusal(&relay).expect("the address is blocked");
    assert!(told.contains("421 4.7.0 too many failed logins"), "{told}");
    let alerts = relay.alerts("shop");
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0]["kind"], "authentication-failures");
    assert_eq!(alerts[0]["user"], user.username.as_str());
    let all = relay.json(&["alert", "list"]);
    assert!(
        all.to_string().contains("failed logins from 127.0.0.1"),
        "{all}"
    );
    assert!(!relay.log().contains("guess"), "a password in the log");
}

#[test]
fn who_does_not_log_in_is_cut_whatever_it_says() {
    let (_sink, relay, _user) = relay("\n[submission]\nlogin-timeout-s = 1\n");
    let began = Instant::now();
    let mut client = relay.connect();
    client.expect("421 4.4.2");
    client.expect_end();
    assert!(began.elapsed() < SOON);
}

#[test]
fn a_command_line_that_does_not_end_is_cut_though_octets_come() {
    let (_sink, relay, user) = relay("\n[submission]\ncommand-line-timeout-s = 1\n");
    let mut client = relay.login(&user);
    let began = Instant::now();
    drip(&mut client, b"x");
    client.expect("421 4.4.2");
    assert!(began.elapsed() < SOON);
}

#[test]
fn content_that_drips_is_cut_and_a_steady_message_is_not() {
    let (sink, relay, user) =
        relay("\n[submission]\nmin-content-octets-per-s = 1000\ncontent-window-s = 1\n");
    let mut client = relay.login(&user);
    client.say(&format!("MAIL FROM:<{FROM}>"), "250");
    client.say(&format!("RCPT TO:<{TO}>"), "250");
    client.say("DATA", "354");
    let began = Instant::now();
    drip(&mut client, b"x\r\n");
    client.expect("421 4.4.2");
    assert!(began.elapsed() < SOON);
    let id = message::id("steady", 0);
    let content = message::short(FROM, TO, &id);
    relay.login(&user).submit(FROM, &[TO], &content, "250");
    sink.delivery(&id);
}

/// Sends a few octets every now and then, well within every wait for single octets, until the relay
/// has had enough of it.
fn drip(client: &mut Client, octets: &[u8]) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1500) {
        if client.try_send(octets).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn content_beyond_the_shared_memory_goes_to_the_store_and_arrives_whole() {
    let (sink, relay, user) = relay("\n[intake]\nmemory-total-octets = 0\n");
    let id = message::id("frugal", 0);
    let content = message::short(FROM, TO, &id) + &"a line of a larger message\r\n".repeat(10_000);
    relay.login(&user).submit(FROM, &[TO], &content, "250");
    let delivery = sink.delivery(&id);
    let lines = delivery
        .text()
        .matches("a line of a larger message")
        .count();
    assert_eq!(lines, 10_000);
}

#[test]
fn a_session_has_a_limit_of_recipients() {
    let (_sink, relay, user) = relay("\n[smtp]\nmax-session-recipients = 2\n");
    let mut client = relay.login(&user);
    let content = message::short(FROM, TO, &message::id("many", 0));
    client.submit(FROM, &[TO, "b@example.net"], &content, "250");
    client.say(&format!("MAIL FROM:<{FROM}>"), "421 4.7.0");
    client.expect_end();
}
