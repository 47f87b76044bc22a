//! Files of a form that was not accepted, until it is sent again: a browser forgets which files were chosen.
//!
//! In memory alone, for the session that sent them, not many and not long.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use parking_lot::Mutex;

use super::fields::File;
use crate::operators::Digest;

/// How long files wait for their form. Default 15 minutes: time to mend an address and to be called away meanwhile.
const PATIENCE: Duration = Duration::from_secs(900);
/// Octets of all files that wait, with their names. Default 64 MiB: four of the largest uploads by default; then the oldest
/// go.
const MAX_OCTETS: usize = 64 << 20;
/// Forms of one session whose files wait. Default 2; then its oldest go, so that nobody takes the place of all others.
const FORMS_OF_A_SESSION: usize = 2;

/// For whom files are: the session, and the form as the page knows it.
type Key = (Digest, String);

/// Files that wait. Cheap to clone; all clones share them.
#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<HashMap<Key, Waiting>>>);

struct Waiting {
    since: Instant,
    octets: usize,
    files: Vec<File>,
}

impl Kept {
    /// Keeps files for the form that is sent next; false when they are too large.
    pub fn keep(&self, session: Digest, form: &str, files: &[File]) -> bool {
        let octets: usize = files.iter().map(size).sum();
        if octets > MAX_OCTETS {
            return false;
        }
        let now = Instant::now();
        let kept = Waiting {
            since: now,
            octets,
            files: files.iter().map(alone).collect(),
        };
        let mut waiting = self.0.lock();
        waiting.retain(|_, one| now.saturating_duration_since(one.since) < PATIENCE);
        while waiting.keys().filter(|(of, _)| *of == session).count() >= FORMS_OF_A_SESSION {
            drop_oldest(&mut waiting, |(of, _)| *of == session);
        }
        while waiting.values().map(|one| one.octets).sum::<usize>() + octets > MAX_OCTETS {
            drop_oldest(&mut waiting, |_| true);
        }
        waiting.insert((session, form.to_owned()), kept);
        true
    }

    /// The files of this form; none when they are gone. They stay, for a button that is pressed twice.
    pub fn of(&self, session: Digest, form: &str) -> Vec<File> {
        let waiting = self.0.lock();
        let kept = waiting.get(&(session, form.to_owned()));
        let kept = kept.filter(|one| one.since.elapsed() < PATIENCE);
        kept.map(|one| one.files.clone()).unwrap_or_default()
    }
}

fn size(file: &File) -> usize {
    file.name.len() + file.media_type.len() + file.octets.len()
}

/// The file without the upload that it may be a part of.
fn alone(file: &File) -> File {
    File {
        octets: Bytes::copy_from_slice(&file.octets),
        ..file.clone()
    }
}

fn drop_oldest(waiting: &mut HashMap<Key, Waiting>, is_meant: impl Fn(&Key) -> bool) {
    let meant = waiting.iter().filter(|(key, _)| is_meant(key));
    let oldest = meant.min_by_key(|(_, one)| one.since);
    let oldest = oldest.map(|(key, _)| key.clone());
    oldest.map(|key| waiting.remove(&key));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(octets: usize) -> File {
        File {
            name: String::new(),
            media_type: String::new(),
            octets: vec![0; octets].into(),
        }
    }

    #[test]
    fn files_wait_for_their_own_session_and_form() {
        let kept = Kept::default();
        let (own, other) = (Digest::of(b"own"), Digest::of(b"other"));
        assert!(kept.keep(own, "a", &[file(1)]));
        assert_eq!(kept.of(own, "a"), [file(1)]);
        assert_eq!(kept.of(own, "a"), [file(1)], "they stay");
        assert!(kept.of(other, "a").is_empty());
        assert!(kept.of(own, "b").is_empty());
    }

    #[test]
    fn the_newest_forms_of_a_session_have_their_files() {
        let kept = Kept::default();
        let (own, other) = (Digest::of(b"own"), Digest::of(b"other"));
        kept.keep(other, "a", &[file(1)]);
        for form in ["a", "b", "c"] {
            kept.keep(own, form, &[file(1)]);
        }
        assert!(kept.of(own, "a").is_empty());
        assert_eq!(kept.of(own, "c").len(), 1);
        assert_eq!(kept.of(other, "a").len(), 1);
    }

    #[test]
    fn they_take_no_more_memory_than_they_may() {
        let kept = Kept::default();
        let half = file(MAX_OCTETS / 2);
        for session in [b"a", b"b", b"c"] {
            assert!(kept.keep(Digest::of(session), "a", std::slice::from_ref(&half)));
        }
        assert!(kept.of(Digest::of(b"a"), "a").is_empty());
        assert_eq!(kept.of(Digest::of(b"c"), "a").len(), 1);
        assert!(!kept.keep(Digest::of(b"d"), "a", &[file(MAX_OCTETS + 1)]));
        let octets = kept.0.lock().values().map(|one| one.octets).sum::<usize>();
        assert!(octets <= MAX_OCTETS, "{octets}");
    }
}
