//! The configuration file: one TOML document, composed of each room's own section.
//!
//! Nobody but `app` reads the whole; unknown keys are errors, and every error says where it is.

mod check;
mod check_notify;
mod check_panel;
mod check_telemetry;
mod check_web;
#[cfg(test)]
mod reference;
mod reload;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use self::check::Problem;
pub use self::reload::Reload;
use crate::{
    accounts, admin, autoconfig, delivery, dkim, intake, listener, monitor, notify, policy,
    scheduler, smtp, store, submission, telemetry, tls, web,
};

/// Where the configuration is looked for when no `--config` is given; without any, defaults hold.
const USUAL_PLACES: [&str; 2] = ["gatepost.toml", "/etc/gatepost/gatepost.toml"];

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// The name of this relay: greeting, Received fields, EHLO to next hops. Default: the machine's name.
    pub hostname: String,
    /// Where everything is kept.
    pub store: store::Config,
    /// Where clients connect. Default: one listener on 25 and 1025–5000.
    pub listener: Vec<listener::Config>,
    /// The certificate.
    pub tls: tls::Config,
    /// Where HTTP is served.
    pub web: web::Config,
    /// Where the control panel is served.
    pub panel: admin::Config,
    /// Where metrics are served.
    pub monitor: monitor::Config,
    /// What clients that configure themselves are told.
    pub autoconfig: autoconfig::Config,
    /// What a client may ask for in a session.
    pub smtp: smtp::SessionConfig,
    /// How many sessions there may be, and how long they may wait.
    pub submission: submission::Config,
    /// How passwords are kept.
    pub accounts: accounts::Config,
    /// What is done to a message on its way in.
    pub intake: intake::Config,
    /// How much a user may send.
    pub limits: intake::LimitsConfig,
    /// When what is tried.
    pub scheduler: scheduler::Config,
    /// What this process is among those that share a store.
    pub node: scheduler::NodeConfig,
    /// Where messages go.
    pub delivery: delivery::Config,
    /// Which keys sign what leaves.
    pub dkim: dkim::Config,
    /// Which policies decide.
    pub policy: policy::Config,
    /// How alerts reach people and programs.
    pub notify: notify::Config,
    /// Where traces go, if anywhere.
    pub telemetry: telemetry::Config,
    /// When the files are read again.
    pub reload: Reload,
    /// The file it was read from; none for the built-in defaults.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// The folder of the file: relative paths start here.
    #[serde(skip)]
    pub folder: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hostname: default_hostname(),
            store: store::Config::default(),
            listener: vec![listener::Config::default()],
            tls: tls::Config::default(),
            web: web::Config::default(),
            panel: admin::Config::default(),
            monitor: monitor::Config::default(),
            autoconfig: autoconfig::Config::default(),
            smtp: smtp::SessionConfig::default(),
            submission: submission::Config::default(),
            accounts: accounts::Config::default(),
            intake: intake::Config::default(),
            limits: intake::LimitsConfig::default(),
            scheduler: scheduler::Config::default(),
            node: scheduler::NodeConfig::default(),
            delivery: delivery::Config::default(),
            dkim: dkim::Config::default(),
            policy: policy::Config::default(),
            notify: notify::Config::default(),
            telemetry: telemetry::Config::default(),
            reload: Reload::default(),
            file: None,
            folder: PathBuf::new(),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML, or has a key or value that we do not know.
    #[error("the configuration {} is not valid: line {line}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line, from 1; its text is left out, for it may hold a secret.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// The file is well-formed, but what it says cannot be.
    #[error("the configuration {} cannot be used: {problem}", path.display())]
    Check {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: Problem,
    },
}

impl ConfigError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "name an existing file with --config".to_owned(),
            Self::Parse { .. } => "every key is documented in examples/config/full.toml".to_owned(),
            Self::Check { problem, .. } => problem.hint.clone(),
        }
    }
}

