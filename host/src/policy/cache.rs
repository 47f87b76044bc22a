//! Compiled code that outlives a restart, in a folder that nobody but the service can write to.
//!
//! What lies there is run as machine code, so a folder that others can change is not used at all:
//! compiling again costs seconds, believing a stranger costs the machine.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use wasmtime::{Cache, CacheConfig};

/// Files of compiled code that are kept; beyond it the least used go. 256: one for each module and
/// version of Gatepost, and those of the modules before.
const MAX_FILES: u64 = 256;
/// Between two looks whether the limits are kept.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Mode bits by which others than the owner can write.
const OTHERS_WRITE: u32 = 0o022;
/// In a folder with this bit others can add files, but not replace those of the owner.
const STICKY: u32 = 0o1000;

/// Where the compiled code of policies is kept. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CodeCache(pub(super) Cache);

/// Why compiled code is not kept.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The folder cannot be made or looked at.
    #[error("cannot use the folder {}", path.display())]
    Io {
        /// The folder, or what is in it.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Somebody else could put code there.
    #[error("{} {problem}", path.display())]
    Unsafe {
        /// The folder, one above it, or a file in it.
        path: PathBuf,
        /// Who could.
        problem: String,
    },
    /// The engine refuses it.
    #[error("the engine cannot use the folder: {0}")]
    Engine(String),
}

impl CacheError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Unsafe { .. } => {
                "remove the folder and let the service make it, or set policy.cache-folder to one \
                 that only the service's user can write to"
            }
            Self::Io { .. } | Self::Engine(_) => {
                "set policy.cache-folder to a folder that the service can write to, or to \"\""
            }
        }
    }
}

impl CodeCache {
    /// Opens the folder, making it (mode 0700) if there is none, for at most `max_mib` MiB. What it lies
    /// in must be there: a path with a mistake in it is not made true.
    ///
    /// # Errors
    ///
    /// When it cannot be used, or somebody else than this process's user could write there.
    pub fn open(folder: &Path, max_mib: u64) -> Result<Self, CacheError> {
        let folder = make(folder)?;
        check_above(&folder)?;
        check_within(&folder)?;
        let mut config = CacheConfig::new();
        config
            .with_directory(folder)
            .with_file_count_soft_limit(MAX_FILES)
            .with_files_total_size_soft_limit(max_mib.saturating_mul(1 << 20))
            .with_cleanup_interval(CLEANUP_INTERVAL);
        let cache = Cache::new(config);
        cache
            .map(Self)
            .map_err(|error| CacheError::Engine(format!("{error:#}")))
    }

    /// Modules that were found compiled since it was opened.
    pub fn hits(&self) -> usize {
        self.0.cache_hits()
    }
}

/// Makes the folder if need be; returns its path without links.
fn make(folder: &Path) -> Result<PathBuf, CacheError> {
    let made = match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    };
    made.and_then(|()| folder.canonicalize())
        .map_err(|source| io_error(folder, source))
}

/// Whoever can write to a folder above could put another one in this one's place.
fn check_above(folder: &Path) -> Result<(), CacheError> {
    for path in folder.ancestors() {
        let found = look(path)?;
        let is_ours = [own_user(), 0].contains(&found.uid());
        let is_shared = found.mode() & OTHERS_WRITE != 0 && found.mode() & STICKY == 0;
        if !is_ours {
            return Err(unsafe_path(
                path,
                format!("belongs to user {}", found.uid()),
            ));
        }
        if is_shared {
            return Err(unsafe_path(path, writable(&found)));
        }
    }
    Ok(())
}

/// The folder and all that is in it must be this user's alone: files may have come when it was not.
fn check_within(path: &Path) -> Result<(), CacheError> {
    let found = look(path)?;
    if found.uid() != own_user() {
        return Err(unsafe_path(
            path,
            format!("belongs to user {}", found.uid()),
        ));
    }
    if found.mode() & OTHERS_WRITE != 0 || found.is_symlink() {
        return Err(unsafe_path(path, writable(&found)));
    }
    if found.is_dir() {
        let entries = fs::read_dir(path).map_err(|source| io_error(path, source))?;
        for entry in entries {
            let entry = entry.map_err(|source| io_error(path, source))?;
            check_within(&entry.path())?;
        }
    }
    Ok(())
}

fn look(path: &Path) -> Result<Metadata, CacheError> {
    fs::symlink_metadata(path).map_err(|source| io_error(path, source))
}

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn writable(found: &Metadata) -> String {
    let mode = found.mode() & 0o7777;
    format!("can be written to by others than its owner (mode {mode:04o})")
}

fn io_error(path: &Path, source: io::Error) -> CacheError {
    let path = path.to_owned();
    CacheError::Io { path, source }
}

fn unsafe_path(path: &Path, problem: String) -> CacheError {
    let path = path.to_owned();
    CacheError::Unsafe { path, problem }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder() -> PathBuf {
        let name = format!("gatepost-cache-{}", crate::id::session_id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("the temporary folder is writable");
        folder
    }

    fn refused(folder: &Path) -> String {
        let error = CodeCache::open(folder, 1).expect_err("not safe");
        assert!(matches!(error, CacheError::Unsafe { .. }), "{error}");
        error.to_string()
    }

    #[test]
    fn a_folder_that_is_not_there_is_made_for_its_owner_alone() {
        let folder = folder().join("cache");
        CodeCache::open(&folder, 1).expect("made");
        let mode = fs::metadata(&folder).expect("made").mode() & 0o7777;
        assert_eq!(mode, 0o700, "{mode:o}");
        CodeCache::open(&folder, 1).expect("used again");
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        for mode in [0o770, 0o707, 0o1777] {
            let folder = folder().join("cache");
            fs::create_dir(&folder).expect("writable");
            fs::set_permissions(&folder, Permissions::from_mode(mode)).expect("ours");
            let problem = refused(&folder);
            assert!(problem.contains(&format!("{mode:04o}")), "{problem}");
        }
    }

    #[test]
    fn a_folder_that_others_can_replace_is_refused() {
        let above = folder();
        let folder = above.join("cache");
        CodeCache::open(&folder, 1).expect("made");
        fs::set_permissions(&above, Permissions::from_mode(0o777)).expect("ours");
        let problem = refused(&folder);
        assert!(
            problem.starts_with(&above.display().to_string()),
            "{problem}"
        );
    }

    #[test]
    fn a_file_that_others_can_write_to_is_refused() {
        let folder = folder().join("cache");
        CodeCache::open(&folder, 1).expect("made");
        let file = folder.join("planted");
        fs::write(&file, "code").expect("writable");
        fs::set_permissions(&file, Permissions::from_mode(0o666)).expect("ours");
        assert!(refused(&folder).contains("planted"));
        fs::remove_file(&file).expect("ours");
        std::os::unix::fs::symlink("/etc/passwd", &file).expect("writable");
        assert!(refused(&folder).contains("planted"));
    }
}
