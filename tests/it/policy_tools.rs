//! The tools for who writes policies: on the built-in rules, and on a module that misbehaves.

use std::fs;
use std::path::{Path, PathBuf};

use gatepost_tests::relay::Output;
use gatepost_tests::relay::{Relay, Setup, gatepost};

const BUILTIN: &str = "builtin:sender-rules";
const RESTRICTED: [&str; 2] = ["--authorized-domains", "example.com"];

fn hostile() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/built/hostile.wasm");
    path.to_str().expect("UTF-8").to_owned()
}

fn policy(arguments: &[&str]) -> Output {
    gatepost(&[&["policy"], arguments].concat())
}

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("gatepost-tools-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a temporary file");
        path.to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_documented_cases_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let documentation = fs::read_to_string(root.join("wit/TESTING.md")).expect("it is there");
    let example = documentation
        .split("```toml")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("an example");
    let folder = Folder::new("documented");
    folder.file("cases.toml", example);
    let folder = folder.0.to_str().expect("UTF-8");
    let output = policy(&["test", BUILTIN, folder]).succeeded();
    assert!(
        output.stdout.starts_with("ok: 5 cases passed"),
        "{output:?}"
    );
}

const DIFFERING: &str = "[[case]]\nname = \"<bob> & co\"\nfrom = \"bob@example.net\"\n\
     user = { authorized-domains = \"example.com\" }\nexpect = { decision = \"accept\", alerts = [] }\n\
     [[case]]\nname = \"may\"\nfrom = \"bob@example.net\"\nexpect = \"accept\"\n";

#[test]
fn a_case_that_differs_is_shown_and_fails() {
    let folder = Folder::new("differs");
    let file = folder.file("cases.toml", DIFFERING);
    let output = policy(&["test", BUILTIN, &file]);
    assert_eq!(output.code, Some(1));
    for expected in [
        "FAIL  ",
        "<bob> & co",
        "decision: expected accept, got reject",
        "alerts: expected none, got sender-not-authorized",
        "550 5.7.1 the sender address bob@example.net",
        "1 of 2 cases failed",
    ] {
        assert!(output.stdout.contains(expected), "{expected}: {output:?}");
    }
    let only = policy(&["test", BUILTIN, &file, "--only", "may"]);
    assert!(only.succeeded().stdout.contains("1 case passed"));
}

#[test]
fn programs_read_the_results_too() {
    let folder = Folder::new("formats");
    let file = folder.file("cases.toml", DIFFERING);
    for arguments in [&["--format", "json"][..], &["--json"]] {
        let output = policy(&[&["test", BUILTIN, &file], arguments].concat());
        assert_eq!(output.code, Some(1));
        let json = output.json();
        assert_eq!((&json["passed"], &json["failed"]), (&1.into(), &1.into()));
        assert_eq!(json["cases"][0]["outcome"]["rule"], "unauthorized-block");
    }
    let junit = policy(&["test", BUILTIN, &file, "--format", "junit"]);
    assert_eq!(junit.code, Some(1));
    let expected = [
        "<testsuite name=\"builtin:sender-rules\" tests=\"2\" failures=\"1\">",
        "name=\"&lt;bob&gt; &amp; co\"",
        "<failure>decision: expected accept, got reject",
    ];
    for expected in expected {
        assert!(junit.stdout.contains(expected), "{expected}: {junit:?}");
    }
}

#[test]
fn a_file_that_is_no_cases_is_told_with_its_place() {
    let folder = Folder::new("invalid");
    let unknown = folder.file(
        "unknown.toml",
        "[[case]]\nname = \"x\"\nfrm = \"a\"\nexpect = \"pass\"\n",
    );
    let output = policy(&["test", BUILTIN, &unknown]);
    assert_eq!(output.code, Some(1));
    assert!(
        output.stderr.contains("case 1, `x`: frm: unknown field"),
        "{output:?}"
    );
    assert!(output.stderr.contains("hint: "), "{output:?}");
    assert_eq!(
        policy(&["test", BUILTIN, "no-such-file.toml"]).code,
        Some(1)
    );
}

#[test]
fn check_does_what_a_load_does() {
    let good = policy(&[
        "check",
        BUILTIN,
        "--settings",
        "{\"unauthorized\":\"alert\"}",
    ]);
    assert!(good.succeeded().stdout.starts_with("ok: sender-rules"));
    let bad = policy(&[
        "check",
        BUILTIN,
        "--settings",
        "{\"unauthorized\":\"maybe\"}",
    ]);
    assert_eq!(bad.code, Some(1));
    assert!(bad.stderr.contains("/unauthorized: must be"), "{bad:?}");
    let missing = policy(&["check", "no-such.wasm"]);
    assert!(
        missing.stderr.contains("cannot read no-such.wasm"),
        "{missing:?}"
    );
}

