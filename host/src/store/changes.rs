//! Whether anybody may have changed accounts since the last look, without asking the database.
//!
//! A server tells ([`super::notices`]). A file can be looked at: SQLite counts transactions, whichever process makes them, in the header of the index of its write-ahead log, a file
//! that all connections share (<https://sqlite.org/walformat.html>, "The WAL-Index Header"). A look at it costs less
//! than a twentieth of the shortest query. Where it cannot be had, everything may have changed.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::notices::{Heard, Notices};

/// Octets of the header; it is there twice, so that a reader notices that it is being written.
const HEADER_OCTETS: usize = 48;
/// Where the header says that the index is in use.
const IS_INIT: usize = 12;

/// The state at one time. Two are alike when nothing was changed in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// The header.
    Header([u8; HEADER_OCTETS]),
    /// What was heard of a server.
    Heard(Heard),
}

/// What there is to look at.
pub(super) enum Changes {
    File(Index),
    Server(Notices),
}

impl Changes {
    /// What there is to compare with later; none when it cannot be told.
    pub(super) fn look(&self) -> Option<Stamp> {
        match self {
            Self::File(index) => index.look().map(Stamp::Header),
            Self::Server(notices) => notices.heard().map(Stamp::Heard),
        }
    }

    /// This process has changed something: it need not wait until it hears of it.
    pub(super) fn touch(&self) {
        if let Self::Server(notices) = self {
            notices.touch();
        }
    }

    /// Returns when another node has left mail to whoever has time; never where there are no others.
    pub(super) async fn mail(&self) {
        match self {
            Self::Server(notices) => notices.mail().await,
            Self::File(_) => std::future::pending().await,
        }
    }

    /// Ends listening.
    pub(super) async fn close(&self) {
        if let Self::Server(notices) = self {
            notices.close().await;
        }
    }
}

/// The index of one database.
pub(super) struct Index {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

impl Index {
    /// Of the database at this path.
    pub(super) fn of(database: &Path) -> Self {
        let mut name = OsString::from(database);
        name.push("-shm");
        Self {
            path: PathBuf::from(name),
            file: Mutex::default(),
        }
    }

    fn look(&self) -> Option<[u8; HEADER_OCTETS]> {
        let mut file = self.file.lock();
        // A file without a name is the index of connections that are gone; others have made a new one.
        if file.as_ref().is_none_or(|file| !is_named(file)) {
            *file = File::open(&self.path).ok();
        }
        let mut copies = [0; 2 * HEADER_OCTETS];
        read(file.as_ref()?, &mut copies)?;
        let (first, second) = copies.split_at(HEADER_OCTETS);
        let is_whole = first == second && first[IS_INIT] == 1;
        is_whole.then(|| first.try_into().ok()).flatten()
    }
}

#[cfg(unix)]
fn is_named(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|metadata| metadata.nlink() > 0)
}

#[cfg(unix)]
fn read(file: &File, octets: &mut [u8]) -> Option<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, octets, 0).ok()
}

#[cfg(not(unix))]
fn is_named(_file: &File) -> bool {
    false
}

#[cfg(not(unix))]
fn read(_file: &File, _octets: &mut [u8]) -> Option<()> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(transactions: u8, is_init: u8) -> Vec<u8> {
        let mut header = [0; HEADER_OCTETS];
        (header[8], header[IS_INIT]) = (transactions, is_init);
        header.repeat(2)
    }

    #[test]
    fn an_index_that_was_made_anew_is_looked_at() {
        let folder = std::env::temp_dir().join(format!("gatepost-{}", crate::id::session_id()));
        std::fs::create_dir(&folder).expect("the temporary folder is writable");
        let (database, path) = (folder.join("store.db"), folder.join("store.db-shm"));
        let changes = Index::of(&database);
        assert_eq!(changes.look(), None);
        std::fs::write(&path, index(1, 1)).expect("written");
        let first = changes.look();
        assert!(first.is_some());
        assert_eq!(changes.look(), first);
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(changes.look(), None);
        std::fs::write(&path, index(2, 1)).expect("written");
        let second = changes.look();
        assert!(second.is_some() && second != first);
        std::fs::write(&path, index(3, 0)).expect("written");
        assert_eq!(changes.look(), None, "nobody uses it yet");
        let mut torn = index(4, 1);
        torn[HEADER_OCTETS + 8] = 3;
        std::fs::write(&path, torn).expect("written");
        assert_eq!(changes.look(), None, "it is being written");
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
