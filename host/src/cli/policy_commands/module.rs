//! The module a command is about: a file or a built-in, with settings.

use std::path::Path;

use clap::Args;

use crate::app::StartError;
use crate::cli::Failure;
use crate::policy::{Grant, PolicyConfig, Wasi, Workbench};

/// A module and what it is given, as an entry of `[[policy.chain]]` says it.
#[derive(Debug, Default, Args)]
pub struct Module {
    /// The component file, or `builtin:sender-rules`
    #[arg(value_name = "FILE")]
    pub file: String,
    /// Its settings: a TOML or JSON file, or JSON like '{"unauthorized":"alert"}'
    #[arg(long, value_name = "FILE|JSON")]
    pub settings: Option<String>,
    /// The part of WASI it may import: none, or inert, for languages that cannot start without [default: none]
    #[arg(long, value_name = "TIER")]
    pub wasi: Option<Wasi>,
}

impl Module {
    /// The entry of a chain that says the same.
    ///
    /// # Errors
    /// When the settings cannot be read.
    pub fn entry(&self) -> Result<PolicyConfig, Failure> {
        let mut entry = PolicyConfig::new(policy_name(&self.file), &self.file);
        // Tried out, it does no more than say what it wants to do.
        entry.grants = Grant::ALL.to_vec();
        entry.wasi = self.wasi.unwrap_or_default();
        if let Some(settings) = &self.settings {
            entry.settings = read_settings(settings)?;
        }
        Ok(entry)
    }

    /// Loads it, as a relay does.
    ///
    /// # Errors
    /// When the settings cannot be read, or the module not loaded.
    pub async fn load(&self) -> Result<Workbench, Failure> {
        self.load_granted(&Grant::ALL).await
    }

    /// The same with no more than these powers.
    ///
    /// # Errors
    /// When the settings cannot be read, or the module not loaded.
    pub async fn load_granted(&self, grants: &[Grant]) -> Result<Workbench, Failure> {
        let mut entry = self.entry()?;
        entry.grants = grants.to_vec();
        let loaded = Workbench::load(&entry, Path::new("")).await;
        let is_there = self.file.starts_with("builtin:") || Path::new(&self.file).exists();
        loaded.map_err(|error| match Failure::from(StartError::from(error)) {
            failure if is_there => failure,
            failure => failure.hint("`gatepost policy build` makes policy.wasm of a project"),
        })
    }
}

/// What logs and rules call the module: its file's name, as far as a policy may be called so.
pub fn policy_name(file: &str) -> String {
    let file = file.strip_prefix("builtin:").unwrap_or(file);
    let stem = Path::new(file).file_stem().unwrap_or_default();
    let is_word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let word: String = stem
        .to_string_lossy()
        .chars()
        .map(|c| if is_word(c) { c } else { '-' })
        .take(64)
        .collect();
    if word.is_empty() {
        "policy".to_owned()
    } else {
        word
    }
}

fn read_settings(settings: &str) -> Result<toml::Table, Failure> {
    if settings.trim_start().starts_with('{') {
        return from_json(settings, "--settings");
    }
    let text = std::fs::read_to_string(settings).map_err(|error| {
        Failure::from(anyhow::Error::new(error).context(format!("cannot read {settings}")))
            .hint("name a TOML or JSON file, or write JSON like '{\"unauthorized\":\"alert\"}'")
    })?;
    if text.trim_start().starts_with('{') {
        return from_json(&text, settings);
    }
    toml::from_str(&text).map_err(|error| invalid(settings, error))
}

fn from_json(text: &str, place: &str) -> Result<toml::Table, Failure> {
    serde_json::from_str(text).map_err(|error| invalid(place, error))
}

fn invalid(place: &str, error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::from(
        anyhow::Error::new(error).context(format!("the settings of {place} are not valid")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_called_as_its_file() {
        let cases = [
            ("builtin:sender-rules", "sender-rules"),
            ("/a/b/my policy.wasm", "my-policy"),
            ("x.y.wasm", "x.y"),
            ("", "policy"),
        ];
        for (file, expected) in cases {
            assert_eq!(policy_name(file), expected, "{file}");
        }
    }

    #[test]
    fn settings_are_toml_or_json() {
        let table = read_settings(r#"{"check": ["from"], "unauthorized": "alert"}"#).expect("JSON");
        assert_eq!(table["unauthorized"].as_str(), Some("alert"));
        let folder = std::env::temp_dir().join(format!("gatepost-settings-{}", std::process::id()));
        for (text, expected) in [
            ("unauthorized = 'alert'\n", Some("alert")),
            ("{\"unauthorized\": \"block\"}", Some("block")),
            ("unauthorized: alert", None),
        ] {
            std::fs::write(&folder, text).expect("a temporary file");
            let read = read_settings(&folder.to_string_lossy());
            let found = read.ok().map(|table| table["unauthorized"].to_string());
            assert_eq!(
                found,
                expected.map(|value| format!("\"{value}\"")),
                "{text}"
            );
        }
        std::fs::remove_file(&folder).expect("it was written");
        assert!(read_settings("no-such-file.toml").is_err());
    }
}
