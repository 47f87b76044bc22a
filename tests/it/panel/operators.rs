//! Operators: added, changed and deleted, and their own passwords and codes.

use std::time::{SystemTime, UNIX_EPOCH};

use gatepost_tests::panel::{Browser, PASSWORD, Paneled, path_of};

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before:?} in {text}"));
    rest.split(after).next().expect("a part")
}

fn sign_in(panel: &Paneled, name: &str, password: &str, code: &str) -> (u16, Browser) {
    let mut browser = panel.browser();
    browser.open("/sign-in");
    let fields = [("name", name), ("password", password), ("code", code)];
    let status = browser.submit("/sign-in", &fields).status;
    (status, browser)
}

#[test]
fn an_operator_adds_a_list_manager_who_chooses_a_password_by_a_link() {
    let panel = Paneled::start();
    panel.relay.add_list("shop");
    panel.relay.add_list("secret");
    let mut browser = panel.operator();
    browser.open("/operators/new");
    let fields = [
        ("name", "anna"),
        ("role", "list-manager"),
        ("lists", "1"),
        ("active", "on"),
    ];
    assert_eq!(browser.submit("/operators/new", &fields).status, 200);
    browser.shows("Their link, shown this once");
    let link = between(&browser.page, "copy-name=\"the link\">", "<").to_owned();
    let own = browser.path.clone();
    browser.open(&own);
    browser.does_not_show("/welcome/");
    let mut anna = panel.browser();
    let link = path_of(&link);
    anna.open(&link);
    let chosen = [("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(anna.submit(&link, &chosen).status, 200);
    anna.shows("shop");
    anna.does_not_show("secret");
    for path in [
        "/operators",
        "/operators/1",
        "/operators/new",
        "/operators/1/delete",
    ] {
        assert_eq!(anna.get(path).status, 403, "{path}");
    }
    anna.open("/lists");
    let promoted = [("name", "anna"), ("role", "operator"), ("active", "on")];
    assert_eq!(anna.submit(&own, &promoted).status, 403);
    browser.open(&own);
    let moved = [
        ("name", "anna"),
        ("role", "list-manager"),
        ("lists", "2"),
        ("active", "on"),
    ];
    assert_eq!(browser.submit(&own, &moved).status, 200);
    assert_eq!(anna.get("/lists/1/smtp").status, 404, "at once");
    assert_eq!(anna.get("/lists/2/smtp").status, 200);
    browser.open(&own);
    let inactive = [("name", "anna"), ("role", "list-manager"), ("lists", "2")];
    assert_eq!(browser.submit(&own, &inactive).status, 200);
    assert_eq!(anna.get("/lists").status, 303, "signed out at once");
    assert_eq!(sign_in(&panel, "anna", PASSWORD, "").0, 422);
    browser.open(&format!("{own}/delete"));
    assert_eq!(browser.submit(&format!("{own}/delete"), &[]).status, 200);
    browser.shows("anna is deleted");
}

#[test]
fn a_reset_ends_sessions_and_makes_a_link() {
    let panel = Paneled::start();
    let mut browser = panel.operator();
    let mut anna = panel.manager("anna", &[]);
    let operators = panel.relay.json(&["operator", "list"]);
    assert_eq!(operators.as_array().map(Vec::len), Some(3), "{operators}");
    browser.open("/operators");
    let id = between(&browser.page, "href=\"/operators/", "\">anna")
        .rsplit('/')
        .next()
        .expect("an id")
        .to_owned();
    let path = format!(
        "/operators/{}",
        id.rsplit("operators/").next().expect("an id")
    );
    browser.open(&format!("{path}/reset"));
    assert_eq!(browser.submit(&format!("{path}/reset"), &[]).status, 200);
    browser.shows("/welcome/");
    assert_eq!(anna.get("/lists").status, 303);
    assert_eq!(sign_in(&panel, "anna", PASSWORD, "").0, 422);
}

#[test]
fn the_last_operator_cannot_lock_everybody_out() {
    let panel = Paneled::start();
    let mut browser = panel.operator();
    panel
        .relay
        .cli(&["operator", "delete", "admin"])
        .succeeded();
    let path = {
        browser.open("/operators");
        let id = between(&browser.page, "<a href=\"/operators/", "\">root").to_owned();
        format!("/operators/{}", id.rsplit('/').next().expect("an id"))
    };
    for fields in [
        [("name", "root"), ("role", "list-manager"), ("active", "on")].as_slice(),
        [("name", "root"), ("role", "operator")].as_slice(),
    ] {
        browser.open(&path);
        browser.submit(&path, fields);
        browser.shows("This is the last active operator");
    }
    browser.open(&format!("{path}/delete"));
    browser.submit(&format!("{path}/delete"), &[]);
    browser.shows("This is the last active operator");
}

#[test]
fn a_changed_password_ends_every_session() {
    let panel = Paneled::start();
    let mut browser = panel.operator();
    let mut other = sign_in(&panel, "root", PASSWORD, "").1;
    assert_eq!(other.get("/lists").status, 200);
    browser.open("/account");
    let new = "another horse battery";
    let wrong = [
        ("present", "not the present one"),
        ("new", new),
        ("again", new),
    ];
    assert_eq!(browser.submit("/account/password", &wrong).status, 422);
    browser.shows("This is not your password");
    let unlike = [("present", PASSWORD), ("new", new), ("again", "x")];
    assert_eq!(browser.submit("/account/password", &unlike).status, 422);
    let right = [("present", PASSWORD), ("new", new), ("again", new)];
    assert_eq!(browser.submit("/account/password", &right).status, 200);
    browser.shows("<h1>Sign in</h1>");
    assert_eq!(other.get("/lists").status, 303);
    assert_eq!(sign_in(&panel, "root", PASSWORD, "").0, 422);
    assert_eq!(sign_in(&panel, "root", new, "").0, 200);
}

#[test]
fn one_time_codes_are_asked_for_once_they_are_on_and_each_counts_once() {
    let panel = Paneled::start();
    let mut browser = panel.operator();
    browser.open("/account/codes");
    browser.shows("<svg class=\"qr\"");
    let key = between(&browser.page, "name=\"key\" value=\"", "\"").to_owned();
    let wrong = [("key", key.as_str()), ("code", "000000")];
    assert_eq!(browser.submit("/account/codes", &wrong).status, 422);
    browser.shows("This is not the code");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let step = now.as_secs() / 30;
    let code = code(&key, step);
    let right = [("key", key.as_str()), ("code", code.as_str())];
    assert_eq!(browser.submit("/account/codes", &right).status, 200);
    browser.shows("One-time codes are on");
    // Who finds a session open cannot put a key of his own in its place.
    let other = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
    let theirs = self::code(other, step);
    let replaced = browser.submit("/account/codes", &[("key", other), ("code", &theirs)]);
    assert_eq!(replaced.status, 409);
    assert_eq!(sign_in(&panel, "root", PASSWORD, "").0, 422);
    assert_eq!(
        sign_in(&panel, "root", PASSWORD, &code).0,
        422,
        "it was used"
    );
    let next = self::code(&key, step + 1);
    assert_eq!(sign_in(&panel, "root", PASSWORD, &next).0, 200);
    assert_eq!(
        sign_in(&panel, "root", PASSWORD, &next).0,
        422,
        "it was used too"
    );
    browser.open("/account");
    assert_eq!(
        browser
            .submit("/account/codes/off", &[("codes_present", "x")])
            .status,
        422
    );
    assert_eq!(
        browser
            .submit("/account/codes/off", &[("codes_present", PASSWORD)])
            .status,
        200
    );
    assert_eq!(sign_in(&panel, "root", PASSWORD, "").0, 200);
}

/// The code of a step (RFC 6238), by a program that is not ours.
pub fn code(key: &str, step: u64) -> String {
    let script = "import sys,hmac,base64,struct\n\
                  k=base64.b32decode(sys.argv[1]+'='*(-len(sys.argv[1])%8))\n\
                  h=hmac.new(k,struct.pack('>Q',int(sys.argv[2])),'sha1').digest()\n\
                  o=h[-1]&15\n\
                  print('%06d'%((struct.unpack('>I',h[o:o+4])[0]&0x7fffffff)%10**6))";
    let output = std::process::Command::new("python3")
        .args(["-c", script, key, &step.to_string()])
        .output()
        .expect("python3 is installed");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}
