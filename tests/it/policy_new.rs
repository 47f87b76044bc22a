//! What `gatepost policy new` writes builds and passes its cases at once, in every language.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gatepost_tests::message;
use gatepost_tests::relay::{Output, Relay, Setup, gatepost, gatepost_within};
use gatepost_tests::sink::{Script, Sink};

/// Toolchains come over the network, and compiling an interpreter takes a minute on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);
const TOO_SHORT: &str = "550 5.7.1 the subject is too short; write one of at least 1 character";

/// A project that goes away with the test.
struct Project(PathBuf);

impl Project {
    fn new(language: &str) -> Self {
        let name = format!("gatepost-new-{}-{language}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let project = Self(folder);
        gatepost(&["policy", "new", "--lang", language, project.path()]).succeeded();
        project
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("UTF-8").to_owned()
    }

    fn policy(&self, arguments: &[&str]) -> Output {
        gatepost_within(PATIENCE, &[&["policy"], arguments].concat())
    }

    /// Builds it, and has its own cases and its own message answered.
    fn works(&self, language: &str) {
        let built = self.policy(&["build", self.path()]).succeeded();
        // The commands can be run by hand.
        assert!(built.stderr.contains("$ "), "{built:?}");
        let module = self.file("policy.wasm");
        let tested = self.policy(&["test", &module, &self.file("cases.toml")]);
        let tested = tested.succeeded();
        assert!(
            tested.stdout.starts_with("ok: 3 cases passed"),
            "{tested:?}"
        );
        let run = self.policy(&["run", &module, "--eml", &self.file("message.eml")]);
        assert!(run.succeeded().stdout.contains(TOO_SHORT));
        let inspected = self
            .policy(&["inspect", &module, "--json"])
            .succeeded()
            .json();
        assert_eq!(inspected["language"], language, "{inspected}");
        let imports = inspected["imports"].as_array().expect("a list");
        assert_eq!(imports.len(), 1, "{inspected}");
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_project_in_rust_refuses_a_message_on_a_relay() {
    let project = Project::new("rust");
    project.works("Rust");
    let bytes = fs::read(project.file("policy.wasm")).expect("it was built");
    let place = project.path().as_bytes();
    let names_it = bytes.windows(place.len()).any(|part| part == place);
    assert!(!names_it, "the module names the folder it was built in");

    let sink = Sink::start(Script::reading()).expect("a port");
    let module = project.file("policy.wasm");
    let setup = Setup::smarthost(sink.port()).with_module(Path::new(&module), "{}");
    let relay = Relay::start(&setup);
    let user = relay.add_shop_user(&[]);
    let mut client = relay.login(&user);
    let content = |subject: &str, id: &str| {
        let id_field = message::ID_FIELD;
        format!("From: a@example.com\r\nSubject: {subject}\r\n{id_field}{id}\r\n\r\nHi.\r\n")
    };
    let (from, to) = ("a@example.com", ["b@example.net"]);
    client.submit(from, &to, &content("", "none"), TOO_SHORT);
    client.submit(from, &to, &content("Your order", "one"), "250");
    sink.delivery("one");
    assert_eq!(sink.count(), 1);
}

#[test]
#[ignore = "installs a toolchain from the network"]
fn a_project_in_python_works() {
    Project::new("python").works("Python");
}

#[test]
#[ignore = "installs a toolchain from the network"]
fn a_project_in_javascript_works() {
    Project::new("js").works("JavaScript");
}

#[test]
#[ignore = "installs a toolchain from the network"]
fn a_project_in_c_works() {
    Project::new("c").works("C");
}

#[test]
fn a_project_never_writes_over_what_is_there() {
    let project = Project::new("c");
    let again = gatepost(&["policy", "new", "--lang", "c", project.path()]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("it is there already"), "{again:?}");
    let named = gatepost(&["policy", "new", "--lang", "c", "Not A Name"]);
    assert!(
        named.stderr.contains("hint: use 1 to 64 of a-z 0-9 -"),
        "{named:?}"
    );
}

#[test]
fn what_cannot_be_built_is_told_with_what_to_do() {
    let empty = std::env::temp_dir().join(format!("gatepost-empty-{}", std::process::id()));
    fs::create_dir_all(&empty).expect("a temporary folder");
    let none = gatepost(&["policy", "build", empty.to_str().expect("UTF-8")]);
    assert_eq!(none.code, Some(1));
    assert!(none.stderr.contains("hint: make one with"), "{none:?}");
    fs::remove_dir_all(&empty).expect("it is there");
}
