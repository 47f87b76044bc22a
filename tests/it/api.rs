//! The API over HTTP: who gets in with what, what it does, and that it is what it says of itself.

mod mail;
mod overview;

use std::time::Duration;

use gatepost::clock::Timestamp;
use gatepost_tests::http::{self, Answer};
use gatepost_tests::panel::Paneled;
use gatepost_tests::relay::Setup;
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;
use serde_json::{Value, json};

/// A relay with its API, two lists, and an operator `root` in whose name tokens are made.
struct Api {
    panel: Paneled,
    operator: String,
}

impl Api {
    fn start() -> Self {
        Self::with(Setup::maildir(), "")
    }

    fn with(setup: Setup, keys: &str) -> Self {
        let panel = Paneled::with(setup, keys);
        panel.relay.add_list("shop");
        panel.relay.add_list("other");
        panel.link("root", &[]);
        let operator = token(
            &panel,
            &[
                "--scope",
                "read",
                "--scope",
                "write",
                "--scope",
                "send",
                "--scope",
                "operators",
            ],
        );
        Self { panel, operator }
    }

    fn ask(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.ask_with(token, method, path, "", body)
    }

    fn ask_with(
        &self,
        token: &str,
        method: &str,
        path: &str,
        header: &str,
        body: Option<&Value>,
    ) -> Answer {
        let body = body.map(ToString::to_string);
        let content = body.as_ref().map_or_else(String::new, |body| {
            let length = body.len();
            format!("Content-Type: application/json\r\nContent-Length: {length}\r\n")
        });
        let shown = match token {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\r\n"),
        };
        let text = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{shown}{header}{content}\r\n{}",
            body.unwrap_or_default()
        );
        http::request(self.panel.port, &text)
    }

    /// What the operator's token is answered.
    #[track_caller]
    fn done(&self, status: u16, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.ask(&self.operator, method, path, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        parsed(&answer)
    }

    fn add_user(&self, list: i64) -> (String, String) {
        let path = format!("/lists/{list}/users");
        let made = self.done(201, "POST", &path, Some(&json!({})));
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        (text(&made["user"]["username"]), text(&made["password"]))
    }
}

fn token(panel: &Paneled, options: &[&str]) -> String {
    let arguments = [&["token", "add", "test", "--operator", "root"], options].concat();
    let made = panel.relay.json(&arguments);
    made["token"].as_str().expect("a token").to_owned()
}

#[track_caller]
fn parsed(answer: &Answer) -> Value {
    match answer.body.as_str() {
        "" => Value::Null,
        body => serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer:?}")),
    }
}

/// Ends the test unless it is a problem of this status that a program can read.
#[track_caller]
fn is_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(
        answer.field("content-type"),
        "application/problem+json",
        "{answer:?}"
    );
    let problem = parsed(answer);
    assert_eq!(problem["status"], status, "{problem}");
    assert!(
        problem["detail"].is_string() && problem["title"].is_string(),
        "{problem}"
    );
}

#[test]
fn nobody_gets_in_without_a_token_that_holds() {
    let api = Api::start();
    let bad = format!("gp_{}", "A".repeat(43));
    for shown in ["", "x", "gp_x", bad.as_str()] {
        let answer = api.ask(shown, "GET", "/me", None);
        is_problem(&answer, 401);
        assert!(
            answer.field("www-authenticate").starts_with("Bearer"),
            "{answer:?}"
        );
    }
    let me = api.done(200, "GET", "/me", None);
    assert_eq!(me["scopes"], json!(["read", "write", "send", "operators"]));
    assert_eq!(me["lists"], Value::Null);
    let listed = api.panel.relay.json(&["token", "list"]);
    assert!(
        !listed.to_string().contains(&api.operator),
        "a token is shown once"
    );
    let number = listed[0]["number"].to_string();
    api.panel.relay.json(&["token", "delete", &number]);
    is_problem(&api.ask(&api.operator, "GET", "/me", None), 401);
}

