//! The queue in the panel: what waits, what is stopped, and what is done to messages.

use std::time::{Duration, Instant};

use gatepost::clock::Timestamp;
use gatepost_tests::message;
use gatepost_tests::panel::{Browser, Paneled};
use gatepost_tests::relay::{Setup, User};
use gatepost_tests::sink::{Log, Script, Sink};
use gatepost_tests::wait;
use serde_json::Value;

const FROM: &str = "orders@example.com";

/// A relay with a panel whose next hop keeps the first message for itself, so that the others wait.
struct Busy {
    sink: Sink,
    panel: Paneled,
    user: User,
}

impl Busy {
    fn open() -> Self {
        let script = Script {
            paused: true,
            ..Script::reading()
        };
        let sink = Sink::start(script).expect("a port");
        let setup = Setup::smarthost(sink.port())
            .delivering("per-destination = 1\n")
            .with("\n[scheduler]\nurgent-reserve = 0\nretry = \"1h\"\n");
        let panel = Paneled::with(setup, "");
        let user = panel.relay.add_shop_user(&[]);
        let busy = Self { sink, panel, user };
        busy.submit("first@busy.example", "the first");
        wait::until("the next hop is busy", wait::PATIENCE, || {
            busy.sink.log(Log::waiting) == 1
        });
        busy
    }

    fn submit(&self, to: &str, subject: &str) -> String {
        let id = message::id("panel", 0);
        let content = format!(
            "From: {FROM}\r\nTo: {to}\r\nSubject: {subject}\r\n{}{id}\r\n\r\nHello.\r\n",
            message::ID_FIELD
        );
        let mut client = self.panel.relay.login(&self.user);
        let reply = client.submit(FROM, &[to], &content, "250 2.0.0 queued as ");
        reply.queue_id().expect("a queue id").to_owned()
    }

    fn show(&self, id: &str) -> Value {
        self.panel.relay.json(&["queue", "show", id])
    }

    fn status(&self, id: &str) -> String {
        let status = &self.show(id)["status"];
        status.as_str().expect("a status").to_owned()
    }
}

fn change(browser: &mut Browser, fields: &[(&str, &str)]) -> u16 {
    browser.open("/queue");
    browser.submit("/queue/change", fields).status
}

#[test]
fn the_queue_shows_what_waits_and_finds_it_by_its_properties() {
    let busy = Busy::open();
    busy.submit("anna@one.example", "for Anna");
    busy.submit("bert@two.example", "for Bert");
    let mut browser = busy.panel.operator();
    browser.open("/queue");
    for text in ["for Anna", "for Bert", "anna@one.example", FROM] {
        browser.shows(text);
    }
    browser.shows("being sent");
    browser.shows("<dt>Left</dt><dd>3 messages</dd>");
    for (query, found, not_found) in [
        ("domain=one.example", "for Anna", "for Bert"),
        ("domain=%40TWO.example", "for Bert", "for Anna"),
        (
            "sender=%40example.com&domain=one.example",
            "for Anna",
            "for Bert",
        ),
    ] {
        browser.open(&format!("/queue?{query}"));
        browser.shows(found);
        browser.does_not_show(not_found);
    }
    for query in [
        "priority=1",
        "status=held",
        "age=1h",
        "user=nobody",
        "sender=x@y.example",
    ] {
        browser.open(&format!("/queue?{query}"));
        browser.shows("Nothing found");
    }
    let answer = browser.open("/queue?priority=9");
    assert_eq!(answer.status, 422);
    browser.shows("priority is a number from 1 to 5");
}

#[test]
fn ticked_messages_are_held_and_released_after_a_page_that_counts_them() {
    let busy = Busy::open();
    let held = busy.submit("anna@one.example", "for Anna");
    let other = busy.submit("bert@two.example", "for Bert");
    let mut browser = busy.panel.operator();
    let ticked = [("do", "hold"), ("which", "ticked"), ("id", held.as_str())];
    assert_eq!(change(&mut browser, &ticked), 200);
    browser.shows("Hold 1 message?");
    assert_eq!(busy.status(&held), "queued", "asking changes nothing");
    let fields = [
        ("do", "hold"),
        ("id", held.as_str()),
        ("reason", "look at <it>"),
    ];
    assert_eq!(browser.submit("/queue/do", &fields).status, 200);
    browser.shows("1 message held.");
    browser.shows("look at &#60;it&#62;");
    let shown = busy.show(&held);
    assert_eq!(shown["status"], "held");
    assert_eq!(shown["orders"][0]["by"], "root", "{shown}");
    assert_eq!(busy.status(&other), "queued");
    let release = format!("release:{held}");
    assert_eq!(change(&mut browser, &[("one", &release)]), 200);
    browser.shows("1 message released.");
    assert_eq!(busy.status(&held), "queued");
    assert_eq!(change(&mut browser, &[("one", &release)]), 200);
    browser.shows("it is not held: it is queued");
    assert_eq!(
        change(&mut browser, &[("do", "hold"), ("which", "ticked")]),
        200
    );
    browser.shows("Tick messages first");
}

