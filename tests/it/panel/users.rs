//! Users: the add/edit window, their passwords, and who may send.

use gatepost_tests::panel::{Browser, Paneled};
use gatepost_tests::relay::User;

/// The text of the element with this id.
#[track_caller]
fn element(browser: &Browser, id: &str) -> String {
    let marker = format!("id=\"{id}\"");
    let (_, rest) = browser
        .page
        .split_once(&marker)
        .unwrap_or_else(|| panic!("no {id}:\n{}", browser.page));
    let (_, rest) = rest.split_once('>').expect("an element");
    rest.split('<').next().expect("a text").to_owned()
}

fn logs_in(panel: &Paneled, user: &User) -> bool {
    let mut client = panel.relay.connect();
    client.try_login(&user.username, &user.password).is_ok()
}

/// A panel with the list `shop`, and an operator.
fn shop() -> (Paneled, Browser) {
    let panel = Paneled::start();
    panel.relay.add_list("shop");
    let browser = panel.operator();
    (panel, browser)
}

#[test]
fn a_new_users_password_is_shown_once_and_works() {
    let (panel, mut browser) = shop();
    browser.open("/lists/1/users/new");
    let fields = [
        ("active", "on"),
        ("priority", "2"),
        ("note", "web shop <b>"),
        ("authorized_domains", "example.com;*.example.net"),
        ("authorized_senders", "info@example.org"),
        ("messages_per_hour", "100"),
        ("urgent_per_day", "unlimited"),
    ];
    assert_eq!(browser.submit("/lists/1/users/new", &fields).status, 200);
    assert_eq!(browser.path, "/lists/1/users/s1_1");
    browser.shows("shown this once");
    let password = element(&browser, "password");
    assert_eq!(password.len(), 26, "{password}");
    let user = User {
        username: "s1_1".to_owned(),
        password: password.clone(),
    };
    assert!(logs_in(&panel, &user));
    browser.open("/lists/1/users/s1_1");
    browser.does_not_show(&password);
    browser.shows("cannot be read again");
    browser.shows("web shop &#60;b&#62;");
    assert!(!panel.relay.log().contains(&password));
    let kept = panel.relay.json(&["user", "show", "s1_1"]);
    assert_eq!(kept["priority"], 2);
    assert_eq!(kept["messages_per_hour"], 100);
    assert_eq!(kept["messages_per_day"], "default");
    assert_eq!(kept["urgent_per_day"], "unlimited");
    assert_eq!(kept["authorized_domains"], "example.com;*.example.net");
}

#[test]
fn a_reset_shows_the_new_password_to_its_own_session_alone() {
    let (panel, mut browser) = shop();
    let old = panel.relay.add_user("shop", &[]);
    let mut other = panel.manager("anna", &["shop"]);
    assert!(logs_in(&panel, &old));
    browser.open("/lists/1/users/s1_1/reset-password");
    browser.shows("Reset the password of s1_1?");
    let token = browser.form_token();
    let answer = browser.post("/lists/1/users/s1_1/reset-password", &[("csrf", &token)]);
    assert_eq!(answer.status, 303);
    other.open("/lists/1/users/s1_1");
    other.does_not_show("shown this once");
    browser.open("/lists/1/users/s1_1");
    let password = element(&browser, "password");
    let new = User {
        password,
        ..old.clone()
    };
    assert!(!logs_in(&panel, &old));
    assert!(logs_in(&panel, &new));
}

#[test]
fn a_user_is_edited_made_inactive_and_deleted() {
    let (panel, mut browser) = shop();
    let user = panel
        .relay
        .add_user("shop", &["--authorized-domains", "example.com"]);
    browser.open("/lists/1/users/s1_1");
    browser.shows("example.com</textarea>");
    browser.shows("<option value=\"3\" selected>3 - normal</option>");
    let fields = [("priority", "5"), ("note", "rests")];
    assert_eq!(browser.submit("/lists/1/users/s1_1", &fields).status, 200);
    browser.shows("Saved.");
    browser.shows("Inactive");
    assert!(!logs_in(&panel, &user));
    let kept = panel.relay.json(&["user", "show", "s1_1"]);
    assert_eq!(kept["active"], false);
    assert_eq!(kept["authorized_domains"], "");
    browser.open("/lists/1/users/s1_1/delete");
    browser.shows("Delete the user s1_1?");
    assert_eq!(
        browser.submit("/lists/1/users/s1_1/delete", &[]).status,
        200
    );
    browser.shows("No users yet");
    assert_eq!(browser.get("/lists/1/users/s1_1").status, 404);
}

