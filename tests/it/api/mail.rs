//! Messages and the queue over the API: what was refused is found too, what waits is stopped and changed.

use gatepost_tests::relay::Setup;
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;
use serde_json::{Value, json};

use super::{Api, is_problem, parsed};

/// Sends a message in the name of a user; its id.
fn sent(api: &Api, user: &str, subject: &str) -> String {
    let message = json!({
        "user": user, "from": "a@example.com", "to": ["b@example.net"], "subject": subject, "text": "x",
    });
    let sent = api.done(202, "POST", "/messages", Some(&message));
    sent["id"].as_str().expect("an id").to_owned()
}

fn count(page: &Value) -> usize {
    page["items"].as_array().expect("items").len()
}

#[test]
fn what_was_refused_is_found_with_its_story() {
    let api = Api::start();
    let settings = json!({ "authorized_domains": "example.com" });
    let made = api.done(201, "POST", "/lists/1/users", Some(&settings));
    let user = made["user"]["username"].as_str().expect("a name");
    let block = json!({ "name": "shop", "unauthorized": "block" });
    api.done(200, "PUT", "/lists/1", Some(&block));
    let message = json!({
        "user": user, "from": "boss@example.org", "to": ["b@example.net"], "subject": "Urgent transfer", "text": "x",
    });
    is_problem(
        &api.ask(&api.operator, "POST", "/messages", Some(&message)),
        422,
    );
    let found = api.done(200, "GET", "/lists/1/messages?status=blocked", None);
    assert_eq!(count(&found), 1, "{found}");
    let blocked = &found["items"][0];
    assert_eq!(blocked["status"], "blocked");
    assert_eq!(blocked["sender"], "boss@example.org");
    assert_eq!(blocked["list"], 1);
    let reply = blocked["reply"].as_str().expect("a reply");
    assert!(reply.starts_with("550 5.7.1 "), "{reply}");
    let id = blocked["id"].as_str().expect("an id");
    for path in [format!("/messages/{id}"), format!("/lists/1/messages/{id}")] {
        let story = api.done(200, "GET", &path, None);
        assert_eq!(story["decisions"][0]["outcome"], "rejected", "{story}");
    }
    api.done(404, "GET", &format!("/lists/2/messages/{id}"), None);
}

#[test]
fn messages_are_found_as_in_the_panel() {
    let api = Api::start();
    let (user, _) = api.add_user(1);
    let first = sent(&api, &user, "The first order");
    sent(&api, &user, "Something else");
    for (query, expected) in [
        ("subject=order%20first", 1),
        ("subject=none", 0),
        ("recipient=b%40example.net", 2),
        ("recipient=%40example.net", 2),
        ("sender=other%40example.com", 0),
        ("user=s1_1", 2),
        ("since=2999-01-01T00:00:00Z", 0),
        ("until=2999-01-01T00:00:00Z", 2),
    ] {
        for path in ["/messages", "/lists/1/messages"] {
            let found = api.done(200, "GET", &format!("{path}?{query}"), None);
            assert_eq!(count(&found), expected, "{path}?{query}");
        }
        let other = api.done(200, "GET", &format!("/lists/2/messages?{query}"), None);
        assert_eq!(count(&other), 0, "{query}");
    }
    let newest = api.done(200, "GET", "/messages?limit=1", None);
    let next = newest["next"].as_str().expect("a cursor");
    let oldest = api.done(
        200,
        "GET",
        &format!("/messages?limit=1&cursor={next}"),
        None,
    );
    assert_eq!(oldest["items"][0]["id"], json!(first));
    for query in ["status=gone", "since=yesterday", "limit=201", "cursor=x"] {
        let answer = api.ask(&api.operator, "GET", &format!("/messages?{query}"), None);
        is_problem(&answer, 400);
    }
}

