//! Sees that files have changed, by looking at them from time to time.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a change of a file changes. Links are followed, for a renewal often replaces only the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified_ns: (i64, i64),
    inode: u64,
    octets: u64,
}

impl Stamp {
    /// None when the file cannot be looked at.
    fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self {
            modified_ns: (found.mtime(), found.mtime_nsec()),
            inode: found.ino(),
            octets: found.size(),
        })
    }
}

type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

/// Files, as they were when they were last read and when they were last looked at.
#[derive(Debug)]
pub(super) struct Watch {
    read: Stamps,
    seen: Stamps,
}

impl Watch {
    /// Takes these files as read.
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let read = stamps(files);
        let seen = read.clone();
        Self { read, seen }
    }

    /// Looks at the files: true when they are no longer what was read, and are what the last look
    /// saw. A certificate whose key is still being written is so left alone.
    pub(super) fn look(&mut self) -> bool {
        let now = stamps(self.seen.keys().cloned());
        let is_settled = now == self.seen;
        self.seen = now;
        is_settled && self.seen != self.read
    }

    /// Takes these files as read, those known already as the last look saw them: what changed since
    /// is found by the next one.
    pub(super) fn taken(&mut self, files: &[PathBuf]) {
        let stamp = |file: &PathBuf| {
            let known = self.seen.get(file).copied();
            (file.clone(), known.unwrap_or_else(|| Stamp::of(file)))
        };
        self.read = files.iter().map(stamp).collect();
        self.seen = self.read.clone();
    }
}

fn stamps(files: impl IntoIterator<Item = PathBuf>) -> Stamps {
    let stamped = files.into_iter().map(|file| {
        let stamp = Stamp::of(&file);
        (file, stamp)
    });
    stamped.collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder() -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("gatepost-watch-{}", crate::id::session_id()));
        fs::create_dir(&folder).expect("the temporary folder is writable");
        folder
    }

    #[test]
    fn a_change_counts_once_and_only_when_it_has_settled() {
        let file = folder().join("file");
        fs::write(&file, "one").expect("writable");
        let mut watch = Watch::new(vec![file.clone()]);
        assert!(!watch.look(), "nothing changed");
        fs::write(&file, "longer").expect("writable");
        assert!(!watch.look(), "it may still be written");
        fs::write(&file, "longer still").expect("writable");
        assert!(!watch.look(), "it was still written");
        assert!(watch.look(), "it has settled");
        watch.taken(std::slice::from_ref(&file));
        assert!(!watch.look(), "it was read");
    }

    #[test]
    fn a_file_that_comes_or_is_replaced_by_one_of_the_same_size_has_changed() {
        let folder = folder();
        let (file, other) = (folder.join("file"), folder.join("other"));
        let mut watch = Watch::new(vec![file.clone()]);
        fs::write(&file, "one").expect("writable");
        assert!(!watch.look());
        assert!(watch.look());
        watch.taken(std::slice::from_ref(&file));
        fs::write(&other, "two").expect("writable");
        fs::rename(&other, &file).expect("one folder");
        assert!(!watch.look());
        assert!(watch.look());
    }
}
