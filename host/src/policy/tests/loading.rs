//! Whatever is wrong with a module is said before a client waits, with a way out.

use std::path::Path;

use super::*;

/// A component that imports `wasi:io/poll@0.2.6` with one function, written octet by octet.
fn wasi_component() -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    // One instance type: a function type without parameters, exported as `poll`.
    let types = b"\x01\x42\x02\x01\x40\0\x01\0\x04\0\x04poll\x01\0";
    let imports = b"\x01\0\x12wasi:io/poll@0.2.6\x05\0";
    for (section, content) in [(7, &types[..]), (10, &imports[..])] {
        bytes.push(section);
        bytes.push(u8::try_from(content.len()).expect("a short section"));
        bytes.extend_from_slice(content);
    }
    bytes
}

/// A folder of its own with one file `policy.wasm`, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn with(bytes: &[u8]) -> Self {
        static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("gatepost-policy-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
        std::fs::write(folder.join("policy.wasm"), bytes).expect("writable");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn refused(policy: PolicyConfig, base_dir: &Path) -> (String, String) {
    let config = chain(vec![policy]);
    let error = PolicySet::load(&config, base_dir).await.expect_err("bad");
    (error.to_string(), error.hint().unwrap_or_default())
}

#[tokio::test]
async fn a_file_that_is_no_policy_is_named_for_what_it_is() {
    let hostile = std::fs::read(root().join("tests/guests/built/hostile.wasm")).expect("built");
    let half = &hostile[..hostile.len() / 2];
    let cases: [(&[u8], &str, &str); 9] = [
        (b"", "empty", "check the path"),
        (
            b"\x9f\x01 random octets",
            "something else",
            "check the path",
        ),
        (
            b"\0asm\x01\0\0\0",
            "a core module",
            "wasm-tools component new",
        ),
        (b"\x7fELF\x02\x01\x01", "precompiled", "never loaded"),
        (b"\n(component)", "WebAssembly text", "wasm-tools parse"),
        (b"\0asm", "something else", "check the path"),
        (half, "cannot be compiled", "truncated"),
        (b"\0asm\x0d\0\x01\0", "lifecycle@0.1.0", "message-policy"),
        (&wasi_component(), "wasi:io/poll@0.2.6", "--stub-wasi"),
    ];
    for (bytes, problem, hint) in cases {
        let folder = Folder::with(bytes);
        let policy = PolicyConfig::new("mine", "policy.wasm");
        let (error, advice) = refused(policy, &folder.0).await;
        assert!(error.contains("policy \"mine\""), "{error}");
        assert!(error.contains(problem), "{error}");
        assert!(advice.contains(hint), "{error}: {advice}");
    }
}

#[tokio::test]
async fn code_that_somebody_compiled_is_never_loaded() {
    let set = load(&chain(vec![hostile("accept")])).await;
    let bytes = std::fs::read(root().join("tests/guests/built/hostile.wasm")).expect("built");
    // Made by the very engine that would run it.
    let code = set.runtime.engine.precompile_component(&bytes);
    let folder = Folder::with(&code.expect("it compiles"));
    std::fs::rename(folder.0.join("policy.wasm"), folder.0.join("mine.cwasm")).expect("ours");
    let (error, hint) = refused(PolicyConfig::new("mine", "mine.cwasm"), &folder.0).await;
    assert!(error.contains("precompiled machine code"), "{error}");
    assert!(hint.contains("never loaded"), "{hint}");
}

#[tokio::test]
async fn what_was_compiled_before_a_restart_is_not_compiled_again() {
    let folder = Folder::with(b"");
    let start = async || {
        let cache = CodeCache::open(&folder.0.join("cache"), 64).expect("ours");
        let config = chain(vec![hostile("accept")]);
        let resources = Resources::default();
        let set = PolicySet::load_cached(&config, &root(), &resources, Some(cache.clone())).await;
        assert_eq!(code(&evaluate(&set.expect("loads"), "x").await), None);
        cache.hits()
    };
    assert_eq!(start().await, 0);
    assert_eq!(start().await, 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named_with_its_path() {
    let (error, hint) = refused(PolicyConfig::new("mine", "missing.wasm"), &root()).await;
    assert!(error.contains("missing.wasm"), "{error}");
    assert!(hint.contains("configuration file"), "{hint}");
    let (error, _) = refused(PolicyConfig::new("mine", "tests"), &root()).await;
    assert!(error.contains("cannot read"), "{error}");
    let (error, hint) = refused(PolicyConfig::new("mine", "builtin:x"), &root()).await;
    assert!(error.contains("no built-in module called `x`"), "{error}");
    assert!(hint.contains("builtin:sender-rules"), "{hint}");
}

#[tokio::test]
async fn only_the_pinned_module_is_loaded() {
    let mut policy = hostile("accept");
    policy.sha256 = Some("00".repeat(32));
    let (error, hint) = refused(policy.clone(), &root()).await;
    assert!(error.contains("SHA-256"), "{error}");
    let digest = hint.split('"').nth(1).expect("the hint quotes the digest");
    policy.sha256 = Some(digest.to_uppercase());
    let set = load(&chain(vec![policy])).await;
    assert_eq!(set.policies().next().expect("one").sha256, digest);
}

#[tokio::test]
async fn settings_that_the_policy_refuses_are_listed() {
    let (error, hint) = refused(hostile("no-such-thing"), &root()).await;
    assert!(error.contains("/: `no-such-thing` is not"), "{error}");
    assert!(hint.contains("settings"), "{hint}");

    let mut policy = PolicyConfig::new("rules", "builtin:sender-rules");
    policy
        .settings
        .insert("unauthorised".to_owned(), "block".into());
    let (error, _) = refused(policy, &root()).await;
    assert!(error.contains("/unauthorised"), "{error}");

    let mut policy = hostile("accept");
    policy
        .settings
        .insert("ratio".to_owned(), f64::INFINITY.into());
    let (error, _) = refused(policy, &root()).await;
    assert!(error.contains("`ratio`"), "{error}");
}

#[tokio::test]
async fn a_policy_that_fails_at_load_is_refused() {
    let (error, _) = refused(hostile("validate-trap"), &root()).await;
    assert!(
        error.contains("`validate-settings` failed (trap)"),
        "{error}"
    );
    let (error, _) = refused(hostile("validate-loop"), &root()).await;
    assert!(
        error.contains("`validate-settings` failed (fuel)"),
        "{error}"
    );
}

#[tokio::test]
async fn too_little_memory_is_found_at_load() {
    let mut policy = hostile("accept");
    policy.limits.memory_mib = 1;
    let (error, hint) = refused(policy, &root()).await;
    assert!(hint.contains("memory-mib"), "{error}: {hint}");
}

#[tokio::test]
async fn names_are_words_and_unique() {
    for name in ["", "a b", "a\r\nb", &"n".repeat(65)] {
        let mut policy = hostile("accept");
        policy.name = name.to_owned();
        let (error, _) = refused(policy, &root()).await;
        assert!(error.contains("name is 1 to 64"), "{error}");
    }
    let config = chain(vec![hostile("accept"), hostile("accept")]);
    let error = PolicySet::load(&config, &root()).await.expect_err("twice");
    assert!(error.to_string().contains("same name"), "{error}");
}

#[tokio::test]
async fn concurrency_has_bounds() {
    for concurrency in [0, 10_001] {
        let config = Config {
            concurrency,
            ..chain(vec![])
        };
        let error = PolicySet::load(&config, &root()).await.expect_err("bounds");
        assert!(error.to_string().contains("concurrency"), "{error}");
    }
}