#[test]
fn mail_is_stopped_and_started() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let api = Api::with(Setup::smarthost(sink.port()), "");
    let (user, _) = api.add_user(1);
    let why = json!({ "reason": "moving" });
    api.done(201, "PUT", "/lists/1/stop", Some(&why));
    api.done(204, "PUT", "/lists/1/stop", Some(&json!({})));
    api.done(201, "PUT", "/stops/to:Example.ORG", Some(&json!({})));
    let stops = api.done(200, "GET", "/lists/1/stops", None);
    let mut keys: Vec<&str> = stops
        .as_array()
        .expect("stops")
        .iter()
        .map(|stop| stop["key"].as_str().expect("a key"))
        .collect();
    keys.sort_unstable();
    assert_eq!(keys, ["list:1", "to:example.org"], "{stops}");
    let own = stops.as_array().into_iter().flatten();
    let own: Vec<_> = own.filter(|stop| stop["key"] == "list:1").collect();
    assert_eq!(own[0]["reason"], "moving");
    assert_eq!(own[0]["by"], "root (token test)");
    wait::until("the relay has noticed the stop", wait::PATIENCE, || {
        api.panel.relay.log().contains("stopped or started mail")
    });
    let id = sent(&api, &user, "It waits");
    let waiting = api.done(200, "GET", "/lists/1/queue?priority=3", None);
    assert_eq!(waiting["items"][0]["id"], json!(id), "{waiting}");
    let counts = api.done(200, "GET", "/queue/counts", None);
    assert_eq!(
        (&counts["queued"], &counts["by_priority"]),
        (&json!(1), &json!([0, 0, 1, 0, 0]))
    );
    api.done(204, "DELETE", "/lists/1/stop", None);
    api.done(409, "DELETE", "/lists/1/stop", None);
    api.done(204, "DELETE", "/stops/to:example.org", None);
    api.done(404, "DELETE", "/stops/nothing", None);
    sink.wait_for(1, wait::PATIENCE);
}

#[test]
fn what_waits_is_changed_by_name_and_by_filter() {
    let api = Api::start();
    let (user, _) = api.add_user(1);
    let soon = gatepost::clock::Timestamp::now() + std::time::Duration::from_secs(3600);
    let message = json!({
        "user": user, "from": "a@example.com", "to": ["b@example.net"], "text": "x", "send_at": soon.to_whole_seconds(),
    });
    let first = api.done(202, "POST", "/messages", Some(&message));
    let second = api.done(202, "POST", "/messages", Some(&message));
    let order = |status: u16, body: Value| api.done(status, "POST", "/orders", Some(&body));
    let one = json!({ "ids": [first["id"]] });
    let urgent = order(
        200,
        json!({ "action": "reprioritize", "priority": 1, "filter": one }),
    );
    assert_eq!(
        (&urgent["messages"], &urgent["is_at_least"]),
        (&json!(1), &json!(false))
    );
    let found = api.done(200, "GET", "/queue?priority=1", None);
    assert_eq!(found["items"][0]["id"], first["id"]);
    order(409, json!({ "action": "release", "filter": one }));
    order(
        404,
        json!({ "action": "hold", "filter": { "ids": ["0000000000000"] } }),
    );
    order(422, json!({ "action": "reprioritize", "filter": one }));
    // Nor what the action has no use for.
    order(
        422,
        json!({ "action": "hold", "priority": 6, "filter": one }),
    );
    order(
        422,
        json!({ "action": "hold", "send_at": "", "filter": one }),
    );
    order(
        422,
        json!({ "action": "hold", "filter": { "status": "delivered" } }),
    );
    let now = json!({ "action": "schedule", "filter": { "priority": 3 } });
    assert_eq!(order(200, now)["messages"], 1);
    let path = format!("/messages/{}", second["id"].as_str().expect("an id"));
    wait::until("it is delivered", wait::PATIENCE, || {
        api.done(200, "GET", &path, None)["status"] == "delivered"
    });
    is_problem(&api.ask(&api.operator, "GET", "/queue?age=2h", None), 400);
}

