//! Where the store lies and what it may use.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::StoreError;

/// The `[store]` section.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// The database: `sqlite://` and a path. Default `sqlite://gatepost.db`.
    pub url: String,
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
            url: "sqlite://gatepost.db".to_owned(),
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
        let scheme = self.url.split(':').next().unwrap_or_default();
        if scheme != "sqlite" || !self.url.contains(':') {
            // Only the scheme is shown: the rest may hold a password.
            return Err(StoreError::Unsupported {
                scheme: scheme.to_owned(),
            });
        }
        let path = self.url.trim_start_matches("sqlite:");
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.starts_with(':') || path.contains('?') {
            return Err(StoreError::MalformedUrl {
                url: self.url.clone(),
            });
        }
        Ok(PathBuf::from(path))
    }

    pub(super) fn busy_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.busy_timeout_s))
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
                url: url.to_owned(),
                ..Config::default()
            };
            assert_eq!(config.path().ok(), path.map(PathBuf::from), "{url}");
        }
    }

    #[test]
    fn a_refused_url_does_not_show_its_password() {
        let config = Config {
            url: "postgres://user:hunter2@host/db".to_owned(),
            ..Config::default()
        };
        let error = config.path().expect_err("not supported");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
