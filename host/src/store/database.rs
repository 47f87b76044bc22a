//! Which database the store is: a file of this machine, or a server that nodes share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::changes::Changes;
use super::notices::Notices;
use super::sql::{Connector, Pool};
use super::wal_index::WalIndex;
use super::{Config, StoreError, lock, log, postgres, sqlite};

/// The database of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Database {
    /// A file.
    Sqlite(PathBuf),
    /// A server, by its URL without what is secret in it.
    Postgres(String),
}

impl Database {
    /// The one that the configuration names.
    ///
    /// # Errors
    /// Its URL is not usable.
    pub(super) fn of(config: &Config) -> Result<Self, StoreError> {
        if config.url.is_postgres() {
            // Whatever is wrong with it is said now.
            postgres::options(config)?;
            return Ok(Self::Postgres(config.url.to_string()));
        }
        config.path().map(Self::Sqlite)
    }

    /// How people know it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(url) => url.clone(),
        }
    }

    /// How to connect for writing; a file is made where there is none.
    ///
    /// # Errors
    /// The file cannot be made.
    pub(super) fn connector(&self, config: &Config) -> Result<Connector, StoreError> {
        match self {
            Self::Sqlite(path) => {
                sqlite::create_file(path)?;
                Ok(sqlite::writer_options(config, path).into())
            }
            Self::Postgres(_) => postgres::connector(config),
        }
    }

    /// Connections that read; they are made when they are first used.
    ///
    /// # Errors
    /// The URL is not usable.
    pub(super) fn readers(&self, config: &Config) -> Result<Pool, StoreError> {
        match self {
            Self::Sqlite(path) => Ok(sqlite::reader_pool(config, path)),
            Self::Postgres(_) => postgres::reader_pool(config),
        }
    }

    /// What tells whether others have changed something.
    ///
    /// # Errors
    /// The URL is not usable.
    pub(super) fn changes(&self, config: &Config) -> Result<Changes, StoreError> {
        match self {
            Self::Sqlite(path) => Ok(Changes::File(Arc::new(WalIndex::of(path)))),
            Self::Postgres(_) => {
                postgres::listening_pool(config).map(|pool| Changes::Server(Notices::hear(pool)))
            }
        }
    }

    /// The file, if it is one.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// The folder of the log that content lies in; none where it lies in the database.
    pub(super) fn content_folder(&self) -> Option<PathBuf> {
        self.path().map(log::folder_of)
    }

    /// Where the search index is: beside a file, or where the configuration says.
    pub(super) fn search_index(&self, config: &Config) -> PathBuf {
        let Some(path) = self.path() else {
            return config.search_index.clone();
        };
        let mut path = path.as_os_str().to_owned();
        path.push(".search");
        PathBuf::from(path)
    }

    /// Takes the queue for this process. Nodes share that of a server.
    ///
    /// # Errors
    /// Another process holds it, or the lock file cannot be made.
    pub(super) fn lock_queue(&self) -> Result<lock::QueueLock, StoreError> {
        match self {
            Self::Sqlite(path) => lock::lock(path),
            Self::Postgres(_) => Ok(lock::QueueLock::shared()),
        }
    }
}