#[test]
fn all_that_a_filter_finds_is_changed_and_nothing_else() {
    let busy = Busy::open();
    let one = busy.submit("anna@one.example", "for Anna");
    let two = busy.submit("bert@one.example", "for Bert");
    let other = busy.submit("carl@two.example", "for Carl");
    let mut browser = busy.panel.operator();
    let found = [("which", "found"), ("domain", "one.example")];
    let ask = |act| [&[("do", act)], &found[..]].concat();
    assert_eq!(change(&mut browser, &ask("priority")), 200);
    browser.shows("New priority");
    let raise = [&[("do", "priority"), ("to", "1")], &found[..]].concat();
    assert_eq!(browser.submit("/queue/do", &raise).status, 200);
    browser.shows("The priority of 2 messages was changed.");
    for (id, priority) in [(&one, 1), (&two, 1), (&other, 3)] {
        assert_eq!(busy.show(id)["priority"], priority);
    }
    let at = (Timestamp::now() + Duration::from_secs(7200)).to_whole_seconds();
    assert_eq!(change(&mut browser, &ask("schedule")), 200);
    let late = [&[("do", "schedule"), ("at", "tomorrow")], &found[..]].concat();
    assert_eq!(browser.submit("/queue/do", &late).status, 422);
    browser.shows("Write a time in UTC");
    let late = [&[("do", "schedule"), ("at", &at[..16])], &found[..]].concat();
    assert_eq!(browser.submit("/queue/do", &late).status, 200);
    browser.shows("2 messages scheduled.");
    assert_eq!(busy.status(&one), "scheduled");
    assert_eq!(busy.show(&one)["orders"][1]["action"], "schedule");
    assert_eq!(change(&mut browser, &ask("delete")), 200);
    browser.shows("Delete 2 messages?");
    browser.shows("it cannot be undone");
    let delete = ask("delete");
    assert_eq!(browser.submit("/queue/do", &delete).status, 200);
    browser.shows("2 messages deleted.");
    assert_eq!(busy.status(&two), "cancelled");
    assert_eq!(busy.status(&other), "queued");
}

#[test]
fn a_scheduled_message_waits_and_leaves_when_it_is_told_to_leave_now() {
    let sink = Sink::start(Script::reading()).expect("a port");
    let panel = Paneled::with(Setup::smarthost(sink.port()), "");
    let user = panel.relay.add_shop_user(&[]);
    let mut browser = panel.operator();
    browser.open("/queue");
    browser.submit("/queue/stop", &[("what", "all"), ("reason", "a moment")]);
    browser.shows("Stopped: all mail");
    wait::until("the relay has noticed the stop", wait::PATIENCE, || {
        panel.relay.log().contains("stopped or started mail")
    });
    let id = message::id("later", 0);
    let content = message::short(FROM, "anna@one.example", &id);
    let mut client = panel.relay.login(&user);
    let reply = client.submit(FROM, &["anna@one.example"], &content, "250");
    let queue_id = reply.queue_id().expect("a queue id").to_owned();
    let at = (Timestamp::now() + Duration::from_secs(3600)).to_whole_seconds();
    let later = [("do", "schedule"), ("id", &queue_id), ("at", &at)];
    browser.open("/queue");
    browser.submit("/queue/do", &later);
    browser.shows("1 message scheduled.");
    let shown = panel.relay.json(&["queue", "show", &queue_id]);
    assert_eq!(shown["status"], "scheduled");
    browser.submit("/queue/start", &[("scope", "all")]);
    browser.shows("Started.");
    browser.does_not_show("Stopped: all mail");
    wait::until("the relay has noticed", wait::PATIENCE, || {
        panel
            .relay
            .log()
            .contains("message scheduled by an administrator")
    });
    assert_eq!(sink.count(), 0, "it waits");
    let now = [("do", "schedule"), ("id", queue_id.as_str()), ("at", "")];
    browser.open("/queue");
    browser.submit("/queue/do", &now);
    sink.wait_for(1, wait::PATIENCE);
}

