//! Where content lies: one message after the other in segments, files beside the database.
//!
//! A database writes what it is given twice, in pages and with much ado about each; content is written once and
//! deleted soon, so here it is appended and forgotten a segment at a time. It is on the disk before the transaction
//! that refers to it is committed: what a crash leaves behind without a row is nobody's, never the other way round.
//!
//! Neighbours: `writer` appends, `content` reads, `sweep` finds out which segments are still needed.

mod segment;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::task::JoinHandle;

use self::segment::Segment;
pub(super) use self::segment::{Sealed, read_all, sealed};
use crate::id::QueueId;
use crate::queue::Place;

/// Octets after which a segment is followed by the next. Default 64 MiB: half a minute of much mail, and what one
/// message that stays may keep on the disk for a while.
const SEGMENT_OCTETS: u64 = 64 * 1024 * 1024;

/// The end of the log, to which one writer appends.
pub(super) struct Log {
    folder: PathBuf,
    current: Option<Segment>,
}

/// Content on its way to the disk.
#[must_use = "nothing may be committed that is not on the disk"]
pub(super) struct Writing(Option<JoinHandle<io::Result<()>>>);

impl Log {
    /// The log in a folder; files are made when there is something to write.
    pub(super) const fn within(folder: PathBuf) -> Self {
        Self {
            folder,
            current: None,
        }
    }

    /// Begins to write contents and says where they will be.
    ///
    /// # Errors
    /// There can be no new segment.
    pub(super) async fn append(
        &mut self,
        contents: Vec<(QueueId, Bytes)>,
    ) -> io::Result<(Vec<Place>, Writing)> {
        if contents.is_empty() {
            return Ok((Vec::new(), Writing(None)));
        }
        let mut segment = match self.current.take() {
            Some(segment) if segment.octets() < SEGMENT_OCTETS => segment,
            _ => self.next_segment().await?,
        };
        let places = contents
            .iter()
            .map(|(_, octets)| segment.place(octets.len()))
            .collect();
        let file = segment.file();
        self.current = Some(segment);
        let task = tokio::task::spawn_blocking(move || segment::write(&file, &contents));
        Ok((places, Writing(Some(task))))
    }

    async fn next_segment(&self) -> io::Result<Segment> {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || Segment::create(&folder)).await?
    }

    /// Proves that the log can be written: with octets that a full disk has no room for. A segment that cannot leaves
    /// nothing behind.
    pub(super) async fn probe(&mut self, octets: usize) -> io::Result<()> {
        let nobody = QueueId::from_i64(0);
        let (_, mut writing) = self.append(vec![(nobody, vec![0; octets].into())]).await?;
        let written = writing.done().await;
        if written.is_err()
            && let Some(segment) = self.current.take()
        {
            segment.delete(&self.folder);
        }
        written
    }
}

impl Writing {
    /// Nothing is on its way.
    pub(super) const fn nothing() -> Self {
        Self(None)
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// It is not; what was written in its segment since the last time it was is not to be relied on.
    pub(super) async fn done(&mut self) -> io::Result<()> {
        match self.0.take() {
            Some(task) => task.await?,
            None => Ok(()),
        }
    }
}

/// The folder of the log beside a database: its path with `-content` at its end.
pub(super) fn folder_of(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push("-content");
    PathBuf::from(name)
}
