//! Builds the WebAssembly guests of this workspace, the same bytes on every machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use wit_component::ComponentEncoder;

const TARGET: &str = "wasm32-unknown-unknown";

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ is in the workspace")
        .to_owned()
}

/// Builds one guest.
pub fn build(package: &str) -> anyhow::Result<Vec<u8>> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), PathBuf::from)
        .join("guests");
    let output = Command::new("cargo")
        .current_dir(root().join("policies"))
        .args([
            "build",
            "--locked",
            "--profile",
            "guest",
            "--target",
            TARGET,
            "-p",
            package,
        ])
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("RUSTUP_TOOLCHAIN")
        .output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let module = std::fs::read(
        target
            .join(TARGET)
            .join("guest")
            .join(package.replace('-', "_") + ".wasm"),
    )
    .context("module")?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)?
        .encode()
}
