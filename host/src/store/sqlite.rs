//! How the SQLite file is opened: durable, shared between processes, bounded in memory.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::sql::Pool;
use super::{Config, StoreError};

/// Octets of a page: that of the machine's memory. Content lies in the log, so what is left are small rows, and a
/// group of them writes what it touches as a whole.
const PAGE_SIZE: u32 = 4 * 1024;
/// Octets the write-ahead log is cut back to after a checkpoint: 64 MiB.
const JOURNAL_SIZE_LIMIT: &str = "67108864";
/// Pages in the write-ahead log that start a checkpoint: 16 MiB. Most pages are written many times before that and
/// reach the database file once; a larger log makes whoever commits at its end wait longer.
const CHECKPOINT_PAGES: &str = "4096";

/// Prepared statements that the writer keeps. 512: one for each number of rows of each statement that has many.
const STATEMENTS: usize = 512;

/// Options of the one connection that writes.
pub(super) fn writer_options(config: &Config, path: &Path) -> SqliteConnectOptions {
    shared_options(config, path)
        .page_size(PAGE_SIZE)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit is on the disk before it is answered.
        .synchronous(SqliteSynchronous::Full)
        .pragma("journal_size_limit", JOURNAL_SIZE_LIMIT)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("cache_size", cache_size(config.writer_cache_kib))
        .statement_cache_capacity(STATEMENTS)
        .thread_name(|_| "store-writer".to_owned())
}

/// The pool of connections that read; it connects when it is first used.
pub(super) fn reader_pool(config: &Config, path: &Path) -> Pool {
    let options = shared_options(config, path)
        .pragma("query_only", "ON")
        .pragma("cache_size", cache_size(config.reader_cache_kib))
        .thread_name(|number| format!("store-reader-{number}"));
    let pool = SqlitePoolOptions::new()
        .max_connections(config.readers.max(1))
        .acquire_timeout(Duration::from_secs(u64::from(config.reader_wait_s)))
        .connect_lazy_with(options);
    Pool::Sqlite(pool)
}

/// Makes an empty database file, readable by its owner alone, where there is none.
///
/// The files SQLite puts beside it take over its permissions.
pub(super) fn create_file(path: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::Create {
            path: path.to_owned(),
            source: Arc::new(error),
        }),
    }
}

fn shared_options(config: &Config, path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(config.busy_timeout())
        .disable_statement_logging()
}

/// A negative size counts KiB, a positive one pages.
fn cache_size(kib: u32) -> String {
    format!("-{kib}")
}
