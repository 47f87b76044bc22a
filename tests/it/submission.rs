//! What a client meets on the submission port, from the greeting to `queued as`.

use gatepost_tests::client::{Client, auth_plain};
use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";

/// A relay in block mode with a user who may send from `example.com`, and its next hop.
struct Shop {
    sink: Sink,
    relay: Relay,
    user: User,
}

impl Shop {
    fn open() -> Self {
        Self::open_with(|setup| setup)
    }

    fn open_with(adjust: impl FnOnce(Setup) -> Setup) -> Self {
        let sink = Sink::start(Script::reading()).expect("a port");
        let relay = Relay::start(&adjust(Setup::smarthost(sink.port())));
        let user = relay.add_shop_user(&["--authorized-domains", "example.com"]);
        Self { sink, relay, user }
    }

    fn login(&self) -> Client {
        self.relay.login(&self.user)
    }
}

/// A message from `from` with an id of its own for each test.
fn mail(from: &str, id: &str) -> (String, String) {
    let id = message::id(id, 0);
    (message::short(from, TO, &id), id)
}

#[test]
fn no_mail_without_authentication() {
    let shop = Shop::open();
    let mut client = shop.relay.connect();
    client.say("MAIL FROM:<orders@example.com>", "5");
    client.ehlo();
    client.say("MAIL FROM:<orders@example.com>", "530 5.7.0");
    client.say("RCPT TO:<customer@example.net>", "5");
    client.say("DATA", "5");
    client.say("VRFY postmaster", "252");
    client.say("NOOP", "250");
    client.say("QUIT", "221");
    client.expect_end();
}

#[test]
fn ehlo_offers_the_extensions() {
    let shop = Shop::open();
    let offers = shop.relay.connect().ehlo();
    assert!(offers[0].starts_with("relay.example.com"), "{offers:?}");
    for keyword in [
        "PIPELINING",
        "8BITMIME",
        "ENHANCEDSTATUSCODES",
        "STARTTLS",
        "SIZE ",
        "AUTH ",
    ] {
        let offered = offers.iter().any(|offer| offer.starts_with(keyword));
        assert!(offered, "{keyword} in {offers:?}");
    }
}

#[test]
fn a_wrong_password_is_refused_and_the_right_one_accepted() {
    let shop = Shop::open();
    let mut client = shop.relay.connect();
    client.ehlo();
    client.say(&auth_plain(&shop.user.username, "wrong"), "535 5.7.8");
    client.say(&auth_plain("s9_9", &shop.user.password), "535 5.7.8");
    client.say(
        &auth_plain(&shop.user.username, &shop.user.password),
        "235 2.7.0",
    );
    client.say(&auth_plain("again", "again"), "503");
}

#[test]
fn an_authorized_message_reaches_the_next_hop() {
    let shop = Shop::open();
    let (content, id) = mail(FROM, "ok");
    let reply = shop
        .login()
        .submit(FROM, &[TO], &content, "250 2.0.0 queued as ");
    let queue_id = reply.queue_id().expect("a queue id");
    assert_eq!(queue_id.len(), 13, "{reply}");
    let delivery = shop.sink.delivery(&id);
    assert!(delivery.from.starts_with("<orders@example.com>"));
    assert!(delivery.to[0].starts_with("<customer@example.net>"));
    wait::until("the queue knows", wait::PATIENCE, || {
        let shown = shop.relay.json(&["queue", "show", queue_id]);
        shown.to_string().contains("delivered")
    });
}

#[test]
fn under_starttls_all_is_as_before_and_the_greeting_is_asked_again() {
    let shop = Shop::open_with(|mut setup| {
        setup.require_tls = true;
        setup
    });
    let mut client = shop.relay.connect();
    let offers = client.ehlo();
    assert!(!offers.iter().any(|offer| offer.starts_with("AUTH")));
    client.say(&auth_plain(&shop.user.username, &shop.user.password), "5");
    let offers = client.starttls();
    assert!(!offers.iter().any(|offer| offer == "STARTTLS"));
    assert!(offers.iter().any(|offer| offer.starts_with("AUTH")));
    client.say(&auth_plain(&shop.user.username, &shop.user.password), "235");
    let (content, id) = mail(FROM, "tls");
    client.submit(FROM, &[TO], &content, "250 2.0.0 queued as ");
    let received = shop.sink.delivery(&id).fields("Received").concat();
    assert!(received.contains("ESMTPSA"), "{received}");
}

