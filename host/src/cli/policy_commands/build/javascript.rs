//! JavaScript: `componentize-js` takes a snapshot of an engine that has read `policy.js`.

use std::path::Path;

use super::Step;
use crate::cli::Failure;

/// Makes `policy.wasm`.
///
/// # Errors
/// When the toolchain is missing or the program wrong.
pub fn compile(folder: &Path) -> Result<(), Failure> {
    if !folder.join("node_modules").exists() {
        let hint = "install Node.js 20 or newer with npm; the first build needs the network";
        Step::new(folder, "npm", hint)
            .args(["install", "--no-audit", "--no-fund"])
            .run()?;
    }
    let hint = "what is wrong stands above; build.mjs can be changed as the project needs";
    Step::new(folder, "node", hint).args(["build.mjs"]).run()
}
