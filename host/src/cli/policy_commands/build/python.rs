//! Python: `componentize-py` takes a snapshot of an interpreter that has read `policy.py`.

use std::path::Path;

use super::step::{Venv, has_script};
use crate::cli::Failure;

/// The version that is installed.
const PACKAGE: &str = "componentize-py==0.25.1";

/// Makes `policy.wasm`.
///
/// # Errors
/// When the toolchain is missing or the program wrong.
pub fn compile(folder: &Path) -> Result<(), Failure> {
    let venv = Venv::with(folder, PACKAGE)?;
    if has_script(folder) {
        return venv.script("what is wrong stands above").run();
    }
    let hint = "what is wrong stands above; the world is `policy` of wit/world.wit";
    // Without WASI: a policy has no files, clock, randomness or output.
    venv.step("componentize-py", hint)
        .args(["-d", "wit", "-w", "policy", "componentize", "--stub-wasi"])
        .args(["policy", "-o", super::BUILT])
        .run()
}