/// Every operation of the description, with something in place of its variables.
fn operations(api: &Api, list: &str) -> Vec<(String, String)> {
    let document = http::request(
        api.panel.port,
        "GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    let document = parsed(&document);
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, _) in methods.as_object().expect("methods") {
            let path = path
                .replace("{list}", list)
                .replace("{username}", "s2_1")
                .replace("{message}", "0000000000000")
                .replace("{of}", "users")
                .replace("{stop}", "to:example.com")
                .replace("{address}", "ann%40example.com")
                .replace("{operator}", "9");
            found.push((method.to_uppercase(), path));
        }
    }
    assert!(found.len() >= 55, "{found:?}");
    found
}

/// What a caller of every operation might send.
fn anything(method: &str) -> Option<Value> {
    matches!(method, "POST" | "PUT")
        .then(|| json!({ "name": "x", "action": "retry", "filter": {} }))
}

/// What an operation takes, so that only who asks can be what is wrong with it.
fn document(method: &str, path: &str) -> Option<Value> {
    let document = match path.rsplit('/').next().unwrap_or_default() {
        _ if !matches!(method, "POST" | "PUT") => return None,
        "orders" => json!({ "action": "retry", "filter": {} }),
        "trial" => json!({ "from": "a@example.com" }),
        "stop" | "to:example.com" | "users" | "s2_1" => json!({}),
        "webhook" => json!({ "url": "https://example.com/hook" }),
        "operators" | "9" => json!({ "name": "mallory", "role": "operator" }),
        "alert-settings" => json!({
            "groups": ["bounce"], "pace": "at-once", "daily_at": "07:00", "offset": "+00:00", "critical_passes": true,
        }),
        _ => json!({ "name": "mine" }),
    };
    Some(document)
}

#[test]
fn every_operation_refuses_who_shows_no_token() {
    let api = Api::start();
    for (method, path) in operations(&api, "1") {
        let answer = api.ask("", &method, &path, anything(&method).as_ref());
        is_problem(&answer, 401);
    }
}

#[test]
fn a_token_for_one_list_reaches_nothing_of_another() {
    let api = Api::start();
    api.add_user(2);
    let scopes = ["--scope", "read", "--scope", "write", "--scope", "send"];
    let narrowed = token(&api.panel, &[&scopes[..], &["--list", "shop"]].concat());
    for (method, path) in operations(&api, "2") {
        if !path.contains("/lists/2") {
            continue;
        }
        let body = document(&method, &path);
        let answer = api.ask(&narrowed, &method, &path, body.as_ref());
        is_problem(&answer, 404);
    }
    let lists = api.ask(&narrowed, "GET", "/lists", None);
    assert_eq!(
        parsed(&lists)["items"],
        json!([{ "id": 1, "name": "shop" }])
    );
    let add = api.ask(&narrowed, "POST", "/lists", Some(&json!({ "name": "new" })));
    is_problem(&add, 403);
    let as_other =
        json!({ "user": "s2_1", "from": "a@example.com", "to": ["b@example.net"], "text": "x" });
    is_problem(
        &api.ask(&narrowed, "POST", "/messages", Some(&as_other)),
        422,
    );
}

#[test]
fn a_token_for_one_list_does_nothing_that_is_an_operators() {
    let api = Api::start();
    let scopes = [
        "--scope",
        "read",
        "--scope",
        "write",
        "--scope",
        "send",
        "--scope",
        "operators",
    ];
    let narrowed = token(&api.panel, &[&scopes[..], &["--list", "shop"]].concat());
    let before = api.panel.relay.json(&["operator", "list"]);
    let mut walked = 0;
    for (method, path) in operations(&api, "1") {
        let is_anybodys = matches!(path.as_str(), "/me" | "/server" | "/messages/0000000000000");
        let is_of_lists = path == "/lists" || path.starts_with("/lists/");
        if is_anybodys || is_of_lists || (method == "POST" && path == "/messages") {
            continue;
        }
        let body = document(&method, &path);
        let answer = api.ask(&narrowed, &method, &path, body.as_ref());
        is_problem(&answer, 403);
        walked += 1;
    }
    assert!(walked >= 20, "{walked}");
    assert_eq!(api.panel.relay.json(&["operator", "list"]), before);
    assert_eq!(api.done(200, "GET", "/stops", None), json!([]));
}

