//! What happened, who is told of it, and what is the operators', over the API.

use gatepost_tests::postgres::Cluster;
use gatepost_tests::relay::Setup;
use gatepost_tests::wait;
use serde_json::{Value, json};

use super::{Api, is_problem, parsed};

fn send(api: &Api, user: &str, from: &str) -> u16 {
    let message = json!({ "user": user, "from": from, "to": ["b@example.net"], "subject": "Order 7", "text": "x" });
    api.ask(&api.operator, "POST", "/messages", Some(&message))
        .status
}

/// A list that blocks, and its user of `example.com`.
fn blocking(api: &Api) -> String {
    let block = json!({ "name": "shop", "unauthorized": "block" });
    api.done(200, "PUT", "/lists/1", Some(&block));
    let settings = json!({ "authorized_domains": "example.com" });
    let made = api.done(201, "POST", "/lists/1/users", Some(&settings));
    made["user"]["username"]
        .as_str()
        .expect("a name")
        .to_owned()
}

#[test]
fn statistics_tell_what_happened_by_time_priority_and_name() {
    let api = Api::start();
    let user = blocking(&api);
    assert_eq!(send(&api, &user, "a@example.com"), 202);
    assert_eq!(send(&api, &user, "boss@example.org"), 422);
    wait::until("it is summed up", wait::PATIENCE, || {
        let total = &api.done(200, "GET", "/lists/1/statistics?by=hour", None)["total"];
        total["delivered"] == 1 && total["blocked"] == 1
    });
    let hours = api.done(200, "GET", "/statistics?by=hour", None);
    assert_eq!(hours["total"]["accepted"], 1);
    assert_eq!(hours["buckets"].as_array().map(Vec::len), Some(24));
    let normal = &hours["priorities"][2];
    assert_eq!(
        (&normal["priority"], &normal["sums"]["delivered"]),
        (&json!(3), &json!(1))
    );
    let waits = normal["time_in_queue"].as_array().expect("waits");
    let served: u64 = waits
        .iter()
        .filter_map(|wait| wait["recipients"].as_u64())
        .sum();
    assert_eq!((served, &waits[9]["at_most_s"]), (1, &Value::Null));
    for (of, name) in [
        ("users", user.as_str()),
        ("senders", "a@example.com"),
        ("subjects", "Order #"),
    ] {
        let found = api.done(200, "GET", &format!("/lists/1/statistics/{of}"), None);
        let names = found.as_array().expect("names").iter();
        let mut names = names.map(|one| one["name"].as_str().expect("a name"));
        assert!(names.any(|known| known == name), "{found}");
    }
    let today = api.done(200, "GET", "/lists/1/today", None);
    assert_eq!(
        (&today["sums"]["blocked"], &today["queued"]),
        (&json!(1), &json!(0))
    );
    let other = api.done(200, "GET", "/lists/2/statistics", None);
    assert_eq!(other["total"]["accepted"], 0);
    is_problem(
        &api.ask(&api.operator, "GET", "/statistics?by=year", None),
        400,
    );
    is_problem(
        &api.ask(&api.operator, "GET", "/lists/1/statistics/colours", None),
        404,
    );
}

#[test]
fn alerts_come_in_pages_and_settings_say_who_is_told() {
    let api = Api::start();
    let user = blocking(&api);
    assert_eq!(send(&api, &user, "boss@example.org"), 422);
    api.done(202, "POST", "/lists/1/alerts/test", None);
    let all = api.done(200, "GET", "/lists/1/alerts", None);
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2), "{all}");
    let newest = api.done(200, "GET", "/lists/1/alerts?limit=1", None);
    let next = newest["next"].as_str().expect("a cursor");
    let older = api.done(
        200,
        "GET",
        &format!("/lists/1/alerts?limit=1&cursor={next}"),
        None,
    );
    assert_ne!(older["items"][0]["id"], newest["items"][0]["id"]);
    let group = api.done(
        200,
        "GET",
        "/lists/1/alerts?group=unauthorized-sender",
        None,
    );
    let alert = &group["items"][0];
    assert_eq!(
        (&alert["user"], &alert["sender"]),
        (&json!(user), &json!("boss@example.org"))
    );
    let id = alert["message"].as_str().expect("a message");
    api.done(200, "GET", &format!("/lists/1/messages/{id}"), None);
    assert_eq!(api.done(200, "GET", "/alerts", None)["items"], json!([]));
    for query in ["group=none", "cursor=c1", "limit=0"] {
        let answer = api.ask(&api.operator, "GET", &format!("/alerts?{query}"), None);
        is_problem(&answer, 400);
    }

    for path in ["/lists/1/alert-settings", "/alert-settings"] {
        let mut settings = api.done(200, "GET", path, None);
        assert_eq!(
            (&settings["recipients"], &settings["pace"]),
            (&json!([]), &json!("at-once"))
        );
        settings["recipients"] = json!(["admin@example.com"]);
        settings["quiet"] = json!(["22:00-06:00"]);
        settings["pace"] = json!("daily");
        let changed = api.done(200, "PUT", path, Some(&settings));
        assert_eq!(changed, settings);
        assert_eq!(api.done(200, "GET", path, None), settings);
        settings["quiet"] = json!(["at night"]);
        settings["groups"] = json!(["none"]);
        let refused = api.ask(&api.operator, "PUT", path, Some(&settings));
        is_problem(&refused, 422);
        assert_eq!(parsed(&refused)["errors"].as_array().map(Vec::len), Some(2));
    }
}

