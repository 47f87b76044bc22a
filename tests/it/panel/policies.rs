//! The policies in the panel: what is in force, what it decided, and a reload that is asked for.

use gatepost_tests::message;
use gatepost_tests::panel::Paneled;
use gatepost_tests::wait;

#[test]
fn the_policies_in_force_are_shown_with_what_they_decided_and_cost() {
    let panel = Paneled::start();
    let user = panel.relay.add_shop_user(&[]);
    let mut browser = panel.operator();
    browser.open("/policies");
    browser.shows("sender-rules");
    browser.shows("SHA-256");
    browser.shows("none: it decides and logs, nothing else");
    browser.shows("50,000,000 fuel, 250 ms, 64 MiB");
    browser.shows("not asked lately");
    browser.shows("No decisions yet");
    let (from, to) = ("orders@example.com", "customer@example.net");
    let content = message::short(from, to, &message::id("policies", 0));
    let mut client = panel.relay.login(&user);
    client.submit(from, &[to], &content, "250 2.0.0 queued as ");
    browser.open("/policies");
    browser.shows("sender-rules/");
    browser.shows("fuel on average");
    browser.does_not_show("No decisions yet");
}

#[test]
fn a_reload_is_asked_for_and_its_error_is_shown() {
    let panel = Paneled::start();
    let mut browser = panel.operator();
    browser.open("/policies");
    browser.submit("/policies/reload", &[]);
    browser.shows("A reload is asked for");
    wait::until("the reload is done", wait::PATIENCE, || {
        browser.open("/policies");
        browser.page.contains("The last reload found nothing new")
    });
    panel.relay.configure("no = \"such key\"\n");
    browser.submit("/policies/reload", &[]);
    wait::until("the reload has failed", wait::PATIENCE, || {
        browser.open("/policies");
        browser.page.contains("The last reload changed nothing")
    });
}

#[test]
fn the_policies_are_for_operators_alone() {
    let panel = Paneled::start();
    panel.relay.add_list("shop");
    let mut manager = panel.manager("anna", &["shop"]);
    assert_eq!(manager.get("/policies").status, 403);
    manager.open("/lists");
    manager.does_not_show("/policies");
    assert_eq!(manager.submit("/policies/reload", &[]).status, 403);
    assert_eq!(manager.post("/policies/reload", &[]).status, 403);
}
