//! The host's own folder on disk: private copies of plugins, and what is known of them.
//!
//! Each kind has a folder of its own that nobody else can look into. A file is written as a whole
//! or not at all, and removed when no host has used it for a week, nor uses it now.

use std::fs::{File, TryLockError};
use std::io::{Error, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long a file stays after its last use. A library that is mapped outlives its file.
pub(super) const KEPT: Duration = Duration::from_hours(7 * 24);

/// Where copies live unless the configuration says otherwise: `$XDG_CACHE_HOME/allos`, else
/// `~/.cache/allos`, else a folder of this user's in the system's folder for temporary files.
pub fn default_cache_dir() -> PathBuf {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|it| it.is_absolute());
    let of_user = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    match of_user {
        Some(folder) => folder.join("allos"),
        None => std::env::temp_dir().join(temporary_name()),
    }
}

#[cfg(unix)]
fn temporary_name() -> String {
    format!("allos-{}", rustix::process::geteuid().as_raw())
}

#[cfg(not(unix))]
fn temporary_name() -> String {
    "allos".to_owned()
}

/// The folder of a kind, made if it is not there, as an absolute path.
pub(super) fn folder(cache_dir: &Path, kind: &str) -> Result<PathBuf, Error> {
    let folder = std::path::absolute(cache_dir)?.join(kind);
    make_private(&folder, kind)?;
    Ok(folder)
}

/// Makes a folder that nobody else can look into.
#[cfg(unix)]
fn make_private(folder: &Path, kind: &str) -> Result<(), Error> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = std::fs::symlink_metadata(folder)?;
    if !metadata.is_dir() {
        return Err(Error::other(format!("its folder `{kind}` is a link")));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(Error::other(format!("its folder `{kind}` belongs to another user")));
    }
    if metadata.mode() & 0o077 != 0 {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_private(folder: &Path, _kind: &str) -> Result<(), Error> {
    std::fs::create_dir_all(folder)
}

/// Under another name first, so that a file is whole or is not there.
pub(super) fn write(folder: &Path, path: &Path, content: &[u8]) -> Result<(), Error> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.flush()?;
    file.persist(path)?;
    Ok(())
}

/// The time of the last use is the file's; where it cannot be set, the file is made again one day.
pub(super) fn mark_used(path: &Path) {
    let file = File::options().append(true).open(path);
    let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
}

/// Says that a file is in use, for as long as this or a clone of it is there.
#[derive(Debug, Clone)]
pub(super) struct InUse {
    _lock: Option<Arc<File>>,
}

impl InUse {
    /// Where the file system has no locks, only the time of the last use counts.
    pub(super) fn mark(path: &Path) -> Self {
        mark_used(path);
        let file = File::open(path).ok();
        let lock = file.filter(|file| file.try_lock_shared().is_ok());
        Self { _lock: lock.map(Arc::new) }
    }
}

fn is_in_use(path: &Path) -> bool {
    let file = File::open(path);
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Removes the files of a kind that were not used for long. What cannot be removed stays.
pub(super) fn prune(cache_dir: &Path, kind: &str) {
    let Ok(entries) = std::fs::read_dir(cache_dir.join(kind)) else { return };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|time| SystemTime::now().duration_since(time).ok());
        if age.is_some_and(|age| age > KEPT) && !is_in_use(&entry.path()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
