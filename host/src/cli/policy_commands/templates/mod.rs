//! The projects that `gatepost policy new` writes, one for each language: the same policy in all.

use std::borrow::Cow;

/// A language with a template and a toolchain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Rust,
    Python,
    JavaScript,
    C,
}

impl Language {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Rust, Self::Python, Self::JavaScript, Self::C];

    /// What people call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
            Self::C => "C",
        }
    }

    /// The file with the logic.
    pub const fn logic(self) -> &'static str {
        match self {
            Self::Rust => "src/lib.rs",
            Self::Python => "policy.py",
            Self::JavaScript => "policy.js",
            Self::C => "policy.c",
        }
    }

    /// The file by which a project of the language is known.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Python => "policy.py",
            Self::JavaScript => "package.json",
            Self::C => "policy.c",
        }
    }

    /// What has to be installed to build it.
    const fn needs(self) -> &'static str {
        match self {
            Self::Rust => {
                "Rust (https://rustup.rs) and its WebAssembly target: `rustup target add wasm32-unknown-unknown`"
            }
            Self::Python => {
                "Python 3.10 or newer with venv. It installs componentize-py into `.venv` the first time, and takes \
                 half a minute"
            }
            Self::JavaScript => {
                "Node.js 20 or newer with npm. It installs componentize-js into `node_modules` the first time, and \
                 takes half a minute"
            }
            Self::C => {
                "Python 3 with venv: it installs the compiler, `ziglang`, into `.venv` the first time"
            }
        }
    }

    /// What is special about it.
    const fn notes(self) -> &'static str {
        match self {
            Self::Rust => {
                "- Any crate will do that needs no clock, files, threads or randomness.\n"
            }
            Self::Python => {
                "- Pure Python packages can be used: install them into `.venv`, and `build` takes them along. The clock and\n  \
                 randomness stand still: they are as they were when it was built.\n- The names of the interface: \
                 `.venv/bin/componentize-py -d wit -w policy bindings out`.\n"
            }
            Self::JavaScript => {
                "- The clock and randomness stand still: `Date.now()` is when it was built. Packages from npm need a bundler\n  \
                 that makes one file of them.\n"
            }
            Self::C => {
                "- The C library is there, except for what needs files, a clock or output: without them the component needs\n  \
                 nothing that a policy has not. `full_message_policy.h` has all types and functions of the\n  interface; a component asks for the powers that it uses.\n\
                 - Everything that is returned is freed by the caller: return copies on the heap.\n"
            }
        }
    }

    /// How a policy comes by more than deciding.
    const fn powers(self) -> &'static str {
        match self {
            Self::C => "",
            _ => {
                "- `wit/world.wit` says what the policy may do: to count, to change messages or to read their bodies, take\n  \
                 an import in, and grant it in the configuration.\n"
            }
        }
    }

    /// The settings in the example of the configuration.
    const fn settings(self) -> &'static str {
        match self {
            Self::C => "",
            _ => "settings = { min-subject = 1 }\n",
        }
    }

    /// The third of the cases.
    const fn third_case(self) -> &'static str {
        match self {
            Self::C => {
                "[[case]]\nname = \"settings are refused: there are none\"\nsettings = { min-subject = 3 }\n\
                 expect = { settings-problem = \"unknown field\" }"
            }
            _ => {
                "[[case]]\nname = \"a misspelled setting is refused\"\nsettings = { minsubject = 3 }\n\
                 expect = { settings-problem = \"unknown field\" }"
            }
        }
    }
}

macro_rules! text {
    ($path:literal) => {
        ($path, Cow::Borrowed(include_str!($path)))
    };
}

/// The files of a project, by their paths in it.
pub fn files(language: Language, name: &str) -> Vec<(&'static str, Vec<u8>)> {
    let filled = |(path, text): (&'static str, Cow<'static, str>)| {
        (place(path), fill(&text, language, name).into_bytes())
    };
    let common = [
        text!("README.md"),
        text!("cases.toml"),
        text!("message.eml"),
        text!("gitignore"),
    ];
    let mut files: Vec<_> = common
        .into_iter()
        .chain(own(language))
        .map(filled)
        .collect();
    files.extend(INTERFACE.map(|(path, text)| (path, text.as_bytes().to_vec())));
    if language != Language::C {
        files.push(("wit/world.wit", include_bytes!("world.wit").to_vec()));
    } else {
        let component_type = include_bytes!("c/full_message_policy_component_type.o");
        files.push((
            "full_message_policy_component_type.o",
            component_type.to_vec(),
        ));
    }
    files
}

/// The interface with its documentation.
const INTERFACE: [(&str, &str); 3] = [
    (
        "wit/policy.wit",
        include_str!("../../../../../wit/policy.wit"),
    ),
    ("wit/FACTS.md", include_str!("../../../../../wit/FACTS.md")),
    (
        "wit/TESTING.md",
        include_str!("../../../../../wit/TESTING.md"),
    ),
];

fn own(language: Language) -> Vec<(&'static str, Cow<'static, str>)> {
    match language {
        Language::Rust => vec![
            text!("rust/Cargo.toml"),
            text!("rust/Cargo.lock"),
            text!("rust/src/lib.rs"),
        ],
        Language::Python => vec![text!("python/policy.py")],
        Language::JavaScript => vec![
            text!("javascript/package.json"),
            text!("javascript/package-lock.json"),
            text!("javascript/build.mjs"),
            text!("javascript/policy.js"),
        ],
        Language::C => vec![
            text!("c/policy.c"),
            text!("c/full_message_policy.c"),
            text!("c/full_message_policy.h"),
        ],
    }
}

/// Where a template goes in the project.
fn place(path: &'static str) -> &'static str {
    if path == "gitignore" {
        return ".gitignore";
    }
    let folders = ["rust/", "python/", "javascript/", "c/"];
    let inside = folders.iter().find_map(|folder| path.strip_prefix(folder));
    inside.unwrap_or(path)
}

fn fill(text: &str, language: Language, name: &str) -> String {
    text.replace("{{name}}", name)
        .replace("{{language}}", language.as_str())
        .replace("{{logic}}", language.logic())
        .replace("{{needs}}", language.needs())
        .replace("{{settings}}", language.settings())
        .replace("{{third}}", language.third_case())
        .replace("{{powers}}", language.powers())
        .replace("{{notes}}", language.notes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_project_is_complete_and_filled_in() {
        for language in Language::ALL {
            let files = files(language, "my-rules");
            let paths: Vec<_> = files.iter().map(|(path, _)| *path).collect();
            for path in [
                language.mark(),
                language.logic(),
                "cases.toml",
                ".gitignore",
            ] {
                assert!(paths.contains(&path), "{language:?}: {path}");
            }
            for (path, content) in &files {
                let text = String::from_utf8_lossy(content);
                assert!(!text.contains("{{"), "{language:?}: {path}");
            }
        }
    }

    #[test]
    fn every_project_has_three_cases() {
        for language in Language::ALL {
            let files = files(language, "my-rules");
            let cases = files.iter().find(|(path, _)| *path == "cases.toml");
            let text = String::from_utf8_lossy(&cases.expect("it has cases").1).into_owned();
            let read = crate::cli::policy_commands::cases::read(&text, std::path::Path::new(""));
            assert_eq!(read.expect("they are valid").len(), 3, "{language:?}");
        }
    }
}
