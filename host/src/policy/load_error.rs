//! Why a policy could not be loaded, and what to do about it.

use std::path::PathBuf;
use std::time::Duration;

use super::bindings::exports::gatepost::policy::lifecycle::Problem;
use super::config::{Grant, PolicyConfig};
use super::failure::FailureKind;
use super::verdict::printable;

/// Settings problems that are listed; the rest is counted.
const LISTED_PROBLEMS: usize = 20;

/// The policies of a configuration could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A limit that concerns all policies is out of range.
    #[error("cannot load the policies: {0}")]
    Config(&'static str),
    /// WebAssembly cannot be run here at all.
    #[error("cannot start the WebAssembly engine: {0}")]
    Engine(String),
    /// One policy cannot be loaded.
    #[error("cannot load policy \"{policy}\" from {module}: {}: {problem}", problem.step())]
    Policy {
        /// The policy by its name in the configuration.
        policy: String,
        /// The module as the configuration names it.
        module: String,
        /// What is wrong with it.
        problem: LoadProblem,
    },
}

impl LoadError {
    /// What to do next, where there is something better to say than to read the error again.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config(_) | Self::Engine(_) => None,
            Self::Policy { problem, .. } => problem.hint(),
        }
    }
}

/// What is wrong with one policy.
#[derive(Debug, thiserror::Error)]
pub enum LoadProblem {
    /// The name is empty, too long or not one word.
    #[error("a policy's name is 1 to 64 of the characters A-Z a-z 0-9 . _ -")]
    BadName,
    /// An earlier entry has the same name.
    #[error("an earlier policy of the chain has the same name")]
    DuplicateName,
    /// A limit is out of range.
    #[error("{0}")]
    Limits(&'static str),
    /// The settings hold something JSON cannot express.
    #[error("the setting `{0}` is not a finite number, so it cannot be handed over as JSON")]
    NotJson(String),
    /// No built-in module has this name.
    #[error("there is no built-in module called `{0}`")]
    UnknownBuiltin(String),
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is larger than a component may be, in octets.
    #[error("the file is larger than {0} octets")]
    TooLarge(u64),
    /// The file's content is not the pinned one.
    #[error("the module's SHA-256 is {actual}, but sha256 = \"{pinned}\" is configured")]
    PinMismatch {
        /// What the configuration says.
        pinned: String,
        /// What the file has.
        actual: String,
    },
    /// The file is something else than a component.
    #[error("the file is not a WebAssembly component: it is {0}")]
    NotAComponent(FileKind),
    /// The component is damaged, or needs more than the engine gives.
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    /// Compiling was given up.
    #[error("the component was not compiled within {} s", .0.as_secs())]
    CompileTime(Duration),
    /// The component imports what there is not to be had.
    #[error("the component imports what this host does not provide: {}", .0.join(", "))]
    UnknownImports(Vec<String>),
    /// The component imports what the configuration does not grant it.
    #[error("the component imports {}, which its entry does not grant", interfaces(.0))]
    NotGranted(Vec<Grant>),
    /// The component lacks an interface every policy has.
    #[error("the component is not a policy: it does not export `{0}`")]
    MissingExport(String),
    /// An import or export has another type than the interface says.
    #[error("the component does not fit the interface gatepost:policy@0.1: {0}")]
    WrongShape(String),
    /// The policy failed when it was asked to introduce itself.
    #[error("its function `{function}` failed ({kind}): {detail}")]
    Call {
        /// The function.
        function: &'static str,
        /// How it failed.
        kind: FailureKind,
        /// More about it.
        detail: String,
    },
    /// The policy cannot use its settings; each problem with its JSON pointer.
    #[error("it refuses its settings: {}", .0.join("; "))]
    Settings(Vec<String>),
}

impl LoadProblem {
    /// The step of loading that failed, as logs and alerts name it.
    pub const fn step(&self) -> &'static str {
        match self {
            Self::BadName | Self::DuplicateName | Self::Limits(_) | Self::NotJson(_) => "config",
            Self::UnknownBuiltin(_) | Self::Read { .. } => "read",
            Self::TooLarge(_) => "size",
            Self::PinMismatch { .. } => "pin",
            Self::NotAComponent(_) => "format",
            Self::Compile(_) | Self::CompileTime(_) => "compile",
            Self::UnknownImports(_) | Self::NotGranted(_) => "imports",
            Self::MissingExport(_) | Self::WrongShape(_) => "probe",
            Self::Call { function, .. } => function,
            Self::Settings(_) => "validate-settings",
        }
    }

    pub(super) fn of(self, entry: &PolicyConfig) -> LoadError {
        LoadError::Policy {
            policy: printable(&entry.name, 64),
            module: printable(&entry.module, 500),
            problem: self,
        }
    }

