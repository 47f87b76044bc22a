//! What the index of SQLite's write-ahead log tells of transactions, without asking the database.
//!
//! SQLite counts transactions that write, whichever process makes them, in the header of the index, a file that all
//! connections share (<https://sqlite.org/walformat.html>, "The WAL-Index Header"). A look at it costs less than a
//! twentieth of the shortest query. Nearly all of them are this process's own, which know what they change; they are
//! counted here, so that what is left are those of others.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

/// Octets of the header; it is there twice, so that a reader notices that it is being written.
const HEADER_OCTETS: usize = 48;
/// Where the header counts transactions, in the byte order of this machine.
const TRANSACTIONS: usize = 8;
/// Where the header says that the index is in use.
const IS_INIT: usize = 12;
/// Where the header has what a log that begins anew changes.
const SALT: usize = 32;
const SALT_OCTETS: usize = 8;

/// The index of one database's log.
pub(super) struct WalIndex {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    file: Option<File>,
    /// Transactions of this process that are of no interest to those who look.
    own: u32,
    /// What was counted before the one of them that is being committed.
    before: Option<u32>,
}

/// The state at one time. Two are alike when others, or this process where it was of interest, have committed nothing in
/// between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    others: u32,
    salt: [u8; SALT_OCTETS],
}

/// What the header says.
#[derive(Clone, Copy)]
struct Header {
    transactions: u32,
    salt: [u8; SALT_OCTETS],
}

impl State {
    /// What the header says; none where it cannot be told.
    fn header(&mut self, path: &Path) -> Option<Header> {
        // A file without a name is the index of connections that are gone; others have made a new one.
        if self.file.as_ref().is_none_or(|file| !is_named(file)) {
            self.file = File::open(path).ok();
        }
        let mut copies = [0; 2 * HEADER_OCTETS];
        read(self.file.as_ref()?, &mut copies)?;
        let (header, copy) = copies.split_at(HEADER_OCTETS);
        if header != copy || header[IS_INIT] != 1 {
            return None;
        }
        let transactions = u32::from_ne_bytes(part(header, TRANSACTIONS)?);
        // After a repair it is counted from 0 again: nothing can be concluded before somebody commits.
        (transactions > 0).then_some(Header {
            transactions,
            salt: part(header, SALT)?,
        })
    }

    /// Transactions of others. While one of our own is being committed nobody else can commit: the next that is counted
    /// is ours. Should it fail, another's takes its place until [`WalIndex::committed`] says so, at once.
    const fn others(&self, counted: u32) -> u32 {
        match self.before {
            Some(before) if counted == before => counted.wrapping_sub(self.own),
            Some(_) => counted.wrapping_sub(self.own).wrapping_sub(1),
            None => counted.wrapping_sub(self.own),
        }
    }
}

impl WalIndex {
    /// Of the database at this path.
    pub(super) fn of(database: &Path) -> Self {
        let mut name = OsString::from(database);
        name.push("-shm");
        Self {
            path: PathBuf::from(name),
            state: Mutex::default(),
        }
    }

    /// What there is to see; none where it cannot be told.
    pub(super) fn look(&self) -> Option<Look> {
        let mut state = self.state.lock();
        let header = state.header(&self.path)?;
        Some(Look {
            others: state.others(header.transactions),
            salt: header.salt,
        })
    }

    /// The open transaction of this process, which has written something that is of no interest, is to be committed.
    pub(super) fn committing(&self) {
        let mut state = self.state.lock();
        let header = state.header(&self.path);
        state.before = header.map(|header| header.transactions);
    }

    /// What [`WalIndex::committing`] announced has ended. One that failed is taken for somebody else's.
    pub(super) fn committed(&self, is_done: bool) {
        let mut state = self.state.lock();
        if state.before.take().is_some() && is_done {
            state.own = state.own.wrapping_add(1);
        }
    }
}

fn part<const OCTETS: usize>(header: &[u8], from: usize) -> Option<[u8; OCTETS]> {
    header.get(from..from + OCTETS)?.try_into().ok()
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
    use crate::store::tests::Folder;

    fn header(transactions: u32, is_init: u8, salt: u8) -> Vec<u8> {
        let mut header = [0; HEADER_OCTETS];
        header[TRANSACTIONS..TRANSACTIONS + 4].copy_from_slice(&transactions.to_ne_bytes());
        (header[IS_INIT], header[SALT]) = (is_init, salt);
        header.repeat(2)
    }

    fn write(index: &WalIndex, octets: &[u8]) {
        std::fs::write(&index.path, octets).expect("written");
    }

    #[test]
    fn an_index_that_was_made_anew_is_looked_at() {
        let folder = Folder::new();
        let index = WalIndex::of(&folder.database());
        assert_eq!(index.look(), None);
        write(&index, &header(1, 1, 0));
        let first = index.look();
        assert!(first.is_some());
        assert_eq!(index.look(), first);
        std::fs::remove_file(&index.path).expect("removed");
        assert_eq!(index.look(), None);
        write(&index, &header(2, 1, 0));
        let second = index.look();
        assert!(second.is_some() && second != first);
        write(&index, &header(3, 0, 0));
        assert_eq!(index.look(), None, "nobody uses it yet");
        write(&index, &header(0, 1, 0));
        assert_eq!(index.look(), None, "it was repaired");
        let mut torn = header(4, 1, 0);
        torn[HEADER_OCTETS + TRANSACTIONS] += 1;
        write(&index, &torn);
        assert_eq!(index.look(), None, "it is being written");
    }

    #[test]
    fn own_transactions_are_of_no_interest_and_those_of_others_are() {
        let folder = Folder::new();
        let index = WalIndex::of(&folder.database());
        write(&index, &header(5, 1, 0));
        let before = index.look();
        assert!(before.is_some());
        for counted in 6..9 {
            index.committing();
            assert_eq!(index.look(), before, "it is not counted yet");
            write(&index, &header(counted, 1, 0));
            assert_eq!(index.look(), before, "it is ours");
            index.committed(true);
            assert_eq!(index.look(), before);
        }

        write(&index, &header(9, 1, 0));
        assert_ne!(index.look(), before, "somebody else has committed");
        write(&index, &header(8, 1, 9));
        assert_ne!(index.look(), before, "the log has begun anew");
        write(&index, &header(8, 1, 0));
        assert_eq!(index.look(), before);

        index.committing();
        write(&index, &header(10, 1, 0));
        assert_ne!(index.look(), before, "somebody else came right behind it");
        index.committed(true);
        assert_ne!(index.look(), before);
        write(&index, &header(9, 1, 0));
        assert_eq!(index.look(), before);

        index.committing();
        write(&index, &header(10, 1, 0));
        index.committed(false);
        assert_ne!(index.look(), before, "whose it was is not known");
    }

    #[test]
    fn what_cannot_be_counted_is_of_interest() {
        let folder = Folder::new();
        let index = WalIndex::of(&folder.database());
        index.committing();
        write(&index, &header(5, 1, 0));
        index.committed(true);
        let before = index.look();
        write(&index, &header(0, 1, 0));
        index.committing();
        write(&index, &header(6, 1, 0));
        index.committed(true);
        assert_ne!(index.look(), before);
    }
}
