//! The conformance kit: the documented sender rules as cases, which the module that comes with Gatepost and the
//! examples in four languages pass with the same verdicts.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use gatepost::policy::{Config, Limits, PolicyConfig, PolicySet};
use gatepost_tests::question;
use gatepost_tests::relay::{Output, gatepost_within};

/// Cases the kit has at least, so that none gets lost unnoticed.
const LEAST_CASES: usize = 150;
/// Far above the 10 s that compiling an interpreter takes.
const PATIENCE: Duration = Duration::from_secs(600);
/// What installs the toolchains and builds the examples.
const HINT: &str =
    "run `tests/run`, or in the root of the workspace `bash -c 'source tests/needs all'`";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

/// The files of the kit, in order.
fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).expect("tests/conformance");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
}

/// An example that `tests/conformance/needs` has built. Without it the test says so, and fails under CI.
fn example(language: &str) -> Option<String> {
    let path = folder().join(format!("built/{language}.wasm"));
    if path.exists() {
        return Some(path.display().to_string());
    }
    let missing = format!("{} is not built; {HINT}", path.display());
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("not tested: {missing}");
    None
}

fn ask(module: &str) -> Output {
    let files: Vec<_> = files()
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let fixed = ["policy", "test", module].into_iter();
    let arguments: Vec<_> = fixed.chain(files.iter().map(String::as_str)).collect();
    gatepost_within(PATIENCE, &arguments)
}

fn passes(module: &str) {
    let output = ask(module);
    assert_eq!(output.code, Some(0), "{module}: {output:?}");
    let all = format!("ok: {} cases passed", expectations().len());
    assert!(output.stdout.contains(&all), "{all}, but {output:?}");
}

#[test]
fn the_module_that_comes_with_gatepost_passes() {
    passes("builtin:sender-rules");
}

#[test]
fn the_example_in_rust_passes() {
    example("rust").as_deref().into_iter().for_each(passes);
}

#[test]
fn the_example_in_python_passes() {
    example("python").as_deref().into_iter().for_each(passes);
}

#[test]
fn the_example_in_javascript_passes() {
    example("javascript")
        .as_deref()
        .into_iter()
        .for_each(passes);
}

#[test]
fn the_example_in_c_passes() {
    example("c").as_deref().into_iter().for_each(passes);
}

/// An example in a copy of its own, beside a copy of the interface as in the tree. Its tools are those that
/// `tests/conformance/needs` has installed.
struct Copy(PathBuf);

impl Copy {
    fn of(language: &str) -> Self {
        let name = format!("gatepost-example-{}-{language}", std::process::id());
        let copy = Self(std::env::temp_dir().join(name));
        let root = folder().join("../..");
        copy_folder(&root.join("wit"), &copy.0.join("wit"));
        let example = Path::new("examples/policies").join(language);
        copy_folder(&root.join(&example), &copy.project(language));
        std::os::unix::fs::symlink(folder().join(".venv"), copy.project(language).join(".venv"))
            .expect("a link");
        copy
    }

    fn project(&self, language: &str) -> PathBuf {
        self.0.join("examples/policies").join(language)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The files of a folder, without those in folders below.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a temporary folder");
    for entry in std::fs::read_dir(from).expect("a folder of the tree") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().expect("a name")))
                .expect("it can be copied");
        }
    }
}

/// `./build` of each has made what the tests above ask; this is the other way that its text names.
fn is_built_by_gatepost(language: &str) {
    if example(language).is_none() {
        return;
    }
    let copy = Copy::of(language);
    let project = copy.project(language);
    let built = gatepost_within(
        PATIENCE,
        &["policy", "build", project.to_str().expect("UTF-8")],
    );
    assert!(built.stderr.contains("$ ./build"), "{built:?}");
    built.succeeded();
    let module = project.join("policy.wasm");
    let cases = folder().join("senders.toml");
    let arguments = [
        "policy",
        "test",
        module.to_str().expect("UTF-8"),
        cases.to_str().expect("UTF-8"),
    ];
    gatepost_within(PATIENCE, &arguments).succeeded();
}