#[test]
fn a_listener_that_requires_tls_hears_nothing_else_before() {
    let shop = Shop::open_with(|setup| setup.listening("require-tls = true\n"));
    let mut client = shop.relay.connect();
    client.ehlo();
    client.say("VRFY orders", "530 5.7.0");
    client.say(&format!("MAIL FROM:<{FROM}>"), "530 5.7.0");
    client.starttls();
    client.say(&auth_plain(&shop.user.username, &shop.user.password), "235");
    let (content, _) = mail(FROM, "required-tls");
    client.submit(FROM, &[TO], &content, "250 2.0.0 queued as ");
}

#[test]
fn what_was_pipelined_before_starttls_is_discarded() {
    let shop = Shop::open();
    let mut client = shop.relay.connect();
    client.ehlo();
    client.send(b"STARTTLS\r\nNOOP\r\n", "220");
    client.handshake();
    // The first reply under TLS is that of the first command under TLS.
    let offers = client.ehlo();
    assert!(offers[0].starts_with("relay.example.com"), "{offers:?}");
    client.say("QUIT", "221");
}

#[test]
fn implicit_tls_begins_with_the_handshake() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let mut setup = Setup::smarthost(sink.port());
    setup.tls = "implicit";
    let relay = Relay::start(&setup);
    let user = relay.add_shop_user(&[]);
    let mut client = Client::try_connect_tls(relay.port()).expect("a greeting through TLS");
    client.login(&user.username, &user.password);
    let (content, id) = mail(FROM, "implicit");
    client.submit(FROM, &[TO], &content, "250 2.0.0 queued as ");
    sink.delivery(&id);
}

#[test]
fn in_block_mode_a_foreign_sender_is_refused_with_the_reason_and_an_alert() {
    let shop = Shop::open();
    let (content, _) = mail("ceo@example.org", "blocked");
    let reply = try_submit(&mut shop.login(), "ceo@example.org", &content);
    assert_eq!(reply.code, 550, "{reply}");
    let text = reply.text();
    for part in ["5.7.1", "ceo@example.org", "example.com"] {
        assert!(text.contains(part), "{part} in {reply}");
    }
    assert_eq!(reply.lines.len(), 1);
    let alerts = shop.relay.alerts("shop");
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0]["kind"], "sender-not-authorized");
    assert_eq!(alerts[0]["user"], shop.user.username.as_str());
    assert!(alerts[0]["summary"].to_string().contains("ceo@example.org"));
    assert_eq!(shop.sink.count(), 0);
}

#[test]
fn in_block_mode_a_foreign_from_behind_an_authorized_envelope_is_refused() {
    let shop = Shop::open();
    let (content, _) = mail("ceo@example.org", "spoof");
    let mut client = shop.login();
    let reply = client.submit(FROM, &[TO], &content, "550 5.7.1");
    assert!(reply.text().contains("ceo@example.org"), "{reply}");
    // The session goes on.
    let (content, id) = mail(FROM, "after");
    client.submit(FROM, &[TO], &content, "250");
    shop.sink.delivery(&id);
    assert_eq!(shop.sink.count(), 1);
}

#[test]
fn in_alert_mode_a_foreign_sender_is_sent_with_an_alert() {
    let shop = Shop::open_with(|mut setup| {
        setup.unauthorized = "alert";
        setup
    });
    for number in 0..3 {
        let id = message::id("alert", number);
        let content = message::short("ceo@example.org", TO, &id);
        let mut client = shop.login();
        client.submit("ceo@example.org", &[TO], &content, "250 2.0.0 queued as ");
        shop.sink.delivery(&id);
    }
    // Repeats are counted in memory and written once a second.
    wait::until("each of them is counted", wait::PATIENCE, || {
        let alerts = shop.relay.alerts("shop");
        assert_eq!(alerts.len(), 1, "one alert that counts: {alerts:?}");
        alerts[0]["count"].as_u64() >= Some(3)
    });
}