#[test]
fn a_module_gets_the_wasi_that_its_configuration_would_give_it() {
    let inert = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/built/inert.wasm");
    let inert = inert.to_str().expect("UTF-8");
    let without = policy(&["check", inert]);
    assert_eq!(without.code, Some(1), "{without:?}");
    assert!(without.stderr.contains("wasi = \"inert\""), "{without:?}");
    let with = policy(&["check", inert, "--wasi", "inert"]).succeeded();
    assert!(with.stdout.starts_with("ok: inert"), "{with:?}");
    let unknown = policy(&["check", inert, "--wasi", "full"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.stderr.contains("use none or inert"), "{unknown:?}");
}

#[test]
fn inspect_tells_what_a_module_is_and_can_do() {
    let builtin = policy(&["inspect", BUILTIN]).succeeded();
    for expected in [
        "sender-rules 0.1",
        "powers    none",
        "language  Rust",
        "settings  ",
        " fuel, ",
    ] {
        assert!(builtin.stdout.contains(expected), "{expected}: {builtin:?}");
    }
    let hostile = policy(&[
        "inspect",
        &hostile(),
        "--settings",
        "{\"behaviour\":\"accept\"}",
        "--json",
    ])
    .succeeded()
    .json();
    assert_eq!(
        hostile["imports"][0]["means"], "writes lines to the relay's log",
        "{hostile}"
    );
    assert_eq!(hostile["policy"]["stages"][1], "message-stage", "{hostile}");
}

#[test]
fn inspect_looks_at_what_cannot_be_loaded() {
    let refused = policy(&["inspect", BUILTIN, "--settings", "{\"unknown\":1}"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stdout.contains("powers    none"), "{refused:?}");
    assert!(refused.stdout.contains("problem   "), "{refused:?}");
}

const FROM_BOB: &str = "From: Bob <bob@example.net>\nSubject: hello\nX-Priority: 1\n\nHi.\n";

#[test]
fn run_shows_what_the_client_would_be_told() {
    let folder = Folder::new("run");
    let eml = folder.file("bob.eml", FROM_BOB);
    let refused = policy(&[&["run", BUILTIN, "--eml", &eml], &RESTRICTED[..]].concat());
    let refused = refused.succeeded().stdout;
    for expected in [
        "decision  reject by rule unauthorized-block",
        "reply     550 5.7.1 the sender address bob@example.net",
        "alert     sender-not-authorized",
        "fact      x.place = from",
    ] {
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
    let open = policy(&["run", BUILTIN, "--eml", &eml, "--json"])
        .succeeded()
        .json();
    assert_eq!(open["outcome"]["decision"], "accept", "{open}");
    assert_eq!(open["outcome"]["priority"], 1, "{open}");
    // What was asked can be asked again.
    let request = folder.file("request.json", &open["request"].to_string());
    let again = policy(&["run", BUILTIN, "--request", &request, "--json"]);
    let again = again.succeeded().json();
    assert_eq!(again["verdict"], open["verdict"]);
    assert_eq!(again["outcome"]["fuel"], open["outcome"]["fuel"]);
}

#[test]
fn run_takes_a_user_of_the_store() {
    let relay = Relay::prepare(&Setup::maildir());
    let user = relay.add_shop_user(&RESTRICTED);
    let folder = Folder::new("user");
    let eml = folder.file("bob.eml", FROM_BOB);
    let run = ["policy", "run", BUILTIN, "--eml", &eml, "--user"];
    let found = relay.json(&[&run[..], &[&user.username]].concat());
    assert_eq!(found["outcome"]["decision"], "reject", "{found}");
    assert_eq!(
        found["request"]["session"]["identity"]["facts"][3]["value"],
        "shop"
    );
    let nobody = relay.cli(&[&run[..], &["s9_9"]].concat());
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.stderr.contains("no user `s9_9`"), "{nobody:?}");
}

#[test]
fn run_asks_at_every_stage_and_tells_failures() {
    let folder = Folder::new("stages");
    let eml = folder.file("trap.eml", "From: a@example.com\nSubject: trap\n\n");
    let module = hostile();
    let settings = ["--settings", "{\"behaviour\":\"subject\"}"];
    let trap = policy(&[&["run", &module, "--eml", &eml], &settings[..]].concat());
    assert_eq!(trap.code, Some(1));
    for expected in ["decision  failed", "failure   trap", "reply     451 4.7.1"] {
        assert!(trap.stdout.contains(expected), "{expected}: {trap:?}");
    }
    let sender = [
        "run",
        BUILTIN,
        "--eml",
        &eml,
        "--stage",
        "sender",
        "--from",
        "eve@example.net",
    ];
    let sender = policy(&[&sender[..], &RESTRICTED].concat()).succeeded();
    assert!(
        sender
            .stdout
            .contains("550 5.7.1 the sender address eve@example.net"),
        "{sender:?}"
    );
}

#[test]
fn bench_compares_with_the_builtin_rules() {
    let accept = [
        "--settings",
        "{\"behaviour\":\"accept\"}",
        "--rounds",
        "20",
        "--json",
    ];
    let prices = policy(&[&["bench", &hostile()], &accept[..]].concat())
        .succeeded()
        .json();
    assert_eq!(prices[1]["module"], BUILTIN, "{prices}");
    for price in prices.as_array().expect("two prices") {
        assert!(price["fuel"].as_u64() > Some(0), "{prices}");
        assert!(
            price["p50-micros"].as_u64() <= price["p99-micros"].as_u64(),
            "{prices}"
        );
    }
    let table = policy(&["bench", BUILTIN, "--rounds", "5"]).succeeded();
    assert_eq!(table.stdout.lines().count(), 2, "{table:?}");
}