#[test]
fn the_example_in_python_is_built_by_gatepost_too() {
    is_built_by_gatepost("python");
}

#[test]
fn the_example_in_c_is_built_by_gatepost_too() {
    is_built_by_gatepost("c");
}

/// Evaluations at once, the default of `policy.concurrency`.
const AT_ONCE: usize = 64;
/// Entries that keep the policy busy for several ticks of the engine, so that all evaluations are under way
/// before the first one ends.
const BUSY_ENTRIES: usize = 1_000;

/// Each needs 38 instances of the core for itself, with memory and tables.
#[test]
fn as_many_evaluations_in_python_as_are_allowed_work_at_once() {
    let Some(module) = example("python") else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let set = runtime.block_on(async { PolicySet::load(&patient(module), Path::new(".")).await });
    let set = set.expect("the example loads");
    let all_there = Barrier::new(AT_ONCE);
    std::thread::scope(|scope| {
        let evaluate = || {
            all_there.wait();
            let (session, envelope, message) = busy();
            runtime.block_on(set.evaluate(session, envelope, message))
        };
        let evaluations: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(evaluate)).collect();
        for evaluation in evaluations {
            let ruling = evaluation.join().expect("a ruling");
            assert!(ruling.refusal.is_none(), "{ruling:?}");
        }
    });
}

/// With time enough for many to share two processors.
fn patient(module: String) -> Config {
    let mut policy = PolicyConfig::new("python", module);
    policy.limits = Limits {
        fuel: 1_000_000_000,
        time_ms: 10_000,
        ..Limits::default()
    };
    Config {
        chain: vec![policy],
        concurrency: u32::try_from(AT_ONCE).expect("few"),
        queue_wait_ms: 0,
        ..Config::default()
    }
}

fn busy() -> question::Question {
    let (session, envelope, message) = question::allowed();
    let mut session = Arc::unwrap_or_clone(session);
    let entries = (0..BUSY_ENTRIES).map(|number| format!("domain{number}.example.com"));
    session.identity.authorized_domains.extend(entries);
    (Arc::new(session), envelope, message)
}

/// A policy that lets everything pass: most cases notice.
#[test]
fn a_policy_with_other_rules_fails() {
    assert_eq!(ask("builtin:working-hours").code, Some(1));
}

/// Passing the kit means the same verdict only if every case says all that a verdict has.
#[test]
fn every_case_says_the_whole_verdict() {
    let expectations = expectations();
    assert!(expectations.len() >= LEAST_CASES, "{}", expectations.len());
    for (case, expected) in expectations {
        if expected.contains_key("settings-problem") {
            continue;
        }
        let decision = expected["decision"].as_str().expect("a decision");
        let keys: &[&str] = match decision {
            "reject" => &["rule", "alerts", "code"],
            // At MAIL and RCPT there is no priority.
            "accept" if case.starts_with("envelope-stage") => &["rule", "alerts"],
            "accept" if case.contains("a reverse-path") => &["rule", "alerts"],
            "accept" => &["rule", "alerts", "priority"],
            "pass" => &["rule", "alerts"],
            "failed" => &["failure", "alerts"],
            other => panic!("{case}: {other}"),
        };
        for key in keys {
            assert!(expected.contains_key(*key), "{case} says no {key}");
        }
    }
}

/// What each case expects, by its file and name.
fn expectations() -> Vec<(String, toml::Table)> {
    let mut found = Vec::new();
    for file in files() {
        let text = std::fs::read_to_string(&file).expect("a file of the kit");
        let kit: toml::Table = toml::from_str(&text).expect("TOML");
        let stem = file.file_stem().expect("a name").to_string_lossy();
        for case in kit["case"].as_array().expect("cases") {
            let case = case.as_table().expect("a case");
            let name = format!("{stem}: {}", case["name"].as_str().expect("a name"));
            let one = case.get("expect").into_iter();
            let senders = case.get("senders").and_then(toml::Value::as_table);
            let all = one.chain(senders.into_iter().flat_map(toml::Table::values));
            found.extend(all.map(|table| {
                let table = table.as_table().expect("a table of all that is expected");
                (name.clone(), table.clone())
            }));
        }
    }
    found
}
