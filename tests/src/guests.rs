//! Builds the WebAssembly guests of this workspace: the same bytes on every machine.
//!
//! A guest is compiled by the pinned compiler of `policies/rust-toolchain.toml` and wrapped into a
//! component here, so that no other tool has to be installed. Nothing of where it is built may get
//! into the bytes: paths are remapped, the versions are locked, and what the environment says about
//! flags and profiles is ignored. Only so can a test prove that the shipped modules are what their
//! source says.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use wit_component::ComponentEncoder;

/// The target of every guest: WebAssembly without WASI.
const TARGET: &str = "wasm32-unknown-unknown";
/// The profile of the root `Cargo.toml` that guests are built with.
const PROFILE: &str = "guest";
/// Separates the flags of `CARGO_ENCODED_RUSTFLAGS`.
const FLAG_SEPARATOR: &str = "\u{1f}";

/// A guest whose bytes are in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The name of its package.
    pub package: &'static str,
    /// Where its bytes are, relative to the workspace.
    pub built: &'static str,
}

/// Every guest whose bytes are in the tree.
pub const GUESTS: [Guest; 7] = [
    Guest {
        package: "sender-rules",
        built: "policies/built/sender-rules.wasm",
    },
    Guest {
        package: "working-hours",
        built: "policies/built/working-hours.wasm",
    },
    Guest {
        package: "rate-guard",
        built: "policies/built/rate-guard.wasm",
    },
    Guest {
        package: "rewrite-from",
        built: "policies/built/rewrite-from.wasm",
    },
    Guest {
        package: "hostile",
        built: "tests/guests/built/hostile.wasm",
    },
    Guest {
        package: "inert",
        built: "tests/guests/built/inert.wasm",
    },
    Guest {
        package: "powers",
        built: "tests/guests/built/powers.wasm",
    },
];

impl Guest {
    /// The file with its bytes.
    pub fn path(&self) -> PathBuf {
        root().join(self.built)
    }

    /// The bytes in the tree.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn shipped(&self) -> anyhow::Result<Vec<u8>> {
        std::fs::read(self.path()).with_context(|| format!("reading {}", self.built))
    }

    /// Builds it and compares the bytes with those in the tree.
    ///
    /// # Errors
    ///
    /// It cannot be built, or the bytes differ; the text says what to run.
    pub fn check(&self) -> anyhow::Result<()> {
        let built = build(self.package)?;
        ensure!(
            built == self.shipped()?,
            "{} is not what the source of {} builds to\n\
             hint: run `cargo run -p gatepost-tests --bin build-policies` and commit the result",
            self.built,
            self.package,
        );
        Ok(())
    }
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ is a folder of the workspace")
        .to_owned()
}

/// Builds the guest in `package` of this workspace and returns the component.
///
/// # Errors
///
/// The compiler or its WebAssembly target is missing, with a hint how to install it; the guest does
/// not compile; it is not a policy.
pub fn build(package: &str) -> anyhow::Result<Vec<u8>> {
    let target_dir = target_dir();
    compile(package, &target_dir)?;
    let file = package.replace('-', "_") + ".wasm";
    let path = target_dir.join(TARGET).join(PROFILE).join(file);
    let module = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| encoder.encode())
        .with_context(|| format!("wrapping {package} into a component"))
}

/// A folder of its own, so that building a guest never waits for the build that runs the tests.
fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), PathBuf::from)
        .join("guests")
}

/// Runs Cargo in `policies/`, where `rust-toolchain.toml` chooses the compiler.
fn compile(package: &str, target_dir: &Path) -> anyhow::Result<()> {
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(root().join("policies"))
        .args(["build", "--quiet", "--locked", "--lib"])
        .args(["--profile", PROFILE, "--target", TARGET])
        .args(["--package", package])
        .arg("--target-dir")
        .arg(target_dir);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(changes_the_build) {
            cargo.env_remove(name);
        }
    }
    let flags = remappings(target_dir).join(FLAG_SEPARATOR.as_ref());
    let output = cargo
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .output()
        .context("running cargo")?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("building {package} failed:\n{message}{}", hint(&message));
    }
    Ok(())
}

/// True for what a surrounding Cargo, Clippy, rustup or shell says about how to compile.
fn changes_the_build(variable: &str) -> bool {
    variable.starts_with("CARGO_PROFILE_")
        || variable.starts_with("CARGO_TARGET_")
        || variable.starts_with("CARGO_BUILD_")
        || variable.starts_with("RUSTC")
        || matches!(
            variable,
            "RUSTFLAGS" | "RUSTUP_TOOLCHAIN" | "CARGO_INCREMENTAL"
        )
}

/// Flags that keep the places of this machine out of panic messages.
fn remappings(target_dir: &Path) -> Vec<OsString> {
    let home = |variable: &str, folder: &str| {
        std::env::var_os(variable).map_or_else(
            || std::env::home_dir().unwrap_or_default().join(folder),
            PathBuf::from,
        )
    };
    // The last match counts, so the folders that may lie in others come after them.
    let places = [
        (home("CARGO_HOME", ".cargo"), "/cargo"),
        (home("RUSTUP_HOME", ".rustup"), "/rustup"),
        (root(), "/gatepost"),
        (target_dir.to_owned(), "/target"),
    ];
    let remap = |(from, to): (PathBuf, &str)| {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(from);
        flag.push("=");
        flag.push(to);
        flag
    };
    places.into_iter().map(remap).collect()
}

/// What to do about a compiler that is not there.
fn hint(message: &str) -> &'static str {
    if message.contains("can't find crate for `core`")
        || message.contains("can't find crate for `std`")
        || message.contains("target may not be installed")
    {
        "hint: run `rustup target add wasm32-unknown-unknown` in policies/"
    } else if message.contains("is not installed") {
        "hint: run `rustup toolchain install` in policies/; it reads rust-toolchain.toml"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_target_is_told_with_what_to_run() {
        let cases = [
            (
                "error[E0463]: can't find crate for `core`",
                "rustup target add",
            ),
            (
                "the `wasm32-unknown-unknown` target may not be installed",
                "rustup target add",
            ),
            (
                "error: toolchain '1.95.0-x86_64-unknown-linux-gnu' is not installed",
                "rustup toolchain",
            ),
            ("error[E0308]: mismatched types", ""),
        ];
        for (message, expected) in cases {
            assert!(hint(message).contains(expected), "{message}");
            assert_eq!(hint(message).is_empty(), expected.is_empty(), "{message}");
        }
    }

    #[test]
    fn the_environment_cannot_change_the_build() {
        for name in [
            "RUSTFLAGS",
            "RUSTUP_TOOLCHAIN",
            "RUSTC_WRAPPER",
            "CARGO_PROFILE_GUEST_STRIP",
        ] {
            assert!(changes_the_build(name), "{name}");
        }
        for name in [
            "PATH",
            "HOME",
            "CARGO_HOME",
            "RUSTUP_HOME",
            "CARGO_NET_OFFLINE",
        ] {
            assert!(!changes_the_build(name), "{name}");
        }
    }
}
