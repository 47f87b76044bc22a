//! Tokens of the API, made and deleted in the panel.

use gatepost_tests::http;
use gatepost_tests::panel::{Browser, Paneled};

fn status(panel: &Paneled, token: &str, path: &str) -> u16 {
    let text = format!(
        "GET /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    http::request(panel.port, &text).status
}

/// The token that the page shows.
#[track_caller]
fn shown(browser: &Browser) -> String {
    let (_, rest) = browser
        .page
        .split_once("<code id=\"token\">")
        .expect("a token");
    rest.split('<').next().expect("a text").to_owned()
}

#[test]
fn a_token_is_shown_once_works_and_is_shut_out() {
    let panel = Paneled::start();
    panel.relay.add_list("shop");
    let mut browser = panel.operator();
    browser.open("/account/tokens");
    let fields = [("name", "web <shop>"), ("scopes", "read"), ("lists", "1")];
    assert_eq!(browser.submit("/account/tokens", &fields).status, 200);
    let token = shown(&browser);
    assert_eq!(status(&panel, &token, "/lists/1"), 200);
    browser.open("/account/tokens");
    browser.does_not_show(&token);
    browser.shows("web &#60;shop&#62;");
    assert!(!panel.relay.log().contains(&token));
    browser.submit("/account/tokens/1/delete", &[]);
    assert_eq!(status(&panel, &token, "/lists/1"), 401);
}

#[test]
fn a_list_manager_makes_tokens_for_its_own_lists_alone() {
    let panel = Paneled::start();
    panel.relay.add_list("shop");
    panel.relay.add_list("other");
    let mut browser = panel.manager("anna", &["shop"]);
    browser.open("/account/tokens");
    let refused = [("name", "x"), ("scopes", "read"), ("lists", "2")];
    assert_eq!(browser.submit("/account/tokens", &refused).status, 422);
    let taken = [("name", "x"), ("scopes", "read")];
    assert_eq!(browser.submit("/account/tokens", &taken).status, 200);
    let token = shown(&browser);
    assert_eq!(status(&panel, &token, "/lists/1"), 200);
    assert_eq!(status(&panel, &token, "/lists/2"), 404);
    let mut other = panel.manager("bert", &["other"]);
    other.open("/account/tokens");
    other.does_not_show("/account/tokens/1/delete");
    let deleted = other.submit("/account/tokens/1/delete", &[]);
    assert_eq!(deleted.status, 404);
    assert_eq!(status(&panel, &token, "/lists/1"), 200);
}
