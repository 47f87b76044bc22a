//! Settings > List settings > SMTP+ > Settings: what clients must know, the users, and a test message.

use gatepost_tests::panel::{Browser, Paneled};
use gatepost_tests::relay::Setup;
use gatepost_tests::wait;

fn shop(options: &[&str]) -> (Paneled, Browser) {
    let panel = Paneled::start();
    panel.relay.add_shop_user(options);
    let browser = panel.operator();
    (panel, browser)
}

#[test]
fn the_page_tells_server_ports_encryption_and_users() {
    let listener = "[[listener]]\naddress = \"127.0.0.2\"\nports = [\"2500-2510\", \"2587\"]\n\
                    tls = \"implicit\"\n";
    let panel = Paneled::with(Setup::maildir().with(&format!("\n{listener}")), "");
    panel.relay.add_list("shop");
    let mut browser = panel.operator();
    browser.open("/lists/1/smtp");
    browser.shows("Settings › List settings › SMTP+ › Settings");
    browser.shows("relay.example.com");
    browser.shows("2500–2510, 2587");
    browser.shows("SSL/TLS from the start");
    browser.shows("STARTTLS, optional");
    browser.shows("No users yet");
    browser.shows("Add new user");
    panel.relay.add_user(
        "shop",
        &["--note", "web shop", "--authorized-domains", "example.com"],
    );
    panel
        .relay
        .add_user("shop", &["--active", "false", "--priority", "1"]);
    browser.open("/lists/1/smtp");
    for shown in [
        "s1_1",
        "web shop",
        "example.com",
        "Active",
        "s1_2",
        "Inactive",
        "1 - very high",
        "anyone",
    ] {
        browser.shows(shown);
    }
    browser.open("/lists/1/smtp?q=WEB");
    browser.shows("s1_1");
    browser.does_not_show("users/s1_2");
}

#[test]
fn ready_setups_have_this_lists_own_values() {
    let (panel, mut browser) = shop(&["--authorized-senders", "orders@example.com"]);
    panel
        .relay
        .add_user("shop", &["--authorized-domains", "example.net"]);
    browser.open("/lists/1/smtp");
    for client in [
        "Outlook",
        "WordPress",
        "Magento",
        "Salesforce",
        "Thunderbird",
        "curl",
    ] {
        browser.shows(&format!("<summary>{client}</summary>"));
    }
    let port = panel.relay.port();
    browser.shows(&format!("smtp://relay.example.com:{port}"));
    browser.shows("--mail-from orders@example.com");
    browser.open("/lists/1/smtp?user=s1_2");
    browser.shows("--user s1_2");
    browser.shows("--mail-from info@example.net");
    let document = browser.get("/lists/1/smtp/thunderbird.xml?user=s1_2");
    assert_eq!(document.status, 200);
    assert!(
        document.body.contains("<username>s1_2</username>"),
        "{}",
        document.body
    );
    assert!(
        document
            .body
            .contains("<hostname>relay.example.com</hostname>")
    );
}

#[test]
fn a_test_message_takes_the_way_of_every_message_and_shows_it() {
    let (panel, mut browser) = shop(&["--authorized-domains", "example.com"]);
    browser.open("/lists/1/smtp");
    let fields = [
        ("username", "s1_1"),
        ("from", "info@example.com"),
        ("to", "you@example.org"),
    ];
    assert_eq!(browser.submit("/lists/1/smtp/test", &fields).status, 200);
    browser.shows("The test message is on its way.");
    assert!(browser.path.starts_with("/messages/"), "{}", browser.path);
    browser.shows("<code>authorized</code>");
    let path = browser.path.clone();
    wait::until("it is delivered", wait::PATIENCE, || {
        browser.open(&path);
        browser
            .page
            .contains("<span class=\"badge good\">delivered</span>")
    });
    let mut stranger = panel.manager("anna", &[]);
    assert_eq!(stranger.get(&path).status, 404);
}

#[test]
fn a_test_message_that_is_refused_shows_the_reply() {
    let (panel, mut browser) = shop(&["--authorized-domains", "example.com"]);
    browser.open("/lists/1/smtp");
    let fields = [
        ("username", "s1_1"),
        ("from", "boss@example.net"),
        ("to", "you@example.org"),
    ];
    assert_eq!(browser.submit("/lists/1/smtp/test", &fields).status, 422);
    browser.shows("It was not taken");
    browser.shows("550 5.7.1");
    assert_eq!(panel.relay.alerts("shop").len(), 1, "as with any message");
    let fields = [("username", "s1_1"), ("from", "boss"), ("to", "")];
    assert_eq!(browser.submit("/lists/1/smtp/test", &fields).status, 422);
    browser.shows("Write one address like info@example.com");
    let fields = [
        ("username", "s9_9"),
        ("from", "info@example.com"),
        ("to", "you@example.org"),
    ];
    assert_eq!(browser.submit("/lists/1/smtp/test", &fields).status, 404);
}
