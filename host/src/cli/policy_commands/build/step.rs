//! One command of a build: printed, run, and explained when it cannot be.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cli::Failure;

/// A command that is run in the folder of the project.
pub struct Step {
    command: Command,
    /// What to do when the program is missing, or fails.
    hint: &'static str,
}

impl Step {
    /// Runs `program` in `folder`; one with a path is relative to the folder.
    pub fn new(folder: &Path, program: impl AsRef<OsStr>, hint: &'static str) -> Self {
        let mut command = Command::new(program);
        command.current_dir(folder).stdin(Stdio::null());
        Self { command, hint }
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it; what it says goes to standard error.
    ///
    /// # Errors
    /// When it cannot be started or fails.
    pub fn run(mut self) -> Result<(), Failure> {
        self.command.stdout(Stdio::from(std::io::stderr()));
        self.print();
        let status = self.command.status().map_err(|error| self.failed(error))?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::message(format!("`{}` failed ({status})", self.line())).hint(self.hint))
    }

    /// Runs it, and returns what it wrote to standard output.
    ///
    /// # Errors
    /// When it cannot be started or fails.
    pub fn read(mut self) -> Result<String, Failure> {
        self.command.stderr(Stdio::inherit());
        self.print();
        let output = self.command.output().map_err(|error| self.failed(error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let text = format!("`{}` failed ({})", self.line(), output.status);
        Err(Failure::message(text).hint(self.hint))
    }

    fn print(&self) {
        eprintln!("$ {}", self.line());
    }

    fn line(&self) -> String {
        let program = self.command.get_program();
        let words = std::iter::once(program).chain(self.command.get_args());
        let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
        let folder = self.command.get_current_dir().map(std::path::absolute);
        let line = words.join(" ");
        match folder {
            Some(Ok(folder)) => line.replacen(&format!("{}/", folder.display()), "", 1),
            _ => line,
        }
    }

    fn failed(&self, error: std::io::Error) -> Failure {
        let program = self.command.get_program().to_string_lossy();
        Failure::from(anyhow::Error::new(error).context(format!("cannot run {program}")))
            .hint(self.hint)
    }
}

/// A script that makes `policy.wasm`, of a project that is built in its own way.
const SCRIPT: &str = "build";

/// Whether the project has one.
pub fn has_script(folder: &Path) -> bool {
    folder.join(SCRIPT).is_file()
}

/// What a package of Python is installed into; the first build makes it.
pub struct Venv {
    folder: PathBuf,
}

const PYTHON_HINT: &str =
    "install Python 3.10 or newer with its venv module, on Debian `apt install python3-venv`";
const PIP_HINT: &str = "the first build needs the network; a proxy is told to pip by HTTPS_PROXY";

impl Venv {
    /// The project's, with `package` in it, like `ziglang==0.17.1`.
    ///
    /// # Errors
    /// When Python is missing or the package cannot be installed.
    pub fn with(folder: &Path, package: &str) -> Result<Self, Failure> {
        let venv = Self {
            folder: folder.to_owned(),
        };
        if !folder.join(".venv").exists() {
            Step::new(folder, "python3", PYTHON_HINT)
                .args(["-m", "venv", ".venv"])
                .run()?;
        }
        let installed = folder.join(".venv").join(format!(".{package}"));
        if !installed.exists() {
            venv.step("python", PIP_HINT)
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                ])
                .args([package])
                .run()?;
            std::fs::write(&installed, "")
                .map_err(|error| super::failed("cannot write", &installed, error))?;
        }
        Ok(venv)
    }

    /// A command of a program that is installed there.
    pub fn step(&self, program: &str, hint: &'static str) -> Step {
        Step::new(&self.folder, self.programs().join(program), hint)
    }

    /// The project's own script, which finds what is installed there before anything else.
    pub fn script(&self, hint: &'static str) -> Step {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places = std::iter::once(self.programs()).chain(std::env::split_paths(&path));
        let step = Step::new(&self.folder, format!("./{SCRIPT}"), hint);
        match std::env::join_paths(places) {
            Ok(path) => step.env("PATH", path),
            // A folder with a separator in its name cannot stand in it.
            Err(_) => step,
        }
    }

    /// The current folder of a new process does not count for finding it, so this is an absolute path.
    fn programs(&self) -> PathBuf {
        let bin = if cfg!(windows) { "Scripts" } else { "bin" };
        let programs = self.folder.join(".venv").join(bin);
        std::path::absolute(&programs).unwrap_or(programs)
    }
}
