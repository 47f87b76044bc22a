//! Messages: found by what is known of them, and what happened to one, refused ones included.

use gatepost_tests::client::Client;
use gatepost_tests::message;
use gatepost_tests::panel::{Browser, Paneled};
use gatepost_tests::relay::{Setup, User};
use gatepost_tests::wait;

const FROM: &str = "orders@example.com";

fn shop() -> (Paneled, User) {
    let panel = Paneled::start();
    let user = panel
        .relay
        .add_shop_user(&["--authorized-domains", "example.com"]);
    (panel, user)
}

/// A message with these header fields alone.
fn content(fields: &str, id: &str) -> String {
    format!("{fields}{}{id}\r\n\r\nHello.\r\n", message::ID_FIELD)
}

/// Submits a message and returns its queue id.
fn submit(client: &mut Client, to: &str, subject: &str, number: u64) -> String {
    let id = message::id("panel", number);
    let fields = format!("From: {FROM}\r\nTo: {to}\r\nSubject: {subject}\r\n");
    let message = content(&fields, &id);
    let reply = client.submit(FROM, &[to], &message, "250 2.0.0 queued as ");
    reply.queue_id().expect("a queue id").to_owned()
}

/// Opens a page until it shows a text: some of it follows the mail after a moment.
fn shows_soon(browser: &mut Browser, path: &str, text: &str) {
    wait::until(&format!("{path} shows {text}"), wait::PATIENCE, || {
        browser.open(path);
        browser.page.contains(text)
    });
}

#[test]
fn a_message_is_found_and_its_timeline_tells_what_happened() {
    let (panel, user) = shop();
    let mut client = panel.relay.login(&user);
    let first = submit(&mut client, "ann@example.net", "Order 41 <b>shipped</b>", 1);
    let second = submit(&mut client, "ben@example.org", "Order 42 confirmed", 2);
    let mut browser = panel.operator();
    shows_soon(&mut browser, "/lists/1/messages?status=delivered", &second);
    browser.open("/lists/1/messages");
    let newest = browser.page.find(&second).expect("the second");
    assert!(newest < browser.page.find(&first).expect("the first"));
    for (query, found) in [
        ("recipient=%40example.net", &first),
        ("recipient=ben%40example.org", &second),
        ("subject=confirmed+order", &second),
        (&format!("id={first}"), &first),
        ("sender=orders%40example.com&subject=shipped", &first),
        (&format!("user={}&subject=42", user.username), &second),
    ] {
        let path = format!("/lists/1/messages?{query}");
        browser.open(&path);
        browser.shows(&format!("href=\"/messages/{found}\""));
        let other = if *found == first { &second } else { &first };
        browser.does_not_show(&format!("href=\"/messages/{other}\""));
    }
    browser.open("/lists/1/messages?subject=nothing");
    browser.shows("Nothing found");
    browser.open(&format!("/messages/{first}"));
    // What a client wrote is text.
    browser.shows("Order 41 &#60;b&#62;shipped&#60;/b&#62;");
    browser.shows("Accepted");
    browser.shows("The policies let it pass.");
    browser.shows("<code>authorized</code>");
    browser.shows("ann@example.net");
    browser.shows("<span class=\"badge good\">delivered</span>");
}

#[test]
fn who_asks_why_mail_was_blocked_finds_the_reason() {
    let (panel, user) = shop();
    let mut client = panel.relay.login(&user);
    let refused = content(
        "From: boss@elsewhere.example\r\nTo: ann@example.net\r\nSubject: Blocked one\r\nMessage-ID: <b1@elsewhere.example>\r\n",
        &message::id("panel", 3),
    );
    let reply = client.submit(FROM, &["ann@example.net"], &refused, "550");
    let mut browser = panel.operator();
    for query in [
        "status=blocked",
        "sender=boss%40elsewhere.example",
        "recipient=ann",
    ] {
        browser.open(&format!("/lists/1/messages?{query}"));
        browser.shows("<span class=\"badge bad\">blocked</span>");
    }
    let at = browser.page.find("href=\"/messages/").expect("a link");
    let id = browser.page[at + 16..at + 29].to_owned();
    browser.open(&format!("/messages/{id}"));
    browser.shows("Why was it blocked?");
    let told = reply.text();
    let told = told.trim().trim_start_matches("550 ");
    let first_words = &told[..told.len().min(40)];
    browser.shows(first_words);
    browser.shows("unauthorized-block");
    browser.shows("The policies refused it at");
}