#[test]
fn recipients_that_do_not_exist_are_listed_and_forgotten() {
    let nobody = Script {
        recipients: vec![("@".into(), "550 5.1.1 nobody here".into())],
        ..Script::reading()
    };
    let sink = Sink::start(nobody).expect("a port");
    let api = Api::with(Setup::smarthost(sink.port()), "");
    let remember = json!({ "name": "shop", "suppress_bounces": true });
    api.done(200, "PUT", "/lists/1", Some(&remember));
    wait::until("the relay has noticed", wait::PATIENCE, || {
        let log = api.panel.relay.log();
        log.contains("remembers recipients that do not exist")
    });
    let (user, _) = api.add_user(1);
    let message = json!({
        "user": user, "from": "a@example.com", "to": ["ann@example.net", "bob@example.net"], "text": "x",
    });
    api.done(202, "POST", "/messages", Some(&message));
    wait::until("both are remembered", wait::PATIENCE, || {
        count(&api.done(200, "GET", "/lists/1/suppressions", None)) == 2
    });
    let first = api.done(200, "GET", "/lists/1/suppressions?limit=1", None);
    assert_eq!(first["items"][0]["address"], "ann@example.net");
    let next = first["next"]
        .as_str()
        .expect("a cursor")
        .replace('@', "%40");
    let path = format!("/lists/1/suppressions?cursor={next}");
    let second = api.done(200, "GET", &path, None);
    assert_eq!(second["items"][0]["address"], "bob@example.net");
    assert_eq!(second["next"], Value::Null);
    let reply = second["items"][0]["reply"].as_str().expect("a reply");
    assert!(reply.contains("nobody here"), "{reply}");
    api.done(
        204,
        "DELETE",
        "/lists/1/suppressions/Ann%40example.net",
        None,
    );
    api.done(
        404,
        "DELETE",
        "/lists/1/suppressions/ann%40example.net",
        None,
    );
    api.done(404, "DELETE", "/lists/1/suppressions/none", None);
    let answer = api.ask(&api.operator, "GET", "/lists/1/suppressions?cursor=x", None);
    is_problem(&answer, 400);
    assert!(
        parsed(&answer)["detail"]
            .as_str()
            .is_some_and(|text| text.contains("cursor"))
    );
}

#[test]
fn attempts_of_a_message_come_in_pages_the_latest_first() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let api = Api::with(Setup::smarthost(sink.port()), "");
    let (user, _) = api.add_user(1);
    let message = json!({
        "user": user, "from": "a@example.com", "text": "x",
        "to": ["a@example.net", "b@example.net", "c@example.net"],
    });
    let sent = api.done(202, "POST", "/messages", Some(&message));
    let id = sent["id"].as_str().expect("an id");
    let path = format!("/messages/{id}");
    wait::until("it is delivered", wait::PATIENCE, || {
        api.done(200, "GET", &path, None)["status"] == "delivered"
    });
    let told = |query: &str| {
        let story = api.done(200, "GET", &format!("{path}?{query}"), None);
        let recipients = story["recipients"].as_array().expect("recipients").iter();
        let attempts = recipients.map(|one| one["attempts"].as_array().map_or(0, Vec::len));
        (
            attempts.collect::<Vec<_>>(),
            story["earlier_attempts"].clone(),
        )
    };
    assert_eq!(told("limit=3"), (vec![1, 1, 1], Value::Null));
    let (latest, earlier) = told("limit=2");
    let (earliest, nothing) = told(&format!(
        "limit=2&cursor={}",
        earlier.as_str().expect("more")
    ));
    assert_eq!(
        latest
            .iter()
            .zip(&earliest)
            .map(|(one, other)| one + other)
            .collect::<Vec<_>>(),
        [1, 1, 1]
    );
    assert_eq!((earliest.iter().sum::<usize>(), nothing), (1, Value::Null));
    is_problem(
        &api.ask(&api.operator, "GET", &format!("{path}?cursor=x"), None),
        400,
    );
    let shown = api
        .panel
        .relay
        .json(&["queue", "show", id, "--attempts", "1"]);
    assert_eq!(shown["earlier_attempts"], true, "{shown}");
    let text = api
        .panel
        .relay
        .cli(&["queue", "show", id, "--attempts", "2"])
        .succeeded();
    assert!(
        text.stdout.contains("the latest 2; --attempts shows more"),
        "{text:?}"
    );
}