#[test]
fn a_list_may_differ_from_the_config_and_a_change_takes_effect_without_a_restart() {
    let shop = Shop::open();
    let mut client = shop.login();
    let (content, _) = mail("ceo@example.org", "blocked");
    assert_eq!(
        try_submit(&mut client, "ceo@example.org", &content).code,
        550
    );
    let edit = ["list", "edit", "shop", "--unauthorized", "alert"];
    shop.relay.cli(&edit).succeeded();
    client.say("RSET", "250");
    let (content, id) = mail("ceo@example.org", "alerted");
    client.submit("ceo@example.org", &[TO], &content, "250");
    shop.sink.delivery(&id);
}

#[test]
fn a_user_who_is_no_longer_active_sends_nothing_more() {
    let shop = Shop::open();
    let mut client = shop.login();
    let user = shop.user.username.as_str();
    shop.relay
        .cli(&["user", "edit", user, "--active", "false"])
        .succeeded();
    let reply = try_submit(&mut client, FROM, &mail(FROM, "inactive").0);
    assert!(!reply.is_positive(), "{reply}");
    let mut other = shop.relay.connect();
    other.ehlo();
    other.say(&auth_plain(user, &shop.user.password), "535");
}

#[test]
fn fields_that_are_missing_are_added_and_bcc_is_removed() {
    let shop = Shop::open();
    let id = message::id("fields", 0);
    let fields =
        format!("From: {FROM}\r\nTo: {TO}\r\nBcc: hidden@example.net,\r\n secret@example.net\r\n");
    let content = message::with_fields(&fields, &id);
    let mut client = shop.login();
    client.submit(FROM, &[TO, "hidden@example.net"], &content, "250");
    let delivery = shop.sink.delivery(&id);
    assert_eq!(delivery.fields("Date").len(), 1);
    let message_id = delivery.fields("Message-ID");
    assert!(message_id[0].starts_with('<') && message_id[0].ends_with('>'));
    assert!(delivery.fields("Bcc").is_empty());
    assert!(!delivery.text().contains("secret@example.net"));
    let received = delivery.fields("Received").concat();
    assert!(received.contains("by relay.example.com"), "{received}");
    assert!(
        !received.contains(&shop.user.password),
        "no credential in a header"
    );
    assert_eq!(delivery.to.len(), 2, "the envelope keeps its recipients");
}

#[test]
fn fields_that_are_there_stay_as_they_are() {
    let shop = Shop::open();
    let id = message::id("stay", 0);
    let fields = format!(
        "From: {FROM}\r\nTo: {TO}\r\nDate: Mon, 23 Nov 2026 09:12:01 +0000\r\nMessage-ID: <a.b@example.com>\r\n"
    );
    shop.login()
        .submit(FROM, &[TO], &message::with_fields(&fields, &id), "250");
    let delivery = shop.sink.delivery(&id);
    assert_eq!(delivery.fields("Message-ID"), ["<a.b@example.com>"]);
    assert_eq!(delivery.fields("Date"), ["Mon, 23 Nov 2026 09:12:01 +0000"]);
}

#[test]
fn a_line_that_begins_with_a_dot_arrives_as_it_was() {
    let shop = Shop::open();
    let (content, id) = mail(FROM, "dots");
    let content = format!("{content}.\r\n..\r\n.hidden\r\nend\r\n");
    shop.login().submit(FROM, &[TO], &content, "250");
    let text = shop.sink.delivery(&id).text();
    // As the sink keeps it: with the dots stuffed for the way.
    assert!(
        text.ends_with("Hello.\r\n..\r\n...\r\n..hidden\r\nend\r\n"),
        "{text}"
    );
}

#[test]
fn a_bare_line_feed_never_makes_a_second_message() {
    let shop = Shop::open();
    for smuggled in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r"] {
        let mut client = shop.login();
        client.say("MAIL FROM:<orders@example.com>", "250");
        client.say("RCPT TO:<customer@example.net>", "250");
        client.say("DATA", "354");
        let octets =
            format!("From: {FROM}\r\n\r\nfirst{smuggled}MAIL FROM:<x@example.com>\r\n.\r\n");
        client.send(octets.as_bytes(), "5");
    }
    assert_eq!(shop.sink.count(), 0);
}

/// Submits by hand, as a sender may be refused at any of its commands.
fn try_submit(client: &mut Client, from: &str, content: &str) -> gatepost_tests::client::Reply {
    let reply = client.try_submit(from, TO, content);
    reply.unwrap_or_else(|error| panic!("{error}\n{}", client.dialogue()))
}