#[test]
fn pages_follow_one_another_by_a_cursor() {
    let (panel, user) = shop();
    let mut client = panel.relay.login(&user);
    let ids: Vec<String> = (0..53)
        .map(|number| {
            submit(
                &mut client,
                "ann@example.net",
                &format!("Number {number}"),
                number,
            )
        })
        .collect();
    let mut browser = panel.operator();
    browser.open("/lists/1/messages?subject=number");
    let mut seen = Vec::new();
    for _ in 0..20 {
        let links = browser
            .page
            .match_indices("class=\"main\"><a href=\"/messages/");
        seen.extend(links.map(|(at, mark)| browser.page[at + mark.len()..][..13].to_owned()));
        let Some((_, rest)) = browser.page.split_once("rel=\"next\" href=\"") else {
            break;
        };
        let next = rest
            .split('"')
            .next()
            .expect("a link")
            .replace("&#38;", "&")
            .replace("&amp;", "&");
        browser.open(&next);
    }
    let newest_first: Vec<String> = ids.into_iter().rev().collect();
    assert_eq!(seen, newest_first);
    browser.shows("Back to the newest");
}

#[test]
fn what_cannot_be_searched_for_is_said_at_its_field() {
    let (panel, _) = shop();
    let mut browser = panel.operator();
    let answer = browser.open("/lists/1/messages?from=yesterday&status=gone");
    assert_eq!(answer.status, 422);
    browser.shows("write a day like 2026-11-26");
    browser.shows("there is no status `gone`");
    browser.open("/lists/1/messages");
    browser.shows("No messages yet");
}

#[test]
fn a_list_manager_reaches_no_message_of_another_list() {
    let (panel, user) = shop();
    panel.relay.add_list("other");
    let mut client = panel.relay.login(&user);
    let id = submit(&mut client, "ann@example.net", "Secret", 1);
    let refused = content(
        "From: x@elsewhere.example\r\nSubject: Secret\r\n",
        &message::id("panel", 2),
    );
    client.submit(FROM, &["ann@example.net"], &refused, "550");
    let mut own = panel.manager("own", &["shop"]);
    own.open("/lists/1/messages");
    own.shows(&id);
    assert_eq!(own.open(&format!("/messages/{id}")).status, 200);
    let mut foreign = panel.manager("foreign", &["other"]);
    for path in [
        "/lists/1",
        "/lists/1/messages",
        "/lists/1/statistics",
        "/lists/1/statistics.csv",
        &format!("/messages/{id}"),
        "/messages/0000000000001",
        "/messages/nonsense",
    ] {
        let answer = foreign.open(path);
        assert_eq!(answer.status, 404, "{path}");
        foreign.does_not_show("Secret");
    }
    for path in ["/messages", "/statistics", "/statistics.csv"] {
        assert_eq!(foreign.open(path).status, 403, "{path}");
    }
    foreign.open("/lists/2/messages");
    foreign.does_not_show("Secret");
}

#[test]
fn the_remotes_words_stand_in_the_timeline() {
    let sink = gatepost_tests::sink::Sink::start(gatepost_tests::sink::Script::default());
    let sink = sink.expect("a port");
    let panel = Paneled::with(Setup::smarthost(sink.port()), "");
    let user = panel.relay.add_shop_user(&[]);
    let mut client = panel.relay.login(&user);
    let id = submit(&mut client, "ann@example.net", "Hello", 1);
    let mut browser = panel.operator();
    let path = format!("/messages/{id}");
    shows_soon(&mut browser, &path, "took it.");
    browser.shows("<blockquote>250");
    browser.shows("127.0.0.1");
}
