//! Delivers into files: `<root>/<domain>/<local-part>/new/<unique name>`, one per message and recipient.
//!
//! A file appears in `new` only when it is complete and on disk, as the maildir protocol wants it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task;

use super::content::ContentReader;
use super::smtp::reply::deferred;
use crate::clock::Timestamp;
use crate::id::session_id;
use crate::queue::{Outcome, RemoteReply};
use crate::smtp::Mailbox;
use crate::store::StoreError;

/// Octets of a file or folder name; file systems allow 255.
const MAX_NAME: usize = 200;
/// Pieces of content between the reader and the disk.
const PIECES: usize = 2;

/// What came of a delivery into files: a path for people, and the outcome.
pub(super) struct Filed {
    pub path: String,
    pub outcome: Outcome,
}

/// Writes the content into the recipient's maildir.
pub(super) async fn file(
    root: &Path,
    reverse_path: Option<&Mailbox>,
    recipient: &Mailbox,
    mut content: ContentReader<'_>,
) -> Filed {
    let folder = folder(root, recipient);
    let path = folder.display().to_string();
    let header = header(reverse_path, recipient);
    let (sender, receiver) = mpsc::channel(PIECES);
    let writer = task::spawn_blocking(move || write(&folder, &header, receiver));
    let complete = pass_on(&mut content, &sender).await;
    drop(sender);
    let written = writer.await;
    let outcome = match (complete, written) {
        (Err(error), _) => deferred(format!("content is not at hand: {error}")),
        (Ok(()), Ok(Ok(name))) => Outcome::Delivered(RemoteReply {
            code: 0,
            text: format!("written to {name}"),
        }),
        (Ok(()), Ok(Err(error))) => deferred(format!("cannot write to {path}: {error}")),
        (Ok(()), Err(_)) => deferred(format!("writing to {path} was interrupted")),
    };
    Filed { path, outcome }
}

/// Passes all pieces to the writer, and a `None` after the last. A writer that is gone tells why itself.
async fn pass_on(
    content: &mut ContentReader<'_>,
    writer: &mpsc::Sender<Option<Bytes>>,
) -> Result<(), StoreError> {
    loop {
        let piece = content.next().await?;
        let is_last = piece.is_none();
        if is_last {
            content.may_end()?;
        }
        if writer.send(piece).await.is_err() || is_last {
            return Ok(());
        }
    }
}

/// `Return-Path` and `Delivered-To`, which whoever makes the final delivery adds (RFC 5321 §4.4).
fn header(reverse_path: Option<&Mailbox>, recipient: &Mailbox) -> String {
    let path = reverse_path.map_or("", Mailbox::as_str);
    format!("Return-Path: <{path}>\r\nDelivered-To: {recipient}\r\n")
}

fn folder(root: &Path, recipient: &Mailbox) -> PathBuf {
    root.join(safe_name(&recipient.domain().to_ascii_lowercase()))
        .join(safe_name(recipient.local_part()))
}

/// A name that is one path component and nothing special: what is not plainly harmless becomes `%XX`.
fn safe_name(text: &str) -> String {
    let mut name = String::new();
    for (place, octet) in text.bytes().enumerate() {
        let harmless = octet.is_ascii_alphanumeric()
            || matches!(octet, b'-' | b'_' | b'+' | b'=' | b'@')
            || (octet == b'.' && place > 0);
        if harmless {
            name.push(char::from(octet));
        } else {
            name.push_str(&format!("%{octet:02X}"));
        }
    }
    if name.len() > MAX_NAME {
        let digest = blake3::hash(text.as_bytes()).to_hex();
        name.truncate(MAX_NAME - 33);
        name = format!("{name}~{}", &digest.as_str()[..32]);
    }
    name
}

/// Runs on a thread for blocking work. The end of the channel without a `None` is an abandoned message.
fn write(
    folder: &Path,
    header: &str,
    mut pieces: mpsc::Receiver<Option<Bytes>>,
) -> io::Result<String> {
    for part in ["tmp", "new", "cur"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let name = format!("{}.{}", Timestamp::now().as_millis(), session_id());
    let (temporary, kept) = (
        folder.join("tmp").join(&name),
        folder.join("new").join(&name),
    );
    let result = write_whole(&temporary, header, &mut pieces)
        .and_then(|()| fs::rename(&temporary, &kept))
        .and_then(|()| File::open(folder.join("new"))?.sync_all());
    if result.is_err() {
        let _nothing_more_can_be_done = fs::remove_file(&temporary);
    }
    result.map(|()| kept.display().to_string())
}

fn write_whole(
    path: &Path,
    header: &str,
    pieces: &mut mpsc::Receiver<Option<Bytes>>,
) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let mut out = BufWriter::new(file);
    out.write_all(header.as_bytes())?;
    loop {
        match pieces.blocking_recv() {
            Some(Some(piece)) => out.write_all(&piece)?,
            Some(None) => break,
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    out.into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_folder() {
        let cases = [
            ("anna", "anna"),
            ("anna.b+tag", "anna.b+tag"),
            ("..", "%2E."),
            (".", "%2E"),
            ("\"../../etc/passwd\"", "%22..%2F..%2Fetc%2Fpasswd%22"),
            ("a\0b", "a%00b"),
            ("[127.0.0.1]", "%5B127.0.0.1%5D"),
            ("müller", "m%C3%BCller"),
        ];
        for (text, name) in cases {
            assert_eq!(safe_name(text), name, "{text:?}");
        }
    }

    #[test]
    fn long_names_stay_different() {
        let one = safe_name(&"ü".repeat(100));
        let other = safe_name(&format!("{}x", "ü".repeat(99)));
        assert!(one.len() <= MAX_NAME && other.len() <= MAX_NAME);
        assert_ne!(one, other);
    }
}