#[test]
fn each_scope_allows_what_it_says_and_nothing_else() {
    let api = Api::start();
    let of = |scope: &str| token(&api.panel, &["--scope", scope]);
    let (reads, writes, sends, manages) = (of("read"), of("write"), of("send"), of("operators"));
    for (method, path) in operations(&api, "1") {
        let needed = match (method.as_str(), path.as_str()) {
            (_, "/me") => continue,
            ("POST", "/messages") => &sends,
            ("GET", _) => &reads,
            (_, path) if path.ends_with("/trial") => &reads,
            (_, path) if path.starts_with("/operators") => &manages,
            _ => &writes,
        };
        for shown in [&reads, &writes, &sends, &manages] {
            let answer = api.ask(shown, &method, &path, anything(&method).as_ref());
            let is_refused = answer.status == 403;
            assert_eq!(is_refused, shown != needed, "{method} {path}: {answer:?}");
        }
    }
}

#[test]
fn a_user_is_made_changed_and_deleted_and_its_password_shown_once() {
    let api = Api::start();
    let (username, password) = api.add_user(1);
    assert_eq!(username, "s1_1");
    let path = format!("/lists/1/users/{username}");
    let shown = api.done(200, "GET", &path, None);
    assert!(!shown.to_string().contains(&password), "{shown}");
    let mut settings = shown["settings"].clone();
    settings["priority"] = json!(1);
    settings["authorized_domains"] = json!("example.com");
    settings["messages_per_hour"] = json!(10);
    let changed = api.done(200, "PUT", &path, Some(&settings));
    assert_eq!(changed["settings"], settings);
    assert_eq!(changed["settings"]["messages_per_day"], "default");
    let reset = api.done(200, "POST", &format!("{path}/password"), None);
    assert_ne!(reset["password"], json!(password));
    assert_eq!(
        api.done(200, "GET", &format!("{path}/sent"), None)["hour"],
        0
    );
    settings["authorized_domains"] = json!("a.example, b.example");
    let refused = api.ask(&api.operator, "PUT", &path, Some(&settings));
    is_problem(&refused, 422);
    assert_eq!(parsed(&refused)["errors"][0]["field"], "authorized_domains");
    api.done(204, "DELETE", &path, None);
    api.done(404, "GET", &path, None);
}

#[test]
fn a_list_is_made_changed_and_deleted() {
    let api = Api::start();
    let made = api.done(201, "POST", "/lists", Some(&json!({ "name": "new" })));
    let path = format!("/lists/{}", made["id"]);
    let settings =
        json!({ "name": "newer", "unauthorized": "block", "policy_settings": { "a.b": "c" } });
    let changed = api.done(200, "PUT", &path, Some(&settings));
    let changed_settings = &changed["settings"];
    assert_eq!(changed_settings["unauthorized"], "block");
    assert_eq!(changed_settings["policy_settings"], json!({ "a.b": "c" }));
    assert_eq!(api.done(200, "GET", &path, None), changed);
    let taken = api.ask(
        &api.operator,
        "POST",
        "/lists",
        Some(&json!({ "name": "SHOP" })),
    );
    is_problem(&taken, 422);
    api.done(204, "DELETE", &path, None);
    api.done(404, "GET", &path, None);
}

