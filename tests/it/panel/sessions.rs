//! Signing in, being somebody, and what other sites and other people cannot do.

use gatepost_tests::http;
use gatepost_tests::panel::{Browser, PASSWORD, Paneled, path_of};
use gatepost_tests::relay::{Relay, Setup};
use gatepost_tests::wait;

fn sign_in(browser: &mut Browser, name: &str, password: &str) -> u16 {
    browser.open("/sign-in");
    let fields = [("name", name), ("password", password)];
    browser.submit("/sign-in", &fields).status
}

#[test]
fn nobody_sees_a_page_without_signing_in() {
    let panel = Paneled::start();
    let mut browser = panel.browser();
    for path in ["/lists", "/lists/1", "/lists/new", "/no-such-page"] {
        let answer = browser.get(path);
        assert_eq!(answer.status, 303, "{path}");
        assert_eq!(answer.field("location"), format!("/sign-in?next={path}"));
    }
    let answer = browser.open("/");
    assert_eq!(answer.status, 200);
    browser.shows("<h1>Sign in</h1>");
}

#[test]
fn the_first_start_prints_a_link_that_lets_one_person_in_once() {
    let panel = Paneled::start();
    let operators = wait::until_some("there is an operator", wait::PATIENCE, || {
        let operators = panel.relay.json(&["operator", "list"]);
        (operators[0]["name"] == "admin").then_some(operators)
    });
    assert_eq!(operators[0]["has_password"], false);
    assert!(!panel.relay.log().contains("/welcome/"), "a link is no log");
    let link = panel.relay.json(&["operator", "reset", "admin"]);
    let link = path_of(link["link"].as_str().expect("a link"));
    let mut browser = panel.browser();
    assert_eq!(browser.open(&link).status, 200);
    browser.shows("Welcome, admin");
    let again = [("password", PASSWORD), ("again", "something else")];
    assert_eq!(browser.submit(&link, &again).status, 422);
    browser.shows("This is not the same password");
    let short = [("password", "short"), ("again", "short")];
    assert_eq!(browser.submit(&link, &short).status, 422);
    browser.shows("12 characters at least");
    let good = [("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(browser.submit(&link, &good).status, 200);
    browser.shows("<h1>Lists</h1>");
    assert_eq!(panel.browser().open(&link).status, 409, "it is used up");
    assert_eq!(sign_in(&mut panel.browser(), "Admin", PASSWORD), 200);
    assert_eq!(
        sign_in(&mut panel.browser(), "admin", "correct horse batterx"),
        422
    );
    assert_eq!(sign_in(&mut panel.browser(), "nobody", PASSWORD), 422);
}

#[test]
fn a_session_ends_when_its_owner_signs_out() {
    let panel = Paneled::start();
    let mut browser = panel.operator();
    let stolen = browser.clone();
    browser.open("/lists");
    assert_eq!(browser.submit("/sign-out", &[]).status, 200);
    browser.shows("<h1>Sign in</h1>");
    let mut stolen = stolen;
    assert_eq!(
        stolen.get("/lists").status,
        303,
        "the token is worth nothing"
    );
}

#[test]
fn a_session_ends_when_nobody_uses_it_and_survives_a_restart_before() {
    let mut panel = Paneled::start();
    let mut browser = panel.operator();
    panel.relay.terminate();
    panel.relay.restart();
    assert_eq!(browser.get("/lists").status, 200);
    panel.relay.cli(&["operator", "reset", "root"]).succeeded();
    assert_eq!(browser.get("/lists").status, 303, "a reset ends sessions");
}

#[test]
fn a_form_without_its_token_or_from_another_site_changes_nothing() {
    let panel = Paneled::start();
    let mut browser = panel.operator();
    browser.open("/lists/new");
    let token = browser.form_token();
    assert_eq!(browser.post("/lists/new", &[("name", "a")]).status, 403);
    let wrong = [("name", "a"), ("csrf", "x")];
    assert_eq!(browser.post("/lists/new", &wrong).status, 403);
    let right = [("name", "a"), ("csrf", token.as_str())];
    for header in [
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
    ] {
        let answer = browser.post_from(header, "/lists/new", &right);
        assert_eq!(answer.status, 403, "{header}");
    }
    let mut other = panel.signed_in_again();
    other.open("/lists/new");
    let foreign = other.form_token();
    let foreign = [("name", "a"), ("csrf", foreign.as_str())];
    assert_eq!(browser.post("/lists/new", &foreign).status, 403);
    let before = panel.browser();
    let mut before = before;
    assert_eq!(before.post("/sign-in", &[("name", "root")]).status, 403);
    assert_eq!(
        panel.relay.json(&["list", "show"]).as_array().map(Vec::len),
        Some(0)
    );
    assert_eq!(browser.post("/lists/new", &right).status, 303);
}

trait SignedInAgain {
    fn signed_in_again(&self) -> Browser;
}

impl SignedInAgain for Paneled {
    /// The same operator in another browser.
    fn signed_in_again(&self) -> Browser {
        let mut browser = self.browser();
        assert_eq!(sign_in(&mut browser, "root", PASSWORD), 200);
        browser
    }
}

#[test]
fn cookies_and_pages_keep_to_themselves() {
    let panel = Paneled::start();
    let mut browser = panel.browser();
    let answer = browser.get("/sign-in");
    let cookie = answer.field("set-cookie");
    assert!(cookie.starts_with("gatepost-visit="), "{cookie}");
    assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
    let policy = answer.field("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.field("cache-control"), "no-store");
    assert_eq!(answer.field("x-content-type-options"), "nosniff");
    assert_eq!(answer.field("x-frame-options"), "DENY");
    assert!(!answer.body.contains("<style") && !answer.body.contains(" style="));
    assert!(!answer.body.contains("<script>") && !answer.body.contains(" onclick="));
    let css = answer
        .body
        .split("href=\"/assets/panel.")
        .nth(1)
        .expect("a style sheet");
    let css = format!("/assets/panel.{}", css.split('"').next().expect("a name"));
    let asset = browser.get(&css);
    assert_eq!(asset.status, 200);
    assert!(asset.field("cache-control").contains("immutable"));
    assert_eq!(browser.get("/assets/panel.000000000000.css").status, 404);
}

#[test]
fn guessing_at_passwords_is_slow_and_ends_in_a_block() {
    let keys =
        "[panel.logins]\nfree-failures = 1\nfirst-delay-ms = 1\nblock-after = 3\nalert-after = 2\n";
    let panel = Paneled::with(Setup::maildir(), keys);
    let mut known = panel.operator();
    let mut browser = panel.browser();
    for number in 0..3 {
        let guess = format!("not the password {number}");
        assert_eq!(sign_in(&mut browser, "root", &guess), 422);
    }
    assert_eq!(sign_in(&mut browser, "root", PASSWORD), 429);
    browser.shows("Too many failed sign-ins");
    assert_eq!(known.get("/lists").status, 200, "who is in stays in");
    let alerts = panel.relay.json(&["alert", "list"]);
    let kinds = alerts.as_array().expect("alerts").iter();
    assert!(
        kinds
            .clone()
            .any(|one| one["kind"] == "panel-sign-in-failures"),
        "{alerts}"
    );
}

#[test]
fn behind_a_proxy_that_speaks_https_cookies_are_for_https_alone() {
    let panel = Paneled::with(Setup::maildir(), "url = \"https://panel.example.com\"\n");
    let answer = panel.browser().get("/sign-in");
    let cookie = answer.field("set-cookie");
    assert!(cookie.starts_with("__Host-gatepost-visit="), "{cookie}");
    assert!(cookie.contains("; Secure"), "{cookie}");
    let made = panel.relay.json(&["operator", "add", "anna"]);
    let link = made["link"].as_str().expect("a link");
    assert!(
        link.starts_with("https://panel.example.com/welcome/"),
        "{link}"
    );
}

#[test]
fn the_panel_is_served_over_https_with_the_relays_certificate() {
    let panel = Paneled::with(Setup::maildir(), "https = true\n");
    let answer = http::get_tls(panel.port, "/sign-in").expect("HTTPS");
    assert_eq!(answer.status, 200);
    assert!(
        answer.field("set-cookie").starts_with("__Host-"),
        "{answer:?}"
    );
}

#[test]
fn a_panel_beyond_loopback_without_https_is_refused() {
    let setup = Setup::maildir().with("\n[panel]\naddress = \"0.0.0.0:8080\"\n");
    let relay = Relay::prepare(&setup);
    let output = relay.cli(&["config", "check"]);
    assert_eq!(output.code, Some(1));
    assert!(
        output.stderr.contains("panel.https = true"),
        "{}",
        output.stderr
    );
}

#[test]
fn the_last_operator_stays() {
    let panel = Paneled::start();
    panel
        .relay
        .cli(&["operator", "add", "manager", "--role", "list-manager"])
        .succeeded();
    let output = panel.relay.cli(&["operator", "delete", "admin"]);
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    assert!(
        output.stderr.contains("last active operator"),
        "{}",
        output.stderr
    );
    panel.relay.cli(&["operator", "add", "anna"]).succeeded();
    panel
        .relay
        .cli(&["operator", "delete", "admin"])
        .succeeded();
}

#[test]
fn who_was_added_by_a_command_is_not_taken_for_the_first_operator() {
    let mut panel = Paneled::start();
    panel.relay.terminate();
    panel.relay.cli(&["operator", "delete", "admin"]);
    let link = panel.link("anna", &["--role", "list-manager"]);
    panel.relay.restart();
    assert_eq!(
        panel.browser().open(&link).status,
        200,
        "her link still holds"
    );
    let operators = panel.relay.json(&["operator", "list"]).to_string();
    assert!(operators.contains("admin"), "{operators}");
}
