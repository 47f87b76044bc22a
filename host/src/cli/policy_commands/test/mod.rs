//! `gatepost policy test`: asks a module what cases ask, and compares.

mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::ValueEnum;

use self::report::{Checked, Result};
use super::Module;
use super::cases::{self, Asked, Case, Outcome};
use crate::cli::{Failure, Output};
use crate::policy::{Content, Workbench};

/// `gatepost policy test`
#[derive(Debug, clap::Args)]
pub struct Test {
    #[command(flatten)]
    module: Module,
    /// Files of cases, or folders with such files; wit/TESTING.md documents them
    #[arg(required = true, value_name = "CASES")]
    cases: Vec<PathBuf>,
    /// Only cases whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// How to print what came
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// What differs, and a summary
    Human,
    /// Every case with everything that came
    Json,
    /// The XML that build servers read
    Junit,
}

/// Runs the cases; fails when one differs.
pub async fn run(test: &Test, output: Output) -> std::result::Result<ExitCode, Failure> {
    let mut files = Vec::new();
    for path in &test.cases {
        files.extend(case_files(path)?);
    }
    let mut cases = Vec::new();
    for file in files {
        for case in read(&file)? {
            let is_meant = |only: &String| case.name.contains(only.as_str());
            if test.only.as_ref().is_none_or(is_meant) {
                cases.push((file.clone(), case));
            }
        }
    }
    if cases.is_empty() {
        return Err(Failure::message("no case has such a name").hint("leave out --only"));
    }
    let bench = test.module.load().await?;
    let mut checked = Vec::new();
    for (file, case) in cases {
        checked.push(Checked {
            result: check(&bench, &case).await,
            file,
            name: case.name,
        });
    }
    let format = match (test.format, output) {
        (Format::Human, Output::Json) => Format::Json,
        (format, _) => format,
    };
    report::print(format, &test.module.file, &checked)?;
    let all_passed = checked.iter().all(Checked::passed);
    Ok(ExitCode::from(u8::from(!all_passed)))
}

/// The file itself, or the `.toml` files of the folder in the order of their names.
fn case_files(path: &Path) -> std::result::Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = |error: std::io::Error| {
        Failure::from(anyhow::Error::new(error).context(format!("cannot read {}", path.display())))
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        let text = format!("the folder {} has no .toml file", path.display());
        return Err(Failure::message(text));
    }
    Ok(files)
}

fn read(file: &Path) -> std::result::Result<Vec<Case>, Failure> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::from(anyhow::Error::new(error).context(format!("cannot read {name}")))
    })?;
    let folder = file.parent().unwrap_or(Path::new(""));
    cases::read(&text, folder).map_err(|error| {
        Failure::from(
            anyhow::Error::new(error).context(format!("the cases of {name} are not valid")),
        )
        .hint("wit/TESTING.md documents every key")
    })
}

/// Asks what the case asks.
async fn check(bench: &Workbench, case: &Case) -> Result {
    let settings = match settings(bench, case).await {
        Ok(Some(settings)) => settings,
        Ok(None) => return Result::refused_settings(),
        Err(difference) => return Result::failed(difference),
    };
    let request = match case.form.question(&settings) {
        Ok(Asked::Question(request)) => request,
        Ok(Asked::Refused(rejection)) => {
            let reply = rejection.reply.to_string();
            let reply = reply.trim_end();
            return Result::failed(format!(
                "the relay refuses this message itself, before it asks a policy: {reply}"
            ));
        }
        Err(problem) => return Result::failed(problem),
    };
    let content = case
        .form
        .raw()
        .map(|octets| -> Arc<dyn Content> { Arc::new(octets) });
    let Some(trial) = bench.ask_about(&request, content).await else {
        return Result::failed("the module has no envelope-stage".to_owned());
    };
    let outcome = Outcome::of(&trial);
    Result {
        differences: case.expect.differences(&outcome),
        outcome: Some(outcome),
    }
}

/// The settings of the case; none when they are refused as expected.
async fn settings(bench: &Workbench, case: &Case) -> std::result::Result<Option<Arc<str>>, String> {
    let own = case.form.settings.as_ref();
    let checked = match own {
        None => Ok(bench.settings()),
        Some(table) => bench.check_settings(table).await,
    };
    match (checked, case.expect.settings_problem()) {
        (Ok(settings), None) => Ok(Some(settings)),
        (Err(problem), None) => Err(problem.to_string()),
        (Ok(_), Some(expected)) => Err(format!(
            "settings: expected a problem with `{expected}`, got none"
        )),
        (Err(problem), Some(expected)) if problem.to_string().contains(expected) => Ok(None),
        (Err(problem), Some(expected)) => {
            Err(format!("settings: expected `{expected}` in `{problem}`"))
        }
    }
}