    /// Lists what a policy finds wrong with its settings.
    pub(super) fn settings(problems: &[Problem]) -> Self {
        let mut lines: Vec<_> = problems.iter().take(LISTED_PROBLEMS).map(line).collect();
        if let Some(more) = problems.len().checked_sub(LISTED_PROBLEMS + 1) {
            lines.push(format!("and {} more", more + 1));
        }
        Self::Settings(lines)
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnknownBuiltin(_) => {
                let known = super::compile::builtins().map(|name| format!("`builtin:{name}`"));
                let known = known.collect::<Vec<_>>().join(", ");
                format!("use one of {known}, or the path of a component file")
            }
            Self::Read { .. } => {
                "a relative path is relative to the folder of the configuration file".to_owned()
            }
            Self::PinMismatch { actual, .. } => format!(
                "if this is the module you mean to run, set sha256 = \"{actual}\"; \
                 if not, find out who changed it"
            ),
            Self::NotAComponent(kind) => kind.hint().to_owned(),
            Self::UnknownImports(names) => imports_hint(names).to_owned(),
            Self::NotGranted(grants) => not_granted_hint(grants),
            Self::MissingExport(_) | Self::WrongShape(_) => {
                "build it for the world `message-policy` or `submission-policy` of wit/policy.wit"
                    .to_owned()
            }
            Self::Settings(_) => "correct `settings` of this entry of [[policy.chain]]".to_owned(),
            Self::Call {
                kind: FailureKind::Memory,
                ..
            } => "raise limits.memory-mib of this entry of [[policy.chain]]".to_owned(),
            Self::Compile(text) if text.contains("minimum byte size") => {
                "raise limits.memory-mib of this entry of [[policy.chain]]".to_owned()
            }
            Self::Compile(text) if text.contains("exceeds the ") => {
                "no policy needs so much of that; build it anew, or ask who made it".to_owned()
            }
            Self::CompileTime(_) => {
                "what compiles that long is damaged, hostile or very large; if it is \
                                     meant to, raise policy.compile-timeout-s"
                    .to_owned()
            }
            Self::Compile(_) => {
                "the file may be truncated: compare its size and build it again".to_owned()
            }
            _ => return None,
        };
        Some(hint)
    }
}

fn line(problem: &Problem) -> String {
    let path = match problem.path.as_str() {
        "" => "/",
        path => path,
    };
    format!(
        "{}: {}",
        printable(path, 200),
        printable(&problem.message, 500)
    )
}

fn imports_hint(names: &[String]) -> &'static str {
    if names.iter().any(|name| name.starts_with("wasi:")) {
        "a policy has no files, clock or network; build it without WASI: Rust for \
         wasm32-unknown-unknown, Python with `componentize-py … --stub-wasi`, JavaScript with \
         `componentize-js` and `disableFeatures` for every feature; TinyGo, C and Rust's std may be \
         lent one with nothing in it: wasi = \"inert\" (never sockets or HTTP)"
    } else {
        "a policy may import `log`, `counters`, `effects` and `content` of gatepost:policy@0.1 and \
         nothing else; if it was built for a later version, update this host"
    }
}

fn interfaces(grants: &[Grant]) -> String {
    let names = grants
        .iter()
        .map(|grant| format!("gatepost:policy/{grant}"));
    names.collect::<Vec<_>>().join(", ")
}

fn not_granted_hint(grants: &[Grant]) -> String {
    let names = grants.iter().map(|grant| format!("\"{grant}\""));
    let list = names.collect::<Vec<_>>().join(", ");
    format!(
        "if it is to have that power, add grants = [{list}] to this entry of [[policy.chain]]; \
         README.md says what each one allows"
    )
}

/// What a file is that is not a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Empty.
    Empty,
    /// A core WebAssembly module.
    CoreModule,
    /// Machine code compiled ahead of time.
    Precompiled,
    /// WebAssembly in its text form.
    Text,
    /// Nothing that is known here.
    Unknown,
}

impl FileKind {
    fn hint(self) -> &'static str {
        match self {
            Self::CoreModule => {
                "turn it into a component: `wasm-tools component new module.wasm -o policy.wasm`"
            }
            Self::Precompiled => {
                "machine code cannot be checked and is never loaded; use the .wasm it was compiled from"
            }
            Self::Text => "assemble it: `wasm-tools parse policy.wat -o policy.wasm`",
            Self::Empty | Self::Unknown => "check the path: a component begins with `\\0asm`",
        }
    }
}

impl std::fmt::Display for FileKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::CoreModule => "a core module",
            Self::Precompiled => "precompiled machine code",
            Self::Text => "WebAssembly text",
            Self::Unknown => "something else",
        })
    }
}
