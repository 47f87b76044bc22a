//! Where the store lies and what it may use.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::StoreError;

/// The `[store]` section.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// The database: `sqlite://` and a path, or `postgres://` and a server. Default `sqlite://gatepost.db`.
    pub url: StoreUrl,
    /// How a server is talked to. Default: as the URL says with `sslmode`, otherwise encrypted and checked
    /// unless it is on this machine.
    #[serde(rename = "tls")]
    pub database_tls: Option<DatabaseTls>,
    /// The authority that a server's certificate is to come from, a PEM file. Default: those that browsers trust.
    pub root_certificate: Option<PathBuf>,
    /// How long to wait for a connection to a server, in seconds. Default 5.
    pub connect_timeout_s: u32,
    /// How long a statement may take on a server, in seconds. Default 30: the longest are some purges.
    pub statement_timeout_s: u32,
    /// The search index of a node that shares a server; a store in a file has it beside itself. Default
    /// `gatepost.search`.
    pub search_index: PathBuf,
    /// How long finished messages and their attempts are kept, in days. Default 7: a week's questions.
    pub keep_finished_days: u32,
    /// How long alerts are kept after they last happened, in days. Default 30.
    pub keep_alerts_days: u32,
    /// How long sums of each hour are kept, in days. Default 35: a month to look at closely.
    pub keep_hourly_statistics_days: u32,
    /// How long sums of each day are kept, in days. Default 400: this month beside that of a year ago.
    pub keep_daily_statistics_days: u32,
    /// How long to wait for another process that writes, in seconds. Default 10: longer than any
    /// administrative command, shorter than a client's patience.
    pub busy_timeout_s: u32,
    /// Jobs in one transaction. Default 256: beyond it a larger group no longer spares much.
    pub max_batch_jobs: usize,
    /// Octets of content in one transaction. Default 4 MiB, so that nobody waits long for a large one.
    pub max_batch_octets: usize,
    /// Jobs waiting for the writer. Default 1,024.
    pub max_waiting_jobs: usize,
    /// Octets of content waiting for the writer. Default 16 MiB; whoever brings more waits.
    pub max_waiting_octets: usize,
    /// Connections that read. Default 4: each costs a thread and its cache.
    pub readers: u32,
    /// How long to wait for a connection that reads, in seconds. Default 10.
    pub reader_wait_s: u32,
    /// Page cache of the writer, in KiB. Default 16 MiB: the pages of messages in flight.
    pub writer_cache_kib: u32,
    /// Page cache of each reader, in KiB. Default 2 MiB.
    pub reader_cache_kib: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "sqlite://gatepost.db".into(),
            database_tls: None,
            root_certificate: None,
            connect_timeout_s: 5,
            statement_timeout_s: 30,
            search_index: PathBuf::from("gatepost.search"),
            keep_finished_days: 7,
            keep_alerts_days: 30,
            keep_hourly_statistics_days: 35,
            keep_daily_statistics_days: 400,
            busy_timeout_s: 10,
            max_batch_jobs: 256,
            max_batch_octets: 4 * 1024 * 1024,
            max_waiting_jobs: 1024,
            max_waiting_octets: 16 * 1024 * 1024,
            readers: 4,
            reader_wait_s: 10,
            writer_cache_kib: 16 * 1024,
            reader_cache_kib: 2 * 1024,
        }
    }
}

impl Config {
    /// The path of the database file.
    ///
    /// # Errors
    /// The URL names another kind of database, no file, or a file with parameters.
    pub fn path(&self) -> Result<PathBuf, StoreError> {
        let url = self.url.expose();
        let scheme = url.split(':').next().unwrap_or_default();
        if scheme != "sqlite" || !url.contains(':') {
            // Only the scheme is shown: the rest may hold a password.
            return Err(StoreError::Unsupported {
                scheme: scheme.to_owned(),
            });
        }
        let path = url.trim_start_matches("sqlite:");
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.starts_with(':') || path.contains('?') {
            return Err(StoreError::MalformedUrl {
                url: url.to_owned(),
            });
        }
        Ok(PathBuf::from(path))
    }

    pub(super) fn busy_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.busy_timeout_s))
    }
}

/// Where the database is. It shows itself without what is secret in it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct StoreUrl(String);

/// How a server is talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseTls {
    /// Not encrypted.
    Disable,
    /// Encrypted, whoever it is.
    Require,
    /// Encrypted, with a certificate of the authority.
    VerifyCa,
    /// Encrypted, with a certificate of the authority that names the server.
    VerifyFull,
}

impl StoreUrl {
    /// The whole URL.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it names a server that nodes share.
    pub fn is_postgres(&self) -> bool {
        self.0.starts_with("postgres:") || self.0.starts_with("postgresql:")
    }
}

impl From<String> for StoreUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl From<&str> for StoreUrl {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

/// Of a server's URL only the user, the host and the database: passwords may stand before the `@` and behind the `?`.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.starts_with("sqlite:") {
            return f.write_str(&self.0);
        }
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return f.write_str("(unreadable)");
        };
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        match rest.rsplit_once('@') {
            Some((login, server)) => {
                let user = login.split(':').next().unwrap_or_default();
                write!(f, "{scheme}://{user}@{server}")
            }
            None => write!(f, "{scheme}://{rest}"),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file() {
        let cases = [
            ("sqlite://gatepost.db", Some("gatepost.db")),
            (
                "sqlite:///var/lib/gatepost.db",
                Some("/var/lib/gatepost.db"),
            ),
            ("sqlite:gatepost.db", Some("gatepost.db")),
            ("sqlite::memory:", None),
            ("sqlite://", None),
            ("sqlite://gatepost.db?mode=ro", None),
            ("gatepost.db", None),
            ("", None),
            ("postgres://user:hunter2@host/db", None),
        ];
        for (url, path) in cases {
            let config = Config {
                url: url.into(),
                ..Config::default()
            };
            assert_eq!(config.path().ok(), path.map(PathBuf::from), "{url}");
        }
    }

    #[test]
    fn a_refused_url_does_not_show_its_password() {
        let config = Config {
            url: "mysql://user:hunter2@host/db".into(),
            ..Config::default()
        };
        let error = config.path().expect_err("not supported");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn a_url_shows_itself_without_its_secrets() {
        let cases = [
            ("sqlite://gatepost.db", "sqlite://gatepost.db"),
            (
                "postgres://user:hunter2@host:5432/db",
                "postgres://user@host:5432/db",
            ),
            (
                "postgres://user:hun@ter2@host/db?password=hunter2",
                "postgres://user@host/db",
            ),
            (
                "postgres:///db?host=/run&password=hunter2",
                "postgres:///db",
            ),
            ("hunter2", "(unreadable)"),
        ];
        for (url, shown) in cases {
            let url = StoreUrl::from(url);
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("\"{shown}\""));
        }
    }
}
