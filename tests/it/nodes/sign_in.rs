//! Who signs in to a panel is judged by the clock that all nodes share: their own may be minutes wrong.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gatepost_tests::http;
use gatepost_tests::panel::{Browser, PASSWORD, Paneled};
use gatepost_tests::postgres::Cluster;
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

use super::{PATIENCE, alive, setup};
use crate::panel::operators::code;

/// Seconds of a step of one-time codes.
const STEP: u64 = 30;
/// Seconds that are left of a step when the test uses codes of it and of its neighbours.
const LEFT: u64 = 15;

/// The present step, of which some time is left.
fn step() -> u64 {
    let seconds = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.expect("after 1970").as_secs()
    };
    wait::until("some of a step is left", PATIENCE, || {
        STEP - seconds() % STEP >= LEFT
    });
    seconds() / STEP
}

fn between(text: &str, before: &str, after: &str) -> String {
    let found = text
        .split_once(before)
        .and_then(|(_, rest)| rest.split_once(after));
    let (part, _) = found.unwrap_or_else(|| panic!("no {before:?} in {text}"));
    part.to_owned()
}

fn signs_in(panel: &Paneled, code: &str) -> u16 {
    let mut browser = panel.browser();
    browser.open("/sign-in");
    let fields = [("name", "root"), ("password", PASSWORD), ("code", code)];
    browser.submit("/sign-in", &fields).status
}

fn asked_with(panel: &Paneled, token: &str) -> u16 {
    let text = format!(
        "GET /api/v1/lists HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    http::request(panel.port, &text).status
}

/// The same browser at the panel of another node, with its cookies.
fn moved(browser: &Browser, panel: &Paneled) -> Browser {
    let mut there = Browser::new(panel.port);
    there.cookies.clone_from(&browser.cookies);
    there
}

#[test]
fn codes_sessions_and_tokens_hold_on_nodes_whose_clocks_are_minutes_wrong() {
    let url = Cluster::shared().database();
    let sink = Sink::start(Script::default()).expect("a port");
    // Less than the clocks are apart, and more than the test takes.
    let keys = "session-idle-min = 8";
    let panel = |name: &str, clock: &str| {
        let setup = setup(name, &url, &sink, "").with_clock(clock);
        Paneled::with(setup, keys)
    };
    let (ahead, behind) = (panel("ahead", "+5m"), panel("behind", "-5m"));
    wait::until("both are seen", PATIENCE, || alive(&ahead.relay).len() == 2);
    let mut browser = behind.operator();
    assert_eq!(moved(&browser, &ahead).get("/lists").status, 200);

    browser.open("/account/codes");
    let key = between(&browser.page, "name=\"key\" value=\"", "\"");
    let now = step();
    let turned_on = [("key", key.as_str()), ("code", &code(&key, now - 1))];
    assert_eq!(browser.submit("/account/codes", &turned_on).status, 200);
    assert_eq!(signs_in(&ahead, &code(&key, now)), 200);
    assert_eq!(signs_in(&behind, &code(&key, now)), 422, "it was used");
    assert_eq!(signs_in(&behind, &code(&key, now + 1)), 200);
    let by_its_own_clock = Duration::from_secs(300).as_secs() / STEP;
    let wrong = code(&key, now + by_its_own_clock);
    assert_eq!(signs_in(&ahead, &wrong), 422, "its clock says otherwise");

    browser.open("/account/tokens");
    let fields = [("name", "web"), ("scopes", "read")];
    assert_eq!(browser.submit("/account/tokens", &fields).status, 200);
    let token = between(&browser.page, "<code id=\"token\">", "<");
    for panel in [&ahead, &behind, &ahead] {
        assert_eq!(asked_with(panel, &token), 200);
    }
}