#[test]
fn a_list_manager_stops_the_own_list_and_starts_what_no_operator_has_stopped() {
    let busy = Busy::open();
    let mut manager = busy.panel.manager("anna", &["shop"]);
    manager.open("/lists/1/queue");
    manager.submit("/lists/1/queue/stop", &[("reason", "wrong price")]);
    manager.shows("Stopped: mail of list shop");
    manager.shows("wrong price");
    let mut operator = busy.panel.operator();
    operator.open("/queue");
    operator.shows("Stopped: mail of list shop");
    manager.submit("/lists/1/queue/start", &[("scope", "list:1")]);
    manager.shows("Started.");
    operator.open("/lists/1/queue");
    operator.submit("/lists/1/queue/stop", &[("reason", "abuse")]);
    manager.open("/lists/1/queue");
    manager.shows("An operator can start it.");
    let started = manager.submit("/lists/1/queue/start", &[("scope", "list:1")]);
    assert_eq!(started.status, 403);
    manager.open("/lists/1/queue");
    let started = manager.submit("/lists/1/queue/start", &[("scope", "all")]);
    assert_eq!(started.status, 403);
    operator.open("/queue");
    let odd = [("what", "destination"), ("destination", "a b")];
    assert_eq!(operator.submit("/queue/stop", &odd).status, 422);
    operator.shows("Write a domain like example.com");
    let good = [("what", "destination"), ("destination", "One.example")];
    assert_eq!(operator.submit("/queue/stop", &good).status, 200);
    operator.shows("Stopped: mail to one.example");
    let stops = busy.panel.relay.json(&["queue", "stops"]);
    assert_eq!(stops.as_array().map(Vec::len), Some(2), "{stops}");
}

#[test]
fn a_list_manager_reaches_no_queue_but_that_of_the_own_list() {
    let busy = Busy::open();
    let foreign = busy.submit("bert@two.example", "of the shop");
    busy.panel.relay.add_list("other");
    let mut manager = busy.panel.manager("anna", &["other"]);
    for path in [
        "/lists/1/queue",
        "/lists/1/queue?status=held",
        "/lists/3/queue",
    ] {
        assert_eq!(manager.get(path).status, 404, "{path}");
    }
    assert_eq!(manager.get("/queue").status, 403);
    manager.open("/lists/2/queue");
    manager.shows("The queue is empty");
    manager.does_not_show("of the shop");
    let delete = [
        ("do", "delete"),
        ("id", foreign.as_str()),
        ("which", "ticked"),
    ];
    let found = [("do", "delete"), ("which", "found")];
    let stop = [("what", "all")];
    for (path, fields, status) in [
        ("/lists/1/queue/change", &delete[..], 404),
        ("/lists/1/queue/do", &delete[..], 404),
        ("/lists/1/queue/stop", &stop[..], 404),
        ("/lists/1/queue/start", &[("scope", "list:1")][..], 404),
        ("/lists/2/queue/start", &[("scope", "list:1")][..], 404),
        ("/queue/do", &delete[..], 403),
        ("/queue/stop", &stop[..], 403),
        ("/lists/2/queue/do", &delete[..], 404),
        ("/lists/2/queue/do", &found[..], 200),
    ] {
        manager.open("/lists/2/queue");
        assert_eq!(
            manager.submit(path, fields).status,
            status,
            "{path} {fields:?}"
        );
    }
    assert_eq!(busy.status(&foreign), "queued");
    let stops = busy.panel.relay.json(&["queue", "stops"]);
    assert_eq!(stops, serde_json::json!([]));
}

#[test]
fn nothing_of_the_queue_changes_without_the_token_of_the_form() {
    let busy = Busy::open();
    let id = busy.submit("bert@two.example", "for Bert");
    let mut browser = busy.panel.operator();
    for path in ["/queue/do", "/queue/change", "/queue/stop", "/queue/start"] {
        let fields = [("do", "delete"), ("id", id.as_str()), ("what", "all")];
        assert_eq!(browser.post(path, &fields).status, 403, "{path}");
    }
    assert_eq!(busy.status(&id), "queued");
}

#[test]
fn a_subject_that_is_script_shows_as_text_in_the_queue() {
    let busy = Busy::open();
    busy.submit("bert@two.example", "<script>alert(1)</script>");
    let mut browser = busy.panel.operator();
    for path in ["/queue", "/lists/1/queue", "/queue?user=%3Cscript%3Ealert"] {
        browser.open(path);
        browser.does_not_show("<script>alert");
    }
    browser.open("/queue");
    browser.shows("&#60;script&#62;alert(1)&#60;/script&#62;");
}

#[test]
fn pages_of_the_queue_end_where_they_are_full() {
    let busy = Busy::open();
    for number in 0..51 {
        busy.submit("bert@two.example", &format!("number {number:03}"));
    }
    let mut browser = busy.panel.operator();
    let began = Instant::now();
    browser.open("/lists/1/queue");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    browser.shows("number 050");
    browser.does_not_show("number 000");
    let next = browser.page.split("rel=\"next\" href=\"").nth(1);
    let next = next.and_then(|rest| rest.split('"').next());
    let next = next.expect("a next page").replace("&amp;", "&");
    let next = next.split('#').next().expect("a path").to_owned();
    browser.open(&next);
    browser.shows("number 000");
    browser.shows("The newest");
    browser.does_not_show("number 050");
}
