//! Every route of the panel, walked as somebody whose it is not. A new route belongs into these tables.

use gatepost_tests::panel::{Browser, Paneled};

/// Routes below a list, whose number is `N`; its first user is `sN_1`.
const OF_A_LIST: [&str; 20] = [
    "/lists/N/write",
    "/lists/N/write?user=sN_1",
    "/lists/N/queue",
    "/lists/N/queue?status=held",
    "/lists/N",
    "/lists/N/edit",
    "/lists/N/alerts",
    "/lists/N/alerts/settings",
    "/lists/N/alerts/webhook",
    "/lists/N/messages",
    "/lists/N/statistics",
    "/lists/N/statistics.csv",
    "/lists/N/smtp",
    "/lists/N/smtp/thunderbird.xml?user=sN_1",
    "/lists/N/users/new",
    "/lists/N/users/sN_1",
    "/lists/N/users/sN_1/try",
    "/lists/N/users/sN_1/try?from=a%40example.com",
    "/lists/N/users/sN_1/reset-password",
    "/lists/N/users/sN_1/delete",
];
/// Forms below a list.
const FORMS_OF_A_LIST: [&str; 15] = [
    "/lists/N/write",
    "/lists/N/queue/change",
    "/lists/N/queue/do",
    "/lists/N/queue/stop",
    "/lists/N/queue/start",
    "/lists/N/edit",
    "/lists/N/alerts/settings",
    "/lists/N/alerts/test",
    "/lists/N/alerts/webhook",
    "/lists/N/alerts/webhook/delete",
    "/lists/N/smtp/test",
    "/lists/N/users/new",
    "/lists/N/users/sN_1",
    "/lists/N/users/sN_1/reset-password",
    "/lists/N/users/sN_1/delete",
];
/// Routes for operators alone; number 1 is an operator, and list 1 is the list manager's own.
const OF_OPERATORS: [&str; 15] = [
    "/queue",
    "/policies",
    "/lists/new",
    "/lists/1/delete",
    "/alerts",
    "/alerts/settings",
    "/alerts/webhook",
    "/messages",
    "/statistics",
    "/statistics.csv",
    "/operators",
    "/operators/new",
    "/operators/1",
    "/operators/1/reset",
    "/operators/1/delete",
];
/// Forms for operators alone.
const FORMS_OF_OPERATORS: [&str; 16] = [
    "/queue/change",
    "/queue/do",
    "/queue/stop",
    "/queue/start",
    "/policies/reload",
    "/lists/new",
    "/alerts/settings",
    "/alerts/test",
    "/alerts/webhook",
    "/alerts/webhook/delete",
    "/lists/1/delete",
    "/operators/new",
    "/operators/1",
    "/operators/1/reset",
    "/operators/1/delete",
    "/operators/1/sign-out",
];

/// What every form of the panel has, so that none is refused for the lack of it.
const FIELDS: [(&str, &str); 8] = [
    ("name", "mine"),
    ("priority", "1"),
    ("active", "on"),
    ("role", "operator"),
    ("unauthorized", "alert"),
    ("username", "s2_1"),
    ("from", "a@example.com"),
    ("to", "b@example.com"),
];

/// A list manager of the first of two lists, each with a user, and an operator.
fn walkers() -> (Paneled, Browser, Browser) {
    let panel = Paneled::start();
    for list in ["own", "other"] {
        panel.relay.add_list(list);
        panel.relay.add_user(list, &[]);
    }
    let operator = panel.operator();
    let manager = panel.manager("anna", &["own"]);
    (panel, operator, manager)
}

fn of_list(path: &str, number: u8) -> String {
    path.replace('N', &number.to_string())
}

#[test]
fn a_list_manager_finds_nothing_of_another_list_on_any_route() {
    let (panel, mut operator, mut manager) = walkers();
    for path in OF_A_LIST {
        let (own, other) = (of_list(path, 1), of_list(path, 2));
        let expected = operator.get(&other).status;
        assert_eq!(manager.get(&own).status, expected, "{own}");
        assert_eq!(manager.get(&other).status, 404, "{other}");
    }
    let before = panel.relay.json(&["user", "list"]);
    for path in FORMS_OF_A_LIST {
        let other = of_list(path, 2);
        manager.open("/lists/1/smtp");
        assert_eq!(manager.submit(&other, &FIELDS).status, 404, "{other}");
    }
    assert_eq!(panel.relay.json(&["user", "list"]), before);
}

#[test]
fn a_list_manager_does_nothing_that_is_an_operators_on_any_route() {
    let (panel, mut operator, mut manager) = walkers();
    for path in OF_OPERATORS {
        assert_eq!(operator.get(path).status, 200, "{path}");
        assert_eq!(manager.get(path).status, 403, "{path}");
    }
    let before = panel.relay.json(&["operator", "list"]);
    for path in FORMS_OF_OPERATORS {
        manager.open("/lists/1/smtp");
        assert_eq!(manager.submit(path, &FIELDS).status, 403, "{path}");
    }
    assert_eq!(panel.relay.json(&["operator", "list"]), before);
    assert_eq!(operator.get("/operators").status, 200);
}

#[test]
fn a_slash_at_the_end_leads_to_the_page_without_it() {
    let (_panel, mut operator, mut manager) = walkers();
    for (with, without) in [
        ("/lists/1/", "/lists/1"),
        (
            "/lists/1/messages/?status=blocked",
            "/lists/1/messages?status=blocked",
        ),
    ] {
        let answer = operator.get(with);
        assert_eq!((answer.status, answer.field("location")), (308, without));
        assert_eq!(operator.open(with).status, 200, "{with}");
    }
    assert_eq!(manager.open("/lists/2/").status, 404);
    for elsewhere in ["//example.com/", "/\\example.com/", "//"] {
        assert_eq!(operator.get(elsewhere).status, 404, "{elsewhere}");
    }
}

#[test]
fn nobody_reaches_anything_on_any_route_without_signing_in() {
    let (panel, mut operator, _) = walkers();
    let mut nobody = panel.browser();
    let pages = OF_A_LIST.iter().chain(&OF_OPERATORS);
    for path in pages.map(|path| of_list(path, 1)) {
        let answer = nobody.get(&path);
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.field("location").starts_with("/sign-in"), "{path}");
    }
    let forms = FORMS_OF_A_LIST.iter().chain(&FORMS_OF_OPERATORS);
    for path in forms.map(|path| of_list(path, 1)) {
        nobody.open("/sign-in");
        let token = nobody.form_token();
        let fields = [&[("csrf", token.as_str())], FIELDS.as_slice()].concat();
        let answer = nobody.post(&path, &fields);
        assert_eq!(answer.status, 303, "{path}");
        assert_eq!(answer.field("location"), "/sign-in", "{path}");
    }
    assert_eq!(
        operator.get("/lists/1/users/s1_1").status,
        200,
        "nothing was done"
    );
}
