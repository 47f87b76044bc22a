//! One queue, one server: a lock file beside the database that ends with its process.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StoreError;

/// Holds the queue for this process until it is dropped.
#[derive(Debug)]
#[must_use = "the queue is free again when this is dropped"]
pub struct QueueLock {
    _file: Option<File>,
}

impl QueueLock {
    /// For a queue that nodes share.
    pub(super) const fn shared() -> Self {
        Self { _file: None }
    }
}

/// Takes the queue of the database at `path`.
pub(super) fn lock(path: &Path) -> Result<QueueLock, StoreError> {
    let lock_path = lock_path(path);
    let failed = |error| StoreError::Lock {
        path: lock_path.clone(),
        source: Arc::new(error),
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(QueueLock { _file: Some(file) }),
        Err(TryLockError::WouldBlock) => Err(StoreError::QueueLocked {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Whether another process holds the queue of the database at `path`.
pub(super) fn is_held(path: &Path) -> Result<bool, StoreError> {
    let lock_path = lock_path(path);
    let failed = |error| StoreError::Lock {
        path: lock_path.clone(),
        source: Arc::new(error),
    };
    let file = match File::open(&lock_path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// The database's path with `.lock` at its end.
fn lock_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".lock");
    PathBuf::from(name)
}
