//! The shipped policy modules and their sources.

use std::time::Duration;

use gatepost_tests::guests::{self, GUESTS};
use gatepost_tests::relay::gatepost_within;

/// Far above the second that it takes.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn shipped_bytes_are_what_the_source_builds_to() {
    for guest in GUESTS {
        if let Err(error) = guest.check() {
            panic!("{error:#}");
        }
    }
}

#[test]
fn shipped_bytes_name_no_place_of_a_machine() {
    for guest in GUESTS {
        let bytes = guest.shipped().expect("it is in the tree");
        for place in [
            "/home/",
            "/root/",
            "/Users/",
            "/tmp/",
            ".cargo/registry",
            ".rustup/",
        ] {
            let found = bytes
                .windows(place.len())
                .any(|part| part == place.as_bytes());
            assert!(!found, "{} contains {place}", guest.built);
        }
    }
}

#[test]
fn every_policy_that_comes_with_gatepost_passes_its_cases() {
    let policies = [
        ("rewrite-from", "{}"),
        // It is not loaded without a limit.
        ("rate-guard", r#"{"messages-per-hour":1}"#),
        ("working-hours", "{}"),
    ];
    for (name, settings) in policies {
        let cases = guests::root().join(format!("policies/{name}/cases.toml"));
        let cases = cases.display().to_string();
        let module = format!("builtin:{name}");
        let arguments = ["policy", "test", &module, &cases, "--settings", settings];
        let tested = gatepost_within(PATIENCE, &arguments);
        assert_eq!(tested.code, Some(0), "{name}: {tested:?}");
        assert!(tested.stdout.starts_with("ok: "), "{name}: {tested:?}");
    }
}