#[test]
fn a_webhook_is_set_tested_and_deleted() {
    let api = Api::start();
    for (path, test) in [
        ("/lists/1/webhook", "/lists/1/alerts/test"),
        ("/webhook", "/alerts/test"),
    ] {
        api.done(404, "GET", path, None);
        let settings =
            json!({ "url": "https://hook.example.com/x", "events": ["blocked", "bounced"] });
        let made = api.done(200, "PUT", path, Some(&settings));
        let secret = made["secret"].as_str().expect("a key").to_owned();
        let again = api.done(
            200,
            "PUT",
            path,
            Some(&json!({ "url": "https://hook.example.com/y" })),
        );
        assert_eq!(again["secret"], Value::Null);
        let shown = api.done(200, "GET", path, None);
        assert_eq!(shown["url"], "https://hook.example.com/y");
        assert_eq!(shown["events"], json!(["blocked", "bounced"]), "they stay");
        assert!(!shown.to_string().contains(&secret), "a key is shown once");
        api.done(202, "POST", test, None);
        let bad = json!({ "url": "ftp://hook.example.com/" });
        is_problem(&api.ask(&api.operator, "PUT", path, Some(&bad)), 422);
        let unknown = json!({ "url": "https://hook.example.com/", "events": ["read"] });
        is_problem(&api.ask(&api.operator, "PUT", path, Some(&unknown)), 422);
        api.done(204, "DELETE", path, None);
        api.done(404, "DELETE", path, None);
    }
}

#[test]
fn policies_are_told_and_read_again() {
    let api = Api::start();
    let user = blocking(&api);
    assert_eq!(send(&api, &user, "a@example.com"), 202);
    let report = api.done(200, "GET", "/policies", None);
    let policy = &report["chain"][0];
    assert_eq!(
        (&policy["name"], &policy["mode"]),
        (&json!("sender-rules"), &json!("enforce"))
    );
    let digest = policy["loaded"]["sha256"].as_str().expect("a digest");
    assert_eq!(digest.len(), 64);
    wait::until("the decision is summed up", wait::PATIENCE, || {
        let report = api.done(200, "GET", "/policies", None);
        report["lately"]["rules"][0]["rule"] == "sender-rules/authorized"
    });
    api.done(202, "POST", "/policies/reload", None);
    wait::until("it is answered", wait::PATIENCE, || {
        let report = api.done(200, "GET", "/policies", None);
        report["is_reloading"] == false && report["reload"].is_object()
    });
    let report = api.done(200, "GET", "/policies", None);
    assert_eq!(report["reload"]["error"], Value::Null, "{report}");
}

