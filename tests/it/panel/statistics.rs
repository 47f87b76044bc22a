//! Statistics and a list's home: they follow the mail by some seconds.

use gatepost_tests::message;
use gatepost_tests::panel::{Browser, Paneled};
use gatepost_tests::wait;

/// Opens a page until it shows a text: statistics follow the mail.
fn shows_soon(browser: &mut Browser, path: &str, text: &str) {
    wait::until(&format!("{path} shows {text}"), wait::PATIENCE, || {
        browser.open(path);
        browser.page.contains(text)
    });
}

#[test]
fn a_list_sees_what_it_sent_by_time_priority_user_sender_and_subject() {
    let panel = Paneled::start();
    let user = panel
        .relay
        .add_shop_user(&["--authorized-domains", "example.com"]);
    let mut browser = panel.operator();
    browser.open("/lists/1/statistics");
    browser.shows("Nothing in the last 30 days");
    browser.open("/lists/1");
    browser.shows("No alerts.");
    let mut client = panel.relay.login(&user);
    for number in 0..3 {
        let fields = format!(
            "From: orders@example.com\r\nSubject: =1+Order {number}, \"new\"\r\nX-Priority: 1\r\n"
        );
        let id = message::id("stats", number);
        let content = format!("{fields}{}{id}\r\n\r\nHello.\r\n", message::ID_FIELD);
        client.submit("orders@example.com", &["ann@example.net"], &content, "250");
    }
    let content = message::with_fields("From: x@elsewhere.example\r\n", &message::id("stats", 9));
    client.submit("orders@example.com", &["ann@example.net"], &content, "550");
    shows_soon(
        &mut browser,
        "/lists/1/statistics?by=hour",
        "<b>3</b><span>delivered",
    );
    browser.shows("<b>3</b><span>accepted");
    browser.shows("<b>1</b><span>blocked");
    browser.shows("=#+Order #, &#34;new&#34;");
    browser.shows(&user.username);
    browser.shows("orders@example.com");
    browser.shows("1 - very high");
    browser.shows("role=\"img\"");
    for by in ["day", "week", "month"] {
        browser.open(&format!("/lists/1/statistics?by={by}"));
        browser.shows("<b>3</b><span>delivered");
    }
    let file = browser.get("/lists/1/statistics.csv?by=day&table=subject");
    assert_eq!(file.field("content-type"), "text/csv; charset=utf-8");
    assert!(
        file.field("content-disposition")
            .starts_with("attachment; filename=\"list-1-day-subject.csv\"")
    );
    // A spreadsheet would take it for a formula.
    assert!(
        file.body.contains("\"'=#+Order #, \"\"new\"\"\",3,3,"),
        "{}",
        file.body
    );
    let file = browser.get("/lists/1/statistics.csv?by=hour&table=time");
    assert_eq!(file.body.lines().count(), 25, "{}", file.body);
    let file = browser.get("/lists/1/statistics.csv?table=priority");
    assert!(file.body.contains("1 - very high,3,3,"), "{}", file.body);
    browser.open("/lists/1");
    browser.shows("<b>3</b><span>sent");
    browser.shows("<b>1</b><span>blocked");
    browser.shows("<b>0</b><span>in the queue now");
    browser.shows("x@elsewhere.example");
    browser.open("/statistics");
    browser.shows("<b>3</b><span>delivered");
}

#[test]
fn nothing_is_counted_twice_when_the_relay_is_killed() {
    let mut panel = Paneled::start();
    let user = panel.relay.add_shop_user(&[]);
    for round in 0..4_u64 {
        let mut client = panel.relay.login(&user);
        for number in 0..5 {
            let id = message::id("stats", round * 5 + number);
            let content = message::with_fields("From: orders@example.com\r\n", &id);
            client.submit("orders@example.com", &["ann@example.net"], &content, "250");
        }
        if round < 3 {
            panel.relay.kill();
            panel.relay.restart();
        }
    }
    let mut browser = panel.operator();
    shows_soon(
        &mut browser,
        "/lists/1/statistics",
        "<b>20</b><span>delivered",
    );
    browser.shows("<b>20</b><span>accepted");
}
