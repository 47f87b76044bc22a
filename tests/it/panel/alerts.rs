//! Alert Center and webhooks: what is shown, what can be set, and by whom.

use gatepost_tests::panel::Paneled;
use gatepost_tests::wait;

const SETTINGS: [(&str, &str); 5] = [
    ("pace", "at-once"),
    ("daily_at", "07:00"),
    ("offset", "+01:00"),
    ("groups", "bounce"),
    ("critical_passes", "on"),
];

#[test]
fn alerts_are_shown_with_their_message_and_found_by_kind() {
    let panel = Paneled::start();
    let user = panel
        .relay
        .add_shop_user(&["--authorized-domains", "example.com"]);
    let mut browser = panel.operator();
    browser.open("/lists/1/alerts");
    browser.shows("No alerts");
    browser.shows("Choose who is told");
    let mut client = panel.relay.login(&user);
    client.say("MAIL FROM:<\"<script>\"@example.org>", "550");
    browser.open("/lists/1/alerts");
    let id = panel.relay.alerts("shop")[0]["message"].clone();
    let id = id.as_str().expect("it has an id").to_owned();
    browser.shows(&format!("<a href=\"/messages/{id}\">{id}</a>"));
    browser.shows(&user.username);
    browser.does_not_show("<script>\"");
    browser.open("/lists/1/alerts?group=bounce");
    browser.shows("Nothing found");
    browser.open("/lists/1/alerts?group=unauthorized-sender");
    browser.shows(&id);
    browser.open("/alerts");
    browser.shows("No alerts");
}

#[test]
fn settings_are_saved_and_a_test_is_raised() {
    let panel = Paneled::start();
    panel.relay.add_list("shop");
    let mut browser = panel.operator();
    browser.open("/lists/1/alerts/settings");
    let wrong = [
        ("recipients", "ann"),
        ("quiet", "tonight"),
        ("offset", "CET"),
        ("daily_at", "7"),
    ];
    let answer = browser.submit("/lists/1/alerts/settings", &wrong);
    assert_eq!(answer.status, 422);
    for (field, _) in wrong {
        browser.shows(&format!("id=\"{field}-problem\""));
    }
    let fields = [
        &SETTINGS[..],
        &[("recipients", "ann@example.com"), ("quiet", "22:00-06:00")],
    ];
    let answer = browser.submit("/lists/1/alerts/settings", &fields.concat());
    assert_eq!(answer.status, 200);
    browser.shows("Saved.");
    let kept = panel.relay.json(&["alert", "settings", "--list", "shop"]);
    let kept = &kept["settings"];
    assert_eq!(kept["recipients"], serde_json::json!(["ann@example.com"]));
    assert_eq!(kept["groups"], serde_json::json!(["bounce"]));
    assert_eq!(
        (&kept["quiet"][0], &kept["offset"]),
        (&"22:00-06:00".into(), &"+01:00".into())
    );
    browser.submit("/lists/1/alerts/test", &[]);
    browser.shows("A test alert is raised");
    let raised = panel.relay.alerts("shop");
    assert_eq!(raised[0]["kind"], "test");
}

#[test]
fn a_webhook_is_set_its_secret_shown_once_and_its_deliveries_told() {
    let panel = Paneled::start();
    panel.relay.add_list("shop");
    let mut browser = panel.operator();
    browser.open("/lists/1/alerts/webhook");
    browser.does_not_show("Last deliveries");
    let wrong = [("url", "ftp://example.com/")];
    assert_eq!(
        browser.submit("/lists/1/alerts/webhook", &wrong).status,
        422
    );
    browser.shows("does not begin with https://");
    let fields = [
        ("url", "https://127.0.0.1:1/hook"),
        ("events", "alert"),
        ("events", "bounced"),
    ];
    let answer = browser.submit("/lists/1/alerts/webhook", &fields);
    assert_eq!(answer.status, 200);
    browser.shows("The secret of the signatures");
    browser.open("/lists/1/alerts/webhook");
    browser.does_not_show("The secret of the signatures");
    browser.submit("/lists/1/alerts/test", &[]);
    wait::until("the delivery is told", wait::PATIENCE, || {
        let answer = browser.open("/lists/1/alerts/webhook");
        answer.body.contains("notify.allow-private can allow it")
    });
    browser.submit("/lists/1/alerts/webhook/delete", &[]);
    browser.shows("The webhook is removed");
    let shown = panel.relay.json(&["alert", "settings", "--list", "shop"]);
    assert!(shown["webhook"].is_null());
}

#[test]
fn a_list_manager_reaches_the_alerts_of_its_own_lists_alone() {
    let panel = Paneled::start();
    panel.relay.add_list("shop");
    panel.relay.add_list("other");
    let mut manager = panel.manager("ann", &["shop"]);
    for page in ["alerts", "alerts/settings", "alerts/webhook"] {
        assert_eq!(
            manager.get(&format!("/lists/1/{page}")).status,
            200,
            "{page}"
        );
        assert_eq!(
            manager.get(&format!("/lists/2/{page}")).status,
            404,
            "{page}"
        );
        assert_eq!(manager.get(&format!("/{page}")).status, 403, "{page}");
    }
    for path in ["settings", "test", "webhook", "webhook/delete"] {
        let fields = [("url", "https://example.com/")];
        for (center, status) in [("/lists/2/alerts", 404), ("/alerts", 403)] {
            manager.open("/lists/1/alerts");
            let answer = manager.submit(&format!("{center}/{path}"), &fields);
            assert_eq!(answer.status, status, "{center}/{path}");
        }
    }
    assert!(panel.relay.json(&["alert", "settings", "--list", "other"])["webhook"].is_null());
}