#[test]
fn wrong_entries_are_explained_on_submit_and_while_typing() {
    let (panel, mut browser) = shop();
    browser.open("/lists/1/users/new");
    let fields = [
        ("priority", "9"),
        (
            "authorized_domains",
            "a.example, b.example;info@example.com;www.example.com",
        ),
        ("authorized_senders", "example.com"),
        ("messages_per_day", "0"),
        ("policy_settings", "?"),
    ];
    assert_eq!(browser.submit("/lists/1/users/new", &fields).status, 422);
    for told in [
        "Choose one of the five",
        "has a <code>,</code> where a <code>;</code> belongs",
        "is an address, not a domain",
        "mail is usually from <code>example.com</code>",
        "is a domain, not an address",
        "Use a number, <code>unlimited</code>",
        "<code>?</code> is not NAME=VALUE",
    ] {
        browser.shows(told);
    }
    let users = panel.relay.json(&["user", "list"]);
    assert_eq!(users.as_array().map(Vec::len), Some(0));
    let typed = "info@example.com;<script>,x";
    browser.open("/lists/1/users/new");
    browser.submit("/check/domains", &[("text", typed)]);
    browser.shows("is an address, not a domain");
    browser.does_not_show("<script>");
    browser.open("/lists/1/users/new");
    browser.submit("/check/domains", &[("text", "www.example.com")]);
    browser.shows("<div class=\"advice\">");
    browser.does_not_show("class=\"problem\"");
    browser.open("/lists/1/users/new");
    browser.submit("/check/senders", &[("text", "a@example.com;b@example.com")]);
    assert_eq!(browser.page.trim(), "");
}

#[test]
fn who_may_send_asks_the_real_policies_and_leaves_no_trace() {
    let (panel, mut browser) = shop();
    let options = ["--authorized-domains", "example.com", "--priority", "4"];
    panel.relay.add_user("shop", &options);
    browser.open("/lists/1/users/s1_1/try");
    browser.shows("value=\"info@example.com\"");
    browser.open("/lists/1/users/s1_1/try?from=Anna+%3Canna%40example.com%3E&priority=2");
    browser.shows("May send");
    browser.shows("sender-rules/authorized<");
    browser.shows("2 - high");
    browser.open("/lists/1/users/s1_1/try?from=boss%40example.net");
    browser.shows("Refused");
    browser.shows("550 5.7.1");
    browser.shows("boss@example.net");
    browser.open("/lists/1/users/s1_1/try?from=anna%40example.com&sender=boss%40example.net");
    browser.shows("Refused");
    browser.open("/lists/1/users/s1_1/try?from=");
    browser.shows("Refused");
    browser.open("/lists/1/users/s1_1/try?from=a%40example.com%0D%0ASender:+b");
    browser.shows("Use one line");
    browser.open("/lists/1/users/s1_1/try?from=%3Cscript%3Ealert(1)%3C/script%3E");
    browser.does_not_show("<script>alert");
    assert!(panel.relay.alerts("shop").is_empty(), "nobody is alarmed");
    let queued = panel.relay.json(&["queue", "list", "--all"]);
    assert_eq!(queued.as_array().map(Vec::len), Some(0), "{queued}");
    panel
        .relay
        .cli(&["list", "edit", "shop", "--unauthorized", "alert"])
        .succeeded();
    browser.open("/lists/1/users/s1_1/try?from=boss%40example.net");
    browser.shows("May send");
    browser.shows("Alerts it would raise");
}

#[test]
fn a_user_of_another_list_is_not_found_by_anybody_under_this_one() {
    let (panel, mut browser) = shop();
    panel.relay.add_list("secret");
    panel.relay.add_user("secret", &["--note", "hush"]);
    panel.relay.add_user("shop", &[]);
    let mut manager = panel.manager("anna", &["shop"]);
    for page in ["", "/delete", "/reset-password", "/try"] {
        let own = format!("/lists/2/users/s2_1{page}");
        assert_eq!(browser.get(&own).status, 200, "{own}");
        assert_eq!(manager.get(&own).status, 404, "{own}");
        let crossed = format!("/lists/1/users/s2_1{page}");
        assert_eq!(browser.get(&crossed).status, 404, "{crossed}");
        assert_eq!(manager.get(&crossed).status, 404, "{crossed}");
    }
    for page in ["", "/delete", "/reset-password"] {
        for list in [1, 2] {
            manager.open("/lists/1/users/s1_1");
            let path = format!("/lists/{list}/users/s2_1{page}");
            let answer = manager.submit(&path, &[("priority", "1")]);
            assert_eq!(answer.status, 404, "{path}");
        }
    }
    manager.open("/lists/1/users/new");
    assert_eq!(
        manager
            .submit("/lists/2/users/new", &[("priority", "3")])
            .status,
        404
    );
    panel.relay.cli(&["user", "show", "s2_1"]).succeeded();
}

#[test]
fn a_suspension_is_shown_and_lifted() {
    let panel = Paneled::with(
        gatepost_tests::relay::Setup::maildir()
            .with("\n[limits]\nmessages-per-hour = 1\non-exceeded = \"suspend\"\n"),
        "",
    );
    let user = panel.relay.add_shop_user(&[]);
    let mut client = panel.relay.login(&user);
    for _ in 0..2 {
        // The second one is too many, and ends the session.
        let _ = client.try_submit(
            "a@example.com",
            "b@example.org",
            "From: a@example.com\r\n\r\nHi",
        );
    }
    let mut browser = panel.operator();
    browser.open("/lists/1/users/s1_1");
    browser.shows("Suspended by the relay");
    browser.shows("as configured: 1");
    let fields = [("active", "on"), ("priority", "3")];
    assert_eq!(browser.submit("/lists/1/users/s1_1", &fields).status, 200);
    browser.does_not_show("Suspended");
    assert!(logs_in(&panel, &user));
}
