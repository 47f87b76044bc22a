//! One file of the log: records, each a header and the content of one message.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, IoSlice, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::Place;

/// Octets before each content: its message's id and its length, eight each, the most significant first. They tell
/// whether a segment is the one that a row refers to.
const HEADER_OCTETS: usize = 16;
/// Names tried for a new segment; two writers rarely want one in the same millisecond.
const MAX_NAMES: i64 = 1000;

/// A segment that is being written. Whoever has it holds the file's lock.
pub(super) struct Segment {
    number: i64,
    file: Arc<File>,
    end: u64,
}

impl Segment {
    /// Makes a segment with a number that no other ever had, and the folder if there is none.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        make_folder(folder)?;
        let first = Timestamp::now().as_millis();
        for number in first..first + MAX_NAMES {
            let path = path(folder, number);
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = match options.open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            match file.try_lock() {
                Ok(()) => {}
                // It was taken for a sealed one before it could be locked, and is being deleted.
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(error),
            }
            sync_folder(folder)?;
            return Ok(Self {
                number,
                file: Arc::new(file),
                end: 0,
            });
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    pub(super) const fn octets(&self) -> u64 {
        self.end
    }

    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Deletes a segment that nothing refers to; what cannot be deleted is swept later.
    pub(super) fn delete(self, folder: &Path) {
        let _ = std::fs::remove_file(path(folder, self.number));
    }

    /// The place of the next content.
    pub(super) fn place(&mut self, octets: usize) -> Place {
        let offset = self.end;
        self.end += (HEADER_OCTETS + octets) as u64;
        Place {
            segment: self.number,
            offset: i64::try_from(offset).unwrap_or(i64::MAX),
            octets: i64::try_from(octets).unwrap_or(i64::MAX),
        }
    }
}

/// Appends records and waits until they are on the disk.
pub(super) fn write(mut file: &File, contents: &[(QueueId, Bytes)]) -> io::Result<()> {
    let headers: Vec<[u8; HEADER_OCTETS]> = contents
        .iter()
        .map(|(id, octets)| header(*id, octets.len()))
        .collect();
    let mut slices: Vec<IoSlice<'_>> = headers
        .iter()
        .zip(contents)
        .flat_map(|(header, (_, octets))| [IoSlice::new(header), IoSlice::new(octets)])
        .collect();
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    file.sync_data()
}

/// Reads the contents of messages, each with its place; none where there is no such segment any more.
///
/// # Errors
/// A segment cannot be read; [`ErrorKind::InvalidData`]: something else lies there.
pub(in crate::store) fn read_all(
    folder: &Path,
    wanted: &[(QueueId, Place)],
) -> io::Result<Vec<(QueueId, Option<Bytes>)>> {
    let mut found = Vec::with_capacity(wanted.len());
    // Neighbours lie in the same one.
    let mut open: Option<(i64, Option<File>)> = None;
    for (id, place) in wanted {
        let (_, file) = match open.take() {
            Some(same) if same.0 == place.segment => open.insert(same),
            _ => open.insert((place.segment, find(folder, place.segment)?)),
        };
        let content = file.as_mut().map(|file| read(file, *id, *place));
        found.push((*id, content.transpose()?));
    }
    Ok(found)
}

/// Opens a segment; none when there is none any more.
fn find(folder: &Path, segment: i64) -> io::Result<Option<File>> {
    match File::open(path(folder, segment)) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read(file: &mut File, id: QueueId, place: Place) -> io::Result<Bytes> {
    let invalid = |_| io::Error::from(ErrorKind::InvalidData);
    let octets = usize::try_from(place.octets).map_err(invalid)?;
    let offset = u64::try_from(place.offset).map_err(invalid)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut found = [0; HEADER_OCTETS];
    file.read_exact(&mut found)?;
    // Before there is memory for so many octets: a damaged row may name any number.
    if found != header(id, octets) {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut content = Vec::with_capacity(octets);
    file.take(octets as u64).read_to_end(&mut content)?;
    if content.len() < octets {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(content.into())
}

/// A segment that nobody writes to any more.
pub(in crate::store) struct Sealed {
    /// Its number.
    pub(in crate::store) number: i64,
    path: PathBuf,
    /// Locked, so that no two processes deal with it.
    _file: File,
}

impl Sealed {
    /// The time since it was begun.
    pub(in crate::store) fn age(&self, now: Timestamp) -> Duration {
        now.since(Timestamp::from_millis(self.number))
    }

    /// Deletes it.
    pub(in crate::store) fn delete(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

/// The segments that nobody writes to, oldest first. All that was ever committed about them is committed.
///
/// # Errors
/// The folder cannot be read.
pub(in crate::store) fn sealed(folder: &Path) -> io::Result<Vec<Sealed>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let path = entry.path();
        // Whoever was faster has deleted it.
        let Ok(file) = File::open(&path) else {
            continue;
        };
        if file.try_lock().is_ok() {
            found.push(Sealed {
                number,
                path,
                _file: file,
            });
        }
    }
    found.sort_unstable_by_key(|segment| segment.number);
    Ok(found)
}

fn header(id: QueueId, octets: usize) -> [u8; HEADER_OCTETS] {
    let mut header = [0; HEADER_OCTETS];
    header[..8].copy_from_slice(&id.as_i64().to_be_bytes());
    header[8..].copy_from_slice(&(octets as u64).to_be_bytes());
    header
}

/// Names sort as numbers do.
fn path(folder: &Path, number: i64) -> PathBuf {
    folder.join(format!("{number:016}"))
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Ok(()) => sync_folder(
            folder
                .parent()
                .filter(|it| !it.as_os_str().is_empty())
                .unwrap_or(Path::new(".")),
        ),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// A new name is on the disk when its folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