impl Config {
    /// Reads the file that was named, or the first that exists at a usual place, or takes the defaults.
    ///
    /// # Errors
    /// When the file cannot be read, parsed or used.
    pub fn load(named: Option<&Path>) -> Result<Self, ConfigError> {
        let usual = || {
            USUAL_PLACES
                .iter()
                .map(PathBuf::from)
                .find(|path| path.exists())
        };
        match named.map(Path::to_owned).or_else(usual) {
            Some(path) => Self::read(&path),
            None => Ok(Self {
                panel: admin::Config::embedded(),
                ..Self::default()
            }),
        }
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut config = Self::parse(&text, folder).map_err(|error| error.at(path))?;
        config.file = Some(path.to_owned());
        Ok(config)
    }

    /// Parses and checks; relative paths are taken from `folder`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str, folder: PathBuf) -> Result<Self, TextError> {
        let mut config: Self =
            toml::from_str(text).map_err(|error| TextError::parse(text, &error))?;
        config.folder = folder;
        config.resolve_paths();
        config.check().map_err(TextError::Check)?;
        Ok(config)
    }

    /// Finds what is well-formed but cannot be meant.
    ///
    /// # Errors
    /// The first problem.
    pub fn check(&self) -> Result<(), Problem> {
        check::check(self)
    }

    fn resolve_paths(&mut self) {
        let folder = self.folder.clone();
        self.store.url = store_url(&folder, self.store.url.expose()).into();
        self.store.search_index = folder.join(&self.store.search_index);
        self.delivery.maildir = folder.join(&self.delivery.maildir);
        let paths = self.tls.paths_mut().chain(&mut self.delivery.ca_file);
        let paths = paths.chain(&mut self.notify.ca_file);
        let paths = paths.chain(&mut self.telemetry.ca_file);
        let paths = paths.chain(&mut self.store.root_certificate);
        for path in paths.chain(self.dkim.paths_mut()) {
            *path = folder.join(&*path);
        }
    }

    /// The file itself, if there is one, and the certificates, keys and policy modules it names.
    pub fn files(&self) -> Vec<PathBuf> {
        let named = self.file.iter().chain(self.tls.paths());
        let named = named.chain(self.dkim.paths()).cloned();
        named.chain(self.policy.files(&self.folder)).collect()
    }

    /// Where compiled policies are kept; none when they are not to be.
    pub fn policy_cache_folder(&self) -> Option<PathBuf> {
        match &self.policy.cache_folder {
            Some(folder) if folder.as_os_str().is_empty() => None,
            Some(folder) => Some(self.folder.join(folder)),
            None => Some(self.data_folder().join("policy-cache")),
        }
    }

    /// The folder of the store, where the self-signed certificate is kept too.
    pub fn data_folder(&self) -> PathBuf {
        let url = self.store.url.expose();
        let path = url.strip_prefix("sqlite://").map(Path::new);
        path.and_then(Path::parent)
            .map_or_else(|| self.folder.clone(), Path::to_owned)
    }
}

/// Why a configuration text cannot be used.
#[derive(Debug)]
pub enum TextError {
    /// It does not parse.
    Parse {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// It contradicts itself.
    Check(Problem),
}

impl TextError {
    fn parse(text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..start]
            .iter()
            .filter(|&&octet| octet == b'\n')
            .count()
            + 1;
        Self::Parse {
            line,
            message: error.message().to_owned(),
        }
    }

    fn at(self, path: &Path) -> ConfigError {
        let path = path.to_owned();
        match self {
            Self::Parse { line, message } => ConfigError::Parse {
                path,
                line,
                message,
            },
            Self::Check(problem) => ConfigError::Check { path, problem },
        }
    }
}

/// A relative SQLite path starts at the folder of the file, not where the program was started.
fn store_url(folder: &Path, url: &str) -> String {
    match url.strip_prefix("sqlite://") {
        Some(path) => format!("sqlite://{}", folder.join(path).display()),
        None => url.to_owned(),
    }
}

fn default_hostname() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name
    }
}
