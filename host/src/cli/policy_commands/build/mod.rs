//! `gatepost policy build`: from a project to `policy.wasm`, with the toolchain of its language.
//!
//! Every command is printed before it runs, so that it can be run by hand too. Rust and C make core
//! modules, which are wrapped into components here; the tools of Python and JavaScript make components. A project in Python
//! or C with a script `build` of its own, as the examples have, is built by that, with the same tools at hand.

mod c;
mod javascript;
mod python;
mod rust;
mod step;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use wit_component::ComponentEncoder;

use self::step::Step;
use super::Module;
use super::templates::Language;
use crate::cli::{Failure, Output};

/// The file that is made.
const BUILT: &str = "policy.wasm";

/// `gatepost policy build`
#[derive(Debug, clap::Args)]
pub struct Build {
    /// The folder of the project
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
}

/// Builds the project and loads what came of it.
pub async fn run(build: &Build, output: Output) -> Result<ExitCode, Failure> {
    let folder = &build.folder;
    // Not `./policy.wasm`: it is shown, and copied.
    let built = if folder == Path::new(".") {
        PathBuf::from(BUILT)
    } else {
        folder.join(BUILT)
    };
    match language(folder)? {
        Language::Rust => wrap(&rust::compile(folder)?, &built)?,
        Language::C if step::has_script(folder) => c::run_script(folder)?,
        Language::C => wrap(&c::compile(folder)?, &built)?,
        Language::Python => python::compile(folder)?,
        Language::JavaScript => javascript::compile(folder)?,
    }
    let size = std::fs::metadata(&built).map_err(|error| failed("cannot read", &built, error))?;
    let module = Module {
        file: built.to_string_lossy().into_owned(),
        ..Module::default()
    };
    let value = json!({ "module": module.file, "size-bytes": size.len() });
    output.print(&value, || format!("{}: {} octets", module.file, size.len()))?;
    // A policy may have settings that it cannot be without, so this is no failure of the build.
    if let Err(failure) = module.load().await {
        failure
            .context("built, but it cannot be loaded as it is")
            .report();
    }
    Ok(ExitCode::SUCCESS)
}

/// The language of the project, by the file that each has.
fn language(folder: &Path) -> Result<Language, Failure> {
    let found = Language::ALL
        .into_iter()
        .find(|language| folder.join(language.mark()).is_file());
    found.ok_or_else(|| {
        let marks: Vec<_> = Language::ALL
            .iter()
            .map(|language| language.mark())
            .collect();
        let text = format!(
            "{} has none of {}, so it is no project that can be built",
            folder.display(),
            marks.join(", ")
        );
        Failure::message(text).hint("make one with `gatepost policy new --lang rust my-rules`")
    })
}

/// Wraps a core module into a component.
fn wrap(module: &Path, built: &Path) -> Result<(), Failure> {
    let bytes = std::fs::read(module).map_err(|error| failed("cannot read", module, error))?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| {
            let text = format!("{error:#}");
            let hint = wrap_hint(&text);
            Failure::message(format!(
                "cannot make a component of {}: {text}",
                module.display()
            ))
            .hint(hint)
        })?;
    std::fs::write(built, component).map_err(|error| failed("cannot write", built, error))
}

fn wrap_hint(text: &str) -> &'static str {
    if text.contains("wasi_snapshot_preview1") {
        "something in it uses files, the clock, randomness or output, which a policy has not; \
         find it among what was added last"
    } else {
        "build it for a world of wit/policy.wit, such as `message-policy`"
    }
}

fn failed(what: &str, path: &Path, error: std::io::Error) -> Failure {
    anyhow::Error::new(error)
        .context(format!("{what} {}", path.display()))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_project_is_told_what_one_has() {
        let failure = language(Path::new("/no-such-folder")).expect_err("it is none");
        let text = format!("{failure:?}");
        assert!(
            text.contains("Cargo.toml") && text.contains("policy.c"),
            "{text}"
        );
    }

    #[test]
    fn a_module_that_needs_wasi_is_explained() {
        assert!(
            wrap_hint("module requires an import interface named `wasi_snapshot_preview1`")
                .contains("clock")
        );
        assert!(wrap_hint("no such thing").contains("message-policy"));
    }
}