#[test]
fn pages_follow_each_other_and_miss_nobody() {
    let api = Api::start();
    for _ in 0..5 {
        api.add_user(1);
    }
    let (mut seen, mut path) = (Vec::new(), "/lists/1/users?limit=2".to_owned());
    loop {
        let page = api.done(200, "GET", &path, None);
        let items = page["items"].as_array().expect("items").iter();
        seen.extend(items.map(|user| user["username"].as_str().expect("a name").to_owned()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/lists/1/users?limit=2&cursor={next}");
    }
    assert_eq!(seen, ["s1_1", "s1_2", "s1_3", "s1_4", "s1_5"]);
    is_problem(
        &api.ask(&api.operator, "GET", "/lists/1/users?cursor=x", None),
        400,
    );
    is_problem(
        &api.ask(&api.operator, "GET", "/lists/1/users?limit=0", None),
        400,
    );
    is_problem(
        &api.ask(&api.operator, "GET", "/lists/1/users?limitt=1", None),
        400,
    );
}

#[test]
fn a_message_goes_the_way_of_every_other() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let api = Api::with(Setup::smarthost(sink.port()), "");
    let (user, _) = api.add_user(1);
    let message = json!({
        "user": user,
        "from": { "name": "Anna Müller", "address": "anna@example.com" },
        "to": ["b@example.net"],
        "bcc": ["hidden@example.net"],
        "subject": "Grüße",
        "text": "Hello.",
        "html": "<p>Hello.</p>",
        "priority": 1,
        "attachments": [{ "name": "a.txt", "content_type": "text/plain", "content": "aGVsbG8=" }],
    });
    let sent = api.done(202, "POST", "/messages", Some(&message));
    let path = format!("/lists/1/messages/{}", sent["id"].as_str().expect("an id"));
    wait::until("it is delivered", wait::PATIENCE, || {
        api.done(200, "GET", &path, None)["status"] == "delivered"
    });
    let story = api.done(200, "GET", &path, None);
    assert_eq!(story["priority"], 1);
    assert_eq!(story["subject"], "Grüße");
    assert_eq!(story["recipients"].as_array().expect("recipients").len(), 2);
    assert_eq!(
        story["recipients"][0]["attempts"][0]["outcome"],
        "delivered"
    );
    assert_eq!(story["decisions"][0]["outcome"], "accepted");
    let listed = api.done(200, "GET", "/lists/1/messages?status=delivered", None);
    assert_eq!(listed["items"][0]["id"], sent["id"]);
    let none = api.done(200, "GET", "/lists/1/messages?status=held", None);
    assert_eq!(none["items"], json!([]));
}

#[test]
fn what_the_policies_refuse_is_told_in_their_words() {
    let api = Api::start();
    let settings = json!({ "authorized_domains": "example.com" });
    let made = api.done(201, "POST", "/lists/1/users", Some(&settings));
    let user = &made["user"];
    api.done(
        200,
        "PUT",
        "/lists/1",
        Some(&json!({ "name": "shop", "unauthorized": "block" })),
    );
    let message = json!({ "user": user["username"], "from": "a@example.org", "to": ["b@example.net"], "text": "x" });
    let refused = api.ask(&api.operator, "POST", "/messages", Some(&message));
    is_problem(&refused, 422);
    let detail = parsed(&refused)["detail"]
        .as_str()
        .expect("a text")
        .to_owned();
    assert!(detail.starts_with("550 5.7.1 "), "{detail}");
    let alerts = api.done(200, "GET", "/lists/1/alerts", None);
    assert_eq!(alerts["items"][0]["user"], user["username"]);
}

#[test]
fn a_request_that_comes_again_is_done_once() {
    let api = Api::start();
    let (user, _) = api.add_user(1);
    let message =
        json!({ "user": user, "from": "a@example.com", "to": ["b@example.net"], "text": "x" });
    let key = "Idempotency-Key: order-1\r\n";
    let send = |header: &str, message: &Value| {
        api.ask_with(&api.operator, "POST", "/messages", header, Some(message))
    };
    let (first, again) = (send(key, &message), send(key, &message));
    assert_eq!(first.status, 202, "{first:?}");
    assert_eq!((again.status, &again.body), (202, &first.body));
    assert_eq!(again.field("content-type"), "application/json");
    let mut other = message.clone();
    other["text"] = json!("y");
    is_problem(&send(key, &other), 422);
    is_problem(&send("Idempotency-Key: a b\r\n", &message), 400);
    let listed = api.done(200, "GET", "/lists/1/messages", None);
    assert_eq!(listed["items"].as_array().expect("items").len(), 1);
    // What did nothing may be tried again with the same key.
    let refused =
        json!({ "user": "nobody", "from": "a@example.com", "to": ["b@example.net"], "text": "x" });
    let key = "Idempotency-Key: order-2\r\n";
    is_problem(&send(key, &refused), 422);
    assert_eq!(send(key, &message).status, 202);
}

#[test]
fn messages_are_sent_later_held_released_and_deleted() {
    let api = Api::start();
    let (user, _) = api.add_user(1);
    let message = json!({
        "user": user, "from": "a@example.com", "to": ["b@example.net"], "text": "x", "send_at": "2999-01-01T00:00:00Z",
    });
    is_problem(
        &api.ask(&api.operator, "POST", "/messages", Some(&message)),
        422,
    );
    let soon = (Timestamp::now() + Duration::from_secs(3600)).to_whole_seconds();
    let mut later = message.clone();
    later["send_at"] = json!(soon);
    let sent = api.done(202, "POST", "/messages", Some(&later));
    let path = format!("/lists/1/messages/{}", sent["id"].as_str().expect("an id"));
    let order = |body: Value| api.done(200, "POST", "/lists/1/orders", Some(&body));
    let filter = json!({ "user": user });
    let tried =
        order(json!({ "action": "hold", "reason": "look", "filter": filter, "dry_run": true }));
    assert_eq!(
        (&tried["messages"], &tried["dry_run"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(api.done(200, "GET", &path, None)["status"], "scheduled");
    order(json!({ "action": "hold", "reason": "look", "filter": filter }));
    let held = api.done(200, "GET", &path, None);
    assert_eq!(
        (&held["status"], &held["held"]),
        (&json!("held"), &json!("look"))
    );
    assert_eq!(held["orders"][0]["by"], "root (token test)");
    order(json!({ "action": "release", "filter": { "ids": [sent["id"]] } }));
    assert_eq!(api.done(200, "GET", &path, None)["status"], "scheduled");
    order(json!({ "action": "delete", "filter": filter }));
    assert_eq!(api.done(200, "GET", &path, None)["status"], "cancelled");
}

#[test]
fn what_cannot_be_read_is_told() {
    let api = Api::with(
        Setup::maildir(),
        "max-api-body-octets = 1000\napi-requests-per-minute = 6",
    );
    let raw = |kind: &str, body: &str| {
        let (token, length) = (&api.operator, body.len());
        let text = format!(
            "POST /api/v1/lists HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        http::request(api.panel.port, &text)
    };
    is_problem(&raw("application/json", "{"), 400);
    is_problem(&raw("text/plain", "{}"), 415);
    is_problem(&raw("application/json", "{\"name\":\"x\",\"nme\":1}"), 422);
    is_problem(
        &raw(
            "application/json",
            &format!("{{\"name\":\"{}\"}}", "x".repeat(1000)),
        ),
        413,
    );
    is_problem(&api.ask(&api.operator, "GET", "/nothing", None), 404);
    is_problem(&api.ask(&api.operator, "PATCH", "/lists", None), 405);
    let limited = api.ask(&api.operator, "GET", "/me", None);
    is_problem(&limited, 429);
    let wait: u64 = limited.field("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&wait));
}

#[test]
fn it_describes_itself_to_programs_and_people() {
    let api = Api::start();
    let get = |path: &str| {
        let text =
            format!("GET /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        http::request(api.panel.port, &text)
    };
    let document = get("/openapi.json");
    assert_eq!(document.field("content-type"), "application/json");
    let page = get("/docs");
    assert_eq!(page.status, 200);
    assert!(
        page.field("content-security-policy")
            .contains("default-src 'none'")
    );
    for (_, methods) in parsed(&document)["paths"].as_object().expect("paths") {
        for (_, operation) in methods.as_object().expect("methods") {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(page.body.contains(&format!("id=\"{id}\"")), "{id}");
        }
    }
}
