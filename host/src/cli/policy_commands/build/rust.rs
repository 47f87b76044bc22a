//! Rust: Cargo, for a target without an operating system.

use std::path::{Path, PathBuf};

use super::Step;
use crate::cli::Failure;

/// The target without WASI.
const TARGET: &str = "wasm32-unknown-unknown";
/// Separates the flags of `CARGO_ENCODED_RUSTFLAGS`.
const FLAG_SEPARATOR: &str = "\u{1f}";

/// Makes a core module and returns its path.
///
/// # Errors
/// When the toolchain is missing or the program wrong.
pub fn compile(folder: &Path) -> Result<PathBuf, Failure> {
    let no_rust = "install Rust from https://rustup.rs";
    let library = Step::new(folder, "rustc", no_rust)
        .args(["--print", "target-libdir", "--target", TARGET])
        .read()?;
    if !Path::new(library.trim()).exists() {
        let text = format!("the compiler has no standard library for {TARGET}");
        return Err(Failure::message(text).hint("run `rustup target add wasm32-unknown-unknown`"));
    }
    let hint = "what is wrong stands above";
    let mut cargo = Step::new(folder, "cargo", hint)
        .args(["build", "--release", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics"]);
    if std::env::var_os("RUSTFLAGS").is_none() {
        cargo = cargo.env("CARGO_ENCODED_RUSTFLAGS", remappings(folder));
    }
    let messages = cargo.read()?;
    module(&messages).ok_or_else(|| {
        Failure::message("cargo made no WebAssembly module")
            .hint("Cargo.toml needs `crate-type = [\"cdylib\"]` under [lib]")
    })
}

/// Keeps the places of this machine out of panic messages.
fn remappings(folder: &Path) -> String {
    let home = std::env::home_dir().unwrap_or_default();
    let of = |variable: &str, folder: &str| {
        std::env::var_os(variable).map_or_else(|| home.join(folder), PathBuf::from)
    };
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let places = [
        (of("CARGO_HOME", ".cargo"), "/cargo"),
        (of("RUSTUP_HOME", ".rustup"), "/rustup"),
        (folder, "/policy"),
    ];
    let flags = places.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    flags.join(FLAG_SEPARATOR)
}

/// The module that Cargo says it made last: the project's own comes after its dependencies'.
fn module(messages: &str) -> Option<PathBuf> {
    messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let files = message["filenames"].as_array()?.iter();
        let mut paths = files.filter_map(|file| file.as_str()).map(PathBuf::from);
        paths.find(|file| file.extension().is_some_and(|end| end == "wasm"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_module_that_cargo_names_is_the_projects() {
        let messages = "{\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/a.rlib\"]}\n\
                        {\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/b.rlib\",\"/t/b.wasm\"]}\n\
                        {\"reason\":\"build-finished\",\"success\":true}\nno JSON\n";
        assert_eq!(module(messages), Some(PathBuf::from("/t/b.wasm")));
        assert_eq!(module("{}"), None);
    }
}
