//! Lists: added, edited and deleted by operators, and out of reach of others.

use gatepost_tests::panel::Paneled;

#[test]
fn an_operator_adds_edits_and_deletes_a_list() {
    let panel = Paneled::start();
    let mut browser = panel.operator();
    browser.open("/lists");
    browser.shows("No lists yet");
    browser.open("/lists/new");
    let answer = browser.submit("/lists/new", &[("name", ""), ("unauthorized", "block")]);
    assert_eq!(answer.status, 422);
    browser.shows("Give the list a name");
    let fields = [
        ("name", "shop"),
        ("unauthorized", "block"),
        ("display_importance", "on"),
    ];
    assert_eq!(browser.submit("/lists/new", &fields).status, 200);
    browser.shows("List shop is there");
    let kept = panel.relay.json(&["list", "show", "shop"]);
    assert_eq!(kept["unauthorized"], "block");
    assert_eq!(kept["display_importance"], true);
    browser.open("/lists/1/edit");
    browser.does_not_show("List shop is there");
    let fields = [
        ("name", "Shop & Söhne"),
        ("unauthorized", "alert"),
        ("suppress_bounces", "on"),
        ("check", "from"),
        ("check", "envelope"),
        ("policy_settings", "working-hours.from=08:00\r\nx=1"),
    ];
    assert_eq!(browser.submit("/lists/1/edit", &fields).status, 200);
    browser.shows("Saved.");
    browser.shows("value=\"Shop &#38; Söhne\"");
    let kept = panel.relay.json(&["list", "show", "Shop & Söhne"]);
    assert_eq!(kept["unauthorized"], "alert");
    assert_eq!(kept["display_importance"], false);
    assert_eq!(kept["suppress_bounces"], true);
    assert_eq!(kept["check"], "from,envelope");
    assert_eq!(kept["policy_settings"]["working-hours.from"], "08:00");
    browser.open("/lists/1/delete");
    browser.shows("Delete the list Shop &#38; Söhne?");
    assert_eq!(browser.submit("/lists/1/delete", &[]).status, 200);
    browser.shows("is deleted");
    browser.shows("No lists yet");
}

#[test]
fn what_cannot_be_is_explained_beside_the_field_and_nothing_is_saved() {
    let panel = Paneled::start();
    panel.relay.add_list("shop");
    panel.relay.add_list("other");
    let mut browser = panel.operator();
    browser.open("/lists/1/edit");
    for (field, value, told) in [
        ("name", "OTHER", "Another list has this name"),
        ("check", "reply-to", "is not an identity"),
        ("route", "nowhere", "The configuration has no route"),
        ("policy_settings", "A=1", "cannot be the name of a setting"),
    ] {
        let mut fields = vec![("name", "shop")];
        fields.retain(|(known, _)| *known != field);
        fields.push((field, value));
        assert_eq!(
            browser.submit("/lists/1/edit", &fields).status,
            422,
            "{field}"
        );
        browser.shows(told);
        browser.shows(&format!("<a href=\"#{field}\">"));
        browser.shows(&format!("id=\"{field}-problem\""));
    }
    let kept = panel.relay.json(&["list", "show", "shop"]);
    assert_eq!(kept["policy_settings"], serde_json::json!({}));
}

#[test]
fn a_list_with_users_is_not_deleted_and_says_why() {
    let panel = Paneled::start();
    panel.relay.add_shop_user(&[]);
    let mut browser = panel.operator();
    browser.open("/lists/1/delete");
    assert_eq!(browser.submit("/lists/1/delete", &[]).status, 200);
    browser.shows("it still has 1 user");
    panel.relay.cli(&["list", "show", "shop"]).succeeded();
}

#[test]
fn a_list_manager_reaches_nothing_of_another_list() {
    let panel = Paneled::start();
    panel.relay.add_list("shop");
    panel.relay.add_list("secret");
    let mut browser = panel.manager("anna", &["shop"]);
    browser.open("/lists");
    browser.shows("shop");
    browser.does_not_show("secret");
    browser.does_not_show("/lists/new");
    assert_eq!(browser.get("/lists/1/edit").status, 200);
    for path in [
        "/lists/2",
        "/lists/2/edit",
        "/lists/2/delete",
        "/lists/3/edit",
    ] {
        assert_eq!(browser.get(path).status, 404, "{path}");
    }
    assert_eq!(browser.get("/lists/new").status, 403);
    browser.open("/lists/1/edit");
    let renamed = [("name", "mine")];
    assert_eq!(browser.submit("/lists/2/edit", &renamed).status, 404);
    browser.open("/lists/1/edit");
    assert_eq!(browser.submit("/lists/new", &[("name", "new")]).status, 403);
    browser.open("/lists/1/edit");
    assert_eq!(browser.submit("/lists/1/delete", &[]).status, 403);
    browser.open("/lists/1/edit");
    assert_eq!(browser.submit("/lists/1/edit", &renamed).status, 200);
    let lists = panel.relay.json(&["list", "show"]).to_string();
    assert!(
        lists.contains("mine") && lists.contains("secret"),
        "{lists}"
    );
}

#[test]
fn a_name_that_is_script_shows_as_text() {
    let panel = Paneled::start();
    let mut browser = panel.operator();
    browser.open("/lists/new");
    let name = "<script>alert('x')</script>";
    assert_eq!(browser.submit("/lists/new", &[("name", name)]).status, 200);
    for path in [
        "/lists",
        "/lists/1/edit",
        "/lists/1/delete",
        "/lists?q=%3Cscript%3Ealert",
    ] {
        browser.open(path);
        browser.does_not_show("<script>alert");
        browser.shows("&#60;script&#62;");
    }
}

#[test]
fn lists_are_found_by_name_and_come_in_pages() {
    let panel = Paneled::start();
    for number in 0..3 {
        panel.relay.add_list(&format!("Müller {number}"));
    }
    let mut browser = panel.operator();
    browser.open("/lists?q=M%C3%9CLLER+1");
    browser.shows("Müller 1");
    browser.does_not_show("Müller 2");
    browser.open("/lists?q=nothing");
    browser.shows("Nothing found");
    browser.open("/lists?page=7");
    browser.shows("Previous");
}