#[test]
fn operators_are_made_changed_reset_and_deleted() {
    let api = Api::start();
    let new = json!({ "name": "anna", "role": "list-manager", "lists": [1] });
    let made = api.done(201, "POST", "/operators", Some(&new));
    let link = made["link"].as_str().expect("a link");
    assert!(link.contains("/welcome/"), "{link}");
    let path = format!("/operators/{}", made["operator"]["id"]);
    let mut settings = api.done(200, "GET", &path, None)["settings"].clone();
    assert_eq!(settings["lists"], json!([1]));
    settings["lists"] = json!([1, 2]);
    settings["active"] = json!(false);
    let changed = api.done(200, "PUT", &path, Some(&settings));
    assert_eq!(changed["settings"], settings);
    let reset = api.done(200, "POST", &format!("{path}/reset"), None);
    assert_ne!(reset["link"], made["link"]);
    api.done(204, "DELETE", &format!("{path}/sessions"), None);
    let listed = api.done(200, "GET", "/operators", None);
    let names = listed["items"].as_array().expect("items").iter();
    let names: Vec<_> = names.map(|one| one["settings"]["name"].as_str()).collect();
    // The first is made at the first start.
    assert_eq!(names, [Some("admin"), Some("root"), Some("anna")]);
    assert!(!listed.to_string().contains("argon2"), "{listed}");
    for wrong in [
        json!({ "name": "ROOT", "role": "operator" }),
        json!({ "name": "", "role": "operator" }),
    ] {
        is_problem(
            &api.ask(&api.operator, "POST", "/operators", Some(&wrong)),
            422,
        );
    }
    let nowhere = json!({ "name": "bert", "role": "list-manager", "lists": [9] });
    is_problem(
        &api.ask(&api.operator, "POST", "/operators", Some(&nowhere)),
        422,
    );
    api.done(204, "DELETE", &path, None);
    api.done(404, "GET", &path, None);
    api.done(204, "DELETE", "/operators/1", None);
    // One stays.
    api.done(409, "DELETE", "/operators/2", None);
}

#[test]
fn who_may_send_and_where_is_told() {
    let api = Api::with(Setup::maildir(), "");
    let user = blocking(&api);
    let path = format!("/lists/1/users/{user}/trial");
    let ask = |from: &str| {
        api.done(
            200,
            "POST",
            &path,
            Some(&json!({ "from": from, "priority": 1 })),
        )
    };
    let good = ask("Anna <a@example.com>");
    assert_eq!(
        (&good["is_accepted"], &good["priority"]),
        (&json!(true), &json!(1))
    );
    let bad = ask("boss@example.org");
    assert_eq!(bad["is_accepted"], false);
    assert_eq!(bad["steps"][0]["decision"], "reject", "{bad}");
    assert_eq!(
        api.done(200, "GET", "/lists/1/alerts", None)["items"],
        json!([])
    );
    let odd = json!({ "from": "a@example.com", "priority": 9 });
    is_problem(&api.ask(&api.operator, "POST", &path, Some(&odd)), 422);
    let server = api.done(200, "GET", "/server", None);
    assert_eq!(server["host"], "relay.example.com");
    let port = api.panel.relay.port().to_string();
    assert_eq!(server["ports"][0]["ports"], json!(port), "{server}");
}

#[test]
fn lists_and_users_are_found_by_what_they_have() {
    let api = Api::start();
    for note in ["Web shop", "Newsletter", "Shop in the town"] {
        let settings = json!({ "note": note, "authorized_domains": "example.com" });
        api.done(201, "POST", "/lists/1/users", Some(&settings));
    }
    let found = |path: &str| {
        let page = api.done(200, "GET", path, None);
        page["items"].as_array().expect("items").len()
    };
    assert_eq!(found("/lists/1/users?q=SHOP"), 2);
    assert_eq!(found("/lists/1/users?q=example.com"), 3);
    assert_eq!(found("/lists/1/users?q=s1_2"), 1);
    assert_eq!(found("/lists/1/users?q=nothing"), 0);
    let first = api.done(200, "GET", "/lists/1/users?q=shop&limit=1", None);
    let next = first["next"].as_str().expect("a cursor");
    let path = format!("/lists/1/users?q=shop&limit=1&cursor={next}");
    let second = api.done(200, "GET", &path, None);
    assert_eq!(second["items"][0]["username"], "s1_3", "{second}");
    assert_eq!(second["next"], Value::Null);
    assert_eq!(found("/lists?q=OTH"), 1);
    assert_eq!(found("/lists?q=x"), 0);
}

#[test]
fn the_nodes_of_a_shared_store_are_shown() {
    let alone = Api::start();
    let none = alone.done(200, "GET", "/nodes", None);
    assert_eq!(none, json!({ "here": null, "nodes": [] }));
    let url = Cluster::shared().database();
    let setup = Setup::maildir()
        .on_server(&url)
        .with("\n[node]\nname = \"one\"\n");
    let api = Api::with(setup, "");
    let shown = api.done(200, "GET", "/nodes", None);
    let node = &shown["nodes"][0];
    assert_eq!(node["id"], shown["here"], "{shown}");
    assert_eq!(
        (&node["name"], &node["differs"]),
        (&json!("one"), &json!(false))
    );
}
