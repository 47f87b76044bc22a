//! What monitors are told, on addresses of its own and nowhere else.

use gatepost_tests::http::{self, Answer};
use gatepost_tests::message;
use gatepost_tests::panel::Paneled;
use gatepost_tests::relay::{Setup, free_port};
use gatepost_tests::wait;

fn get(port: u16, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    http::request(port, &request)
}

fn monitored() -> (Paneled, u16) {
    let port = free_port();
    let table = format!("\n[monitor]\naddress = [\"127.0.0.1:{port}\"]\n");
    (Paneled::with(Setup::maildir().with(&table), ""), port)
}

#[test]
fn the_metrics_tell_what_was_accepted_delivered_and_refused() {
    let (panel, port) = monitored();
    let user =
        panel
            .relay
            .add_shop_user(&["--authorized-domains", "example.com", "--priority", "2"]);
    let mut client = panel.relay.login(&user);
    let content = message::with_fields("From: orders@example.com\r\n", &message::id("monitor", 1));
    client.submit("orders@example.com", &["ann@example.net"], &content, "250");
    let content = message::with_fields("From: x@elsewhere.example\r\n", &message::id("monitor", 2));
    client.submit("orders@example.com", &["ann@example.net"], &content, "550");
    wait::until("the delivery is counted", wait::PATIENCE, || {
        get(port, "/metrics")
            .body
            .contains("gatepost_attempts_total{outcome=\"delivered\"} 1")
    });
    let answer = get(port, "/metrics");
    assert!(
        answer
            .field("content-type")
            .starts_with("application/openmetrics-text")
    );
    for line in [
        "gatepost_messages_accepted_total{priority=\"2\"} 1",
        "gatepost_messages_refused_total{outcome=\"rejected\"} 1",
        "gatepost_queue_time_seconds_count{priority=\"2\"} 1",
        "gatepost_policy_time_seconds_count{policy=\"sender-rules\"} ",
        "gatepost_policy_decisions_total{policy=\"sender-rules\",decision=\"reject\"} 1",
        "gatepost_logins_total{result=\"succeeded\"} 1",
        "gatepost_connections_open 1",
        "gatepost_store_accepting 1",
        "gatepost_queue_messages{state=\"ready\",priority=\"2\"} 0",
        "gatepost_alerts_total{kind=\"sender-not-authorized\"} 1",
    ] {
        assert!(answer.body.contains(line), "no {line} in\n{}", answer.body);
    }
    for secret in [user.username.as_str(), "example.com", "shop"] {
        assert!(!answer.body.contains(secret), "{secret}");
    }
}

#[test]
fn health_and_readiness_are_told() {
    let (panel, port) = monitored();
    let answer = get(port, "/healthz");
    assert_eq!((answer.status, answer.body.as_str()), (200, "alive\n"));
    let answer = get(port, "/readyz");
    assert_eq!(answer.status, 200);
    assert!(
        answer.body.contains("ok the store can be written"),
        "{}",
        answer.body
    );
    assert_eq!(get(port, "/").status, 404);
    // Nothing of it is on the panel.
    for path in ["/metrics", "/healthz", "/readyz"] {
        let answer = get(panel.port, path);
        assert_ne!(answer.status, 200, "{path}");
    }
}
