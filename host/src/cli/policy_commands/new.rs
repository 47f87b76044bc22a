//! `gatepost policy new`: a project that builds and passes its cases at once.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::json;

use super::templates::{self, Language};
use crate::cli::{Failure, Output};

/// `gatepost policy new`
#[derive(Debug, clap::Args)]
pub struct New {
    /// The folder that is made; its last part is the policy's name, like subject-rules
    name: PathBuf,
    /// The language it is written in
    #[arg(long, value_enum)]
    lang: Lang,
}

/// A language as it is typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Lang {
    Rust,
    Python,
    #[value(alias = "javascript")]
    Js,
    C,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::Rust => Self::Rust,
            Lang::Python => Self::Python,
            Lang::Js => Self::JavaScript,
            Lang::C => Self::C,
        }
    }
}

/// Writes the project.
pub fn run(new: &New, output: Output) -> Result<ExitCode, Failure> {
    let folder = &new.name;
    let language = Language::from(new.lang);
    let name = name(folder)?;
    if folder.exists() {
        let text = format!("cannot make {}: it is there already", folder.display());
        return Err(Failure::message(text).hint("choose another name, or remove it"));
    }
    let mut files = Vec::new();
    for (file, content) in templates::files(language, name) {
        write(&folder.join(file), &content)?;
        files.push(file);
    }
    let value = json!({ "folder": folder, "language": language.as_str(), "files": files });
    output.print(&value, || text(folder, language))?;
    Ok(ExitCode::SUCCESS)
}

/// The last part of the path, when every tool takes it as a name.
fn name(folder: &Path) -> Result<&str, Failure> {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 64
        && name.chars().all(is_word);
    if is_name {
        return Ok(name);
    }
    let text = format!("`{name}` cannot be the name of a policy");
    Err(Failure::message(text).hint("use 1 to 64 of a-z 0-9 -, a letter first, like subject-rules"))
}

fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, content));
    written.map_err(|error| {
        Failure::from(anyhow::Error::new(error).context(format!("cannot write {}", path.display())))
    })
}

fn text(folder: &Path, language: Language) -> String {
    let folder = folder.display();
    format!(
        "made {folder}: a policy in {}, its logic is in {}\n\
         next: cd {folder}\n      \
         gatepost policy build\n      \
         gatepost policy test policy.wasm cases.toml\n      \
         and read README.md",
        language.as_str(),
        language.logic(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_every_tool_takes() {
        for good in ["a", "subject-rules", "some/where/rules-2"] {
            assert!(name(Path::new(good)).is_ok(), "{good}");
        }
        for bad in ["", "A", "2x", "a_b", "a b", "..", "a.b", "-a"] {
            assert!(name(Path::new(bad)).is_err(), "{bad}");
        }
    }
}
