//! Modules that no compiler would make: each is refused when it is loaded, or fails as the message it was asked about.

use std::fs;
use std::path::PathBuf;

use gatepost::policy::{Config, FailureKind, Limits, LoadError, PolicyConfig, PolicySet, Ruling};
use gatepost_tests::crafted::{Crafted, ENDLESS, component, when_urgent};
use gatepost_tests::guests;
use gatepost_tests::question;
use gatepost_tests::relay::{gatepost_confined, new_folder};

/// A folder with one module in it, which goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn with(module: &[u8]) -> Self {
        let folder = Self(new_folder());
        fs::write(folder.0.join("policy.wasm"), module).expect("the folder is writable");
        folder
    }

    /// A chain of this policy alone, with these limits.
    fn config(&self, limits: Limits) -> Config {
        let policy = PolicyConfig {
            limits,
            ..PolicyConfig::new("crafted", "policy.wasm")
        };
        Config {
            chain: vec![policy],
            concurrency: 4,
            ..Config::default()
        }
    }

    async fn load(&self, limits: Limits) -> Result<PolicySet, LoadError> {
        PolicySet::load(&self.config(limits), &self.0).await
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Time that a busy machine does not use up where fuel ends it: no more than an evaluation has before it goes on only when
/// nobody else wants the processor, which may then be never.
fn patient() -> Limits {
    Limits {
        fuel: 5_000_000,
        time_ms: 10_000,
        ..Limits::default()
    }
}

/// Fuel without end, so that only the clock ends it.
fn hasty() -> Limits {
    Limits {
        fuel: u64::MAX,
        time_ms: 10,
        ..Limits::default()
    }
}

/// What is said about a module that cannot be loaded, with the hint.
async fn refused(module: &[u8]) -> (String, String) {
    let folder = Folder::with(module);
    let error = folder.load(patient()).await.expect_err("refused");
    (error.to_string(), error.hint().unwrap_or_default())
}

async fn ask(set: &PolicySet) -> Ruling {
    let (session, envelope, message) = question::allowed();
    set.evaluate(session, envelope, message).await
}

/// Loads the module, which must be possible, and asks it twice: it fails both times, and defers the message.
async fn fails(policy: &Crafted<'_>, limits: Limits) -> FailureKind {
    let folder = Folder::with(&policy.component());
    let set = folder.load(limits).await.expect("loads");
    let (first, second) = (ask(&set).await, ask(&set).await);
    for ruling in [&first, &second] {
        let refusal = ruling.refusal.as_ref().expect("not accepted");
        assert_eq!(
            (refusal.code, refusal.enhanced),
            (451, (4, 7, 1)),
            "{ruling:?}"
        );
    }
    assert_eq!(first.steps[0].failure, second.steps[0].failure);
    first.steps[0].failure.expect("a failure")
}

#[tokio::test]
async fn a_policy_of_this_kind_is_one() {
    let folder = Folder::with(&Crafted::default().component());
    let set = folder.load(Limits::default()).await.expect("loads");
    let ruling = ask(&set).await;
    assert!(ruling.refusal.is_none(), "{ruling:?}");
    assert_eq!(ruling.steps[0].failure, None, "{ruling:?}");
}

/// The benchmark with hostile policies is worth nothing unless they are hostile when they should be.
#[tokio::test]
async fn a_policy_that_misbehaves_on_urgent_messages_lets_the_others_pass() {
    let evaluate = when_urgent(ENDLESS);
    let policy = Crafted {
        evaluate: &evaluate,
        ..Crafted::default()
    };
    let folder = Folder::with(&policy.component());
    let mut config = folder.config(patient());
    let set = PolicySet::load(&config, &folder.0).await.expect("loads");
    let ruling = ask(&set).await;
    assert_eq!(ruling.steps[0].failure, None, "{ruling:?}");
    let hostile = guests::root().join("tests/guests/built/hostile.wasm");
    let mut urgent = PolicyConfig::new("urgent", hostile.display().to_string());
    urgent
        .settings
        .insert("behaviour".to_owned(), "priority-1".into());
    config.chain.insert(0, urgent);
    let set = PolicySet::load(&config, &folder.0).await.expect("loads");
    let ruling = ask(&set).await;
    assert_eq!(
        ruling.steps[1].failure,
        Some(FailureKind::Fuel),
        "{ruling:?}"
    );
}

#[tokio::test]
async fn a_start_function_that_never_ends_or_traps_is_refused_at_load() {
    for (body, failure) in [(ENDLESS, "(fuel)"), ("unreachable", "(trap)")] {
        let fields = format!("(start $start) (func $start {body})");
        let policy = Crafted {
            fields: &fields,
            ..Crafted::default()
        };
        let (error, _) = refused(&policy.component()).await;
        assert!(error.contains("`describe` failed"), "{error}");
        assert!(error.contains(failure), "{error}");
    }
}

/// A start function that takes the fuel of ninety messages, and less than a policy may take when it is loaded.
const LONG_START: &str = "(start $start) (func $start (local i32) (loop $again (br_if $again \
     (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 65000000)))))";

#[tokio::test]
async fn a_start_function_is_paid_for_by_the_message() {
    let policy = Crafted {
        fields: LONG_START,
        ..Crafted::default()
    };
    assert_eq!(fails(&policy, patient()).await, FailureKind::Fuel);
    assert_eq!(fails(&policy, hasty()).await, FailureKind::Deadline);
}

#[tokio::test]
async fn what_the_host_calls_back_is_paid_for_too() {
    let space = Crafted {
        realloc: ENDLESS,
        ..Crafted::default()
    };
    // Its settings need space already.
    let (error, _) = refused(&space.component()).await;
    assert!(
        error.contains("`validate-settings` failed (fuel)"),
        "{error}"
    );
    let after = Crafted {
        fields: "(func (export \"cabi_post_gatepost:policy/message-stage@0.1.0#evaluate\") \
                 (param i32) (loop $endless (br $endless)))",
        ..Crafted::default()
    };
    assert_eq!(fails(&after, patient()).await, FailureKind::Fuel);
}

#[tokio::test]
async fn a_table_that_grows_without_end_is_refused_more() {
    let grow = "(drop (table.grow $bomb (ref.null func) (i32.const 1000)))";
    let stubborn = format!("(loop $more {grow} (br $more))");
    let trapping = "(loop $more (br_if $more (i32.ge_s \
         (table.grow $bomb (ref.null func) (i32.const 1000)) (i32.const 0)))) unreachable";
    for (evaluate, failure) in [
        (stubborn.as_str(), FailureKind::Fuel),
        (trapping, FailureKind::Memory),
    ] {
        let policy = Crafted {
            fields: "(table $bomb 1 funcref)",
            evaluate,
            ..Crafted::default()
        };
        assert_eq!(fails(&policy, patient()).await, failure, "{evaluate}");
    }
}

#[tokio::test]
async fn more_tables_memories_or_instances_than_any_policy_needs_are_refused_at_load() {
    let many = |field: &str, count: usize| {
        let fields = field.repeat(count);
        let policy = Crafted {
            fields: &fields,
            ..Crafted::default()
        };
        policy.component()
    };
    let instances = format!(
        "(component (core module $m) {})",
        "(core instance (instantiate $m))".repeat(1000)
    );
    let cases = [
        many("(table 100000000 funcref)", 1),
        many("(table 1 funcref)", 50),
        many("(memory 1)", 50),
        component(&instances),
    ];
    for module in cases {
        let (error, hint) = refused(&module).await;
        assert!(error.contains(": compile: "), "{error}");
        assert!(error.contains("exceeds the "), "{error}");
        assert!(hint.contains("no policy needs so much"), "{error}: {hint}");
    }
}

/// Address space without room for the pool that the engine wants, in KiB.
const NARROW_KIB: u64 = 8 << 20;

#[test]
fn where_there_is_no_pool_they_are_refused_too() {
    let check = |module: &[u8]| {
        let folder = Folder::with(module);
        let file = folder.0.join("policy.wasm").display().to_string();
        gatepost_confined(NARROW_KIB, &["policy", "check", &file])
    };
    let good = check(&Crafted::default().component()).succeeded();
    assert!(
        good.stderr.contains("cannot reserve address space"),
        "{good:?}"
    );
    let fields = [
        "(table 100000000 funcref)".to_owned(),
        "(table 1 funcref)".repeat(50),
        "(memory 1)".repeat(50),
    ];
    for fields in &fields {
        let policy = Crafted {
            fields,
            ..Crafted::default()
        };
        let refused = check(&policy.component());
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(
            refused.stderr.contains("`describe` failed (memory)"),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_memory_that_is_too_large_from_the_start_is_refused_at_load() {
    let policy = Crafted {
        pages: 2_000,
        ..Crafted::default()
    };
    let (error, hint) = refused(&policy.component()).await;
    assert!(error.contains(": compile: "), "{error}");
    assert!(hint.contains("memory-mib"), "{error}: {hint}");
}

#[tokio::test]
async fn deep_recursion_ends_with_the_stack() {
    let policy = Crafted {
        fields: "(func $deep (param i32) (result i32) \
                 (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))",
        evaluate: "(drop (call $deep (i32.const 0)))",
        ..Crafted::default()
    };
    assert_eq!(fails(&policy, patient()).await, FailureKind::Stack);
}

/// Each instruction fills 60 MiB.
#[tokio::test]
async fn an_instruction_is_paid_for_by_what_it_does() {
    let policy = Crafted {
        evaluate: "(drop (memory.grow (i32.const 944))) (loop $more \
                   (memory.fill (i32.const 0) (i32.const 1) (i32.const 62914560)) (br $more))",
        ..Crafted::default()
    };
    assert_eq!(fails(&policy, patient()).await, FailureKind::Fuel);
    assert_eq!(fails(&policy, hasty()).await, FailureKind::Deadline);
}

/// What the octets from 1024 on say, read as a verdict, with the failure it is.
const NO_VERDICTS: [(&str, &str, FailureKind); 8] = [
    ("beyond the memory", "i32.const -8", FailureKind::BadVerdict),
    (
        "between two values",
        "i32.const 1025",
        FailureKind::BadVerdict,
    ),
    (
        "no result",
        "(i32.store8 (i32.const 1024) (i32.const 77)) i32.const 1024",
        FailureKind::BadVerdict,
    ),
    (
        "no decision",
        "(i32.store8 (i32.const 1028) (i32.const 77)) i32.const 1024",
        FailureKind::BadVerdict,
    ),
    (
        "endless alerts",
        "(i32.store (i32.const 1060) (i32.const -1)) i32.const 1024",
        FailureKind::BadVerdict,
    ),
    (
        "alerts beyond",
        "(i32.store (i32.const 1056) (i32.const -4)) (i32.store (i32.const 1060) (i32.const 1)) i32.const 1024",
        FailureKind::BadVerdict,
    ),
    (
        "a rule beyond",
        "(i32.store (i32.const 1064) (i32.const -4)) (i32.store (i32.const 1068) (i32.const 100)) i32.const 1024",
        FailureKind::BadVerdict,
    ),
    (
        "a rule of no text",
        "(i32.store8 (i32.const 512) (i32.const 255)) (i32.store (i32.const 1064) (i32.const 512)) (i32.store (i32.const 1068) (i32.const 1)) i32.const 1024",
        FailureKind::BadVerdict,
    ),
];

#[tokio::test]
async fn what_is_no_verdict_is_told_from_one() {
    for (name, verdict, failure) in NO_VERDICTS {
        let policy = Crafted {
            verdict,
            ..Crafted::default()
        };
        assert_eq!(fails(&policy, patient()).await, failure, "{name}");
    }
}

#[tokio::test]
async fn space_that_is_none_is_the_policys_failure() {
    // Beyond the memory; and not where its alignment allows.
    for place in ["(return (i32.const -65536))", "(return (i32.const 65537))"] {
        let realloc = format!("(if (i32.gt_u (local.get 3) (i32.const 64)) (then {place}))");
        let policy = Crafted {
            realloc: &realloc,
            ..Crafted::default()
        };
        let failure = fails(&policy, patient()).await;
        assert_eq!(failure, FailureKind::BadVerdict, "{place}");
    }
}

#[tokio::test]
async fn imports_that_no_host_has_are_named() {
    for (import, problem) in [
        ("gatepost:policy/teleport@0.1.0", "teleport"),
        ("gatepost:policy/log@0.2.0", "log@0.2.0"),
        ("gatepost:policy/content@1.0.0", "content@1.0.0"),
        ("acme:secrets/keys@0.1.0", "acme:secrets/keys"),
    ] {
        let text = format!(r#"(component (import "{import}" (instance (export "go" (func)))))"#);
        let (error, hint) = refused(&component(&text)).await;
        assert!(error.contains(": imports: "), "{error}");
        assert!(error.contains(problem), "{error}");
        assert!(hint.contains("nothing else"), "{hint}");
    }
    let shape = r#"(component (import "gatepost:policy/log@0.1.0"
        (instance (export "write" (func (param "everything" (list u8)))))))"#;
    let (error, _) = refused(&component(shape)).await;
    assert!(error.contains("does not fit the interface"), "{error}");
}
